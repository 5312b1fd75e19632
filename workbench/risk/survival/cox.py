"""Proportional hazards regression."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import chi2, norm
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.survival.concordance import harrell
from workbench.risk.survival.outcome import Follow, case_weights, follow
from workbench.risk.survival.partial_likelihood import Derivatives, derivatives, risk_sets, score_residuals
from workbench.risk.threads import one_thread

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from workbench.risk.survival.partial_likelihood import RiskSets

__all__ = ["CoxRegression"]

_TIES = ("efron", "breslow")
#: What is left of a covariate's information, beside the others', below which it adds nothing.
_ALIASED = 1e-10
#: A last step of Newton's of more standard deviations than this, where the likelihood gains nothing any more, leads to infinity.
_ENDLESS = 0.01


class CoxRegression(BaseEstimator):
    r"""Cox's regression for right-censored outcomes, with delayed entry, strata, case weights and an elastic net.

    Parameters
    ----------
    ties : {"efron", "breslow"}
        How tied event times count.
    alpha : float
        Weight of the penalty :math:`\alpha (\rho |\beta|_1 + (1 - \rho) |\beta|_2^2 / 2)` against the log likelihood, on covariates
        divided by their standard deviation. 0 for none.
    l1_ratio : float
        :math:`\rho`: 0 for the ridge, 1 for the lasso.
    robust : bool
        Whether standard errors are Lin and Wei's sandwich, which the weights and the clusters of `fit` ask for in any case.
    max_iter : int
        Newton steps.
    tol : float
        The change of the log likelihood, relative to its size, that ends them.

    Attributes
    ----------
    coef_ : ndarray of float, shape (p,)
        Log hazard ratios, per unit of each covariate. 0 where a covariate adds nothing (constant, or a sum of others); a warning names it.
    covariance_ : ndarray of float, shape (p, p)
        Of the coefficients; not a number where the model is penalised or a covariate adds nothing.
    log_likelihood_, null_log_likelihood_ : float
        At the coefficients, and with all of them 0.
    baseline_ : dict of Series
        For each stratum the cumulative baseline hazard by time, of a person whose covariates are 0.
    strata_ : ndarray
        The strata's names; one, 0, if none are given.
    n_events_, n_iter_ : int
        Events, and Newton steps.

    Notes
    -----
    A person is at risk from after their entry up to and with their time, as in R's survival package. Newton's method with step halving;
    with a lasso each step is solved by coordinate descent.

    Cox (1972), JRSS B 34:187; Efron (1977), JASA 72:557; Lin and Wei (1989), JASA 84:1074; Simon et al. (2011), JSS 39(5).

    Examples
    --------
    >>> from workbench.risk.survival.outcome import outcome
    >>> X = pd.DataFrame({"age": [60, 70, 65, 50, 80, 75]})
    >>> model = CoxRegression().fit(X, outcome([5, 3, 6, 9, 2, 4], [True, True, False, False, True, False]))
    >>> model.summary().loc["age", "hazard_ratio"].round(2)
    np.float64(1.17)
    """

    def __init__(
        self,
        *,
        ties: str = "efron",
        alpha: float = 0.0,
        l1_ratio: float = 0.0,
        robust: bool = False,
        max_iter: int = 50,
        tol: float = 1e-10,
    ) -> None:
        self.ties = ties
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.robust = robust
        self.max_iter = max_iter
        self.tol = tol

    def fit(
        self,
        X: ArrayLike,
        y: np.ndarray,
        *,
        sample_weight: ArrayLike | None = None,
        strata: ArrayLike | None = None,
        cluster: ArrayLike | None = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Covariates, none missing.
        y : structured ndarray of shape (n,)
            As :func:`workbench.risk.survival.outcome.outcome` makes it.
        sample_weight : array-like of float, shape (n,), optional
            Case weights, not negative.
        strata : array-like of shape (n,), optional
            Each stratum has its own baseline hazard.
        cluster : array-like of shape (n,), optional
            Persons whose rows depend on each other (a hospital, a patient with several rows), for the standard errors.

        Returns
        -------
        CoxRegression
            This, fitted.

        Raises
        ------
        DataError
            If there is no event, a value is missing, the coefficients run to infinity (separation), or there are more covariates than
            events and no penalty.
        DefinitionError
            If a parameter is none.
        """
        self._check_parameters()
        X = validate_data(self, X, dtype=float, ensure_min_samples=2)
        given = follow(y)
        weight = None if sample_weight is None else case_weights(sample_weight, len(X))
        self._check_outcome(X, given, weight)
        self.strata_, codes = (np.array([0]), None) if strata is None else np.unique(np.asarray(strata), return_inverse=True)
        sets = risk_sets(given, strata=codes, weight=weight, efron=self.ties == "efron")
        self.n_events_ = len(sets.events)
        with one_thread():  # many small products: threads would only wait for each other
            x, scale, used = self._standardised(X, sets)
            x, used, start = self._adding(sets, x, used)
            beta, top = self._maximise(sets, x, used, start)
            self.coef_ = np.zeros(X.shape[1])
            self.coef_[used] = beta / scale[used]
            self.log_likelihood_, self.null_log_likelihood_ = top.value, start.value
            self.covariance_ = np.full((X.shape[1], X.shape[1]), np.nan)
            if not self.alpha:
                spread = self._covariance(sets, x, beta, top, None if cluster is None else np.asarray(cluster), weighted=weight is not None)
                self.covariance_[np.ix_(used, used)] = spread / np.outer(scale[used], scale[used])
            self.baseline_ = self._baseline(sets, top.hazard * np.exp(-float(X.mean(axis=0) @ self.coef_)))
        return self

    def _check_parameters(self) -> None:
        if self.ties not in _TIES:
            raise DefinitionError(f"ties={self.ties!r} is none of {', '.join(_TIES)}")
        if not (self.alpha >= 0 and 0 <= self.l1_ratio <= 1):
            raise DefinitionError(f"alpha={self.alpha!r} with l1_ratio={self.l1_ratio!r}: wanted alpha >= 0 and l1_ratio from 0 to 1")

    def _check_outcome(self, X: np.ndarray, given: Follow, weight: np.ndarray | None) -> None:
        if len(given.time) != len(X):
            raise DataError(f"{len(X)} persons have covariates and {len(given.time)} have an outcome")
        if given.event.dtype != bool:
            raise DataError("the outcome has several causes", hint="fit one model a cause: outcome(time, cause == 1)")
        events = int((given.event if weight is None else given.event & (weight > 0)).sum())
        if not events:
            raise DataError(
                "nobody had the event, so there is nothing to learn",
                zh="无人发生结局，无从建模",
                hint="look at the outcome's definition, or follow up longer",
            )
        if X.shape[1] >= events and not self.alpha:
            raise DataError(
                f"{X.shape[1]} covariates against {events} events",
                zh=f"{X.shape[1]} 个协变量，仅 {events} 例结局",
                hint="choose fewer covariates beforehand, or give alpha for a penalty",
            )

    def _names(self, columns: ArrayLike) -> str:
        names = getattr(self, "feature_names_in_", None)
        return ", ".join(str(column) if names is None else str(names[column]) for column in columns)

    @staticmethod
    def _standardised(X: np.ndarray, sets: RiskSets) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ones above the covariates that vary, as rows in the order of the sets; the scale of all; and which they are."""
        scale = X.std(axis=0)
        used = np.flatnonzero(scale > 1e-12 * np.abs(X).max(axis=0))
        x = np.ones((1 + len(used), len(X)))
        for row, column in enumerate(used, 1):
            np.take(X[:, column], sets.order, out=x[row])
            x[row] -= x[row].mean()
            x[row] /= scale[column]
        return x, scale, used

    def _adding(self, sets: RiskSets, x: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray, Derivatives]:
        """Leave out covariates that add nothing to those before them; return what is left, and the likelihood with coefficients of 0."""
        start = derivatives(sets, x, np.zeros(len(used)))
        adds = np.ones(len(used), bool) if self.alpha else _adding(start.information)
        if not adds.all():
            x, used = x[np.r_[True, adds]], used[adds]
            start = start._replace(gradient=start.gradient[adds], information=start.information[np.ix_(adds, adds)])
        idle = np.setdiff1d(np.arange(self.n_features_in_), used)
        if len(idle):
            zh = "系数取 0 的协变量（在险者中只有一个值，或是其他协变量之和）："
            en = "covariates that add nothing (constant among those at risk, or a sum of others) have the coefficient 0: "
            warnings.warn(tr(zh, en) + self._names(idle), ConvergenceWarning, stacklevel=3)
        return x, used, start

    def _maximise(self, sets: RiskSets, x: np.ndarray, used: np.ndarray, start: Derivatives) -> tuple[np.ndarray, Derivatives]:
        lasso, ridge = self.alpha * self.l1_ratio, self.alpha * (1 - self.l1_ratio)

        def goal(at: Derivatives, beta: np.ndarray) -> float:
            return at.value - lasso * np.abs(beta).sum() - ridge / 2 * beta @ beta

        beta, at = np.zeros(len(x) - 1), start
        for step in range(1, self.max_iter + 1):
            self.n_iter_ = step
            aim, before = _newton(at, beta, lasso, ridge), goal(at, beta)
            wanted = np.abs(aim - beta)
            then, size = derivatives(sets, x, aim), 1.0
            while goal(then, aim) < before - 1e-12 * abs(before) and size > 1e-6:
                size /= 2
                aim = (beta + aim) / 2
                then = derivatives(sets, x, aim)
            gained = goal(then, aim) - before
            beta, at = aim, then
            if abs(gained) <= self.tol * abs(before):
                break
        self._refuse_endless(used[wanted > _ENDLESS])
        if abs(gained) > self.tol * abs(before):
            told = tr(f"迭代 {self.max_iter} 步仍未收敛", f"no maximum after {self.max_iter} steps")
            warnings.warn(told, ConvergenceWarning, stacklevel=4)
        return beta, at

    def _refuse_endless(self, columns: np.ndarray) -> None:
        if len(columns):
            raise DataError(
                f"these covariates tell events apart without error, so their coefficients have no finite value: {self._names(columns)}",
                zh=f"以下协变量完全区分了是否发生结局，系数没有有限的值：{self._names(columns)}",
                hint="look whether they are known before the event at all; else join categories, or give alpha for a penalty",
            )

    def _covariance(
        self, sets: RiskSets, x: np.ndarray, beta: np.ndarray, top: Derivatives, cluster: np.ndarray | None, *, weighted: bool
    ) -> np.ndarray:
        inverse = cho_solve(cho_factor(top.information), np.eye(len(beta)))
        if not (self.robust or weighted or cluster is not None):
            return inverse
        pulls = score_residuals(sets, x, beta) @ inverse
        if cluster is not None:
            _, codes = np.unique(cluster[sets.order], return_inverse=True)
            pulls = np.column_stack([np.bincount(codes, column) for column in pulls.T])
        return pulls.T @ pulls

    def _baseline(self, sets: RiskSets, steps: np.ndarray) -> dict[object, pd.Series]:
        parts = ((sets.time[sets.stratum == code][::-1], steps[sets.stratum == code][::-1]) for code in range(len(self.strata_)))
        return {
            name: pd.Series(np.cumsum(rise), pd.Index(time, name="time"), name="cumulative_hazard")
            for name, (time, rise) in zip(self.strata_.tolist(), parts, strict=True)
        }

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return log hazard ratios against a person whose covariates are 0.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Covariates.

        Returns
        -------
        ndarray of float, shape (n,)
            Higher for earlier events.
        """
        check_is_fitted(self)
        return validate_data(self, X, dtype=float, reset=False) @ self.coef_

    def predict_survival(self, X: ArrayLike, times: ArrayLike, *, strata: ArrayLike | None = None) -> np.ndarray:
        """Return the probabilities of no event up to and with each time.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Covariates.
        times : array-like of float, shape (m,)
            When.
        strata : array-like of shape (n,), optional
            Needed where the model has several.

        Returns
        -------
        ndarray of float, shape (n, m)
            Exp(-H).

        Raises
        ------
        DataError
            If a stratum is not known to the model.
        """
        risk, times = np.exp(self.predict(X)), np.asarray(times, float)
        strata = np.full(len(risk), self.strata_[0]) if strata is None and len(self.strata_) == 1 else np.asarray(strata)
        unknown = ~np.isin(strata, self.strata_)
        if unknown.any():
            raise DataError(
                f"{int(unknown.sum())} persons are of no stratum that the model knows", hint=f"known: {', '.join(map(str, self.strata_))}"
            )
        survival = np.empty((len(risk), len(times)))
        for name, baseline in self.baseline_.items():
            hazard = np.r_[0.0, baseline.to_numpy()][np.searchsorted(baseline.index, times, side="right")]
            survival[strata == name] = np.exp(-np.outer(risk[strata == name], hazard))
        return survival

    def score(self, X: ArrayLike, y: np.ndarray) -> float:
        """Return Harrell's C.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Covariates.
        y : structured ndarray of shape (n,)
            Outcomes.

        Returns
        -------
        float
            From 0 to 1; see :func:`workbench.risk.survival.concordance.harrell`.
        """
        return harrell(y, self.predict(X))

    def summary(self, *, level: float = 0.95) -> pd.DataFrame:
        """Return a row for each covariate, as papers print it.

        Parameters
        ----------
        level : float
            Of the intervals.

        Returns
        -------
        DataFrame
            Coefficient, standard error, hazard ratio with its interval, z and p; no errors where the model is penalised.
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", [f"x{column}" for column in range(len(self.coef_))])
        error, wide = np.sqrt(np.diag(self.covariance_)), norm.ppf((1 + level) / 2)
        z = self.coef_ / error
        columns = {
            "coefficient": self.coef_,
            "standard_error": error,
            "hazard_ratio": np.exp(self.coef_),
            "lower": np.exp(self.coef_ - wide * error),
            "upper": np.exp(self.coef_ + wide * error),
            "z": z,
            "p": chi2.sf(z**2, 1),
        }
        return pd.DataFrame(columns, index=pd.Index(names, name="covariate"))


def _adding(information: np.ndarray) -> np.ndarray:
    """Return which covariates add information to those before them, by Cholesky's scheme without the square roots."""
    left, adds = information.copy(), np.ones(len(information), bool)
    for j in range(len(left)):
        adds[j] = left[j, j] > _ALIASED * max(information[j, j], 1)
        if adds[j]:
            left -= np.outer(left[:, j], left[j]) / left[j, j]
    return adds


def _newton(at: Derivatives, beta: np.ndarray, lasso: float, ridge: float) -> np.ndarray:
    """Return the maximum of the penalised likelihood's quadratic approximation."""
    information = at.information + ridge * np.eye(len(beta))
    pull = at.gradient + at.information @ beta
    if not lasso:
        return cho_solve(cho_factor(information), pull)
    aim = beta.copy()
    for _ in range(1000):
        before = aim.copy()
        for j in range(len(aim)):
            rest = pull[j] - information[j] @ aim + information[j, j] * aim[j]
            aim[j] = np.sign(rest) * max(abs(rest) - lasso, 0) / information[j, j]
        if np.abs(aim - before).max() < 1e-12:
            break
    return aim
