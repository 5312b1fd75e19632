"""Guards: no patient stands twice under different ids, least of all on both sides of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.risk.guards.findings import Finding, note, refuse, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["duplicates", "duplicates_across", "same_patients"]

#: Values of two rows may differ so often, missing ones included; a row is cut in one part more, so that one part is equal throughout.
_MAY_DIFFER = 2

#: Values that lie within so many standard deviations count as equal.
_CLOSE = 0.02

#: Pairs are told as long as chance would give no more than this share of those that agree as well or better.
_CHANCE_SHARE = 0.005

#: A group of rows that agree in a part is searched in pairs up to this size: larger ones agree in what says little.
_MOST_IN_GROUP = 60


def duplicates(case: Case) -> Iterator[Finding]:
    """Look for patients that stand twice in the data under different ids: exactly, or in all but one or two values."""
    pairs = same_patients(case)
    if len(pairs):
        rows = len(np.unique(pairs))
        share = rows / len(case.persons)
        say = warn if len(pairs) >= 3 or share >= 0.01 else note
        yield say(
            "rows",
            (
                f"{rows} 行（{share:.1%}）与另一编号患者的行相同，或只差一两个值",
                f"{rows} rows ({share:.1%}) equal a row under another id, or in all but one or two values",
            ),
            (
                "核实是否同一患者：是则给同一编号，或只留一行",
                "find out whether they are one patient; if so, give them one id or keep one row",
            ),
        )


def duplicates_across(case: Case) -> Iterator[Finding]:
    """Look for patients that stand on both sides of a split under different ids."""
    if case.split is None:
        return
    side = np.zeros(len(case.persons), int)
    side[case.split[0]], side[case.split[1]] = 1, 2
    pairs = same_patients(case)
    across = pairs[side[pairs].prod(axis=1) == 2] if len(pairs) else pairs
    if len(across):
        tested, equal = (_tested(rows, side) for rows in (across, across[_equal(case, across)]))
        yield refuse(
            "split",
            (
                f"留出的 {len(case.split[1])} 行中有 {tested} 行以另一编号出现在建模集（其中 {equal} 行取值全同）",
                f"of {len(case.split[1])} rows held out {tested} stand in the development set too ({equal} equal in all values)",
            ),
            ("先去除重复，再划分", "remove duplicates before rows are parted"),
        )


def _tested(pairs: np.ndarray, side: np.ndarray) -> int:
    """Count the rows of pairs that are held out."""
    return int((side[np.unique(pairs)] == 2).sum()) if len(pairs) else 0


def _equal(case: Case, pairs: np.ndarray) -> np.ndarray:
    """Tell which pairs have all predictors equal."""
    exact = np.column_stack([pd.factorize(case.data.X[name])[0] for name in case.data.X])
    return (exact[pairs[:, 0]] == exact[pairs[:, 1]]).all(axis=1)


def same_patients(case: Case) -> np.ndarray:
    """Return pairs of rows of different persons that agree so well that chance does not explain it.

    Returns
    -------
    ndarray of int, shape (m, 2)
        Positions. At least those that share a whole third of their values; found in O(n) for each third.

    Notes
    -----
    How telling an agreement is counts as in record linkage (Fellegi and Sunter 1969, JASA 64:1183): each equal value by the negative
    logarithm of how common it is, within the sets of columns that go together only once.
    """
    values = _coded(case)
    if values.shape[1] < 2 or len(values) < 4:
        return np.zeros((0, 2), int)
    telling = _telling(values)
    allowed = min(_MAY_DIFFER, max(0, values.shape[1] // 4))
    order = np.argsort(-telling.mean(axis=0), kind="stable")
    pairs = [_pairs_within(values[:, order[part :: allowed + 1]]) for part in range(allowed + 1)]
    pairs = np.unique(np.concatenate(pairs), axis=0)
    pairs = pairs[case.persons[pairs[:, 0]] != case.persons[pairs[:, 1]]]
    if len(pairs) == 0:
        return pairs
    equal = values[pairs[:, 0]] == values[pairs[:, 1]]
    weight = (telling[pairs[:, 0]] * equal).sum(axis=1) * _independent(values)
    near = (~equal).sum(axis=1) <= allowed
    pairs, weight = pairs[near], weight[near]
    order = np.argsort(-weight)
    chance = len(values) ** 2 / 2 * np.exp(-weight[order])
    told = np.flatnonzero(chance <= _CHANCE_SHARE * np.arange(1, len(order) + 1))
    return pairs[order[: told.max(initial=-1) + 1]]


def _coded(case: Case) -> np.ndarray:
    """Return predictors, and follow-up where there is one, as whole numbers: close values alike, constant columns left out."""
    columns = {name: case.data.X[name] for name in case.data.X}
    if case.follow is not None:
        columns["\0time"] = pd.Series(case.follow.time)
    coded = [_close(column) for column in columns.values() if column.nunique() > 1]
    return np.column_stack(coded) if coded else np.zeros((len(case.persons), 0), int)


def _close(column: pd.Series) -> np.ndarray:
    """Return values as whole numbers, those alike that round to one multiple of :data:`_CLOSE` SD (by the middle half, if it has any)."""
    if not pd.api.types.is_numeric_dtype(column):
        return pd.factorize(column)[0]
    low, high = column.quantile([0.25, 0.75])
    grain = _CLOSE * ((high - low) / 1.35 or column.std() or 1.0)
    return pd.factorize((column / grain).round())[0]


def _telling(values: np.ndarray) -> np.ndarray:
    """Return, for each value, the negative logarithm of its share in its column; that both are missing tells nothing."""
    telling = np.empty(values.shape)
    for j in range(values.shape[1]):
        _, where, counts = np.unique(values[:, j], return_inverse=True, return_counts=True)
        telling[:, j] = np.where(values[:, j] < 0, 0.0, -np.log(counts / len(values))[where])
    return telling


def _independent(values: np.ndarray) -> float:
    """Return the share of the columns' information that is not told twice: the effective number of columns by their rank correlations.

    The inverse of the mean squared correlation (the participation ratio of the eigenvalues), over the number of columns.
    """
    ranks = pd.DataFrame(values).rank().to_numpy()
    correlations = np.nan_to_num(np.corrcoef(ranks, rowvar=False))
    return float(len(correlations) / np.sum(correlations**2))


def _pairs_within(part: np.ndarray) -> np.ndarray:
    """Return pairs of rows that are equal throughout a part of the columns."""
    keys = pd.util.hash_pandas_object(pd.DataFrame(part), index=False).to_numpy()
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0])
    pairs = [np.zeros((0, 2), int)]
    for group in np.split(order, starts[1:]):
        if 2 <= len(group) <= _MOST_IN_GROUP:
            one, other = np.triu_indices(len(group), 1)
            pairs.append(np.sort(np.column_stack([group[one], group[other]]), axis=1))
    return np.concatenate(pairs)
