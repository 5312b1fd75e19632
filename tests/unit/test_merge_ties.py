"""Merging rows of a person of which several are alike: enough of them, in no order, for an unstable sort to show."""

import random
from datetime import date, timedelta

import duckdb
import ibis

from workbench.cohort.compile_exit import merge_runs

DAY = date(2020, 1, 1)
PERSONS = 300


def test_rows_that_are_alike_open_one_run():
    rng = random.Random(0)
    rows = [(person, offset) for person in range(PERSONS) for offset in (0, 100, 100, 200, 200, 200)[: rng.randrange(1, 7)]]
    wanted = sorted({(person, DAY + timedelta(days=offset), DAY + timedelta(days=offset + 1)) for person, offset in rows})
    rng.shuffle(rows)
    sql = ibis.to_sql(
        merge_runs(ibis.table({"person_id": "int64", "start_date": "date", "end_date": "date"}, name="rows"), 0), dialect="duckdb"
    )
    with duckdb.connect() as connection:
        connection.execute('CREATE TABLE "rows" (person_id BIGINT, start_date DATE, end_date DATE)')
        given = [(person, DAY + timedelta(days=offset), DAY + timedelta(days=offset + 1)) for person, offset in rows]
        connection.executemany('INSERT INTO "rows" VALUES (?, ?, ?)', given)
        found = connection.execute(f"SELECT person_id, start_date, end_date FROM ({sql})").fetchall()
    assert sorted(found) == wanted
