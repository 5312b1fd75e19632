"""Updating an equation on new patients: as little as they ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from workbench.errors import DataError, DefinitionError
from workbench.risk.evaluation.accuracy import brier
from workbench.risk.evaluation.calibration import calibration
from workbench.risk.evaluation.classification import binary_accuracy
from workbench.risk.evaluation.horizon import binary
from workbench.risk.evaluation.probability_regression import LOGIT, regress
from workbench.risk.models.linear import LogisticModel
from workbench.risk.survival.concordance import harrell
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.outcome import follow
from workbench.risk.survival.partial_likelihood import derivatives, risk_sets
from workbench.risk.threads import one_thread

if TYPE_CHECKING:
    from workbench.risk.models.equation import Equation
    from workbench.risk.survival.partial_likelihood import Derivatives

__all__ = ["UPDATES", "Update", "update"]

Kind = Literal["none", "intercept", "slope", "refit"]

#: What an update changes, the least first.
UPDATES: dict[Kind, str] = {
    "none": "nothing",
    "intercept": "intercept or baseline (calibration in the large)",
    "slope": "intercept or baseline, and all coefficients by one factor",
    "refit": "intercept or baseline, and each coefficient",
}


class Update(NamedTuple):
    """An equation brought up to date.

    Parameters
    ----------
    equation : Equation
        The new one; its `update` says what was done, its source is the old one's.
    kind : {"none", "intercept", "slope", "refit"}
        What was changed.
    performance : DataFrame
        `before` and `after` on the new patients: concordance, Brier score, calibration. After is apparent: of the patients that it was
        updated on.
    tests : DataFrame
        Of the closed test, each simpler update against the re-fit: `statistic`, `freedom`, `p`; empty where the kind was given.
    """

    equation: Equation
    kind: Kind
    performance: pd.DataFrame
    tests: pd.DataFrame


def update(
    equation: Equation, X: pd.DataFrame, y: np.ndarray, *, kind: Kind | Literal["closed test"] = "closed test", level: float = 0.05
) -> Update:
    """Update an equation on new patients.

    Parameters
    ----------
    equation : Equation
        A logistic one, or one of proportional hazards with a baseline.
    X : DataFrame of shape (n, p)
        Its predictors, none missing.
    y : ndarray of shape (n,)
        Whether each had the event; or outcomes with times, in days.
    kind : {"closed test", "none", "intercept", "slope", "refit"}
        What to change. By the closed test the least that is not worse than re-fitting all.
    level : float
        Of its tests.

    Returns
    -------
    Update
        With the new equation.

    Raises
    ------
    DataError
        If a predictor is missing, there are no events, all predictions are equal, nobody was followed up to a horizon of the baseline, or a
        re-fit has no finite coefficients.
    DefinitionError
        If there is no such kind.

    Notes
    -----
    Logistic: Steyerberg et al. (2004), SiM 23:2567; the closed test of Vergouwe et al. (2017), SiM 36:4529: the re-fit is tested against
    the old equation, then against a new intercept, then against intercept and slope, by likelihood ratios with p + 1, p and p - 1 degrees
    of freedom; the first that is not worse is taken. With times the partial likelihood has no intercept: the re-fit is tested against the
    old coefficients (p), then against a slope (p - 1), and the baseline is always estimated anew (van Houwelingen 2000, SiM 19:3401), by
    Efron, as a published one is known at its horizons alone.

    Examples
    --------
    >>> from workbench.risk.models.equation import Equation, Factor, Term
    >>> from scipy.special import expit
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.normal(60, 10, 2000)})
    >>> old = Equation("old", (Term((Factor("age"),), 0.05),), "logistic", intercept=-3.0)
    >>> found = update(old, X, rng.random(2000) < expit(-4.0 + 0.05 * X["age"]))
    >>> found.kind, round(found.equation.intercept, 1)
    ('intercept', -4.0)
    """
    if kind != "closed test" and kind not in UPDATES:
        raise DefinitionError(f"kind={kind!r} is no update", hint=f"closed test, {', '.join(UPDATES)}")
    fitted = _Logistic(equation, X, y) if equation.kind == "logistic" else _Cox(equation, X, y)
    tests = pd.DataFrame(columns=["statistic", "freedom", "p"])
    if kind == "closed test":
        tests = fitted.tested()
        passed = tests.index[tests["p"] > level]
        kind = passed[0] if len(passed) else "refit"
    new = replace(fitted.updated(kind), update=f"{kind}: {UPDATES[kind]} changed on {len(X)} patients") if kind != "none" else equation
    performance = pd.DataFrame({"before": fitted.performance(equation), "after": fitted.performance(new)})
    return Update(new, kind, performance, tests)


def _columns(equation: Equation, X: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the linear predictor, and the columns that the coefficients multiply."""
    lp = equation.linear_predictor(X)
    if np.isnan(lp).any():
        raise DataError(f"{int(np.isnan(lp).sum())} of {len(X)} rows lack a predictor", hint="impute them beforehand, or drop them")
    if np.ptp(lp) == 0:
        raise DataError("all have the same linear predictor, so there is nothing to update")
    columns = [np.prod([factor.values(X) for factor in term.factors], axis=0) for term in equation.terms]
    return lp, np.column_stack(columns)


def _times(equation: Equation, factor: float) -> Equation:
    terms = tuple(replace(term, coefficient=factor * term.coefficient, std_error=abs(factor) * term.std_error) for term in equation.terms)
    return replace(equation, terms=terms)


def _with(equation: Equation, coefficients: np.ndarray, errors: np.ndarray) -> Equation:
    """Return an equation with other coefficients."""
    triples = zip(equation.terms, coefficients.tolist(), errors.tolist(), strict=True)
    return replace(equation, terms=tuple(replace(term, coefficient=value, std_error=error) for term, value, error in triples))


def _likelihood_ratios(full: float, simpler: dict[Kind, tuple[float, int]]) -> pd.DataFrame:
    rows = {kind: (2 * (full - value), freedom, chi2.sf(2 * (full - value), freedom)) for kind, (value, freedom) in simpler.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["statistic", "freedom", "p"]).rename_axis("update")


class _Logistic:
    """Updates of a logistic equation."""

    def __init__(self, equation: Equation, X: pd.DataFrame, y: np.ndarray) -> None:
        self.equation, self.X, self.y = equation, X, binary(y)
        self.lp, self.columns = _columns(equation, X)
        self.given = equation.intercept + self.lp

    def updated(self, kind: Kind) -> Equation:
        """Return the updated equation."""
        if kind == "refit":
            model = LogisticModel(alpha=0).fit(self.columns, self.y)
            refitted = _with(self.equation, model.coef_, np.sqrt(np.diag(model.covariance_))[1:])
            return replace(refitted, intercept=model.intercept_)
        shift, slope = self._recalibrated(kind)
        return replace(_times(self.equation, slope), intercept=shift + slope * self.equation.intercept)

    def _recalibrated(self, kind: Kind) -> tuple[float, float]:
        one, truth = np.ones((len(self.y), 1)), self.y.astype(float)
        if kind == "none":
            return 0.0, 1.0
        if kind == "intercept":
            return float(regress(truth, one, LOGIT, offset=self.given, start=np.zeros(1)).coefficients[0]), 1.0
        return tuple(regress(truth, np.c_[one, self.given], LOGIT, start=np.array([0.0, 1.0])).coefficients.tolist())

    def tested(self) -> pd.DataFrame:
        """Return the closed test."""
        p = self.columns.shape[1]
        simpler = {kind: (self._likelihood(self.updated(kind)), p + 1 - place) for place, kind in enumerate(("none", "intercept", "slope"))}
        return _likelihood_ratios(self._likelihood(self.updated("refit")), {kind: row for kind, row in simpler.items() if row[1]})

    def _likelihood(self, equation: Equation) -> float:
        log_odds = equation.intercept + equation.linear_predictor(self.X)
        return float((self.y * log_odds - np.logaddexp(0, log_odds)).sum())

    def performance(self, equation: Equation) -> pd.Series:
        """Return concordance, Brier score and calibration."""
        risk = equation.predict_risk(self.X).ravel()
        found = binary_accuracy(self.y, risk)
        return pd.concat([pd.Series({"concordance": found.auroc, "brier": found.brier}), calibration(self.y, risk)["estimate"]])


class _Cox:
    """Updates of an equation of proportional hazards."""

    def __init__(self, equation: Equation, X: pd.DataFrame, y: np.ndarray) -> None:
        self.equation, self.X, self.y = equation, X, y
        self.lp, self.columns = _columns(equation, X)
        given = follow(y)
        if given.event.dtype != bool:
            raise DataError("the outcome has several causes", hint="update the equation of one cause's hazard: outcome(time, cause == 1)")
        if not given.event.any():
            raise DataError("nobody had the event, so there is nothing to update")
        last = max(horizon for horizon, _ in equation.baseline)
        if given.time.max() < last:
            raise DataError(f"nobody was followed up to the horizon of {last:g} days", hint="leave that horizon out of the baseline")
        self.sets = risk_sets(given)

    def updated(self, kind: Kind) -> Equation:
        """Return the updated equation, its baseline estimated anew."""
        if kind == "refit":
            model = self._regression(self.columns)
            new = _with(self.equation, model.coef_, np.sqrt(np.diag(model.covariance_)))
        else:
            slope = 1.0 if kind in ("none", "intercept") else float(self._regression(self.lp[:, None]).coef_[0])
            new = _times(self.equation, slope)
        lp = new.linear_predictor(self.X)
        mean = float(lp.mean())
        cumulated = np.r_[0.0, np.cumsum(self._at(lp - mean).hazard[::-1])]
        horizons = np.array([horizon for horizon, _ in self.equation.baseline])
        left = np.exp(-cumulated[np.searchsorted(self.sets.time[::-1], horizons, side="right")])
        return replace(new, mean=mean, baseline=tuple(zip(horizons.tolist(), left.tolist(), strict=True)))

    def _regression(self, columns: np.ndarray) -> CoxRegression:
        return CoxRegression().fit(columns, self.y)

    def _at(self, lp: np.ndarray) -> Derivatives:
        x = np.vstack([np.ones(len(lp)), lp[self.sets.order]])
        with one_thread():
            return derivatives(self.sets, x, np.ones(1))

    def tested(self) -> pd.DataFrame:
        """Return the closed test."""
        full = self._regression(self.columns)
        p = int(np.isfinite(np.diag(full.covariance_)).sum())  # what adds nothing here has no coefficient to be tested
        simpler = {"intercept": (self._at(self.lp).value, p), "slope": (self._regression(self.lp[:, None]).log_likelihood_, p - 1)}
        return _likelihood_ratios(full.log_likelihood_, {kind: row for kind, row in simpler.items() if row[1] > 0})

    def performance(self, equation: Equation) -> pd.Series:
        """Return concordance, and at the last horizon Brier score and calibration."""
        horizon = max(horizon for horizon, _ in equation.baseline)
        risk = equation.predict_risk(self.X, [horizon]).ravel()
        found = {
            "concordance": harrell(self.y, equation.linear_predictor(self.X)),
            "brier": brier(self.y, risk, [horizon])["brier"].iloc[0],
        }
        return pd.concat([pd.Series(found), calibration(self.y, risk, horizon=horizon)["estimate"]])
