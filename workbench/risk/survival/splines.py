"""Restricted cubic splines: curves that are smooth between knots and straight outside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["RestrictedCubicSplines", "harrell_knots", "spline_basis"]

#: The share of values outside the outer knots, by the most knots that it holds for (Harrell 2015, table 2.3).
_OUTER = ((3, 0.1), (6, 0.05), (np.inf, 0.025))
#: Samples smaller than this have their outer knots at the fifth smallest and the fifth largest value.
_SMALL = 100


class RestrictedCubicSplines(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Replace each column by itself and its spline terms.

    Parameters
    ----------
    knots : int
        How many a column, at least 3; a column gives ``knots - 1`` terms.
    min_distinct : int
        A column with fewer distinct values stays as it is, and so does one whose values are so tied that fewer than 3 knots are distinct.

    Attributes
    ----------
    knots_ : list of ndarray of float
        The knots of each column, none where it stays linear.

    Notes
    -----
    The basis of Harrell (2015), Regression Modeling Strategies, 2nd ed., section 2.4.5, in the scale that R's ``rms::rcs`` uses by
    default (``norm=2``: the terms have the unit of the column), knots at his quantiles. A missing value stays missing.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"age": range(40, 90), "smoker": [0, 1] * 25})
    >>> RestrictedCubicSplines().set_output(transform="pandas").fit_transform(X).columns.tolist()
    ['age', "age'", "age''", 'smoker']
    """

    def __init__(self, *, knots: int = 4, min_distinct: int = 10) -> None:
        self.knots = knots
        self.min_distinct = min_distinct

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002 - transformers are given it
        """Place the knots.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns; values may be missing.
        y : object
            Ignored.

        Returns
        -------
        RestrictedCubicSplines
            This, fitted.

        Raises
        ------
        DefinitionError
            If fewer than 3 knots are asked for.
        """
        X = validate_data(self, X, dtype=float, ensure_all_finite="allow-nan")
        self.knots_ = [self._placed(column[~np.isnan(column)]) for column in X.T]
        return self

    def _placed(self, column: np.ndarray) -> np.ndarray:
        few = len(np.unique(column)) < max(self.min_distinct, 3)
        knots = harrell_knots(np.array([0.0]) if few else column, self.knots)
        return knots if len(knots) >= 3 else np.empty(0)

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return the columns and their spline terms.

        Parameters
        ----------
        X : array-like of float, shape (n, p)
            Columns as in `fit`.

        Returns
        -------
        ndarray of float, shape (n, q)
            Each column followed by its terms.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=float, reset=False, ensure_all_finite="allow-nan")
        return np.hstack([spline_basis(column, knots) for column, knots in zip(X.T, self.knots_, strict=True)])

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the terms, as rms writes them.

        Parameters
        ----------
        input_features : array-like of str, optional
            The columns' names, where `fit` had none.

        Returns
        -------
        ndarray of str
            The column's name, then the name with one prime more for each term.
        """
        names = super().get_feature_names_out(input_features)
        return np.array(
            [name + "'" * term for name, knots in zip(names, self.knots_, strict=True) for term in range(max(len(knots) - 1, 1))], object
        )

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def harrell_knots(x: ArrayLike, k: int) -> np.ndarray:
    """Return where Harrell places knots.

    Parameters
    ----------
    x : array-like of float, shape (n,)
        Values, none missing.
    k : int
        How many knots, at least 3.

    Returns
    -------
    ndarray of float
        At most k, rising; fewer where ties make some equal.

    Raises
    ------
    DefinitionError
        If k is less than 3.

    Notes
    -----
    Evenly spaced quantiles from 0.1 to 0.9 for 3 knots, from 0.05 to 0.95 for 4 to 6, from 0.025 to 0.975 for more. Of fewer than 100
    values the outer knots are the fifth smallest and the fifth largest. Harrell (2015), section 2.4.6.

    Examples
    --------
    >>> harrell_knots(range(101), 4).tolist()
    [5.0, 35.0, 65.0, 95.0]
    """
    if k < 3:
        raise DefinitionError(
            f"knots={k!r}: a restricted cubic spline needs 3 or more", hint="leave the transformer out for straight lines"
        )
    x = np.sort(np.asarray(x, float))
    outer = next(share for most, share in _OUTER if k <= most)
    knots = np.quantile(x, np.linspace(outer, 1 - outer, k))
    if 10 <= len(x) < _SMALL:
        knots[[0, -1]] = x[[4, -5]]
    return np.unique(knots)


def spline_basis(x: ArrayLike, knots: ArrayLike) -> np.ndarray:
    """Return a column and its restricted cubic spline terms.

    Parameters
    ----------
    x : array-like of float, shape (n,)
        Values.
    knots : array-like of float, shape (k,)
        Rising; with fewer than 3 there are no terms.

    Returns
    -------
    ndarray of float, shape (n, max(k - 1, 1))
        x first; the terms are 0 below the first knot and straight above the last.

    Notes
    -----
    R's ``rms::rcspline.eval(x, knots, norm=2, inclx=TRUE)``.

    Examples
    --------
    >>> spline_basis([0.0, 2.0, 4.0], [0.0, 1.0, 3.0]).round(4).tolist()
    [[0.0, 0.0], [2.0, 0.7222], [4.0, 2.6667]]
    """
    x, knots = np.asarray(x, float)[:, None], np.asarray(knots, float)
    if len(knots) < 3:
        return x
    first, last, before = knots[0], knots[-1], knots[-2]
    inner = knots[:-2]

    def cube(knot: np.ndarray) -> np.ndarray:
        return np.maximum(x - knot, 0) ** 3

    terms = cube(inner) + ((before - inner) * cube(last) - (last - inner) * cube(before)) / (last - before)
    return np.hstack([x, terms / (last - first) ** 2])
