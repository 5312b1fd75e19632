"""Persons and their rows: whatever is drawn or dealt out is a person, with all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from workbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Persons", "rows_of"]


class Persons:
    """Which rows belong to which person.

    Parameters
    ----------
    persons : array-like of shape (n,)
        Who each row is of.

    Attributes
    ----------
    codes : ndarray of int, shape (n,)
        Of each row, its person's number, from 0 in the order in which persons first occur.
    n : int
        How many persons.

    Raises
    ------
    DataError
        If a person is missing.
    """

    def __init__(self, persons: ArrayLike) -> None:
        self.codes, known = pd.factorize(np.asarray(persons))
        if (self.codes < 0).any():
            raise DataError(f"{int((self.codes < 0).sum())} of {len(self.codes)} rows have no person", hint="every row is somebody's")
        self.n = len(known)
        self._order = np.argsort(self.codes, kind="stable")
        self._count = np.bincount(self.codes, minlength=self.n)
        self._begin = np.cumsum(self._count) - self._count

    @classmethod
    def of(cls, persons: ArrayLike | None, n: int) -> Self:
        """Return the persons of n rows, each row another person's where None is given.

        Parameters
        ----------
        persons : array-like of shape (n,) or None
            Who each row is of.
        n : int
            Rows.

        Returns
        -------
        Persons
            Theirs.

        Raises
        ------
        DataError
            If lengths differ.
        """
        if persons is not None and len(persons) != n:
            raise DataError(f"{n} rows and {len(persons)} persons", hint="give one person a row")
        return cls(np.arange(n) if persons is None else persons)

    def rows(self, chosen: np.ndarray) -> np.ndarray:
        """Return the rows of chosen persons, as often as each is chosen.

        Parameters
        ----------
        chosen : ndarray of int
            Their numbers.

        Returns
        -------
        ndarray of int
            Positions of rows.
        """
        count = self._count[chosen]
        ends = np.cumsum(count)
        within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - count, count)
        return self._order[np.repeat(self._begin[chosen], count) + within]

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Return the rows of as many persons as there are, drawn with replacement."""
        return self.rows(rng.integers(0, self.n, self.n))

    def first(self, order: ArrayLike | None = None) -> np.ndarray:
        """Return the first row of each person.

        Parameters
        ----------
        order : array-like of shape (n,), optional
            By what; by position where None.

        Returns
        -------
        ndarray of int, shape (n_persons,)
            Positions.
        """
        by = np.arange(len(self.codes)) if order is None else np.argsort(np.asarray(order), kind="stable")
        return by[np.unique(self.codes[by], return_index=True)[1]]

    def any(self, truths: np.ndarray) -> np.ndarray:
        """Return of each person whether something holds in any row, of shape (n_persons,)."""
        return np.bincount(self.codes, truths, minlength=self.n) > 0


def rows_of(table: pd.DataFrame | np.ndarray, places: np.ndarray) -> pd.DataFrame | np.ndarray:
    """Return some rows, by position.

    Parameters
    ----------
    table : DataFrame or ndarray of shape (n, ...)
        All rows.
    places : ndarray of int
        Which; some may come more than once.

    Returns
    -------
    DataFrame or ndarray
        As `table` is one; a table's index counts from 0 again.
    """
    return table.iloc[places].reset_index(drop=True) if isinstance(table, pd.DataFrame) else table[places]
