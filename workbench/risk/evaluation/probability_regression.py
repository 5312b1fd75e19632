"""Regression of probabilities: how what happened depends on what was predicted.

A binary outcome is regressed by logistic regression; a pseudo-observation, which may lie outside of 0 and 1, by least squares with the
complementary log-log link, under which proportional hazards are a straight line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import expit, logit

from workbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLOGLOG", "LOGIT", "Link", "Regression", "regress"]

_STEPS = 100
_TOLERANCE = 1e-8
#: A curvature of this condition, in units of each column, has a direction in which nothing is known: coefficients lead to infinity.
_FLAT = 1e12


class Link(NamedTuple):
    """How probabilities and linear predictors belong together.

    Parameters
    ----------
    link : callable
        Of a probability, gives the linear predictor.
    inverse : callable
        Of a linear predictor, gives the probability.
    slope : callable
        Of a linear predictor, gives the derivative of the inverse.
    bend : callable
        The derivative of that.
    binomial : bool
        Whether outcomes are binary, with the likelihood's weights; else least squares with errors of their own for each person.
    """

    link: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    bend: Callable[[np.ndarray], np.ndarray]
    binomial: bool


def _logistic_slope(eta: np.ndarray) -> np.ndarray:
    return expit(eta) * expit(-eta)


def _logistic_bend(eta: np.ndarray) -> np.ndarray:
    return _logistic_slope(eta) * (expit(-eta) - expit(eta))


def _double_log(p: np.ndarray) -> np.ndarray:
    return np.log(-np.log1p(-p))


def _double_exp(eta: np.ndarray) -> np.ndarray:
    return -np.expm1(-np.exp(np.minimum(eta, 50)))


def _double_slope(eta: np.ndarray) -> np.ndarray:
    eta = np.minimum(eta, 50)
    return np.exp(eta - np.exp(eta))


def _double_bend(eta: np.ndarray) -> np.ndarray:
    return -_double_slope(eta) * np.expm1(np.minimum(eta, 50))


#: The log odds, for binary outcomes.
LOGIT = Link(logit, expit, _logistic_slope, _logistic_bend, binomial=True)
#: The complementary log-log, for pseudo-observations.
CLOGLOG = Link(_double_log, _double_exp, _double_slope, _double_bend, binomial=False)


class Regression(NamedTuple):
    """Coefficients and their errors.

    Parameters
    ----------
    coefficients : ndarray of float, shape (p,)
        On the link's scale.
    std_errors : ndarray of float, shape (p,)
        From the likelihood for binary outcomes, else robust (the sandwich).
    """

    coefficients: np.ndarray
    std_errors: np.ndarray


def regress(observed: np.ndarray, x: np.ndarray, link: Link, *, offset: np.ndarray | float = 0.0, start: np.ndarray) -> Regression:
    """Fit ``link(E[observed]) = offset + x @ coefficients``.

    Parameters
    ----------
    observed : ndarray of float, shape (n,)
        Outcomes or pseudo-observations.
    x : ndarray of float, shape (n, p)
        Columns, with one of ones if there is to be an intercept.
    link : Link
        LOGIT for outcomes, CLOGLOG for pseudo-observations.
    offset : ndarray of float, shape (n,), or float
        What has the coefficient 1.
    start : ndarray of float, shape (p,)
        Where the search begins.

    Returns
    -------
    Regression
        With the coefficients.

    Raises
    ------
    DataError
        If they have no finite value, or the search finds none.

    Notes
    -----
    Newton's method with step halving. The pseudo-observations are regressed as by ``geepack::geese`` in R with a normal variance and
    independence: Klein and Andersen (2005), Biometrics 61:223; van Geloven et al. (2022), BMJ 377:e069249.
    """
    problem, beta = _Problem(observed, x, link, offset), start.astype(float)
    for _ in range(_STEPS):
        parts, expected = problem.scored(beta)
        if _flat(expected):
            break
        step, size, goal = np.linalg.solve(problem.curvature(beta, expected), parts.sum(axis=0)), 1.0, problem.goal(beta)
        while problem.goal(beta + size * step) > goal + 1e-12 * abs(goal) and size > 1e-8:
            size /= 2
        beta = beta + size * step
        if np.abs(step).max() < _TOLERANCE * (1 + np.abs(beta).max()):
            return Regression(beta, problem.errors(beta))
    raise DataError(
        "calibration has no finite intercept or slope",
        zh="校准截距或斜率没有有限的值",
        hint="the predictions tell events apart without error, or too few persons had the event",
    )


class _Problem(NamedTuple):
    observed: np.ndarray
    x: np.ndarray
    link: Link
    offset: np.ndarray | float

    def scored(self, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each person's part of the estimating function, and the expected derivative of their sum."""
        eta = self.offset + self.x @ beta
        slope = self.link.slope(eta)
        pull, weight = (1.0, slope) if self.link.binomial else (slope, slope**2)
        return self.x * ((self.observed - self.link.inverse(eta)) * pull)[:, None], (self.x * weight[:, None]).T @ self.x

    def curvature(self, beta: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Return the derivative itself where it leads to a minimum, which converges where residuals are large; else the expected one."""
        if self.link.binomial:
            return expected
        eta = self.offset + self.x @ beta
        whole = expected - (self.x * ((self.observed - self.link.inverse(eta)) * self.link.bend(eta))[:, None]).T @ self.x
        return whole if np.linalg.eigvalsh(whole)[0] > 1e-8 * np.trace(whole) else expected

    def goal(self, beta: np.ndarray) -> float:
        """Return what is to be least."""
        eta = self.offset + self.x @ beta
        if self.link.binomial:
            return float((np.logaddexp(0, eta) - self.observed * eta).sum())
        return float(((self.observed - self.link.inverse(eta)) ** 2).sum())

    def errors(self, beta: np.ndarray) -> np.ndarray:
        parts, curvature = self.scored(beta)
        inverse = np.linalg.pinv(curvature)
        return np.sqrt(np.diag(inverse if self.link.binomial else inverse @ (parts.T @ parts) @ inverse))


def _flat(curvature: np.ndarray) -> bool:
    size = np.sqrt(np.diag(curvature))
    return not size.all() or bool(np.linalg.cond(curvature / np.outer(size, size)) > _FLAT)
