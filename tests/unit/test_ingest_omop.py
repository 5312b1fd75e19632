"""Importing OMOP: containers, names, types; what is mended, emptied and refused."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from datetime import date, datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.lib.omop_csv import CONDITION, DATA_SET, PERSON, VISIT, with_rows, write_csv
from workbench.errors import DataError
from workbench.ingest.publish import import_data
from workbench.store import Store


def _import(source, out):
    result = import_data(source, out)
    return result, Store(out).open(result.snapshot_id)


def _entries(result, action):
    return {(entry.table, entry.column, entry.rule): entry.rows for entry in result.report.entries if entry.action == action}


def _folder_of_csv(path):
    return write_csv(path / "csv")


def _folder_upper_case(path):
    folder = path / "upper"
    folder.mkdir()
    for name, text in DATA_SET.items():
        header, _, rows = text.partition("\n")
        (folder / f"{name.upper()}.CSV").write_text(f"{header.upper()}\n{rows}", encoding="utf-8")
    return folder


def _folder_gb18030(path):
    return write_csv(path / "gb", encoding="gb18030")


def _folder_with_mark(path):
    return write_csv(path / "bom", encoding="utf-8-sig")


def _folder_tabs(path):
    return write_csv(path / "tsv", {name: text.replace(",", "\t") for name, text in DATA_SET.items()}, ending=".tsv")


def _folder_gzip(path):
    folder = path / "gz"
    folder.mkdir()
    for name, text in DATA_SET.items():
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def _folder_gzip_gb18030(path):
    folder = path / "gzgb"
    folder.mkdir()
    for name, text in DATA_SET.items():
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text.encode("gb18030")))
    return folder


def _folder_windows(path):
    return write_csv(path / "crlf", {name: text.replace("\n", "\r\n") for name, text in DATA_SET.items()})


def _folder_of_csv_parts(path):
    for name, text in DATA_SET.items():
        header, *rows = text.splitlines()
        for at, row in enumerate(rows):
            write_csv(path / "parts" / name, {f"{at}": f"{header}\n{row}\n"})
    return path / "parts"


def _folder_of_odd_name(path):
    return write_csv(path / "[2024] 导出's *?")


def _folder_inside(path):
    write_csv(path / "outer" / "cdm")
    (path / "outer" / "readme.txt").write_text("hello", encoding="utf-8")
    return path / "outer"


def _database(path):
    with duckdb.connect(str(path)) as connection:
        for name, text in DATA_SET.items():
            source = path.parent / f"{name}.csv"
            source.write_text(text, encoding="utf-8")
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv('{source}', all_varchar = true)")
            source.unlink()
    return path


def _duckdb_file(path):
    return _database(path / "cdm.duckdb")


def _parquet(path, parts):
    folder = path / f"parquet{parts}"
    database = _database(path / f"{parts}.duckdb")
    with duckdb.connect(str(database)) as connection:
        for name in DATA_SET:
            target = folder / name if parts else folder
            target.mkdir(parents=True, exist_ok=True)
            for part in range(max(parts, 1)):
                file = target / (f"{part}.parquet" if parts else f"{name}.parquet")
                rows = f"SELECT * FROM (SELECT *, row_number() OVER () AS n FROM {name}) WHERE n % {max(parts, 1)} = {part}"
                connection.execute(f"COPY (SELECT * EXCLUDE n FROM ({rows})) TO '{file}'")
    return folder


def _parquet_files(path):
    return _parquet(path, 0)


def _parquet_parts(path):
    return _parquet(path, 2)


def _zipped(path):
    folder = write_csv(path / "zipped")
    with zipfile.ZipFile(path / "cdm.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"cdm/{file.name}")
            archive.writestr(f"__MACOSX/cdm/._{file.name}", b"\x00")
    return path / "cdm.zip"


def _sqlite_file(path):
    with sqlite3.connect(path / "cdm.sqlite") as connection:
        for name, text in DATA_SET.items():
            header, *rows = [line.split(",") for line in text.splitlines()]
            connection.execute(f"CREATE TABLE {name} ({', '.join(header)})")
            connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(header))})", rows)
    connection.close()
    return path / "cdm.sqlite"


@pytest.mark.parametrize(
    "make",
    [
        _folder_of_csv,
        _folder_upper_case,
        _folder_gb18030,
        _folder_with_mark,
        _folder_tabs,
        _folder_gzip,
        _folder_gzip_gb18030,
        _folder_windows,
        _folder_of_odd_name,
        _folder_inside,
        _folder_of_csv_parts,
        _parquet_files,
        _parquet_parts,
        _duckdb_file,
        _zipped,
        _sqlite_file,
    ],
)
def test_every_container_gives_the_same_rows(tmp_path, make):
    (tmp_path / "in").mkdir()
    _, snapshot = _import(make(tmp_path / "in"), tmp_path / "store")
    persons = snapshot.read("person").sort_by("person_id")
    assert persons.column("person_source_value").to_pylist() == ["甲", "乙", "丙"]
    assert persons.column("month_of_birth").to_pylist() == [5, None, 1]
    visits = snapshot.read("visit_occurrence").sort_by("visit_occurrence_id")
    assert visits.column("visit_start_date").to_pylist() == [date(2020, 3, 1), date(2020, 4, 1), date(2020, 5, 1)]
    assert visits.column("visit_end_date").to_pylist() == [date(2020, 3, 10), date(2020, 4, 1), None]
    assert visits.column("admitted_from_source_value").to_pylist() == ["急诊", None, None]


def test_the_report_says_what_was_mended(tmp_path):
    result, snapshot = _import(write_csv(tmp_path / "in"), tmp_path / "store")
    assert _entries(result, "mended") == {
        ("visit_occurrence", "admitted_from_source_value", "OMOP 5.3 name admitting_source_value"): 1,
        ("condition_occurrence", "condition_concept_id", "no concept: 0"): 1,
        ("observation_period", "", "table was absent or empty: inferred from the first to the last event"): 1,
    }
    assert result.quarantine is None
    assert json.loads((snapshot.path / "report.json").read_text(encoding="utf-8"))["tables"][0]["taken"] == 3
    assert "| person | person.csv | 3 | 3 | 0 |" in (snapshot.path / "report.md").read_text(encoding="utf-8")


def test_periods_are_inferred_from_what_was_recorded(tmp_path):
    _, snapshot = _import(write_csv(tmp_path / "in"), tmp_path / "store")
    periods = snapshot.read("observation_period").sort_by("person_id")
    assert periods.column("observation_period_start_date").to_pylist() == [date(2020, 3, 1), date(2020, 4, 1), date(2020, 5, 1)]
    assert periods.column("observation_period_end_date").to_pylist() == [date(2020, 3, 10), date(2020, 4, 1), date(2020, 5, 1)]


@pytest.mark.parametrize(
    ("table", "row", "column", "rule"),
    [
        ("condition_occurrence", "103,9,201826,2020-03-01,32817,E11,10", "person_id", "no such person"),
        ("condition_occurrence", "103,,201826,2020-03-01,32817,E11,10", "person_id", "required value missing"),
        ("condition_occurrence", "103,1,201826,,32817,E11,10", "condition_start_date", "required value missing"),
        ("condition_occurrence", "103,1,201826,1960-05-19,32817,E11,10", "condition_start_date", "before birth"),
        ("condition_occurrence", "103,2,201826,1974-12-31,32817,E11,10", "condition_start_date", "before birth"),
        ("condition_occurrence", "103,1,201826,2999-01-01,32817,E11,10", "condition_start_date", "year outside 1850 to 2100"),
        ("condition_occurrence", "103,1,201826,2020-02-30,32817,E11,10", "condition_start_date", "required value missing"),
        ("condition_occurrence", "100,1,201826,2020-03-01,32817,E11.9,10", "condition_occurrence_id", "row is there twice"),
        ("visit_occurrence", "13,1,9201,2020-03-05,2020-03-01,32817,", "visit_end_date", "before visit_start_date"),
        ("visit_occurrence", "10,2,9201,2020-03-05,2020-03-06,32817,", "visit_occurrence_id", "key is there twice"),
        ("person", "1,8507,1999,1,1,0,0,x", "person_id", "key is there twice"),
        ("person", "4,8507,1066,1,1,0,0,x", "year_of_birth", "outside its range"),
        ("person", "4,8507,,1,1,0,0,x", "year_of_birth", "required value missing"),
    ],
)
def test_a_bad_row_goes_to_quarantine_with_its_reason(tmp_path, table, row, column, rule):
    result, snapshot = _import(write_csv(tmp_path / "in", with_rows(table, row)), tmp_path / "store")
    assert _entries(result, "refused") == {(table, column, rule): 1}
    assert snapshot.read(table).num_rows == 3
    kept = pq.read_table(result.quarantine / f"{table}.parquet").to_pylist()
    assert [(each["action"], f"{column}|{rule}" in each["reasons"]) for each in kept] == [("refused", True)]
    assert json.loads(kept[0]["source_row"])
    assert result.quarantine.stat().st_mode & 0o077 == 0
    assert not result.quarantine.is_relative_to(tmp_path / "store" / "snapshots")


def test_a_day_of_birth_itself_is_not_before_birth(tmp_path):
    result, _ = _import(
        write_csv(tmp_path / "in", with_rows("condition_occurrence", "103,1,1,1960-05-20,32817,Z38,10")), tmp_path / "store"
    )
    assert result.report.count("refused") == 0


@pytest.mark.parametrize(
    ("row", "column", "rule"),
    [
        ("4,8507,1980,13,1,0,0,x", "month_of_birth", "outside its range"),
        ("4,8507,1980,May,1,0,0,x", "month_of_birth", "not of type integer"),
        ("4,8507,1980,5.5,1,0,0,x", "month_of_birth", "not of type integer"),
    ],
)
def test_an_optional_value_that_cannot_be_used_is_emptied_and_kept_aside(tmp_path, row, column, rule):
    result, snapshot = _import(write_csv(tmp_path / "in", with_rows("person", row)), tmp_path / "store")
    assert _entries(result, "emptied") == {("person", column, rule): 1}
    assert snapshot.read("person").num_rows == 4
    assert [each["action"] for each in pq.read_table(result.quarantine / "person.parquet").to_pylist()] == ["emptied"]


def test_facts_that_share_a_number_get_numbers_of_their_own(tmp_path):
    rows = with_rows("condition_occurrence", "100,2,4,2020-04-01,32817,I10,11", "100,3,4,2020-05-02,32817,I10,12")
    result, snapshot = _import(write_csv(tmp_path / "in", rows), tmp_path / "store")
    keys = snapshot.read("condition_occurrence").column("condition_occurrence_id").to_pylist()
    assert sorted(keys) == [100, 101, 102, 103, 104]
    assert _entries(result, "mended")["condition_occurrence", "condition_occurrence_id", "key is there twice: new number"] == 2


def test_loose_references_are_kept_and_counted(tmp_path):
    rows = with_rows("condition_occurrence", "103,1,4,2020-03-01,32817,I10,999")
    result, snapshot = _import(write_csv(tmp_path / "in", rows), tmp_path / "store")
    assert _entries(result, "noted") == {("condition_occurrence", "visit_occurrence_id", "no such row in visit_occurrence"): 1}
    assert snapshot.read("condition_occurrence").num_rows == 4


def test_unknown_tables_and_columns_are_named(tmp_path):
    tables = DATA_SET | {"extra": "a,b\n1,2\n", "person": PERSON.replace("person_source_value", "shoe_size")}
    result, _ = _import(write_csv(tmp_path / "in", tables), tmp_path / "store")
    assert _entries(result, "ignored") == {
        ("extra", "", "not a table of OMOP 5.4"): 1,
        ("person", "shoe_size", "not a column of OMOP 5.4"): 1,
    }


def test_a_missing_optional_column_is_empty_and_a_missing_concept_is_zero(tmp_path):
    person = "person_id,birth_datetime,gender_source_value\n1,1960-05-20 01:02:03,男\n2,1975-01-01,F\n3,1990-01-01,?\n"
    result, snapshot = _import(write_csv(tmp_path / "in", DATA_SET | {"person": person}), tmp_path / "store")
    persons = snapshot.read("person").sort_by("person_id")
    assert persons.column("gender_concept_id").to_pylist() == [8507, 8532, 0]
    assert persons.column("year_of_birth").to_pylist() == [1960, 1975, 1990]
    assert persons.column("birth_datetime").to_pylist()[0] == datetime(1960, 5, 20, 1, 2, 3)
    assert _entries(result, "mended")["person", "year_of_birth", "year taken from birth_datetime"] == 3


def test_a_header_that_was_loaded_as_a_row_is_read_back(tmp_path):
    folder = _parquet_files(tmp_path)
    header = {f"column{at}": [name] for at, name in enumerate(["PERSON_ID", "DEATH_DATE"])}
    pq.write_table(
        pa.table({name: [*rows, "2020-03-10" if name == "column1" else "1"] for name, rows in header.items()}), folder / "death.parquet"
    )
    result, snapshot = _import(folder, tmp_path / "store")
    assert snapshot.read("death").select(["person_id", "death_date"]).to_pylist() == [{"person_id": 1, "death_date": date(2020, 3, 10)}]
    assert ("death", "", "header line was stored as a row") in _entries(result, "mended")


def test_wrong_types_are_brought_over_where_nothing_is_lost(tmp_path):
    folder = _parquet_files(tmp_path)
    days = pa.array([datetime(2020, 3, 10, 5), datetime(2021, 1, 1)])
    death = pa.table({"person_id": [1.0, 2.5], "death_date": days, "cause_concept_id": [float("nan"), 1.0]})
    pq.write_table(death, folder / "death.parquet")
    result, snapshot = _import(folder, tmp_path / "store")
    assert snapshot.read("death").select(["person_id", "death_date"]).to_pylist() == [{"person_id": 1, "death_date": date(2020, 3, 10)}]
    assert _entries(result, "refused") == {("death", "person_id", "required value missing"): 1}


def test_lines_that_cannot_be_read_are_kept_aside(tmp_path):
    text = CONDITION + '103,1,201826,2020-03-01,32817,"E11" broken" quote,10,too,many,cells\n'
    result, snapshot = _import(write_csv(tmp_path / "in", DATA_SET | {"condition_occurrence": text}), tmp_path / "store")
    assert snapshot.read("condition_occurrence").num_rows == 3
    assert _entries(result, "refused") == {("condition_occurrence", "", "line cannot be read"): 1}
    assert pq.read_table(result.quarantine / "condition_occurrence.unreadable.parquet").num_rows == 1


def _broken_parquet(folder):
    (folder / "death.parquet").write_bytes(b"PAR1 this is no parquet PAR1")


def _cut_parquet(folder):
    content = (folder / "person.parquet").read_bytes()
    (folder / "person.parquet").write_bytes(content[: len(content) // 2])


def _harmed_parquet(folder):
    content = bytearray((folder / "condition_occurrence.parquet").read_bytes())
    content[4:60] = b"\xff" * 56
    (folder / "condition_occurrence.parquet").write_bytes(content)


@pytest.mark.parametrize("harm", [_broken_parquet, _cut_parquet, _harmed_parquet])
def test_a_broken_file_is_named_and_nothing_is_published(tmp_path, harm):
    folder = _parquet_files(tmp_path)
    before, _ = _import(folder, tmp_path / "store")
    harm(folder)
    with pytest.raises(DataError, match=r"(death|person|condition_occurrence)\.parquet cannot be read"):
        import_data(folder, tmp_path / "store")
    assert [manifest.id for manifest in Store(tmp_path / "store").snapshots()] == [before.snapshot_id]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "no CSV or Parquet file"),
        ({"visit_occurrence": VISIT}, "has no person table"),
        ({"person": PERSON.splitlines()[0] + "\n"}, "no row of table person can be accepted"),
        ({"person": PERSON.replace("year_of_birth", "born")}, "no row of table person can be accepted"),
        ({"person": ""}, "is empty: not even a header"),
    ],
    ids=["nothing", "no persons", "header only", "no year of birth", "empty file"],
)
def test_a_data_set_without_persons_is_refused(tmp_path, tables, message):
    with pytest.raises(DataError, match=message):
        import_data(write_csv(tmp_path / "in", tables), tmp_path / "store")
    assert Store(tmp_path / "store").snapshots() == []


def test_other_sources_are_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="there is nothing at"):
        import_data(tmp_path / "nowhere", tmp_path / "store")
    (tmp_path / "notes.docx").write_bytes(b"hello there")
    with pytest.raises(DataError, match=r"notes\.docx is not a data set of tables"):
        import_data(tmp_path / "notes.docx", tmp_path / "store")
    (tmp_path / "old.duckdb").write_bytes(b"hello there, no database")
    with pytest.raises(DataError, match="cannot be opened as a DuckDB file"):
        import_data(tmp_path / "old.duckdb", tmp_path / "store")


def test_a_text_that_is_in_no_encoding_is_named(tmp_path):
    folder = write_csv(tmp_path / "in")
    (folder / "condition_occurrence.csv").write_bytes(CONDITION.encode() + b"103,\xff\xff\xff\n")
    with pytest.raises(DataError, match=r"condition_occurrence\.csv is neither UTF-8 nor GB18030"):
        import_data(folder, tmp_path / "store")


def test_a_table_in_two_forms_is_refused(tmp_path):
    folder = write_csv(tmp_path / "in")
    pq.write_table(pa.table({"person_id": [1]}), folder / "person.parquet")
    with pytest.raises(DataError, match="person is there both as Parquet and as CSV"):
        import_data(folder, tmp_path / "store")


def test_a_zip_cannot_write_outside_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../evil.csv", "a,b\n1,2\n")
        archive.writestr(str(tmp_path / "evil.csv"), "a,b\n1,2\n")
        for name, text in DATA_SET.items():
            archive.writestr(f"{name}.csv", text)
    _import(tmp_path / "evil.zip", tmp_path / "store")
    assert not list(tmp_path.glob("**/../evil.csv"))
    assert not (tmp_path / "evil.csv").exists()


def test_an_import_leaves_no_work_behind(tmp_path):
    _import(write_csv(tmp_path / "in"), tmp_path / "store")
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["snapshots", "staging"]
    assert [path.name for path in (tmp_path / "store" / "staging").iterdir()] == [".lock"]


def test_notes_are_indexed(tmp_path):
    note = (
        "note_id,person_id,note_date,note_type_concept_id,note_class_concept_id,encoding_concept_id,language_concept_id,note_text\n"
        '1,1,2020-03-02,32817,0,0,0,"患者于昨日入院，\n否认高血压病史。"\n'
    )
    _, snapshot = _import(write_csv(tmp_path / "in", DATA_SET | {"note": note}), tmp_path / "store")
    assert snapshot.read("note").column("note_text").to_pylist() == ["患者于昨日入院，\n否认高血压病史。"]
    assert snapshot.index_path("notes") is not None
