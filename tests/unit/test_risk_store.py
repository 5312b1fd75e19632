"""A store as the source of a study: clocks case by case, rows and outcomes, codes and units, and no value from the future."""

import json
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from workbench.cohort.language import cohort, diagnoses, encounters, union
from workbench.cohort.query import Events
from workbench.cohort.result import CohortResult
from workbench.domains import DOMAINS
from workbench.errors import DataError, DefinitionError
from workbench.risk.alarms.burden import alarm_burden
from workbench.risk.extraction.clocks import ADMISSION_STATUS, DOMAIN_OF, with_times
from workbench.risk.extraction.dataset import ItemsLeftOut, extract
from workbench.risk.extraction.store import StoreSource
from workbench.risk.guards.case import Case
from workbench.risk.guards.landmarks import landmark_rows
from workbench.risk.protocol.protocol import Protocol
from workbench.store.duckdb import DuckDBEngine
from workbench.store.memory import MemoryEngine
from workbench.synthetic.hospital import draw_block
from workbench.synthetic.omop import tables as synthetic_tables
from workbench.tables import arrow_schema

ADMITTED = datetime(2024, 3, 1, 10)
LEFT = datetime(2024, 3, 8, 15)
ADMISSION = cohort("首次住院").enter(encounters(setting="inpatient"), limit="first")


def table(name, *rows):
    """Rows of a table of the store; required columns that are left out are numbered or 0."""
    schema = arrow_schema(name)
    key = schema.names[0]
    filled = []
    for at, row in enumerate(rows, start=1):
        blank = {field.name: "" if pa.types.is_string(field.type) else 0 for field in schema if not field.nullable}
        filled.append({**blank, key: at, "person_id": 1, **row})
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in filled], schema=schema)


def person(number=1, **columns):
    return {"person_id": number, "gender_concept_id": 8507, "year_of_birth": 1960, "month_of_birth": 3, "day_of_birth": 1, **columns}


def stay(number=1, who=1, start=ADMITTED, end=LEFT, concept=9201, **columns):
    ends = {"visit_end_date": end.date(), "visit_end_datetime": end} if end else {}
    times = {"visit_start_date": start.date(), "visit_start_datetime": start}
    return {"visit_occurrence_id": number, "person_id": who, "visit_concept_id": concept, **times, **ends, **columns}


def lab(value, at, code="LDH", unit="U/L", who=1, **columns):
    times = {"measurement_date": at.date(), "measurement_datetime": at} if isinstance(at, datetime) else {"measurement_date": at}
    names = {"measurement_source_value": code, "unit_source_value": unit}
    return {"person_id": who, "value_as_number": value, **names, **times, **columns}


def diagnosis(code, at, visit=None, who=1, **columns):
    times = (
        {"condition_start_date": at.date(), "condition_start_datetime": at} if isinstance(at, datetime) else {"condition_start_date": at}
    )
    return {"person_id": who, "condition_source_value": code, "visit_occurrence_id": visit, **times, **columns}


def source(**tables):
    """A store of one man in hospital from the 1st to the 8th of March 2024, watched until the end of 2025, and what else is given."""
    period = {"observation_period_start_date": date(2020, 1, 1), "observation_period_end_date": date(2025, 12, 31)}
    whole = {"person": [person()], "visit_occurrence": [stay()], "observation_period": [period], **tables}
    return StoreSource(DuckDBEngine.from_tables({name: table(name, *rows) for name, rows in whole.items()}), progress=False)


def study(*predictors, **parts):
    outcome = {"label": "死亡", "events": {"deaths": "all"}}
    asked = {"cohort": ADMISSION, "predictors": predictors or [{"person": "age"}], "outcome": outcome}
    return Protocol(title="t", **{**asked, **parts})


BINARY = {"label": "死亡", "kind": "binary", "events": {"deaths": "all"}}
DIED = {"death": [{"person_id": 1, "death_date": date(2024, 6, 1)}]}


def rows_at(*times, who=1):
    return pd.DataFrame({"person": who, "index_at": pd.Timestamp(ADMITTED), "predicted_at": pd.to_datetime(list(times))})


def known_at(moments, domain_rows, predictor, name="condition_occurrence", **others):
    """Say at which moments a predictor is neither 0 nor missing."""
    asked = source(**{name: domain_rows}, **others)
    found = asked.features(study(predictor), rows_at(*moments)).X.iloc[:, 0]
    return (found.notna() & (found != 0)).tolist()


def around(moment):
    return [moment - timedelta(seconds=1), moment + timedelta(microseconds=1)]


NEXT_DAY = datetime(2024, 3, 6)
CLOCKS = {
    "lab with a time": ([lab(250.0, datetime(2024, 3, 5, 9))], {"labs": "LDH"}, "measurement", datetime(2024, 3, 5, 9)),
    "lab with a date": ([lab(250.0, date(2024, 3, 5))], {"labs": "LDH"}, "measurement", NEXT_DAY),
    "lab at midnight": ([lab(250.0, datetime(2024, 3, 5))], {"labs": "LDH"}, "measurement", NEXT_DAY),
    "diagnosis of the stay": ([diagnosis("I21", ADMITTED, 1)], {"diagnoses": "I21"}, "condition_occurrence", LEFT),
    "of admission, by concept": (
        [diagnosis("I21", ADMITTED, 1, condition_status_concept_id=ADMISSION_STATUS[0])],
        {"diagnoses": "I21"},
        "condition_occurrence",
        ADMITTED,
    ),
    "of admission, by word": (
        [diagnosis("I21", ADMITTED, 1, condition_status_source_value="入院诊断")],
        {"diagnoses": "I21"},
        "condition_occurrence",
        ADMITTED,
    ),
    "without an encounter": ([diagnosis("I21", date(2024, 3, 5))], {"diagnoses": "I21"}, "condition_occurrence", NEXT_DAY),
    "by the time it is about": (
        [diagnosis("I21", ADMITTED, 1)],
        {"diagnoses": "I21", "clock": "recorded"},
        "condition_occurrence",
        ADMITTED,
    ),
    "drug": (
        [{"drug_source_value": "C10", "drug_exposure_start_date": date(2024, 3, 5)}],
        {"medications": "C10"},
        "drug_exposure",
        NEXT_DAY,
    ),
    "procedure": (
        [{"procedure_source_value": "36.1", "procedure_date": date(2024, 3, 5), "procedure_datetime": datetime(2024, 3, 5, 9)}],
        {"procedures": "36"},
        "procedure_occurrence",
        datetime(2024, 3, 5, 9),
    ),
}


@pytest.mark.parametrize(("rows", "predictor", "name", "wanted"), CLOCKS.values(), ids=CLOCKS)
def test_a_value_is_known_from_its_clock_on_and_not_at_it(rows, predictor, name, wanted):
    assert known_at(around(wanted), rows, predictor, name) == [False, True]
    if wanted != NEXT_DAY:
        assert known_at([wanted], rows, predictor, name) == [False]


def test_a_stay_that_lasts_has_no_diagnoses_yet():
    lasting = {"visit_occurrence": [stay(end=None)]}
    assert known_at([LEFT, datetime(2030, 1, 1)], [diagnosis("I21", ADMITTED, 1)], {"diagnoses": "I21"}, **lasting) == [False, False]


def test_a_finding_is_known_by_its_note_and_only_as_it_is_asserted():
    note = {"note_id": 5, "note_date": date(2024, 3, 5), "note_datetime": datetime(2024, 3, 5, 9)}
    finding = {"note_id": 5, "finding_source_value": "糖尿病", "finding_date": date(2010, 1, 1), "assertion": "present"}
    written = datetime(2024, 3, 5, 9)
    assert known_at(around(written), [finding], {"findings": "糖尿病"}, "finding", note=[note]) == [False, True]
    denied = [{**finding, "assertion": "absent"}, {**finding, "finding_source_value": "咳嗽"}]
    assert known_at([LEFT], denied, {"findings": "糖尿病", "assertion": "absent"}, "finding", note=[note]) == [True]
    of_mother = {**finding, "experiencer": "family"}
    assert known_at([LEFT], [of_mother], {"findings": "糖尿病"}, "finding", note=[note]) == [False]
    with pytest.raises(DefinitionError, match="糖尿病"):
        known_at([LEFT], denied, {"findings": "糖尿病"}, "finding", note=[note])


def test_the_index_encounter_is_none_of_those_before():
    asked = source(visit_occurrence=[stay(), stay(2, start=datetime(2023, 5, 1, 8), end=datetime(2023, 5, 1, 9), concept=9202)])
    counted = study({"encounters": "all", "pick": "count"}, {"encounters": "inpatient", "pick": "count"})
    assert asked.features(counted, rows_at(ADMITTED)).X.iloc[0].tolist() == [1.0, 0.0]


def test_of_the_index_encounter_alone():
    after = datetime(2024, 3, 10, 9)
    visits = [stay(), stay(2, start=after, end=after + timedelta(days=2))]
    coded = [diagnosis("I21", ADMITTED, 1), diagnosis("A41", after, 2), diagnosis("I10", date(2024, 2, 1))]
    labs = [lab(250.0, datetime(2024, 3, 2, 9), visit_occurrence_id=1), lab(900.0, after + timedelta(hours=1), visit_occurrence_id=2)]
    asked = [{"diagnoses": code, "same_visit": True} for code in ("I21", "A41", "I10")]
    asked += [{"labs": "LDH", "same_visit": True}, {"diagnoses": "A41", "name": "any"}, {"labs": "LDH", "name": "latest"}]
    protocol = study(*asked, index={"plus_hours": 24 * 30}, outcome={"label": "死亡", "events": {"deaths": "all"}})
    held = {"visit_occurrence": visits, "condition_occurrence": coded, "measurement": labs, **DIED}
    data = extract(protocol, source(**held))
    assert data.rows["visit"].tolist() == [1]
    assert data.X.iloc[0].tolist() == [1.0, 0.0, 0.0, 250.0, 1.0, 900.0]
    assert "本次就诊" in data.features.provenance["asked"][0]
    again = source(**held).truncated(data.rows, how="delete").features(protocol, data.rows)
    pd.testing.assert_frame_equal(again.X, data.X)
    rows = data.rows.iloc[[0, 0]].assign(visit=pd.array([pd.NA, 1], "Int64"))
    assert source(**held).features(protocol, rows).X["I21"].tolist() == [0.0, 1.0]
    with pytest.raises(DefinitionError, match="no encounter"):
        source(**held).features(protocol, rows_at(after))
    with pytest.raises(DefinitionError, match="same_visit"):
        study({"person": "age", "same_visit": True})


def answered(answer, at, code="SMOKING"):
    return {"observation_source_value": code, "value_as_string": answer, "observation_date": at.date(), "observation_datetime": at}


def test_observations_are_questions_or_answers():
    at = datetime(2024, 3, 2, 9)
    held = [answered("当前吸烟", at), answered("从不饮酒", at, "DRINKING"), answered(None, at, "FALL")]
    asked = ["SMOKING=当前吸烟", "DRINKING=当前饮酒", "DRINKING", "FALL"]
    asked = [{"observations": word, "name": f"q{place}"} for place, word in enumerate(asked)]
    found = source(observation=[*held, answered("当前饮酒", LEFT, "DRINKING")])
    assert found.features(study(*asked), rows_at(datetime(2024, 3, 3))).X.iloc[0].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert known_at(around(at), held, {"observations": "SMOKING"}, "observation") == [False, True]
    with pytest.raises(DefinitionError, match="SMOKING=戒烟") as error:
        found.features(study({"observations": "SMOKING=戒烟"}), rows_at(at))
    assert "SMOKING=当前吸烟" in error.value.hint
    gone = found.truncated(rows_at(datetime(2024, 3, 3)), how="delete").features(study(*asked), rows_at(datetime(2030, 1, 1)))
    assert gone.X.iloc[0].tolist() == [1.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("form", [lambda made: made, lambda made: made.definition, lambda made: json.loads(made.to_json())])
def test_a_study_takes_its_cohort_as_builder_definition_or_json(form):
    assert study(cohort=form(ADMISSION)).cohort == json.loads(ADMISSION.to_json())
    both = union(ADMISSION, cohort("门诊").enter(encounters(setting="outpatient")))
    assert study(cohort=both.definition).definition == both.definition
    with pytest.raises(DefinitionError, match="cohort is a str"):
        study(cohort="cohort.json")


# ------------------------------------------------------------------------------------------------------ codes and units


def test_units_are_converted_and_what_cannot_be_is_left_out_and_counted():
    at = datetime(2024, 3, 2, 9)
    labs = [lab(100.0, at, "CREA", "umol/L"), lab(2.0, at + timedelta(hours=1), "CREA", "mg/dL"),
            lab(3.0, at + timedelta(hours=2), "CREA", "mmHg"), lab(1e7, at + timedelta(hours=3), "CREA", "umol/L"),
            lab(60.0, at + timedelta(hours=4), "CREA", "umol/L", operator_concept_id=4171754),
            lab(50.0, at + timedelta(hours=5), "CREA", "umol/L", operator_concept_id=4171756)]  # fmt: skip
    asked = source(measurement=labs)
    found = asked.features(study({"labs": "肌酐", "pick": "max"}, {"labs": "CREA"}, {"labs": "CREA", "unit": "mg/dL", "name": "us"},
                                 {"labs": "CREA", "pick": "min", "look_back_hours": 10.5}),
                           rows_at(datetime(2024, 3, 3)))  # fmt: skip
    assert found.X.iloc[0].tolist() == pytest.approx([2.0 * 88.4017, 25.0, 25.0 / 88.4017, 25.0], rel=1e-5)
    counted = {(change.rule, change.note): (change.count, change.of) for change in found.changes if "mg/dL →" in change.note}
    assert counted == {("converted", "mg/dL → umol/L"): (1, 1)}
    rules = {change.rule: change.count for change in found.changes}
    assert (rules["unit_unknown"], rules["outlier"], rules["below_detection"]) == (1, 1, 2)
    assert [feature.unit for feature in found.columns] == ["umol/L", "umol/L", "mg/dL", "umol/L"]


def test_codes_are_found_by_prefix_concept_and_name():
    labs = [lab(5.0, datetime(2024, 3, 2, 9), "血糖", "mmol/L", measurement_concept_id=3004501)]
    conditions = [diagnosis("E11.900", date(2024, 2, 1)), diagnosis("I10", date(2024, 2, 1), condition_concept_id=316866)]
    ancestry = {"ancestor_concept_id": 316000, "descendant_concept_id": 316866}
    engine = source(measurement=labs, condition_occurrence=conditions)._engine
    engine._load("concept_ancestor", pa.table({name: pa.array([value], pa.int64()) for name, value in ancestry.items()}))
    predictors = [{"labs": "GLU", "name": "a"}, {"labs": "concept:3004501", "name": "b"}, {"labs": "3004501", "name": "c"}]
    predictors += [{"diagnoses": "E11"}, {"diagnoses": ["I11", "concept:316000"], "name": "htn"}, {"diagnoses": "all", "pick": "count"}]
    found = StoreSource(engine, progress=False).features(study(*predictors), rows_at(datetime(2024, 3, 3)))
    assert found.X.iloc[0].tolist() == [5.0, 5.0, 5.0, 1.0, 1.0, 2.0]
    assert [(change.column, change.item) for change in found.changes if change.rule == "empty"] == [("I11", "htn")]


REFUSED = {
    "a code nobody has": ({"diagnoses": "E12"}, "E12"),
    "an item nobody has": ({"labs": "LDL"}, "LDL"),
    "an empty domain": ({"medications": "C10"}, "medications at all"),
    "two units and no item": ({"labs": "own"}, "own has the units"),
    "a unit that fits nothing": ({"labs": "LDH", "unit": "mmHg"}, "cannot be converted"),
    "a column": ({"column": "年龄"}, "has no column"),
    "a fact that is not known then": ({"person": "height"}, "height"),
    "a value of an event": ({"diagnoses": "E11", "pick": "last"}, "no values"),
}


@pytest.mark.parametrize(("predictor", "named"), REFUSED.values(), ids=REFUSED)
def test_what_the_store_cannot_answer_is_refused_by_name(predictor, named):
    labs = [lab(1.0, ADMITTED), lab(1.0, ADMITTED, "own", "片"), lab(1.0, ADMITTED, "own", "盒")]
    asked = source(measurement=labs, condition_occurrence=[diagnosis("E11.9", ADMITTED)])
    with pytest.raises(DefinitionError, match=named):
        asked.features(study(predictor), rows_at(LEFT))


# ------------------------------------------------------------------------------------------------------ rows and outcomes


def test_times_count_from_the_prediction_and_follow_up_ends_with_the_observation():
    rows = source(**DIED).cohort(study(index={"plus_hours": 24}))
    assert rows.rows["predicted_at"].tolist() == [pd.Timestamp(ADMITTED) + pd.Timedelta(days=1)]
    assert rows.y["time"][0] == pytest.approx((datetime(2024, 6, 2) - ADMITTED) / timedelta(days=1) - 1, abs=1e-6)
    assert rows.y["event"].tolist() == [True]
    later = source(death=[{"person_id": 1, "death_date": date(2026, 6, 1)}], person=[person(), person(2)],
                   visit_occurrence=[stay(), stay(2, 2)], observation_period=[period(1), period(2)],
                   condition_occurrence=[diagnosis("I21", datetime(2024, 7, 1), who=2)])  # fmt: skip
    found = later.cohort(study(outcome={"label": "x", "events": {"diagnoses": "I21"}, "competing": {"死亡": "deaths"}}))
    assert (found.y["event"] > 0).tolist() == [False, True]
    assert found.y["time"][0] == pytest.approx((datetime(2026, 1, 1) - ADMITTED) / timedelta(days=1), abs=1e-6)


def period(who, end=date(2025, 12, 31)):
    return {"observation_period_id": who, "person_id": who, "observation_period_start_date": date(2020, 1, 1),
            "observation_period_end_date": end}  # fmt: skip


def several(count, **tables):
    """Several patients with the same stay."""
    everyone = range(1, count + 1)
    return source(**{"person": [person(who) for who in everyone], "visit_occurrence": [stay(who, who) for who in everyone],
                     "observation_period": [period(who) for who in everyone], **tables})  # fmt: skip


def test_causes_count_from_one_and_the_first_to_come_counts():
    conditions = [diagnosis("I21", datetime(2024, 5, 1), who=1), diagnosis("I21", datetime(2024, 7, 1), who=2)]
    deaths = [{"person_id": who, "death_date": date(2024, 6, 1)} for who in (1, 2)]
    asked = study(outcome={"label": "心梗", "events": {"diagnoses": "I21"}, "competing": {"死亡": "deaths"}})
    found = several(3, condition_occurrence=conditions, death=deaths).cohort(asked)
    assert found.y["event"].tolist() == [1, 2, 0]
    assert found.causes == ("心梗", "死亡")


def test_who_has_had_the_outcome_or_left_by_the_prediction_leaves_and_is_counted():
    deaths = [{"person_id": 1, "death_date": date(2024, 3, 3), "death_datetime": datetime(2024, 3, 3, 4)},
              {"person_id": 2, "death_date": date(2024, 3, 4)}, {"person_id": 4, "death_date": date(2024, 4, 4)}]  # fmt: skip
    asked = study(index={"plus_hours": 48}, outcome={"label": "死亡", "events": {"deaths": "all"}, "blackout_hours": 48})
    found = several(4, death=deaths, observation_period=[period(1), period(2), period(3, date(2024, 3, 2)), period(4)]).cohort(asked)
    assert found.rows["person"].tolist() == [4]
    assert [step.persons for step in found.flow[-3:]] == [3, 2, 1]


def test_landmarks_go_on_while_the_patient_is_in_hospital_and_ask_by_the_horizon():
    deaths = [{"person_id": 1, "death_date": LEFT.date(), "death_datetime": LEFT}]
    asked = study(index={"landmarks": {"every_hours": 24, "until_hours": 240}},
                  outcome={**BINARY, "end": "stay", "horizons_days": [2]})  # fmt: skip
    found = several(2, death=deaths).cohort(asked)
    assert found.rows["landmark_hours"].tolist() == [24.0 * at for at in range(8)] * 2
    assert found.y.tolist() == [False] * 6 + [True] * 2 + [False] * 8


def test_a_readmission_is_another_encounter_than_the_index():
    visits = [stay(1, 1), stay(2, 2), stay(3, 2, start=datetime(2024, 6, 1, 8), end=datetime(2024, 6, 4))]
    asked = study(index={"plus_hours": 24}, outcome={"label": "再入院", "events": {"encounters": "inpatient"}})
    found = several(2, visit_occurrence=visits).cohort(asked)
    assert found.y["event"].tolist() == [False, True]
    assert found.y["time"][1] == pytest.approx((datetime(2024, 6, 1, 8) - ADMITTED) / timedelta(days=1) - 1)


def test_of_days_without_a_clock_the_index_is_no_readmission_either():
    days = {"visit_start_datetime": None, "visit_end_datetime": None}
    again = [stay(3, 2, start=datetime(2024, 6, 1), end=datetime(2024, 6, 4), **days)]
    asked = study(outcome={"label": "再入院", "events": {"encounters": "inpatient"}})
    found = several(3, visit_occurrence=[stay(1, 1, **days), stay(2, 2, **days), stay(4, 3), *again]).cohort(asked)
    assert found.y["event"].tolist() == [False, True, False]
    assert found.y["time"][1] == pytest.approx((date(2024, 6, 2) - ADMITTED.date()).days)


def test_landmarks_end_where_they_say_counted_from_the_index():
    """As of plain tables: tests/unit/test_risk_tables.py."""
    index = {"plus_hours": 24, "landmarks": {"every_hours": 24, "until_hours": 72}}
    rows = source(**DIED).cohort(study(index=index)).rows
    assert rows["landmark_hours"].tolist() == [24, 48, 72]
    assert (rows["predicted_at"] - rows["index_at"]).eq(pd.to_timedelta(rows["landmark_hours"], unit="h")).all()


def test_landmarks_of_several_stays_are_not_at_one_time():
    """Each stay counts its landmarks from its own beginning."""
    stays = cohort("住院").enter(encounters(setting="inpatient"), limit="all")
    visits = [stay(1, 1), stay(2, 1, start=datetime(2024, 6, 1, 8), end=datetime(2024, 6, 4)), stay(3, 2)]
    asked = study(
        cohort=stays,
        index={"landmarks": {"every_hours": 24, "until_hours": 240}},
        outcome={**BINARY, "end": "stay", "horizons_days": [2]},
    )
    deaths = [{"person_id": 1, "death_date": date(2024, 6, 4), "death_datetime": datetime(2024, 6, 4)}]
    data = extract(asked, several(2, visit_occurrence=visits, death=deaths))
    assert data.rows["person"].value_counts().to_dict() == {1: 12, 2: 8}
    assert not list(landmark_rows(Case.of(data)))
    assert alarm_burden(data.rows, data.y, np.linspace(0, 1, 20), 0.5, resamples=0)["events"].tolist() == [1]


def test_a_binary_outcome_of_the_stay_counts_its_last_day_and_leaves_out_who_is_still_there():
    deaths = [{"person_id": 1, "death_date": LEFT.date()}, {"person_id": 2, "death_date": LEFT.date() + timedelta(days=1)}]
    visits = [stay(1, 1), stay(2, 2), stay(3, 3, end=None)]
    asked = study(outcome={**BINARY, "end": "stay"})
    found = several(3, death=deaths, visit_occurrence=visits).cohort(asked)
    assert found.y.tolist() == [True, False]
    assert found.flow[-1].persons == 2


def test_a_horizon_leaves_out_who_was_not_watched_so_long():
    deaths = [{"person_id": 1, "death_date": date(2024, 3, 20)}]
    asked = study(outcome={**BINARY, "horizons_days": [30]})
    found = several(3, death=deaths, observation_period=[period(1, date(2024, 3, 20)), period(2), period(3, date(2024, 3, 20))]).cohort(
        asked
    )
    assert (found.rows["person"].tolist(), found.y.tolist()) == ([1, 2], [True, False])


def test_sites_age_and_sex_stand_in_the_rows():
    site = {"care_site_id": 4, "care_site_name": "心内科"}
    found = source(visit_occurrence=[stay(care_site_id=4)], care_site=[site], **DIED).cohort(study()).rows.iloc[0]
    assert (found["care_site"], found["sex"], found["year"]) == ("心内科", "male", 2024)
    assert found["age"] == pytest.approx(64.0, abs=0.01)


def test_an_index_without_a_time_is_the_start_of_its_day():
    entered = cohort("出院诊断").enter(diagnoses("I21"), limit="first")
    both = {"condition_occurrence": [diagnosis("I21", date(2024, 3, 1))], "measurement": [lab(250.0, datetime(2024, 3, 1, 8))], **DIED}
    asked = study({"labs": "LDH"}, cohort=entered)
    data = extract(asked, source(**both))
    assert (data.rows["index_at"].item(), data.rows["care_site"].isna().item()) == (pd.Timestamp("2024-03-01"), True)
    assert data.X["ldh"].isna().all()
    together = union(entered, cohort("住院").enter(encounters(setting="inpatient")))
    assert [step.rows for step in source(**both).cohort(study(cohort=together)).flow] == [1, 1, 1]


NOBODY = {
    "no events": ({}, {}, "outcome"),
    "no horizon": (DIED, {"outcome": BINARY}, "time by which"),
    "nobody dies": ({}, {}, "nobody has the outcome"),
    "an outcome that no record has": (DIED, {"outcome": {"label": "x", "events": {"diagnoses": "I21"}}}, "I21"),
    "an empty cohort": ({"visit_occurrence": [stay(concept=9202)], **DIED}, {}, "is empty"),
}


@pytest.mark.parametrize(("tables", "parts", "named"), NOBODY.values(), ids=NOBODY)
def test_a_study_without_patients_or_outcomes_is_refused(tables, parts, named):
    with pytest.raises((DataError, DefinitionError), match=named):
        source(**tables).cohort(study(**parts))


# ------------------------------------------------------------------------------------------------------------- the whole


@pytest.fixture(scope="module")
def hospital():
    return synthetic_tables(draw_block(11, 0, 300))


WHOLE = study(
    {"person": ["age", "sex"]}, {"labs": ["GLU", "CREA", "HGB"]}, {"labs": "HGB", "pick": "mean"}, {"labs": "HGB", "pick": "slope"},
    {"vitals": "all", "pick": "max", "look_back_hours": 24}, {"diagnoses": ["E11", "N18"]}, {"diagnoses": "I", "pick": "count"},
    {"medications": "all", "pick": "count", "look_back_days": 365, "gap_hours": 6}, {"procedures": "all", "pick": "count"},
    {"encounters": "all", "pick": "count"}, index={"plus_hours": 48, "landmarks": {"every_hours": 72, "until_hours": 144}},
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(hospital):
    asked = StoreSource(DuckDBEngine.from_tables(hospital), progress=False, batch_persons=60)
    with pytest.warns(ItemsLeftOut, match="^4 "):
        return asked, extract(WHOLE, asked)


@pytest.mark.parametrize("how", ["delete", "permute", "poison"])
def test_the_future_moves_no_bit(whole, how):
    asked, data = whole
    first = data.rows.drop_duplicates("person").reset_index(drop=True)
    X = data.X.loc[~data.rows["person"].duplicated()].reset_index(drop=True)
    changed = asked.poisoned(first, np.full(len(first), 99.0)) if how == "poison" else asked.truncated(first, how=how, seed=1)
    again = changed.features(WHOLE, first).X
    pd.testing.assert_frame_equal(again, X, check_exact=True)
    assert (data.features.provenance.query("source != 'person'")["nearest_hours"].dropna() > 0).all()
    assert X["hemoglobin_mean"].notna().mean() > 0.8


def test_a_study_that_reads_ahead_is_told_by_its_truncation(hospital):
    asked = StoreSource(DuckDBEngine.from_tables(hospital), progress=False)
    ahead = study({"diagnoses": "all", "pick": "count", "clock": "recorded"}, {"diagnoses": "I10"}, index={"plus_hours": 48})
    data = extract(ahead, asked)
    again = asked.truncated(data.rows, how="delete").features(ahead, data.rows).X
    assert [name for name in again if not again[name].equals(data.X[name])] == ["diagnoses_count"]


def test_batches_and_a_result_of_the_other_engine_change_nothing(hospital, whole):
    _, one = whole
    memory = MemoryEngine(hospital).run(WHOLE.definition)
    result = CohortResult(WHOLE.definition, memory, DuckDBEngine.from_tables(hospital))
    with pytest.warns(ItemsLeftOut, match="^4 "):
        other = extract(WHOLE, StoreSource(result, progress=False))
    pd.testing.assert_frame_equal(other.X, one.X, check_exact=True)
    pd.testing.assert_frame_equal(other.rows, one.rows)
    assert (other.y == one.y).all()
    wrong = cohort("a").enter(encounters())
    with pytest.raises(DefinitionError, match="another cohort"):  # of the result
        StoreSource(result).cohort(study(cohort=wrong))


def test_counts_are_those_of_the_reference_engine(hospital):
    """Each event listed by the reference engine, and its rule applied by hand."""
    asked = study({"medications": "all", "pick": "count", "look_back_days": 30}, index={"plus_hours": 36})
    data = extract(asked, StoreSource(DuckDBEngine.from_tables(hospital), progress=False))
    events = MemoryEngine(hospital).events(Events("medications")).to_pandas()
    for row, value in zip(data.rows.itertuples(), data.X["medications_count"], strict=True):
        own = events[events["person_id"] == row.person]["start_datetime"]
        at = row.predicted_at
        assert value == ((own < at) & (own >= at - pd.Timedelta(days=30))).sum()


moments = st.integers(-60, 60).map(lambda hours: ADMITTED + timedelta(hours=hours))


@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.tuples(moments, st.booleans(), st.integers(100, 190)), min_size=1, max_size=12), st.integers(0, 100))
def test_no_value_from_the_future_is_ever_used(values, after):
    at = ADMITTED + timedelta(hours=after)
    labs = [lab(float(value), when if timed else when.date()) for when, timed, value in values]
    asked = source(measurement=labs)
    picks = ["last", "first", "min", "max", "count"]
    X = asked.features(study(*({"labs": "LDH", "pick": pick, "unit": "U/L"} for pick in picks)), rows_at(at)).X.iloc[0]

    def available(when, timed):
        midnight = datetime(when.year, when.month, when.day)
        return when if timed and when != midnight else midnight + timedelta(days=1) - timedelta(microseconds=1)

    seen = sorted((available(when, timed), float(value)) for when, timed, value in values if available(when, timed) < at)
    assert X["ldh_count"] == len(seen)
    if seen:
        numbers = [value for _, value in seen]
        assert (X["ldh"], X["ldh_min"], X["ldh_max"]) == (seen[-1][1], min(numbers), max(numbers))
    else:
        assert X.drop("ldh_count").isna().all()


def test_every_source_of_a_predictor_has_a_clock_or_is_refused():
    for word in DOMAINS:
        if word in DOMAIN_OF.values():
            assert with_times(word, ())[1].available.type().is_timestamp()
        else:
            with pytest.raises(DefinitionError, match=word):
                with_times(word, ())
