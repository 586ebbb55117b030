"""DuckDB's side of the differential test: reads the tables of a folder, then answers one query a line.

usage: peer.py FOLDER   (FOLDER/tables.json: {table: {column: type}}, FOLDER/TABLE.jsonl: its rows; a line of standard
input is a JSON string with a query, a line of standard output {"rows": [...]} or {"error": "..."}, a value a text or null)
"""

import decimal
import json
import math
import os
import sys

import duckdb

folder = sys.argv[1]
connection = duckdb.connect()
connection.execute("SET threads TO 1")
with open(os.path.join(folder, "tables.json")) as file:
    tables = json.load(file)
for table, columns in tables.items():
    path = os.path.join(folder, f"{table}.jsonl")
    names = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    connection.execute(f"CREATE TABLE {table} ({names})")
    with open(path) as file:
        rows = [list(json.loads(line).values()) for line in file]
    places = ", ".join("?" for _ in columns)
    if rows:
        connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)


def text(value):
    """A value as the other side writes it: digits that sums in another order have alike."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, decimal.Decimal) and value == value.to_integral_value():
        return str(int(value))
    if isinstance(value, (float, decimal.Decimal)):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return f"{float(value) + 0.0:.8e}"  # 0 and -0 are equal: either may stand for both
    return str(value)


print(json.dumps({"version": duckdb.__version__}), flush=True)
for line in sys.stdin:
    try:
        rows = connection.execute(json.loads(line)).fetchall()
        answer = {"rows": [[text(value) for value in row] for row in rows]}
    except duckdb.Error as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
