"""Models of competing risks: the probability to have the outcome by a horizon, where other causes may forestall it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import DataError
from workbench.risk.models.common import horizons, refuse_endless, terms_of
from workbench.risk.models.equation import Equation
from workbench.risk.models.linear import CoxModel
from workbench.risk.models.preparation import known_words
from workbench.risk.models.ridge import BY_AIC, check_alpha, ridge_by_aic
from workbench.risk.models.sandwich import persons_of, summed
from workbench.risk.models.subdistribution import WeightedRiskSets, maximised, weighted_risk_sets
from workbench.risk.survival.outcome import follow, outcome
from workbench.risk.threads import one_thread

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from sklearn.pipeline import Pipeline

__all__ = ["CauseSpecific", "FineGray"]

#: Rows whose incidence is summed at once: as much as one sweep holds in memory.
_ROWS = 256


class CauseSpecific(BaseEstimator):
    """Cox's regression of each cause's hazard, and the cumulative incidence that they make together.

    Parameters
    ----------
    alpha : float or "aic"
        Ridge of each regression, as in :class:`~workbench.risk.models.linear.CoxModel`.
    ties : {"efron", "breslow"}
        How tied event times count.

    Attributes
    ----------
    models_ : dict of int to CoxModel
        By cause, those with events.
    last_time_ : float
        The longest follow-up.
    n_events_ : int
        Events of cause 1.

    Notes
    -----
    Between two event times the hazards add up to :math:`h`, so that :math:`1 - e^{-h}` of those left have an event, shared out as the
    hazards are; the incidences of all causes and the share without event add up to 1. Benichou and Gail (1990), Biometrics 46:813;
    Ozenne et al. (2017), R Journal 9(2):440, without its product limit, which may leave 0 to 1.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"age": [60.0, 70.0, 65.0, 50.0, 80.0, 75.0]})
    >>> y = outcome([5, 3, 6, 9, 2, 4], [1, 2, 0, 1, 2, 1])
    >>> CauseSpecific(alpha=1.0).fit(X, y).predict_risk(X, [5.0]).round(2).ravel().tolist()
    [0.34, 0.42, 0.39, 0.21, 0.33, 0.4]
    """

    def __init__(self, *, alpha: float | str = 0.0, ties: str = "efron") -> None:
        self.alpha = alpha
        self.ties = ties

    def fit(self, X: ArrayLike, y: np.ndarray, sample_weight: ArrayLike | None = None) -> Self:
        """Fit a regression for each cause.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns, none missing.
        y : structured ndarray of shape (n,)
            Outcomes with causes counted from 1.
        sample_weight : array-like of float, shape (n,), optional
            Case weights.

        Returns
        -------
        CauseSpecific
            This, fitted.

        Raises
        ------
        DataError
            If nobody had an event of cause 1, or a regression cannot be fitted.
        """
        validate_data(self, X, dtype=float, ensure_min_samples=2)
        given = follow(y)
        causes = [int(cause) for cause in np.unique(given.event.astype(int)) if cause]
        _refuse_without_first(causes)
        self.models_ = {}
        for cause in causes:
            one = outcome(given.time, given.event.astype(int) == cause, entry=given.entry)
            try:
                self.models_[cause] = CoxModel(alpha=self.alpha, ties=self.ties).fit(X, one, sample_weight)
            except DataError as error:
                told = f"第 {cause} 种事件：{error.zh or error.message}"
                raise DataError(f"cause {cause}: {error.message}", hint=error.hint, zh=told) from None
        self.last_time_, self.n_events_ = float(given.time.max()), self.models_[1].n_events_
        return self

    def predict_risk(self, X: ArrayLike, times: ArrayLike) -> np.ndarray:
        """Return the cumulative incidence of cause 1 by each horizon.

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
        return self.incidence(X, times, cause=1)

    def incidence(self, X: ArrayLike, times: ArrayLike, *, cause: int) -> np.ndarray:
        """Return the cumulative incidence of a cause by each horizon.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns.
        times : array-like of float, shape (m,)
            Horizons, in the unit of the outcome.
        cause : int
            Which, of those with events.

        Returns
        -------
        ndarray of float, shape (n, m)
            From 0 to 1.
        """
        check_is_fitted(self)
        wanted = horizons(times, self.last_time_)
        baselines = [model.regression_.baseline_[0] for model in self.models_.values()]
        grid = np.unique(np.concatenate([baseline.index.to_numpy() for baseline in baselines]))
        rises = np.zeros((len(baselines), len(grid)))
        for rise, baseline in zip(rises, baselines, strict=True):
            rise[np.searchsorted(grid, baseline.index)] = np.diff(baseline.to_numpy(), prepend=0.0)
        risk = np.exp(np.column_stack([model.predict(X) for model in self.models_.values()]))
        ours, at = list(self.models_).index(cause), np.searchsorted(grid, wanted, side="right")
        parts = [_incidence(risk[first : first + _ROWS], rises, ours)[:, at] for first in range(0, len(risk), _ROWS)]
        return np.concatenate(parts)


def _refuse_without_first(causes: list[int]) -> None:
    if 1 not in causes:
        raise DataError(
            "nobody had an event of cause 1, so there is nothing to learn",
            zh="无人发生结局，无从建模",
            hint="look at the outcome's definition",
        )


def _incidence(risk: np.ndarray, rises: np.ndarray, ours: int) -> np.ndarray:
    """Return the incidence before and after each time of the grid, of shape (n, 1 + grid)."""
    hazard = risk @ rises
    before = np.exp(-(np.cumsum(hazard, axis=1) - hazard))
    share = np.divide(risk[:, [ours]] * rises[ours], hazard, out=np.zeros_like(hazard), where=hazard > 0)
    return np.column_stack([np.zeros(len(risk)), np.cumsum(before * -np.expm1(-hazard) * share, axis=1)])


class FineGray(BaseEstimator):
    r"""The regression of Fine and Gray: proportional hazards of the cumulative incidence itself.

    Parameters
    ----------
    alpha : float or "aic"
        Ridge on columns of standard deviation 1, against the log likelihood.

    Attributes
    ----------
    coef_ : ndarray of float, shape (p,)
        Log subdistribution hazard ratios of cause 1.
    covariance_ : ndarray of float, shape (p, p)
        The sandwich, by person where one has several rows, with the part of the estimated censoring.
    baseline_ : tuple of ndarray
        Times, and the cumulative subdistribution hazard from each on, where the columns are 0.
    alpha_, lp_mean_, last_time_, n_events_ : float
        As of :class:`~workbench.risk.models.linear.CoxModel`.

    Notes
    -----
    Who had another cause stays at risk with the weight :math:`G(t-) / G(T-)`, where G is the probability not to be censored. Breslow's
    ties. Fine and Gray (1999), JASA 94:496; Geskus (2011), Biometrics 67:39; R's ``cmprsk::crr``.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"age": [60.0, 70.0, 65.0, 50.0, 80.0, 75.0]})
    >>> y = outcome([5, 3, 6, 9, 2, 4], [1, 2, 0, 1, 2, 1])
    >>> FineGray().fit(X, y).predict_risk(X, [5.0]).round(2).ravel().tolist()
    [0.34, 0.27, 0.3, 0.41, 0.22, 0.24]
    """

    def __init__(self, *, alpha: float | str = 0.0) -> None:
        self.alpha = alpha

    def fit(self, X: ArrayLike, y: np.ndarray, groups: ArrayLike | None = None) -> Self:
        """Fit the regression.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns, none missing.
        y : structured ndarray of shape (n,)
            Outcomes with causes counted from 1, all watched from time 0 on.
        groups : array-like of shape (n,), optional
            Whose the rows are; the errors are by person where one has several.

        Returns
        -------
        FineGray
            This, fitted.

        Raises
        ------
        DataError
            If nobody had an event of cause 1, somebody entered late, or without a ridge there are too many columns, some are sums of
            others, or they tell events apart without error.
        DefinitionError
            If `alpha` is none.
        """
        check_alpha(self.alpha)
        values, given = validate_data(self, X, dtype=float, ensure_min_samples=2), follow(y)
        event = given.event.astype(int)
        _refuse_without_first(np.unique(event).tolist())
        if given.entry is not None and (given.entry > 0).any():
            raise DataError(
                "some entered after time 0, which the weights do not heed",
                zh="有人在起点之后才进入，所用权重不适用",
                hint="use cause_specific, which does",
            )
        mean, scale = values.mean(axis=0), values.std(axis=0)
        self.n_events_ = int((event == 1).sum())
        with np.errstate(over="ignore"), one_thread():
            sets = weighted_risk_sets((values - mean) / np.where(scale > 0, scale, 1), given.time, event, y)
            self._refuse_too_many(sets.x)
            self.alpha_ = self._chosen(sets) if self.alpha == BY_AIC else self.alpha
            beta, step = maximised(sets, self.alpha_)
            if not self.alpha_:
                refuse_endless(self, step)
            top = sets.derivatives(beta)
            inverse = np.linalg.inv(top.information + self.alpha_ * np.eye(len(beta)))
            persons = persons_of(groups)
            in_order = None if persons is None else persons[np.argsort(given.time, kind="stable")]  # as the risk sets have the rows
            pulls = summed(sets.score_residuals(beta, top), in_order) @ inverse
        back = 1 / np.where(scale > 0, scale, 1)
        self.coef_, self.covariance_ = beta * back, pulls.T @ pulls * np.outer(back, back)
        self.lp_mean_ = float(mean @ self.coef_)
        self.baseline_ = sets.times, np.cumsum(top.hazard) * np.exp(-self.lp_mean_)
        self.last_time_ = float(given.time.max())
        return self

    def _refuse_too_many(self, x: np.ndarray) -> None:
        if self.alpha:
            return
        if x.shape[1] >= self.n_events_:
            raise DataError(
                f"{x.shape[1]} columns against {self.n_events_} events",
                zh=f"{x.shape[1]} 列，仅 {self.n_events_} 例结局",
                hint="choose fewer predictors beforehand, or give alpha for a penalty",
            )
        if np.linalg.matrix_rank(x) < x.shape[1]:
            raise DataError(
                "some columns are constant or sums of others",
                zh="有的列只有一个值，或是其他列之和",
                hint="leave them out, or give alpha for a penalty",
            )

    def _chosen(self, sets: WeightedRiskSets) -> float:
        beta, alpha = np.zeros(sets.x.shape[1]), 0.0
        for _ in range(2):  # as for Cox's
            beta = maximised(sets, alpha)[0] if alpha else beta
            top = sets.derivatives(beta)
            alpha = ridge_by_aic(top.information, top.gradient, beta, size=self.n_events_)
        return alpha

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return linear predictors, of shape (n,): higher for a higher incidence of cause 1."""
        check_is_fitted(self)
        return validate_data(self, X, dtype=float, reset=False) @ self.coef_

    def predict_risk(self, X: ArrayLike, times: ArrayLike) -> np.ndarray:
        """Return the cumulative incidence of cause 1 by each horizon.

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
        return -np.expm1(-np.outer(np.exp(self.predict(X)), self._hazard(horizons(times, self.last_time_))))

    def _hazard(self, times: np.ndarray) -> np.ndarray:
        known, hazard = self.baseline_
        return np.r_[0.0, hazard][np.searchsorted(known, times, side="right")]

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
        baseline = zip(times.tolist(), np.exp(-self._hazard(times) * np.exp(self.lp_mean_)).tolist(), strict=True)
        terms = terms_of(pipeline, self.coef_, np.sqrt(np.diag(self.covariance_)))
        return Equation("fine_gray", terms, "fine_gray", mean=self.lp_mean_, baseline=tuple(baseline), levels=known_words(pipeline))
