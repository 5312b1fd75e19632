"""The runner on DuckDB: what it may read, what it leaves behind, how it fails, and that a snapshot answers as its tables do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date

import duckdb
import pyarrow as pa
import pytest

from tests.lib.stores import measurements, persons, small_store
from workbench.cohort.engine import ENTRY_SCHEMA, ROW_SCHEMA
from workbench.cohort.query import Age, CodeItem, Codelist, Cohort, Condition, Entry, Events, Occurs, Rule, Window
from workbench.errors import DataError, EnvironmentFault, IntegrityError
from workbench.store.duckdb import DuckDBEngine
from workbench.store.notes_index import build_notes_index
from workbench.store.snapshots import SnapshotWriter, Store
from workbench.tables import arrow_schema

HIGH = Events("labs", Codelist((CodeItem("3004410", "concept"),)), (Condition("value", "ge", (6.5,)),))
COHORT = Cohort(
    "HbA1c",
    Entry((HIGH,), limit="first"),
    (
        Rule("again", "require", Occurs((HIGH,), (Window(1, None),))),
        Rule("adult", "require", Age("ge", (18,))),
        Rule("dead", "exclude", Occurs((Events("deaths"),))),
    ),
)
TEXT = Cohort("text", Entry((Events("notes", conditions=(Condition("text", "contains", ("糖尿病", "高血压")),)),)))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    path = tmp_path_factory.mktemp("store 'quoted' 店")
    small_store(path, people=50, rows=2_000)
    return Store(path).latest()


def notes() -> pa.Table:
    schema = arrow_schema("note")
    given = {"note_date": date(2020, 1, 1), "note_type_concept_id": 0, "note_class_concept_id": 0, "encoding_concept_id": 0}
    texts = ["否认糖尿\n病史", "高 血压3级", "体健"]
    rows = [given | {"note_id": 7 * at, "person_id": at, "note_text": text, "language_concept_id": 0} for at, text in enumerate(texts, 1)]
    return pa.Table.from_pylist(rows, schema=schema)


def test_a_snapshot_answers_as_its_tables_in_memory(snapshot) -> None:
    tables = {"person": persons(50), "measurement": measurements(2_000, 50)}
    with DuckDBEngine(snapshot) as engine, DuckDBEngine.from_tables(tables) as reference:
        found, wanted = engine.run(COHORT), reference.run(COHORT)
        assert found.rows.num_rows > 10
        assert found.rows.equals(wanted.rows)
        assert found.entries.equals(wanted.entries)
        assert engine.events(HIGH, [1, 2]).equals(reference.events(HIGH, [1, 2]))
        person = found.rows.column("person_id")[0].as_py()
        assert engine.evidence(COHORT, person) == reference.evidence(COHORT, person)


def test_an_empty_store_answers_with_empty_tables(tmp_path) -> None:
    with SnapshotWriter(tmp_path, source="nothing") as writer:
        writer.write("person", persons(1))
    with DuckDBEngine(Store(tmp_path).latest()) as engine:
        answer = engine.run(COHORT)
        assert answer.rows.equals(ROW_SCHEMA.empty_table())
        assert answer.entries.equals(ENTRY_SCHEMA.empty_table())
        assert engine.evidence(COHORT, 1) == ()


@pytest.mark.parametrize("indexed", [False, True])
def test_texts_are_found_with_and_without_an_index(tmp_path, indexed: bool, monkeypatch) -> None:
    with SnapshotWriter(tmp_path, source="notes") as writer:
        writer.write("person", persons(3))
        writer.write("note", notes())
        if indexed:
            writer.add_index("notes", lambda folder: build_notes_index(notes().to_batches(), folder))
    if indexed:
        monkeypatch.setattr("workbench.store.duckdb.scan_notes", lambda *_: pytest.fail("the index was not used"))
    with DuckDBEngine(Store(tmp_path).latest()) as engine:
        assert engine.run(TEXT).rows.column("person_id").to_pylist() == [1, 2]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/workbench-test-leak.csv'",
        "ATTACH '/tmp/workbench-test-leak.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
    ],
)
def test_the_connection_reaches_nothing_but_the_snapshot(snapshot, statement: str) -> None:
    with DuckDBEngine(snapshot) as engine, pytest.raises(duckdb.Error):
        engine._connection.execute(statement)


def test_nothing_is_left_behind(snapshot, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with DuckDBEngine(snapshot) as engine:
        assert len(list(tmp_path.iterdir())) == 1
        engine.run(COHORT)
    forgotten = DuckDBEngine(snapshot)
    del forgotten
    assert list(tmp_path.iterdir()) == []


def test_a_run_leaves_no_tables_for_the_next(snapshot) -> None:
    with DuckDBEngine(snapshot) as engine:
        first, second = engine.run(COHORT), engine.run(COHORT)
        assert first.rows.equals(second.rows)
        assert engine._connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)


def test_a_broken_file_is_an_integrity_error_without_its_contents(tmp_path) -> None:
    small_store(tmp_path)
    snapshot = Store(tmp_path).latest()
    (file,) = snapshot.projection("measurement_by_concept")
    size = file.stat().st_size
    file.chmod(0o644)
    file.write_bytes(b"PAR1" + b"secret" * (size // 6))
    with DuckDBEngine(snapshot) as engine, pytest.raises(IntegrityError, match="cannot be read") as caught:
        engine.run(COHORT)
    assert "secret" not in str(caught.value)


def test_too_little_memory_is_named(snapshot) -> None:
    with DuckDBEngine(snapshot, memory_limit="1MB", threads=1) as engine, pytest.raises(EnvironmentFault, match="memory"):
        engine.run(COHORT)


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(DataError, match="no column 'name'"):
        DuckDBEngine.from_tables({"person": pa.table({"person_id": [1], "name": ["x"]})})


def test_sql_shows_what_runs(snapshot) -> None:
    with DuckDBEngine(snapshot) as engine:
        text = engine.sql(COHORT)
    assert text.count("CREATE TEMP TABLE") >= 5
    assert '"measurement_by_concept"' in text


_ENDLESS = """
from tests.lib.stores import small_store
from workbench.cohort.query import *
from workbench.store.duckdb import DuckDBEngine
from workbench.store.snapshots import Store
import signal, sys, tempfile
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored from the start where the tests run in the background
with tempfile.TemporaryDirectory() as folder:
    small_store(Path(folder), people=1, rows=150_000)
    every = Events("labs")
    rule = Rule("many", "require", Occurs((every,), (Window(None, None),), count=2, distinct="concept"))
    with DuckDBEngine(Store(Path(folder)).latest()) as engine:
        cohort = Cohort("c", Entry((every,)), (rule,))
        engine.sql(cohort)  # compiled now, so that the run is DuckDB's alone
        print("running", flush=True)
        engine.run(cohort)
print("done", flush=True)
"""


@pytest.mark.integration
def test_a_long_run_can_be_interrupted() -> None:
    process = subprocess.Popen([sys.executable, "-c", _ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    time.sleep(2)
    os.kill(process.pid, signal.SIGINT)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode != 0, out
    assert "done" not in out
    assert "KeyboardInterrupt" in err
