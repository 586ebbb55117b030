-- What clients ask before their users ask anything: each line "-- N" above a statement says how many rows it gives
-- at least. psql 15, DBeaver 25 and JDBC 42, Grafana 11, SQLAlchemy 2, pandas.
-- 1 JDBC
SELECT version();
-- 1 JDBC
SHOW TRANSACTION ISOLATION LEVEL;
-- 0 JDBC
SET extra_float_digits = 3;
-- 0 DBeaver
SET application_name = 'DBeaver 25.1.5 - Main <study>';
-- 0 Metabase
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;
-- 1 DBeaver
SELECT current_schema(),session_user;
-- 1 DBeaver
SHOW search_path;
-- 2 DBeaver: schemas
SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=n.oid AND d.objsubid=0 AND d.classoid='pg_namespace'::regclass ORDER BY nspname;
-- 1 DBeaver: databases
SELECT db.oid,db.* FROM pg_catalog.pg_database db WHERE datname='study';
-- 1 DBeaver
SELECT * FROM pg_catalog.pg_settings where name='standard_conforming_strings';
-- 30 DBeaver: tables and views of a schema
SELECT c.oid,c.*,d.description,pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, pg_catalog.pg_get_partkeydef(c.oid) as partition_key FROM pg_catalog.pg_class c LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid=c.oid AND d.objsubid=0 AND d.classoid='pg_class'::regclass WHERE c.relnamespace=(SELECT oid FROM pg_catalog.pg_namespace WHERE nspname='public') AND c.relkind not in ('i','I','c');
-- 20 DBeaver: columns of a table
SELECT c.relname,a.*,pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid=c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid=ad.adrelid AND a.attnum = ad.adnum) WHERE c.relname='models' AND NOT a.attisdropped ORDER BY a.attnum;
-- 40 DBeaver: types
SELECT t.oid,t.*,c.relkind,format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid=t.typelem LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid=t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid=d.objoid WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C');
-- 2 Metabase
SELECT nspname AS "TABLE_SCHEM", current_database() AS "TABLE_CATALOG" FROM pg_catalog.pg_namespace WHERE nspname <> 'pg_toast' AND (nspname !~ '^pg_temp_' OR nspname = (pg_catalog.current_schemas(true))[1]) ORDER BY "TABLE_SCHEM";
-- 1 Grafana
SELECT quote_ident(table_name) AS "table" FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog') ORDER BY 1;
-- 20 Grafana
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns WHERE quote_ident(table_name) = 'models';
-- 1 pandas: does the table exist
SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relname = 'models' AND pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f', 'v', 'm']) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != 'pg_catalog';
-- 30 SQLAlchemy: names of tables
SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace WHERE pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p']) AND pg_catalog.pg_class.relpersistence != 't' AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != 'pg_catalog';
-- 1 Grafana: version
SELECT current_setting('server_version_num')::int/100 as version;
-- 0 Grafana
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb';
-- 2 Grafana: schemas
SELECT schema_name AS "name" FROM information_schema.schemata WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast', '_timescaledb_cache') ORDER BY schema_name;
-- 30 Grafana: tables
SELECT CASE WHEN quote_ident(table_schema) IN ( SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END FROM generate_series( array_lower(string_to_array(current_setting('search_path'),','),1), array_upper(string_to_array(current_setting('search_path'),','),1) ) as i, string_to_array(current_setting('search_path'),',') s ) THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table" FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog') ORDER BY CASE WHEN quote_ident(table_schema) IN ( SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END FROM generate_series( array_lower(string_to_array(current_setting('search_path'),','),1), array_upper(string_to_array(current_setting('search_path'),','),1) ) as i, string_to_array(current_setting('search_path'),',') s ) THEN 0 ELSE 1 END, 1;
-- 20 Grafana: columns of a table of the search path
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns WHERE CASE WHEN array_length(parse_ident('models'),1) = 2 THEN quote_ident(table_schema) = (parse_ident('models'))[1] AND quote_ident(table_name) = (parse_ident('models'))[2] ELSE quote_ident(table_name) = 'models' AND quote_ident(table_schema) IN ( SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END FROM generate_series( array_lower(string_to_array(current_setting('search_path'),','),1), array_upper(string_to_array(current_setting('search_path'),','),1) ) as i, string_to_array(current_setting('search_path'),',') s ) END;
-- 3 Grafana: columns of a table of a schema
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns WHERE CASE WHEN array_length(parse_ident('queries.study_overview'),1) = 2 THEN quote_ident(table_schema) = (parse_ident('queries.study_overview'))[1] AND quote_ident(table_name) = (parse_ident('queries.study_overview'))[2] ELSE quote_ident(table_name) = 'queries.study_overview' END;
-- 5 Grafana 12
SELECT column_name, data_type, udt_name, numeric_precision, numeric_scale FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'attributes' ORDER BY ordinal_position;
-- 1 Grafana 12: values of a column
SELECT 'generator' AS col_name, "generator"::text AS val FROM (SELECT DISTINCT "generator" FROM "public"."models" WHERE "generator" IS NOT NULL ORDER BY "generator" LIMIT 100) sub_0 UNION ALL SELECT 'role' AS col_name, "role"::text AS val FROM (SELECT DISTINCT "role" FROM "public"."models" WHERE "role" IS NOT NULL ORDER BY "role" LIMIT 100) sub_1;
-- 1 Grafana: $__time, $__timeFilter
SELECT to_timestamp(first_us / 1e6) AS "time", packets FROM captures WHERE to_timestamp(first_us / 1e6) BETWEEN '1970-01-01T00:00:00Z' AND '2100-01-01T00:00:00.123456789Z' ORDER BY 1;
-- 1 Grafana: $__timeGroupAlias, $__timeFilter
SELECT floor(extract(epoch from to_timestamp(first_us / 1e6))/300)*300 AS "time", sum(packets) AS packets FROM captures WHERE to_timestamp(first_us / 1e6) BETWEEN '1970-01-01T00:00:00Z' AND '2100-01-01T00:00:00Z' GROUP BY 1 ORDER BY 1;
-- 1 Grafana: $__timeEpoch
SELECT extract(epoch from to_timestamp(first_us / 1000000)) as "time" FROM captures;
-- 1 Grafana: $__unixEpochGroupAlias, $__unixEpochFilter
SELECT floor((first_us / 1000000)/60)*60 AS "time", count(*) FROM captures WHERE first_us / 1000000 >= 0 AND first_us / 1000000 <= 4102444800 GROUP BY 1 ORDER BY 1;
-- 1 Grafana: $__timeFrom, date_trunc
SELECT date_trunc('hour', to_timestamp(first_us / 1e6)) AS "time", count(*) FROM captures WHERE to_timestamp(first_us / 1e6) > '1970-01-01T00:00:00Z' GROUP BY 1;
