"""DuckDB's side of benches/sql: packs our Parquet files with zstd, asks the same questions.

usage: duckdb_peer.py FOLDER   (questions.json and TABLE.raw.parquet lie there; JSON comes out)
"""

import json
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

seconds = {}
for question in given["questions"]:
    times = []
    for _ in range(given["repeats"]):
        started = time.perf_counter()
        rows = len(connection.execute(question["sql"]).fetchall())
        times.append(time.perf_counter() - started)
        assert rows == question["rows"], (question["name"], rows)
    seconds[question["name"]] = statistics.median(times)
print(json.dumps({"seconds": seconds, "bytes": size}))
