"""Publishing a snapshot and reading it."""

from __future__ import annotations

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.lib.manifest import in_a_session
from tests.lib.stores import measurements, persons, small_store
from workbench.errors import DataError, IntegrityError
from workbench.store import SnapshotWriter, Store, open_store
from workbench.tables import arrow_schema


def _pairs(table: pa.Table, *names: str) -> list[tuple]:
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


def _leftovers(store) -> list[str]:
    return [path.name for path in (store / "staging").iterdir() if path.name != ".lock"]


def test_a_snapshot_reads_as_it_was_written(tmp_path):
    name = small_store(tmp_path)
    snapshot = Store(tmp_path).latest()
    assert snapshot.id == name
    assert snapshot.tables == {"person", "measurement"}
    assert snapshot.manifest.tables["measurement"].rows == 200
    assert snapshot.manifest.source == "a test"
    written = measurements(200, 20).sort_by("measurement_id")
    read = snapshot.read("measurement").sort_by("measurement_id")
    assert read.schema.names == arrow_schema("measurement").names
    assert read.column("value_as_number").equals(written.column("value_as_number"))


def test_event_tables_lie_in_order_of_person_and_day(tmp_path):
    small_store(tmp_path)
    rows = _pairs(Store(tmp_path).latest().read("measurement"), "person_id", "measurement_date", "measurement_id")
    assert rows == sorted(rows)
    assert len({person for person, _, _ in rows}) > 10


def test_the_projection_lies_in_order_of_concept_and_source_value(tmp_path):
    small_store(tmp_path)
    [file] = Store(tmp_path).latest().projection("measurement_by_concept")
    table = pq.read_table(file)
    rows = _pairs(table, "measurement_concept_id", "measurement_source_value", "person_id", "measurement_date")
    assert rows == sorted(rows)
    assert table.num_rows == 200


@pytest.mark.parametrize("pieces", [1, 3, 50])
def test_rows_may_come_in_pieces_and_in_any_order(tmp_path, pieces):
    whole = measurements(200, 20)
    with SnapshotWriter(tmp_path, source="pieces") as writer:
        writer.write("measurement", (whole.slice(at, 200 // pieces + 1) for at in range(0, 200, 200 // pieces + 1)))
        writer.write("person", persons(20).to_batches(max_chunksize=7))
    assert Store(tmp_path).latest().read("measurement").num_rows == 200


def test_ordered_and_unordered_rows_give_the_same_order(tmp_path):
    unordered = measurements(5000, 50)
    ordered = unordered.sort_by([("person_id", "ascending"), ("measurement_date", "ascending"), ("measurement_id", "ascending")])
    read = []
    for name, rows in {"a": ordered, "b": unordered}.items():
        with SnapshotWriter(tmp_path / name, source=name) as writer:
            writer.write("measurement", rows.to_batches(max_chunksize=999))
        read.append(Store(tmp_path / name).latest().read("measurement"))
    assert read[0].equals(read[1])


def test_ordered_pieces_in_the_wrong_order_are_sorted(tmp_path):
    rows = measurements(100, 10).sort_by([("person_id", "ascending"), ("measurement_date", "ascending"), ("measurement_id", "ascending")])
    with SnapshotWriter(tmp_path, source="pieces") as writer:
        writer.write("measurement", [rows.slice(50), rows.slice(0, 50)])
    read = _pairs(Store(tmp_path).latest().read("measurement"), "person_id", "measurement_date", "measurement_id")
    assert read == sorted(read)


def test_row_groups_are_whole(tmp_path):
    count = 122_880 + 5
    table = pa.table({"location_id": range(count), "city": ["x"] * count})
    with SnapshotWriter(tmp_path, source="many") as writer:
        writer.write("location", table.to_batches(max_chunksize=10_000))
    [file] = Store(tmp_path).latest().files("location")
    groups = pq.ParquetFile(file).metadata
    assert [groups.row_group(at).num_rows for at in range(groups.num_row_groups)] == [122_880, 5]
    assert groups.row_group(0).column(0).compression == "ZSTD"


def test_absent_tables_read_as_empty(tmp_path):
    small_store(tmp_path)
    snapshot = Store(tmp_path).latest()
    assert snapshot.files("note") == []
    assert snapshot.projection("nothing") == []
    assert snapshot.index_path("notes") is None
    assert snapshot.read("note", columns=["note_id"]).num_rows == 0
    assert snapshot.schema("note").names == arrow_schema("note").names
    assert snapshot.schema("note").types == arrow_schema("note").types


def test_a_table_without_rows_is_there(tmp_path):
    with SnapshotWriter(tmp_path, source="s") as writer:
        writer.write("person", persons(1))
        writer.write("measurement", [])
    snapshot = Store(tmp_path).latest()
    assert snapshot.tables == {"person", "measurement"}
    assert snapshot.read("measurement").num_rows == 0
    assert snapshot.projection("measurement_by_concept") == []


def test_an_index_is_built_over_the_standing_tables(tmp_path):
    def build(folder):
        rows = pq.read_table(folder.parents[1] / "tables" / "person").num_rows
        (folder / "count.txt").write_text(str(rows), encoding="utf-8")
        (folder / "nothing").mkdir()

    with SnapshotWriter(tmp_path, source="indexed") as writer:
        writer.add_index("notes", build)
        writer.add_index("empty", lambda _folder: None)
        writer.write("person", persons(3))
    snapshot = Store(tmp_path).latest()
    assert (snapshot.index_path("notes") / "count.txt").read_text(encoding="utf-8") == "3"
    assert snapshot.index_path("empty") is None


def test_snapshots_are_listed_oldest_first_and_opened_by_id(tmp_path):
    first, second = small_store(tmp_path, source="one"), small_store(tmp_path, source="two")
    store = Store(tmp_path)
    assert [manifest.id for manifest in store.snapshots()] == [first, second]
    assert store.latest().id == second
    assert store.open(first).manifest.source == "one"
    with pytest.raises(DataError, match="no snapshot 'x'"):
        store.open("x")


def test_what_is_told_about_a_snapshot_is_kept(tmp_path):
    parent = small_store(tmp_path)
    with SnapshotWriter(tmp_path, source="s", policy={"shift_days": 180}, parent=parent, note="n") as writer:
        writer.write("person", persons(1))
        writer.add_document("report.json", json.dumps({"taken": 1}))
    snapshot = Store(tmp_path).open(writer.snapshot_id)
    assert snapshot.manifest.policy == {"shift_days": 180}
    assert (snapshot.manifest.parent, snapshot.manifest.note) == (parent, "n")
    assert json.loads((snapshot.path / "report.json").read_text(encoding="utf-8")) == {"taken": 1}


def test_published_files_are_read_only_and_readable_by_others(tmp_path):
    before = os.umask(0o077)
    try:
        small_store(tmp_path)
    finally:
        os.umask(before)
    snapshot = Store(tmp_path).latest()
    assert {path.stat().st_mode & 0o777 for path in snapshot.files("person")} == {0o444}
    assert {path.stat().st_mode & 0o777 for path in (snapshot.path, *snapshot.path.rglob("*")) if path.is_dir()} == {0o755}


@pytest.mark.parametrize(
    ("table", "rows", "message"),
    [
        ("persons", {"person_id": [1]}, "no table 'persons'"),
        ("person", {"person_ident": [1]}, "no column 'person_ident'(?s:.*)did you mean 'person_id'"),
        ("person", {"person_id": [1]}, "lacks its required column gender_concept_id"),
        ("location", {"location_id": [1, None]}, "location_id is required and empty in 1 of 2 rows"),
        ("location", {"location_id": ["one"]}, "location.location_id is string with values that do not fit; wanted int64"),
        ("location", {"location_id": [1.5]}, "location.location_id is double with values that do not fit; wanted int64"),
    ],
    ids=["table", "column", "lacking", "null", "text", "fraction"],
)
def test_rows_that_break_the_contract_are_refused(tmp_path, table, rows, message):
    with pytest.raises(DataError, match=message), SnapshotWriter(tmp_path, source="bad") as writer:
        writer.write(table, pa.table(rows))
    assert Store(tmp_path).snapshots() == []
    assert _leftovers(tmp_path) == []


def test_repeated_persons_are_refused(tmp_path):
    with pytest.raises(DataError, match="person_id is repeated in 2 rows"), SnapshotWriter(tmp_path, source="bad") as writer:
        writer.write("person", pa.concat_tables([persons(3), persons(2)]))
    assert Store(tmp_path).snapshots() == []


def test_an_empty_snapshot_is_refused(tmp_path):
    with pytest.raises(DataError, match="no table was written"), SnapshotWriter(tmp_path, source="nothing"):
        pass


def test_an_error_in_the_callers_code_leaves_nothing(tmp_path):
    def publish():
        with SnapshotWriter(tmp_path, source="bad") as writer:
            writer.write("person", persons(3))
            writer.write("location", iter([1 / 0]))

    with pytest.raises(ZeroDivisionError):
        publish()
    assert list((tmp_path / "snapshots").iterdir()) == []
    assert _leftovers(tmp_path) == []


def test_two_writers_do_not_disturb_each_other(tmp_path):
    with SnapshotWriter(tmp_path, source="outer") as outer:
        outer.write("person", persons(2))
        small_store(tmp_path, source="inner")
        outer.write("location", pa.table({"location_id": [1]}))
    assert [manifest.source for manifest in Store(tmp_path).snapshots()] == ["inner", "outer"]


def test_no_store_and_no_snapshot_are_told_apart(tmp_path):
    with pytest.raises(DataError, match="there is no store at"):
        Store(tmp_path / "nowhere").latest()
    (tmp_path / "snapshots").mkdir()
    with pytest.raises(DataError, match="has no snapshot"):
        Store(tmp_path).latest()


def test_unknown_columns_are_named_on_reading(tmp_path):
    small_store(tmp_path)
    with pytest.raises(DataError, match="no column 'birthday'"):
        Store(tmp_path).latest().read("person", columns=["birthday"])


def test_a_cut_file_is_found_on_opening(tmp_path):
    small_store(tmp_path)
    [file] = Store(tmp_path).latest().files("person")
    file.chmod(0o644)
    os.truncate(file, 10)
    with pytest.raises(IntegrityError, match=r"tables/person/part-00000\.parquet of snapshot .* has 10 bytes"):
        Store(tmp_path).latest()


class TestOpenStore:
    def test_the_path_given_wins(self, tmp_path, monkeypatch):
        monkeypatch.setenv("WORKBENCH_STORE", "/nowhere")
        assert open_store(tmp_path, small_store(tmp_path)).tables == {"person", "measurement"}

    def test_outside_a_session_the_variable_names_it(self, tmp_path, monkeypatch):
        small_store(tmp_path)
        monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
        monkeypatch.setenv("WORKBENCH_STORE", str(tmp_path))
        assert open_store().tables == {"person", "measurement"}

    def test_in_a_session_the_manifest_names_it(self, tmp_path, monkeypatch):
        small_store(tmp_path / "slice")
        in_a_session(monkeypatch, tmp_path / "session.toml", store=tmp_path / "slice")
        monkeypatch.setenv("WORKBENCH_STORE", "/nowhere")
        assert open_store().path.is_relative_to(tmp_path / "slice")

    def test_with_nothing_named_it_says_so(self, tmp_path, monkeypatch):
        monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
        monkeypatch.delenv("WORKBENCH_STORE", raising=False)
        with pytest.raises(DataError, match="no store is named"):
            open_store()
