"""A synthetic hospital for benchmarks: SQL only, one snapshot, up to a million persons in minutes.

Every value is a hash of its row's number, so the same number of persons gives the same rows on any machine. Per person, on
average, 8 visits, 20 diagnoses, 20 drugs and 100 measurements; 12 of 100 persons have type 2 diabetes, with HbA1c and insulin to
match. Diagnoses carry ICD-10 codes and concepts.

    python tests/bench/big_store.py 100000 --work .demo/bench
"""

from __future__ import annotations

import argparse
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
from tqdm import tqdm

from workbench import __version__
from workbench.store.arrange import PROJECTIONS, ROW_GROUP_ROWS, Projection
from workbench.store.manifest import MANIFEST_NAME, Manifest, TableEntry, hash_tree
from workbench.store.snapshots import Snapshot, Store
from workbench.tables import SCHEMA_VERSION, TABLES

DIABETES = 201826
INSULIN = 21600713
HBA1C = 3004410

_BUCKET_PERSONS = 62_500
_RANGES = 16
_SQL = {"integer": "BIGINT", "number": "DOUBLE", "text": "VARCHAR", "date": "DATE", "datetime": "TIMESTAMP"}
_PARQUET = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS}"

# u(row, salt): a number in [0, 1) that depends on nothing else.
_SETUP = """
CREATE MACRO u(row_number, salt) AS (hash(row_number * 1000 + salt) >> 11) * (1.0 / 9007199254740992.0);
CREATE MACRO event_day(first_day, days, row_number) AS (first_day + (u(row_number, 90) * days)::INT)::DATE;
"""

_PERSONS = """
SELECT id AS person_id, CASE WHEN u(id, 1) < 0.5 THEN 8507 ELSE 8532 END AS gender, 1925 + floor(u(id, 2) * 95)::INT AS year,
  1 + floor(u(id, 3) * 12)::INT AS month, 1 + floor(u(id, 4) * 28)::INT AS day,
  (DATE '2014-01-01' + (u(id, 5) * 1800)::INT)::DATE AS first_day, (300 + u(id, 6) * 2200)::INT AS days,
  u(id, 7) < 0.12 AS diabetic, pow(u(id, 8), 2) * 2 AS activity
FROM (SELECT unnest(range({first}, {last}))::BIGINT AS id)
"""

# table -> (mean number of rows a person, or 0 for one; columns by expression; what they may use: id, n, person p)
_DECLARED: dict[str, tuple[int, dict[str, str]]] = {
    "person": (0, {
        "person_id": "person_id", "gender_concept_id": "gender", "year_of_birth": "year", "month_of_birth": "month", "day_of_birth": "day",
        "race_concept_id": "0", "ethnicity_concept_id": "0", "care_site_id": "person_id % 40", "person_source_value": "'P' || person_id",
    }),
    "observation_period": (0, {
        "observation_period_id": "person_id", "person_id": "person_id", "observation_period_start_date": "first_day",
        "observation_period_end_date": "(first_day + days)::DATE", "period_type_concept_id": "32817",
    }),
    "visit_occurrence": (8, {
        "visit_occurrence_id": "id", "person_id": "person_id", "visit_start_date": "event", "visit_start_datetime": "event::TIMESTAMP",
        "visit_concept_id": "CASE WHEN u(id, 11) < 0.05 THEN 9201 WHEN u(id, 11) < 0.08 THEN 9203 ELSE 9202 END",
        "visit_end_date": "(event + (u(id, 12) * 12 * (u(id, 11) < 0.05)::INT)::INT)::DATE", "visit_type_concept_id": "32817",
        "care_site_id": "(u(id, 13) * 60)::BIGINT", "visit_source_value": "'V' || id",
    }),
    "condition_occurrence": (20, {
        "condition_occurrence_id": "id", "person_id": "person_id", "condition_start_date": "event",
        "condition_start_datetime": "event::TIMESTAMP", "condition_end_date": "(event + (u(id, 21) * 10)::INT)::DATE",
        "condition_concept_id": f"CASE WHEN diabetic AND u(id, 22) < 0.12 THEN {DIABETES} "
        "WHEN diabetic AND u(id, 22) > 0.995 THEN 4099215 + (u(id, 23) * 29)::INT ELSE 400000 + (pow(u(id, 23), 3) * 2999)::INT END",
        "condition_type_concept_id": "32817", "visit_occurrence_id": "person_id * 10000 + n % greatest(1, (activity * 12)::INT)",
        "condition_source_value": "CASE WHEN diabetic AND (u(id, 22) < 0.12 OR u(id, 22) > 0.995) THEN 'E11.' || (u(id, 24) * 9)::INT "
        "ELSE chr(70 + (u(id, 23) * 15)::INT) || lpad((u(id, 24) * 99)::INT::VARCHAR, 2, '0') || '.' || (u(id, 22) * 9)::INT END",
        "condition_source_concept_id": "0",
    }),
    "drug_exposure": (20, {
        "drug_exposure_id": "id", "person_id": "person_id", "drug_exposure_start_date": "event",
        "drug_exposure_start_datetime": "event::TIMESTAMP", "drug_exposure_end_date": "(event + (u(id, 31) * 30)::INT)::DATE",
        "drug_concept_id": "CASE WHEN diabetic AND u(id, 32) < 0.03 THEN 1516976 + (u(id, 33) * 39)::INT "
        "ELSE 1700000 + (pow(u(id, 33), 3) * 1499)::INT END",
        "drug_type_concept_id": "32817", "quantity": "u(id, 31) * 10", "days_supply": "(u(id, 31) * 30)::INT",
        "visit_occurrence_id": "person_id * 10000 + n % greatest(1, (activity * 12)::INT)",
        "drug_source_value": "'药品' || (u(id, 33) * 1499)::INT",
    }),
    "measurement": (100, {
        "measurement_id": "id", "person_id": "person_id", "measurement_date": "event",
        "measurement_datetime": "event::TIMESTAMP + to_seconds((u(id, 41) * 86399)::INT)",
        "measurement_concept_id": f"CASE WHEN u(id, 42) < (CASE WHEN diabetic THEN 0.04 ELSE 0.006 END) THEN {HBA1C} "
        "ELSE 3000001 + (pow(u(id, 43), 2) * 590)::INT END",
        "value_as_number": "round(CASE WHEN diabetic AND u(id, 42) < 0.04 THEN 5.2 + u(id, 41) * 6 "
        "WHEN u(id, 42) < 0.006 THEN 4.5 + u(id, 41) * 2.5 ELSE u(id, 43) * u(id, 41) * 200 END, 1)",
        "measurement_type_concept_id": "32817", "value_as_concept_id": "0", "unit_concept_id": "8500 + (u(id, 43) * 90)::INT",
        "range_low": "round(u(id, 43) * 50, 1)", "range_high": "round(50 + u(id, 43) * 100, 1)",
        "visit_occurrence_id": "person_id * 10000 + n % greatest(1, (activity * 12)::INT)",
        "measurement_source_value": "'检验项目' || (u(id, 43) * 590)::INT", "unit_source_value": "'mmol/L'",
    }),
}  # fmt: skip

_CONCEPTS = f"""
SELECT {DIABETES} AS id, '2型糖尿病' AS name, 'Condition' AS kind UNION ALL SELECT {INSULIN}, '胰岛素', 'Drug'
UNION ALL SELECT {HBA1C}, '糖化血红蛋白', 'Measurement'
UNION ALL SELECT 4099215 + i, '2型糖尿病伴并发症' || i, 'Condition' FROM range(30) r(i)
UNION ALL SELECT 1516976 + i, '胰岛素制剂' || i, 'Drug' FROM range(40) r(i)
UNION ALL SELECT 3000001 + i, '检验' || i, 'Measurement' FROM range(591) r(i)
UNION ALL SELECT 400000 + i, '诊断' || i, 'Condition' FROM range(3000) r(i)
UNION ALL SELECT 1700000 + i, '药品' || i, 'Drug' FROM range(1500) r(i)
"""

_VOCABULARY = {
    "concept": (
        f"SELECT id AS concept_id, name AS concept_name, kind AS domain_id, 'SNOMED' AS vocabulary_id, 'x' AS concept_class_id, "
        f"'S' AS standard_concept, id::VARCHAR AS concept_code, DATE '1970-01-01' AS valid_start_date, DATE '2099-12-31' AS valid_end_date "
        f"FROM ({_CONCEPTS}) ORDER BY id"
    ),
    "concept_ancestor": (
        f"SELECT id AS ancestor_concept_id, id AS descendant_concept_id, 0 AS min_levels_of_separation, 0 AS max_levels_of_separation "
        f"FROM ({_CONCEPTS}) UNION ALL SELECT {DIABETES}, 4099215 + i, 1, 1 FROM range(30) r(i) "
        f"UNION ALL SELECT {INSULIN}, 1516976 + i, 1, 1 FROM range(40) r(i) ORDER BY 1, 2"
    ),
}


def big_snapshot(persons: int, work: Path) -> Snapshot:
    """Return the snapshot of so many persons, made on first use below the folder `work`."""
    store = work / f"store-{persons}"
    if not (store / "snapshots").is_dir():
        _build(persons, store)
    return Store(store).latest()


def _build(persons: int, store: Path) -> None:
    staging = store / "making"
    shutil.rmtree(staging, ignore_errors=True)
    connection = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(store / "spill"), "preserve_insertion_order": "false"})
    try:
        connection.execute(_SETUP)
        for name, sql in _VOCABULARY.items():
            _write(connection, name, sql, staging / "tables" / name / "part-000.parquet")
        for bucket, first in enumerate(tqdm(range(1, persons + 1, _BUCKET_PERSONS), desc=f"{persons:,} persons", unit="bucket")):
            last = min(first + _BUCKET_PERSONS, persons + 1)
            connection.execute(f"CREATE OR REPLACE TABLE p AS {_PERSONS.format(first=first, last=last)}")
            for name, (mean, columns) in _DECLARED.items():
                listed = ", ".join(f"{expression} AS {column}" for column, expression in columns.items())
                _write(connection, name, f"SELECT {listed} FROM {_events(mean)}", staging / "tables" / name / f"part-{bucket:03d}.parquet")
        for name, projection in PROJECTIONS.items():
            _project(connection, staging, name, projection, store / "spill" / name)
    finally:
        connection.close()
        shutil.rmtree(store / "spill", ignore_errors=True)
    _publish(staging, store)


def _project(connection: duckdb.DuckDBPyConnection, staging: Path, name: str, projection: Projection, pieces: Path) -> None:
    """Write a table in another order: cut into ranges of its first column first, so that each sort fits in memory."""
    folder, (first, *_) = staging / "projections" / name, projection.order
    folder.mkdir(parents=True)
    parts = sorted((staging / "tables" / projection.table).iterdir())
    cuts = ", ".join(str(at / _RANGES) for at in range(1, _RANGES))
    (edges,) = connection.execute(f"SELECT approx_quantile({first}, [{cuts}]) FROM read_parquet('{parts[0]}')").fetchone()
    for part in parts:
        which = " + ".join(f"({first} > {edge})::INT" for edge in sorted(set(edges)))
        piece = f"SELECT *, {which} AS range FROM read_parquet('{part}')"
        target = pieces / part.stem
        target.mkdir(parents=True)
        connection.execute(f"COPY ({piece}) TO '{target}' (FORMAT parquet, COMPRESSION snappy, PARTITION_BY (range), OVERWRITE_OR_IGNORE)")
    found = sorted({path.name for path in pieces.glob("*/range=*")}, key=lambda text: int(text.removeprefix("range=")))
    for at, value in enumerate(tqdm(found, desc=name, unit="range")):
        rows = f"SELECT * FROM read_parquet('{pieces}/*/{value}/*.parquet', hive_partitioning=false) ORDER BY {', '.join(projection.order)}"
        connection.execute(f"COPY ({rows}) TO '{folder}/part-{at:03d}.parquet' ({_PARQUET})")
        for path in pieces.glob(f"*/{value}"):
            shutil.rmtree(path)


def _events(mean: int) -> str:
    """Give each person rows in proportion to activity; a row's id is its person's number and its own."""
    if not mean:
        return "p"
    rows = f"unnest(range(greatest(1, (activity * {mean * 1.5})::INT)))"
    numbered = f"SELECT p.*, {rows} AS n FROM p"
    return f"(SELECT *, event_day(first_day, days, id) AS event FROM (SELECT *, person_id * 10000 + n AS id FROM ({numbered})))"


def _write(connection: duckdb.DuckDBPyConnection, name: str, sql: str, target: Path) -> None:
    """Write the rows with all columns of the data contract, in its order."""
    target.parent.mkdir(parents=True, exist_ok=True)
    given = {row[0] for row in connection.execute(f"DESCRIBE {sql}").fetchall()}
    columns = ", ".join(
        f"CAST({column.name if column.name in given else 'NULL'} AS {_SQL[column.type]}) AS {column.name}"
        for column in TABLES[name].columns
    )
    order = ", ".join(TABLES[name].sort)
    connection.execute(f"COPY (SELECT {columns} FROM ({sql}) ORDER BY {order}) TO '{target}' ({_PARQUET})")


def _publish(staging: Path, store: Path) -> None:
    """Write the manifest and rename into place, as the store's own writer does."""
    files = tuple(hash_tree(staging, progress=True))
    created = datetime.now(UTC).isoformat(timespec="seconds")
    tables = {folder.name: _entry(folder) for folder in sorted((staging / "tables").iterdir())}
    about = {"source": "tests/bench/big_store.py", "note": "synthetic", "policy": None, "parent": None}
    manifest = Manifest(id="", created=created, schema_version=SCHEMA_VERSION, library=__version__, tables=tables, files=files, **about)
    content = manifest.to_bytes()
    (staging / MANIFEST_NAME).write_bytes(content)
    (store / "snapshots").mkdir()
    staging.rename(store / "snapshots" / Manifest.name_for(created, content))


def _entry(folder: Path) -> TableEntry:
    parts = [pq.ParquetFile(part) for part in sorted(folder.iterdir())]
    return TableEntry(sum(part.metadata.num_rows for part in parts), {field.name: str(field.type) for field in parts[0].schema_arrow})


def main() -> None:
    """Build a snapshot and say what it holds."""
    parser = argparse.ArgumentParser(description="Build the benchmark's synthetic hospital.")
    parser.add_argument("persons", type=int)
    parser.add_argument("--work", type=Path, default=Path(".demo/bench"))
    asked = parser.parse_args()
    snapshot = big_snapshot(asked.persons, asked.work)
    print(
        json.dumps(
            {"snapshot": str(snapshot.path), "rows": {name: entry.rows for name, entry in snapshot.manifest.tables.items()}}, indent=1
        )
    )


if __name__ == "__main__":
    main()
