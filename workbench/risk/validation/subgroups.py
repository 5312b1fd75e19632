"""Performance within groups of persons: ages, sexes, departments, hospitals, years."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.validation.intervals import with_intervals
from workbench.risk.validation.persons import Persons
from workbench.risk.validation.random_effects import joined
from workbench.risk.validation.splits import happened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.validation.performance import Scoring

__all__ = ["AGES", "LEAST_EVENTS", "SubGroups", "bands", "groups_of", "subgroups", "within"]

#: A group with fewer events tells too little to be judged by itself.
LEAST_EVENTS = 10
#: Where ages are parted, in years.
AGES = (18, 45, 60, 75)
#: A column with more values makes no groups.
_MANY = 50
#: Columns that make groups without being asked, where they are there.
_USUAL = ("sex", "care_site", "department")
#: So few numbers are a group each.
_FEW = 10


class SubGroups(NamedTuple):
    """Performance within groups.

    Parameters
    ----------
    table : DataFrame
        `by`, `group`, `rows`, `persons`, `events` (persons with the event), and a table of performance with intervals; one row without a
        measure for a group that was not evaluated. Counts are exact: what is shown of them passes the disclosure policy.
    differences : DataFrame
        `by`, and what :func:`~workbench.risk.validation.random_effects.joined` finds over its groups: Cochran's `q` with `p`, `i2`, and
        where a new group would lie.
    """

    table: pd.DataFrame
    differences: pd.DataFrame


def subgroups(
    y: np.ndarray,
    risk: ArrayLike,
    groups: pd.DataFrame,
    *,
    scoring: Scoring,
    persons: ArrayLike | None = None,
    least_events: int = LEAST_EVENTS,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
    workers: int | None = None,
) -> SubGroups:
    """Measure predictions within groups.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes.
    risk : array-like of float, shape (n, m)
        Predictions of a model that was not made with these rows.
    groups : DataFrame of n rows
        A column for each way to part the rows; what is missing is a group of its own. :func:`groups_of` gives the usual ones.
    scoring : Scoring
        What is measured: a few measures, for there are many groups.
    persons : array-like of shape (n,), optional
        Whose the rows are.
    least_events : int
        A group with fewer is counted, and not evaluated.
    resamples : int
        Draws of persons within each group, for the intervals.
    level : float
        Of the intervals.
    seed : int
        Of the draws.
    workers : int, optional
        Processes; chosen by the work where None.

    Returns
    -------
    SubGroups

    Raises
    ------
    DataError
        If lengths differ, or a column has more than 50 values.

    Notes
    -----
    Groups are compared by Cochran's Q on the scale of each measure, as studies are in a meta-analysis; with few groups and many measures a
    small p comes by chance.
    """
    if len(groups) != len(y):
        raise DataError(f"{len(y)} rows have an outcome and {len(groups)} have groups")
    drawn = {"resamples": resamples, "level": level, "seed": seed, "workers": workers}
    tables, differences = [], []
    for by in groups.columns:
        if groups[by].nunique() > _MANY:
            raise DataError(
                f"a column with {groups[by].nunique()} values makes no groups; the most are {_MANY}",
                hint="make bands of it, or join values",
            )
        table = within(y, risk, groups[by], scoring=scoring, persons=persons, least_events=least_events, drawn=drawn)
        tables.append(table.assign(by=by)[["by", *table.columns]])
        over = joined(table.dropna(subset="measure"), level=level)
        differences.append(over.assign(by=by)[["by", *over.columns]])
    return SubGroups(pd.concat(tables, ignore_index=True), pd.concat(differences, ignore_index=True))


def within(
    y: np.ndarray,
    risk: ArrayLike,
    groups: ArrayLike,
    *,
    scoring: Scoring,
    persons: ArrayLike | None = None,
    least_events: int = LEAST_EVENTS,
    drawn: dict[str, Any],
) -> pd.DataFrame:
    """Measure predictions within the groups of one column.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes.
    risk : array-like of float, shape (n, m)
        Predictions; those of a group with too few events are not looked at.
    groups : array-like of shape (n,)
        Of each row.
    scoring : Scoring
        What is measured.
    persons : array-like of shape (n,), optional
        Whose the rows are.
    least_events : int
        A group with fewer is not evaluated.
    drawn : dict
        ``resamples``, ``level``, ``seed`` and ``workers`` of :func:`~workbench.risk.validation.intervals.with_intervals`.

    Returns
    -------
    DataFrame
        As the table of :class:`SubGroups`, without `by`.
    """
    y, risk, whole = np.asarray(y), np.asarray(risk, float), Persons.of(persons, len(y))
    column = pd.Series(groups).astype("category").cat.remove_unused_categories()
    codes, names = column.cat.codes.to_numpy(int), list(column.cat.categories)
    if (codes < 0).any():
        codes, names = np.where(codes < 0, len(names), codes), [*names, tr("缺失", "missing")]
    tables = []
    for code, name in enumerate(names):
        inside = codes == code
        events = len(np.unique(whole.codes[inside & happened(y)]))
        counts = {"group": name, "rows": int(inside.sum()), "persons": len(np.unique(whole.codes[inside])), "events": events}
        if events < least_events:
            own = pd.DataFrame({"note": [tr(f"事件不足 {least_events} 例，未评价", f"fewer than {least_events} events: not evaluated")]})
        else:
            own = with_intervals(y[inside], risk[inside], scoring=scoring, persons=whole.codes[inside], **drawn)
        tables.append(own.assign(**counts)[[*counts, *own.columns]])
    table = pd.concat(tables, ignore_index=True)
    return table if "measure" in table else table.assign(measure=None)


def groups_of(data: StudyData, asked: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the groups of a study: age in bands, sex, department, hospital, year of the index, and those that its protocol names.

    Parameters
    ----------
    data : StudyData
        The study.
    asked : sequence of str, optional
        Columns of the rows or predictors; those of the protocol where None.

    Returns
    -------
    DataFrame of n rows
        A column for each that has two groups or more; numbers in bands: ages at 18, 45, 60 and 75 years, others at their tertiles.

    Raises
    ------
    DataError
        If a column that is asked for is neither a predictor nor a column of the rows.
    """
    asked = data.protocol.subgroups if asked is None else asked
    columns = {feature.name: _in_words(data.X[feature.name], feature.kind) for feature in data.features.columns}
    keys = {feature.item or feature.name: feature.name for feature in data.features.columns}
    known = {**{key: columns[name] for key, name in keys.items()}, **columns, **dict(data.rows.items())}
    absent = [name for name in asked if name not in known]
    if absent:
        raise DataError(f"there are no columns {absent} to make groups of", hint="subgroups: name predictors, or columns of the rows")
    key_of = {name: key for key, name in keys.items()}  # a column that is asked by its own name is none beside that of its item
    usual = [each for each in ("age", *_USUAL) if each in known]
    columns = {name: known[name] for name in dict.fromkeys((*usual, *(key_of.get(each, each) for each in asked)))}
    index_at = data.rows.get("index_at")
    if index_at is not None and index_at.notna().any():
        columns["year"] = pd.to_datetime(index_at).dt.year.astype("Int64")
    made = {name: bands(column, AGES if name == "age" else None) for name, column in columns.items()}
    return pd.DataFrame({name: column.reset_index(drop=True) for name, column in made.items() if column.nunique() > 1})


def _in_words(column: pd.Series, kind: str) -> pd.Series:
    """Return yes or no in words, and any other column as it is."""
    return column.map({0: tr("否", "no"), 1: tr("是", "yes")}) if kind == "yes_no" else column


def bands(column: pd.Series, edges: Sequence[float] | None = None) -> pd.Series:
    """Part numbers into bands, or where they are few into each; leave what is no number as it is.

    Parameters
    ----------
    column : Series of n values
        Any.
    edges : sequence of float, optional
        Where bands begin; the tertiles where None.

    Returns
    -------
    Series of n values
        Categories in order, each named by its ends (``<18``, ``18-<45``, ``≥75``) or its number.

    Examples
    --------
    >>> bands(pd.Series(range(10, 90)), AGES).value_counts(sort=False).to_dict()
    {'<18': 8, '18-<45': 27, '45-<60': 15, '60-<75': 15, '≥75': 15}
    """
    if not pd.api.types.is_float_dtype(column) and not pd.api.types.is_integer_dtype(column):
        return column
    if edges is None and column.nunique() <= _FEW:
        each = pd.Series(pd.Categorical(column, ordered=True), index=column.index)
        return each.cat.rename_categories([f"{value:g}" for value in each.cat.categories])
    edges = np.unique(np.nanquantile(column.to_numpy(float), [1 / 3, 2 / 3])) if edges is None else np.asarray(edges, float)
    between = [f"{low:g}-<{high:g}" for low, high in pairwise(edges)]
    names = [f"<{edges[0]:g}", *between, f"≥{edges[-1]:g}"]
    places = np.where(column.isna(), -1, np.searchsorted(edges, column.to_numpy(float), side="right"))
    return pd.Series(pd.Categorical.from_codes(places, names, ordered=True), index=column.index).cat.remove_unused_categories()
