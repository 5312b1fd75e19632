"""Standard errors that know which rows are one person's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

__all__ = ["persons_of", "sandwich", "summed"]


def persons_of(groups: ArrayLike | None) -> np.ndarray | None:
    """Return the number of each row's person; None where no person has several rows.

    Parameters
    ----------
    groups : array-like of shape (n,) or None
        Whose the rows are; each row another person's where None.

    Returns
    -------
    ndarray of int, shape (n,), or None

    Examples
    --------
    >>> persons_of(["a", "b", "a"]).tolist(), persons_of(["a", "b"])
    ([0, 1, 0], None)
    """
    if groups is None:
        return None
    codes, known = pd.factorize(np.asarray(groups))
    return codes if len(known) < len(codes) else None


def summed(rows: np.ndarray, persons: np.ndarray | None) -> np.ndarray:
    """Return rows added up by person.

    Parameters
    ----------
    rows : ndarray of float, shape (n, p)
        Any.
    persons : ndarray of int, shape (n,), or None
        As :func:`persons_of` gives them.

    Returns
    -------
    ndarray of float, shape (n_persons, p)
    """
    return rows if persons is None else np.column_stack([np.bincount(persons, column) for column in rows.T])


def sandwich(bread: np.ndarray, scores: Callable[[], np.ndarray], persons: np.ndarray | None) -> np.ndarray:
    """Return the covariance of a regression's coefficients: by person, where a person has several rows.

    Parameters
    ----------
    bread : ndarray of float, shape (p, p)
        The inverse of the information, with a ridge that of the penalised likelihood; not a number of what is no coefficient.
    scores : callable
        Gives what each row adds to the score, of shape (n, p), without the ridge; asked only where it is needed.
    persons : ndarray of int, shape (n,), or None
        As :func:`persons_of` gives them.

    Returns
    -------
    ndarray of float, shape (p, p)
        The bread itself where no person has two rows.

    Notes
    -----
    Lin and Wei (1989), JASA 84:1074, for Cox; Liang and Zeger (1986), Biometrika 73:13; without a correction for few persons. With a ridge
    its penalty is in the bread and not in the filling.
    """
    if persons is None:
        return bread
    pulls = summed(scores(), persons) @ np.nan_to_num(bread)
    return np.where(np.isnan(bread), np.nan, pulls.T @ pulls)
