"""What a guard is given: the data of a study, and what several guards ask of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.risk.survival.outcome import Follow, follow

if TYPE_CHECKING:
    from workbench.risk.extraction.dataset import Source, StudyData

__all__ = ["Case", "Target"]

#: A scan of one column after the other reads at most so many rows.
_MOST_ROWS = 20_000


class Target(NamedTuple):
    """An outcome as a truth, and the rows in which it is known; one row a person.

    Parameters
    ----------
    event : ndarray of bool, shape (m,)
        Whether each of `rows` had it.
    rows : ndarray of int, shape (m,)
        Positions in the data.
    """

    event: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class Case:
    """What a guard is given.

    Parameters
    ----------
    data : StudyData
        The data of a study.
    source : Source, optional
        Where they came from; without it nothing can be extracted again.
    model : estimator, optional
        What is about to be fitted.
    split : pair of ndarray of int, optional
        Positions of the rows for learning, and of those held out.
    looks : int
        How often this protocol's hold-out has been looked at so far.
    infinite : tuple of (str, int)
        Columns that held infinite values, and how many; :meth:`of` fills it.
    """

    data: StudyData
    source: Source | None = None
    model: object | None = None
    split: tuple[np.ndarray, np.ndarray] | None = None
    looks: int = 0
    infinite: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, data: StudyData, **given: Any) -> Case:
        """Return a case whose infinite values are missing, and counted: one guard tells of them, the others need numbers."""
        counts = {name: int(np.isinf(data.X[name]).sum()) for name in data.X if pd.api.types.is_numeric_dtype(data.X[name])}
        infinite = tuple((name, count) for name, count in counts.items() if count)
        if infinite:
            X = data.X.assign(**{name: data.X[name].replace([np.inf, -np.inf], np.nan) for name, _ in infinite})
            data = replace(data, features=replace(data.features, X=X))
        return cls(data, infinite=infinite, **given)

    @cached_property
    def follow(self) -> Follow | None:
        """Times and causes; None of a binary outcome."""
        return None if self.data.binary else follow(self.data.y)

    @cached_property
    def event(self) -> np.ndarray:
        """Whether each row had the outcome: cause 1 where there are several."""
        return np.asarray(self.data.y, bool) if self.follow is None else np.asarray(self.follow.event).astype(int) == 1

    @cached_property
    def persons(self) -> np.ndarray:
        """A number a person, counted from 0, of shape (n,)."""
        return pd.factorize(self.data.rows["person"])[0]

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The outcome as truths: whether ever, and, with times, whether by the median time of the events.

        One row a person, drawn at random, with the event where they had one: rows of one person are no independent witnesses. None where
        fewer than eight persons are on a side.
        """
        rows = self._one_a_person()
        truths = [Target(self.event[rows], rows)]
        if self.follow is not None and self.event.any():
            middle = float(np.median(self.follow.time[self.event]))
            soon = self.event[rows] & (self.follow.time[rows] <= middle)
            known = soon | (self.follow.time[rows] > middle)
            truths.append(Target(soon[known], rows[known]))
        return tuple(truth for truth in truths if min(truth.event.sum(), (~truth.event).sum()) >= 8)

    def _one_a_person(self) -> np.ndarray:
        drawn = np.random.default_rng(0).permutation(len(self.event))
        drawn = drawn[np.argsort(~self.event[drawn], kind="stable")]
        first = pd.Series(self.persons[drawn]).drop_duplicates().index.to_numpy()
        chosen = drawn[first]
        if len(chosen) > _MOST_ROWS:
            chosen = np.random.default_rng(1).permutation(chosen)[:_MOST_ROWS]
        return np.sort(chosen)

    @cached_property
    def numbers(self) -> list[str]:
        """Names of the columns that hold numbers."""
        return [name for name in self.data.X if pd.api.types.is_numeric_dtype(self.data.X[name])]
