"""The smooth calibration curve: what is observed, as a function of what was predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.risk.evaluation.calibration import linear_predictor, target
from workbench.risk.evaluation.horizon import several_causes, until
from workbench.risk.evaluation.probability_regression import regress
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.splines import harrell_knots, spline_basis

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from workbench.risk.evaluation.probability_regression import Link

__all__ = ["CalibrationCurve", "calibration_curve"]


class CalibrationCurve(NamedTuple):
    """A smooth calibration curve and how far persons lie from the diagonal.

    Parameters
    ----------
    curve : DataFrame
        `predicted`, rising, and the `observed` share at it.
    ici : float
        Integrated calibration index: the mean over persons of the distance between observed and predicted.
    e50, e90, emax : float
        Its median, 90th percentile and greatest value.
    """

    curve: pd.DataFrame
    ici: float
    e50: float
    e90: float
    emax: float


def calibration_curve(
    y: ArrayLike, risk: ArrayLike, *, horizon: float | None = None, cause: int = 1, knots: int = 3, points: int = 100
) -> CalibrationCurve:
    """Return the smooth calibration curve with ICI, E50 and E90.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes: with times, or binary.
    risk : array-like of float, shape (n,)
        Predicted probabilities of the event, by the horizon.
    horizon : float, optional
        By when; none for a binary outcome.
    cause : int
        Of competing risks, whose events count.
    knots : int
        Of the restricted cubic spline of the predictions; a straight line on the link's scale where too few predictions are distinct.
    points : int
        Of the curve, evenly from the lowest to the highest prediction.

    Returns
    -------
    CalibrationCurve
        The distances are those of the persons, whatever `points` is.

    Raises
    ------
    DataError
        As :func:`workbench.risk.evaluation.calibration.calibration`, and if all predictions are equal.

    Notes
    -----
    With times Cox's regression on a spline of the complementary log-log of the prediction, everybody censored at the horizon: Austin,
    Harrell and van Klaveren (2020), Statistics in Medicine 39:2714. With competing risks the regression of pseudo-observations on the same
    spline (van Geloven et al. 2022, BMJ 377:e069249). For a binary outcome logistic regression on a spline of the log odds: Austin and
    Steyerberg (2019), Statistics in Medicine 38:4051, with splines for loess.

    Examples
    --------
    >>> risk = np.linspace(0.05, 0.95, 400)
    >>> y = np.random.default_rng(0).random(400) < risk
    >>> calibration_curve(y, risk).ici < 0.05
    True
    """
    observed, risk, link = target(y, risk, horizon, cause)
    x = linear_predictor(risk, link)
    if np.ptp(x) == 0:
        raise DataError(
            f"all {len(x)} predictions are equal, so there is no curve",
            zh=f"{len(x)} 个预测值全部相等，没有校准曲线",
            hint="calibration gives observed and expected shares",
        )
    places = harrell_knots(x, knots)
    centre, scale = x.mean(), x.std()

    def basis(values: np.ndarray) -> np.ndarray:
        return spline_basis((values - centre) / scale, (places - centre) / scale)

    by_cox = horizon is not None and not several_causes(y)
    predict = _by_cox(y, basis(x), horizon) if by_cox else _by_regression(observed, basis(x), link, centre, scale)
    grid = np.linspace(risk.min(), risk.max(), points)
    curve = pd.DataFrame({"predicted": grid, "observed": predict(basis(link.link(grid.clip(*_within(x, link)))))})
    gap = np.abs(predict(basis(x)) - risk)
    return CalibrationCurve(curve, float(gap.mean()), float(np.median(gap)), float(np.quantile(gap, 0.9)), float(gap.max()))


def _within(x: np.ndarray, link: Link) -> np.ndarray:
    """Return the lowest and the highest prediction, none of them exactly 0 or 1."""
    return link.inverse(np.array([x.min(), x.max()]))


def _by_cox(y: np.ndarray, x: np.ndarray, horizon: float) -> Callable[[np.ndarray], np.ndarray]:
    model = CoxRegression().fit(x, until(y, horizon))
    return lambda values: 1 - model.predict_survival(values, [horizon])[:, 0]


def _by_regression(observed: np.ndarray, x: np.ndarray, link: Link, centre: float, scale: float) -> Callable[[np.ndarray], np.ndarray]:
    start = np.r_[centre, scale, np.zeros(x.shape[1] - 1)]  # from the diagonal
    coefficients = regress(observed, np.c_[np.ones(len(x)), x], link, start=start).coefficients
    return lambda values: link.inverse(np.c_[np.ones(len(values)), values] @ coefficients)
