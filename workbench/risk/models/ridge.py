"""How strong a ridge should be."""

from __future__ import annotations

import numpy as np

from workbench.errors import DefinitionError

__all__ = ["BY_AIC", "check_alpha", "ridge_by_aic"]

#: In the place of a number: Akaike's criterion chooses.
BY_AIC = "aic"

#: The strengths that are tried.
_STRENGTHS = np.geomspace(0.1, 10_000, 101)


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
    if alpha != BY_AIC and (isinstance(alpha, str) or not (np.isfinite(alpha) and alpha >= 0)):
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
    return float(_STRENGTHS[np.nanargmin(criterion)] if (room > 0).any() else _STRENGTHS[-1])
