"""The split inside a fit by which a model finds out when to stop: each part is held out from one member of an ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from workbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["inner_parts"]


def inner_parts(X: np.ndarray, happened: np.ndarray, groups: ArrayLike | None, *, parts: int, seed: int, both: bool = False) -> np.ndarray:
    """Split rows into parts, by person.

    Parameters
    ----------
    X : ndarray of float, shape (n, p)
        Predictors.
    happened : ndarray of int, shape (n,)
        What happened to each row: 0 for nothing, else the cause. The parts have alike shares of events.
    groups : array-like of shape (n,) or None
        The person of each row. Where None, equal rows are one person, unless most rows have equals: a bootstrap draws a person several
        times, and a copy in the part held out would reward what was learnt by heart.
    parts : int
        How many.
    seed : int
        Of the split.
    both : bool
        Whether those without the event must be as many as parts, too.

    Returns
    -------
    ndarray of int, shape (n,)
        The part of each row, from 0.

    Raises
    ------
    DataError
        If fewer persons than parts had an event of the first cause, or there are fewer persons.
    """
    person, distinct = pd.factorize(
        pd.util.hash_pandas_object(pd.DataFrame(X).assign(happened=happened), index=False) if groups is None else np.asarray(groups)
    )
    if groups is None and 2 * len(distinct) < len(person):  # a bootstrap leaves 63 % distinct: these rows are equal by nature
        person = np.arange(len(person))
    rows = {"": np.ones(len(person), bool), " with the event": happened == 1} | ({" without the event": happened == 0} if both else {})
    names = {"": "共", " with the event": "发生结局者", " without the event": "未发生结局者"}
    for which, chosen in rows.items():
        found = len(np.unique(person[chosen]))
        if found < parts:
            raise DataError(
                f"there are {found} persons{which}; this model wants {parts} or more, as each of its members holds some out",
                zh=f"{names[which]} {found} 人，该模型需要 {parts} 人以上：每个成员都要留出一部分",
                hint="choose a linear model; or look at the outcome's definition",
            )
    event = (happened > 0).astype(int)
    enough = np.bincount(event, minlength=2).min() >= parts
    part = np.empty(len(person), int)
    split = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
    for number, (_, held) in enumerate(split.split(person, event if enough else np.zeros_like(event), person)):
        part[held] = number
    return part
