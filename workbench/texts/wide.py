"""The table that is analysed: one row a patient or an encounter, one column a variable, each cell with where it comes from."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal

import pandas as pd
import pyarrow.compute as pc

from nlp.variables.aggregate import Given, Result, aggregate
from workbench.texts.asking import answer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    import pyarrow as pa

    from nlp.variables.definition import Variable

__all__ = ["Per", "cell_sources", "wide_table"]

Per = Literal["patient", "encounter"]
_KEYS: dict[str, tuple[str, ...]] = {"patient": ("person_id",), "encounter": ("person_id", "visit_occurrence_id")}


def wide_table(
    answers: pa.Table, variables: Iterable[Variable], *, per: Per, anchor: Callable[[int, datetime | None], datetime | None]
) -> pd.DataFrame:
    """Give one row a patient or encounter, one column a variable.

    Parameters
    ----------
    answers : pyarrow.Table
        Columns of :data:`workbench.texts.runs.ANSWERS`.
    variables : iterable of Variable
        Each becomes a column by its own rule of aggregation; a quantity's column is in the variable's unit.
    per : {"patient", "encounter"}
        What a row is.
    anchor : callable
        From a patient and the time of a note to the index date that the rule ``nearest`` measures from;
        :meth:`workbench.texts.notes.NoteSet.index_date`.

    Returns
    -------
    pandas.DataFrame
        Indexed by person_id, or by person_id and visit_occurrence_id; rows where any variable has an answer. A cell without is missing.
    """
    columns = {variable.name: {key: _plain(result) for key, result in _results(answers, variable, per, anchor)} for variable in variables}
    keys = sorted({key for column in columns.values() for key in column})
    names = _KEYS[per]
    index = pd.MultiIndex.from_tuples(keys, names=names) if len(names) > 1 else pd.Index([key[0] for key in keys], name=names[0])
    return pd.DataFrame({name: [column.get(key) for key in keys] for name, column in columns.items()}, index=index)


def cell_sources(
    answers: pa.Table, variables: Iterable[Variable], *, per: Per, anchor: Callable[[int, datetime | None], datetime | None]
) -> pd.DataFrame:
    """Say for each cell of :func:`wide_table` which note and span it comes from.

    Returns
    -------
    pandas.DataFrame
        One row a cell: keys, variable, value, unit, note_id, span_start, span_end (missing where a cell comes of several), used: how many
        answers were weighed.
    """
    rows = [
        {
            **dict(zip(_KEYS[per], key, strict=True)),
            "variable": variable.name,
            "variable_hash": variable.hash,
            "value": _plain(result),
            "unit": result.unit,
            "note_id": result.given.note_id if result.given else None,
            "span_start": result.given.answer.start if result.given else None,
            "span_end": result.given.answer.end if result.given else None,
            "used": len(result.used),
        }
        for variable in variables
        for key, result in _results(answers, variable, per, anchor)
    ]
    return pd.DataFrame(rows)


def _results(
    answers: pa.Table, variable: Variable, per: Per, anchor: Callable[[int, datetime | None], datetime | None]
) -> Iterable[tuple[tuple, Result]]:
    grouped: dict[tuple, list[Given]] = defaultdict(list)
    mine = answers.filter(pc.equal(answers["variable"], variable.name))
    for row in mine.to_pylist():
        if not row["why_not"]:
            key = tuple(-1 if row[name] is None else row[name] for name in _KEYS[per])
            grouped[key].append(Given(row["note_id"], answer_of(row), anchor(row["person_id"], row["note_datetime"])))
    return [(key, aggregate(variable, given)) for key, given in grouped.items()]


def _plain(result: Result) -> object:
    """Return a value that a table can hold: a list becomes a text."""
    return "；".join(map(str, result.value)) if isinstance(result.value, list | tuple) else result.value
