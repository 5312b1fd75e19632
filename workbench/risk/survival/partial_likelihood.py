r"""The partial likelihood of Cox, its gradient and its Hessian, in one sweep down the sorted times.

With :math:`r_i = w_i e^{x_i\beta}`, the sums over who is at risk at an event time, :math:`S_0 = \sum r_i` and
:math:`S_1 = \sum r_i x_i`, and the same sums :math:`D_0, D_1` over its d tied events, Efron's likelihood has the terms
:math:`\varphi_l = S_0 - (l/d) D_0`, l = 0 .. d-1; Breslow's has l/d = 0. The second moments need no running p x p sums:
who is at risk meets the event times between entry and time, so that

.. math:: \sum_k \sum_l \frac{S_2 - (l/d) D_2}{\varphi_l} = \sum_i r_i a_i x_i x_i^T,

one weighted Gram matrix, where :math:`a_i` is the cumulated hazard that i was exposed to; and the outer products of the first moments
are a Gram matrix over event times. Memory beyond the data is a chunk's. Weights are as in R's survival package: an event time's terms
have the mean weight of its events.

Efron (1977), JASA 72:557; Therneau and Grambsch (2000), chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench.risk.survival.outcome import Follow

__all__ = ["Derivatives", "RiskSets", "derivatives", "risk_sets", "score_residuals"]

_CHUNK = 8192


class _Chunk(NamedTuple):
    """Rows that come to be at risk, rows that leave it, and the event times they meet: as much as one sweep holds in memory."""

    rows: slice
    leaving: slice
    times: slice


@dataclass(frozen=True)
class RiskSets:
    """Who was at risk at which event time: all that does not depend on the covariates.

    Parameters
    ----------
    order : ndarray of int, shape (n,)
        The persons, stratum by stratum, latest time first; the other arrays count rows in this order.
    weight : ndarray of float, shape (n,)
        Of each row.
    leave : ndarray of int
        Rows with delayed entry, stratum by stratum, latest entry first: on the way back in time they leave.
    time, stratum : ndarray, shape (m,)
        The event times, stratum by stratum, latest first.
    upto, gone : ndarray of int, shape (m,)
        How many rows and how many of `leave` have come by at each event time.
    begin, begin_gone : ndarray of int, shape (m,)
        The same where its stratum begins.
    first, last : ndarray of int, shape (n,)
        Each row was at risk at the event times from `first` up to and without `last`.
    events, event_time : ndarray of int, shape (e,)
        Rows with an event, and the number of its time.
    tied : ndarray of int, shape (m,)
        Events at each event time.
    mean_weight : ndarray of float, shape (m,)
        Of these events.
    efron : bool
        Whether ties are Efron's, else Breslow's.
    chunks : tuple
        How to sweep.
    """

    order: np.ndarray
    weight: np.ndarray
    leave: np.ndarray
    time: np.ndarray
    stratum: np.ndarray
    upto: np.ndarray
    gone: np.ndarray
    begin: np.ndarray
    begin_gone: np.ndarray
    first: np.ndarray
    last: np.ndarray
    events: np.ndarray
    event_time: np.ndarray
    tied: np.ndarray
    mean_weight: np.ndarray
    efron: bool
    chunks: tuple[_Chunk, ...]


def risk_sets(given: Follow, *, strata: np.ndarray | None = None, weight: np.ndarray | None = None, efron: bool = True) -> RiskSets:
    """Sort persons into risk sets.

    Parameters
    ----------
    given : Follow
        The outcome of n persons.
    strata : ndarray of int, shape (n,), optional
        Each stratum has a baseline hazard of its own.
    weight : ndarray of float, shape (n,), optional
        Case weights, not negative.
    efron : bool
        Whether ties are Efron's, else Breslow's.

    Returns
    -------
    RiskSets
        With an event time for each time and stratum that had an event of positive weight.
    """
    n = len(given.time)
    strata = np.zeros(n, np.int64) if strata is None else strata
    order = np.lexsort((-given.time, strata))
    strata, time = strata[order], given.time[order]
    weight = np.ones(n) if weight is None else weight[order]
    event = given.event.astype(bool)[order] & (weight > 0)

    ends = np.flatnonzero(np.r_[(time[1:] != time[:-1]) | (strata[1:] != strata[:-1]), True])
    count = np.add.reduceat(event.astype(np.int64), np.r_[0, ends[:-1] + 1])
    at = ends[count > 0]
    tied, stratum, when = count[count > 0], strata[at], time[at]
    events = np.flatnonzero(event)
    event_time = np.repeat(np.arange(len(at)), tied)

    first = np.searchsorted(at, np.arange(n))
    last = np.searchsorted(stratum, strata, side="right")
    leave, gone = np.empty(0, np.int64), np.zeros(len(at), np.int64)
    if given.entry is not None:
        entry = given.entry[order]
        leave = np.flatnonzero(entry > 0)
        leave = leave[np.lexsort((-entry[leave], strata[leave]))]
        into = _latest_first(np.r_[when, entry])
        left, met = into(strata[leave], entry[leave]), into(stratum, when)
        gone, last = np.searchsorted(left, met, side="right"), np.searchsorted(met, into(strata, entry))
    upto = at + 1
    return RiskSets(
        order=order,
        weight=weight,
        leave=leave,
        time=when,
        stratum=stratum,
        upto=upto,
        gone=gone,
        begin=np.searchsorted(strata, stratum),
        begin_gone=np.searchsorted(strata[leave], stratum),
        first=first,
        last=last,
        events=events,
        event_time=event_time,
        tied=tied,
        mean_weight=np.bincount(event_time, weight[events], len(at)) / tied,
        efron=efron,
        chunks=tuple(_chunks(upto, gone)),
    )


def _latest_first(times: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return the function from strata and times to whole numbers that are in order stratum by stratum, latest time first."""
    known = np.unique(times)
    return lambda strata, at: (strata + 1) * len(known) - np.searchsorted(known, at)


def _chunks(upto: np.ndarray, gone: np.ndarray) -> Iterator[_Chunk]:
    """Cut the sweep where an event time ends, before it holds more than _CHUNK rows if it can be."""
    moved = upto + gone
    a = 0
    while a < len(upto):
        before = moved[a - 1] if a else 0
        b = max(int(np.searchsorted(moved, before + _CHUNK, side="right")), a + 1)
        yield _Chunk(slice(upto[a - 1] if a else 0, upto[b - 1]), slice(gone[a - 1] if a else 0, gone[b - 1]), slice(a, b))
        a = b


# ---------------------------------------------------------------------------------------------------------------- sweeping


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
def _sums(x, risk, place, upto, begin, carried):
    """Sum x r over the columns from a stratum's begin up to each event time; `carried` brings the sums at `place`, keeps the last."""
    sums = np.empty((len(x), len(upto)))
    for row in range(len(x)):
        total, at = carried[row], place
        for k in range(len(upto)):
            if begin[k] >= at:
                total, at = 0.0, begin[k]
            part = 0.0
            for column in range(at, upto[k]):
                part += x[row, column] * risk[column]
            total, at = total + part, upto[k]
            sums[row, k] = total
        carried[row] = total
    return sums


class _Moments(NamedTuple):
    """What a chunk's event times know: sums over who is at risk and over the tied events, and sums over Efron's terms.

    Parameters
    ----------
    times : slice
        Which event times.
    at_risk, tied : ndarray of float, shape (p + 1, m)
        Sums of r and of r x.
    log : float
        The sum of the logarithms.
    hazard, tied_hazard : ndarray of float, shape (m,)
        Sums of c/phi and of f c/phi.
    squares : tuple of ndarray
        Sums of c/phi^2, f c/phi^2 and f^2 c/phi^2.
    """

    times: slice
    at_risk: np.ndarray
    tied: np.ndarray
    log: float
    hazard: np.ndarray
    tied_hazard: np.ndarray
    squares: tuple[np.ndarray, np.ndarray, np.ndarray]


def _sweep(sets: RiskSets, x: np.ndarray, risk: np.ndarray) -> Iterator[_Moments]:
    """Yield the moments of each chunk; `x` has a row of ones above the covariates, a column a person."""
    came, left = np.zeros(len(x)), np.zeros(len(x))
    for rows, leaving, times in sets.chunks:
        at_risk = _sums(x, risk, rows.start, sets.upto[times], sets.begin[times], came)
        if len(sets.leave):
            gone, before = sets.leave[leaving], leaving.start
            at_risk -= _sums(x.take(gone, axis=1), risk[gone], 0, sets.gone[times] - before, sets.begin_gone[times] - before, left)
        yield _terms(sets, times, at_risk, x, risk)


def _terms(sets: RiskSets, times: slice, at_risk: np.ndarray, x: np.ndarray, risk: np.ndarray) -> _Moments:
    count = sets.tied[times]
    tied = np.zeros_like(at_risk)
    if sets.efron and count.max() > 1:
        events = sets.events[slice(*np.searchsorted(sets.event_time, (times.start, times.stop)))]
        _tied_sums(x, risk, events, count, tied)
    log, hazard, tied_hazard, *squares = _over_terms(at_risk[0], tied[0], count, sets.mean_weight[times], sets.efron)
    return _Moments(times, at_risk, tied, log, hazard, tied_hazard, tuple(squares))


@numba.njit(cache=True, error_model="numpy")
def _tied_sums(x, risk, events, count, sums):
    """Add x r over the events of each event time to `sums`."""
    for row in range(len(x)):
        event = 0
        for k in range(len(count)):
            for _ in range(count[k]):
                sums[row, k] += x[row, events[event]] * risk[events[event]]
                event += 1


@numba.njit(cache=True, error_model="numpy")
def _over_terms(at_risk, tied, count, weight, efron):
    """Sum c log(phi), c/phi, f c/phi, c/phi^2, f c/phi^2 and f^2 c/phi^2 over the terms l of each event time; f is Efron's l/d."""
    log, sums = 0.0, np.zeros((5, len(count)))
    for k in range(len(count)):
        for term in range(count[k]):
            share = term / count[k] if efron else 0.0
            phi = at_risk[k] - share * tied[k]
            one = weight[k] / phi
            two = one / phi
            log += weight[k] * np.log(phi)
            sums[0, k] += one
            sums[1, k] += share * one
            sums[2, k] += two
            sums[3, k] += share * two
            sums[4, k] += share * share * two
    return log, sums[0], sums[1], sums[2], sums[3], sums[4]


class Derivatives(NamedTuple):
    """The log partial likelihood at a point.

    Parameters
    ----------
    value : float
        Its value.
    gradient : ndarray of float, shape (p,)
        Its first derivatives, the score.
    information : ndarray of float, shape (p, p)
        Its negative second derivatives.
    hazard : ndarray of float, shape (m,)
        By how much the cumulative baseline hazard rises at each event time, for a person whose covariates are 0; Efron's estimator or
        Breslow's, as the ties are.
    """

    value: float
    gradient: np.ndarray
    information: np.ndarray
    hazard: np.ndarray


def derivatives(sets: RiskSets, x: np.ndarray, beta: np.ndarray) -> Derivatives:
    """Return the log partial likelihood and its derivatives.

    Parameters
    ----------
    sets : RiskSets
        Of n persons.
    x : ndarray of float, shape (p + 1, n)
        A row of ones, then a row a covariate; persons in the order of `sets`.
    beta : ndarray of float, shape (p,)
        Where.

    Returns
    -------
    Derivatives
        With a value of minus infinity where `beta` is too large for numbers.
    """
    eta, risk, centre = _risk(sets, x, beta)
    value = float(sets.weight[sets.events] @ eta[sets.events])
    hazard, tied_hazard = np.empty(len(sets.time)), np.empty(len(sets.time))
    firsts = np.zeros((len(beta), len(beta)))
    with np.errstate(all="ignore"):
        for part in _sweep(sets, x, risk):
            value -= part.log
            hazard[part.times], tied_hazard[part.times] = part.hazard, part.tied_hazard
            firsts += _outer(part)
        exposure = risk * _exposure(sets, hazard, tied_hazard)
        if not np.isfinite(value) or not np.isfinite(exposure).all():
            return Derivatives(-np.inf, np.zeros(len(beta)), np.zeros((len(beta), len(beta))), hazard)
        gradient = x[1:] @ (_event_weight(sets) - exposure)
        seconds = np.zeros_like(firsts)
        root = np.sqrt(np.maximum(exposure, 0))
        for a in range(0, len(root), _CHUNK):
            scaled = x[1:, a : a + _CHUNK] * root[a : a + _CHUNK]
            seconds += scaled @ scaled.T
    return Derivatives(value, gradient, seconds - firsts, hazard * np.exp(-centre))


def _risk(sets: RiskSets, x: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return log hazard ratios against their mean, weighted hazard ratios, and the mean."""
    eta = beta @ x[1:]
    centre = float(eta.mean())
    eta -= centre
    with np.errstate(over="ignore"):
        return eta, sets.weight * np.exp(eta), centre


def _outer(part: _Moments) -> np.ndarray:
    """Sum the outer products of the first moments over Efron's terms, by completing the square."""
    q0, q1, q2 = part.squares
    at_risk, root = part.at_risk[1:], np.sqrt(q0)
    if not q1.any():
        scaled = at_risk * root
        return scaled @ scaled.T
    tied = part.tied[1:]
    scaled, rest = at_risk * root - tied * (q1 / root), tied * np.sqrt(np.maximum(q2 - q1**2 / q0, 0))
    return scaled @ scaled.T + rest @ rest.T


def _exposure(sets: RiskSets, hazard: np.ndarray, tied_hazard: np.ndarray) -> np.ndarray:
    """Return the cumulated hazard that each row was exposed to while it was at risk; an event's own time counts in part."""
    total = np.concatenate(([0.0], np.cumsum(hazard)))
    exposure = total[sets.last] - total[sets.first]
    exposure[sets.events] -= tied_hazard[sets.event_time]
    return exposure


def _event_weight(sets: RiskSets) -> np.ndarray:
    weight = np.zeros(len(sets.weight))
    weight[sets.events] = sets.weight[sets.events]
    return weight


def score_residuals(sets: RiskSets, x: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return what each person adds to the score.

    Parameters
    ----------
    sets, x, beta
        As :func:`derivatives` takes them.

    Returns
    -------
    ndarray of float, shape (n, p)
        In the order of `sets`, times the weights; their sum is the gradient.

    Notes
    -----
    Therneau and Grambsch (2000), section 4.6, with Efron's terms as in R's ``residuals.coxph``.
    """
    _, risk, _ = _risk(sets, x, beta)
    hazard, tied_hazard = np.empty(len(sets.time)), np.empty(len(sets.time))
    mean, tied_mean, own = (np.empty((len(beta), len(sets.time))) for _ in range(3))
    for part in _sweep(sets, x, risk):
        q0, q1, q2 = part.squares
        at_risk, tied, at = part.at_risk[1:], part.tied[1:], part.times
        hazard[at], tied_hazard[at] = part.hazard, part.tied_hazard
        mean[:, at], tied_mean[:, at] = at_risk * q0 - tied * q1, at_risk * q1 - tied * q2
        own[:, at] = (at_risk * part.hazard - tied * part.tied_hazard) / (sets.tied[at] * sets.mean_weight[at])
    total = np.concatenate((np.zeros((len(beta), 1)), np.cumsum(mean, axis=1)), axis=1)
    passed = total[:, sets.last] - total[:, sets.first]
    passed[:, sets.events] -= tied_mean[:, sets.event_time]
    residuals = risk * (passed - x[1:] * _exposure(sets, hazard, tied_hazard))
    residuals[:, sets.events] += sets.weight[sets.events] * (x[1:, sets.events] - own[:, sets.event_time])
    return residuals.T
