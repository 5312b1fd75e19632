"""Specs of the cohort language: a few rows in, the expected answer out, on every engine.

A spec's title is a sentence of the language reference. Rows are written by the word of their domain; keys are given in the
order of the rows, from 1, in each table. `Holds` asks one criterion around each person's index, which is an encounter with
the source value INDEX; `Finds` runs a whole cohort; `Refuses` expects an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from workbench.cohort.language import cohort, encounters
from workbench.errors import WorkbenchError
from workbench.tables import TABLES, arrow_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workbench.cohort.criteria import Criterion, Defined
    from workbench.cohort.engine import Engine

INDEX_DAY = "2020-06-15"


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    table: str
    values: dict[str, Any]


def tables(*given: Row) -> dict[str, pa.Table]:
    """Make the tables that hold the rows; a table without rows is not there."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in given:
        group = grouped.setdefault(row.table, [])
        key = TABLES[row.table].key
        numbered = {key[0]: len(group) + 1} if len(key) == 1 else {}
        group.append(numbered | row.values)
    return {name: pa.Table.from_pylist(rows, schema=arrow_schema(name)) for name, rows in grouped.items()}


def day(text: str | None) -> date | None:
    """Read 2020-01-31, or None."""
    return None if text is None else date.fromisoformat(text)


def moment(text: str | None) -> datetime | None:
    """Read 2020-01-31 08:30, or None."""
    return None if text is None else datetime.fromisoformat(text)


# --------------------------------------------------------------------------------------------------------------- rows


def _event(table: str, stem: str, person_id: int | None, when: str, *, start: str = "", **values: Any) -> Row:
    """Make an event on a day, or at a time where `when` has one."""
    column = start or f"{stem}_start_date"
    dated = {column: day(when[:10]), column.replace("_date", "_datetime"): moment(when) if len(when) > 10 else None}
    return Row(table, {"person_id": person_id} | dated | values)


def diagnosis(person_id: int | None, when: str, code: str | None = "E11", *, end: str | None = None, **values: Any) -> Row:
    shown = {"condition_source_value": code, "condition_end_date": day(end), "condition_concept_id": 0}
    return _event("condition_occurrence", "condition", person_id, when, **shown | values)


def drug(person_id: int, when: str, code: str = "insulin", *, end: str | None = None, **values: Any) -> Row:
    shown = {"drug_source_value": code, "drug_exposure_end_date": day(end), "drug_concept_id": 0}
    return _event("drug_exposure", "drug_exposure", person_id, when, **shown | values)


def procedure(person_id: int, when: str, code: str = "36.06", **values: Any) -> Row:
    shown = {"procedure_source_value": code, "procedure_concept_id": 0}
    return _event("procedure_occurrence", "procedure", person_id, when, start="procedure_date", **shown | values)


def lab(person_id: int, when: str, value: float | None = 1.0, code: str = "LDH", *, unit: str | None = None, **values: Any) -> Row:
    shown = {"measurement_source_value": code, "value_as_number": value, "unit_source_value": unit, "measurement_concept_id": 0}
    return _event("measurement", "measurement", person_id, when, start="measurement_date", **shown | values)


def visit(person_id: int, when: str, end: str | None = None, *, concept: int | None = 9201, **values: Any) -> Row:
    shown = {"visit_end_date": day(end), "visit_concept_id": concept}
    return _event("visit_occurrence", "visit", person_id, when, **shown | values)


def index(person_id: int, when: str = INDEX_DAY, end: str | None = None, **values: Any) -> Row:
    """Make the encounter around which `Holds` asks."""
    return visit(person_id, when, end, visit_source_value="INDEX", **values)


def note(person_id: int, when: str, text: str, kind: str | None = None, **values: Any) -> Row:
    shown = {"note_text": text, "note_source_value": kind, "note_class_concept_id": 0}
    return _event("note", "note", person_id, when, start="note_date", **shown | values)


def finding(person_id: int, when: str, term: str, assertion: str = "present", experiencer: str = "patient", **values: Any) -> Row:
    shown = {"finding_source_value": term, "assertion": assertion, "experiencer": experiencer, "finding_concept_id": 0}
    return _event("finding", "finding", person_id, when, start="finding_date", **shown | values)


def image(person_id: int, when: str, modality: str, **values: Any) -> Row:
    shown = {"modality_source_value": modality, "modality_concept_id": 0, "image_occurrence_date": day(when)}
    return Row("image_occurrence", {"person_id": person_id} | shown | values)


def observation(person_id: int, when: str, code: str, **values: Any) -> Row:
    shown = {"observation_source_value": code, "observation_concept_id": 0}
    return _event("observation", "observation", person_id, when, start="observation_date", **shown | values)


def death(person_id: int, when: str, cause: str | None = None) -> Row:
    return _event("death", "death", person_id, when, start="death_date", cause_source_value=cause)


def cost(visit_id: int | None, total: float | None, kind: str = "药费", **values: Any) -> Row:
    return Row("cost", {"cost_event_id": visit_id, "total_charge": total, "cost_source_value": kind, "cost_domain_id": "Visit"} | values)


def drug_era(person_id: int, start: str, end: str, concept: int = 1, **values: Any) -> Row:
    shown = {"drug_era_start_date": day(start), "drug_era_end_date": day(end), "drug_concept_id": concept}
    return Row("drug_era", {"person_id": person_id} | shown | values)


def period(person_id: int, start: str, end: str) -> Row:
    shown = {"observation_period_start_date": day(start), "observation_period_end_date": day(end), "period_type_concept_id": 0}
    return Row("observation_period", {"person_id": person_id} | shown)


def person(person_id: int, born: str | None = "1980-01-01", sex: int | None = 8532, **values: Any) -> Row:
    """Make a person born on a day; 1980-00-05 leaves the month out, 1980-03-00 the day."""
    year, month, day_of_month = (int(part) or None for part in born.split("-")) if born else (None, None, None)
    shown = {"year_of_birth": year, "month_of_birth": month, "day_of_birth": day_of_month, "gender_concept_id": sex}
    return Row("person", {"person_id": person_id} | shown | values)


def care_site(key: int, name: str) -> Row:
    return Row("care_site", {"care_site_id": key, "care_site_source_value": name})


def provider(key: int, specialty: int) -> Row:
    return Row("provider", {"provider_id": key, "specialty_concept_id": specialty})


def concept(key: int, *, invalid: str | None = None, name: str = "") -> Row:
    return Row("concept", {"concept_id": key, "concept_name": name or f"concept {key}", "invalid_reason": invalid})


def ancestor(above: int, below: int) -> Row:
    return Row("concept_ancestor", {"ancestor_concept_id": above, "descendant_concept_id": below})


def maps_to(source: int, standard: int, *, invalid: str | None = None, relationship: str = "Maps to") -> Row:
    shown = {"concept_id_1": source, "concept_id_2": standard, "relationship_id": relationship, "invalid_reason": invalid}
    return Row("concept_relationship", shown)


# -------------------------------------------------------------------------------------------------------------- specs


@dataclass(frozen=True)
class Holds:
    """A criterion, and the persons around whose index it holds."""

    title: str
    given: tuple[Row, ...]
    asked: Criterion
    persons: list[int]

    def check(self, make: Callable[[Mapping[str, pa.Table]], Engine]) -> None:
        entered = cohort("spec").enter(encounters("INDEX")).require("asked", self.asked)
        indexed = {row.values["person_id"] for row in self.given if row.values.get("visit_source_value") == "INDEX"}
        others = {row.values["person_id"] for row in self.given if "person_id" in row.values} - indexed
        added = [index(person_id) for person_id in sorted(others)]
        entries = make(tables(*self.given, *added)).run(entered.definition).entries.to_pylist()
        assert [entry["person_id"] for entry in entries if entry["mask"] & 1] == self.persons


@dataclass(frozen=True)
class Finds:
    """A cohort, and its rows or its kept index dates."""

    title: str
    given: tuple[Row, ...]
    asked: Defined
    rows: list[tuple[int, str, str]] | None = None
    kept: list[tuple[int, str]] | None = None
    keys: list[int] | None = None

    def check(self, make: Callable[[Mapping[str, pa.Table]], Engine]) -> None:
        answer = make(tables(*self.given)).run(self.asked.definition)
        if self.rows is not None:
            assert [tuple(map(str, row.values())) for row in answer.rows.to_pylist()] == [tuple(map(str, row)) for row in self.rows]
        kept = [entry for entry in answer.entries.to_pylist() if entry["kept"]]
        if self.kept is not None:
            assert [(entry["person_id"], str(entry["index_date"])) for entry in kept] == self.kept
        if self.keys is not None:
            assert [entry["event_key"] for entry in kept] == self.keys


@dataclass(frozen=True)
class Refuses:
    """Something that cannot mean anything, and what the error says."""

    title: str
    attempt: Callable[[], object]
    says: str
    error: type[WorkbenchError] = field(default=WorkbenchError)

    def check(self, _: Callable[[Mapping[str, pa.Table]], Engine]) -> None:
        with pytest.raises(self.error) as caught:
            self.attempt()
        assert self.says in str(caught.value)


Spec = Holds | Finds | Refuses


def specs(*listed: Spec) -> pytest.MarkDecorator:
    """Run a test once for each spec, under its title."""
    titles = [spec.title for spec in listed]
    assert len(set(titles)) == len(titles), "two specs have one title"
    return pytest.mark.parametrize("spec", listed, ids=titles)
