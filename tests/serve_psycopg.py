"""What a Python client does with a served study: parameters, prepared statements, both formats, cursors."""
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
    connection.commit()

    try:
        connection.execute("SELECT nothing_like_it FROM models")
        raise AssertionError("an unknown column was accepted")
    except psycopg.Error as error:
        assert "there is no column `nothing_like_it`" in str(error), error
    connection.rollback()

    for statement in ("DELETE FROM models", "CREATE TABLE x (a int)", "COPY models TO STDOUT", "DROP VIEW model_privacy"):
        try:
            connection.execute(statement)
            raise AssertionError(statement + " was accepted")
        except psycopg.errors.ReadOnlySqlTransaction as error:
            assert "only reads" in str(error), error
        connection.rollback()
