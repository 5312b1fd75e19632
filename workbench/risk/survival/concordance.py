"""Concordance: how often, of two persons, the one with the higher risk has the event first.

A pair counts where the earlier time is an event, and the other was at risk then. Ties are as in R's survival package: of two events at one
time neither is earlier; who is censored at the time of an event outlived it; equal risks count one half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from workbench.errors import DataError
from workbench.risk.survival.curves import censoring_survival
from workbench.risk.survival.outcome import Follow, follow

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["antolini", "harrell", "uno"]

_CHUNK = 4_000_000


def harrell(y: np.ndarray, risk: ArrayLike) -> float:
    """Return Harrell's C.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.
    risk : array-like of float, shape (n,)
        Higher where the event is expected earlier.

    Returns
    -------
    float
        0.5 where the risks tell nothing, 1 where they order all pairs. With much censoring it depends on who was censored; see :func:`uno`.

    Raises
    ------
    DataError
        If no pair can be compared, or a risk is missing.

    Notes
    -----
    Harrell et al. (1982), JAMA 247:2543. Pairs are counted in O(n log n).

    Examples
    --------
    >>> from workbench.risk.survival.outcome import outcome
    >>> harrell(outcome([1, 2, 3], [True, True, False]), [3, 1, 2])
    0.6666666666666666
    """
    given = follow(y)
    return _share(given, _checked(risk, given), np.ones(len(given.time)))


def uno(y: np.ndarray, risk: ArrayLike, *, train: np.ndarray | None = None, tau: float | None = None) -> float:
    """Return Uno's C, whose limit does not depend on the censoring.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.
    risk : array-like of float, shape (n,)
        Higher where the event is expected earlier.
    train : structured ndarray, optional
        Outcomes from which the censoring is estimated; by default `y`.
    tau : float, optional
        Events after it do not count; by default up to the last time at which censoring leaves anybody.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    DataError
        If no pair can be compared, a risk is missing, or everybody is censored before `tau`.

    Notes
    -----
    Uno et al. (2011), Statistics in Medicine 30:1105: each event counts with the inverse square of the probability not to be censored
    before it.
    """
    given = follow(y)
    left = censoring_survival(y if train is None else train, given.time)
    counts = given.event.astype(bool) & (left > 0 if tau is None else given.time < tau)
    if (counts & (left <= 0)).any():
        raise DataError(
            f"everybody is censored before tau={tau}", zh=f"在 tau={tau} 之前已全部删失", hint="choose tau within the follow-up"
        )
    weight = np.zeros(len(left))
    weight[counts] = left[counts] ** -2.0
    return _share(given, _checked(risk, given), weight)


def antolini(y: np.ndarray, survival: ArrayLike, times: ArrayLike) -> float:
    """Return Antolini's C for risks whose order changes with time.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes.
    survival : array-like of float, shape (n, m)
        Each person's probability of no event up to each of `times`.
    times : array-like of float, shape (m,)
        Rising; between them survival is a step that falls at each.

    Returns
    -------
    float
        The share of pairs in which, when the one had the event, the other's survival was higher.

    Raises
    ------
    DataError
        If shapes do not fit or no pair can be compared.

    Notes
    -----
    Antolini, Boracchi and Biganzoli (2005), Statistics in Medicine 24:3927.
    """
    given, survival, times = follow(y), np.asarray(survival, float), np.asarray(times, float)
    if survival.shape != (len(given.time), len(times)) or (np.diff(times) <= 0).any():
        raise DataError(
            f"survival of shape {survival.shape} for {len(given.time)} persons and {len(times)} times",
            hint="a row a person, a column a time, times rising",
        )
    entry = np.full(len(given.time), -np.inf) if given.entry is None else given.entry
    whole = np.column_stack((np.ones(len(survival)), survival))
    better = pairs = 0.0
    events = np.flatnonzero(given.event)
    step = max(1, _CHUNK // len(survival))
    for a in range(0, len(events), step):
        some = events[a : a + step]
        when = given.time[some]
        at = whole[:, np.searchsorted(times, when, side="right")]
        later = (given.time[:, None] > when) | ((given.time[:, None] == when) & ~given.event.astype(bool)[:, None])
        later &= entry[:, None] < when
        own = at[some, np.arange(len(some))]
        better += ((at > own) & later).sum() + 0.5 * ((at == own) & later).sum()
        pairs += later.sum()
    return _ratio(better, pairs)


def _checked(risk: ArrayLike, given: Follow) -> np.ndarray:
    risk = np.asarray(risk, float)
    if risk.shape != given.time.shape:
        raise DataError(f"risks of shape {risk.shape} for {len(given.time)} persons")
    if np.isnan(risk).any():
        raise DataError(f"{int(np.isnan(risk).sum())} of {len(risk)} risks are missing")
    return risk


def _share(given: Follow, risk: np.ndarray, weight: np.ndarray) -> float:
    levels, rank = np.unique(risk, return_inverse=True)
    order = np.argsort(-given.time)
    leave = np.empty(0, np.int64) if given.entry is None else np.argsort(-given.entry)
    entry = np.empty(0) if given.entry is None else given.entry[leave]
    return _ratio(*_count(order, given.time, given.event.astype(np.bool_), rank, weight, leave, entry, len(levels)))


def _ratio(better: float, pairs: float) -> float:
    if not pairs:
        raise DataError(
            "no pair of persons can be compared", zh="没有可以比较先后的两人", hint="there must be an event before somebody's last time"
        )
    return float(better / pairs)


@numba.njit(cache=True)
def _count(order, time, event, rank, weight, leave, entry, levels):
    """Count pairs from the latest time on; a Fenwick tree holds how many persons at risk have each risk or less."""
    tree, same = np.zeros(levels + 1, np.int64), np.zeros(levels, np.int64)
    better = pairs = 0.0
    inside = gone = begin = 0
    while begin < len(order):
        end, now = begin, time[order[begin]]
        while end < len(order) and time[order[end]] == now:
            end += 1
        while gone < len(leave) and entry[gone] >= now:
            _add(tree, same, rank[leave[gone]], -1)
            inside -= 1
            gone += 1
        for events in (False, True):
            if events:
                for i in order[begin:end]:
                    if event[i] and weight[i] > 0:
                        better += weight[i] * (_below(tree, rank[i]) + 0.5 * same[rank[i]])
                        pairs += weight[i] * inside
            for i in order[begin:end]:
                if event[i] == events:
                    _add(tree, same, rank[i], 1)
                    inside += 1
        begin = end
    return better, pairs


@numba.njit(cache=True)
def _add(tree, same, rank, one):
    same[rank] += one
    at = rank + 1
    while at < len(tree):
        tree[at] += one
        at += at & -at


@numba.njit(cache=True)
def _below(tree, rank):
    total = 0
    while rank > 0:
        total += tree[rank]
        rank -= rank & -rank
    return total
