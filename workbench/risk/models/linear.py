"""Linear models of risk: Cox's regression and logistic regression, with a ridge whose strength the data choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import DataError, DefinitionError
from workbench.risk.evaluation.horizon import binary
from workbench.risk.models.common import BeyondFollowUp, horizons, refuse_endless, terms_of
from workbench.risk.models.equation import Equation
from workbench.risk.models.preparation import known_words
from workbench.risk.models.ridge import BY_AIC, PartialLikelihood, check_alpha, ridge_by_aic
from workbench.risk.models.sandwich import persons_of, sandwich
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import case_weights, follow
from workbench.risk.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike
    from sklearn.pipeline import Pipeline


__all__ = ["BeyondFollowUp", "CoxModel", "LogisticModel", "horizons"]


class CoxModel(BaseEstimator):
    """Cox's regression as a model of risk.

    Parameters
    ----------
    alpha : float or "aic"
        Ridge on covariates of standard deviation 1, against the log likelihood. 0 for none; ``"aic"`` chooses it.
    ties : {"efron", "breslow"}
        How tied event times count.

    Attributes
    ----------
    regression_ : CoxRegression
        The regression.
    coef_ : ndarray of float, shape (p,)
        Log hazard ratios, per unit of each column.
    covariance_ : ndarray of float, shape (p, p)
        Of the coefficients: the inverse of the information, with a ridge that of the penalised likelihood; where persons have several
        rows, the sandwich by person (:func:`~workbench.risk.models.sandwich.sandwich`).
    alpha_ : float
        The ridge that was used.
    lp_mean_ : float
        Mean linear predictor of the training data, to which an equation's baseline belongs.
    last_time_ : float
        The longest follow-up, in the unit of the outcome.
    n_events_ : int
        Events.

    Notes
    -----
    With splines and a ridge by Akaike's criterion it is the model of Harrell (2015), Regression Modeling Strategies, chapters 9 and 20;
    the covariance is what his R package rms calls ``var.penalty="simple"``. Intervals do not know that the ridge was chosen.

    Examples
    --------
    >>> import pandas as pd
    >>> from workbench.risk.survival.outcome import outcome
    >>> X = pd.DataFrame({"age": [60.0, 70.0, 65.0, 50.0, 80.0, 75.0]})
    >>> y = outcome([5, 3, 6, 9, 2, 4], [True, True, False, False, True, False])
    >>> CoxModel().fit(X, y).predict_risk(X, [4.0]).round(2).ravel().tolist()
    [0.08, 0.31, 0.16, 0.02, 0.82, 0.55]
    """

    def __init__(self, *, alpha: float | str = 0.0, ties: str = "efron") -> None:
        self.alpha = alpha
        self.ties = ties

    def fit(self, X: ArrayLike, y: np.ndarray, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns, none missing.
        y : structured ndarray of shape (n,)
            Outcomes with times; entries are heeded.
        sample_weight : array-like of float, shape (n,), optional
            Case weights.
        groups : array-like of shape (n,), optional
            Whose the rows are; the errors are by person where one has several.

        Returns
        -------
        CoxModel
            This, fitted.

        Raises
        ------
        DataError
            As :class:`~workbench.risk.survival.cox.CoxRegression`: no event, several causes, separation, too many columns without a ridge.
        DefinitionError
            If a parameter is none.
        """
        check_alpha(self.alpha)
        validate_data(self, X, dtype=float, ensure_min_samples=2)
        likelihood = PartialLikelihood(X, y, sample_weight, efron=self.ties == "efron") if self.alpha else None

        persons = persons_of(groups)

        def fitted(alpha: float) -> CoxRegression:
            return _finite(CoxRegression(ties=self.ties, alpha=alpha), X, y, sample_weight, persons)

        self.regression_ = _by_aic(fitted, likelihood) if self.alpha == BY_AIC else fitted(self.alpha)
        self.alpha_, self.coef_, self.n_events_ = self.regression_.alpha, self.regression_.coef_, self.regression_.n_events_
        self.covariance_ = self.regression_.covariance_
        if likelihood:
            self.covariance_ = sandwich(likelihood.covariance(self.coef_, self.alpha_), lambda: likelihood.scores(self.coef_), persons)
        self.lp_mean_ = float(np.average(self.predict(X), weights=sample_weight))
        self.last_time_ = float(follow(y).time.max())
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return linear predictors, of shape (n,): higher for earlier events."""
        check_is_fitted(self)
        return self.regression_.predict(X)

    def predict_risk(self, X: ArrayLike, times: ArrayLike) -> np.ndarray:
        """Return the risk by each horizon.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns.
        times : array-like of float, shape (m,)
            Horizons, in the unit of the outcome.

        Returns
        -------
        ndarray of float, shape (n, m)
            From 0 to 1.

        Raises
        ------
        DefinitionError
            If no horizon is given, or one is not above 0.
        """
        check_is_fitted(self)
        return 1 - self.regression_.predict_survival(X, horizons(times, self.last_time_))

    def equation(self, pipeline: Pipeline, horizons_days: ArrayLike = ()) -> Equation:
        """Return the model in terms of the predictors of the pipeline whose last step it is.

        Parameters
        ----------
        pipeline : Pipeline
            Of the steps of :mod:`workbench.risk.models.preparation` and this.
        horizons_days : array-like of float, shape (m,)
            Horizons of its baseline.

        Returns
        -------
        Equation
            Its risks are those of the pipeline.
        """
        times = horizons(horizons_days, self.last_time_)
        hazard = self.regression_.baseline_[0]
        cumulated = np.r_[0.0, hazard.to_numpy()][np.searchsorted(hazard.index, times, side="right")]
        baseline = zip(times.tolist(), np.exp(-cumulated * np.exp(self.lp_mean_)).tolist(), strict=True)
        terms = terms_of(pipeline, self.coef_, np.sqrt(np.diag(self.covariance_)))
        return Equation("cox", terms, "cox", mean=self.lp_mean_, baseline=tuple(baseline), levels=known_words(pipeline))


def _finite(regression: CoxRegression, X: ArrayLike, y: np.ndarray, weight: ArrayLike | None, persons: np.ndarray | None) -> CoxRegression:
    try:
        return regression.fit(X, y, sample_weight=weight, cluster=persons)
    except np.linalg.LinAlgError:
        raise DataError(
            f"the regression of {np.shape(X)[1]} columns finds no maximum with alpha={regression.alpha:g}",
            zh=f"{np.shape(X)[1]} 列的回归在 alpha={regression.alpha:g} 下不收敛",
            hint="give a larger alpha, or fewer predictors",
        ) from None


def _by_aic(fitted: Callable[[float], CoxRegression], likelihood: PartialLikelihood) -> CoxRegression:
    """Return the regression with the ridge that Akaike's criterion chooses.

    The likelihood's curve where all coefficients are 0 says roughly how strong it should be, and the curve where that leads says it better.
    """
    rough = fitted(likelihood.ridge(np.zeros(len(likelihood.scale))))
    better = likelihood.ridge(rough.coef_)
    return rough if better == rough.alpha else fitted(better)


class LogisticModel(BaseEstimator):
    """Logistic regression as a model of risk.

    Parameters
    ----------
    alpha : float or "aic"
        Ridge on covariates of standard deviation 1, against the log likelihood. 0 for none; ``"aic"`` chooses it.

    Attributes
    ----------
    intercept_, coef_ : float, ndarray of float of shape (p,)
        Log odds, and log odds ratios per unit of each column.
    covariance_ : ndarray of float, shape (1 + p, 1 + p)
        Of the intercept and the coefficients; by person as that of :class:`CoxModel`.
    alpha_ : float
        The ridge that was used.
    n_events_ : int
        Events.

    Notes
    -----
    Le Cessie and van Houwelingen (1992), Applied Statistics 41:191.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"age": [40.0, 50.0, 60.0, 70.0, 45.0, 55.0]})
    >>> LogisticModel(alpha=1.0).fit(X, [False, False, True, True, False, True]).predict_risk(X).round(2).ravel().tolist()
    [0.18, 0.41, 0.69, 0.87, 0.28, 0.56]
    """

    def __init__(self, *, alpha: float | str = BY_AIC) -> None:
        self.alpha = alpha

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns, none missing.
        y : array-like of bool, shape (n,)
            Whether each had the event.
        sample_weight : array-like of float, shape (n,), optional
            Case weights.
        groups : array-like of shape (n,), optional
            Whose the rows are; the errors are by person where one has several.

        Returns
        -------
        LogisticModel
            This, fitted.

        Raises
        ------
        DataError
            If all have one outcome, lengths differ or a weight is none; without a ridge also if events are told apart without error, or
            columns are sums of others or as many as the rarer outcome.
        DefinitionError
            If `alpha` is none.
        """
        check_alpha(self.alpha)
        values, truth = validate_data(self, X, dtype=float, ensure_min_samples=2), binary(y)
        if len(truth) != len(values):
            raise DataError(f"{len(values)} persons have columns and {len(truth)} have an outcome")
        weight = case_weights(sample_weight, len(values))
        binary(truth[weight > 0])  # refuses where those who count are alike
        self.n_events_ = int(truth.sum())
        mean, spread = np.average(values, axis=0, weights=weight), values.std(axis=0)
        scale = np.where(spread > 0, spread, 1)
        z = (values - mean) / scale
        if self.alpha == 0:
            self._refuse_too_many(z, truth)
        with one_thread():
            self.alpha_ = self.alpha if self.alpha != BY_AIC else _chosen_logistic(z, truth, weight)
            beta = _fitted_logistic(z, truth, weight, self.alpha_)
            gradient, information = _logistic(z, truth, weight, beta)
            if self.alpha == 0:
                refuse_endless(self, np.linalg.lstsq(information, gradient)[0][1:])
            information[1:, 1:] += self.alpha_ * np.eye(len(scale))
            bread = np.linalg.pinv(information, hermitian=True)
            covariance = sandwich(bread, lambda: _scores(z, truth, weight, beta), persons_of(groups))
        back = np.diag(np.r_[1, 1 / scale])
        back[0, 1:] = -mean / scale
        self.intercept_, self.coef_ = float((back @ beta)[0]), (back @ beta)[1:]
        self.covariance_ = back @ covariance @ back.T
        return self

    def _refuse_too_many(self, z: np.ndarray, truth: np.ndarray) -> None:
        rarer = int(min(truth.sum(), (~truth).sum()))
        if z.shape[1] >= rarer:
            raise DataError(
                f"{z.shape[1]} columns against {rarer} of the rarer outcome",
                zh=f"{z.shape[1]} 列，而较少见的结局仅 {rarer} 例",
                hint="choose fewer predictors beforehand, or give alpha for a penalty",
            )
        if np.linalg.matrix_rank(z) < z.shape[1]:
            raise DataError("some columns are sums of others", zh="有的列是其他列之和", hint="leave them out, or give alpha for a penalty")

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return log odds, of shape (n,)."""
        check_is_fitted(self)
        return self.intercept_ + validate_data(self, X, dtype=float, reset=False) @ self.coef_

    def predict_risk(self, X: ArrayLike, times: ArrayLike | None = None) -> np.ndarray:
        """Return the risks.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns.
        times : None
            A binary outcome has none.

        Returns
        -------
        ndarray of float, shape (n, 1)
            From 0 to 1.

        Raises
        ------
        DefinitionError
            If times are given.
        """
        if times is not None and np.size(times):
            raise DefinitionError("a model of a binary outcome has no horizons", hint="leave the times out")
        return expit(self.predict(X))[:, None]

    def equation(self, pipeline: Pipeline, horizons_days: ArrayLike = ()) -> Equation:  # noqa: ARG002 - other models have some
        """Return the model in terms of the predictors of the pipeline whose last step it is.

        Parameters
        ----------
        pipeline : Pipeline
            Of the steps of :mod:`workbench.risk.models.preparation` and this.
        horizons_days : array-like of float
            Not used.

        Returns
        -------
        Equation
            Its risks are those of the pipeline.
        """
        terms = terms_of(pipeline, self.coef_, np.sqrt(np.diag(self.covariance_))[1:])
        return Equation("logistic", terms, "logistic", intercept=self.intercept_, levels=known_words(pipeline))


def _fitted_logistic(z: np.ndarray, truth: np.ndarray, weight: np.ndarray, alpha: float) -> np.ndarray:
    """Return the intercept and the coefficients, of shape (1 + p,)."""
    strength = 1 / alpha if alpha else np.inf
    model = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-9, max_iter=200).fit(z, truth, sample_weight=weight)
    return np.r_[model.intercept_, model.coef_[0]]


def _logistic(z: np.ndarray, truth: np.ndarray, weight: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the gradient and the information of the log likelihood, the intercept's first."""
    x = np.column_stack([np.ones(len(z)), z])
    risk = expit(x @ beta)
    return x.T @ (weight * (truth - risk)), (x * (weight * risk * (1 - risk))[:, None]).T @ x


def _scores(z: np.ndarray, truth: np.ndarray, weight: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return what each row adds to the gradient, of shape (n, 1 + p)."""
    x = np.column_stack([np.ones(len(z)), z])
    return (weight * (truth - expit(x @ beta)))[:, None] * x


def _chosen_logistic(z: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> float:
    share = np.average(truth, weights=weight)
    beta, alpha = np.r_[np.log(share / (1 - share)), np.zeros(z.shape[1])], 0.0
    for _ in range(2):  # as for Cox's
        beta = _fitted_logistic(z, truth, weight, alpha) if alpha else beta
        gradient, information = _logistic(z, truth, weight, beta)
        # What the coefficients know beside the intercept, which no ridge holds.
        profiled = information[1:, 1:] - np.outer(information[1:, 0], information[0, 1:]) / information[0, 0]
        alpha = ridge_by_aic(profiled, gradient[1:], beta[1:], size=min(truth.sum(), (~truth).sum()))
    return alpha
