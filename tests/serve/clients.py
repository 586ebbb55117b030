"""What clients in Python do with a served study: `clients.py HOST PORT`.

Prints a line for each: client, version, what was run, and `passes`, or the module that is not here. Ends with 1 where one fails.
"""
import asyncio
import importlib.metadata
import io
import math
import pathlib
import subprocess
import sys
import traceback

HOST, PORT = sys.argv[1], int(sys.argv[2])
URI = f"postgresql://reader@{HOST}:{PORT}/study"
COUNTED = "SELECT class, count(*) AS n FROM models WHERE generator = {} GROUP BY class ORDER BY class"
CHECKS = []


def check(client, what, *modules):
    """The function is run where all modules can be imported; the first one's version is the client's."""
    return lambda function: CHECKS.append((client, what, modules, function))


@check("psycopg 3", "parameters and answers in text and binary, prepared statements, cursors, COPY in three forms, transactions, error classes", "psycopg")
def psycopg_client():
    import runpy
    sys.argv[1] = f"host={HOST} port={PORT} dbname=study user=reader"
    runpy.run_path(str(pathlib.Path(__file__).with_name("psycopg_questions.py")))


@check("psycopg 2", "parameters, arrays, a named cursor, `copy_expert`, error classes", "psycopg2-binary")
def psycopg2_client():
    import psycopg2.errors
    connection = psycopg2.connect(URI)
    cursor = connection.cursor()
    cursor.execute(COUNTED.format("%s"), ("netssm",))
    rows = cursor.fetchall()
    assert rows and all(isinstance(n, int) for _, n in rows), rows
    cursor.execute("SELECT vector, epsilon FROM attributes ORDER BY model_id, trace_id LIMIT 1")
    (vector, _), = cursor.fetchall()
    assert isinstance(vector, list) and all(isinstance(number, float) for number in vector), vector
    with connection.cursor(name="walk") as walk:
        walk.itersize = 3
        walk.execute("SELECT trace_id FROM traces ORDER BY trace_id")
        assert len(list(walk)) == 16
    copied = io.StringIO()
    cursor.copy_expert("COPY (SELECT model_id, name FROM models ORDER BY model_id) TO STDOUT WITH CSV HEADER", copied)
    assert copied.getvalue().startswith("model_id,name\n"), copied.getvalue()
    try:
        cursor.execute("SELECT nothing_like_it FROM models")
        raise AssertionError("accepted")
    except psycopg2.errors.UndefinedColumn:
        connection.rollback()
    connection.close()


@check("asyncpg", "parameters, arrays both ways, prepared statements, a cursor, `copy_from_query`", "asyncpg")
def asyncpg_client():
    import asyncpg

    async def run():
        connection = await asyncpg.connect(host=HOST, port=PORT, user="reader", database="study")
        rows = await connection.fetch(COUNTED.format("$1"), "netssm")
        assert rows and all(isinstance(row["n"], int) for row in rows), rows
        vector = await connection.fetchval("SELECT vector FROM attributes ORDER BY model_id, trace_id LIMIT 1")
        assert isinstance(vector, list) and all(isinstance(number, float) for number in vector), vector
        ids = [row["trace_id"] for row in await connection.fetch("SELECT trace_id FROM traces ORDER BY trace_id")]
        counted = await connection.fetchval("SELECT count(*) FROM traces WHERE trace_id = ANY($1)", ids[:3] + [-1])
        assert counted == 3, counted
        prepared = await connection.prepare("SELECT $1::int + 1 AS n, $2::text AS t")
        assert tuple(await prepared.fetchrow(4, "a'b")) == (5, "a'b")
        assert [attribute.name for attribute in prepared.get_attributes()] == ["n", "t"]
        assert await connection.fetchval("SELECT count(*) FROM models WHERE generator = $1", None) == 0
        async with connection.transaction(readonly=True):
            walked = [row["trace_id"] async for row in connection.cursor("SELECT trace_id FROM traces ORDER BY trace_id", prefetch=3)]
        assert walked == ids
        copied = io.BytesIO()
        await connection.copy_from_query("SELECT model_id, name FROM models ORDER BY model_id", output=copied, format="csv", header=True)
        assert copied.getvalue().startswith(b"model_id,name\n"), copied.getvalue()
        await connection.close()

    asyncio.run(run())


def reflected(inspector, indexes=True):
    """What an inspector of SQLAlchemy says of a study; gives the columns of all tables and views."""
    from sqlalchemy.engine.reflection import ObjectKind
    tables, views = inspector.get_table_names(), inspector.get_view_names()
    assert {"models", "attributes", "packets"} <= set(tables) and "model_privacy" in views, (tables, views)
    assert {"public", "queries"} <= set(inspector.get_schema_names())
    columns = {column["name"]: column for column in inspector.get_columns("models")}
    assert str(columns["epsilon"]["type"]) == "DOUBLE PRECISION" and columns["epsilon"]["nullable"], columns["epsilon"]
    assert not columns["model_id"]["nullable"] and columns["model_id"]["comment"] == "id of the model", columns["model_id"]
    assert inspector.get_table_comment("models")["text"] == "One row per trained generator."
    assert "FROM models" in inspector.get_view_definition("model_privacy")
    for table in ("models", "epochs", "attack_scores") if indexes else ():
        for ask in (inspector.get_pk_constraint, inspector.get_foreign_keys, inspector.get_indexes,
                    inspector.get_unique_constraints, inspector.get_check_constraints):
            ask(table)
    (key,) = inspector.get_foreign_keys("epochs")
    assert (key["constrained_columns"], key["referred_table"], key["referred_columns"]) == (["model_id"], "models", ["model_id"]), key
    return inspector.get_multi_columns(kind=ObjectKind.ANY)


def sqlalchemy_with(driver):
    import sqlalchemy
    engine = sqlalchemy.create_engine(f"postgresql+{driver}://reader@{HOST}:{PORT}/study")
    assert len(reflected(sqlalchemy.inspect(engine))) > 50
    metadata = sqlalchemy.MetaData()
    metadata.reflect(engine, views=True)
    models = metadata.tables["models"]
    query = sqlalchemy.Table("study_overview", sqlalchemy.MetaData(schema="queries"), autoload_with=engine)
    with engine.connect() as connection:
        chosen = sqlalchemy.select(models.c.name, models.c.epsilon).where(models.c.generator == "netssm").limit(2)
        assert len(connection.execute(chosen).all()) == 2
        assert connection.execute(sqlalchemy.select(query)).all()
        ends = connection.execute(sqlalchemy.select(models.c.epsilon_end_to_end)).scalars().all()
        assert any(end is not None and math.isinf(end) for end in ends), ends
    engine.dispose()


REFLECTION = "`inspect`: tables, views, columns, keys, comments, definitions; `MetaData.reflect`; SELECT with parameters"


@check("SQLAlchemy with psycopg 3", REFLECTION, "sqlalchemy", "psycopg")
def sqlalchemy_psycopg():
    sqlalchemy_with("psycopg")


@check("SQLAlchemy with psycopg 2", REFLECTION, "sqlalchemy", "psycopg2-binary")
def sqlalchemy_psycopg2():
    sqlalchemy_with("psycopg2")


@check("SQLAlchemy with asyncpg", "`inspect` in `run_sync` (but for indexes and primary keys, which ask with parameters of no told type), SELECT with parameters", "sqlalchemy", "asyncpg", "greenlet")
def sqlalchemy_asyncpg():
    import sqlalchemy
    from sqlalchemy.ext.asyncio import create_async_engine

    async def run():
        engine = create_async_engine(f"postgresql+asyncpg://reader@{HOST}:{PORT}/study")
        async with engine.connect() as connection:
            assert len(await connection.run_sync(lambda inner: reflected(sqlalchemy.inspect(inner), indexes=False))) > 50
            counted = await connection.execute(sqlalchemy.text("SELECT count(*) FROM models WHERE generator = :g"), {"g": "netssm"})
            assert counted.scalar() == 4
        await engine.dispose()

    asyncio.run(run())


@check("pandas", "`read_sql_table` (also of a schema, of some columns, in chunks), `read_sql` with parameters", "pandas", "sqlalchemy", "psycopg")
def pandas_client():
    import pandas
    import sqlalchemy
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://reader@{HOST}:{PORT}/study")
    models = pandas.read_sql_table("models", engine)
    assert len(models) == 4 and models["epsilon"].dtype == "float64", models.dtypes
    assert len(pandas.read_sql_table("study_overview", engine, schema="queries")) > 0
    assert list(pandas.read_sql_table("models", engine, columns=["name", "epsilon"]).columns) == ["name", "epsilon"]
    assert sum(len(part) for part in pandas.read_sql_table("traces", engine, chunksize=5)) == 16
    counted = pandas.read_sql(sqlalchemy.text(COUNTED.format(":g")), engine, params={"g": "netssm"})
    assert counted["n"].sum() == 4, counted
    engine.dispose()


@check("ADBC (adbc-driver-postgresql)", "Arrow tables, parameters, lists, `adbc_get_objects`, `adbc_get_table_schema`", "adbc-driver-postgresql", "pyarrow")
def adbc_client():
    import adbc_driver_postgresql.dbapi
    with adbc_driver_postgresql.dbapi.connect(URI) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT model_id, name, epsilon, epsilon IS NULL AS plain FROM models ORDER BY model_id")
            table = cursor.fetch_arrow_table()
            assert table.num_rows == 4 and str(table.schema.field("epsilon").type) == "double", table.schema
            cursor.execute("SELECT count(*) FROM models WHERE generator = $1", ("netssm",))
            assert cursor.fetchone() == (4,)
            cursor.execute("SELECT vector, member FROM attributes ORDER BY model_id, trace_id LIMIT 2")
            vectors = cursor.fetch_arrow_table()["vector"].to_pylist()
            assert all(isinstance(number, float) for vector in vectors for number in vector), vectors
            cursor.execute("SELECT data FROM packets ORDER BY trace_id, position LIMIT 1")
            assert isinstance(cursor.fetchone()[0], bytes)
        schema = connection.adbc_get_table_schema("models")
        assert schema.field("model_id").type == "int64", schema
        schemas = {
            schema["db_schema_name"]: {table["table_name"] for table in schema["db_schema_tables"]}
            for catalog in connection.adbc_get_objects(depth="all").read_all().to_pylist()
            for schema in catalog["catalog_db_schemas"] or []
        }
        assert "models" in schemas["public"] and "study_overview" in schemas["queries"], schemas


@check("polars", "`read_database_uri` by ADBC and by connectorx, `read_database`", "polars", "adbc-driver-postgresql", "connectorx", "psycopg")
def polars_client():
    import polars
    import psycopg
    query = "SELECT model_id, name, epsilon FROM models ORDER BY model_id"
    by_adbc = polars.read_database_uri(query, URI, engine="adbc")
    by_connectorx = polars.read_database_uri(query, URI, engine="connectorx")
    assert by_adbc.shape == (4, 3) and by_adbc.equals(by_connectorx), (by_adbc, by_connectorx)
    with psycopg.connect(URI) as connection:
        assert polars.read_database(query, connection).shape == (4, 3)


@check("connectorx", "`read_sql` to Arrow and to pandas, in partitions", "connectorx", "pyarrow", "pandas")
def connectorx_client():
    import connectorx
    whole = connectorx.read_sql(URI, "SELECT model_id, name, epsilon FROM models", return_type="arrow")
    assert len(whole) == 4 if not hasattr(whole, "read_all") else whole.read_all().num_rows == 4
    parts = connectorx.read_sql(URI, "SELECT trace_id, class FROM traces", partition_on="trace_id", partition_num=3)
    assert len(parts) == 16, parts


@check("pgcli", "what it asks for completion when it starts; `pgcli --list`, a question from a pipe", "pgcli")
def pgcli_client():
    from pgcli.pgexecute import PGExecute
    executor = PGExecute(database="study", user="reader", host=HOST, port=PORT)
    tables = {name for schema, name in executor.tables() if schema == "public"}
    assert "models" in tables, tables
    assert ("public", "model_privacy") in set(executor.views())
    columns = {column[:4] for column in executor.table_columns()}
    assert ("public", "models", "epsilon", "double precision") in columns
    assert list(executor.view_columns())
    list(executor.foreignkeys())
    functions = {function.func_name for function in executor.functions()}
    assert "auc" in functions and "table3" in functions, functions
    list(executor.datatypes())
    assert "study" in executor.databases() and "public" in executor.schemata() and executor.search_path()
    assert "FROM models" in executor.view_definition("model_privacy")
    executor.get_timezone()
    list(executor.run("SELECT count(*) FROM models"))
    listed = subprocess.run([sys.executable, "-m", "pgcli.main", "--list", URI], capture_output=True, text=True, timeout=120)
    assert listed.returncode == 0 and "study" in listed.stdout, listed


@check("DuckDB", "`ATTACH ... (TYPE postgres)`, SELECT, a join with a local table", "duckdb")
def duckdb_client():
    import duckdb
    connection = duckdb.connect()
    try:
        connection.execute("LOAD postgres")
    except duckdb.Error:
        return "extension `postgres`"
    connection.execute(f"ATTACH '{URI}' AS study (TYPE postgres, READ_ONLY)")
    assert connection.execute("SELECT count(*) FROM study.models WHERE generator = 'netssm'").fetchone() == (4,)


def version(distribution):
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


failed = 0
for client, what, modules, function in CHECKS:
    missing = [module for module in modules if version(module) is None]
    try:
        missing += [absent] if not missing and (absent := function()) else []
        outcome = f"no {missing[0]}" if missing else "passes"
    except Exception:
        traceback.print_exc()
        outcome, failed = "fails", failed + 1
    print(client, version(modules[0]) or "", what, outcome, sep="\t", flush=True)
sys.exit(failed > 0)
