"""How much one column, or several together, tell of the outcome: the measure behind the scan for proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["levels", "order_strength", "strength", "together"]

#: Most bins of a column of numbers; a bin holds at least so many rows.
_BINS, _ROWS_A_BIN = 20, 15

#: Parts of the cross-fitting.
_FOLDS = 5


def levels(column: pd.Series, *, bins: int = _BINS) -> np.ndarray:
    """Return a column as levels: words and repeated numbers as they are, other numbers by quantiles, missing as one of its own.

    Parameters
    ----------
    column : Series of shape (n,)
        Numbers, or categories.
    bins : int
        Most levels of a column of numbers.

    Returns
    -------
    ndarray of int, shape (n,)
        Counted from 0; 0 is missing.
    """
    codes, found = pd.factorize(column, sort=isinstance(column.dtype, pd.CategoricalDtype))
    if pd.api.types.is_numeric_dtype(column) and len(found) > bins:
        codes = pd.qcut(column, max(2, min(bins, int(column.notna().sum()) // _ROWS_A_BIN)), labels=False, duplicates="drop")
        codes = codes.fillna(-1).to_numpy(dtype=int)
    return codes + 1


def order_strength(column: pd.Series, event: np.ndarray, *, least: int = 8) -> float:
    """Return the AUROC of the values that are there, whichever way they point; 0.5 where too few of either class have one."""
    there = column.notna().to_numpy()
    few = min(int(event[there].sum()), int((~event[there]).sum())) < least
    if few or not pd.api.types.is_numeric_dtype(column):
        return 0.5
    area = _area(event[there], column[there])
    return max(area, 1 - area)


def strength(column: pd.Series, event: np.ndarray, *, seed: int = 0) -> float:
    """Return the AUROC of a column's levels by the event's share in them, cross-fitted, so that many levels do not flatter.

    Parameters
    ----------
    column : Series of shape (n,)
        Numbers, or categories; what is missing counts as a level.
    event : ndarray of bool, shape (n,)
        Whether each row had the event.
    seed : int
        Of the folds.

    Returns
    -------
    float
        From 0.5 (nothing) to 1.
    """
    return max(0.5, _area(event, _crossfit(levels(column), event, seed)))


def together(X: pd.DataFrame, event: np.ndarray, *, seed: int = 0) -> float:
    """Return the cross-fitted AUROC of several columns by a ridge regression of their levels' log odds.

    Parameters
    ----------
    X : DataFrame of shape (n, p)
        The columns.
    event : ndarray of bool, shape (n,)
        Whether each row had the event.
    seed : int
        Of the folds.

    Returns
    -------
    float
        From 0.5 to 1; 0.5 of no column.
    """
    if X.shape[1] == 0:
        return 0.5
    from sklearn.linear_model import Ridge

    odds = np.column_stack([_log_odds(_crossfit(levels(X[name]), event, seed)) for name in X.columns])
    fold = _folds(event, seed)
    scores = np.empty(len(event))
    for k in range(_FOLDS):
        out = fold == k
        scores[out] = Ridge(alpha=1.0).fit(odds[~out], event[~out]).predict(odds[out])
    return max(0.5, _area(event, scores))


def _folds(event: np.ndarray, seed: int) -> np.ndarray:
    """Deal rows to folds, each class evenly."""
    fold = np.empty(len(event), int)
    draw = np.random.default_rng(seed)
    for chosen in (np.flatnonzero(event), np.flatnonzero(~event)):
        fold[draw.permutation(chosen)] = np.arange(len(chosen)) % _FOLDS
    return fold


def _crossfit(codes: np.ndarray, event: np.ndarray, seed: int) -> np.ndarray:
    """Return the event's share in each row's level, learnt from the other folds."""
    fold, width, share = _folds(event, seed), int(codes.max()) + 1, float(event.mean())
    rows = np.bincount(fold * width + codes, minlength=_FOLDS * width).reshape(_FOLDS, width)
    events = np.bincount(fold * width + codes, weights=event, minlength=_FOLDS * width).reshape(_FOLDS, width)
    others, events = rows.sum(axis=0) - rows, events.sum(axis=0) - events
    return ((events + share) / (others + 1))[fold, codes]


def _log_odds(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 1e-4, 1 - 1e-4)
    return np.log(share / (1 - share))


def _area(event: np.ndarray, score: Sequence[float] | np.ndarray) -> float:
    """Return the area under the curve, which is Mann and Whitney's statistic."""
    ones = int(event.sum())
    return float((rankdata(score)[event].sum() - ones * (ones + 1) / 2) / (ones * (len(event) - ones)))
