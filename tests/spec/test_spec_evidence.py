"""Why a rule holds or not: the rows behind it, and the words in a note. And what an engine lists of a set of events."""

from __future__ import annotations

import pytest

from tests.lib.spec import INDEX_DAY, concept, diagnosis, drug, finding, index, lab, note, period, person, procedure, tables, visit
from workbench.cohort.language import (
    age,
    any_event,
    cohort,
    costs,
    deaths,
    diagnoses,
    encounters,
    findings,
    in_cohort,
    index_date,
    labs,
    medications,
    notes,
    observed,
    procedures,
)
from workbench.errors import DataError

INDEXED = cohort("c").enter(encounters("INDEX"))


def _rows(make, criterion, *given) -> list[tuple]:
    """Return domain, key and spans of the evidence of one rule for person 1."""
    engine = make(tables(index(1), *given))
    (_, rule), *_ = engine.evidence(INDEXED.require("rule", criterion).definition, 1)
    return [(event.domain, event.key, event.spans) for event in rule.events]


CASES = {
    "Events: those that were counted": (
        labs("LDH").within(days=(-1, 1)),
        (lab(1, INDEX_DAY), lab(1, "2020-01-01"), lab(2, INDEX_DAY), lab(1, "2020-06-16")),
        [("labs", 1, ()), ("labs", 4, ())],
    ),
    "An event that two sets hold is named once": (
        any_event(labs("LDH"), labs()),
        (lab(1, INDEX_DAY),),
        [("labs", 1, ())],
    ),
    "A sequence: both its events": (
        procedures().followed_by(diagnoses("I21")),
        (procedure(1, "2020-01-01"), diagnosis(1, "2020-01-03", "I21")),
        [("procedures", 1, ()), ("diagnoses", 1, ())],
    ),
    "Text: where each of the words stands in the raw note": (
        notes(text=["肾病", "hba1c"]),
        (note(1, INDEX_DAY, "糖尿病肾\n病，肾病；ＨｂＡ１ｃ 8%"),),
        [("notes", 1, ((3, 6), (7, 9), (10, 15)))],
    ),
    "Two text criteria mark the words of both": (
        notes(text="肾病") & notes(text="糖尿病"),
        (note(1, INDEX_DAY, "糖尿病肾病"),),
        [("notes", 1, ((0, 3), (3, 5)))],
    ),
    "A finding: the span it was read from": (
        findings("肾病"),
        (finding(1, INDEX_DAY, "肾病", span_start=3, span_end=5),),
        [("findings", 1, ((3, 5),))],
    ),
    "Observation: the period": (
        observed(),
        (period(1, "2020-01-01", "2020-12-31"), period(1, "2019-01-01", "2019-12-31")),
        [("observation_periods", 1, ())],
    ),
    "Index date: the index event": (index_date > "2020-01-01", (), [("encounters", 1, ())]),
    "Age: no row": (age > 18, (person(1),), []),
    "Another cohort: its entry events": (
        in_cohort(cohort("d").enter(diagnoses("E11")), days=(-30, 0)),
        (diagnosis(1, "2020-06-01"), diagnosis(1, "2020-01-01")),
        [("diagnoses", 1, ())],
    ),
    "A negation: what it looked at": (~labs("LDH"), (lab(1, INDEX_DAY),), [("labs", 1, ())]),
    "A rule that does not hold because nothing was found: no row": (labs("LDH"), (), []),
}


@pytest.mark.parametrize("case", CASES)
def test_evidence_of_a_criterion(case: str, make) -> None:
    criterion, given, wanted = CASES[case]
    assert _rows(make, criterion, *given) == wanted


def test_evidence_names_the_entry_then_every_rule_for_each_entry(make) -> None:
    asked = cohort("糖尿病").enter(diagnoses("E11")).require("成年", age >= 18).exclude("胰岛素", medications().before()).definition
    engine = make(
        tables(person(1), diagnosis(1, "2020-01-01"), diagnosis(1, "2020-03-01"), drug(1, "2020-02-01"), diagnosis(2, "2020-01-01"))
    )
    found = engine.evidence(asked, 1)
    assert [[(rule.rule, rule.kind, rule.holds) for rule in entry] for entry in found] == [
        [("糖尿病", "entry", True), ("成年", "require", True), ("胰岛素", "exclude", False)],
        [("糖尿病", "entry", True), ("成年", "require", True), ("胰岛素", "exclude", True)],
    ]
    assert engine.evidence(asked, 99) == ()


def test_events_are_listed_with_code_label_value_and_unit(make) -> None:
    engine = make(
        tables(
            lab(1, "2020-01-02 08:00", 7.5, "HbA1c", unit="%", measurement_concept_id=5, visit_occurrence_id=3),
            lab(2, "2020-01-01", None, None, measurement_concept_id=5),
            lab(2, "2020-01-01", None, None, measurement_concept_id=0),
            concept(5, name="Hemoglobin A1c"),
        )
    )
    listed = engine.events(labs().node.events[0]).to_pylist()
    assert [(row["person_id"], row["key"], row["code"], row["label"], row["value"], row["unit"]) for row in listed] == [
        (1, 1, "HbA1c", "Hemoglobin A1c", 7.5, "%"),
        (2, 2, "5", "Hemoglobin A1c", None, ""),
        (2, 3, "", "", None, ""),
    ]
    assert (str(listed[0]["start_datetime"]), listed[0]["visit_occurrence_id"], str(listed[0]["end_date"])) == (
        "2020-01-02 08:00:00",
        3,
        "2020-01-03",
    )
    assert engine.events(labs().node.events[0], persons=[1]).num_rows == 1
    assert engine.events(labs().node.events[0], persons=[]).num_rows == 0


def test_a_note_is_labelled_with_its_title(make) -> None:
    engine = make(tables(note(1, INDEX_DAY, "x", "病程记录", note_title="首次病程记录")))
    (row,) = engine.events(notes().node.events[0]).to_pylist()
    assert (row["code"], row["label"]) == ("病程记录", "首次病程记录")


def test_a_cost_shows_its_total(make) -> None:
    from tests.lib.spec import cost

    engine = make(tables(visit(1, INDEX_DAY), cost(1, 12.5)))
    (row,) = engine.events(costs().node.events[0]).to_pylist()
    assert (row["person_id"], str(row["start_date"]), row["value"], row["visit_occurrence_id"]) == (1, INDEX_DAY, 12.5, 1)


def test_a_table_that_lacks_a_column_is_named() -> None:
    from workbench.store.memory import MemoryEngine

    given = tables(lab(1, INDEX_DAY))
    engine = MemoryEngine({"measurement": given["measurement"].drop_columns(["unit_source_value"])})
    assert engine.run(cohort("c").enter(labs("LDH")).definition).rows.num_rows == 1
    with pytest.raises(DataError, match="measurement has no column 'unit_source_value'"):
        engine.run(cohort("c").enter(labs("LDH").where(unit="%")).definition)
    assert engine.run(cohort("c").enter(deaths()).definition).rows.num_rows == 0
