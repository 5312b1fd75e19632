"""The mapping file: what it makes of other tables, and what it says when it cannot mean anything."""

from __future__ import annotations

import textwrap
from datetime import date, datetime

import openpyxl
import pyarrow.parquet as pq
import pytest
import yaml

from workbench.errors import DataError, DefinitionError
from workbench.ingest.mapping import Melt, Value, parse_mapping, read_mapping
from workbench.ingest.publish import import_data, preview_data
from workbench.store import Store

PATIENTS = """号,性别,年龄,入院,出院,科室,结局
A1,男,60,2020-01-01 08:00,2020-01-10,内科,好转
A2,女,45,2020-02-01 09:30,2020-02-03,外科,死亡
A2,女,45,2020-03-01 10:00,,外科,
"""

LABS = """号,入院,时间,项目,结果,单位
A1,2020-01-01 08:00,2020-01-01 09:00,血糖,7.1,mmol/L
A1,2020-01-01 08:00,2020-01-02,血糖,<0.5,mmol/L
A2,2020-02-01 09:30,2020-02-01 12:00,乙肝表面抗原,阴性,
A2,2020-02-01 09:30,2020-02-01 12:00,D-二聚体,≥ 20,mg/L
"""

MAPPING = """
source: 两张表
tables:
  住院: {file: patients.csv}
  检验: {file: "lab*.csv"}
person:
  from: 住院
  key: 号
  sex: {column: 性别, lookup: {男: male, 女: female}}
  columns:
    year_of_birth: {birth_year: 年龄, at: 入院}
    gender_source_value: 性别
visits:
  - from: 住院
    key: [号, 入院]
    setting: inpatient
    start: 入院
    end: 出院
    columns:
      care_site_id: {id: 科室}
      visit_source_value: {join: [科室, 结局], between: "/"}
events:
  - table: care_site
    from: 住院
    key: 科室
    columns: {care_site_source_value: 科室}
  - table: death
    from: 住院
    key: 号
    where: {结局: 死亡}
    start: 出院
  - table: measurement
    from: 检验
    visit: [号, 入院]
    start: 时间
    code: 项目
    value: {column: 结果, scale: 2}
    unit: 单位
"""


def _folder(path, **files):
    for name, text in {"patients.csv": PATIENTS, "labs.csv": LABS, **files}.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def _import(path, mapping=MAPPING):
    result = import_data(path, path / "store", mapping=parse_mapping(yaml.safe_load(mapping)))
    return result, Store(path / "store").open(result.snapshot_id)


def _rows(snapshot, table, *columns):
    return sorted(tuple(row.values()) for row in snapshot.read(table, columns=list(columns)).to_pylist())


def test_two_tables_become_persons_visits_and_events(tmp_path):
    _, snapshot = _import(_folder(tmp_path))
    assert _rows(snapshot, "person", "person_source_value", "year_of_birth", "gender_concept_id") == [
        ("A1", 1959, 8507),
        ("A2", 1974, 8532),
    ]
    assert _rows(snapshot, "death", "death_date", "death_datetime") == [(date(2020, 2, 3), None)]
    visits = _rows(snapshot, "visit_occurrence", "visit_start_datetime", "visit_end_date", "visit_source_value", "visit_concept_id")
    assert visits == [
        (datetime(2020, 1, 1, 8), date(2020, 1, 10), "内科/好转", 9201),
        (datetime(2020, 2, 1, 9, 30), date(2020, 2, 3), "外科/死亡", 9201),
        (datetime(2020, 3, 1, 10), None, "外科", 9201),
    ]


def test_results_are_split_into_number_and_operator(tmp_path):
    _, snapshot = _import(_folder(tmp_path))
    rows = _rows(
        snapshot,
        "measurement",
        "measurement_source_value",
        "value_source_value",
        "value_as_number",
        "operator_concept_id",
        "unit_source_value",
    )
    assert rows == [
        ("D-二聚体", "≥ 20", 40.0, 4171755, "mg/L"),
        ("乙肝表面抗原", "阴性", None, None, None),
        ("血糖", "7.1", 14.2, None, "mmol/L"),
        ("血糖", "<0.5", 1.0, 4171756, "mmol/L"),
    ]


def test_a_day_without_an_hour_gives_no_time(tmp_path):
    _, snapshot = _import(_folder(tmp_path))
    times = dict(_rows(snapshot, "measurement", "value_source_value", "measurement_datetime"))
    assert times["7.1"] == datetime(2020, 1, 1, 9)
    assert times["<0.5"] is None


def test_keys_link_and_are_the_same_in_every_import(tmp_path):
    (tmp_path / "again").mkdir()
    _, first = _import(_folder(tmp_path))
    _, second = _import(_folder(tmp_path / "again"))
    links = _rows(first, "measurement", "measurement_id", "person_id", "visit_occurrence_id")
    assert links == _rows(second, "measurement", "measurement_id", "person_id", "visit_occurrence_id")
    assert {visit for _, _, visit in links} < {visit for (visit,) in _rows(first, "visit_occurrence", "visit_occurrence_id")}
    assert {site for (site,) in _rows(first, "care_site", "care_site_id")} == {
        site for (site,) in _rows(first, "visit_occurrence", "care_site_id")
    }


def test_values_that_a_lookup_lacks_are_counted(tmp_path):
    patients = PATIENTS + "A3,不详,50,2020-01-01 08:00,2020-01-02,内科,\n"
    result, snapshot = _import(_folder(tmp_path, **{"patients.csv": patients}))
    noted = {(entry.column, entry.rule): entry.rows for entry in result.report.entries if entry.action == "noted"}
    assert noted["gender_concept_id", "value is not in the lookup: left empty"] == 1
    assert (0,) in _rows(snapshot, "person", "gender_concept_id")


def test_a_person_described_in_two_ways_is_counted(tmp_path):
    patients = PATIENTS.replace("A2,女,45,2020-03-01", "A2,男,45,2020-03-01")
    result, snapshot = _import(_folder(tmp_path, **{"patients.csv": patients}))
    noted = [(entry.column, entry.rows) for entry in result.report.entries if "differ" in entry.rule and entry.table == "person"]
    assert noted == [("gender_concept_id", 1), ("gender_source_value", 1)]
    assert _rows(snapshot, "person", "person_source_value", "gender_source_value") == [("A1", "男"), ("A2", "女")]


WIDE = """
tables:
  宽表: {file: wide.xlsx, sheet: 数据, header_row: 2, fill_down: [号], missing: {钾: [-1, 溶血]}}
person:
  from: 宽表
  key: 号
  columns: {year_of_birth: 生年, gender_concept_id: {const: 0}}
events:
  - table: measurement
    from: 宽表
    start: {column: 时间, format: "%d.%m.%Y %H:%M"}
    melt: {columns: [钾, 钠], units: {钾: mmol/L}, names: {钠: Na}}
"""


def _workbook(path):
    book = openpyxl.Workbook()
    book.active.title = "封面"
    sheet = book.create_sheet("数据")
    rows = [
        ("某医院导出",),
        ("号", "生年", "时间", "钾", "钠"),
        (7, 1960, "05.03.2020 10:00", 4.1, 140),
        (None, 1960, "06.03.2020 11:30", -1, 141.5),
    ]
    rows += [(None, None, None, None, None), (8, 1970, "07.03.2020 12:00", "溶血", None)]
    for row in rows:
        sheet.append(row)
    book.save(path / "wide.xlsx")
    return path


def test_a_wide_sheet_becomes_one_row_an_item(tmp_path):
    _, snapshot = _import(_workbook(tmp_path), WIDE)
    columns = ("measurement_datetime", "measurement_source_value", "value_as_number", "unit_source_value")
    assert _rows(snapshot, "measurement", *columns) == [
        (datetime(2020, 3, 5, 10), "Na", 140.0, None),
        (datetime(2020, 3, 5, 10), "钾", 4.1, "mmol/L"),
        (datetime(2020, 3, 6, 11, 30), "Na", 141.5, None),
    ]
    assert _rows(snapshot, "person", "person_source_value", "year_of_birth") == [("7", 1960), ("8", 1970)]


def test_all_columns_but_some_can_be_melted(tmp_path):
    mapping = WIDE.replace("columns: [钾, 钠]", "except: [号, 生年, 时间]")
    assert _import(_workbook(tmp_path), mapping)[1].read("measurement").num_rows == 3


def test_rows_of_parquet_and_of_a_database_can_be_mapped(tmp_path):
    _, made = _import(_folder(tmp_path))
    pq.write_table(made.read("person"), tmp_path / "people.parquet")
    mapping = """
        tables: {p: {file: people.parquet}}
        person:
          from: p
          key: person_source_value
          sex: {column: gender_concept_id, lookup: {8507: male}}
          columns: {year_of_birth: year_of_birth}
    """
    _, snapshot = _import(tmp_path, textwrap.dedent(mapping))
    assert _rows(snapshot, "person", "person_source_value", "gender_concept_id") == [("A1", 8507), ("A2", 0)]


def test_rows_that_a_mapping_makes_are_judged_too(tmp_path):
    labs = LABS + "A9,2020-01-01 08:00,2020-01-01 09:00,血糖,5,mmol/L\nA1,2020-01-01 08:00,明天,血糖,5,mmol/L\n"
    result, _ = _import(_folder(tmp_path, **{"labs.csv": labs}))
    refused = {(entry.column, entry.rule) for entry in result.report.entries if entry.action == "refused"}
    assert refused == {("person_id", "no such person"), ("measurement_date", "required value missing")}


def test_a_preview_shows_rows_and_writes_nothing(tmp_path):
    previews, _ = preview_data(_folder(tmp_path), parse_mapping(yaml.safe_load(MAPPING)), tmp_path / "work")
    shown = {preview.table: preview for preview in previews}
    assert (shown["person"].rows, shown["visit_occurrence"].rows, shown["measurement"].rows) == (2, 3, 4)
    assert shown["person"].columns[0] == "person_id"
    assert len(shown["measurement"].first) == 4
    assert not (tmp_path / "store").exists()


def _changed(*path_and_value):
    """MAPPING with one place changed: keys, then the value; None removes."""
    document = yaml.safe_load(MAPPING)
    *path, last, value = path_and_value
    inside = document
    for key in path:
        inside = inside[key]
    if value is None:
        del inside[last]
    else:
        inside[last] = value
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "the mapping is empty"),
        ([], "the mapping is empty"),
        (_changed("persons", {}), "persons is no key(?s:.*)did you mean 'person'"),
        (_changed("person", None), "person is missing"),
        (_changed("person", "key", None), r"person\.key is missing"),
        (_changed("person", "form", "x"), r"person\.form is no key(?s:.*)did you mean 'from'"),
        (_changed("person", "from", "住陆"), r"person\.from is '住陆'(?s:.*)did you mean '住院'"),
        (_changed("person", "sex", "lookup", "男", "mail"), r"person\.sex\.lookup\.男 is 'mail'(?s:.*)did you mean 'male'"),
        (
            _changed("person", "columns", "year_of_brith", "x"),
            r"person\.columns\.year_of_brith: table person has no such(?s:.*)year_of_birth",
        ),
        (_changed("person", "columns", "year_of_birth", "at", None), r"person\.columns\.year_of_birth\.at is missing"),
        (_changed("person", "columns", "year_of_birth", {}), r"person\.columns\.year_of_birth is empty"),
        (_changed("person", "columns", "year_of_birth", {"column": "a", "const": 1}), r"has column and const of"),
        (_changed("person", "columns", "year_of_birth", {"column": ["a", "b"]}), "has 2 columns; wanted one"),
        (_changed("person", "columns", "year_of_birth", 1960), r"person\.columns\.year_of_birth is a int; wanted text"),
        (_changed("tables", "../住院", {"file": "x"}), "not a path"),
        (_changed("tables", "住院", {}), r"tables\.住院 is empty"),
        (_changed("tables", "住院", {"sheet": "x"}), r"tables\.住院 has neither file nor table"),
        (_changed("tables", "住院", {"file": "x", "header_row": 0}), r"tables\.住院\.header_row is 0"),
        (_changed("visits", {"from": "住院"}), "visits is a dict; wanted a list"),
        (_changed("visits", 0, "setting", "impatient"), r"visits\[0\]\.setting is 'impatient'(?s:.*)did you mean 'inpatient'"),
        (_changed("events", 0, "table", "care_sight"), r"events\[0\]\.table is 'care_sight'(?s:.*)did you mean 'care_site'"),
        (_changed("events", 0, "table", None), r"events\[0\]\.table is missing"),
        (_changed("events", 2, "sex", "male"), r"events\[2\]\.sex: table measurement has no gender_concept_id"),
        (_changed("events", 2, "value", {"column": "结果", "scale": "two"}), r"events\[2\]\.value\.scale is a str; wanted a number"),
        (_changed("events", 2, "melt", {"units": {}}), r"events\[2\]\.melt wants either columns"),
        (_changed("events", 1, "where", {"结局": {}}), r"events\[1\]\.where\.结局 is empty; wanted text or a number"),
    ],
)
def test_a_mapping_that_cannot_mean_anything_names_the_place(document, message):
    with pytest.raises(DefinitionError, match=message):
        parse_mapping(document)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (_changed("tables", "住院", "file", "patient.csv"), r"tables\.住院\.file is 'patient\.csv'(?s:.*)did you mean 'patients\.csv'"),
        (_changed("tables", "检验", "file", "*.csv"), r"tables\.检验\.file is '\*\.csv', which fits 2 files"),
        (_changed("tables", "住院", "fill_down", ["编号"]), r"tables\.住院: patients\.csv has no column '编号'"),
        (_changed("person", "key", "编号"), r"person\.key: patients\.csv has no column '编号'"),
        (
            _changed("person", "columns", "gender_source_value", "性"),
            r"person\.columns\.gender_source_value: patients\.csv has no column '性'",
        ),
        (_changed("events", 1, "where", {"结果": "死亡"}), r"events\[1\]\.where: patients\.csv has no column '结果'(?s:.*)'结局'"),
        (_changed("events", 0, "start", "入院"), r"events\[0\]: table care_site has no column for that time"),
        (_changed("events", 1, "end", "出院"), r"events\[1\]: table death has no column for that time"),
        (_changed("events", 0, "code", "科室"), r"events\[0\]\.code: table care_site has no column for a code"),
        (_changed("events", 2, "melt", {"columns": ["血糖"]}), r"events\[2\]\.melt\.columns: labs\.csv has no column '血糖'"),
        (_changed("events", 2, "melt", {"columns": ["结果"], "units": {"单位": "g"}}), r"'单位' has a unit or a name and is no item"),
        (_changed("person", "columns", "year_of_birth", {"id": "号"}), "id is for columns that refer to a table"),
    ],
)
def test_a_mapping_that_does_not_fit_its_source_names_the_place(tmp_path, document, message):
    with pytest.raises(DefinitionError, match=message):
        import_data(_folder(tmp_path), tmp_path / "store", mapping=parse_mapping(document))
    assert Store(tmp_path / "store").snapshots() == []


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "is not YAML"), ("tables: {}\ntables: {}", "key 'tables' is given twice"), ("\x00", "is not YAML")],
    ids=["open bracket", "repeated", "control"],
)
def test_a_file_that_is_no_yaml_is_said_to_be_none(tmp_path, text, message):
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError, match=message):
        read_mapping(tmp_path / "m.yaml")


def test_a_missing_mapping_is_named(tmp_path):
    with pytest.raises(DefinitionError, match=r"none\.yaml cannot be read"):
        read_mapping(tmp_path / "none.yaml")


def test_words_of_yaml_become_values():
    mapping = parse_mapping(yaml.safe_load(WIDE))
    [_, measurement] = mapping.targets
    assert measurement.start == Value("column", ("时间",), format="%d.%m.%Y %H:%M")
    assert measurement.melt == Melt(("钾", "钠"), (), {"钾": "mmol/L"}, {"钠": "Na"})
    assert measurement.person == ("号",)


@pytest.mark.parametrize(
    ("header", "message"),
    [(("号", None, "钾"), "has an empty cell"), (("号", "钾", "钾"), "repeats '钾'"), ((), "has no header")],
    ids=["gap", "repeated", "none"],
)
def test_a_sheet_with_a_faulty_header_is_refused(tmp_path, header, message):
    book = openpyxl.Workbook()
    book.active.append(header)
    book.save(tmp_path / "wide.xlsx")
    mapping = WIDE.replace("sheet: 数据, header_row: 2, ", "")
    with pytest.raises(DataError, match=message):
        _import(tmp_path, mapping)


def test_a_sheet_or_workbook_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"wide\.xlsx has no sheet '数值'(?s:.*)封面, 数据"):
        _import(_workbook(tmp_path), WIDE.replace("sheet: 数据", "sheet: 数值"))
    (tmp_path / "wide.xlsx").write_bytes(b"no workbook")
    with pytest.raises(DataError, match=r"wide\.xlsx cannot be read as an Excel workbook"):
        _import(tmp_path, WIDE)


@pytest.mark.parametrize(
    ("day", "age", "year"), [("2020-02-04", 18, 2001), ("2020-10-04", 18, 2002), ("2020-12-31", 0, 2020), ("2020-01-01", 0, 2019)]
)
def test_a_year_of_birth_gives_the_age_back(tmp_path, day, age, year):
    """Half of the year before the day a birthday has not come yet: the middle of what an age allows lies before or in that year."""
    patients = f"号,性别,年龄,入院,出院,科室,结局\nA1,男,{age},{day},{day},内科,\n"
    _, snapshot = _import(_folder(tmp_path, **{"patients.csv": patients}))
    assert _rows(snapshot, "person", "year_of_birth") == [(year,)]
