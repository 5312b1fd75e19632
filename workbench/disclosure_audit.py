"""What a reader can work out from a table with hidden cells: the attacker's side of :mod:`workbench.disclosure`.

The reader knows every shown figure to within its rounding, that totals are sums, and that a hidden cell is at least
`floor`. All of that is linear, so the exact range of a hidden cell is a pair of linear programmes; for a table with row and
column totals the constraint matrix is totally unimodular, so the extremes are whole numbers and the range is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Band", "lines", "too_narrow"]


@dataclass(frozen=True)
class Band:
    """What is known of each figure before the sums are used.

    Parameters
    ----------
    low, high : ndarray of shape (n_rows + 1, n_columns + 1) or (1, n_columns + 1), float
        Smallest and largest possible value of each figure, totals last; `high` is infinite where nothing bounds it.
    """

    low: np.ndarray
    high: np.ndarray


def too_narrow(band: Band, hidden: np.ndarray, *, width: int) -> tuple[int, int] | None:
    """Find a hidden figure that can be narrowed to fewer than `width` values.

    Parameters
    ----------
    band : Band
        What is known before the sums are used.
    hidden : ndarray of bool, same shape
        Which figures are hidden.
    width : int
        The number of values that must stay possible.

    Returns
    -------
    (int, int) or None
        Row and column of the first such figure; None if there is none.
    """
    tightened = _propagate(band)
    narrow = hidden & (tightened.high - tightened.low + 1 < width)
    if narrow.any():
        return tuple(int(i) for i in np.argwhere(narrow)[0])
    seen_low, seen_high = np.full(band.low.shape, np.inf), np.full(band.low.shape, -np.inf)
    for place in np.argwhere(hidden):
        row, column = (int(i) for i in place)
        for sign in (1, -1):
            if seen_high[row, column] - seen_low[row, column] + 1 >= width:
                break  # solutions found for other figures already show enough values
            solution = _extreme(tightened, (row, column), sign=sign)
            seen_low, seen_high = np.fmin(seen_low, solution), np.fmax(seen_high, solution)
        if seen_high[row, column] - seen_low[row, column] + 1 < width:
            return row, column
    return None


def lines(shape: tuple[int, ...]) -> Iterator[tuple[tuple[slice | int, ...], tuple[slice | int, ...]]]:
    """Give each sum of a table as (index of its parts, index of its total); a table of one row has no column sums."""
    for row in range(shape[0]):
        yield (row, slice(None, -1)), (row, -1)
    if shape[0] > 1:
        for column in range(shape[1]):
            yield (slice(None, -1), column), (-1, column)


def _propagate(band: Band) -> Band:
    """Tighten the bounds line by line until nothing moves: cheap, and enough to find most narrow figures."""
    low, high = band.low.copy(), band.high.copy()
    for _ in range(low.size):
        before = (low.copy(), high.copy())
        for parts, total in lines(low.shape):
            low[total] = max(low[total], low[parts].sum())
            high[total] = min(high[total], high[parts].sum())
            low[parts] = np.maximum(low[parts], low[total] - _sum_of_others(high[parts]))
            high[parts] = np.minimum(high[parts], high[total] - _sum_of_others(low[parts]))
        if np.array_equal(before[0], low) and np.array_equal(before[1], high):
            break
    return Band(low, high)


def _sum_of_others(values: np.ndarray) -> np.ndarray:
    """Sum all values but each one in turn; infinity minus infinity never arises."""
    infinite = np.isinf(values)
    finite = np.where(infinite, 0.0, values)
    others_infinite = infinite.sum() - infinite > 0
    return np.where(others_infinite, np.inf, finite.sum() - finite)


def _extreme(band: Band, place: tuple[int, int], *, sign: int) -> np.ndarray:
    """Solve for the smallest (`sign` 1) or largest (-1) value at `place`; the whole table of one solution is returned."""
    from scipy.optimize import linprog

    shape = band.low.shape
    index = np.arange(band.low.size).reshape(shape)
    sums = list(lines(shape))
    equations = np.zeros((len(sums), index.size))
    for number, (parts, total) in enumerate(sums):
        equations[number, index[parts]] = 1
        equations[number, index[total]] = -1
    objective = np.zeros(index.size)
    objective[index[place]] = sign
    bounds = np.column_stack([band.low.ravel(), band.high.ravel()])
    answer = linprog(objective, A_eq=equations, b_eq=np.zeros(len(sums)), bounds=bounds, method="highs-ds")
    if answer.status == 3:  # unbounded: nothing limits this figure from above
        unbounded = np.full(shape, np.nan)
        unbounded[place] = np.inf
        return unbounded
    if answer.status != 0:
        raise ArithmeticError(f"the audit of a table has no solution (status {answer.status}); its totals are not the sums of its cells")
    return np.rint(answer.x).reshape(shape)
