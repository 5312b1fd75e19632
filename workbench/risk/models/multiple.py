"""Several completed data sets, one model: coefficients pooled by Rubin's rules, predictions averaged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import clone

from workbench.errors import DefinitionError
from workbench.risk.imputation.impute import multiple
from workbench.risk.imputation.pooling import pool
from workbench.risk.models.common import terms_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

    from workbench.risk.models.equation import Equation
    from workbench.risk.models.pipeline import RiskPipeline

__all__ = ["PooledModel", "fit_multiple"]


@dataclass(frozen=True, eq=False)
class PooledModel:
    """A model that was fitted to several completed data sets.

    Parameters
    ----------
    table : DataFrame
        Rubin's rules, a row a column of the model (``intercept`` the first of a logistic one), as
        :func:`workbench.risk.imputation.pooling.pool` gives it.
    models : tuple of RiskPipeline
        One a data set. They hold patients' values, so they never leave the session; the equation may.
    """

    table: pd.DataFrame
    models: tuple[RiskPipeline, ...]

    def predict_risk(self, X: pd.DataFrame, times: ArrayLike | None = None) -> np.ndarray:
        """Return the mean of the models' risks, of shape (n, m): each completes `X` in its own way."""
        return np.mean([model.predict_risk(X, times) for model in self.models], axis=0)

    def equation(self, horizons_days: ArrayLike = ()) -> Equation:
        """Return the pooled equation, for rows without gaps.

        Parameters
        ----------
        horizons_days : array-like of float, shape (m,)
            Horizons of its baseline; none for a binary outcome.

        Returns
        -------
        Equation
            Its cumulative hazards are the geometric means of the models'.
        """
        each = [model.equation(horizons_days) for model in self.models]
        first, logistic = each[0], each[0].kind == "logistic"
        rows = self.table.iloc[1:] if logistic else self.table
        terms = terms_of(self.models[0], rows["estimate"].to_numpy(), rows["standard_error"].to_numpy())
        if logistic:
            return replace(first, terms=terms, intercept=float(self.table["estimate"].iloc[0]))
        mean = float(np.mean([equation.mean for equation in each]))
        return replace(first, terms=terms, mean=mean, baseline=_baseline(each, mean))


def _baseline(each: Sequence[Equation], mean: float) -> tuple[tuple[float, float], ...]:
    hazards = [[-np.log(share) * np.exp(mean - equation.mean) for _, share in equation.baseline] for equation in each]
    with np.errstate(divide="ignore"):
        pooled = np.exp(-np.exp(np.log(hazards).mean(axis=0)))
    return tuple((horizon, share) for (horizon, _), share in zip(each[0].baseline, pooled.tolist(), strict=True))


def fit_multiple(pipeline: RiskPipeline, X: pd.DataFrame, y: np.ndarray, *, m: int = 10, seed: int = 0) -> PooledModel:
    """Fit a model to several completed data sets and pool it.

    Parameters
    ----------
    pipeline : RiskPipeline
        Of the catalogue, with chained imputation (``imputation="multiple"``) and a linear model. It stays as it is.
    X : DataFrame of shape (n, p)
        Predictors, with gaps.
    y : ndarray of shape (n,)
        Outcomes; they help to complete the data.
    m : int
        Data sets, 2 or more.
    seed : int
        From which the draws' seeds follow.

    Returns
    -------
    PooledModel
        With pooled coefficients and their errors.

    Raises
    ------
    DefinitionError
        If the pipeline has no chained imputer, or its model is no equation.
    DataError
        If a model cannot be fitted, or there are fewer than two data sets.

    Notes
    -----
    Levels are found and knots placed once, on the observed values, so that a coefficient means the same in each. Rubin (1987); Wood et al.
    (2015), Biometrical Journal 57:614, for predictions.

    Examples
    --------
    >>> import pandas as pd
    >>> from workbench.risk.models.catalogue import make_model
    >>> from workbench.risk.protocol.parts import ModelChoice
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.normal(60, 10, 200), "crp": rng.lognormal(1, 1, 200)})
    >>> X.loc[::5, "crp"] = np.nan
    >>> pipeline = make_model(ModelChoice(name="logistic"), binary=True, causes=1, imputation="multiple")
    >>> fit_multiple(pipeline, X, rng.random(200) < 0.4, m=3).table.index.tolist()
    ['intercept', 'age', 'crp']
    """
    if not hasattr(pipeline[-1], "equation"):
        raise DefinitionError("the model is no equation, so it has no coefficients to pool", hint="average the predictions of its copies")
    observed = clone(pipeline["columns"]).fit_transform(X)
    factors = clone(pipeline["linear"]).fit(observed).factors_
    settled = clone(pipeline).set_params(linear__factors=factors)
    models = tuple(copy.fit(X, y) for copy in multiple(settled, m=m, seed=seed))
    logistic = hasattr(models[0][-1], "intercept_")
    estimates = [np.r_[[model[-1].intercept_] if logistic else [], model[-1].coef_] for model in models]
    variances = [np.diag(model[-1].covariance_) for model in models]
    names = [*(["intercept"] if logistic else []), *models[0][-1].feature_names_in_]
    df = max(models[0][-1].n_events_ - len(factors), 1)
    return PooledModel(pool(estimates, variances, complete_df=df, names=names), models)
