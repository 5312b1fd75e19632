"""Boosted trees (LightGBM) for binary outcomes and for times; missing values and categories as they are."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.evaluation.horizon import binary
from workbench.risk.models.breslow import Breslow
from workbench.risk.models.catalogue import Recipe
from workbench.risk.models.common import horizons
from workbench.risk.models.equation import tell_unseen
from workbench.risk.models.extras import needed
from workbench.risk.models.inner_split import inner_parts
from workbench.risk.models.preparation import UsableColumns
from workbench.risk.survival.cox import CoxRegression
from workbench.risk.survival.curves import at_times
from workbench.risk.survival.outcome import Follow, case_weights, follow, outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from workbench.risk.extraction.dataset import Feature

__all__ = ["RECIPE", "BoostedTrees", "NothingLearnt"]

#: Ridge on the standardised score where it is calibrated: none to speak of, but the slope stays finite where the score is perfect.
_RIDGE = 1e-3


class NothingLearnt(UserWarning):
    """The model tells rows held out from it no better than chance, so all have the same risk."""


class _Codes(NamedTuple):
    """Levels of the columns that are categories; an empty tuple for a number."""

    levels: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Self:
        return cls(tuple(tuple(c.cat.categories) if isinstance(c.dtype, pd.CategoricalDtype) else () for _, c in table.items()))

    @property
    def categories(self) -> list[int]:
        return [place for place, levels in enumerate(self.levels) if levels]

    def values(self, table: pd.DataFrame) -> np.ndarray:
        """Return numbers and codes, of shape (n, p); what is missing, or a category that training data lack, is not a number."""
        values, unseen = np.empty(table.shape), {}
        for place, (levels, (name, column)) in enumerate(zip(self.levels, table.items(), strict=True)):
            if not levels:
                values[:, place] = _numbers(name, column)
                continue
            codes = pd.Index(levels).get_indexer(column.astype(object))
            values[:, place] = np.where(codes < 0, np.nan, codes)
            unseen[name] = int((codes < 0).sum() - column.isna().sum())
        tell_unseen(unseen, missing=True)
        return values


def _numbers(name: object, column: pd.Series) -> np.ndarray:
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise DataError(f"the column {name!r} is neither of numbers nor a category", hint="make it a category")
    values = column.to_numpy(float, na_value=np.nan)
    if infinite := int(np.isinf(values).sum()):
        raise DataError(f"the column {name!r} holds {infinite} infinite values", hint="clean it first")
    return values


class BoostedTrees(BaseEstimator):
    """An ensemble of gradient-boosted trees: log odds of a binary outcome, or log hazard ratios by Cox's partial likelihood.

    Each member learns from all parts of the data but one, which says when to stop. The scores of the parts held out also give the slope and
    the level (a baseline hazard, or an intercept) by which the mean score becomes a risk.

    Parameters
    ----------
    members : int
        Boosted models.
    leaves : int
        Of a tree, at most.
    min_rows : int
        Rows in a leaf, at least.
    learning_rate : float
        Share of each tree that counts.
    max_trees, patience : int
        Trees of a member at most, and without improvement on the rows held out.
    column_share, row_share : float
        Shares of columns and rows that a tree sees.
    l2 : float
        Penalty on a leaf's value.
    random_state : int
        Of split and shares.

    Attributes
    ----------
    boosters_ : list of lightgbm.Booster
        The members.
    slope_, intercept_ : float
        Of the mean score; the intercept is 0 with times.
    baseline_ : Series or None
        Cumulative hazard by time of a person whose score is 0; None for a binary outcome.
    last_time_ : float
        The longest follow-up; not a number for a binary outcome.

    Notes
    -----
    Ke et al. (2017), LightGBM, NeurIPS 30; Ridgeway (1999), The state of boosting, for the partial likelihood, with Breslow's ties; slope
    and intercept are Platt's (1999). A fitted model holds thresholds that are patients' values, so it never leaves a session.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"crp": rng.normal(size=300), "ward": pd.Categorical(rng.choice(["a", "b"], 300))})
    >>> y = X["crp"].to_numpy() + rng.normal(size=300) > 0
    >>> BoostedTrees(members=2).fit(X, y).predict_risk(X.iloc[:2]).shape
    (2, 1)
    """

    def __init__(
        self,
        *,
        members: int = 5,
        leaves: int = 8,
        min_rows: int = 10,
        learning_rate: float = 0.05,
        max_trees: int = 1000,
        patience: int = 30,
        column_share: float = 0.5,
        row_share: float = 0.7,
        l2: float = 1.0,
        random_state: int = 0,
    ) -> None:
        self.members = members
        self.leaves = leaves
        self.min_rows = min_rows
        self.learning_rate = learning_rate
        self.max_trees = max_trees
        self.patience = patience
        self.column_share = column_share
        self.row_share = row_share
        self.l2 = l2
        self.random_state = random_state

    def fit(
        self, X: pd.DataFrame | ArrayLike, y: np.ndarray, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Grow the trees.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Numbers and categories; values may be missing.
        y : ndarray of shape (n,)
            Outcomes with times, entries heeded, or binary ones.
        sample_weight : array-like of float, shape (n,), optional
            Case weights.
        groups : array-like of shape (n,), optional
            The person of each row, where a person has several.

        Returns
        -------
        BoostedTrees
            This, fitted. Warns of :class:`NothingLearnt`.

        Raises
        ------
        DataError
            If fewer persons had the event, or did not, than there are members; no column varies; a value is infinite; or the outcome has
            several causes.
        DefinitionError
            If a parameter is none.
        EnvironmentFault
            If LightGBM is not installed.
        """
        self._check_parameters()
        needed("lightgbm")
        table = self._table(X, reset=True)
        self._codes = _Codes.of(table)
        values, weight = self._codes.values(table), case_weights(sample_weight, len(table))
        weight = weight / weight.mean()  # not in place: it may be the caller's
        _refuse_constant(values)
        truth = binary(y) if _is_binary(y) else None
        given = None if truth is not None else _one_cause(y)
        event = truth if given is None else given.event
        if len(event) != len(values):
            raise DataError(f"{len(values)} rows have predictors and {len(event)} have an outcome")
        rows = values if given is None else np.c_[values, given.time]
        part = inner_parts(rows, event.astype(int), groups, parts=self.members, seed=self.random_state, both=given is None)
        self.boosters_ = [self._grown(values, event, given, weight, part == member, member) for member in range(self.members)]
        held_out = np.empty(len(values))
        for member, booster in enumerate(self.boosters_):
            held_out[part == member] = booster.predict(values[part == member], raw_score=True, num_threads=1)
        self._calibrate(held_out, event, given, weight)
        return self

    def _check_parameters(self) -> None:
        counts = ("leaves", "min_rows", "max_trees", "patience")
        wrong = [name for name in counts if int(getattr(self, name)) != getattr(self, name) or getattr(self, name) < 1]
        wrong += [name for name in ("learning_rate", "column_share", "row_share") if not 0 < getattr(self, name) <= 1]
        wrong += ["members"] * (self.members < 2) + ["leaves"] * (self.leaves == 1) + ["l2"] * (not self.l2 >= 0)
        if wrong:
            told = ", ".join(f"{name}={getattr(self, name)!r}" for name in wrong)
            raise DefinitionError(f"boosted trees cannot have {told}", hint="counts of 1 or more, 2 members and leaves, shares up to 1")

    def _table(self, X: pd.DataFrame | ArrayLike, *, reset: bool) -> pd.DataFrame:
        validate_data(self, X, skip_check_array=True, reset=reset)
        return X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X, float))

    def _grown(self, values: np.ndarray, event: np.ndarray, given: Follow | None, weight: np.ndarray, held: np.ndarray, member: int) -> Any:
        """Return a member, grown on the rows that are not held out, up to where it did best on those that are."""
        lightgbm = needed("lightgbm")
        _refuse_constant(values[~held])
        settings = {
            "categorical_feature": self._codes.categories,
            "params": {"verbose": -1, "min_data_in_bin": 1, "feature_pre_filter": False},
        }
        learn = lightgbm.Dataset(values[~held], event[~held].astype(float), weight=weight[~held], **settings)
        watch = lightgbm.Dataset(values[held], event[held].astype(float), weight=weight[held], reference=learn, **settings)
        objective, score = ("binary", None) if given is None else (_climb(given, weight, ~held), _watch(given, weight, held))
        parameters = {
            "objective": objective,
            "metric": "binary_logloss" if given is None else "none",
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.min_rows,
            "min_sum_hessian_in_leaf": 1e-3,
            "learning_rate": self.learning_rate,
            "feature_fraction": self.column_share,
            "bagging_fraction": self.row_share,
            "bagging_freq": 1,
            "lambda_l2": self.l2,
            "cat_smooth": 10.0,
            "seed": self.random_state + member,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "verbose": -1,
        }
        stop = lightgbm.early_stopping(self.patience, verbose=False)
        booster = lightgbm.train(parameters, learn, self.max_trees, valid_sets=[watch], feval=score, callbacks=[stop])
        return booster.free_dataset()

    def _calibrate(self, score: np.ndarray, event: np.ndarray, given: Follow | None, weight: np.ndarray) -> None:
        """Learn from scores of rows held out how the mean score becomes a risk."""
        slope = 0.0
        if np.ptp(score) > 0:
            slope = _logistic(score, event, weight)[0] if given is None else _cox_slope(score, given, weight)
        if slope <= 0:
            told = (
                "各树对留出的行的区分不优于随机：所有人的风险相同",
                "the trees tell rows held out no better than chance: all get one risk",
            )
            warnings.warn(tr(*told), NothingLearnt, stacklevel=3)
        self.slope_, self.intercept_, self.baseline_, self.last_time_ = max(slope, 0.0), 0.0, None, float("nan")
        if given is None:
            share = np.average(event, weights=weight)
            self.intercept_ = _logistic(score, event, weight)[1] if slope > 0 else float(np.log(share / (1 - share)))
            return
        time, hazard = Breslow.of(given, weight).baseline(self.slope_ * score)
        self.baseline_ = pd.Series(hazard, pd.Index(time, name="time"), name="cumulative_hazard")
        self.last_time_ = float(given.time.max())

    def predict(self, X: pd.DataFrame | ArrayLike) -> np.ndarray:
        """Return the log odds, or the log hazard ratio against the baseline.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Columns as in `fit`; a category that training data lack counts as missing, with a warning.

        Returns
        -------
        ndarray of float, shape (n,)
            Linear in the mean of the members.
        """
        check_is_fitted(self, "boosters_")
        values = self._codes.values(self._table(X, reset=False))
        return self.intercept_ + self.slope_ * np.mean(
            [booster.predict(values, raw_score=True, num_threads=1) for booster in self.boosters_], axis=0
        )

    def predict_risk(self, X: pd.DataFrame | ArrayLike, times: ArrayLike | None = None) -> np.ndarray:
        """Return the risk by each horizon.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Columns as in `fit`.
        times : array-like of float, shape (m,), optional
            Horizons, in the unit of the outcome; none for a binary outcome.

        Returns
        -------
        ndarray of shape (n, m), or (n, 1) for a binary outcome
            Risks.

        Raises
        ------
        DefinitionError
            If a horizon is missing or not above 0.
        """
        score = self.predict(X)
        if self.baseline_ is None:
            return expit(score)[:, None]
        hazard = at_times(self.baseline_, horizons(times, self.last_time_), start=0.0)
        return -np.expm1(-np.exp(score)[:, None] * hazard)

    def contributions(self, X: pd.DataFrame | ArrayLike) -> tuple[np.ndarray, float]:
        """Return exact TreeSHAP values of `predict`.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Columns as in `fit`.

        Returns
        -------
        tuple of ndarray of float, shape (n, p), and float
            Each column's part, and the expectation; together they are what `predict` returns.

        Notes
        -----
        Lundberg et al. (2020), Nature Machine Intelligence 2:56; as LightGBM has it, path-dependent.
        """
        check_is_fitted(self, "boosters_")
        values = self._codes.values(self._table(X, reset=False))
        parts = np.mean([booster.predict(values, pred_contrib=True, num_threads=1) for booster in self.boosters_], axis=0)
        return self.slope_ * parts[:, :-1], self.intercept_ + self.slope_ * float(parts[0, -1])

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = True
        return tags


def _refuse_constant(values: np.ndarray) -> None:
    gaps = np.isnan(values)
    first = values[gaps.argmin(axis=0), np.arange(values.shape[1])]
    if not (((values != first) & ~gaps).any() or (gaps.any(axis=0) & ~gaps.all(axis=0)).any()):
        raise DataError(
            "no column varies, so there is nothing to learn from", zh="没有一列的取值有差别，无从建模", hint="look at the predictors"
        )


def _is_binary(y: np.ndarray) -> bool:
    return getattr(np.asarray(y).dtype, "names", None) is None


def _one_cause(y: np.ndarray) -> Follow:
    given = follow(y)
    if given.event.dtype != bool:
        raise DataError("the outcome has several causes", hint="choose hazard_net or cause_specific; or fit one model a cause")
    return given


def _some(given: Follow, weight: np.ndarray, rows: np.ndarray) -> Breslow:
    entry = None if given.entry is None else given.entry[rows]
    return Breslow.of(Follow(given.time[rows], given.event[rows], entry), weight[rows])


def _climb(given: Follow, weight: np.ndarray, rows: np.ndarray) -> Any:
    likelihood = _some(given, weight, rows)
    return lambda score, _: likelihood.derivatives(score)


def _watch(given: Follow, weight: np.ndarray, rows: np.ndarray) -> Any:
    likelihood = _some(given, weight, rows)
    return lambda score, _: ("partial_likelihood", likelihood.loss(score), False)


def _logistic(score: np.ndarray, event: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of the score."""
    scale = score.std()
    model = LogisticRegression(C=1 / _RIDGE).fit(score[:, None] / scale, event, sample_weight=weight)
    return float(model.coef_[0, 0] / scale), float(model.intercept_[0])


def _cox_slope(score: np.ndarray, given: Follow, weight: np.ndarray) -> float:
    y = outcome(given.time, given.event, entry=given.entry)
    return float(CoxRegression(alpha=_RIDGE, ties="breslow").fit(score[:, None], y, sample_weight=weight).coef_[0])


def _steps(
    features: Sequence[Feature] = (),  # noqa: ARG001
    *,
    imputation: str = "single",  # noqa: ARG001 - trees take gaps as they are
    seed: int = 0,  # noqa: ARG001
    rare: int = 10,
) -> list[tuple[str, Any]]:
    return [("columns", UsableColumns(rare=rare))]


#: The row of the catalogue.
RECIPE = Recipe(BoostedTrees, ("binary", "survival"), steps=_steps)
