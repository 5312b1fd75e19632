"""What a model says of one predictor: the ratio of hazards or odds between two of its values, all others equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sklearn.pipeline import Pipeline

__all__ = ["Contrasts", "contrasts"]


class Contrasts(NamedTuple):
    """Ratios against a reference value.

    Parameters
    ----------
    feature : str
        The predictor.
    reference : float or str
        Its value to which others are held.
    table : DataFrame
        A row a value: `value`, `log_ratio`, `std_error`, `ratio`, `lower` and `upper`.
    """

    feature: str
    reference: float | str
    table: pd.DataFrame


def contrasts(
    pipeline: Pipeline, X: pd.DataFrame, feature: str, values: Sequence[float | str], *, reference: float | str, level: float = 0.95
) -> Contrasts:
    """Work out ratios of hazards or odds between values of a predictor.

    Parameters
    ----------
    pipeline : Pipeline
        A fitted linear model of the catalogue, with what prepares its predictors.
    X : DataFrame of shape (n, p)
        Predictors, from which the others take a value that cancels out.
    feature : str
        The predictor.
    values : sequence of float or str
        What is compared.
    reference : float or str
        With what.
    level : float
        Of the intervals, by the coefficients' covariance.

    Returns
    -------
    Contrasts

    Raises
    ------
    DefinitionError
        If the model has no coefficients, or there is no such predictor.
    """
    model = pipeline.steps[-1][1]
    if not hasattr(model, "covariance_"):
        raise DefinitionError(f"{type(model).__name__} has no coefficients, so no ratios", hint="SHAP values explain trees and nets")
    if feature not in X.columns:
        raise DefinitionError(f"there is no predictor {feature!r}", hint=f"there are {', '.join(map(str, X.columns))}")
    design = _design(pipeline, X, feature, [reference, *values])
    away = design[1:] - design[0]
    coefficients, covariance = np.ravel(model.coef_), _of_columns(np.asarray(model.covariance_), away.shape[1])
    used = np.isfinite(np.diagonal(covariance))
    log_ratio = away @ coefficients
    error = np.sqrt(np.einsum("ij,jk,ik->i", away[:, used], covariance[np.ix_(used, used)], away[:, used]).clip(0))
    z = norm.ppf((1 + level) / 2)
    table = pd.DataFrame({"value": list(values), "log_ratio": log_ratio, "std_error": error})
    for name, shift in (("ratio", 0), ("lower", -z), ("upper", z)):
        table[name] = np.exp(log_ratio + shift * error)
    return Contrasts(feature, reference, table)


def _of_columns(covariance: np.ndarray, p: int) -> np.ndarray:
    """Return the covariance of the columns' coefficients: that of an intercept stands first, and cancels out."""
    return covariance[1:, 1:] if len(covariance) == p + 1 else covariance


def _design(pipeline: Pipeline, X: pd.DataFrame, feature: str, values: Sequence[float | str]) -> np.ndarray:
    """Return what the model sees of rows that differ in one predictor alone."""
    rows = X.iloc[np.zeros(len(values), int)].reset_index(drop=True)
    typed = pd.Categorical(values, X[feature].cat.categories) if X[feature].dtype == "category" else np.asarray(values, float)
    rows[feature] = typed
    for _, step in pipeline.steps[:-1]:
        rows = step.transform(rows)
    return np.asarray(rows, float)
