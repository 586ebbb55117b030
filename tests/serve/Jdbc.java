// What DBeaver and other Java tools do with a served study, through the real driver: metadata, parameters,
// cursors, every type. Prints what failed; exit code 1 if anything did.
import java.sql.*;
import java.util.*;

public class Jdbc {
    static int failures = 0;

    interface Check { void run() throws Exception; }

    static void check(String what, Check check) {
        try {
            check.run();
        } catch (Throwable error) {
            failures++;
            System.out.println("FAILED " + what + ": " + error);
        }
    }

    static void same(Object wanted, Object found) {
        if (!Objects.equals(wanted, found)) throw new AssertionError("expected " + wanted + ", found " + found);
    }

    static void holds(boolean fact, Object found) {
        if (!fact) throw new AssertionError("found " + found);
    }

    static List<String> column(ResultSet rows, String name) throws SQLException {
        List<String> values = new ArrayList<>();
        while (rows.next()) values.add(rows.getString(name));
        rows.close();
        return values;
    }

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0];
        try (Connection connection = DriverManager.getConnection(url, "reader", "")) {
            metadata(connection.getMetaData());
            connection.setAutoCommit(true);
            statements(connection);
            types(connection);
        }
        for (String mode : new String[] {"simple", "extended", "extendedForPrepared", "extendedCacheEverything"}) {
            check("preferQueryMode=" + mode, () -> {
                try (Connection connection = DriverManager.getConnection(url + "?preferQueryMode=" + mode, "reader", "")) {
                    parameters(connection, mode);
                }
            });
        }
        check("binary transfer", () -> {
            try (Connection connection = DriverManager.getConnection(url + "?binaryTransfer=true&prepareThreshold=-1", "reader", "")) {
                types(connection);
            }
        });
        System.out.println(failures + " failed");
        System.exit(failures == 0 ? 0 : 1);
    }

    static void metadata(DatabaseMetaData data) {
        check("getTables", () -> {
            List<String> tables = column(data.getTables(null, "public", "%", new String[] {"TABLE"}), "TABLE_NAME");
            holds(tables.contains("models") && tables.contains("attributes") && !tables.contains("model_privacy"), tables);
            List<String> views = column(data.getTables(null, "public", "%", new String[] {"VIEW"}), "TABLE_NAME");
            holds(views.contains("model_privacy") && !views.contains("models"), views);
            List<String> questions = column(data.getTables(null, "queries", null, null), "TABLE_NAME");
            holds(questions.contains("study_overview"), questions);
            List<String> all = column(data.getTables(null, null, "%", null), "TABLE_NAME");
            holds(all.contains("models") && all.contains("pg_class"), all);
        });
        check("getColumns", () -> {
            Map<String, String> types = new LinkedHashMap<>();
            ResultSet rows = data.getColumns(null, "public", "attributes", "%");
            while (rows.next()) {
                types.put(rows.getString("COLUMN_NAME"), rows.getString("TYPE_NAME") + " " + rows.getInt("DATA_TYPE")
                    + " " + rows.getString("IS_NULLABLE") + " " + rows.getInt("ORDINAL_POSITION"));
            }
            holds(types.get("vector") != null && types.get("vector").startsWith("_float4 " + Types.ARRAY + " NO"), types);
            holds(types.get("loss") != null && types.get("loss").startsWith("float4 " + Types.REAL + " YES"), types);
            holds(types.get("member") != null && types.get("member").startsWith("bool " + Types.BIT), types);
            List<String> models = column(data.getColumns(null, null, "models", "epsilon%"), "COLUMN_NAME");
            holds(models.contains("epsilon") && models.contains("epsilon_end_to_end"), models);
            List<String> view = column(data.getColumns(null, "public", "model_privacy", null), "COLUMN_NAME");
            holds(view.contains("guarantee"), view);
            holds(column(data.getColumns(null, null, "%", "%"), "COLUMN_NAME").size() > 500, "few columns");
        });
        check("getPrimaryKeys", () -> same(List.of(), column(data.getPrimaryKeys(null, "public", "models"), "COLUMN_NAME")));
        check("getSchemas", () -> {
            List<String> schemas = column(data.getSchemas(), "TABLE_SCHEM");
            holds(schemas.containsAll(List.of("public", "queries", "pg_catalog", "information_schema")), schemas);
            same(List.of("public"), column(data.getSchemas(null, "pub%"), "TABLE_SCHEM"));
        });
        check("getCatalogs", () -> same(List.of("study"), column(data.getCatalogs(), "TABLE_CAT")));
        check("getTypeInfo", () -> {
            List<String> types = column(data.getTypeInfo(), "TYPE_NAME");
            holds(types.containsAll(List.of("int8", "float8", "text", "bool", "bytea", "_float4")), types);
        });
        check("getTableTypes", () -> holds(column(data.getTableTypes(), "TABLE_TYPE").contains("VIEW"), "no VIEW"));
        check("getIndexInfo", () -> column(data.getIndexInfo(null, "public", "models", false, true), "INDEX_NAME"));
        check("getImportedKeys", () -> column(data.getImportedKeys(null, "public", "models"), "FK_NAME"));
        check("getExportedKeys", () -> column(data.getExportedKeys(null, "public", "models"), "FK_NAME"));
        check("getCrossReference", () -> column(data.getCrossReference(null, "public", "models", null, "public", "attacks"), "FK_NAME"));
        check("getBestRowIdentifier", () -> column(data.getBestRowIdentifier(null, "public", "models", 0, true), "COLUMN_NAME"));
        check("getTablePrivileges", () -> column(data.getTablePrivileges(null, "public", "models"), "PRIVILEGE"));
        check("getColumnPrivileges", () -> column(data.getColumnPrivileges(null, "public", "models", "%"), "PRIVILEGE"));
        check("getProcedures", () -> column(data.getProcedures(null, "public", "%"), "PROCEDURE_NAME"));
        check("getFunctions", () -> column(data.getFunctions(null, "public", "%"), "FUNCTION_NAME"));
        check("getUDTs", () -> column(data.getUDTs(null, "public", "%", null), "TYPE_NAME"));
        check("getClientInfoProperties", () -> column(data.getClientInfoProperties(), "NAME"));
        check("words of the database", () -> {
            same("PostgreSQL", data.getDatabaseProductName());
            holds(data.getDatabaseProductVersion().startsWith("16"), data.getDatabaseProductVersion());
            same(63, data.getMaxColumnNameLength());
            holds(data.getSQLKeywords().length() > 0, "no keywords");
            same("\"", data.getIdentifierQuoteString());
        });
    }

    static void statements(Connection connection) {
        check("a statement with several answers", () -> {
            Statement statement = connection.createStatement();
            holds(statement.execute("SELECT 1; SELECT 'two'"), "no answer");
            ResultSet rows = statement.getResultSet();
            rows.next();
            same(1L, rows.getLong(1));
            holds(statement.getMoreResults(), "no second answer");
            rows = statement.getResultSet();
            rows.next();
            same("two", rows.getString(1));
            holds(!statement.getMoreResults(), "a third answer");
        });
        check("an error and what comes after it", () -> {
            try {
                connection.createStatement().executeQuery("SELECT nme FROM models");
                throw new AssertionError("an unknown column was accepted");
            } catch (SQLException error) {
                same("42703", error.getSQLState());
                holds(error.getMessage().contains("there is no column `nme`"), error.getMessage());
            }
            try {
                connection.createStatement().executeUpdate("DELETE FROM models");
                throw new AssertionError("a write was accepted");
            } catch (SQLException error) {
                same("25006", error.getSQLState());
            }
            holds(connection.createStatement().executeQuery("SELECT 1").next(), "no row");
            holds(connection.isValid(5), "not valid");
        });
        check("cursors: rows in portions", () -> {
            connection.setAutoCommit(false);
            for (int size : new int[] {1, 3, 1000}) {
                Statement statement = connection.createStatement();
                statement.setFetchSize(size);
                ResultSet rows = statement.executeQuery("SELECT value FROM generate_series(1, 2000) ORDER BY value");
                long wanted = 0;
                while (rows.next()) same(++wanted, rows.getLong(1));
                same(2000L, wanted);
            }
            // Two at once, read in turn.
            Statement first = connection.createStatement(), second = connection.createStatement();
            first.setFetchSize(2);
            second.setFetchSize(3);
            ResultSet a = first.executeQuery("SELECT value FROM generate_series(1, 50) ORDER BY value");
            ResultSet b = second.executeQuery("SELECT value FROM generate_series(1, 50) ORDER BY value");
            for (long wanted = 1; wanted <= 50; wanted++) {
                holds(a.next() && b.next(), wanted);
                same(wanted, a.getLong(1));
                same(wanted, b.getLong(1));
            }
            holds(!a.next() && !b.next(), "too many rows");
            connection.commit();
            connection.setAutoCommit(true);
        });
        check("getMaxRows", () -> {
            Statement statement = connection.createStatement();
            statement.setMaxRows(4);
            ResultSet rows = statement.executeQuery("SELECT value FROM generate_series(1, 100)");
            int found = 0;
            while (rows.next()) found++;
            same(4, found);
        });
        check("transactions", () -> {
            connection.setReadOnly(true);
            connection.setAutoCommit(false);
            connection.createStatement().executeQuery("SELECT count(*) FROM models");
            Savepoint savepoint = connection.setSavepoint("here");
            try {
                connection.createStatement().executeQuery("SELECT nme FROM models");
                throw new AssertionError("an unknown column was accepted");
            } catch (SQLException expected) {
                connection.rollback(savepoint);
            }
            holds(connection.createStatement().executeQuery("SELECT 1").next(), "no row");
            connection.rollback();
            connection.setAutoCommit(true);
            connection.setReadOnly(false);
            connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
            same(Connection.TRANSACTION_READ_COMMITTED, connection.getTransactionIsolation());
        });
        check("query timeout", () -> {
            Statement statement = connection.createStatement();
            statement.setQueryTimeout(1);
            try {
                statement.executeQuery("SELECT count(*) FROM generate_series(1, 10000000) a CROSS JOIN generate_series(1, 10000000) b");
                throw new AssertionError("it ended");
            } catch (SQLException error) {
                same("57014", error.getSQLState());
            }
        });
        check("schema, catalog, client info", () -> {
            same("public", connection.getSchema());
            same("study", connection.getCatalog());
            connection.setClientInfo("ApplicationName", "DBeaver 25.1 - Main <study>");
            same("DBeaver 25.1 - Main <study>", connection.getClientInfo("ApplicationName"));
        });
        check("metadata of an answer", () -> {
            ResultSetMetaData meta = connection.createStatement()
                .executeQuery("SELECT model_id, generator, epsilon, vector, member FROM attributes LIMIT 1").getMetaData();
            List<String> types = new ArrayList<>();
            for (int column = 1; column <= meta.getColumnCount(); column++) {
                types.add(meta.getColumnTypeName(column));
                meta.isNullable(column);
                meta.isAutoIncrement(column);
                meta.getTableName(column);
                meta.getPrecision(column);
            }
            same(List.of("int8", "text", "float8", "_float4", "bool"), types);
        });
        check("escapes of JDBC", () -> {
            ResultSet rows = connection.createStatement().executeQuery("SELECT {d '2024-02-29'}, {fn ucase('a')}, {ts '2024-02-29 12:00:00'}");
            rows.next();
            same("2024-02-29", rows.getDate(1).toString());
            same("A", rows.getString(2));
        });
    }

    static void parameters(Connection connection, String mode) throws SQLException {
        String sql = "SELECT generator, count(*) AS n FROM models WHERE generator = ? AND model_id > ? AND (epsilon > ? OR epsilon IS NULL) "
            + "GROUP BY generator";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int round = 0; round < 8; round++) {
                statement.setString(1, "netssm");
                statement.setLong(2, -1);
                statement.setDouble(3, 0.0);
                ResultSet rows = statement.executeQuery();
                holds(rows.next(), mode + ": no row in round " + round);
                same("netssm", rows.getString(1));
                same(4L, rows.getLong("n"));
            }
            if (!mode.equals("simple")) {
                ParameterMetaData meta = statement.getParameterMetaData();
                same(3, meta.getParameterCount());
            }
        }
        try (PreparedStatement statement = connection.prepareStatement(
            "SELECT ?::text, ?::int, ?::bigint, ?::double precision, ?::boolean, ?::smallint, ?::real, ?::timestamp, ?::date, ?::bytea")) {
            for (int round = 0; round < 7; round++) {
                statement.setString(1, "it's");
                statement.setInt(2, 7);
                statement.setLong(3, Long.MAX_VALUE);
                statement.setDouble(4, 0.1);
                statement.setBoolean(5, true);
                statement.setShort(6, (short) -3);
                statement.setFloat(7, 0.5f);
                statement.setTimestamp(8, Timestamp.valueOf("2024-02-29 12:00:01.5"));
                statement.setDate(9, java.sql.Date.valueOf("2024-02-29"));
                statement.setBytes(10, new byte[] {0, 1, (byte) 255});
                // The driver's simple mode writes no bytes into a statement, and dates with a time zone.
                if (mode.equals("simple")) {
                    statement.setString(9, "2024-02-29");
                    statement.setString(10, "az");
                }
                ResultSet rows = statement.executeQuery();
                rows.next();
                same("it's", rows.getString(1));
                same(7, rows.getInt(2));
                same(Long.MAX_VALUE, rows.getLong(3));
                same(0.1, rows.getDouble(4));
                same(true, rows.getBoolean(5));
                same((short) -3, rows.getShort(6));
                same(0.5f, rows.getFloat(7));
                same("2024-02-29 12:00:01.5", rows.getTimestamp(8).toString());
                same("2024-02-29", rows.getDate(9).toString());
                same(mode.equals("simple") ? "[97, 122]" : "[0, 1, -1]", Arrays.toString(rows.getBytes(10)));
            }
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT count(*) FROM models WHERE epsilon = ? OR generator = ?")) {
            statement.setNull(1, Types.DOUBLE);
            statement.setNull(2, Types.VARCHAR);
            ResultSet rows = statement.executeQuery();
            rows.next();
            same(0L, rows.getLong(1));
        }
        // The driver's simple mode writes an array as a text of no type, which stays a text here.
        if (!mode.equals("simple")) {
            try (PreparedStatement statement = connection.prepareStatement("SELECT count(*) FROM models WHERE generator = ANY(?)")) {
                statement.setArray(1, connection.createArrayOf("text", new String[] {"netssm", "none"}));
                ResultSet rows = statement.executeQuery();
                rows.next();
                same(4L, rows.getLong(1));
            }
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT generator FROM models ORDER BY model_id LIMIT ? OFFSET ?")) {
            statement.setInt(1, 2);
            statement.setInt(2, 1);
            same(2, column(statement.executeQuery(), "generator").size());
        }
    }

    static void types(Connection connection) {
        check("every type", () -> {
            String sql = "SELECT true, arrow_cast(-3, 'Int16'), arrow_cast(7, 'Int32'), 9223372036854775807, "
                + "arrow_cast(0.1, 'Float32'), 0.1::double, 'text', arrow_cast('az', 'Binary'), "
                + "arrow_cast(18446744073709551615, 'UInt64'), DATE '2024-02-29', TIMESTAMP '2024-02-29 12:00:01.5', "
                + "NULL, NULL::double, [1.5, 2.5], ['a', 'b,\"c'], arrow_cast(12.34, 'Decimal128(10, 2)'), [[1], [2, 3]], named_struct('a', 1)";
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                for (int round = 0; round < 7; round++) {
                    ResultSet rows = statement.executeQuery();
                    rows.next();
                    same(true, rows.getObject(1));
                    same(-3, rows.getObject(2));
                    same(7, rows.getObject(3));
                    same(Long.MAX_VALUE, rows.getObject(4));
                    same(0.1f, rows.getObject(5));
                    same(0.1, rows.getObject(6));
                    same("text", rows.getObject(7));
                    same("az", new String(rows.getBytes(8)));
                    same("18446744073709551615", rows.getBigDecimal(9).toString());
                    same("2024-02-29", rows.getDate(10).toString());
                    same("2024-02-29 12:00:01.5", rows.getTimestamp(11).toString());
                    same(null, rows.getObject(12));
                    same(null, rows.getObject(13));
                    same("[1.5, 2.5]", Arrays.toString((Object[]) rows.getArray(14).getArray()));
                    same("[a, b,\"c]", Arrays.toString((Object[]) rows.getArray(15).getArray()));
                    same("12.34", rows.getBigDecimal(16).toString());
                    same("[[1],[2,3]]", rows.getString(17));
                    same("{\"a\":1}", rows.getString(18));
                }
            }
        });
        check("numbers that are not finite", () -> {
            String sql = "SELECT 'inf'::double, '-inf'::double, 'nan'::double, arrow_cast('inf'::double, 'Float32'), "
                + "['inf'::double, NULL, 'nan'::double], arrow_cast(['-inf'::double], 'List(Float32)')";
            try (PreparedStatement statement = connection.prepareStatement(sql)) {
                for (int round = 0; round < 7; round++) {
                    ResultSet rows = statement.executeQuery();
                    rows.next();
                    same(Double.POSITIVE_INFINITY, rows.getDouble(1));
                    same(Double.NEGATIVE_INFINITY, rows.getObject(2));
                    same(Double.NaN, rows.getObject(3));
                    same(Float.POSITIVE_INFINITY, rows.getFloat(4));
                    same("[Infinity, null, NaN]", Arrays.toString((Object[]) rows.getArray(5).getArray()));
                    same("[-Infinity]", Arrays.toString((Object[]) rows.getArray(6).getArray()));
                }
            }
        });
        check("every column of every table", () -> {
            DatabaseMetaData data = connection.getMetaData();
            for (String table : column(data.getTables(null, "public", "%", new String[] {"TABLE", "VIEW"}), "TABLE_NAME")) {
                try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM \"" + table + "\" LIMIT 20")) {
                    ResultSet rows = statement.executeQuery();
                    int columns = rows.getMetaData().getColumnCount();
                    while (rows.next()) {
                        for (int column = 1; column <= columns; column++) {
                            Object value = rows.getObject(column);
                            if (value instanceof java.sql.Array) ((java.sql.Array) value).getArray();
                        }
                    }
                } catch (Throwable error) {
                    throw new AssertionError(table + ": " + error, error);
                }
            }
        });
    }
}
