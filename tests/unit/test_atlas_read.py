"""Each part of circe JSON: the node that it becomes, or the loss."""

import json
from datetime import date

import pytest

from workbench.cohort.atlas.read import read_atlas
from workbench.cohort.query import (
    Age,
    AllOf,
    AnyOf,
    AtLeast,
    AtMost,
    CodeItem,
    Codelist,
    Condition,
    Events,
    Exit,
    IndexDate,
    Observed,
    Occurs,
    Person,
    Window,
)
from workbench.errors import DefinitionError

CODES = Codelist((CodeItem("1", "concept", descendants=True),), (CodeItem("2", "concept", mapped=True),), "diabetes")
VISITS = {"Criteria": {"VisitOccurrence": {}}}
ANY_VISIT = Occurs((Events("encounters"),), within_observation=True)


def definition(primary=None, **parts):
    return {
        "ConceptSets": [
            {
                "id": 0,
                "name": "diabetes",
                "expression": {
                    "items": [
                        {"concept": {"CONCEPT_ID": 1}, "includeDescendants": True},
                        {"concept": {"CONCEPT_ID": 2}, "isExcluded": True, "includeMapped": True},
                    ]
                },
            }
        ],
        "PrimaryCriteria": {
            "CriteriaList": [primary or {"ConditionOccurrence": {"CodesetId": 0}}],
            "ObservationWindow": {"PriorDays": 365, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "First"},
        },
        "QualifiedLimit": {"Type": "First"},
        "ExpressionLimit": {"Type": "All"},
        "InclusionRules": [],
        "CollapseSettings": {"CollapseType": "ERA", "EraPad": 30},
        "CensorWindow": {},
    } | parts


def read(found):
    return read_atlas(json.dumps(found), name="x")


def exact(found):
    translation = read(found)
    assert translation.losses == ()
    return translation.cohort


def rule(group):
    return exact(definition(InclusionRules=[{"name": "r", "expression": group}])).rules[0].criterion


def test_entry_limit_observation_and_codes():
    cohort = exact(definition())
    assert cohort.entry.events == (Events("diagnoses", CODES),)
    assert cohort.entry.observed == Observed(before_days=365)
    assert (cohort.entry.limit, cohort.keep, cohort.collapse_gap_days) == ("first", "all", 30)
    assert cohort.entry.qualified_limit == "all", "without additional criteria circe does not look at it"


def test_missing_limits_are_first_as_in_circe_be():
    found = definition()
    del found["ExpressionLimit"]
    assert exact(found).keep == "first"


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ({"Measurement": {"ValueAsNumber": {"Op": "gt", "Value": 6.50004}}}, Condition("value", "gt", (6.5,))),
        (
            {"Measurement": {"RangeHighRatio": {"Op": "!bt", "Value": 1, "Extent": 2}}},
            Condition("value", "not_between", (1, 2), "range_high"),
        ),
        ({"Measurement": {"Unit": [{"CONCEPT_ID": 8554}]}}, Condition("unit_concept", "in", (8554,))),
        ({"ConditionOccurrence": {"Age": {"Op": "gte", "Value": 18}}}, Condition("calendar_age", "ge", (18,))),
        (
            {"ConditionOccurrence": {"ConditionType": [{"CONCEPT_ID": 5}], "ConditionTypeExclude": True}},
            Condition("type", "not_in", (5,)),
        ),
        ({"DrugExposure": {"VisitType": [{"CONCEPT_ID": 9201}]}}, Condition("setting", "in", (9201,))),
        ({"DrugExposure": {"OccurrenceEndDate": {"Op": "lt", "Value": "2020-01-01"}}}, Condition("start", "lt", (date(2020, 1, 1),))),
        ({"VisitOccurrence": {"VisitLength": {"Op": "bt", "Value": 2, "Extent": 9}}}, Condition("duration_days", "between", (2, 9))),
        ({"ConditionEra": {"OccurrenceCount": {"Op": "eq", "Value": 2}}}, Condition("occurrences", "eq", (2,))),
        ({"Observation": {"ValueAsString": {"Op": "eq", "Text": "yes"}}}, Condition("value_text", "eq", ("yes",))),
        ({"Specimen": {"Quantity": {"Op": "lte", "Value": 2}}}, Condition("quantity", "le", (2,))),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_attributes(criterion, expected):
    assert exact(definition(criterion)).entry.events[0].conditions == (expected,)


def test_source_concepts_and_first():
    events = exact(definition({"ProcedureOccurrence": {"ProcedureSourceConcept": 0, "First": True}})).entry.events[0]
    assert events.first
    assert {item.system for item in (*events.codes.include, *events.codes.exclude)} == {"source_concept"}


def test_nested_criteria_need_an_observation_period_unless_they_ask_nothing():
    nested = {"Type": "ALL", "CriteriaList": [VISITS], "DemographicCriteriaList": [], "Groups": []}
    assert exact(definition({"Death": {"CorrelatedCriteria": nested}})).entry.events[0].nested == AllOf((Observed(), ANY_VISIT))
    nothing = {"Type": "ALL", "CriteriaList": [], "DemographicCriteriaList": [], "Groups": []}
    assert exact(definition({"Death": {"CorrelatedCriteria": nothing}})).entry.events[0].nested is None


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ({"Type": "ALL", "CriteriaList": [VISITS, VISITS]}, AllOf((ANY_VISIT, ANY_VISIT))),
        ({"Type": "ANY", "CriteriaList": [VISITS, VISITS]}, AnyOf((ANY_VISIT, ANY_VISIT))),
        ({"Type": "AT_LEAST", "Count": 2, "CriteriaList": [VISITS]}, AtLeast(2, (ANY_VISIT,))),
        ({"Type": "AT_MOST", "Count": 0, "Groups": [{"Type": "ALL", "CriteriaList": [VISITS]}]}, AtMost(0, (ANY_VISIT,))),
        ({"Type": "ANY", "CriteriaList": []}, AllOf(())),
        (
            {"Type": "ALL", "DemographicCriteriaList": [{"Age": {"Op": "gt", "Value": 17}, "Gender": [{"CONCEPT_ID": 8532}]}]},
            AllOf((Age("gt", (17,), calendar=True), Person("sex", "in", (8532,)))),
        ),
        (
            {"Type": "ALL", "DemographicCriteriaList": [{"OccurrenceEndDate": {"Op": "eq", "Value": "2020-02-29"}}]},
            IndexDate("eq", (date(2020, 2, 29),), edge="end"),
        ),
    ],
    ids=["all", "any", "at least", "at most", "empty", "demographics", "end date"],
)
def test_groups(group, expected):
    assert rule(group) == expected


@pytest.mark.parametrize(
    ("correlated", "expected"),
    [
        ({"Occurrence": {"Type": 0, "Count": 0}}, {"operator": "eq", "count": 0}),
        ({"Occurrence": {"Type": 1, "Count": 3}}, {"operator": "le", "count": 3}),
        ({"Occurrence": {"Type": 2, "Count": 2, "IsDistinct": True}}, {"count": 2, "distinct": "concept"}),
        ({"Occurrence": {"Type": 2, "Count": 2, "IsDistinct": True, "CountColumn": "START_DATE"}}, {"count": 2, "distinct": "day"}),
        ({"RestrictVisit": True}, {"same_visit": True}),
        ({"IgnoreObservationPeriod": True}, {"within_observation": False}),
        (
            {"StartWindow": {"Start": {"Days": 30, "Coeff": -1}, "End": {"Coeff": 1}, "UseIndexEnd": True}},
            {"windows": (Window(start=-30, index="end"),)},
        ),
        (
            {"EndWindow": {"Start": {"Days": 0, "Coeff": 1}, "End": {"Coeff": 1}}},
            {"windows": (Window(start=0, event="end"),)},
        ),
        (
            {"EndWindow": {"Start": {"Coeff": -1}, "End": {"Coeff": 1}}},
            {"windows": (Window(event="end"),)},
        ),
    ],
    ids=["none", "at most", "concepts", "days", "visit", "any time", "index end", "event end", "open end"],
)
def test_correlated_criteria(correlated, expected):
    wanted = Occurs(**{"events": (Events("encounters"),), "within_observation": True} | expected)
    assert rule({"Type": "ALL", "CriteriaList": [VISITS | correlated]}) == wanted


def test_exits():
    offset = exact(definition(EndStrategy={"DateOffset": {"DateField": "EndDate", "Offset": 7}}))
    assert offset.exit == Exit("offset", days=7, edge="end")
    era = exact(definition(EndStrategy={"CustomEra": {"DrugCodesetId": 0, "GapDays": 30, "Offset": 2, "DaysSupplyOverride": 14}})).exit
    assert (era.kind, era.gap_days, era.days, era.supply_days) == ("era", 30, 2, 14)
    assert [events.codes.include[0].system for events in era.events] == ["concept", "source_concept"]


def test_censoring_and_calendar():
    found = definition(CensoringCriteria=[{"Death": {}}], CensorWindow={"StartDate": "2019-01-01"})
    assert exact(found).censor == (Events("deaths"),)
    assert exact(found).date_range == (date(2019, 1, 1), None)


def test_rules_keep_apart_by_name_and_fit_the_mask():
    rules = [{"name": "same", "expression": {"Type": "ALL", "CriteriaList": [VISITS]}}] * 70
    cohort = exact(definition(InclusionRules=rules))
    assert len({rule.name for rule in cohort.rules}) == len(cohort.rules) == 62
    assert len(cohort.rules[-1].criterion.criteria) == 9


@pytest.mark.parametrize(
    ("found", "path"),
    [
        (definition({"ConditionOccurrence": {"StopReason": {"Op": "contains", "Text": "x"}}}), "ConditionOccurrence.StopReason"),
        (definition({"ConditionOccurrence": {"GenderCS": {"CodesetId": 0}}}), "ConditionOccurrence.GenderCS"),
        (definition({"ConditionOccurrence": {"DateAdjustment": {"startOffset": 1, "endOffset": 0}}}), "ConditionOccurrence.DateAdjustment"),
        (definition({"ConditionOccurrence": {"CodesetId": 9}}), "ConditionOccurrence.CodesetId"),
        (definition({"ConditionOccurrence": {"CodesetId": 0, "ConditionSourceConcept": 0}}), "ConditionOccurrence"),
        (definition({"PayerPlanPeriod": {"PayerConcept": 0}}), "PayerPlanPeriod.PayerConcept"),
        (definition({"LocationRegion": {"CodesetId": 0}}), "PrimaryCriteria.CriteriaList[0]"),
        (definition({"Measurement": {"Abnormal": True}}), "Measurement.Abnormal"),
        (definition(InventedHere={"a": 1}), "InventedHere"),
        (definition(EndStrategy={"DateOffset": {"DateField": "StartDate", "Offset": -1}}), "EndStrategy"),
        (definition(CollapseSettings={"CollapseType": "none", "EraPad": 0}), "CollapseSettings"),
        (
            definition(
                InclusionRules=[
                    {"name": "r", "expression": {"Type": "ALL", "CriteriaList": [VISITS | {"StartWindow": {"Start": {"Coeff": 1}}}]}}
                ]
            ),
            "StartWindow",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_part_without_a_counterpart_is_a_loss_and_no_error(found, path):
    translation = read(found)
    assert not translation.exact
    assert any(path in loss.path for loss in translation.losses)


@pytest.mark.parametrize("value", [None, 7, "text", [], [[]], {"a": []}, [None], [{"Type": [1]}], {"Type": {}}, float("nan")])
@pytest.mark.parametrize(
    "name",
    [
        "ConceptSets",
        "PrimaryCriteria",
        "AdditionalCriteria",
        "InclusionRules",
        "EndStrategy",
        "CensorWindow",
        "CollapseSettings",
        "ExpressionLimit",
    ],
)
def test_no_value_of_a_part_raises(name, value):
    read(definition() | {name: value})


def test_a_definition_wrapped_by_webapi():
    wrapped = {"id": 3, "name": "x", "expressionType": "SIMPLE_EXPRESSION", "expression": json.dumps(definition())}
    assert read(wrapped) == read(definition())


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '"text"', "null"])
def test_what_is_no_definition_is_refused(text):
    with pytest.raises(DefinitionError):
        read_atlas(text, name="x")
