"""What a researcher holds after a run: variables, evidence, timeline, explanation."""

import pandas as pd
import pytest

from tests.lib.ward import DIABETES, MemoryTables, diabetes_cohort, run_ward, table, ward
from workbench.cohort.evidence import light
from workbench.cohort.language import labs
from workbench.cohort.query import CodeItem, Codelist, Cohort, Combination, Entry, Events, Occurs, Window
from workbench.cohort.result import CohortResult
from workbench.cohort.variables import Age, Death, Department, LengthOfStay, Occurrence, Sex, Value
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, DefinitionError
from workbench.store.memory import MemoryEngine

POLICY = DisclosurePolicy(threshold=10, rounding=5)


@pytest.fixture(scope="module")
def result() -> CohortResult:
    return run_ward()


@pytest.fixture
def one_patient() -> CohortResult:
    """Admitted on 2024-03-10 at 08:00, with four values of one test around it."""
    day = pd.Timestamp("2024-03-10")
    times = [day - pd.Timedelta(days=2), day + pd.Timedelta(hours=9), day + pd.Timedelta(hours=31), day + pd.Timedelta(hours=33)]
    rows = [
        {
            "measurement_id": n,
            "person_id": 1,
            "measurement_date": time.date(),
            "measurement_datetime": time.to_pydatetime(),
            "measurement_source_value": "LDH",
            "value_as_number": value,
            "unit_source_value": unit,
        }
        for n, (time, value, unit) in enumerate(zip(times, [100.0, 300.0, 200.0, 2.0], ["U/L", "U/L", "U/L", "ukat/L"], strict=True))
    ]
    tables = {
        "person": table(
            "person", [{"person_id": 1, "gender_concept_id": 8532, "year_of_birth": 1960, "month_of_birth": 3, "day_of_birth": 11}]
        ),
        "visit_occurrence": table(
            "visit_occurrence",
            [
                {
                    "visit_occurrence_id": 5,
                    "person_id": 1,
                    "visit_concept_id": 9201,
                    "visit_start_date": day.date(),
                    "visit_start_datetime": (day + pd.Timedelta(hours=8)).to_pydatetime(),
                    "visit_end_date": (day + pd.Timedelta(days=4)).date(),
                    "care_site_id": 3,
                }
            ],
        ),
        "care_site": table("care_site", [{"care_site_id": 3, "care_site_source_value": "0301"}]),
        "death": table("death", [{"person_id": 1, "death_date": (day + pd.Timedelta(days=4)).date()}]),
        "measurement": table("measurement", rows),
    }
    engine, definition = MemoryEngine(tables), Cohort("c", Entry((Events("encounters"),)))
    return CohortResult(definition, engine.run(definition), engine, MemoryTables(tables))


LDH = Events("labs", Codelist((CodeItem("LDH", "source"),)))


@pytest.mark.parametrize(
    ("pick", "window", "expected"),
    [
        ("nearest", Window(-30, 30), 300.0),
        ("first", Window(-30, 30), 100.0),
        ("first", Window(0, 24, "hours"), 300.0),
        ("last", Window(-30, 30), 200.0),
        ("last", Window(0, 10, "hours"), 300.0),
        ("max", Window(-30, 30), 300.0),
        ("min", Window(-30, 30), 100.0),
        ("mean", Window(0, 24, "hours"), 250.0),
        ("first", Window(2, 24, "hours"), 200.0),
    ],
)
def test_value_picks_within_the_window_and_never_another_unit(one_patient, pick, window, expected):
    variable = Value(Occurs((LDH,), (window,)), name="ldh", label="LDH", unit="U/L", pick=pick)
    assert one_patient.frame([variable])["ldh"].tolist() == [expected]


def test_a_window_without_values_leaves_the_variable_missing(one_patient):
    variable = Value(Occurs((LDH,), (Window(10, 20),)), name="ldh", label="LDH")
    assert one_patient.frame([variable])["ldh"].isna().all()


def test_person_and_encounter_variables(one_patient):
    row = one_patient.frame([Age(), Sex(), Department(), LengthOfStay(), Death(), Death(within_days=3, name="early")]).iloc[0]
    assert row.tolist() == [63.0, "女", "0301", 4.0, 1.0, 0.0], (
        "the birthday is a day after the index; death on the day of discharge is in hospital"
    )


def test_occurrence_takes_prefixes_and_exact_codes(result):
    asked = Occurs((Events("diagnoses"),), (Window(-365, 0),))
    frame = result.frame(
        [
            Occurrence(asked, name="e11", label="E11", prefixes=("E11",)),
            Occurrence(asked, name="exact", label="E11 exactly", codes=("E11",)),
        ]
    )
    assert frame["e11"].all()
    assert not frame["exact"].any()


def test_variables_of_a_batch_equal_those_of_all(result, monkeypatch):
    whole = result.frame()
    monkeypatch.setattr("workbench.cohort.extract.BATCH_PERSONS", 7)
    pd.testing.assert_frame_equal(result.frame(result.default_variables()), whole, check_dtype=False)


def test_what_a_variable_cannot_heed_is_refused():
    with pytest.raises(DefinitionError, match="heeds no count"):
        Value(labs("LDH").at_least(2), name="x", label="x")
    with pytest.raises(DefinitionError, match="wanted one of nearest"):
        Value(labs("LDH"), name="x", label="x", pick="median")


def test_two_variables_of_one_name_are_refused(result):
    with pytest.raises(DefinitionError, match="same name: age"):
        result.frame([Age(), Age()])


def test_default_description_tells_the_person_and_what_is_frequent(result):
    labels = {variable.label for variable in result.describe().variables}
    assert {"年龄", "性别", "科室", "住院天数", "HbA1c", "LDH"} <= labels
    assert any(label.startswith("诊断：E11") for label in labels)


def test_description_by_group_names_the_groups(result):
    table = result.describe([Age(), Sex()], by=Sex())
    assert table.groups == ("女", "男")
    assert [variable.name for variable in table.variables] == ["age"]


def test_an_empty_cohort_is_an_error_and_not_an_empty_table():
    nobody = Cohort("nobody", Entry((Events("diagnoses", Codelist((CodeItem("Z99", "ICD10CN"),))),)))
    with pytest.raises(DataError, match="is empty"):
        run_ward(nobody, persons=5).describe()


def test_combination_has_parts_and_no_rules_of_its_own():
    tables = ward(60)
    engine = MemoryEngine(tables)
    both = Combination("both", "intersection", (diabetes_cohort(), Cohort("all", Entry((DIABETES,)))))
    found = CohortResult(both, engine.run(both), engine, MemoryTables(tables))
    assert [part.definition.name for part in found.parts] == ["2型糖尿病住院患者", "all"]
    for ask in (found.attrition, lambda: found.evidence(1)):
        with pytest.raises(DefinitionError, match="has no rules of its own"):
            ask()
    assert found.describe([Age()]).sizes == (len(found.rows),)


def test_evidence_lights_the_words_in_the_note(result):
    person = int(result.rows["person_id"].iloc[0])
    evidence = result.evidence(person)
    assert '<mark class="wb-lit">高血压</mark>' in evidence._repr_html_()
    frame = evidence.to_frame()
    assert set(frame.loc[frame["table"] == "note", "words"]) == {"高血压"}
    assert str(frame["key"].dtype) == "Int64"


@pytest.mark.parametrize(
    ("text", "spans", "shown"),
    [
        ("否认高血压史", [(2, 5)], "否认[高血压]史"),
        ("高血压、高血压", [(0, 3), (4, 7)], "[高血压]、[高血压]"),
        ("血血血", [(0, 2), (1, 3)], "[血血血]"),
        ("一二三四五六七八九十甲", [(0, 1), (10, 11)], "[一]二三 … 九十[甲]"),
        ("<b>高</b>", [(3, 4)], "…b&gt;[高]&lt;/…"),
    ],
    ids=["one", "two near", "overlapping", "two far", "markup"],
)
def test_snippets(text, spans, shown):
    lit = str(light(text, spans, around=2)).replace('<mark class="wb-lit">', "[").replace("</mark>", "]")
    assert lit == shown


def test_timeline_draws_the_lanes_and_the_index_date(result):
    person = int(result.rows["person_id"].iloc[0])
    texts = [text.get_text() for text in result.timeline(person).axes[0].texts]
    assert any(text.startswith("就诊") for text in texts)
    assert any(text.startswith("索引日期") for text in texts)
    with pytest.raises(DataError, match="no event to draw"):
        result.timeline(10**9)


def test_printing_a_result_prints_no_patient(result):
    person = int(result.rows["person_id"].iloc[0])
    assert "person_id" not in repr(result)
    assert "HbA1c" not in repr(result.evidence(person))


def test_explanation_names_definition_and_snapshot(result):
    explained = result.explain()
    assert (explained.snapshot, explained.engine, len(explained.definition_hash)) == ("ward-1", "MemoryEngine", 64)
    assert explained.definition_hash in str(explained)


def test_the_notebook_card_shows_no_exact_count(result, tmp_path, monkeypatch):
    policy = tmp_path / "policy.toml"
    policy.write_text("[disclosure]\nthreshold = 10\nrounding = 5\n", encoding="utf-8")
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    monkeypatch.setenv("WORKBENCH_POLICY", str(policy))
    exact = result.rows["person_id"].nunique()
    assert exact % 10, "the ward must have a count that is not round"
    assert f"{exact} 人" not in result._repr_html_()
    assert result.answer.rows.num_rows == len(result.rows)
