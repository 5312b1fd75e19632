"""The steps before a model, learnt inside the resample: which columns can teach something, imputation, columns of a linear model.

Each column that a linear model sees is a :class:`~workbench.risk.models.equation.Factor` of one predictor, so the model is an equation in
terms of the predictors themselves.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.imputation.impute import ChainedImputer, TypicalImputer
from workbench.risk.models.equation import Factor, tell_unseen
from workbench.risk.models.linear_columns import LinearColumns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike
    from sklearn.pipeline import Pipeline

    from workbench.risk.extraction.dataset import Feature

__all__ = ["ColumnsLeftOut", "Level", "LinearColumns", "UsableColumns", "known_words", "own_factors", "steps"]


#: A category may have so many levels, however few the rows; else as many as half the rows.
_FEW_LEVELS = 20


class ColumnsLeftOut(UserWarning):
    """Columns that teach nothing, as all their values are one or missing."""


class Level(NamedTuple):
    """A level of a category, and the words of the data that it stands for."""

    name: str
    words: tuple[str, ...]


class UsableColumns(TransformerMixin, BaseEstimator):
    """Keep the columns that can teach something: numbers as floats, texts and categories as categories whose reference comes first.

    Parameters
    ----------
    rare : int
        A level of fewer rows is joined with the other such levels; with the reference, where all of them together are as few.

    Attributes
    ----------
    levels_ : dict of str to tuple of Level
        Of each category; the first, the commonest, is the reference.
    left_out_ : dict of str to str
        Columns that are left out, and why; a :class:`ColumnsLeftOut` names them.

    Notes
    -----
    A category that training data lack counts as the reference, with a warning (:class:`~workbench.risk.models.equation.UnseenCategories`)
    that says how many rows have it.

    Examples
    --------
    >>> X = pd.DataFrame({"age": [50, 60, 70, 80], "ward": ["A", "B", "B", "A"], "crp": [1.0, None, 3.0, 4.0]})
    >>> UsableColumns(rare=1).fit_transform(X)["ward"].cat.categories.tolist()
    ['A', 'B']
    """

    def __init__(self, *, rare: int = 10) -> None:
        self.rare = rare

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002 - transformers are given it
        """Find the columns and their levels.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Predictors; values may be missing.
        y : object, optional
            Not used.

        Returns
        -------
        UsableColumns
            This, fitted.

        Raises
        ------
        DataError
            If a value is infinite, no column is left, or a column holds dates, or words that hardly repeat.
        DefinitionError
            If `rare` is no number of rows.
        """
        if not (isinstance(self.rare, int) and self.rare >= 0):
            raise DefinitionError(f"rare={self.rare!r} is no number of rows", hint="0 keeps every level")
        _refuse_twice(X)
        validate_data(self, X, skip_check_array=True, reset=True)
        table = self._table(X)
        reasons = {name: _useless(table[name]) for name in table}
        self.left_out_ = {name: why for name, why in reasons.items() if why}
        self._kept = [name for name in table if name not in self.left_out_]
        if self.left_out_:
            told = tr("、", ", ").join(tr(f"{name}（{why}）", f"{name} ({why})") for name, why in self.left_out_.items())
            warnings.warn(tr(f"未纳入的列：{told}", f"columns are left out: {told}"), ColumnsLeftOut, stacklevel=2)
        if not self._kept:
            raise DataError(
                "no column varies, so there is nothing to learn from",
                zh="没有一列的取值有差别，无从建模",
                hint="look at the predictors of the study",
            )
        self.levels_ = {name: _levels(table[name], self.rare) for name in self._kept if table[name].dtype == object}
        return self

    def transform(self, X: ArrayLike) -> pd.DataFrame:
        """Return the columns that were kept.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n, p)
            Any data with the training data's columns, in any order.

        Returns
        -------
        DataFrame of shape (n, q)
            Values may be missing.

        Raises
        ------
        DataError
            If a column is missing, or holds infinite values or texts in place of numbers.
        """
        check_is_fitted(self)
        table, unseen = self._table(X)[self._kept], {}
        for name, levels in self.levels_.items():
            of_word = {word: level.name for level in levels for word in level.words}
            words = table[name]
            strange = words.notna() & ~words.isin(of_word)
            unseen[name] = int(strange.sum())
            named = words.map(of_word).where(~strange, levels[0].name)
            table[name] = pd.Categorical(named, categories=list(dict.fromkeys(level.name for level in levels)))
        tell_unseen(unseen)
        texts = [name for name in self._kept if table[name].dtype == object]
        if texts:
            raise DataError(f"columns were numbers in training and hold texts now: {', '.join(texts)}", hint="clean them first")
        return table

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Return the names of the columns that are kept."""
        check_is_fitted(self)
        return np.array(self._kept, object)

    def _table(self, X: ArrayLike) -> pd.DataFrame:
        """Return numbers as floats and all else as texts, in the order of training."""
        _refuse_twice(X)
        table = X if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X), columns=[f"x{i}" for i in range(np.shape(X)[1])])
        names = list(getattr(self, "feature_names_in_", table.columns))
        if absent := [name for name in names if name not in table]:
            raise DataError(f"predictors are missing: {', '.join(map(str, absent))}", hint="give the columns that the model was made with")
        return pd.DataFrame({name: _floats_or_texts(table[name]) for name in names}, index=table.index)

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = True
        return tags


def _refuse_twice(X: ArrayLike) -> None:
    if isinstance(X, pd.DataFrame) and not X.columns.is_unique:
        twice = X.columns[X.columns.duplicated()].unique()
        raise DataError(f"columns are there twice: {', '.join(map(str, twice))}", hint="give each predictor one column")


def _floats_or_texts(given: pd.Series) -> pd.Series:
    number = pd.api.types.is_numeric_dtype(given.dtype) or pd.api.types.is_bool_dtype(given.dtype)
    if number and not isinstance(given.dtype, pd.CategoricalDtype):  # which is one of truths where its words are
        values = given.to_numpy(float, na_value=np.nan)
        if infinite := int(np.isinf(values).sum()):
            raise DataError(f"the predictor {given.name!r} holds {infinite} infinite values", hint="clean it first")
        return pd.Series(values, given.index)
    if pd.api.types.is_datetime64_any_dtype(given.dtype) or pd.api.types.is_timedelta64_dtype(given.dtype):
        raise DataError(f"the predictor {given.name!r} holds dates or durations", hint="make numbers of them: days before the index, say")
    return given.astype(object).map(str, na_action="ignore").astype(object)


def _useless(given: pd.Series) -> str:
    distinct = given.nunique()
    return "" if distinct > 1 else tr("只有一个值", "one value") if distinct else tr("全部缺失", "all missing")


def _levels(given: pd.Series, rare: int) -> tuple[Level, ...]:
    """Return the levels, the commonest first, ties by name; the rare ones joined."""
    counts = given.value_counts()
    if len(counts) > max(_FEW_LEVELS, counts.sum() / 2):
        raise DataError(
            f"the predictor {given.name!r} holds {len(counts)} words in {counts.sum()} rows: texts or identifiers, no categories",
            hint="leave it out, or take findings from the texts",
        )
    words = sorted(counts.index, key=lambda word: (-counts[word], word))
    few = [word for word in words[1:] if counts[word] < rare]
    levels = [Level(word, (word,)) for word in words if word not in few]
    if not few:
        return tuple(levels)
    if sum(counts[word] for word in few) >= rare or len(levels) == 1:
        return (*levels, Level(_joined(few), tuple(few)))
    return (Level(levels[0].name, (*levels[0].words, *few)), *levels[1:])


def _joined(words: list[str]) -> str:
    """Return a name that tells none of the words, for each may be one patient's."""
    return words[0] if len(words) == 1 else tr(f"其他（{len(words)} 类）", f"other ({len(words)} words)")


def steps(
    features: Sequence[Feature] = (),  # noqa: ARG001 - the columns say what they are; other preparations ask
    *,
    imputation: str = "single",
    seed: int = 0,
    knots: int = 4,
    rare: int = 10,
    missing_indicators: bool = False,
) -> list[tuple[str, Any]]:
    """Return the steps before a linear model.

    Parameters
    ----------
    features : sequence of Feature
        The predictors.
    imputation : {"single", "multiple"}
        The median and the commonest category, or a draw by chained equations.
    seed : int
        Of the draws.
    knots : int
        Of splines; 0 for straight lines.
    rare : int
        Levels of fewer rows are joined.
    missing_indicators : bool
        Whether a column says where a value was missing; with `imputation` single only.

    Returns
    -------
    list of (str, transformer)
        For a :class:`~workbench.risk.models.pipeline.RiskPipeline`: ``columns``, ``impute``, ``linear``.

    Raises
    ------
    DefinitionError
        If there is no such imputation, or indicators are asked for beside multiple imputation.
    """
    return [
        ("columns", UsableColumns(rare=rare)),
        ("impute", imputer(imputation, seed=seed, missing_indicators=missing_indicators)),
        ("linear", LinearColumns(knots=knots)),
    ]


def imputer(imputation: str, *, seed: int, missing_indicators: bool) -> TypicalImputer | ChainedImputer:
    """Return what fills gaps.

    Parameters
    ----------
    imputation : {"single", "multiple"}
        The median and the commonest category, or a draw by chained equations.
    seed : int
        Of the draws.
    missing_indicators : bool
        Whether columns say where values were missing.

    Returns
    -------
    TypicalImputer or ChainedImputer
        Unfitted.

    Raises
    ------
    DefinitionError
        If there is no such imputation, or it has no indicators.
    """
    if imputation not in ("single", "multiple"):
        raise DefinitionError(f"imputation={imputation!r} is none", hint="single or multiple")
    if imputation == "single":
        return TypicalImputer(indicators=missing_indicators)
    if missing_indicators:
        raise DefinitionError("missing_indicators beside multiple imputation", hint="indicators go with imputation: single")
    return ChainedImputer(random_state=seed)


def own_factors(pipeline: Pipeline) -> tuple[Factor, ...]:
    """Return what each column of a pipeline's linear model is of the pipeline's own predictors.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with the steps of :func:`steps`.

    Returns
    -------
    tuple of Factor
        In the order of the model's coefficients; filled where the imputation fills with one value.
    """
    columns, filler = pipeline["columns"], pipeline["impute"]
    fill = getattr(filler, "fill_", {})
    return tuple(_own(factor, columns.levels_, fill) for factor in pipeline["linear"].factors_)


def _own(factor: Factor, levels: Mapping[str, tuple[Level, ...]], fill: Mapping[str, object]) -> Factor:
    feature = factor.feature
    if feature not in fill and feature.endswith("_missing") and feature.removesuffix("_missing") in fill:
        return Factor(feature.removesuffix("_missing"), "missing")
    if factor.transform != "level":
        return replace(factor, fill=float(fill[feature]) if feature in fill else None)
    of_level = {level.name: level.words for level in levels[feature]}
    # A level's fill is a word of the data, as the equation reads the data's own words.
    standing = of_level[str(fill[feature])][0] if feature in fill else None
    return replace(factor, words=of_level[factor.level], fill=standing)


def known_words(pipeline: Pipeline) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return of each category the words that training data had, the reference's first.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted, with the steps of :func:`steps`.

    Returns
    -------
    tuple of (str, tuple of str)
        As :class:`~workbench.risk.models.equation.Equation` keeps them.
    """
    return tuple(
        (feature, tuple(word for level in levels for word in level.words)) for feature, levels in pipeline["columns"].levels_.items()
    )
