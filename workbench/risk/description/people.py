"""Who is described, and what their columns are called: one row a person, labels from the table of items."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.cleaning.items import items
from workbench.risk.cleaning.shown import shown_levels
from workbench.risk.extraction.dataset import ROW_COLUMNS, StudyData

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.risk.extraction.dataset import Feature

__all__ = ["OUTCOME", "People", "chosen", "groups_of", "named_groups", "outcome_groups", "people"]

#: Name by which the outcome groups the persons of a study.
OUTCOME = "outcome"


class People(NamedTuple):
    """One row a person.

    Parameters
    ----------
    frame : DataFrame of n rows
        Predictors, then sites and sub-groups.
    predictors : tuple of str
        Columns that are predictors.
    labels, units : dict of str to str
        What is shown for a column, in the language in force.
    places : ndarray of int, shape (n,)
        Where the rows stood in what was given.
    """

    frame: pd.DataFrame
    predictors: tuple[str, ...]
    labels: dict[str, str]
    units: dict[str, str]
    places: np.ndarray

    def label(self, name: str) -> str:
        """Return the name of a column, with its unit."""
        shown, unit = self.labels.get(name, name), self.units.get(name, "")
        return f"{shown} ({unit})" if unit else shown


def people(data: StudyData | pd.DataFrame, *, labels: Mapping[str, str] | None = None, units: Mapping[str, str] | None = None) -> People:
    """Find whom to describe: of a study with landmarks each person's first row, for a person is described once.

    Parameters
    ----------
    data : StudyData or DataFrame
        A study, or a table with one row a person.
    labels, units : mapping of str to str, optional
        What is shown for a column; else what the study says. A table's column that is an item's key has the item's name, but no unit:
        nobody has said that its values were converted.

    Returns
    -------
    People

    Examples
    --------
    >>> found = people(pd.DataFrame({"creatinine": [80.0, 95.0]}))
    >>> found.label("creatinine")
    '肌酐'
    """
    if isinstance(data, StudyData):
        places = _first_rows(data.rows)
        beside = data.rows.drop(columns=[name for name in (*ROW_COLUMNS, *data.X.columns) if name in data.rows])
        frame, predictors = pd.concat([data.X, beside], axis=1).iloc[places].reset_index(drop=True), tuple(data.X.columns)
        named = {feature.name: _named(feature) for feature in data.features.columns}
    else:
        places, frame, predictors, named = np.arange(len(data)), data.reset_index(drop=True), tuple(map(str, data.columns)), {}
    known = {name: (tr(found.zh, found.en), "") for name in frame.columns if (found := items().get(str(name))) is not None} | named
    shown = {name: label for name, (label, _) in known.items()} | dict(labels or {})
    of_units = {name: unit for name, (_, unit) in known.items() if unit} | dict(units or {})
    return People(frame.apply(shown_levels), predictors, shown, of_units, places)


def outcome_groups(data: StudyData) -> pd.Series:
    """Say of each row of a study how it ended: with which cause, or with none while it was watched.

    Returns
    -------
    Series of n categories
        First without an event, then the causes, the outcome first; of a survival outcome this is the state at the end of follow-up.
    """
    event = np.asarray(data.y if data.binary else data.y[data.y.dtype.names[0]]).astype(np.int64)
    names = (tr("未发生", "Event-free"), *data.cohort.causes[: 1 if data.binary else None])
    return pd.Series(pd.Categorical.from_codes(event, categories=list(names)), name=OUTCOME)


def groups_of(data: StudyData | pd.DataFrame, found: People, by: str) -> pd.Series:
    """Return the groups of the persons found: a column, or a study's outcome where `by` is :data:`OUTCOME` and no column is called so.

    Raises
    ------
    DefinitionError
        If there is no such column.
    """
    if by == OUTCOME and isinstance(data, StudyData) and OUTCOME not in found.frame:
        return outcome_groups(data).iloc[found.places].reset_index(drop=True)
    name = chosen(found, [by])[0]
    return named_groups(found.frame[name], found.labels.get(name, name))


def named_groups(by: pd.Series, label: str = "") -> pd.Series:
    """Name groups of 0 and 1 (or false and true) in words; others stay as they are."""
    known = by.dropna()
    if not (pd.api.types.is_numeric_dtype(by) and len(known) and known.isin((0, 1)).all()):
        return by
    words = (tr("{0}：否", "Without {0}"), tr("{0}：是", "With {0}")) if label else (tr("否", "Without"), tr("是", "With"))
    names = [word.format(label) for word in words]  # "No" over a column would be read as "number" by the release checks
    codes = by.astype(float).fillna(-1).astype(np.int64)
    return pd.Series(pd.Categorical.from_codes(codes, categories=names), index=by.index, name=by.name)


def chosen(found: People, columns: Sequence[str] | None) -> list[str]:
    """Return the columns asked for, all predictors where None.

    Raises
    ------
    DefinitionError
        If there is no such column.
    """
    names = list(found.predictors) if columns is None else list(columns)
    absent = [name for name in names if name not in found.frame]
    if absent:
        raise DefinitionError(f"there is no column {', '.join(map(repr, absent))}", hint=f"there are {', '.join(map(str, found.frame))}")
    return names


def _first_rows(rows: pd.DataFrame) -> np.ndarray:
    order = rows.sort_values("predicted_at", kind="stable", na_position="last").index.to_numpy()
    first = ~rows["person"].iloc[order].duplicated().to_numpy()
    return np.sort(order[first])


def _named(feature: Feature) -> tuple[str, str]:
    """Return label and unit; the item's own names follow the language, a label that the protocol gave stays."""
    found = items().get(feature.item)
    if found is not None and feature.label in ("", feature.name, found.zh, found.en):
        return tr(found.zh, found.en), feature.unit
    return feature.label or feature.name, feature.unit
