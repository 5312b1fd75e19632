"""How long persons were watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.baseline_view import suppress_by_group
from workbench.locale import tr
from workbench.risk.description.groups import grouped, known
from workbench.risk.description.safe_curve import Axis, safe_axis, safe_time
from workbench.risk.survival.curves import kaplan_meier, quantile
from workbench.risk.survival.outcome import UNIT_DAYS, follow, outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from workbench.disclosure import DisclosurePolicy

__all__ = ["follow_up"]


def follow_up(
    y: np.ndarray,
    by: ArrayLike | None = None,
    *,
    causes: Sequence[str] = (),
    time_unit: str = "",
    level: float = 0.95,
    policy: DisclosurePolicy | None = None,
) -> pd.DataFrame:
    """Tell how long persons were watched, and how many had events: by group, all text.

    Parameters
    ----------
    y, by, causes, time_unit, level, policy
        As in :func:`workbench.risk.description.curves.incidence_curves`.

    Returns
    -------
    DataFrame
        One row a group: persons, events of each cause, person-years (three digits), and with their intervals the
        median follow-up and the median time to the event. Medians are told as exactly as the threshold of persons shares them.

    Raises
    ------
    DataError
        If fewer persons than the threshold are watched.

    Notes
    -----
    Median follow-up is the Kaplan-Meier estimate with events and censoring exchanged: Schemper and Smith (1996), Control Clin
    Trials 17:343.
    """
    policy = policy or disclosure.load_policy()
    y, by, _ = known(y, by, None)
    groups = grouped(by, len(y), policy)
    given = follow(y)
    cause_of = given.event.astype(np.int64)
    names = tuple(causes) or (
        (tr("事件", "Events"),)
        if cause_of.max(initial=0) <= 1
        else tuple(tr("原因 {0}", "Cause {0}").format(k) for k in range(1, cause_of.max() + 1))
    )
    counts = [[int(np.sum((groups.codes == g) & (cause_of == k))) for g in range(len(groups.names))] for k in range(len(names) + 1)]
    safe = suppress_by_group(counts, policy)
    cells = [[cell] for cell in safe.cells[0]] if len(groups.names) == 1 else safe.cells
    span = safe_axis(y, time_unit, policy)
    rows = []
    for group, name in enumerate(groups.names):
        part = y[groups.codes == group]
        size = safe.total if len(groups.names) == 1 else safe.column_totals[group]
        told = _medians(part, span, level, policy) if groups.shown[group] else [tr("已抑制", "hidden")] * 3
        rows.append([name or tr("全部", "All"), str(size), *(str(row[group]) for row in cells[1:]), *told])
    percent = f"{100 * level:g}% CI"
    heads = [
        tr("随访人年", "Person-years"),
        tr("中位随访 ({0}) [{1}]", "Median follow-up ({0}) [{1}]").format(span.unit_name, percent),
        tr("中位至任一事件时间 ({0}) [{1}]", "Median time to any event ({0}) [{1}]").format(span.unit_name, percent),
    ]
    return pd.DataFrame(rows, columns=[tr("组", "Group"), tr("人数", "Persons"), *names, *heads])


def _medians(part: np.ndarray, span: Axis, level: float, policy: DisclosurePolicy) -> list[str]:
    """Return person-years, median follow-up and median time to the event, in words."""
    given = follow(part)
    watched = given.time - (0.0 if given.entry is None else given.entry)
    years = watched.sum() / UNIT_DAYS["years"]
    happened = given.event.astype(bool)
    return [f"{float(f'{years:.3g}'):,.10g}", *(_median(part, given.time, ended, span, level, policy) for ended in (~happened, happened))]


def _median(y: np.ndarray, time: np.ndarray, ended: np.ndarray, span: Axis, level: float, policy: DisclosurePolicy) -> str:
    if not ended.any():
        return "—"
    given = follow(y)
    curve = kaplan_meier(outcome(given.time, ended, entry=given.entry), level=level)
    own = time[ended] / span.days
    middle, *bounds = (_told_time(found / span.days, own, policy) for found in quantile(curve))
    return f"{middle} [{bounds[0]}, {bounds[1]}]" if middle != "—" else middle


def _told_time(value: float, events: np.ndarray, policy: DisclosurePolicy) -> str:
    if not np.isfinite(value):
        return "—"
    told = safe_time(value, events, threshold=policy.threshold)
    return tr("已抑制", "hidden") if told is None else f"{told:g}"
