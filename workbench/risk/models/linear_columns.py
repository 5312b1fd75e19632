"""The columns that a linear model sees, each a factor of one predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from workbench.errors import DefinitionError
from workbench.risk.models.equation import Factor
from workbench.risk.survival.splines import RestrictedCubicSplines, spline_basis

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LinearColumns", "column_name"]


class LinearColumns(TransformerMixin, BaseEstimator):
    """Make the columns of a linear model: indicators of each level but the reference, restricted cubic splines of numbers.

    Parameters
    ----------
    knots : int
        Of each spline; 0 for straight lines.
    min_distinct : int
        A number with fewer distinct values stays a straight line.
    factors : tuple of Factor, optional
        The columns, where they are settled beforehand: the same for each of several completed tables.

    Attributes
    ----------
    factors_ : tuple of Factor
        What each column takes of which predictor.

    Notes
    -----
    Harrell (2015), Regression Modeling Strategies, 2nd ed., sections 2.4.5 and 2.4.6.

    Examples
    --------
    >>> X = pd.DataFrame({"age": np.arange(40.0, 90.0), "sex": pd.Categorical(["F", "M"] * 25)})
    >>> LinearColumns().fit_transform(X).columns.tolist()
    ['age', "age'", "age''", 'sex=M']
    """

    def __init__(self, *, knots: int = 4, min_distinct: int = 10, factors: tuple[Factor, ...] | None = None) -> None:
        self.knots = knots
        self.min_distinct = min_distinct
        self.factors = factors

    def fit(self, X: pd.DataFrame, y: object = None) -> Self:  # noqa: ARG002
        """Find levels and place knots.

        Parameters
        ----------
        X : DataFrame of shape (n, p)
            Floats and categories, none missing.
        y : object, optional
            Not used.

        Returns
        -------
        LinearColumns
            This, fitted.

        Raises
        ------
        DefinitionError
            If `knots` is neither 0 nor a number from 3 on.
        """
        if not (isinstance(self.knots, int) and (self.knots == 0 or self.knots >= 3)):
            raise DefinitionError(f"knots={self.knots!r}: wanted 3 or more", hint="0 for straight lines")
        validate_data(self, X, skip_check_array=True, reset=True)
        self.factors_ = self._found(X) if self.factors is None else self.factors
        return self

    def _found(self, X: pd.DataFrame) -> tuple[Factor, ...]:
        numbers = [name for name in X if not isinstance(X[name].dtype, pd.CategoricalDtype)]
        placed: dict[str, np.ndarray] = {}
        if self.knots and numbers:
            splines = RestrictedCubicSplines(knots=self.knots, min_distinct=self.min_distinct).fit(X[numbers])
            placed = dict(zip(numbers, splines.knots_, strict=True))
        return tuple(factor for name in X for factor in _factors(X[name], placed.get(name, ())))

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return the columns.

        Parameters
        ----------
        X : DataFrame of shape (n, p)
            As in `fit`.

        Returns
        -------
        DataFrame of float, shape (n, q)
            Named as R's rms does: ``age``, ``age'``, ``ward=ICU``.
        """
        check_is_fitted(self)
        validate_data(self, X, skip_check_array=True, reset=False)
        columns = {}
        for name, factor in zip(self.get_feature_names_out(), self.factors_, strict=True):
            columns[name] = factor.values(X)
        return pd.DataFrame(columns, index=X.index)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002
        """Return the names of the columns."""
        check_is_fitted(self)
        return np.array([column_name(factor) for factor in self.factors_], object)


def column_name(factor: Factor) -> str:
    """Return what a column is called: ``age``, its spline terms ``age'``, ``ward=ICU``, ``crp missing``."""
    ending = {"level": f"={factor.level}", "spline": "'" * factor.basis, "missing": " missing"}
    return factor.feature + ending.get(factor.transform, "")


def _factors(given: pd.Series, knots: Sequence[float]) -> list[Factor]:
    if isinstance(given.dtype, pd.CategoricalDtype):
        return [Factor(given.name, "level", level=level) for level in given.cat.categories[1:]]
    if len(knots) < 3:
        return [Factor(given.name)]
    placed = tuple(float(knot) for knot in knots)
    curves = [Factor(given.name, "spline", knots=placed, basis=basis) for basis in range(1, spline_basis([0.0], placed).shape[1])]
    return [Factor(given.name), *curves]
