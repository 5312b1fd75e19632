"""Whether hazards are proportional: scaled Schoenfeld residuals against time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.stats import chi2, rankdata

from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.survival.curves import at_times, kaplan_meier
from workbench.risk.survival.outcome import follow, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from workbench.risk.survival.outcome import Follow

__all__ = ["proportional_hazards_test", "schoenfeld_residuals", "told"]

#: All columns together.
GLOBAL = "global"


def schoenfeld_residuals(X: ArrayLike, y: np.ndarray, coefficients: ArrayLike) -> np.ndarray:
    """Return Schoenfeld's residuals: each event's covariates less their mean, weighted by hazard, over those at risk then.

    Parameters
    ----------
    X : array-like of float, shape (n, p)
        Covariates.
    y : structured ndarray of shape (n,)
        Outcomes; entries are heeded.
    coefficients : array-like of float, shape (p,)
        Log hazard ratios.

    Returns
    -------
    ndarray of float, shape (n_events, p)
        By event, in the order of the rows.

    Notes
    -----
    Schoenfeld (1982), Biometrika 69:239. Tied events share one risk set (Breslow).
    """
    X, given = np.asarray(X, float), follow(y)
    X = X - X.mean(axis=0)
    eta = X @ np.asarray(coefficients, float)
    weight = np.exp(eta - eta.max())[:, None]
    happened = given.event.astype(bool)
    times = given.time[happened]
    sums = _sums(given.time, np.c_[weight, weight * X], times)
    if given.entry is not None:
        sums -= _sums(given.entry, np.c_[weight, weight * X], times)
    return X[happened] - sums[:, 1:] / sums[:, :1]


def _sums(since: np.ndarray, values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Sum values, at each of some times, over the rows whose own time is not before it."""
    order = np.argsort(since, kind="stable")
    after = np.vstack([np.cumsum(values[order][::-1], axis=0)[::-1], np.zeros((1, values.shape[1]))])
    return after[np.searchsorted(since[order], times, side="left")]


def proportional_hazards_test(
    X: ArrayLike,
    y: np.ndarray,
    coefficients: ArrayLike,
    covariance: ArrayLike,
    *,
    blocks: Mapping[str, Sequence[int]] | None = None,
    transform: Literal["km", "rank", "identity"] = "km",
) -> pd.DataFrame:
    """Test whether log hazard ratios change with time.

    Parameters
    ----------
    X : array-like of float, shape (n, p)
        Covariates.
    y : structured ndarray of shape (n,)
        Outcomes.
    coefficients : array-like of float, shape (p,)
        Log hazard ratios of the model.
    covariance : array-like of float, shape (p, p)
        Their covariance.
    blocks : mapping of str to sequence of int, optional
        Columns that are tested together, as those of one spline; each by itself where None.
    transform : {"km", "rank", "identity"}
        Of time: one less Kaplan-Meier's estimate just before the event, the rank of the event, or time itself.

    Returns
    -------
    DataFrame
        By block, and for all together (``global``): `statistic`, degrees of `freedom`, `p`. Columns that do not vary are left out.

    Raises
    ------
    DefinitionError
        If the transform is unknown.

    Notes
    -----
    Grambsch and Therneau (1994), Biometrika 81:515, as R's survival package had it before version 3: the variance of a residual is taken
    to be alike over time.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(500, 1))
    >>> time = rng.exponential(np.exp(-x[:, 0]))
    >>> proportional_hazards_test(x, outcome(time, np.ones(500, bool)), [1.0], [[0.003]])["p"].gt(0.05).tolist()
    [True, True]
    """
    given = follow(y)
    residuals, covariance = schoenfeld_residuals(X, y, coefficients), np.asarray(covariance, float)
    g = _transformed(given, transform)
    g = g - g.mean()
    used = [int(at) for at in np.flatnonzero(np.isfinite(np.diagonal(covariance)) & (np.ptp(np.asarray(X, float), axis=0) > 0))]
    theta = covariance[np.ix_(used, used)] @ (g @ residuals[:, used])
    scale = len(g) / float(g @ g)
    blocks = blocks or {str(at): [at] for at in range(residuals.shape[1])}
    rows = {}
    for name, columns in {**blocks, GLOBAL: used}.items():
        places = [used.index(at) for at in columns if at in used]
        if places:
            own = covariance[np.ix_([used[at] for at in places], [used[at] for at in places])]
            statistic = float(theta[places] @ np.linalg.solve(own, theta[places]) * scale)
            rows[name] = (statistic, len(places), float(chi2.sf(statistic, len(places))))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["statistic", "freedom", "p"])


def _transformed(given: Follow, transform: str) -> np.ndarray:
    happened = given.event.astype(bool)
    times = given.time[happened]
    if transform == "km":
        curve = kaplan_meier(outcome(given.time, happened, entry=given.entry))["survival"]
        return 1 - at_times(curve, np.nextafter(times, 0), start=1.0)
    if transform == "rank":
        return rankdata(times)
    if transform == "identity":
        return times
    raise DefinitionError(f"transform is {transform!r}; wanted km, rank or identity")


def told(table: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return the test as people read it, all text.

    Parameters
    ----------
    table : DataFrame
        As :func:`proportional_hazards_test` returns it.
    labels : mapping of str to str
        What blocks are called.
    """
    names = [tr("全部", "All together") if name == GLOBAL else labels.get(str(name), str(name)) for name in table.index]
    p = ["<0.001" if value < 0.001 else f"{value:.3f}" for value in table["p"]]
    columns = [tr("预测因子", "Predictor"), "χ²", tr("自由度", "df"), "P"]
    return pd.DataFrame(dict(zip(columns, [names, [f"{s:.2f}" for s in table["statistic"]], table["freedom"].astype(str), p], strict=True)))
