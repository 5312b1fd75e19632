"""A model as an equation: what a report prints, a nomogram draws, a card exports and another hospital can work out by hand."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from scipy.special import expit

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.survival.splines import spline_basis

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Equation", "Factor", "IncompleteRows", "Term", "UnseenCategories", "tell_unseen"]


#: Of odds, of hazards, of subdistribution hazards.
_RATIOS = {"logistic": "OR", "cox": "HR", "fine_gray": "SHR"}


class UnseenCategories(UserWarning):
    """Categories that a model was not made with: their rows count as the reference."""


class IncompleteRows(UserWarning):
    """Rows that lack a predictor: they have no risk."""


@dataclass(frozen=True)
class Factor:
    """What a term takes of one predictor.

    Parameters
    ----------
    feature : str
        Name of the predictor.
    transform : {"identity", "log", "level", "spline", "missing"}
        The value; its natural logarithm; 1 where it is `level`, else 0; the `basis`-th function of a restricted cubic spline, the first of
        which is the value itself; 1 where it is missing.
    level : str
        Of a category.
    words : tuple of str
        What else the level is called in the data, where rare levels were joined into it.
    knots : tuple of float
        Of a spline, as :func:`workbench.risk.survival.splines.spline_basis` takes them.
    basis : int
        Which function of the spline, from 0.
    centre, scale : float
        What is taken from the transformed value, and by what it is then divided.
    fill : float or str, optional
        What stands where the predictor is missing. None: then the result is missing, too.
    """

    feature: str
    transform: Literal["identity", "log", "level", "spline", "missing"] = "identity"
    level: str = ""
    words: tuple[str, ...] = ()
    knots: tuple[float, ...] = ()
    basis: int = 0
    centre: float = 0.0
    scale: float = 1.0
    fill: float | str | None = None

    @property
    def all_words(self) -> tuple[str, ...]:
        """What stands for the level: its name, and the words that were joined into it."""
        return tuple(dict.fromkeys((self.level, *self.words)))

    def values(self, X: pd.DataFrame) -> np.ndarray:
        """Return the factor for each row, of shape (n,).

        Parameters
        ----------
        X : DataFrame of shape (n, p)
            The predictors.

        Returns
        -------
        ndarray of float, shape (n,)
            Not a number where the predictor is missing and nothing stands for it.

        Raises
        ------
        DataError
            If the predictor is no column, or holds texts, infinite values, or under a logarithm values of 0 or less.
        """
        if self.feature not in X.columns:
            raise DataError(f"the predictor {self.feature!r} is missing", hint="give one column for each predictor of the equation")
        column = X[self.feature]
        if self.transform == "missing":
            return column.isna().to_numpy(float)
        if self.transform == "level":
            return self._at_level(column)
        return (self._transformed(self._numbers(column)) - self.centre) / self.scale

    def _at_level(self, column: pd.Series) -> np.ndarray:
        codes, found = pd.factorize(column)
        ours = np.isin([str(word) for word in found], self.all_words).astype(float)
        missing = np.nan if self.fill is None else float(self.fill in self.all_words)
        return np.append(ours, missing)[codes]  # of what is missing the code is -1

    def _numbers(self, column: pd.Series) -> np.ndarray:
        try:
            given = column.to_numpy(float, na_value=np.nan)
        except (TypeError, ValueError):
            raise DataError(f"the predictor {self.feature!r} holds texts, wanted numbers", hint="clean it first") from None
        wrong = np.isinf(given) | (given <= 0 if self.transform == "log" else False)
        if wrong.any():
            kind = "infinite values, or values of 0 or less under its logarithm" if self.transform == "log" else "infinite values"
            raise DataError(f"the predictor {self.feature!r} holds {int(wrong.sum())} {kind}", hint="clean it first")
        return given if self.fill is None else np.where(np.isnan(given), float(self.fill), given)

    def _transformed(self, given: np.ndarray) -> np.ndarray:
        if self.transform == "log":
            return np.log(given)
        return spline_basis(given, self.knots)[:, self.basis] if self.transform == "spline" else given


@dataclass(frozen=True)
class Term:
    """A coefficient and the factors whose product it multiplies; two or more make an interaction."""

    factors: tuple[Factor, ...]
    coefficient: float
    std_error: float = float("nan")
    label: str = ""

    def values(self, X: pd.DataFrame) -> np.ndarray:
        """Return what the term adds to the linear predictor of each row."""
        return self.coefficient * np.prod([factor.values(X) for factor in self.factors], axis=0)


@dataclass(frozen=True)
class Equation:
    """A linear predictor and how it becomes a risk.

    Parameters
    ----------
    name : str
        What it is called.
    terms : tuple of Term
        Of the linear predictor.
    kind : {"logistic", "cox", "fine_gray"}
        The risk is ``expit(intercept + lp)``, else ``1 - S0(t) ** exp(lp - mean)``; Fine and Gray's is a cumulative incidence.
    intercept : float
        Of logistic regression.
    mean : float
        Linear predictor to which the baseline belongs.
    baseline : tuple of (float, float)
        Horizon in days, and the share without the event there at the linear predictor `mean`; by rising horizon.
    strata : str
        For whom it is, where there are several (a sex, say).
    source : str
        Paper and table; empty of one's own.
    levels : tuple of (str, tuple of str)
        Of each category the words that it may be, the reference's first; another word counts as the reference, with a warning.
    update : str
        How it was changed after it was made; empty where it was not.

    Examples
    --------
    >>> age, ward = Factor("age", centre=60, scale=10), Factor("ward", "level", level="ICU")
    >>> terms = Term((age,), 0.4), Term((ward,), 1.1), Term((age, ward), -0.2)
    >>> equation = Equation("an example", terms, "cox", baseline=((30.0, 0.9),), levels=(("ward", ("general", "ICU")),))
    >>> equation.predict_risk(pd.DataFrame({"age": [60, 70], "ward": ["general", "ICU"]}), [30.0]).round(3).ravel().tolist()
    [0.1, 0.321]
    """

    name: str
    terms: tuple[Term, ...]
    kind: Literal["logistic", "cox", "fine_gray"]
    intercept: float = 0.0
    mean: float = 0.0
    baseline: tuple[tuple[float, float], ...] = ()
    strata: str = ""
    source: str = ""
    levels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    update: str = ""

    def __post_init__(self) -> None:
        """Check that a risk can be worked out."""
        if self.kind != "logistic" and not self.baseline:
            raise DefinitionError(
                f"the equation {self.name!r} has no baseline", hint="give the share without the event at one horizon or more"
            )

    @property
    def ratio(self) -> str:
        """What the exponential of a coefficient is called."""
        return _RATIOS[self.kind]

    def linear_predictor(self, X: pd.DataFrame) -> np.ndarray:
        """Return the linear predictor of each row, without the intercept.

        Warns of :class:`UnseenCategories` and :class:`IncompleteRows`.
        """
        self._tell_unseen(X)
        lp = self._sum(X)
        if lacking := int(np.isnan(lp).sum()):
            warnings.warn(
                tr(
                    f"{len(lp)} 行中有 {lacking} 行缺少“{self.name}”的预测因子，没有风险值",
                    f"{lacking} of {len(lp)} rows lack a predictor of {self.name!r} and have no risk",
                ),
                IncompleteRows,
                stacklevel=2,
            )
        return lp

    def _tell_unseen(self, X: pd.DataFrame) -> None:
        unseen = {}
        for feature, words in self.levels:
            if feature in X.columns:
                known = X[feature].dropna().astype(str)
                unseen[feature] = int((~known.isin(words)).sum())
        tell_unseen(unseen)

    def _sum(self, X: pd.DataFrame) -> np.ndarray:
        return np.sum([term.values(X) for term in self.terms], axis=0) if self.terms else np.zeros(len(X))

    def predict_risk(self, X: pd.DataFrame, times: ArrayLike | None = None) -> np.ndarray:
        """Return the risk by each horizon.

        Parameters
        ----------
        X : DataFrame of shape (n, p)
            The predictors, in the units of the equation.
        times : array-like of float, shape (m,), optional
            Horizons in days, each one of the baseline's; all of them where None. A logistic equation has none.

        Returns
        -------
        ndarray of shape (n, m), or (n, 1) for a logistic equation

        Raises
        ------
        DataError
            If a predictor is missing from the table.
        DefinitionError
            If the baseline has no such horizon.
        """
        lp = self.linear_predictor(X)
        if self.kind == "logistic":
            return expit(self.intercept + lp)[:, None]
        known = dict(self.baseline)
        wanted = list(known) if times is None else [float(time) for time in np.atleast_1d(times)]
        absent = [time for time in wanted if time not in known]
        if absent:
            raise DefinitionError(f"the equation has no baseline at {absent} days", hint=f"it has one at {list(known)}")
        survival = np.array([known[time] for time in wanted])
        return 1 - survival ** np.exp(lp - self.mean)[:, None]


def tell_unseen(counts: dict[str, int], *, missing: bool = False) -> None:
    """Warn of categories that a model does not know.

    Parameters
    ----------
    counts : dict of str to int
        Predictor -> rows.
    missing : bool
        Whether they count as missing; as the reference where not.
    """
    told = tr("、", ", ").join(tr(f"{name}（{count} 行）", f"{name} ({count} rows)") for name, count in counts.items() if count)
    if told:
        zh, en = ("缺失", "missing") if missing else ("参照类别", "the reference")
        told = tr(f"建模时没有的类别按{zh}处理：{told}", f"categories that the model was not made with count as {en}: {told}")
        warnings.warn(told, UnseenCategories, stacklevel=4)
