"""How strong a ridge should be, and what a regression with one knows."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import DefinitionError
from workbench.risk.survival.outcome import case_weights, follow
from workbench.risk.survival.partial_likelihood import derivatives, risk_sets, score_residuals
from workbench.risk.threads import one_thread

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from workbench.risk.survival.partial_likelihood import Derivatives

__all__ = ["BY_AIC", "STRONGEST", "PartialLikelihood", "check_alpha", "ridge_by_aic"]

#: In the place of a number: Akaike's criterion chooses.
BY_AIC = "aic"

#: The strengths that are tried.
_STRENGTHS = np.geomspace(0.1, 10_000, 101)
#: Where it ends, nothing was learnt.
STRONGEST = float(_STRENGTHS[-1])


def check_alpha(alpha: float | str) -> None:
    """Refuse what is neither a strength nor :data:`BY_AIC`.

    Parameters
    ----------
    alpha : float or "aic"
        As given.

    Raises
    ------
    DefinitionError
        If it is something else.
    """
    if alpha != BY_AIC and not (isinstance(alpha, Real) and np.isfinite(alpha) and alpha >= 0):
        raise DefinitionError(f"alpha={alpha!r} is no strength of a penalty", hint=f"0 for none, a number above it, or {BY_AIC!r}")


def ridge_by_aic(information: np.ndarray, gradient: np.ndarray, beta: np.ndarray, *, size: float) -> float:
    """Choose the ridge whose effective degrees of freedom are worth their likelihood.

    Parameters
    ----------
    information : ndarray of float, shape (p, p)
        Of the log likelihood near its maximum, for covariates of standard deviation 1.
    gradient : ndarray of float, shape (p,)
        Of the log likelihood, not penalised.
    beta : ndarray of float, shape (p,)
        Where both were taken.
    size : float
        Effective sample size: events, or the rarer outcome.

    Returns
    -------
    float
        The weight of half the squared length of the coefficients, from 0.1 to 10,000.

    Notes
    -----
    Along each eigenvector of the information, of eigenvalue d, a ridge shrinks the coefficient by d / (d + alpha): that is its share of a
    degree of freedom, and the quadratic approximation tells what likelihood the shrinking costs. So Akaike's criterion of all strengths
    comes from one fit; it is the corrected one of Hurvich and Tsai (1989), Biometrika 76:297, by which no strength is right that keeps as
    many degrees of freedom as there are events. Gray (1992), JASA 87:942; Harrell (2015), Regression Modeling Strategies, section 9.10;
    R's ``rms::pentrace``.
    """
    values, vectors = np.linalg.eigh(information)
    known = values > 1e-9 * max(values[-1], 1e-300)
    d, pull = values[known], (vectors.T @ (gradient + information @ beta))[known]
    kept = d / (d + _STRENGTHS[:, None])
    df = kept.sum(axis=1)
    room = size - df - 1
    criterion = (pull**2 / d * (1 - kept) ** 2).sum(axis=1) + 2 * df * (1 + (df + 1) / np.where(room > 0, room, np.nan))
    return float(_STRENGTHS[np.nanargmin(criterion)] if (room > 0).any() else STRONGEST)


class PartialLikelihood:
    """Cox's partial likelihood of columns divided by their standard deviation.

    Parameters
    ----------
    X : array-like of float, shape (n, p)
        Columns.
    y : structured ndarray of shape (n,)
        Outcomes.
    weight : array-like of float, shape (n,), or None
        Case weights.
    efron : bool
        Whether ties are Efron's, else Breslow's.

    Raises
    ------
    DataError
        If a weight is none, or there are not n of them.
    """

    def __init__(self, X: ArrayLike, y: np.ndarray, weight: ArrayLike | None, *, efron: bool) -> None:
        values, given = np.asarray(X, float), follow(y)
        self.events = int(given.event.astype(bool).sum())
        self.sets = risk_sets(given, weight=case_weights(weight, len(values)), efron=efron)
        self.scale = values.std(axis=0)
        self.x = np.ones((1 + values.shape[1], len(values)))
        self.x[1:] = ((values - values.mean(axis=0)) / np.where(self.scale > 0, self.scale, 1))[self.sets.order].T

    def at(self, coefficients: np.ndarray) -> Derivatives:
        """Return the likelihood at coefficients per unit of each column."""
        with one_thread():
            return derivatives(self.sets, self.x, coefficients * self.scale)

    def ridge(self, coefficients: np.ndarray) -> float:
        """Return the ridge that Akaike's criterion chooses by the likelihood's curve at given coefficients."""
        top = self.at(coefficients)
        return ridge_by_aic(top.information, top.gradient, coefficients * self.scale, size=self.events)

    def scores(self, coefficients: np.ndarray) -> np.ndarray:
        """Return what each row adds to the score of the coefficients per unit of each column, of shape (n, p)."""
        residuals = np.empty((len(self.sets.order), len(self.scale)))
        with one_thread():
            residuals[self.sets.order] = score_residuals(self.sets, self.x, coefficients * self.scale) * self.scale
        return residuals

    def covariance(self, coefficients: np.ndarray, alpha: float) -> np.ndarray:
        """Return the inverse of the penalised information, per unit of each column; not a number where one is constant."""
        varies = np.flatnonzero(self.scale)
        information = self.at(coefficients).information[np.ix_(varies, varies)] + alpha * np.eye(len(varies))
        covariance = np.full((len(self.scale), len(self.scale)), np.nan)
        covariance[np.ix_(varies, varies)] = np.linalg.inv(information) / np.outer(self.scale[varies], self.scale[varies])
        return covariance
