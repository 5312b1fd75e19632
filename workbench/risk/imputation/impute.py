"""Imputation inside the resampling: transformers that learn from training data and never see a test patient's outcome.

Who wants intervals completes the data several times (:func:`multiple`), fits the model to each and joins the coefficients by Rubin's rules
(:func:`~workbench.risk.imputation.pooling.pool`). A fitted imputer holds patients' values (donors, medians of few), so it never leaves
a session.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.imputation.chained import Layout, complete, describe, outcome_columns, run_chain
from workbench.risk.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from sklearn.utils import Tags

__all__ = ["ChainedImputer", "TypicalImputer", "completed", "multiple"]


class _Imputer(TransformerMixin, BaseEstimator):
    """What both imputers share: they name what they leave out, what is constant and what was never seen."""

    _layout: Layout

    def _learn(self, X: ArrayLike) -> tuple[pd.DataFrame, np.ndarray]:
        table = _as_table(self, X, reset=True)
        self._layout = describe(table)
        self.empty_ = list(self._layout.empty)
        self.constant_ = [column.name for column in self._layout.columns if column.is_constant]
        if self.empty_:
            _warn(tr("没有任何值的列未纳入：", "columns without any value are left out: ") + _listed(self.empty_))
        if self.constant_:
            _warn(tr("只有一个值的列以该值填补：", "columns of one value are filled with it: ") + _listed(self.constant_))
        return table, self._layout.encode(table)[0]

    def _coded(self, X: ArrayLike) -> tuple[pd.DataFrame, np.ndarray]:
        check_is_fitted(self)
        table = _as_table(self, X, reset=False)
        coded, unseen = self._layout.encode(table)
        if unseen:
            told = _listed([tr(f"{name}（{count} 行）", f"{name} ({count} rows)") for name, count in unseen.items()])
            _warn(tr("训练数据没有的类别按缺失处理：", "categories that training data lack count as missing: ") + told)
        return table, coded

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags


class TypicalImputer(_Imputer):
    """Fill gaps with the median, or the commonest category, and say in columns of their own where the gaps were.

    Parameters
    ----------
    indicators : bool
        Whether each column with gaps in training gets another, ``<name>_missing``, of 0 and 1.

    Attributes
    ----------
    fill_ : dict
        Column -> what fills it.
    empty_, constant_ : list
        Columns without any value, which are left out, and of one value.

    Notes
    -----
    For prediction only: single values make standard errors too small, and indicators bias coefficients (Groenwold et al. 2012, CMAJ
    184:1265). As predictors both may serve, where values go missing at use as they did in training (Sisk et al. 2023, Stat Methods Med Res
    32:1461).

    Examples
    --------
    >>> table = pd.DataFrame({"crp": [1.0, None, 9.0, 2.0], "ward": ["a", "b", None, "b"]})
    >>> TypicalImputer().fit_transform(table)
       crp ward  crp_missing  ward_missing
    0  1.0    a          0.0           0.0
    1  2.0    b          1.0           0.0
    2  9.0    b          0.0           1.0
    3  2.0    b          0.0           0.0
    """

    def __init__(self, *, indicators: bool = True) -> None:
        self.indicators = indicators

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Learn medians and commonest categories.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Training data.
        y : object, optional
            Not used.

        Returns
        -------
        TypicalImputer
            This, fitted.

        Raises
        ------
        DataError
            If a value is infinite, no column has a value, or a column is called as the indicator of another's gaps.
        """
        _, coded = self._learn(X)
        self._fill = np.array([_typical(coded[:, place], column.levels) for place, column in enumerate(self._layout.columns)])
        self.fill_ = {column.name: _shown(value, column.levels) for column, value in zip(self._layout.columns, self._fill, strict=True)}
        self._marked = np.flatnonzero(np.isnan(coded).any(axis=0)) if self.indicators else np.array([], int)
        names = self.get_feature_names_out()
        if twice := sorted(set(names[len(self._layout.names) :]) & set(self._layout.names)):
            raise DataError(
                f"the indicators of gaps have the names of columns: {', '.join(twice)}", hint="give these predictors other names"
            )
        return self

    def transform(self, X: ArrayLike) -> pd.DataFrame | np.ndarray:
        """Fill gaps.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Any data with the training data's columns.

        Returns
        -------
        DataFrame or ndarray
            As `X` is one; without gaps.
        """
        table, coded = self._coded(X)
        gaps = np.isnan(coded)
        whole = self._layout.decode(np.where(gaps, self._fill, coded), table)
        marks = pd.DataFrame(gaps[:, self._marked].astype(float), index=table.index, columns=self.get_feature_names_out()[whole.shape[1] :])
        return _like(X, pd.concat([whole, marks], axis=1))

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Return the names of the columns that come out."""
        names = self._layout.names
        return np.array([*names, *(f"{names[place]}_missing" for place in self._marked)], object)


class ChainedImputer(_Imputer):
    """Complete a table once by chained equations; completed several times (:func:`multiple`) it is MICE.

    Parameters
    ----------
    n_iter : int
        Rounds through the columns.
    donors : int
        A number is that of one of so many patients whose predicted values are nearest.
    use_outcome : bool
        Whether the outcome helps to complete training data. It must where coefficients are wanted, else they shrink to 0.
    random_state : int
        Of the draws. The same data and seed give the same values.

    Attributes
    ----------
    empty_, constant_ : list
        Columns without any value, which are left out, and of one value.

    Notes
    -----
    `fit_transform` completes training data, with the outcome: of follow-up, each cause's event and cumulative hazard (White and Royston
    2009, SiM 28:1982). `transform` completes other data by equations without it, fitted to the completed training data, as a patient at the
    bedside has no outcome yet; so ``fit(X, y).transform(X)`` is another thing than ``fit_transform(X, y)``, and pipelines do what is right.
    Texts, and columns of two values, are categories. Van Buuren (2018), Flexible Imputation of Missing Data, chapters 3 and 4.

    Matching draws no value beyond those observed: where few patients have high values and mostly the high ones are missing, intervals are
    too short. On 300 simulated tables of 300 patients, a third of one covariate missing, 95 % intervals covered in 94 and 95 %; of 150
    patients in 94 and 91 %.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"age": rng.normal(60, 10, 100), "crp": rng.lognormal(2, 1, 100)})
    >>> table.loc[::3, "crp"] = np.nan
    >>> whole = ChainedImputer().fit_transform(table, (table["age"] > 60).to_numpy())
    >>> int(whole.isna().sum().sum()), bool(whole["crp"].isin(table["crp"]).all())
    (0, True)
    """

    def __init__(self, *, n_iter: int = 10, donors: int = 5, use_outcome: bool = True, random_state: int = 0) -> None:
        self.n_iter = n_iter
        self.donors = donors
        self.use_outcome = use_outcome
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: np.ndarray | None = None) -> Self:
        """Complete training data and learn the equations.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Training data.
        y : ndarray of shape (n,), optional
            Their outcome.

        Returns
        -------
        ChainedImputer
            This, fitted.

        Raises
        ------
        DataError
            If a value is infinite, no column has a value, or `y` is of another length.
        DefinitionError
            If a parameter is none.
        """
        self._complete(X, y)
        return self

    def fit_transform(self, X: ArrayLike, y: np.ndarray | None = None, **_: object) -> pd.DataFrame | np.ndarray:
        """Complete training data, with the outcome's help.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Training data.
        y : ndarray of shape (n,), optional
            Their outcome.
        **_ : object
            Not used.

        Returns
        -------
        DataFrame or ndarray
            As `X` is one; without gaps.
        """
        return _like(X, self._complete(X, y))

    def transform(self, X: ArrayLike) -> pd.DataFrame | np.ndarray:
        """Complete other data, without their outcome.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Any data with the training data's columns.

        Returns
        -------
        DataFrame or ndarray
            As `X` is one; without gaps.
        """
        table, coded = self._coded(X)
        rng, none = np.random.default_rng([self.random_state, 1]), np.empty((len(table), 0))
        with one_thread():
            values = complete(self._layout, coded, none, lambda place, _: self._equations[place], n_iter=self.n_iter, rng=rng)
        return _like(X, self._layout.decode(values, table))

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Return the names of the columns that come out."""
        return np.array(self._layout.names, object)

    def _complete(self, X: ArrayLike, y: np.ndarray | None) -> pd.DataFrame:
        if self.n_iter < 1 or self.donors < 1:
            raise DefinitionError(f"n_iter={self.n_iter!r} with donors={self.donors!r}: wanted 1 or more of each")
        table, coded = self._learn(X)
        outcome = np.empty((len(table), 0)) if y is None or not self.use_outcome else outcome_columns(y)
        if len(outcome) != len(table):
            raise DataError(f"{len(table)} rows have predictors and {len(outcome)} have an outcome")
        with one_thread():
            rng = np.random.default_rng([self.random_state, 0])
            chain = run_chain(self._layout, coded, outcome, donors=self.donors, n_iter=self.n_iter, rng=rng)
        self._equations = chain.equations
        return self._layout.decode(chain.values, table)


def multiple(estimator: BaseEstimator, *, m: int = 10, seed: int = 0) -> list[BaseEstimator]:
    """Return m copies of an estimator whose imputers draw differently: fit each, pool coefficients, average predictions.

    Parameters
    ----------
    estimator : estimator
        A :class:`ChainedImputer`, or a pipeline or search that has one.
    m : int
        Copies.
    seed : int
        From which the copies' seeds follow.

    Returns
    -------
    list of estimator
        Unfitted.

    Raises
    ------
    DefinitionError
        If there is no chained imputer in it, or m is less than 1.

    Examples
    --------
    >>> [copy.random_state for copy in multiple(ChainedImputer(), m=3)]
    [2968811710, 3677149159, 745650761]
    """
    found = [f"{name}__random_state" for name, part in estimator.get_params().items() if isinstance(part, ChainedImputer)]
    names = ["random_state"] if isinstance(estimator, ChainedImputer) else found
    if not names or m < 1:
        raise DefinitionError(
            f"m={m} copies of an estimator with {len(names)} chained imputers", hint="put a ChainedImputer in the pipeline"
        )
    return [clone(estimator).set_params(**dict.fromkeys(names, int(one))) for one in np.random.SeedSequence(seed).generate_state(m)]


def completed(
    X: pd.DataFrame, y: np.ndarray | None = None, *, m: int = 10, imputer: ChainedImputer | None = None, seed: int = 0
) -> list[pd.DataFrame]:
    """Complete a table m times: MICE.

    Parameters
    ----------
    X : DataFrame of shape (n, p)
        With gaps.
    y : ndarray of shape (n,), optional
        The outcome.
    m : int
        Data sets.
    imputer : ChainedImputer, optional
        Its settings.
    seed : int
        Of the draws.

    Returns
    -------
    list of DataFrame
        Without gaps.
    """
    return [copy.fit_transform(X, y) for copy in multiple(imputer or ChainedImputer(), m=m, seed=seed)]


def _as_table(imputer: _Imputer, X: ArrayLike, *, reset: bool) -> pd.DataFrame:
    validate_data(imputer, X, skip_check_array=True, reset=reset)
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X), columns=[f"x{place}" for place in range(np.shape(X)[1])])


def _like(X: ArrayLike, table: pd.DataFrame) -> pd.DataFrame | np.ndarray:
    return table if isinstance(X, pd.DataFrame) else table.to_numpy()


def _typical(values: np.ndarray, levels: np.ndarray | None) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if levels is None else float(np.bincount(known.astype(int)).argmax())


def _shown(value: float, levels: np.ndarray | None) -> object:
    return value if levels is None else levels[int(value)]


def _listed(names: Sequence[object]) -> str:
    return tr("、", ", ").join(map(str, names))


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)
