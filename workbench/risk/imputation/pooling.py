"""Rubin's rules: one estimate and its interval from the analyses of several completed data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import t

from workbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = ["pool"]


def pool(
    estimates: ArrayLike, variances: ArrayLike, *, complete_df: float = np.inf, level: float = 0.95, names: Sequence[str] | None = None
) -> pd.DataFrame:
    """Pool estimates of m completed data sets.

    Parameters
    ----------
    estimates : array-like of float, shape (m, p)
        A row a data set. On a scale on which they are about normal: log hazard ratios, not hazard ratios.
    variances : array-like of float, shape (m, p)
        Squares of their standard errors.
    complete_df : float
        Degrees of freedom of the analysis had nothing been missing: n - p of a linear model, events - p of Cox's; infinite for many.
    level : float
        Of the intervals.
    names : sequence of str, optional
        Of the estimates.

    Returns
    -------
    DataFrame
        A row an estimate: `estimate`, `standard_error`, `df` (Barnard and Rubin), `lower`, `upper`, `p`, `within` and `between` variance,
        `increase` (relative, of variance by what is missing), `share_missing` (lambda: of the total variance) and `missing_information`
        (fraction of missing information).

    Raises
    ------
    DataError
        If there are fewer than two data sets, shapes differ, or a value is missing or a variance negative.

    Notes
    -----
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, section 3.3; Barnard and Rubin (1999), Biometrika 86:948; van Buuren
    (2018), Flexible Imputation of Missing Data, sections 2.3 and 2.4.

    Examples
    --------
    >>> pooled = pool([[1.0], [1.2], [1.1]], [[0.04], [0.05], [0.045]], complete_df=100, names=["age"])
    >>> pooled.loc["age", ["estimate", "standard_error", "df"]].round(3).tolist()
    [1.1, 0.242, 25.418]
    """
    values, squares = np.asarray(estimates, float), np.asarray(variances, float)
    _check(values, squares)
    m = len(values)
    within, between = squares.mean(axis=0), values.var(axis=0, ddof=1)
    total = within + (1 + 1 / m) * between
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, (1 + 1 / m) * between / total, 0.0)
        increase = share / (1 - share)
    df = _degrees(share, m, complete_df)
    information = (increase + 2 / (df + 3)) / (1 + increase)
    error = np.sqrt(total)
    wide = t.ppf((1 + level) / 2, df) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * t.sf(np.abs(values.mean(axis=0)) / error, df)
    columns = {"estimate": values.mean(axis=0), "standard_error": error, "df": df}
    columns |= {"lower": columns["estimate"] - wide, "upper": columns["estimate"] + wide, "p": p, "within": within, "between": between}
    columns |= {"increase": increase, "share_missing": share, "missing_information": information}
    return pd.DataFrame(columns, index=pd.RangeIndex(values.shape[1]) if names is None else list(names))


def _check(values: np.ndarray, squares: np.ndarray) -> None:
    if values.ndim != 2 or values.shape != squares.shape:
        raise DataError(
            f"estimates of shape {values.shape} with variances of shape {squares.shape}", hint="a row a data set, a column an estimate"
        )
    if len(values) < 2:
        raise DataError(f"{len(values)} completed data sets", hint="Rubin's rules need two or more; ten are usual")
    if not (np.isfinite(values).all() and np.isfinite(squares).all() and (squares >= 0).all()):
        raise DataError("an estimate or variance is missing, infinite or negative", hint="look at the model that was not fitted")


def _degrees(share: np.ndarray, m: int, complete: float) -> np.ndarray:
    """Return Barnard and Rubin's degrees of freedom; infinite where nothing is missing and the sample is large."""
    with np.errstate(divide="ignore"):
        old = (m - 1) / share**2
    if np.isinf(complete):
        return old
    observed = (complete + 1) / (complete + 3) * complete * (1 - share)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(old), observed, old * observed / (old + observed))
