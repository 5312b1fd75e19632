"""What a model says of one predictor: the ratio of hazards or odds between two of its values, all others equal."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm

from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sklearn.pipeline import Pipeline

__all__ = ["Contrasts", "contrasts", "several_contrasts"]


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
    return several_contrasts(pipeline, X, {feature: (reference, list(values))}, level=level)[feature]


def several_contrasts(
    pipeline: Pipeline, X: pd.DataFrame, asked: Mapping[str, tuple[float | str, Sequence[float | str]]], *, level: float = 0.95
) -> dict[str, Contrasts]:
    """Work out ratios for several predictors at once: what prepares the predictors runs once for all.

    Parameters
    ----------
    pipeline, X
        As for :func:`contrasts`.
    asked : mapping of str to (reference, values)
        By predictor.
    level : float
        Of the intervals.

    Returns
    -------
    dict of str to Contrasts
        By predictor.

    Raises
    ------
    DefinitionError
        As :func:`contrasts`.
    """
    model = pipeline.steps[-1][1]
    if not hasattr(model, "covariance_"):
        raise DefinitionError(f"{type(model).__name__} has no coefficients, so no ratios", hint="SHAP values explain trees and nets")
    absent = [name for name in asked if name not in X.columns]
    if absent:
        raise DefinitionError(f"there is no predictor {absent[0]!r}", hint=f"there are {', '.join(map(str, X.columns))}")
    design, edges = _design(pipeline, X, asked)
    coefficients, covariance = np.ravel(model.coef_), _of_columns(np.asarray(model.covariance_), design.shape[1])
    used = np.isfinite(np.diagonal(covariance))
    inner, z, found = covariance[np.ix_(used, used)], norm.ppf((1 + level) / 2), {}
    for (name, (reference, values)), begin, end in zip(asked.items(), edges, edges[1:], strict=False):
        away = design[begin + 1 : end] - design[begin]
        log_ratio = away @ coefficients
        error = np.sqrt(np.einsum("ij,jk,ik->i", away[:, used], inner, away[:, used]).clip(0))
        table = pd.DataFrame({"value": list(values), "log_ratio": log_ratio, "std_error": error})
        for column, shift in (("ratio", 0), ("lower", -z), ("upper", z)):
            table[column] = np.exp(log_ratio + shift * error)
        found[name] = Contrasts(name, reference, table)
    return found


def _of_columns(covariance: np.ndarray, p: int) -> np.ndarray:
    """Return the covariance of the columns' coefficients: that of an intercept stands first, and cancels out."""
    return covariance[1:, 1:] if len(covariance) == p + 1 else covariance


def _design(
    pipeline: Pipeline, X: pd.DataFrame, asked: Mapping[str, tuple[float | str, Sequence[float | str]]]
) -> tuple[np.ndarray, list[int]]:
    """Return what the model sees of rows that differ in one predictor alone, and where each predictor's rows begin: the reference first."""
    edges = list(accumulate((1 + len(values) for _, values in asked.values()), initial=0))
    rows = X.bfill().iloc[np.zeros(edges[-1], int)].reset_index(drop=True)  # a gap would be completed anew in each row
    for (name, (reference, values)), begin in zip(asked.items(), edges, strict=False):
        column = rows[name].astype(object).to_numpy(copy=True)
        column[begin : begin + 1 + len(values)] = [reference, *values]
        rows[name] = pd.Categorical(column, X[name].cat.categories) if X[name].dtype == "category" else column.astype(float)
    for _, step in pipeline.steps[:-1]:
        rows = step.transform(rows)
    return np.asarray(rows, float), edges
