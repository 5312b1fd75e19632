"""What a count may show: small cells hidden, the rest rounded, and no way back through the totals.

Rules
-----
- A count from 1 to ``threshold - 1`` is hidden (primary suppression). A count of 0 is shown as 0: it is nobody's record.
  It does tell that no member of the group has the attribute; whether that is acceptable is a reviewer's question.
- Every other count is rounded to a multiple of ``rounding``; totals are rounded on their own, so they may not add up.
- In a table with totals, further figures are hidden (complementary suppression) until nobody who knows everything shown can
  narrow a hidden cell to fewer than ``threshold - 1`` possible values, which is what "<threshold" alone would tell.
  All cells hidden in one table look alike, so that a reader cannot tell the small ones from their covers.
- In a flow of counts, each is rounded to a grid no finer than the threshold. What is shown is a function of that count alone,
  so re-ordering the rules shows nothing more, and no difference below the threshold can be read off.
- A statistic needs at least ``threshold`` contributors, a quantile that many beyond it on either side. There is no minimum
  and no maximum: each is one person's value.

The threshold and the rounding are the centre's. There is no default: without a policy every function here is out of reach.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench import session
from workbench.disclosure_audit import Band, lines, too_narrow
from workbench.errors import PolicyError, Refusal
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = [
    "POLICY_VARIABLE",
    "DisclosurePolicy",
    "FlowStep",
    "SafeCount",
    "SafeTable",
    "load_policy",
    "percentage",
    "suppress_count",
    "suppress_flow",
    "suppress_quantile",
    "suppress_table",
]

#: Environment variable that names a TOML file with a [disclosure] section, for work outside a session.
POLICY_VARIABLE = "WORKBENCH_POLICY"

#: A two-dimensional table of fewer persons than this many times the threshold shows no cell.
_FEWEST_PERSONS = 3


@dataclass(frozen=True, kw_only=True)
class DisclosurePolicy:
    """The centre's rule for counts that people see.

    Parameters
    ----------
    threshold : int
        Smallest count that may be shown; at least 2.
    rounding : int
        Shown counts are multiples of this; from 1 to twice the threshold, so that no shown count rounds to 0.

    Raises
    ------
    PolicyError
        If either is not a whole number in its range.
    """

    threshold: int
    rounding: int

    def __post_init__(self) -> None:
        """Refuse a policy that protects nobody."""
        for name, value in (("threshold", self.threshold), ("rounding", self.rounding)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise PolicyError(f"disclosure.{name} is {value!r}; wanted a whole number", hint="set it in [disclosure] of the policy")
        if self.threshold < 2:
            raise PolicyError(f"disclosure.threshold is {self.threshold}; wanted 2 or more, for 1 hides nothing")
        if not 1 <= self.rounding <= 2 * self.threshold:
            raise PolicyError(f"disclosure.rounding is {self.rounding}; wanted 1 to {2 * self.threshold} (twice the threshold)")

    @property
    def flow_grid(self) -> int:
        """Multiple of `rounding` to which the counts of a flow are rounded: the smallest that is at least the threshold."""
        return -(-self.threshold // self.rounding) * self.rounding


@dataclass(frozen=True, kw_only=True)
class SafeCount:
    """A count as it may be shown.

    Parameters
    ----------
    shown : int or None
        The rounded count; None if it is hidden.
    low, high : int, int or None
        What the display tells of the true count, both ends possible; `high` is None where nothing bounds it.

    Examples
    --------
    >>> policy = DisclosurePolicy(threshold=10, rounding=5)
    >>> [str(suppress_count(n, policy=policy)) for n in (0, 3, 12, 1234)]
    ['0', '<10', '10', '1,235']
    """

    shown: int | None
    low: int
    high: int | None

    @property
    def hidden(self) -> bool:
        """Whether the count is hidden."""
        return self.shown is None

    def __str__(self) -> str:
        """Render the rounded count, "<10", or the word for hidden."""
        if self.shown is not None:
            return f"{self.shown:,}"
        return tr("已抑制", "hidden") if self.high is None else f"<{self.high + 1}"


@dataclass(frozen=True, kw_only=True)
class SafeTable:
    """A contingency table as it may be shown.

    Parameters
    ----------
    cells : tuple of tuple of SafeCount, n_rows by n_columns
        The cells; a one-dimensional table is one row.
    row_totals : tuple of SafeCount, n_rows
        Total of each row; a one-dimensional table has one, its grand total.
    column_totals : tuple of SafeCount, n_columns
        Total of each column; empty for a one-dimensional table.
    total : SafeCount
        The grand total.
    """

    cells: tuple[tuple[SafeCount, ...], ...]
    row_totals: tuple[SafeCount, ...]
    column_totals: tuple[SafeCount, ...]
    total: SafeCount


@dataclass(frozen=True, kw_only=True)
class FlowStep:
    """One step of an attrition flow as it may be shown.

    Parameters
    ----------
    remaining : SafeCount
        How many are left after the step.
    excluded : SafeCount or None
        How many the step took away, worked out from what is shown and never from the true counts; None for the first.
    """

    remaining: SafeCount
    excluded: SafeCount | None


def load_policy(path: Path | None = None) -> DisclosurePolicy:
    """Return the disclosure policy in force.

    Parameters
    ----------
    path : Path, optional
        A TOML file with a ``[disclosure]`` section. Without it: the session's manifest when in a session, else the file
        named by ``WORKBENCH_POLICY``.

    Raises
    ------
    PolicyError
        If there is no policy, or it is not exactly a threshold and a rounding in their ranges.
    """
    if path is None and session.in_session():
        section = session.current().disclosure
        return DisclosurePolicy(threshold=section.threshold, rounding=section.rounding)
    named = path or os.environ.get(POLICY_VARIABLE)
    if not named:
        raise PolicyError(
            "there is no disclosure policy, so no count can be shown",
            hint=f"name a TOML file with [disclosure] threshold and rounding in {POLICY_VARIABLE}, or work in a session",
        )
    return _read_policy(Path(named))


def suppress_count(count: int, *, policy: DisclosurePolicy) -> SafeCount:
    """Hide a count from 1 to ``threshold - 1``, show 0 as 0, round any other.

    Raises
    ------
    Refusal
        If `count` is not a whole number of 0 or more.
    """
    count = int(_whole_numbers(count, dimensions=(0,)))
    if 0 < count < policy.threshold:
        return SafeCount(shown=None, low=1, high=policy.threshold - 1)
    return _rounded(count, policy.rounding, threshold=policy.threshold)


def suppress_table(
    counts: ArrayLike, *, policy: DisclosurePolicy, keep: frozenset[str] = frozenset({"total"}), total: SafeCount | None = None
) -> SafeTable:
    """Hide and round a contingency table so that its totals give no hidden cell away.

    Parameters
    ----------
    counts : array_like of int, of shape (n_columns,) or (n_rows, n_columns)
        Counts of persons in categories that exclude each other; totals are worked out here.
    policy : DisclosurePolicy
        Threshold and rounding.
    keep : frozenset of {"total", "rows", "columns"}
        The totals that the reader knows from elsewhere too (the size of the cohort, the sizes of its groups). They are
        protected by themselves, alike in every table that keeps them, and never hidden to cover a cell.
    total : SafeCount, optional
        How the grand total is shown elsewhere, if not as :func:`suppress_count` would (a flow's last count).

    Returns
    -------
    SafeTable
        Cells and totals as they may be shown. All hidden figures look alike.

    Raises
    ------
    Refusal
        If the counts are not whole numbers of 0 or more in one or two dimensions, or no table can be shown safely.

    Notes
    -----
    Complementary suppression is greedy: while a figure is too narrow (:func:`workbench.disclosure_audit.too_narrow`), another
    is hidden: a cell before a total that is not kept, a total before a zero, chosen by position and never by size, so that the
    choice tells nothing (Wong and others, "Minimality attack in privacy preserving data publishing", VLDB 2007). Rounding is
    not counted as cover. A total so small that the pattern of its zeros would tell its parts has all of them hidden, as has a
    two-dimensional table of fewer than three times ``threshold`` persons. Put ordered categories in their natural order: an
    order by size is itself a statement about hidden cells. Tables of the same persons that share cells other than the kept
    totals are not audited jointly.

    Examples
    --------
    >>> policy = DisclosurePolicy(threshold=10, rounding=1)
    >>> [count.shown for count in suppress_table([3, 40, 25], policy=policy).cells[0]]
    [None, 40, None]
    """
    grid = _with_totals(_whole_numbers(counts, dimensions=(1, 2)))
    shown = _shown_grid(grid, policy=policy, total=total)
    hidden = _cover(grid, shown, policy=policy, keep=keep)
    safe = [
        [_hidden_like(hidden, grid) if hidden[place] else shown[place] for place in _places(row, grid.shape[1])]
        for row in range(grid.shape[0])
    ]
    flat = grid.shape[0] == 1
    return SafeTable(
        cells=tuple(tuple(row[:-1]) for row in (safe if flat else safe[:-1])),
        row_totals=tuple(row[-1] for row in (safe if flat else safe[:-1])),
        column_totals=() if flat else tuple(safe[-1][:-1]),
        total=safe[-1][-1],
    )


def suppress_flow(counts: Sequence[int], *, policy: DisclosurePolicy) -> tuple[FlowStep, ...]:
    """Make an attrition flow safe to show, in this order of its rules and in any other.

    Parameters
    ----------
    counts : sequence of int
        Persons at entry, then after each rule; never increasing.
    policy : DisclosurePolicy
        Threshold and rounding; the flow's grid is :attr:`DisclosurePolicy.flow_grid`.

    Returns
    -------
    tuple of FlowStep, one for each count
        An excluded number below the grid is shown as "<grid", which includes 0.

    Raises
    ------
    Refusal
        If a count is not a whole number of 0 or more, or a count is larger than the one before it.

    Examples
    --------
    >>> flow = suppress_flow([1234, 1230, 512, 4], policy=DisclosurePolicy(threshold=10, rounding=5))
    >>> [(str(step.remaining), str(step.excluded)) for step in flow]
    [('1,230', 'None'), ('1,230', '<10'), ('510', '720'), ('<10', '已抑制')]
    """
    numbers = [int(n) for n in _whole_numbers(list(counts), dimensions=(1,))]
    if any(later > earlier for earlier, later in pairwise(numbers)):
        raise Refusal("a count of the flow is larger than the one before it", hint="give the persons left after each rule, in order")
    remaining = [_on_grid(n, policy) for n in numbers]
    excluded = [None, *(_difference(a, b, policy.flow_grid) for a, b in pairwise(remaining))]
    return tuple(FlowStep(remaining=left, excluded=gone) for left, gone in zip(remaining, excluded, strict=True))


def suppress_quantile(value: float, *, q: float, contributors: int, policy: DisclosurePolicy) -> float | None:
    """Return a quantile, or None when fewer than ``threshold`` contributors lie on its shorter side.

    Raises
    ------
    Refusal
        If `q` is not between 0 and 1, both excluded: a minimum or maximum is one person's value.
    """
    if not 0 < q < 1:
        raise Refusal(f"quantile {q} is a minimum or maximum, one person's value", hint="ask for a quantile between 0 and 1, such as 0.05")
    return value if contributors * min(q, 1 - q) >= policy.threshold else None


def percentage(part: SafeCount, whole: SafeCount) -> float | None:
    """Return `part` in per cent of `whole`, worked out from the shown counts alone; None if either is hidden or `whole` is 0."""
    if part.shown is None or not whole.shown:
        return None
    return min(100.0, 100.0 * part.shown / whole.shown)


def _read_policy(path: Path) -> DisclosurePolicy:
    try:
        section = tomllib.loads(path.read_text(encoding="utf-8")).get("disclosure")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"the policy {path} cannot be read: {error}", hint="it is a TOML file with a [disclosure] section") from error
    if not isinstance(section, dict) or section.keys() != {"threshold", "rounding"}:
        found = sorted(section) if isinstance(section, dict) else "no such section"
        raise PolicyError(f"[disclosure] of {path} holds {found}; wanted exactly threshold and rounding")
    return DisclosurePolicy(**section)


def _whole_numbers(counts: ArrayLike, *, dimensions: tuple[int, ...]) -> np.ndarray:
    """Check that the counts are whole numbers of 0 or more, not empty, with one of the numbers of dimensions."""
    array = np.asarray(counts)
    if array.ndim not in dimensions or array.size == 0:
        raise Refusal(f"counts have the shape {array.shape}; wanted {' or '.join(map(str, dimensions))} dimensions, not empty")
    if array.dtype.kind not in "iu" or (array < 0).any():
        raise Refusal(f"counts are {array.dtype} or negative; wanted whole numbers of 0 or more")
    return array.astype(np.int64)


def _rounded(count: int, unit: int, *, threshold: int) -> SafeCount:
    """Round half up to a multiple of `unit`; a shown count other than 0 tells that it is at least the threshold."""
    if count == 0:
        return SafeCount(shown=0, low=0, high=0)
    shown = unit * ((2 * count + unit) // (2 * unit))
    return SafeCount(shown=shown, low=max(threshold, shown - unit // 2), high=shown + (unit - 1) // 2)


def _on_grid(count: int, policy: DisclosurePolicy) -> SafeCount:
    small = 0 < count < policy.threshold
    return suppress_count(count, policy=policy) if small else _rounded(count, policy.flow_grid, threshold=policy.threshold)


def _difference(before: SafeCount, after: SafeCount, grid: int) -> SafeCount:
    """Say what two shown counts tell of their difference, and no more."""
    if after.shown == 0:
        return before
    if before.shown is None or after.shown is None:
        return SafeCount(shown=None, low=0, high=None)
    difference = before.shown - after.shown
    if difference == 0:
        return SafeCount(shown=None, low=0, high=grid - 1)
    return SafeCount(shown=difference, low=max(0, difference - grid + 1), high=difference + grid - 1)


def _with_totals(counts: np.ndarray) -> np.ndarray:
    """Append totals: a column of row totals and, for two dimensions, a row of column totals."""
    rows = np.atleast_2d(counts)
    grid = np.column_stack([rows, rows.sum(axis=1)])
    return grid if counts.ndim == 1 else np.vstack([grid, grid.sum(axis=0)])


def _places(row: int, n_columns: int) -> list[tuple[int, int]]:
    return [(row, column) for column in range(n_columns)]


def _shown_grid(grid: np.ndarray, *, policy: DisclosurePolicy, total: SafeCount | None) -> np.ndarray:
    """Suppress and round each figure by itself."""
    shown = np.empty(grid.shape, dtype=object)
    for place, count in np.ndenumerate(grid):
        shown[place] = suppress_count(int(count), policy=policy)
    if total is not None:
        _check_total(total, int(grid[-1, -1]))
        shown[-1, -1] = total
    return shown


def _check_total(total: SafeCount, count: int) -> None:
    if count < total.low or (total.high is not None and count > total.high):
        raise Refusal("the total shown elsewhere is not the total of this table", hint="pass the size of the same cohort")


def _hidden_like(hidden: np.ndarray, grid: np.ndarray) -> SafeCount:
    """All figures hidden in one table look alike."""
    return SafeCount(shown=None, low=_floor(hidden, grid), high=None)


def _floor(hidden: np.ndarray, grid: np.ndarray) -> int:
    """Say what a hidden figure is at least: 0 where zeros are hidden too, or where no cell is shown at all."""
    cells = hidden[: max(1, hidden.shape[0] - 1), :-1]
    return 0 if cells.all() or (grid[hidden] == 0).any() else 1


def _cover(grid: np.ndarray, shown: np.ndarray, *, policy: DisclosurePolicy, keep: frozenset[str]) -> np.ndarray:
    """Decide which figures are hidden: the small ones, and covers until none can be narrowed."""
    if not keep <= {"total", "rows", "columns"}:
        raise Refusal(f"keep is {sorted(keep)}; wanted some of total, rows, columns")
    hidden = np.vectorize(lambda count: count.hidden, otypes=[bool])(shown)
    locked = np.zeros(grid.shape, dtype=bool)
    locked[-1, -1] = "total" in keep
    if grid.shape[0] > 1:
        for name, margin in (("rows", np.s_[:, -1]), ("columns", np.s_[-1, :])):
            if name in keep:
                line = np.s_[np.newaxis, :]
                hidden[margin] |= _cover(grid[margin][line], shown[margin][line], policy=policy, keep=keep & {"total"})[0]
                locked[margin] = True
    for parts, total in lines(grid.shape):
        if locked[total] and _too_few(shown[total], hidden[total], n_parts=np.size(grid[parts]), threshold=policy.threshold):
            hidden[parts] = True
    if grid.shape[0] > 1 and grid[-1, -1] < _FEWEST_PERSONS * policy.threshold:
        hidden |= ~locked
    guarded = grid > 0  # a zero that can be worked out is nobody's record
    while (place := too_narrow(_band(grid, hidden), hidden & guarded, width=policy.threshold - 1)) is not None:
        if not (~hidden & ~locked).any():
            _accept_or_refuse(int(grid[place]), policy)
            guarded[place] = False
        else:
            hidden[_choose_cover(grid, hidden, locked, place)] = True
    return hidden


def _too_few(total: SafeCount, hidden: bool, *, n_parts: int, threshold: int) -> bool:
    """Say, from what is shown alone, whether a known total is so small that even the pattern of its zeros would tell its parts."""
    return total.low - n_parts + 1 < threshold - 1 if not hidden and total.shown else total.hidden


def _band(grid: np.ndarray, hidden: np.ndarray) -> Band:
    """Say what a reader knows before using the sums; rounding is no cover, so shown figures count as known exactly."""
    return Band(low=np.where(hidden, _floor(hidden, grid), grid).astype(float), high=np.where(hidden, np.inf, grid))


def _accept_or_refuse(count: int, policy: DisclosurePolicy) -> None:
    """Everything that may be hidden is: the kept totals alone give this count away, which only a large count may be."""
    if count < policy.threshold:
        raise Refusal(
            "the totals that are kept give a small count away",
            zh="保留的合计会泄露小计数",
            hint="merge categories, keep fewer totals, or leave the table out",
        )


def _choose_cover(grid: np.ndarray, hidden: np.ndarray, locked: np.ndarray, place: tuple[int, int]) -> tuple[int, int]:
    """Pick the figure to hide next by position alone: were it chosen by size, the choice would tell the hidden sizes."""
    candidates = np.argwhere(~hidden & ~locked)
    return min(((int(r), int(c)) for r, c in candidates), key=lambda at: _cost(grid, hidden, place, at))


def _cost(grid: np.ndarray, hidden: np.ndarray, place: tuple[int, int], at: tuple[int, int]) -> tuple[bool, bool, int, bool, int]:
    """Rank a cover: cells, then totals, then zeros; few figures hidden alone in a line; in line with `place`; near before it."""
    n_rows, n_columns = grid.shape
    margin = at[1] == n_columns - 1 or (n_rows > 1 and at[0] == n_rows - 1)
    counts = [hidden[at[0], :].sum()] + ([hidden[:, at[1]].sum()] if n_rows > 1 else [])
    lonely = sum({0: 1, 1: -1}.get(int(count), 0) for count in counts)
    in_line = at[0] == place[0] or at[1] == place[1]
    distance = (place[0] - at[0]) % n_rows + (place[1] - at[1]) % n_columns
    return bool(grid[at] == 0), margin, lonely, not in_line, distance
