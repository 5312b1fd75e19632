"""Figures of several places joined: their mean, how far places differ, and what a new one may show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2, t

from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.validation.measures import MEASURES
from workbench.risk.validation.performance import KEYS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["RandomEffects", "joined", "random_effects"]

_STEPS = 200


class RandomEffects(NamedTuple):
    """Figures of several places, joined.

    Parameters
    ----------
    estimate, std_error, lower, upper : float
        Of the mean over places; the interval by Hartung and Knapp.
    predicted_lower, predicted_upper : float
        Where the figure of a new place lies.
    tau2 : float
        Variance between places.
    q, p : float
        Cochran's Q, and the probability of one as large were all places alike.
    i2 : float
        Share of the variance that is between places, from 0 to 1.
    places : int
        How many.
    """

    estimate: float
    std_error: float
    lower: float
    upper: float
    predicted_lower: float
    predicted_upper: float
    tau2: float
    q: float
    p: float
    i2: float
    places: int


def random_effects(estimates: ArrayLike, std_errors: ArrayLike, *, level: float = 0.95) -> RandomEffects:
    """Join the figures of several places by a model of random effects.

    Parameters
    ----------
    estimates : array-like of float, shape (k,)
        One a place, on a scale on which they are about normal.
    std_errors : array-like of float, shape (k,)
        Theirs, greater than 0.
    level : float
        Of the intervals.

    Returns
    -------
    RandomEffects

    Raises
    ------
    DataError
        If there are fewer than two places, or a figure is not finite or without error.

    Notes
    -----
    The variance between places by restricted maximum likelihood (Viechtbauer 2005, J Educ Behav Stat 30:261), the interval by Hartung and
    Knapp (2001), Statistics in Medicine 20:3875, the prediction interval by Higgins, Thompson and Spiegelhalter (2009), JRSS A 172:137,
    with k - 1 degrees of freedom; as Debray et al. (2017), BMJ 356:i6460, ask it for models of risk.

    Examples
    --------
    >>> random_effects([0.1, 0.4, 0.2], [0.1, 0.1, 0.2]).estimate.__round__(3)
    0.24
    """
    values, variances = np.asarray(estimates, float), np.asarray(std_errors, float) ** 2
    if len(values) < 2 or values.shape != variances.shape:
        raise DataError(f"{len(values)} figures with {len(variances)} errors", hint="two places or more are joined, each with its error")
    if not (np.isfinite(values).all() and np.isfinite(variances).all() and (variances > 0).all()):
        raise DataError("a figure is not finite, or has no error", hint="leave the place out")
    tau2 = _between(values, variances)
    weight = 1 / (variances + tau2)
    mean = float(weight @ values / weight.sum())
    error = float(np.sqrt(weight @ (values - mean) ** 2 / (len(values) - 1) / weight.sum()))
    fixed = 1 / variances
    q = float(fixed @ (values - fixed @ values / fixed.sum()) ** 2)
    wide = float(t.ppf((1 + level) / 2, len(values) - 1))
    new = float(np.sqrt(tau2 + error**2))
    typical = (len(values) - 1) * fixed.sum() / (fixed.sum() ** 2 - (fixed**2).sum())  # Higgins and Thompson 2002
    return RandomEffects(
        mean,
        error,
        mean - wide * error,
        mean + wide * error,
        mean - wide * new,
        mean + wide * new,
        tau2,
        q,
        float(chi2.sf(q, len(values) - 1)),
        float(tau2 / (tau2 + typical)),
        len(values),
    )


def joined(table: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Join the figures of several places.

    Parameters
    ----------
    table : DataFrame
        Tables of performance with `std_error`, below each other.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame
        By measure, horizon and threshold: `estimate` with `lower` and `upper`, the mean over places; `predicted_lower` and
        `predicted_upper`, where a new place lies; `tau2`, `q`, `p`, `i2`; `places` that count; `note`. All but `tau2` and `q` on the scale
        of the measure itself, though joined on that on which it is about normal.
    """
    rows = []
    for keys, group in () if table.empty else table.groupby(KEYS, dropna=False, sort=False):
        values = MEASURES[keys[0]].on_scale(group["value"])
        usable = np.isfinite(values) & (group["std_error"] > 0).to_numpy()
        row = dict(zip(KEYS, keys, strict=True))
        if usable.sum() < 2:
            rows.append(
                {
                    **row,
                    "places": int(usable.sum()),
                    "note": tr("有数值及其误差的不足两处", "fewer than two places with a figure and its error"),
                }
            )
            continue
        found = random_effects(values[usable], group["std_error"].to_numpy()[usable], level=level)._asdict()
        for name in ("estimate", "lower", "upper", "predicted_lower", "predicted_upper"):
            found[name] = float(MEASURES[keys[0]].off_scale(found[name]))
        del found["std_error"]  # of the other scale
        left = len(group) - found["places"]
        rows.append({**row, **found, "note": tr(f"{left} 处没有数值或误差", f"{left} places have no figure with an error") if left else ""})
    return pd.DataFrame(rows, columns=[*KEYS, *(name for name in RandomEffects._fields if name != "std_error"), "note"])


def _between(values: np.ndarray, variances: np.ndarray) -> float:
    """Return the variance between places, by Fisher's scoring of the restricted likelihood."""
    tau2 = max(float(values.var(ddof=1) - variances.mean()), 0.0)
    for _ in range(_STEPS):
        weight = 1 / (variances + tau2)
        total, square = weight.sum(), (weight**2).sum()
        residual = values - weight @ values / total
        score = (weight**2 @ residual**2) - (total - square / total)
        information = square - 2 * (weight**3).sum() / total + (square / total) ** 2
        step = score / information
        after = max(tau2 + step, 0.0)
        if abs(after - tau2) <= 1e-12 + 1e-10 * tau2:
            return float(after)
        tau2 = after
    return float(tau2)
