"""What a Python client does with a served study: parameters, prepared statements, both formats, cursors."""
import datetime
import math
import sys

import psycopg

url = sys.argv[1]
with psycopg.connect(url) as connection:
    for binary in (False, True):
        cursor = connection.cursor(binary=binary)
        cursor.execute("SELECT class, count(*) AS n FROM models WHERE generator = %s GROUP BY class ORDER BY class LIMIT %s",
                       ("netssm", 2))
        rows = cursor.fetchall()
        assert len(rows) == 2 and all(isinstance(n, int) for _, n in rows), rows
        assert [column.name for column in cursor.description] == ["class", "n"]
        cursor.execute("SELECT epsilon, epsilon_end_to_end FROM models ORDER BY model_id")
        values = cursor.fetchall()
        assert any(epsilon is None for epsilon, _ in values), values
        assert any(end is not None and math.isinf(end) for _, end in values), values
        cursor.execute("SELECT vector, loss, member FROM attributes ORDER BY model_id, trace_id LIMIT 1")
        (numbers, loss, member), = cursor.fetchall()
        assert isinstance(numbers, list) and all(isinstance(number, float) for number in numbers), numbers
        assert isinstance(member, bool) and isinstance(loss, float)
        cursor.execute("SELECT ['inf'::double, NULL, 'nan'::double], arrow_cast(['-inf'::double], 'List(Float32)'), ['a', NULL]")
        (mixed, low, texts), = cursor.fetchall()
        assert mixed[0] == math.inf and mixed[1] is None and math.isnan(mixed[2]), mixed
        assert low == [-math.inf] and texts == ["a", None], (low, texts)
        cursor.execute("SELECT [[1], [2, 3]], named_struct('a', 1, 'b', 'x'), NULL, NULL::interval, arrow_cast(12.5, 'Decimal128(10, 2)')")
        nested, fields, nothing, no_time, exact = cursor.fetchone()
        assert nested == [[1], [2, 3]] and fields == {"a": 1, "b": "x"}, (nested, fields)
        assert nothing is None and no_time is None and str(exact) == "12.50", (nothing, no_time, exact)
        # What Grafana's macros come to.
        cursor.execute("SELECT to_timestamp(first_us / 1e6) AS time, floor(extract(epoch from to_timestamp(first_us / 1e6))/300)*300 "
                       "FROM captures WHERE to_timestamp(first_us / 1e6) BETWEEN '1970-01-01T00:00:00Z' AND '2100-01-01T00:00:00.5Z'")
        time, group = cursor.fetchone()
        assert abs(time.replace(tzinfo=datetime.timezone.utc).timestamp() - group) <= 300, (time, group)
        cursor.execute("SELECT count(*) FROM captures WHERE to_timestamp(first_us / 1e6) BETWEEN %s AND %s",
                       (datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1)))
        assert cursor.fetchone()[0] > 0
        # Types are told before the statement runs, and hold whatever the branches of a value have.
        cursor.execute("SELECT v FROM (SELECT 1 AS v UNION ALL SELECT 2.5) AS t ORDER BY v")
        assert cursor.fetchall() == [(1.0,), (2.5,)]
        cursor.execute("SELECT 0 AS e UNION ALL SELECT 0.25")
        assert sorted(cursor.fetchall()) == [(0.0,), (0.25,)]
        cursor.execute("SELECT CASE WHEN x = 1 THEN date '2024-01-01' ELSE timestamp '2024-01-01 03:00:00' END FROM (VALUES (2)) t(x)")
        assert cursor.fetchone() == (datetime.datetime(2024, 1, 1, 3),)
        cursor.execute("SELECT data FROM packets ORDER BY trace_id, position LIMIT 1")
        (data,), = cursor.fetchall()
        assert isinstance(data, bytes) and len(data) > 0, data
        cursor.execute("SELECT count(*) FROM traces WHERE trace_id = ANY(%s)", ([-1, -2],))
        assert cursor.fetchone() == (0,)

    # Prepared once, run often.
    for number in range(8):
        row = connection.execute("SELECT %s::bigint + 1 AS n, %s::text AS t", (number, "a'b"), prepare=True).fetchone()
        assert row == (number + 1, "a'b"), row

    whole = [row for row, in connection.execute("SELECT trace_id FROM traces ORDER BY trace_id")]
    with connection.cursor(name="walk") as walk:
        walk.itersize = 3
        walk.execute("SELECT trace_id FROM traces ORDER BY trace_id")
        assert [row for row, in walk] == whole
    # Two cursors in turn, with values for parameters.
    with connection.cursor(name="low") as low, connection.cursor(name="high") as high:
        low.execute("SELECT trace_id FROM traces WHERE trace_id >= %s ORDER BY trace_id", (0,))
        high.execute("SELECT trace_id FROM traces WHERE trace_id >= %s ORDER BY trace_id DESC", (0,))
        assert [low.fetchone()[0] for _ in range(3)] == whole[:3]
        assert [row for row, in high.fetchmany(2)] == whole[:-3:-1]
        assert [row for row, in low.fetchall()] == whole[3:]
        # No portion is made room for before its rows are there.
        assert [row for row, in high.fetchmany(10**12)] == whole[-3::-1]
    connection.commit()

    for statement, expected, said in (
        ("SELECT nothing_like_it FROM models", psycopg.errors.UndefinedColumn, "no column `nothing_like_it`"),
        ("SELECT 1 FROM nothing_like_it", psycopg.errors.UndefinedTable, "no table or view `nothing_like_it`"),
        ("SELECT nothing_like_it(1)", psycopg.errors.UndefinedFunction, "no function `nothing_like_it`"),
        ("SELECT lower(1, 2)", psycopg.errors.UndefinedFunction, "lower"),
        ("SELECT (1", psycopg.errors.SyntaxError, "expected"),
    ):
        try:
            connection.execute(statement)
            raise AssertionError(statement + " was accepted")
        except expected as error:
            assert said in str(error), error
        connection.rollback()

    for statement in ("DELETE FROM models", "CREATE TABLE x (a int)", "COPY models FROM STDIN", "DROP VIEW model_privacy"):
        try:
            connection.execute(statement)
            raise AssertionError(statement + " was accepted")
        except psycopg.errors.ReadOnlySqlTransaction as error:
            assert "only reads" in str(error), error
        connection.rollback()

    # Answers as COPY gives them, in its three forms.
    for form, wanted in (("", b"1\ta\\tb\n2\t\\N\n"), ("(FORMAT csv, HEADER)", b'n,t\n1,a\tb\n2,\n')):
        with connection.cursor().copy(f"COPY (SELECT * FROM (VALUES (1, 'a\tb'), (2, NULL)) v(n, t) ORDER BY n) TO STDOUT {form}") as copy:
            assert b"".join(copy) == wanted, form
    with connection.cursor().copy("COPY (SELECT 7::bigint AS n, 'x' AS t) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int8", "text"])
        assert list(copy.rows()) == [(7, "x")]

    # A transaction inside a transaction fails alone: the outer one, and its cursor, go on.
    with connection.transaction():
        with connection.cursor(name="outer") as outer:
            outer.execute("SELECT trace_id FROM traces ORDER BY trace_id")
            assert outer.fetchone() == (whole[0],)
            try:
                with connection.transaction():
                    connection.execute("SELECT nothing_like_it FROM models")
                raise AssertionError("an unknown column was accepted")
            except psycopg.Error as error:
                assert "nothing_like_it" in str(error), error
            assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
            assert outer.fetchone() == (whole[1],)
