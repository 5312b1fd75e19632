"""Where a value comes from: the rows of a store and the cells of files that a predictor read, the one that was taken first."""

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from tests.unit.test_risk_store import ADMITTED, DIED, diagnosis, lab, person, source, stay, study
from workbench.errors import DataError
from workbench.risk.extraction.dataset import extract
from workbench.risk.extraction.evidence import excerpt, picked_from
from workbench.risk.extraction.tables import read_tables
from workbench.risk.protocol.parts import Predictor
from workbench.risk.protocol.protocol import Protocol

NOON = pd.Timestamp("2024-03-05 12:00")
PICKS = ("last", "first", "min", "max", "mean", "slope", "count", "any")
NOTE = "现病史：患者3天前出现咳嗽，无发热。既往史：高血压病史10年，最高达180/110mmHg，规律服药，否认糖尿病史，否认药物过敏史。" * 2


def stored(**tables):
    labs = [lab(value, ADMITTED + timedelta(hours=at)) for at, value in ((1, 250.0), (5, 240.0), (9, 310.0), (13, 240.0))]
    labs += [lab(900.0, ADMITTED + timedelta(hours=60)), lab(4.0, date(2024, 3, 2), "CREA", "mg/dL"), lab(1.0, ADMITTED, who=2)]
    note = {"note_id": 5, "note_date": date(2024, 3, 1), "note_datetime": ADMITTED, "note_text": NOTE}
    finding = {"note_id": 5, "finding_source_value": "高血压", "finding_date": date(2024, 3, 1), "assertion": "present"}
    start = NOTE.index("高血压", 80)
    findings = [{**finding, "span_start": start, "span_end": start + 3}, {**finding, "finding_source_value": "咳嗽"}]
    asked = {"observation_source_value": "SMOKING", "value_as_string": "当前吸烟", "observation_date": date(2024, 2, 1)}
    concept = {"concept_id": 77, "concept_name": "原发性高血压", "concept_code": "I10", "valid_start_date": date(1970, 1, 1),
               "valid_end_date": date(2099, 1, 1)}  # fmt: skip
    coded = [diagnosis("I10.x00", date(2024, 1, 9), condition_concept_id=77), diagnosis("I21", ADMITTED, 1)]
    held = {"person": [person(), person(2)], "measurement": labs, "note": [note], "finding": findings, "observation": [asked],
            "concept": [concept], "condition_occurrence": coded, **DIED}  # fmt: skip
    return source(**held | tables)


def asked(*predictors, hours=48):
    return study(*predictors, index={"plus_hours": hours})


@pytest.fixture(scope="module")
def where():
    return stored()


@pytest.fixture(scope="module")
def picked(where):
    return extract(asked(*({"labs": "LDH", "pick": pick, "name": pick} for pick in PICKS)), where)


@pytest.mark.parametrize("pick", PICKS)
def test_the_first_record_of_a_store_is_the_one_that_was_taken(where, picked, pick):
    found = where.evidence(picked, 0, pick)
    assert sorted(one.value for one in found) == ["240", "240", "250", "310"]
    if pick in ("last", "first", "min", "max"):
        assert float(found[0].value) == picked.X.at[0, pick]
    assert found[0].time == {"first": "2024-03-01 11:00", "max": "2024-03-01 19:00"}.get(pick, "2024-03-01 23:00")
    assert {(one.table, one.item, one.unit) for one in found} == {("measurement", "LDH", "U/L")}
    assert len({one.key for one in found}) == 4


def test_the_window_and_the_gap_are_those_of_the_predictor(where):
    data = extract(asked({"labs": "LDH", "look_back_hours": 41, "gap_hours": 37, "name": "x"}), where)
    assert [one.value for one in where.evidence(data, 0, "x")] == ["310"]
    assert data.X.at[0, "x"] == 310
    later = extract(asked({"labs": "LDH", "look_back_hours": 2, "name": "x"}), where)
    assert where.evidence(later, 0, "x") == []


def test_what_else_stands_behind_values_of_a_store(where):
    predictors = [{"labs": "肌酐"}, {"diagnoses": "I10", "name": "htn"}, {"diagnoses": "I21", "name": "ami"},
                  {"observations": "SMOKING=当前吸烟", "name": "smoking"}, {"person": ["age", "sex"]},
                  {"encounters": "all", "name": "stays"}, {"diagnoses": ["I10", "I21"], "name": "same", "pick": "count",
                  "same_visit": True}]  # fmt: skip
    data = extract(asked(*predictors), where)
    tell = {name: where.evidence(data, 0, name) for name in data.X}
    creatinine = tell[data.X.columns[0]][0]
    assert (float(creatinine.value), creatinine.unit, creatinine.text) == (pytest.approx(353.6, rel=1e-3), "umol/L", "4 mg/dL")
    assert creatinine.time == "2024-03-02"
    assert [(one.time, one.value, one.item, one.key) for one in tell["htn"]] == [("2024-01-09", "I10.x00", "原发性高血压", "1")]
    assert tell["ami"] == tell["same"] == []  # the stay lasts, so its diagnoses are not known
    assert [(one.item, one.value) for one in tell["smoking"]] == [("SMOKING", "当前吸烟")]
    assert [one.value for one in tell["age"]] == ["1960-03-01"]
    assert [one.key for one in tell["sex"]] == ["1"]
    assert [one.table for one in tell["stays"]] == ["visit_occurrence"]
    left = extract(asked(*predictors, hours=24 * 30), where)
    assert [(one.value, one.time) for one in where.evidence(left, 0, "same")] == [("I21", "2024-03-08 15:00")]
    for row, name in ((0, "nothing"), (7, "htn")):
        with pytest.raises(DataError, match="no predictor"):
            where.evidence(data, row, name)


def test_a_finding_shows_its_words_in_the_note(where):
    data = extract(asked({"findings": "高血压", "name": "htn"}, {"findings": "咳嗽", "name": "cough"}), where)
    (found,) = where.evidence(data, 0, "htn")
    assert (found.table, found.item, found.value) == ("finding", "高血压", "肯定")
    assert found.text[found.start : found.end] == "高血压"
    assert found.text.startswith("…")
    assert found.text[1:-1] in NOTE
    assert (where.evidence(data, 0, "cough")[0].text, where.evidence(data, 0, "cough")[0].start) == ("", -1)
    assert excerpt("𠮷高血压", 1, 4) == ("𠮷高血压", 1, 4)


# ------------------------------------------------------------------------------------------------------------ plain tables


def files(tmp_path, fill=""):
    (tmp_path / "p.csv").write_text("编号,性别,入院,年龄,结局\n7,男,2024-03-01 10:00,61,0\n8,女,2024-03-01 10:00,55,1\n", encoding="utf-8")
    lines = ["编号,采样时间,项目,结果,单位", "7,2024-03-02 08:00,乳酸脱氢酶,250,U/L", ",,,,", "7,2024-03-03 08:00,乳酸脱氢酶,<240,U/L",
             "8,2024-03-02 08:00,乳酸脱氢酶,400,U/L", "7,2024-03-02 20:00,乳酸脱氢酶,310,U/L", "7,2024-03-09 08:00,乳酸脱氢酶,999,U/L",
             "7,2024-03-02 09:00,肌酐,1.2,mg/dL", "8,2024-03-02 09:00,肌酐,0.8,mg/dL", *fill.splitlines()]  # fmt: skip
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [tmp_path / "p.csv", tmp_path / "r.csv"]


def tabled(*predictors):
    return Protocol(
        title="t",
        tables={"patient": "编号", "time": "采样时间", "item": "项目", "value": "结果", "unit": "单位"},
        index={"at": "入院", "plus_hours": 72},
        outcome={"label": "死亡", "kind": "binary", "status": "结局"},
        predictors=predictors,
    )


@pytest.mark.parametrize("pick", PICKS)
def test_the_first_cell_is_the_one_that_was_taken(tmp_path, pick):
    protocol = tabled({"labs": "乳酸脱氢酶", "pick": pick, "name": "x"})
    where = read_tables(files(tmp_path), protocol)
    data = extract(protocol, where)
    found = where.evidence(data, 0, "x")
    assert sorted((one.key, one.text) for one in found) == [("2", "250 U/L"), ("4", "<240 U/L"), ("6", "310 U/L")]
    assert {(one.table, one.item, one.unit) for one in found} == {("r.csv", "乳酸脱氢酶", "U/L")}
    if pick in ("last", "first", "min", "max"):
        assert float(found[0].value) == data.X.at[0, "x"]
    assert [one.key for one in where.evidence(data, 1, "x")] == ["5"]


def test_facts_and_converted_results_of_files(tmp_path):
    protocol = tabled({"column": ["年龄", "性别"]}, {"labs": "肌酐"})
    where = read_tables(files(tmp_path), protocol)
    data = extract(protocol, where)
    (age,) = where.evidence(data, 0, "年龄")
    assert (age.table, age.item, age.value, age.key, age.text) == ("p.csv", "年龄", "61", "2", "61")
    (sex,) = where.evidence(data, 1, "性别")
    assert (sex.key, sex.text, sex.value) == ("3", "女", data.X.at[1, "性别"])
    (creatinine,) = where.evidence(data, 0, data.X.columns[2])
    assert (creatinine.text, creatinine.unit, creatinine.time) == ("1.2 mg/dL", "umol/L", "2024-03-02 09:00")
    assert float(creatinine.value) == pytest.approx(data.X.iat[0, 2])


def test_repeats_at_one_time_are_told_each_with_what_they_were_joined_to(tmp_path):
    protocol = tabled({"labs": "乳酸脱氢酶", "name": "x"})
    where = read_tables(files(tmp_path, "7,2024-03-03 08:00,乳酸脱氢酶,330,U/L"), protocol)
    data = extract(protocol, where)
    found = where.evidence(data, 0, "x")
    assert [one.text for one in found[:2]] == ["<240 U/L", "330 U/L"]
    assert {float(one.value) for one in found[:2]} == {data.X.at[0, "x"]}


def test_items_in_columns_of_a_workbook(tmp_path):
    times = pd.to_datetime(["2024-03-02 08:00", "2024-03-02 20:00", "2024-03-02 09:00"])
    sheet = pd.DataFrame(
        {"编号": [7, 7, 8], "入院": datetime(2024, 3, 1, 10), "采样时间": times, "LDH": [250, 310, 400], "结局": [0, 0, 1]}
    )
    sheet.to_excel(tmp_path / "t.xlsx", index=False)
    outcome = {"label": "死亡", "kind": "binary", "status": "结局"}
    protocol = Protocol(title="t", tables={"patient": "编号", "time": "采样时间"}, index={"at": "入院", "plus_hours": 72}, outcome=outcome,
                        predictors=[{"labs": "LDH"}])  # fmt: skip
    where = read_tables([tmp_path / "t.xlsx"], protocol)
    data = extract(protocol, where)
    found = where.evidence(data, 0, data.X.columns[0])
    assert [(one.table, one.item, one.key, one.value) for one in found] == [("t.xlsx", "LDH", "3", "310"), ("t.xlsx", "LDH", "2", "250")]


def test_a_fact_that_became_known_later_has_no_source(tmp_path):
    text = "编号,入院,结局,分期,报告时间\n7,2024-03-01 10:00,0,2,2024-03-02 08:00\n8,2024-03-01 10:00,1,3,2024-03-09 08:00\n"
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    outcome = {"label": "死亡", "kind": "binary", "status": "结局"}
    protocol = Protocol(title="t", tables={"patient": "编号"}, index={"at": "入院", "plus_hours": 72}, outcome=outcome,
                        predictors=[{"column": "分期", "known_at": "报告时间", "kind": "number"}])  # fmt: skip
    where = read_tables([tmp_path / "t.csv"], protocol)
    data = extract(protocol, where)
    assert np.isnan(data.X.at[1, "分期"])
    assert [(one.time, one.value) for one in where.evidence(data, 0, "分期")] == [("2024-03-02 08:00", "2")]
    assert where.evidence(data, 1, "分期") == []


def test_events_have_no_value_and_all_count():
    records = pd.DataFrame({"time": [NOON - pd.Timedelta(hours=2), NOON - pd.Timedelta(hours=1), NOON], "value": np.nan})
    found = picked_from(records, NOON, Predictor(diagnoses="I10"))
    assert found.index.tolist() == [1, 0]


def test_stays_of_others_are_none_of_a_patients_evidence():
    where = stored(visit_occurrence=[stay(), stay(2, 2, start=datetime(2023, 1, 1, 8), end=datetime(2023, 1, 3))])
    data = extract(asked({"encounters": "all", "name": "stays"}), where)
    assert [one.key for one in where.evidence(data, 0, "stays")] == ["1"]
