"""Stability: how much a person's risk depends on which patients happened to be in the sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.risk.evaluation.calibration_curve import calibration_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from workbench.risk.validation.bootstrap import Bootstrap

__all__ = ["Stability", "stability"]


class Stability(NamedTuple):
    """How risks of the resamples' models differ from the model's.

    Parameters
    ----------
    persons : DataFrame
        A row each, for use inside the session: `risk`, `lower` and `upper` end of what the resamples' models say, and `mape`, the mean
        absolute difference.
    by_risk : DataFrame
        The same in groups of similar risk: `n`, and the means of `risk`, `lower`, `upper` and `mape`.
    mape : float
        The mean over persons.
    calibration : DataFrame
        Calibration curves of the resamples' models on all data: `curve`, `predicted`, `observed`. It has curves of those models alone that
        give one.
    classification : DataFrame
        By threshold: `instability`, the mean over persons of the share of models that class them otherwise than the model does; and
        `unsettled`, the share of persons whom more than a tenth of models class otherwise.
    """

    persons: pd.DataFrame
    by_risk: pd.DataFrame
    mape: float
    calibration: pd.DataFrame
    classification: pd.DataFrame


def stability(
    found: Bootstrap,
    y: np.ndarray,
    *,
    horizon: float | None = None,
    thresholds: ArrayLike = (),
    level: float = 0.95,
    groups: int = 10,
    curves: int = 50,
) -> Stability:
    """Tell how stable the risks of a model are.

    Parameters
    ----------
    found : Bootstrap
        Made with ``keep_risks=True``.
    y : structured ndarray or ndarray of bool, shape (n,)
        Outcomes of the same rows.
    horizon : float, optional
        The last time of the bootstrap's scoring, in days; none for a binary outcome.
    thresholds : array-like of float
        Risks from which on somebody would act.
    level : float
        Of the range of risks.
    groups : int
        Of similar risk.
    curves : int
        At most so many calibration curves.

    Returns
    -------
    Stability

    Raises
    ------
    DataError
        If the bootstrap kept no risks, or `y` is of other rows.
    DefinitionError
        If a threshold is not within 0 and 1.

    Notes
    -----
    Riley and Collins (2023), Biometrical Journal 65:2200302: plots of the instability of predictions, of calibration and of classes.
    """
    if found.risks is None:
        raise DataError("the bootstrap kept no risks", hint="bootstrap(..., keep_risks=True)")
    risk, risks = found.risk[:, -1], found.risks
    if len(y) != len(risk):
        raise DataError(f"{len(y)} outcomes for the risks of {len(risk)} rows")
    thresholds = np.atleast_1d(np.asarray(thresholds, float))
    if not ((thresholds > 0) & (thresholds < 1)).all():
        raise DefinitionError("thresholds must lie within 0 and 1")
    lower, upper = np.quantile(risks, [(1 - level) / 2, (1 + level) / 2], axis=0)
    persons = pd.DataFrame({"risk": risk, "lower": lower, "upper": upper, "mape": np.abs(risks - risk.astype(risks.dtype)).mean(axis=0)})
    return Stability(
        persons,
        _by_risk(persons, groups),
        float(persons["mape"].mean()),
        _curves(risks[:curves], y, horizon),
        pd.DataFrame([_classes(risk, risks, one) for one in thresholds], columns=["threshold", "instability", "unsettled"]),
    )


def _by_risk(persons: pd.DataFrame, groups: int) -> pd.DataFrame:
    edges = np.unique(np.quantile(persons["risk"], np.linspace(0, 1, groups + 1)[1:-1]))
    parts = persons.groupby(np.searchsorted(edges, persons["risk"]))
    return parts.mean().assign(n=parts.size())[["n", *persons.columns]].reset_index(drop=True)


def _curves(risks: np.ndarray, y: np.ndarray, horizon: float | None) -> pd.DataFrame:
    parts = []
    for number, one in enumerate(risks):
        try:
            inside = np.clip(one.astype(float), 1e-6, 1 - 1e-6)
            parts.append(calibration_curve(y, inside, horizon=horizon, points=50).curve.assign(curve=number))
        except DataError:
            continue
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["predicted", "observed", "curve"])


def _classes(risk: np.ndarray, risks: np.ndarray, threshold: float) -> tuple[float, float, float]:
    other = ((risks >= threshold) != (risk >= threshold)).mean(axis=0)
    return float(threshold), float(other.mean()), float((other > 0.1).mean())
