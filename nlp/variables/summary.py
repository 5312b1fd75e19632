"""Rows of many notes made one value per encounter or patient, patient by patient: memory holds one patient."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from nlp.variables.aggregate import Given, aggregate
from nlp.variables.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from datetime import datetime

    from nlp.variables.definition import Variable
    from nlp.variables.run import Row

__all__ = ["Summary", "summaries"]


class Summary(NamedTuple):
    """One value of a variable for one encounter or patient, with the row that won.

    `row` is None where the value comes of several rows or of none; `used` counts the rows that took part.
    """

    patient: Hashable
    encounter: Hashable
    variable: str
    variable_hash: str
    value: Any
    unit: str
    comparator: str
    row: Row | None
    used: int


def summaries(
    variables: Iterable[Variable],
    rows: Iterable[Row],
    *,
    patient: Callable[[Row], Hashable],
    encounter: Callable[[Row], Hashable],
    anchor: Callable[[Row, str], datetime | None] | None = None,
) -> Iterator[Summary]:
    """Make one value of the rows of each encounter or patient, by each variable's own rule.

    Parameters
    ----------
    variables : iterable of Variable
        The set that gave the rows.
    rows : iterable of Row
        The rows of a patient stand together.
    patient, encounter : callable
        Tell whose note a row comes from.
    anchor : callable, optional
        Gives for a row and the name of an anchor (written, admitted, operated, index) the time that the rule `nearest` measures from.

    Yields
    ------
    Summary
        For each patient in order, for each variable in order, for each encounter that has a row in the stream; `encounter` is None for
        a variable that is asked of the patient.
    """
    asked = tuple(variables)
    for owner, group in groupby(rows, key=patient):
        held = list(group)
        encounters = list(dict.fromkeys(encounter(row) for row in held))
        by_name: dict[str, list[Row]] = {}
        for row in held:
            by_name.setdefault(row.variable, []).append(row)
        for variable in asked:
            own = by_name.get(variable.name, [])
            if variable.aggregate.per == "patient":
                yield _summary(variable, own, owner, None, anchor)
                continue
            for stay in encounters:
                yield _summary(variable, [row for row in own if encounter(row) == stay], owner, stay, anchor)


def _summary(
    variable: Variable,
    rows: list[Row],
    owner: Hashable,
    stay: Hashable,
    anchor: Callable[[Row, str], datetime | None] | None,
) -> Summary:
    named = variable.window.anchor if variable.window and anchor else ""
    # The place of the row stands for its note, so that the row that won is found again.
    answers = [Given(place, _answer(row), anchor(row, named) if anchor and named else None) for place, row in enumerate(rows)]
    result = aggregate(variable, answers)
    won = rows[int(result.given.note_id)] if result.given else None
    return Summary(owner, stay, variable.name, variable.hash, result.value, result.unit, result.comparator, won, len(result.used))


def _answer(row: Row) -> Answer:
    return Answer(
        row.variable,
        row.variable_hash,
        row.value,
        row.unit,
        row.comparator,
        row.assertion,
        row.experiencer,
        row.span_start,
        row.span_end,
        confidence=row.confidence,
        earliest=row.time,
        why_not=row.why_not,
    )
