"""The wide table of a file's answers: one row a note, patient or encounter, one column a variable."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from workbench.errors import DataError, DefinitionError
from workbench.texts.wide import wide_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nlp.variables.definition import Variable

__all__ = ["check_per", "check_wide_columns", "wide_answers", "wide_path"]

#: What a row is -> the field that names it.
_FIELDS = {"note": "note_id", "patient": "person_id", "encounter": "visit_id"}


def check_per(per: str) -> None:
    """Refuse what no row can be; empty is no wide table.

    Raises
    ------
    DefinitionError
        If `per` is none of note, patient, encounter.
    """
    if per and per not in _FIELDS:
        raise DefinitionError(f"a wide table has one row a {per!r}; wanted one of {', '.join(_FIELDS)}")


def check_wide_columns(per: str, columns: Iterable[str]) -> None:
    """Refuse a table without the column that rows are named by.

    Raises
    ------
    DataError
        If the file has no such column.
    """
    if per in ("patient", "encounter") and _FIELDS[per] not in set(columns):
        option = {"patient": "--person", "encounter": "--visit"}[per]
        raise DataError(f"one row a {per} is asked for, but no column names the {per}", hint=f"name it with {option}")


def wide_path(out: Path, per: str) -> Path:
    """Return where the wide table beside `out` lies."""
    return out.with_name(f"{out.stem}_{per}{out.suffix}")


def wide_answers(tables: Iterable[pa.Table], variables: Sequence[Variable], per: str) -> pa.Table:
    """Make one row a note, patient or encounter of the lines of the tidy table.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        Columns of :data:`workbench.texts.stream.CELLS`.
    variables : sequence of Variable
        Each becomes a column by its own rule of aggregation.
    per : {"note", "patient", "encounter"}
        What a row is; answers of notes that name none are left out.

    Returns
    -------
    pyarrow.Table
        Rows where any variable has an answer.
    """
    field = _FIELDS[per]
    kept = [table.filter(pc.and_(pc.equal(table["why_not"], ""), pc.not_equal(table[field], ""))) for table in tables]
    if not kept:
        return pa.table({name: pa.array([], pa.string()) for name in (field, *(variable.name for variable in variables))})
    answers = pa.concat_tables(kept)
    numbers = pc.if_else(pc.is_valid(answers["value_number"]), pa.scalar(None, pa.string()), answers["value"])
    renamed = {
        # The keys of the wide table are persons; here a row's name is whatever the file calls it.
        "person_id": answers[field],
        "note_id": answers["row"],
        "value_text": numbers,
        "earliest": answers["time"],
        "latest": answers["time"],
    }
    same = ("note_datetime", "variable", "variable_hash", "value_number", "unit", "comparator", "assertion", "experiencer")
    same += ("span_start", "span_end", "confidence", "why_not")
    frame = wide_table(
        pa.table({**renamed, **{name: answers[name] for name in same}}), variables, per="patient", anchor=lambda _, written: written
    )
    columns = {field: pa.array(frame.index.astype(str), pa.string())}
    for variable in variables:
        columns[variable.name] = _column(frame[variable.name].tolist())
    return pa.table(columns)


def _column(values: list[object]) -> pa.Array:
    """Numbers where all are numbers, else texts."""
    given = [None if _is_missing(value) else value for value in values]
    if all(isinstance(value, int | float) for value in given if value is not None) and any(value is not None for value in given):
        return pa.array([None if value is None else float(value) for value in given], pa.float64())
    return pa.array([None if value is None else str(value) for value in given], pa.string())


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and isnan(value))
