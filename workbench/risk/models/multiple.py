"""Several completed data sets, one model: coefficients pooled by Rubin's rules, predictions averaged."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from workbench.risk.imputation.impute import multiple
from workbench.risk.imputation.pooling import pool
from workbench.risk.models.common import terms_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

    from workbench.risk.models.equation import Equation
    from workbench.risk.models.pipeline import RiskPipeline

__all__ = ["MultiplyImputed"]


class MultiplyImputed(BaseEstimator):
    """A model fitted to several completions of the data: its risk is the mean of theirs, its equation pooled by Rubin's rules.

    Parameters
    ----------
    estimator : RiskPipeline
        Of the catalogue, with chained imputation (``imputation="multiple"``).
    imputations : int
        Completions, 2 or more.
    random_state : int
        From which the imputers' seeds follow.

    Attributes
    ----------
    copies_ : list of RiskPipeline
        The fitted pipelines. They hold patients' values, so they never leave the session; the equation may.
    table_ : DataFrame or None
        Rubin's rules, a row a column of the model (``intercept`` the first of a logistic one), as
        :func:`workbench.risk.imputation.pooling.pool` gives it; None where the model is no equation.

    Notes
    -----
    Levels are found and knots placed once, on the observed values, so that a coefficient means the same in each completion. Rubin (1987);
    predictions are averaged: Wood et al. (2015), Biometrical Journal 57:614.

    Examples
    --------
    >>> import pandas as pd
    >>> from workbench.risk.models.catalogue import make_model
    >>> from workbench.risk.protocol.parts import ModelChoice
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.normal(60, 10, 200), "crp": rng.lognormal(1, 1, 200)})
    >>> X.loc[::5, "crp"] = np.nan
    >>> pipeline = make_model(ModelChoice(name="logistic"), binary=True, causes=1, imputation="multiple")
    >>> MultiplyImputed(pipeline, imputations=3).fit(X, rng.random(200) < 0.4).table_.index.tolist()
    ['intercept', 'age', 'crp']
    """

    def __init__(self, estimator: RiskPipeline, *, imputations: int = 10, random_state: int = 0) -> None:
        self.estimator = estimator
        self.imputations = imputations
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: np.ndarray, *, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None) -> Self:
        """Complete the data and fit the model, so many times.

        Parameters
        ----------
        X : DataFrame of shape (n, p)
            Predictors with gaps.
        y : ndarray of shape (n,)
            Outcomes; they help to complete the data.
        sample_weight : array-like of float, shape (n,), optional
            For the models.
        groups : array-like of shape (n,), optional
            Whose the rows are, for the models.

        Returns
        -------
        MultiplyImputed
            This, fitted.

        Raises
        ------
        DefinitionError
            If there is no chained imputer in the pipeline.
        DataError
            If a model cannot be fitted, or there are fewer than two completions of an equation.
        """
        model = self.estimator.steps[-1][1]
        settled = _settled(self.estimator, X) if hasattr(model, "equation") else self.estimator
        copies = multiple(settled, m=self.imputations, seed=self.random_state)
        self.copies_ = [each.fit(X, y, sample_weight=sample_weight, groups=groups) for each in copies]
        self.table_ = _pooled([each[-1] for each in self.copies_]) if hasattr(model, "equation") else None
        return self

    def predict_risk(self, X: pd.DataFrame, times: ArrayLike | None = None) -> np.ndarray:
        """Return the mean of the models' risks, of shape (n, m): each completes `X` in its own way."""
        check_is_fitted(self)
        return np.mean([each.predict_risk(X, times) for each in self.copies_], axis=0)

    def equation(self, horizons_days: ArrayLike = ()) -> Equation | None:
        """Return the pooled equation, for rows without gaps; None where the model is no equation.

        Parameters
        ----------
        horizons_days : array-like of float, shape (m,)
            Horizons of its baseline; none for a binary outcome.

        Returns
        -------
        Equation or None
            Its cumulative hazards are the geometric means of the models'.
        """
        check_is_fitted(self)
        if self.table_ is None:
            return None
        each = [one.equation(horizons_days) for one in self.copies_]
        logistic = each[0].kind == "logistic"
        rows = self.table_.iloc[1:] if logistic else self.table_
        terms = terms_of(self.copies_[0], rows["estimate"].to_numpy(), rows["standard_error"].to_numpy())
        if logistic:
            return replace(each[0], terms=terms, intercept=float(self.table_["estimate"].iloc[0]))
        mean = float(np.mean([equation.mean for equation in each]))
        return replace(each[0], terms=terms, mean=mean, baseline=_baseline(each, mean))

    def pooled(self) -> RiskPipeline:
        """Return the first pipeline with the pooled coefficients and their covariance, for ratios between rows without gaps.

        Its baseline is not pooled: for risks there is :meth:`predict_risk`.
        """
        check_is_fitted(self)
        models, first = [copied[-1] for copied in self.copies_], copy(self.copies_[0])
        pooled = copy(models[0])
        pooled.coef_ = np.mean([model.coef_ for model in models], axis=0)
        between = np.cov([_intercept(model) + model.coef_.tolist() for model in models], rowvar=False)
        pooled.covariance_ = np.mean([model.covariance_ for model in models], axis=0) + (1 + 1 / len(models)) * between
        first.steps = [*first.steps[:-1], (first.steps[-1][0], pooled)]
        return first


def _settled(pipeline: RiskPipeline, X: pd.DataFrame) -> RiskPipeline:
    """Return a copy of a pipeline whose columns are those of the observed values."""
    observed = clone(pipeline["columns"]).fit_transform(X)
    return clone(pipeline).set_params(linear__factors=clone(pipeline["linear"]).fit(observed).factors_)


def _pooled(models: Sequence[BaseEstimator]) -> pd.DataFrame:
    first = models[0]
    estimates = [[*_intercept(model), *model.coef_] for model in models]
    variances = [np.diag(model.covariance_) for model in models]
    names = [*(["intercept"] * len(_intercept(first))), *first.feature_names_in_]
    return pool(estimates, variances, complete_df=max(first.n_events_ - len(first.coef_), 1), names=names)


def _intercept(model: BaseEstimator) -> list[float]:
    """Return the intercept, where the model has one: it stands first among what has a covariance."""
    return [float(model.intercept_)] if hasattr(model, "intercept_") else []


def _baseline(each: Sequence[Equation], mean: float) -> tuple[tuple[float, float], ...]:
    hazards = [[-np.log(share) * np.exp(mean - equation.mean) for _, share in equation.baseline] for equation in each]
    with np.errstate(divide="ignore"):
        pooled = np.exp(-np.exp(np.log(hazards).mean(axis=0)))
    return tuple((horizon, share) for (horizon, _), share in zip(each[0].baseline, pooled.tolist(), strict=True))
