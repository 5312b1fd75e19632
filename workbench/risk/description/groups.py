"""Which groups may be shown beside each other, as the baseline table decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.cohort.baseline_view import suppress_by_group
from workbench.errors import DataError
from workbench.risk.description.curve_drawing import MOST_GROUPS
from workbench.risk.description.people import named_groups

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from workbench.disclosure import DisclosurePolicy

__all__ = ["Groups", "grouped", "known"]


class Groups(NamedTuple):
    """The groups, and which of them may be shown."""

    names: tuple[str, ...]
    codes: np.ndarray
    shown: tuple[bool, ...]

    @property
    def visible(self) -> list[int]:
        """Codes of the groups that may be shown."""
        return [code for code, shown in enumerate(self.shown) if shown]


def known(y: np.ndarray, by: ArrayLike | None, strata: ArrayLike | None) -> tuple[np.ndarray, pd.Series | None, np.ndarray | None]:
    """Leave out who has no group or stratum."""
    have = np.ones(len(y), dtype=bool)
    for given in (by, strata):
        if given is not None:
            if len(given) != len(y):
                raise DataError(f"{len(given)} groups or strata for {len(y)} persons", hint="give one for each person")
            have &= pd.Series(np.asarray(given) if not isinstance(given, pd.Series) else given.to_numpy()).notna().to_numpy()
    groups = None if by is None else pd.Series(by).reset_index(drop=True)[have]
    layers = None if strata is None else pd.factorize(pd.Series(np.asarray(strata))[have])[0]
    return y[have], groups, layers


def grouped(by: pd.Series | None, n: int, policy: DisclosurePolicy) -> Groups:
    """Code the groups; one alone, without a name, where `by` is None."""
    if n < policy.threshold:
        raise DataError(
            f"fewer than {policy.threshold} persons to describe", zh=f"可描述的不足 {policy.threshold} 人", hint="leave the figure out"
        )
    if by is None:
        return Groups(("",), np.zeros(n, dtype=np.int64), (True,))
    of = named_groups(by, str(by.name or "")).astype("category").cat.remove_unused_categories()
    names, codes = tuple(map(str, of.cat.categories)), of.cat.codes.to_numpy().astype(np.int64)
    if len(names) > MOST_GROUPS:
        raise DataError(
            f"{len(names)} groups to draw; at most {MOST_GROUPS} can be told apart",
            zh=f"有 {len(names)} 组，图中最多能区分 {MOST_GROUPS} 组",
            hint="join some groups",
        )
    sizes = suppress_by_group([np.bincount(codes, minlength=len(names)).tolist()], policy).cells[0]
    return Groups(names, codes, tuple(not size.hidden for size in sizes))
