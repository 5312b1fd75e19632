"""Our definitions as circe JSON: what is said in other words, and what is a loss."""

import json
from datetime import date

import pytest

from workbench.cohort.atlas.circe import check_model
from workbench.cohort.atlas.read import read_atlas
from workbench.cohort.atlas.write import write_atlas
from workbench.cohort.query import (
    Age,
    AllOf,
    AnyOf,
    CodeItem,
    Codelist,
    Cohort,
    Combination,
    Condition,
    Entry,
    Events,
    Exit,
    InCohort,
    IndexDate,
    Not,
    Observed,
    Occurs,
    Person,
    Rule,
    Window,
)

HBA1C = Codelist((CodeItem("3004410", "concept", descendants=True),), name="HbA1c")
E11 = Codelist((CodeItem("E11", "ICD10CN", descendants=True),), name="E11")


class Known:
    """A vocabulary with two ICD-10-CN codes and a unit."""

    codes = {("ICD10CN", "E11.900"): 101, ("ICD10CN", "E11.200"): 102, ("UCUM", "%"): 8554}  # noqa: RUF012  (read only)

    def find(self, system, code, *, prefix):
        return tuple(
            number
            for (known, text), number in self.codes.items()
            if known == system and (text.startswith(code) if prefix else text == code)
        )

    def describe(self, ids):
        return {number: {"CONCEPT_NAME": f"name of {number}"} for number in ids}


def cohort(*criteria, events=None, **parts):
    rules = tuple(Rule(f"rule {number}", "require", criterion) for number, criterion in enumerate(criteria))
    entry = Entry((events or Events("diagnoses"),), "first", Observed(before_days=30))
    return Cohort("x", **{"entry": entry, "rules": rules, "collapse_gap_days": 0} | parts)


def exported(definition, vocabulary=None):
    found = write_atlas(definition, vocabulary=vocabulary)
    assert found.losses == ()
    check_model(json.dumps(found.expression))
    return found.expression


def rule_of(criterion):
    return exported(cohort(criterion))["InclusionRules"][0]["expression"]


def round_trip(definition):
    return read_atlas(json.dumps(exported(definition)), name=definition.name).cohort


@pytest.mark.parametrize(
    "definition",
    [
        cohort(),
        cohort(Occurs((Events("labs", HBA1C, (Condition("value", "ge", (6.5,)),)),), (Window(-90, 90),), within_observation=True)),
        cohort(
            Occurs((Events("encounters"),), (Window(start=0, event="end"), Window(end=3, index="end")), "le", 2, "day", same_visit=True)
        ),
        cohort(AllOf((Age("ge", (18,), calendar=True), Person("sex", "in", (8532,)), IndexDate("lt", (date(2020, 1, 1),))))),
        cohort(AnyOf((Occurs((Events("deaths"),)), AllOf((Occurs((Events("devices"),)), Occurs((Events("procedures"),))))))),
        cohort(events=Events("medications", HBA1C, first=True, nested=AllOf((Observed(), Occurs((Events("deaths"),)))))),
        cohort(exit=Exit("offset", days=3, edge="end"), censor=(Events("deaths"),), date_range=(None, date(2024, 1, 1)), keep="last"),
    ],
    ids=["entry", "value and window", "counts", "demographics", "groups", "nested", "exit"],
)
def test_what_both_can_say_comes_back_the_same(definition):
    assert round_trip(definition) == definition


def test_an_excluding_rule_is_a_group_of_which_none_holds():
    rule = Rule("no insulin", "exclude", Occurs((Events("medications"),)))
    written = exported(cohort(rules=(rule,)))["InclusionRules"][0]["expression"]
    assert (written["Type"], written["Count"], len(written["CriteriaList"])) == ("AT_MOST", 0, 1)


def test_a_union_is_asked_kind_by_kind():
    either = Occurs((Events("diagnoses"), Events("deaths")))
    assert rule_of(either)["Groups"][0]["Type"] == "ANY"
    neither = Occurs((Events("diagnoses"), Events("deaths")), operator="eq", count=0)
    assert rule_of(neither)["Groups"][0]["Type"] == "ALL"


def test_observation_is_a_criterion_on_periods():
    written = rule_of(Observed(before_days=365, after_days=30))["CriteriaList"][0]
    assert written["StartWindow"]["End"] == {"Days": 365, "Coeff": -1}
    assert written["EndWindow"]["Start"] == {"Days": 30, "Coeff": 1}
    assert written["IgnoreObservationPeriod"]


def test_kind_of_visit_and_bounds_are_said_as_circe_says_them():
    events = Events("encounters", conditions=(Condition("setting", "in", ("inpatient",)),))
    written = exported(cohort(events=events))
    assert [item["concept"]["CONCEPT_ID"] for item in written["ConceptSets"][0]["expression"]["items"]] == [9201, 262]
    between = Events("labs", conditions=(Condition("value", "ge", (4,)), Condition("value", "le", (7,))))
    assert exported(cohort(events=between))["PrimaryCriteria"]["CriteriaList"][0]["Measurement"]["ValueAsNumber"] == {
        "Op": "bt",
        "Value": 4,
        "Extent": 7,
    }


def test_source_codes_and_units_go_through_the_vocabulary():
    unit = Events("labs", conditions=(Condition("unit", "eq", ("%",)),))
    written = exported(cohort(Occurs((unit,)), events=Events("diagnoses", E11)), Known())
    items = written["ConceptSets"][0]["expression"]["items"]
    assert [(item["concept"]["CONCEPT_ID"], item["concept"]["CONCEPT_NAME"]) for item in items] == [
        (101, "name of 101"),
        (102, "name of 102"),
    ]
    assert "ConditionSourceConcept" in written["PrimaryCriteria"]["CriteriaList"][0]["ConditionOccurrence"]
    lab = written["InclusionRules"][0]["expression"]["CriteriaList"][0]["Criteria"]["Measurement"]
    assert lab["Unit"][0]["CONCEPT_ID"] == 8554


ANY = Occurs((Events("diagnoses"),))


@pytest.mark.parametrize(
    "definition",
    [
        cohort(Occurs((Events("notes", conditions=(Condition("text", "contains", ("糖尿病",)),)),))),
        cohort(Occurs((Events("findings"),))),
        cohort(Occurs((Events("images"),))),
        cohort(Occurs((Events("labs"),), (Window(-24, 0, "hours"),))),
        cohort(Age("ge", (18,))),
        cohort(InCohort(cohort())),
        cohort(Occurs((Events("diagnoses"), Events("deaths")), count=2)),
        cohort(Occurs((Events("labs"),), (Window(-1, 0), Window(0, 1), Window(-5, 5)))),
        cohort(AnyOf(())),
        cohort(events=Events("diagnoses", E11)),
        cohort(events=Events("labs", conditions=(Condition("value", "gt", (1.23456,)),))),
        cohort(events=Events("labs", conditions=(Condition("value", "is_missing"),))),
        cohort(events=Events("labs", conditions=(Condition("unit", "eq", ("mmol/L",)),))),
        cohort(events=Events("diagnoses", conditions=(Condition("age", "ge", (18,)),))),
        cohort(events=Events("diagnoses", nested=ANY)),
        cohort(events=Events("deaths", first=True)),
        cohort(entry=Entry((Events("diagnoses"),), "first")),
        cohort(entry=Entry((Events("diagnoses"),), observed=Observed()), collapse_gap_days=None),
        cohort(exit=Exit("era", events=(Events("medications", HBA1C),))),
        Combination("both", "union", (cohort(), cohort())),
    ],
    ids=lambda value: "",
)
def test_what_atlas_cannot_say_is_a_loss(definition):
    assert write_atlas(definition).losses


def test_not_is_written_so_that_missing_values_stay_out():
    written = rule_of(Not(Age("ge", (18,), calendar=True)))
    assert (written["Type"], written["Count"]) == ("AT_MOST", 0)
