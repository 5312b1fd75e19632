"""What a guard is given: the data of a study, and what several guards ask of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.risk.guards.findings import Text
from workbench.risk.survival.outcome import Follow, follow

if TYPE_CHECKING:
    from workbench.risk.extraction.dataset import Source, StudyData

__all__ = ["Case", "Target"]

#: A scan of one column after the other reads at most so many rows, one a person.
_MOST_ROWS = 20_000


class Target(NamedTuple):
    """An outcome as a truth, and the rows in which it is known; one row a person.

    Parameters
    ----------
    name : Text
        What happens.
    event : ndarray of bool, shape (m,)
        Whether each of `rows` had it.
    rows : ndarray of int, shape (m,)
        Positions in the data.
    """

    name: Text
    event: np.ndarray
    rows: np.ndarray

    @property
    def both(self) -> bool:
        """Whether enough persons have it, and enough have not, to ask what tells them apart."""
        return min(self.event.sum(), (~self.event).sum()) >= 8


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
        return self.had(1)

    def had(self, cause: int) -> np.ndarray:
        """Whether each row had the outcome (1) or one of the competing events (from 2 on)."""
        return np.asarray(self.data.y, bool) if self.follow is None else np.asarray(self.follow.event).astype(int) == cause

    @cached_property
    def persons(self) -> np.ndarray:
        """A number a person, counted from 0, of shape (n,)."""
        return pd.factorize(self.data.rows["person"])[0]

    @cached_property
    def ends(self) -> tuple[Target, ...]:
        """Whether each person ever had the outcome, and each competing event: what tells these was not known either.

        One row a person, drawn at random, with the event where they had one: rows of one person are no independent witnesses. What fewer
        than eight persons have, or have not, is left out.
        """
        found = []
        for cause, label in enumerate(self.data.cohort.causes[: 1 if self.follow is None else None], start=1):
            rows = self._one_a_person(self.had(cause))
            name = Text(f"竞争事件“{label}”", f"the competing event '{label}'") if cause > 1 else Text("结局", "the outcome")
            found.append(Target(name, self.had(cause)[rows], rows))
        return tuple(target for target in found if target.both)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The ends, and, with times, the outcome by the median time of those who had it."""
        if self.follow is None or not self.event.any():
            return self.ends
        rows = self._one_a_person(self.event)
        middle = float(np.median(self.follow.time[self.event]))
        soon = self.event[rows] & (self.follow.time[rows] <= middle)
        known = soon | (self.follow.time[rows] > middle)
        early = Target(Text("前半的结局", "the earlier half of the outcomes"), soon[known], rows[known])
        return (*self.ends, early) if early.both else self.ends

    def _one_a_person(self, event: np.ndarray) -> np.ndarray:
        drawn = np.random.default_rng(0).permutation(len(event))
        drawn = drawn[np.argsort(~event[drawn], kind="stable")]
        return _some(drawn[pd.Series(self.persons[drawn]).drop_duplicates().index.to_numpy()])

    @cached_property
    def firsts(self) -> np.ndarray:
        """Positions of the persons' first rows, of so many persons as a scan reads."""
        return _some(np.flatnonzero(~pd.Series(self.persons).duplicated()))

    @cached_property
    def numbers(self) -> list[str]:
        """Names of the columns that hold numbers."""
        return [name for name in self.data.X if pd.api.types.is_numeric_dtype(self.data.X[name])]


def _some(rows: np.ndarray) -> np.ndarray:
    """Return rows in order, drawn at random where they are too many."""
    return np.sort(rows if len(rows) <= _MOST_ROWS else np.random.default_rng(1).permutation(rows)[:_MOST_ROWS])
