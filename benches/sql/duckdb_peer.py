"""DuckDB's side of benches/sql: packs our Parquet files with zstd, asks the same questions.

usage: duckdb_peer.py FOLDER   (questions.json, TABLE.raw.parquet and our answers, NAME.ours.jsonl, lie
there; JSON comes out). Fails where an answer differs from ours.
"""

import json
import math
import os
import statistics
import sys
import time

import duckdb

folder = sys.argv[1]
with open(os.path.join(folder, "questions.json")) as file:
    given = json.load(file)
connection = duckdb.connect()
connection.execute(f"SET threads TO {given['threads']}")
size = 0
for table in given["tables"]:
    raw = os.path.join(folder, f"{table}.raw.parquet")
    packed = os.path.join(folder, f"{table}.parquet")
    if not os.path.exists(packed):
        connection.execute(f"COPY (FROM '{raw}') TO '{packed}' (FORMAT parquet, COMPRESSION zstd)")
        os.remove(raw)
    size += os.path.getsize(packed)
    connection.execute(f"CREATE VIEW {table} AS FROM '{packed}'")

# Single-precision columns are averaged and interpolated in different orders.
RELATIVE, ABSOLUTE = 1e-6, 1e-9


def shown(value):
    """As our JSON lines show a value."""
    return value.hex() if isinstance(value, bytes) else value


def order(row):
    """Rows come in any order; floats that agree to six digits are the same key."""
    return [f"{value:.6g}" if isinstance(value, float) else str(value) for value in row]


def compare(question, theirs):
    with open(os.path.join(folder, f"{question}.ours.jsonl")) as file:
        # Ids are text in JSON: JavaScript would change them.
        ours = [
            [int(value) if name.endswith("_id") else value for name, value in json.loads(line).items()] for line in file
        ]
    theirs = [[shown(value) for value in row] for row in theirs]
    assert len(ours) == len(theirs), (question, len(ours), len(theirs))
    for ours_row, their_row in zip(sorted(ours, key=order), sorted(theirs, key=order)):
        for a, b in zip(ours_row, their_row, strict=True):
            if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool):
                assert math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE), (question, ours_row, their_row)
            else:
                assert a == b, (question, ours_row, their_row)


seconds, cpu = {}, {}
for question in given["questions"]:
    times = []
    # Of all threads of this process.
    spent = time.process_time()
    for _ in range(given["repeats"]):
        started = time.perf_counter()
        rows = connection.execute(question["sql"]).fetchall()
        times.append(time.perf_counter() - started)
    cpu[question["name"]] = (time.process_time() - spent) / given["repeats"]
    compare(question["name"], rows)
    seconds[question["name"]] = statistics.median(times)
print(json.dumps({"seconds": seconds, "cpu": cpu, "bytes": size}))
