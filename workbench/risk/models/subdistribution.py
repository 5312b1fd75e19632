"""The partial likelihood of Fine and Gray, whose risk sets keep those with another cause at a weight that fades.

Fine and Gray (1999), JASA 94:496, sections 3 and 4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from workbench.risk.survival.curves import censoring_survival

__all__ = ["SubdistributionLikelihood", "WeightedRiskSets", "maximised", "weighted_risk_sets"]

_STEPS = 50
_TOLERANCE = 1e-10


class SubdistributionLikelihood(NamedTuple):
    """The log partial likelihood with weighted risk sets, at a point.

    Parameters
    ----------
    value : float
        Its value.
    gradient, information : ndarray of float
        Its first and negative second derivatives.
    hazard : ndarray of float, shape (m,)
        By how much the cumulative subdistribution hazard rises at each event time.
    mean : ndarray of float, shape (m, p)
        Of the columns among those at risk at each event time.
    """

    value: float
    gradient: np.ndarray
    information: np.ndarray
    hazard: np.ndarray
    mean: np.ndarray


class WeightedRiskSets(NamedTuple):
    """Rows by rising time, and where the event times of cause 1 stand among them; G is the probability not to be censored.

    Parameters
    ----------
    x : ndarray of float, shape (n, p)
        Columns.
    time : ndarray of float, shape (n,)
        Of event or censoring.
    event, censored : ndarray of bool, shape (n,)
        Who had cause 1, and who none.
    other : ndarray of float, shape (n,)
        1 / G(T-) of those with another cause, else 0.
    times, deaths, free : ndarray of float, shape (m,)
        Distinct event times, events at each, and G(t-) there.
    place : ndarray of int, shape (m,)
        Rows before each event time.
    """

    x: np.ndarray
    time: np.ndarray
    event: np.ndarray
    other: np.ndarray
    censored: np.ndarray
    times: np.ndarray
    deaths: np.ndarray
    place: np.ndarray
    free: np.ndarray

    def derivatives(self, beta: np.ndarray) -> SubdistributionLikelihood:
        """Return the log partial likelihood with weighted risk sets, and its derivatives."""
        eta = self.x @ beta
        risk = np.exp(eta)
        columns = np.column_stack([np.ones(len(risk)), self.x]) * risk[:, None]
        left = _from_here(columns)[self.place]
        gone = _before_here(columns * self.other[:, None])[self.place]
        sums = left + self.free[:, None] * gone
        hazard = self.deaths / sums[:, 0]
        mean = sums[:, 1:] / sums[:, [0]]
        exposure = risk * (self._up_to(hazard) + self.other * self._after(self.free * hazard))
        information = (self.x * exposure[:, None]).T @ self.x - (mean * self.deaths[:, None]).T @ mean
        value = eta[self.event].sum() - self.deaths @ np.log(sums[:, 0])
        gradient = self.x[self.event].sum(axis=0) - self.deaths @ mean
        return SubdistributionLikelihood(float(value), gradient, information, hazard, mean)

    def score_residuals(self, beta: np.ndarray, top: SubdistributionLikelihood) -> np.ndarray:
        """Return each person's part of the score, with what it owes to the estimated censoring: Fine and Gray's eta and psi."""
        risk = np.exp(self.x @ beta)[:, None]
        rise, weighted = top.hazard[:, None], (self.free * top.hazard)[:, None]
        own = np.zeros_like(self.x)
        own[self.event] = self.x[self.event] - top.mean[np.searchsorted(self.times, self.time[self.event])]
        own -= risk * (self.x * self._up_to(rise) - self._up_to(rise * top.mean))
        rest, rest_mean = self._after(weighted), self._after(weighted * top.mean)
        own -= risk * self.other[:, None] * (self.x * rest - rest_mean)
        return own + self._of_censoring(risk * self.other[:, None], weighted, top.mean)

    def _of_censoring(self, gone: np.ndarray, weighted: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return the part of each person in the estimate of G: psi."""
        first = np.searchsorted(self.time, self.time)
        at_risk = (len(self.time) - first).astype(float)[:, None]
        later0, later1 = self._from(weighted), self._from(weighted * mean)
        pull = _before_here(gone * self.x)[first] * later0 - _before_here(gone)[first] * later1
        hazard = self.censored[:, None] / at_risk
        cumulated = np.vstack([np.zeros(pull.shape[1]), np.cumsum(pull / at_risk * hazard, axis=0)])
        return self.censored[:, None] * pull / at_risk - cumulated[np.searchsorted(self.time, self.time, side="right")]

    def _up_to(self, rise: np.ndarray) -> np.ndarray:
        """Sum over event times up to and with each row's time."""
        return _before_here(rise)[np.searchsorted(self.times, self.time, side="right")]

    def _after(self, rise: np.ndarray) -> np.ndarray:
        """Sum over event times after each row's time."""
        return _from_here(rise)[np.searchsorted(self.times, self.time, side="right")]

    def _from(self, rise: np.ndarray) -> np.ndarray:
        """Sum over event times from each row's time on."""
        return _from_here(rise)[np.searchsorted(self.times, self.time)]


def _before_here(rows: np.ndarray) -> np.ndarray:
    """Return the sums of all rows before each place, of one row more."""
    return np.concatenate([np.zeros_like(rows[:1]), np.cumsum(rows, axis=0)])


def _from_here(rows: np.ndarray) -> np.ndarray:
    """Return the sums of all rows from each place on, of one row more."""
    return np.concatenate([np.cumsum(rows[::-1], axis=0)[::-1], np.zeros_like(rows[:1])])


def weighted_risk_sets(x: np.ndarray, time: np.ndarray, event: np.ndarray, y: np.ndarray) -> WeightedRiskSets:
    """Find who is at risk of cause 1 at its event times, with which weight.

    Parameters
    ----------
    x : ndarray of float, shape (n, p)
        Columns.
    time, event : ndarray, shape (n,)
        Times and causes, 0 for none.
    y : structured ndarray of shape (n,)
        The same as an outcome.

    Returns
    -------
    WeightedRiskSets
        By rising time.
    """
    order = np.argsort(time, kind="stable")
    x, time, event = x[order], time[order], event[order]
    times, deaths = np.unique(time[event == 1], return_counts=True)
    other = np.zeros(len(time))
    other[event > 1] = 1 / censoring_survival(y, time[event > 1])
    free = censoring_survival(y, times)
    return WeightedRiskSets(x, time, event == 1, other, event == 0, times, deaths.astype(float), np.searchsorted(time, times), free)


def maximised(sets: WeightedRiskSets, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Find the maximum of the penalised likelihood by Newton's method with step halving.

    Parameters
    ----------
    sets : WeightedRiskSets
        Of n persons.
    alpha : float
        Ridge.

    Returns
    -------
    tuple of ndarray of float, shape (p,)
        The coefficients, and the last step, which a finite maximum makes small.
    """
    beta = np.zeros(sets.x.shape[1])
    at = sets.derivatives(beta)
    for _ in range(_STEPS):
        goal = at.value - alpha / 2 * beta @ beta
        information = at.information + alpha * np.eye(len(beta))
        step, size = np.linalg.lstsq(information, at.gradient - alpha * beta)[0], 1.0
        then = sets.derivatives(beta + step)
        while not then.value - alpha / 2 * ((beta + size * step) ** 2).sum() >= goal - 1e-12 * abs(goal) and size > 1e-8:
            size /= 2
            then = sets.derivatives(beta + size * step)
        beta, at = beta + size * step, then
        if at.value - alpha / 2 * beta @ beta - goal <= _TOLERANCE * abs(goal):
            break
    return beta, step
