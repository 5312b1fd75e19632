"""Fitting and predicting, the same way wherever a model is tried."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from workbench.errors import DataError, DefinitionError
from workbench.risk.models.pipeline import RiskPipeline
from workbench.risk.validation.persons import Persons, rows_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import ArrayLike

    from workbench.risk.validation.performance import Scoring

__all__ = ["Sample", "counted_warnings", "fitted", "reason"]


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows of a study that a model is tried on.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n, p)
        Predictors.
    y : ndarray of shape (n,)
        Outcomes, structured or bool.
    persons : Persons
        Whose the rows are.
    weight : ndarray of float, shape (n,), optional
        Passed on to the fit; performance counts each row once.
    """

    X: pd.DataFrame | np.ndarray
    y: np.ndarray
    persons: Persons
    weight: np.ndarray | None = None

    @classmethod
    def of(cls, X: ArrayLike, y: ArrayLike, persons: ArrayLike | None = None, weight: ArrayLike | None = None) -> Self:
        """Return the rows, checked for their lengths.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Predictors.
        y : array-like of shape (n,)
            Outcomes.
        persons : array-like of shape (n,), optional
            Whose the rows are; each row another person's where None.
        weight : array-like of float, shape (n,), optional
            For the fit.

        Returns
        -------
        Sample

        Raises
        ------
        DataError
            If lengths differ, or there is no row.
        """
        X, y = X if hasattr(X, "iloc") else np.asarray(X), np.asarray(y)
        weight = None if weight is None else np.asarray(weight, float)
        lengths = {"predictors": len(X), "an outcome": len(y)} | ({} if weight is None else {"a weight": len(weight)})
        if len(set(lengths.values())) > 1 or not len(y):
            raise DataError(f"rows differ: {', '.join(f'{n} with {what}' for what, n in lengths.items())}", hint="one of each a row")
        return cls(X, y, Persons.of(persons, len(y)), weight)

    def take(self, rows: np.ndarray) -> Self:
        """Return some rows, by position; one drawn twice is one person's twice."""
        weight = None if self.weight is None else self.weight[rows]
        return type(self)(rows_of(self.X, rows), self.y[rows], Persons(self.persons.codes[rows]), weight)

    def fit(self, estimator: BaseEstimator, rows: np.ndarray | None = None) -> BaseEstimator:
        """Return a copy of an estimator fitted to some rows, or to all."""
        if rows is None:
            return fitted(estimator, self.X, self.y, sample_weight=self.weight, groups=self.persons.codes)
        weight = None if self.weight is None else self.weight[rows]
        return fitted(estimator, rows_of(self.X, rows), self.y[rows], sample_weight=weight, groups=self.persons.codes[rows])

    def risk(self, model: BaseEstimator, scoring: Scoring, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the risks of some rows, or of all, at the times of a scoring, of shape (rows, m)."""
        X = self.X if rows is None else rows_of(self.X, rows)
        risk = np.asarray(model.predict_risk(X, np.array(scoring.times)) if scoring.times else model.predict_risk(X), float)
        wanted = (len(X), len(scoring.times) or 1)
        if risk.shape != wanted:
            raise DefinitionError(f"predict_risk of {type(model).__name__} gave the shape {risk.shape}, wanted {wanted}")
        return risk


def fitted(
    estimator: BaseEstimator, X: ArrayLike, y: np.ndarray, *, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
) -> BaseEstimator:
    """Return a copy of an estimator, fitted.

    Parameters
    ----------
    estimator : estimator
        With ``predict_risk``; a pipeline's weights go to its last step.
    X : DataFrame or array-like of shape (n, p)
        Predictors.
    y : ndarray of shape (n,)
        Outcomes.
    sample_weight : array-like of float, shape (n,), optional
        Weights.
    groups : array-like of shape (n,), optional
        Whose the rows are, for an estimator that asks.

    Returns
    -------
    estimator
        Fitted; the one given is not touched.

    Raises
    ------
    DefinitionError
        If it predicts no risks.
    """
    if not hasattr(estimator, "predict_risk"):
        raise DefinitionError(f"{type(estimator).__name__} has no predict_risk", hint="put the model at the end of a RiskPipeline")
    given = {"groups": groups} if groups is not None and has_fit_parameter(estimator, "groups") else {}
    if sample_weight is not None:
        direct = get_config()["enable_metadata_routing"] or not isinstance(estimator, Pipeline) or isinstance(estimator, RiskPipeline)
        given["sample_weight" if direct else f"{estimator.steps[-1][0]}__sample_weight"] = sample_weight
    return clone(estimator).fit(X, y, **given)


def reason(error: Exception) -> str:
    """Return in one line what went wrong.

    Parameters
    ----------
    error : Exception
        What was raised.

    Returns
    -------
    str
        The message of one of the workbench's errors, in the language in force; else its kind and the first line.
    """
    own = getattr(error, "shown", None)
    return own or f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


@contextmanager
def counted_warnings(told: Counter[str]) -> Iterator[None]:
    """Count warnings by what they say, each once a use, in place of showing them again for every resample.

    Parameters
    ----------
    told : Counter
        Grows.

    Yields
    ------
    None
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield
    told.update({str(one.message) for one in heard})
