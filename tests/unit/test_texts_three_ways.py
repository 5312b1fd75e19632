"""The store's run, a file's run and Spark give the same notes the same answers."""

from __future__ import annotations

import gc
import shutil
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import workbench as wb
from nlp.variables import load_set
from tests.lib.noted import noted_store
from tests.lib.paths import REPOSITORY
from workbench.errors import DataError
from workbench.texts import spark
from workbench.texts.stream import structure_file

SAME = ("note_id", "variable", "variable_hash", "value", "unit", "assertion", "experiencer", "span_start", "span_end", "confidence")
COLUMNS = ["note_id", "person_id", "note_text", "note_source_value", "note_datetime"]


@pytest.fixture(scope="module")
def variables():
    return load_set(REPOSITORY / "nlp" / "variables" / "library" / "example.yaml").set


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """A store, and its notes as a file; the visit's clock is in neither, for no variable asks it."""
    folder = tmp_path_factory.mktemp("ways")
    snapshot = noted_store(folder / "store", people=8)
    pq.write_table(snapshot.read("note", COLUMNS), folder / "notes.parquet")
    return snapshot, folder


@pytest.fixture(scope="module")
def by_file(notes, variables):
    structure_file(notes[1] / "notes.parquet", notes[1] / "answers.parquet", variables, workers=1, progress=False)
    return answers_of(pq.read_table(notes[1] / "answers.parquet").to_pylist())


def answers_of(rows):
    return sorted(tuple(str(row[name]) for name in SAME) for row in rows)


def test_the_store_and_a_file_agree(notes, variables, by_file):
    table = wb.notes(notes[0]).structure(variables, folder=notes[1], workers=1, progress=False).table()
    number, text = table["value_number"], table["value_text"]
    table["value"] = [other if one != one else f"{one:.15g}" for one, other in zip(number, text, strict=True)]
    assert len(by_file) > 20
    assert answers_of(table.to_dict("records")) == by_file


def test_batches_of_spark_and_a_file_agree(notes, variables, by_file, monkeypatch):
    monkeypatch.setattr(spark, "_AT_ONCE", 3)
    batches = pq.read_table(notes[1] / "notes.parquet").to_batches(max_chunksize=7)
    columns = {"note_id": ("note_id",), "text": ("note_text",), "document_type": ("note_source_value",), "written": ("note_datetime",)}
    given = list(spark.answer_batches(batches, tuple(variables), columns))
    assert all(batch.schema.equals(spark.FRAME) for batch in given)
    assert answers_of(row for batch in given for row in batch.to_pylist()) == by_file


def test_a_note_that_cannot_be_asked_is_a_row_that_says_why(variables):
    batch = pa.RecordBatch.from_pylist([{"id": "a", "text": None}, {"id": "b", "text": "咳嗽"}])
    assert [
        row["note_id"]
        for each in spark.answer_batches([batch], tuple(variables), {"note_id": ("id",), "text": ("text",)})
        for row in each.to_pylist()
    ] == ["b"]
    broken = pa.RecordBatch.from_pylist([{"id": "a", "text": 5}])
    (row,) = [
        row
        for each in spark.answer_batches([broken], tuple(variables), {"note_id": ("id",), "text": ("text",)})
        for row in each.to_pylist()
    ]
    assert (row["note_id"], row["variable"], row["why_not"]) == ("a", "", "refused: the text is no text")


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # py4j's sockets
def test_spark_and_a_file_agree(notes, variables, by_file, monkeypatch):
    pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed (extra: bench)")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 (default-jre-headless)")
    from pyspark.sql import SparkSession

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", ":".join((str(REPOSITORY), *sys.path)))
    assert pyspark.__version__
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    try:
        session.sparkContext.setLogLevel("OFF")
        frame = session.read.parquet(str(notes[1] / "notes.parquet")).repartition(3)
        given = spark.structure_frame(frame, variables).collect()
        with pytest.raises(DataError, match="no column names the note"):
            spark.structure_frame(frame.select("note_text"), variables)
    finally:
        session.stop()
        gc.collect()
    assert answers_of(row.asDict() for row in given) == by_file
