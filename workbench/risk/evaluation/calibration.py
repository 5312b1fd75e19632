"""Calibration: whether as many have the event as were predicted to.

Every function takes a binary outcome, or outcomes with times and a horizon; of competing risks the predictions are cumulative incidences.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import norm

from workbench.locale import tr
from workbench.risk.evaluation.cox_slope import cox_slope
from workbench.risk.evaluation.horizon import binary, checked_probabilities, several_causes, until, watched
from workbench.risk.evaluation.probability_regression import CLOGLOG, LOGIT, Link, regress
from workbench.risk.evaluation.pseudo import pseudo_observations
from workbench.risk.evaluation.shares import event_share

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["calibration", "calibration_points", "linear_predictor", "target"]

#: Predictions of exactly 0 or 1, which have no place on the link's scale, are taken to be this far from it.
_EDGE = 1e-6


def target(y: ArrayLike, risk: ArrayLike, horizon: float | None, cause: int) -> tuple[np.ndarray, np.ndarray, Link]:
    """Return what predictions are compared with.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes: with times, or binary.
    risk : array-like of float, shape (n,)
        Predicted probabilities of the event.
    horizon : float or None
        By when; None for a binary outcome.
    cause : int
        Of competing risks, whose events count.

    Returns
    -------
    tuple of ndarray, ndarray and Link
        The outcomes or pseudo-observations, the predictions, and the link between them.

    Raises
    ------
    DataError
        If the outcome or a prediction is missing or cannot be evaluated.
    """
    if horizon is None:
        truth = binary(y)
        return truth.astype(float), checked_probabilities(risk, (len(truth),)), LOGIT
    given = watched(y)
    return pseudo_observations(y, horizon, cause=cause), checked_probabilities(risk, (len(given.time),)), CLOGLOG


def linear_predictor(risk: np.ndarray, link: Link) -> np.ndarray:
    """Return predictions on the link's scale.

    Parameters
    ----------
    risk : ndarray of float, shape (n,)
        Probabilities.
    link : Link
        The scale.

    Returns
    -------
    ndarray of float, shape (n,)
        Finite; a warning tells how many predictions were exactly 0 or 1 and were moved by 1e-6.
    """
    edge = int(((risk == 0) | (risk == 1)).sum())
    if edge:
        warnings.warn(
            tr(
                f"{len(risk)} 个预测值中有 {edge} 个值恰为 0 或 1，已移动 {_EDGE:g}",
                f"{edge} of {len(risk)} predictions are exactly 0 or 1 and were moved by {_EDGE:g}",
            ),
            UserWarning,
            stacklevel=3,
        )
    return link.link(np.clip(risk, _EDGE, 1 - _EDGE))


def calibration(y: ArrayLike, risk: ArrayLike, *, horizon: float | None = None, cause: int = 1, level: float = 0.95) -> pd.DataFrame:
    """Return the figures of weak calibration.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes: with times, or binary.
    risk : array-like of float, shape (n,)
        Predicted probabilities of the event, by the horizon.
    horizon : float, optional
        By when, in the unit of the outcomes; none for a binary outcome.
    cause : int
        Of competing risks, whose events count.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        `estimate`, `std_error`, `lower` and `upper` of: `expected`, the mean prediction; `observed`, the share that had the event;
        `expected_observed`, their ratio, with the error of its logarithm; `intercept`, 0 where predictions are right on the whole
        (calibration-in-the-large); `slope`, 1 where they are spread rightly, less where they are too extreme. Intercept and slope are on
        the scale of the log odds for a binary outcome, else of the complementary log-log. The slope is not a number where all
        predictions are equal.

    Raises
    ------
    DataError
        If a prediction is missing or not within 0 and 1, nobody had the event, or nobody was followed up to the horizon.

    Notes
    -----
    Van Calster et al. (2016), J Clin Epidemiol 74:167; the ratio's interval: Debray et al. (2017), BMJ 356:i6460. With times the slope is
    the coefficient of the complementary log-log of the prediction in Cox's regression, everybody censored at the horizon: McLernon et al.
    (2023), Annals of Internal Medicine 176:105. The intercept, and with competing risks the slope, are those of the regression of pseudo-
    observations: van Geloven et al. (2022), BMJ 377:e069249.

    Examples
    --------
    >>> risk = np.repeat([0.2, 0.6], 10)
    >>> y = np.r_[np.arange(10) < 2, np.arange(10) < 6]
    >>> calibration(y, risk)["estimate"].round(6).tolist()
    [0.4, 0.4, 1.0, 0.0, 1.0]
    """
    observed, risk, link = target(y, risk, horizon, cause)
    x = linear_predictor(risk, link)
    one, z = np.ones((len(x), 1)), norm.ppf((1 + level) / 2)
    share = event_share(y, horizon=horizon, cause=cause, level=level)
    ratio, error = risk.mean() / share.estimate, share.std_error / share.estimate
    rows = {
        "expected": (risk.mean(), np.nan, np.nan, np.nan),
        "observed": share,
        "expected_observed": (ratio, error, ratio * np.exp(-z * error), ratio * np.exp(z * error)),
        "intercept": _bounded(*regress(observed, one, link, offset=x, start=np.zeros(1)), z),
        "slope": (np.nan,) * 4 if np.ptp(x) == 0 else _slope(y, observed, x, link, horizon, z),
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "std_error", "lower", "upper"]).rename_axis("figure")


def _slope(y: ArrayLike, observed: np.ndarray, x: np.ndarray, link: Link, horizon: float | None, z: float) -> tuple[float, ...]:
    if horizon is None or several_causes(y):
        return _bounded(*regress(observed, np.c_[np.ones(len(x)), x], link, start=np.array([0.0, 1.0])), z)
    ended = until(y, horizon)
    return _bounded(*(np.array([each]) for each in cox_slope(x, ended["time"], ended["event"])), z)


def _bounded(coefficients: np.ndarray, errors: np.ndarray, z: float) -> tuple[float, float, float, float]:
    last, error = float(coefficients[-1]), float(errors[-1])
    return last, error, last - z * error, last + z * error


def calibration_points(
    y: ArrayLike,
    risk: ArrayLike,
    *,
    groups: int = 10,
    edges: ArrayLike | None = None,
    horizon: float | None = None,
    cause: int = 1,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return predicted and observed shares in groups of persons with similar predictions.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes: with times, or binary.
    risk : array-like of float, shape (n,)
        Predicted probabilities of the event, by the horizon.
    groups : int
        How many, of about the same size; equal predictions stay together, so there may be fewer.
    edges : array-like of float, optional
        Predictions at which the second group begins, and each after it; by `groups` where None.
    horizon : float, optional
        By when; none for a binary outcome.
    cause : int
        Of competing risks, whose events count.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        By group, from 1 for the lowest predictions: `n` persons, `events` seen up to the horizon, `predicted` on average, `observed` by
        Kaplan-Meier or Aalen-Johansen (a binary outcome's share, with Wilson's interval), `lower` and `upper`. What is observed is not a
        number where nobody of a group was followed up to the horizon.

    Raises
    ------
    DataError
        As :func:`calibration`.

    Examples
    --------
    >>> risk = np.repeat([0.2, 0.6], 10)
    >>> y = np.r_[np.arange(10) < 2, np.arange(10) < 6]
    >>> calibration_points(y, risk, groups=2)["observed"].tolist()
    [0.2, 0.6]
    """
    y = np.asarray(y)
    happened = _happened(y, horizon, cause)
    risk = checked_probabilities(risk, happened.shape)
    edges = np.quantile(risk, np.linspace(0, 1, groups + 1)[1:-1]) if edges is None else np.asarray(edges, float)
    codes = np.unique(np.searchsorted(np.unique(edges), risk, side="right"), return_inverse=True)[1]
    rows = []
    for code in range(codes.max() + 1):
        inside = codes == code
        share = event_share(y[inside], horizon=horizon, cause=cause, level=level)
        rows.append((int(inside.sum()), int(happened[inside].sum()), risk[inside].mean(), share.estimate, share.lower, share.upper))
    columns = ["n", "events", "predicted", "observed", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns, index=pd.RangeIndex(1, len(rows) + 1, name="group"))


def _happened(y: np.ndarray, horizon: float | None, cause: int) -> np.ndarray:
    if horizon is None:
        return binary(y)
    given = watched(y)
    return (given.event.astype(int) == cause) & (given.time <= horizon)
