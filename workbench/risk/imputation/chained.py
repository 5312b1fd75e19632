"""Chained equations: each column drawn, in turns, from a regression on all others.

Numbers are drawn by predictive mean matching, categories from a logistic regression on a bootstrap sample. A table is encoded as one array
(categories by their codes) beside a design of standardised numbers and indicators, of which each column owns a block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from sklearn.linear_model import LogisticRegression

from workbench.errors import DataError
from workbench.risk.survival.curves import at_times, kaplan_meier
from workbench.risk.survival.outcome import Follow, follow, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Chain", "Column", "Layout", "complete", "describe", "outcome_columns", "run_chain"]

#: Added to the diagonal of the cross products, relative to it; mice's figure.
_RIDGE = 1e-5
#: Inverse penalty of the logistic regressions on standardised columns: keeps them finite where a category is separated.
_LOGISTIC_C = 100.0


class Column(NamedTuple):
    """A column as training data show it.

    Parameters
    ----------
    name : object
        Its name.
    levels : ndarray or None
        Values of a category; None for a number.
    mean, scale : float
        Of a number; they standardise it.
    observed : ndarray of float
        Observed values (codes of a category): what a missing one starts from.
    """

    name: object
    levels: np.ndarray | None
    mean: float
    scale: float
    observed: np.ndarray

    @property
    def width(self) -> int:
        """Columns of the design that it owns."""
        return 0 if self.is_constant else 1 if self.levels is None else len(self.levels) - 1

    @property
    def is_constant(self) -> bool:
        """Whether all observed values are one."""
        return len(self.levels) == 1 if self.levels is not None else self.scale == 0

    def design(self, values: np.ndarray) -> np.ndarray:
        """Return its block of the design, of shape (n, width)."""
        if self.is_constant:
            return np.empty((len(values), 0))
        if self.levels is None:
            return ((values - self.mean) / self.scale)[:, None]
        return (values[:, None] == np.arange(1, len(self.levels))).astype(float)


class Layout(NamedTuple):
    """The columns of a table, and those that had no value at all.

    Parameters
    ----------
    columns : tuple of Column
        With values.
    empty : tuple
        Names of those without.
    """

    columns: tuple[Column, ...]
    empty: tuple

    @property
    def names(self) -> list:
        """Names of the columns with values."""
        return [column.name for column in self.columns]

    def encode(self, table: pd.DataFrame) -> tuple[np.ndarray, dict[object, int]]:
        """Return the values as floats of shape (n, p), and how many values of each column are categories that were never seen."""
        coded, unseen = np.empty((len(table), len(self.columns))), {}
        for place, column in enumerate(self.columns):
            given = table[column.name]
            if column.levels is None:
                coded[:, place] = _floats(given, column.name)
                continue
            codes = pd.Index(column.levels).get_indexer(given.to_numpy(object))
            coded[:, place] = np.where(codes < 0, np.nan, codes)
            if strange := int((codes < 0).sum() - given.isna().sum()):
                unseen[column.name] = strange
        return coded, unseen

    def decode(self, coded: np.ndarray, like: pd.DataFrame) -> pd.DataFrame:
        """Return a table of complete values with the index and the types of another."""
        data = {}
        for place, column in enumerate(self.columns):
            values = coded[:, place]
            if column.levels is None:
                data[column.name] = values
            else:
                found, kind = column.levels[values.astype(int)], like[column.name].dtype
                data[column.name] = pd.Series(found, index=like.index, dtype=kind if isinstance(kind, pd.CategoricalDtype) else None)
        return pd.DataFrame(data, index=like.index, columns=self.names).infer_objects()


def describe(table: pd.DataFrame) -> Layout:
    """Tell numbers from categories: texts, and columns of two values, are categories.

    Parameters
    ----------
    table : DataFrame of shape (n, p)
        Training data.

    Returns
    -------
    Layout
        Its columns.

    Raises
    ------
    DataError
        If a value is infinite, or no column has a value.
    """
    empty = tuple(name for name in table if not table[name].notna().any())
    columns = tuple(_column(table[name], name) for name in table if name not in empty)
    if not columns:
        raise DataError("no column has a value, so there is nothing to impute from", zh="没有一列有值，无从填补")
    return Layout(columns, empty)


def _column(given: pd.Series, name: object) -> Column:
    number = pd.api.types.is_numeric_dtype(given.dtype)
    values = _floats(given, name) if number else given.to_numpy(object)
    seen = values[given.notna().to_numpy()]
    levels = np.unique(seen) if number else np.array(sorted(set(seen), key=str), object)
    if number and len(levels) != 2:
        return Column(name, None, float(seen.mean()), float(seen.std()) if len(levels) > 1 else 0.0, seen)
    return Column(name, levels, 0.0, 1.0, pd.Index(levels).get_indexer(seen).astype(float))


def _floats(given: pd.Series, name: object) -> np.ndarray:
    try:
        values = given.to_numpy(float, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataError(f"column {name} was numbers in training and holds texts now", hint="clean it first") from None
    if np.isinf(values).any():
        raise DataError(f"column {name} holds {int(np.isinf(values).sum())} infinite values", hint="clean it first")
    return values


def outcome_columns(y: np.ndarray) -> np.ndarray:
    """Return what of an outcome goes into the equations.

    Parameters
    ----------
    y : ndarray of shape (n,)
        A structured outcome, classes or numbers.

    Returns
    -------
    ndarray of float, shape (n, q)
        Of a survival outcome for each cause whether there was an event, and the Nelson-Aalen cumulative hazard at the person's time;
        standardised.

    Notes
    -----
    White and Royston (2009), Statistics in Medicine 28:1982; for several causes Resche-Rigon, White and Chevret (2012), SiM 31:3123.
    """
    y = np.asarray(y)
    if y.dtype.names:
        given = follow(y)
        causes = [cause for cause in np.unique(given.event.astype(int)) if cause]
        parts = [part for cause in causes for part in (given.event.astype(int) == cause, _hazard(given, cause))]
    elif y.dtype.kind in "OUS":
        parts = [y == level for level in np.unique(y)[1:]]
    else:
        parts = [y]
    whole = np.column_stack([np.asarray(part, float) for part in parts]) if parts else np.empty((len(y), 0))
    spread = whole.std(axis=0)
    return ((whole - whole.mean(axis=0)) / np.where(spread > 0, spread, 1))[:, spread > 0]


def _hazard(given: Follow, cause: int) -> np.ndarray:
    """Return the cumulative hazard of a cause at each person's time."""
    counts = kaplan_meier(outcome(given.time, given.event.astype(int) == cause, entry=given.entry))
    return at_times((counts["events"] / counts["at_risk"]).cumsum(), given.time, start=0)


def _equation(column: Column, X: np.ndarray, values: np.ndarray, donors: int, rng: np.random.Generator) -> Callable:
    """Fit a column on others, parameters drawn; return what draws its values for other rows."""
    if column.levels is None:
        return _matching(X, values, donors, rng)
    return _classes(X, values, rng)


def _matching(X: np.ndarray, values: np.ndarray, donors: int, rng: np.random.Generator) -> Callable:
    """Match predicted means: Rubin (1986), Little (1988); type 1 of van Buuren (2018), section 3.4.2."""
    square = X.T @ X
    square[np.diag_indices_from(square)] *= 1 + _RIDGE
    square[np.diag_indices_from(square)] += 1e-12
    factor = cho_factor(square, lower=True)
    beta = cho_solve(factor, X.T @ values)
    predicted = X @ beta
    spread = np.sqrt(((values - predicted) ** 2).sum() / rng.chisquare(max(len(values) - X.shape[1], 1)))
    drawn = beta + spread * solve_triangular(factor[0], rng.normal(size=len(beta)), lower=True, trans="T")
    order = np.argsort(predicted, kind="stable")
    predicted, values = predicted[order], values[order]

    def draw(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return values[_nearest(predicted, rows @ drawn, donors, rng)]

    return draw


def _nearest(known: np.ndarray, wanted: np.ndarray, donors: int, rng: np.random.Generator) -> np.ndarray:
    """Return for each wanted number the place of one of its nearest among sorted ones, by lot."""
    count = min(donors, len(known))
    window = np.searchsorted(known, wanted)[:, None] + np.arange(-count, count)
    inside = (window >= 0) & (window < len(known))
    distance = np.where(inside, np.abs(known[np.clip(window, 0, len(known) - 1)] - wanted[:, None]), np.inf)
    nearest = np.argpartition(distance, count - 1, axis=1)[:, :count]
    chosen = nearest[np.arange(len(wanted)), rng.integers(0, count, len(wanted))]
    return window[np.arange(len(wanted)), chosen]


def _classes(X: np.ndarray, codes: np.ndarray, rng: np.random.Generator) -> Callable:
    """Draw classes by a logistic regression on a bootstrap sample: van Buuren (2018), section 3.6.1."""
    some = rng.integers(0, len(codes), len(codes))
    if len(np.unique(codes[some])) < 2:
        some = np.arange(len(codes))
    model = LogisticRegression(C=_LOGISTIC_C, max_iter=2000).fit(X[some, 1:], codes[some]) if X.shape[1] > 1 else None
    classes, shares = np.unique(codes[some], return_counts=True)

    def draw(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        chance = np.tile(shares / shares.sum(), (len(rows), 1)) if model is None else model.predict_proba(rows[:, 1:])
        above = rng.random(len(rows))[:, None] > chance.cumsum(axis=1)[:, :-1]
        return classes[above.sum(axis=1)]

    return draw


class Chain(NamedTuple):
    """A table completed once, and the equations for others.

    Parameters
    ----------
    values : ndarray of float, shape (n, p)
        The completed training data, encoded.
    equations : dict of int to callable
        By the place of a column what draws it from the others, without the outcome.
    """

    values: np.ndarray
    equations: dict[int, Callable]


def run_chain(layout: Layout, coded: np.ndarray, outcome: np.ndarray, *, donors: int, n_iter: int, rng: np.random.Generator) -> Chain:
    """Complete training data, then fit the equations that complete other data, whose outcome nobody knows.

    Parameters
    ----------
    layout : Layout
        Of the columns.
    coded : ndarray of float, shape (n, p)
        Values, with gaps.
    outcome : ndarray of float, shape (n, q)
        What of the outcome helps to complete training data.
    donors, n_iter : int
        Rows to draw from in matching; rounds.
    rng : Generator
        Of the draws.

    Returns
    -------
    Chain
        Completed values and equations.
    """
    gaps = np.isnan(coded)

    def fitted(place: int, X: np.ndarray) -> Callable:
        known = ~gaps[:, place]
        return _equation(layout.columns[place], X[known], coded[known, place], donors, rng)

    values = complete(layout, coded, outcome, fitted, n_iter=n_iter, rng=rng)
    design, blocks = _design(layout, values, np.empty((len(values), 0)))
    varying = [place for place, column in enumerate(layout.columns) if not column.is_constant]
    return Chain(values, {place: fitted(place, np.delete(design, blocks[place], axis=1)) for place in varying})


def complete(
    layout: Layout, coded: np.ndarray, outcome: np.ndarray, equation: Callable, *, n_iter: int, rng: np.random.Generator
) -> np.ndarray:
    """Fill gaps from observed values, then draw each column in turns, the one with the fewest gaps first.

    Parameters
    ----------
    layout : Layout
        Of the columns.
    coded : ndarray of float, shape (n, p)
        Values, with gaps.
    outcome : ndarray of float, shape (n, q)
        Further columns that help.
    equation : callable
        Takes a column's place and the design of the others and gives what draws its values.
    n_iter : int
        Rounds.
    rng : Generator
        Of the draws.

    Returns
    -------
    ndarray of float, shape (n, p)
        Without gaps.
    """
    gaps, values = np.isnan(coded), coded.copy()
    for place, column in enumerate(layout.columns):
        values[gaps[:, place], place] = rng.choice(column.observed, gaps[:, place].sum())
    design, blocks = _design(layout, values, outcome)
    turns = [place for place in np.argsort(gaps.sum(axis=0), kind="stable") if gaps[:, place].any() and layout.columns[place].width]
    for _ in range(n_iter):
        for place in turns:
            rows = gaps[:, place]
            others = np.delete(design, blocks[place], axis=1)
            values[rows, place] = equation(place, others)(others[rows], rng)
            design[np.ix_(rows, blocks[place])] = layout.columns[place].design(values[rows, place])
    return values


def _design(layout: Layout, values: np.ndarray, outcome: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return ones, the outcome and every column's block, and the places of the blocks."""
    parts = [column.design(values[:, place]) for place, column in enumerate(layout.columns)]
    starts = 1 + outcome.shape[1] + np.cumsum([0, *(part.shape[1] for part in parts)])
    blocks = [np.arange(starts[i], starts[i + 1]) for i in range(len(parts))]
    return np.column_stack([np.ones(len(values)), outcome, *parts]), blocks
