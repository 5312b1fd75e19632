"""Survival and cumulative incidence by group, with the numbers at risk; how they are kept safe is in :mod:`.safe_curve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.figures import Chart
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.description.curve_drawing import Line, Panel, draw
from workbench.risk.description.groups import Groups, grouped, known
from workbench.risk.description.safe_curve import Axis, curve_end, parts, rounded_shares, safe_axis, safe_times
from workbench.risk.survival.curves import at_times, cumulative_incidence, kaplan_meier, log_rank
from workbench.risk.survival.outcome import follow, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

    from workbench.disclosure import DisclosurePolicy

__all__ = ["incidence_curves", "survival_curves"]


def survival_curves(
    y: np.ndarray,
    by: ArrayLike | None = None,
    *,
    strata: ArrayLike | None = None,
    title: str = "",
    time_unit: str = "",
    level: float = 0.95,
    policy: DisclosurePolicy | None = None,
) -> Chart:
    """Draw the Kaplan-Meier estimate of survival, with intervals, the numbers at risk and a log-rank test.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes with times in days, one a person; of competing risks any cause is an event.
    by : array-like of shape (n,), optional
        Groups, at most six; who has none is left out.
    strata : array-like of shape (n,), optional
        The test compares groups within them only.
    title : str
        Of the figure.
    time_unit : {"days", "weeks", "months", "years"} or empty
        Of the axis; by the length of follow-up where empty.
    level : float
        Of the intervals.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
        Its table is what is drawn. A group too small to be shown, or to cover one that is, is left out, and the test with it; a curve
        of fewer events than the threshold is left out.

    Raises
    ------
    DataError
        If fewer persons than the threshold are watched, there are more than six groups, or no curve can be shown.
    PolicyError
        If `policy` is None and the centre has set none.

    Notes
    -----
    Kaplan and Meier (1958), JASA 53:457; log-log intervals with Greenwood's variance; Mantel (1966), Cancer Chemother Rep 50:163.

    Examples
    --------
    >>> from workbench.disclosure import DisclosurePolicy
    >>> times = np.random.default_rng(1).exponential(300, 400)
    >>> chart = survival_curves(outcome(times, times < 900), policy=DisclosurePolicy(threshold=10, rounding=5))
    >>> len(chart.counts) < 60
    True
    """
    policy = policy or disclosure.load_policy()
    y, by, layers = known(y, by, strata)
    groups = grouped(by, len(y), policy)
    given = follow(y)
    anything = given.event.astype(bool)

    def estimate(part: np.ndarray) -> pd.DataFrame:
        return kaplan_meier(part, level=level).rename(columns={"survival": "value"})

    span = safe_axis(y, time_unit, policy)
    lines = _lines(y, groups, anything, estimate, span, policy, start=1.0)
    test = _test(y, groups, anything, layers, policy, "log-rank")
    panel = Panel("", tuple(lines), test)
    span = _shown_axis([panel], span)
    risk = _at_risk(y, groups, span, policy)
    figure = draw([panel], span, risk, value=tr("未发生事件的比例", "Share without the event"))
    table, note = _table([panel], risk, span, level), _note(groups, [panel], level, policy, few=len(lines) < len(groups.visible))
    return Chart(title or tr("生存曲线", "Survival"), figure, table, policy, note)


def incidence_curves(
    y: np.ndarray,
    by: ArrayLike | None = None,
    *,
    causes: Sequence[str] = (),
    strata: ArrayLike | None = None,
    title: str = "",
    time_unit: str = "",
    level: float = 0.95,
    policy: DisclosurePolicy | None = None,
) -> Chart:
    """Draw the Aalen-Johansen estimate of cumulative incidence, where each cause forestalls the others.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes with times in days and causes, one a person.
    by : array-like of shape (n,), optional
        Groups, at most six: each cause then has a panel of its own.
    causes : sequence of str, optional
        Labels, the first of cause 1.
    strata, title, time_unit, level, policy
        As in :func:`survival_curves`.

    Returns
    -------
    Chart
        The test compares the groups' cause-specific hazards (others censored) and says so: it is not Gray's test of the incidences.

    Raises
    ------
    DataError
        As :func:`survival_curves`.

    Notes
    -----
    Aalen and Johansen (1978), Scand J Stat 5:141. On both tests: Dignam and Kocherginsky (2008), J Clin Oncol 26:4027.
    """
    policy = policy or disclosure.load_policy()
    y, by, layers = known(y, by, strata)
    groups = grouped(by, len(y), policy)
    cause_of = follow(y).event.astype(np.int64)
    names = tuple(causes) or tuple(tr("原因 {0}", "Cause {0}").format(k) for k in range(1, cause_of.max(initial=1) + 1))
    span = safe_axis(y, time_unit, policy)
    by_cause = {
        name: _lines(y, groups, cause_of == k, _incidence_of(k, level), span, policy, start=0.0) for k, name in enumerate(names, start=1)
    }
    if len(groups.names) == 1:
        lines = [line._replace(name=name, number=at) for at, (name, found) in enumerate(by_cause.items()) for line in found]
        panels = [Panel("", tuple(lines), "")]
    else:
        words = tr("原因别 log-rank", "cause-specific log-rank")
        tests = [_test(y, groups, cause_of == k, layers, policy, words) for k in range(1, len(names) + 1)]
        panels = [Panel(name, tuple(lines), test) for (name, lines), test in zip(by_cause.items(), tests, strict=True)]
    span = _shown_axis(panels, span)
    risk = _at_risk(y, groups, span, policy)
    figure = draw(panels, span, risk, value=tr("累积发生率", "Cumulative incidence"))
    few = any(len(lines) < len(groups.visible) for lines in by_cause.values())
    table, note = _table(panels, risk, span, level), _note(groups, panels, level, policy, few=few)
    return Chart(title or tr("累积发生率", "Cumulative incidence"), figure, table, policy, note)


# Who and where --------------------------------------------------------------------------------------------------------


def _incidence_of(cause: int, level: float) -> Callable[[np.ndarray], pd.DataFrame]:
    return lambda part: cumulative_incidence(part, cause=cause, level=level).rename(columns={"incidence": "value"})


def _lines(
    y: np.ndarray,
    groups: Groups,
    happened: np.ndarray,
    estimate: Callable[[np.ndarray], pd.DataFrame],
    span: Axis,
    policy: DisclosurePolicy,
    *,
    start: float,
) -> list[Line]:
    """Estimate each group's curve and keep of it what is safe."""
    lines = []
    for group in groups.visible:
        inside = groups.codes == group
        part, moved = y[inside], happened[inside]
        given = follow(part)
        edges = parts(span.ticks)
        end = curve_end(_count_at_risk(part, np.nextafter(edges * span.days, np.inf)), edges, policy.threshold)
        if not moved.any():
            points = pd.DataFrame({"time": [0.0, end], "value": start, "lower": start, "upper": start})
        else:
            at = safe_times(given.time[moved] / span.days, span.ticks, end=end, threshold=policy.threshold)
            curve = estimate(part)
            told = {
                name: rounded_shares(at_times(curve[name].ffill(), at * span.days, start=start), len(part), policy)
                for name in ("value", "lower", "upper")
            }
            points = pd.DataFrame({"time": at, **told})
        if len(points) > 1 and points["time"].iloc[-1] > 0:
            lines.append(Line(groups.names[group], group, points))
    return lines


def _count_at_risk(y: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Count who is at risk at given times: who has entered, and whose own time is not earlier, as R's survival package counts."""
    given = follow(y)
    still = len(given.time) - np.searchsorted(np.sort(given.time), days, side="left")
    return still if given.entry is None else still - (len(given.time) - np.searchsorted(np.sort(given.entry), days, side="right"))


def _at_risk(y: np.ndarray, groups: Groups, span: Axis, policy: DisclosurePolicy) -> dict[str, list[str]]:
    """Tell how many are at risk at each tick; each number is a function of one count, as in a flow."""
    told = {}
    for group in groups.visible:
        part = y[groups.codes == group]
        counts = _count_at_risk(part, span.ticks * span.days)
        told[groups.names[group] or tr("全部", "All")] = [
            str(disclosure.suppress_flow([int(count)], policy=policy)[0].remaining) for count in counts
        ]
    return told


def _test(y: np.ndarray, groups: Groups, happened: np.ndarray, layers: np.ndarray | None, policy: DisclosurePolicy, name: str) -> str:
    """Test all groups; without words where a group, or its events, may not be shown."""
    events = np.bincount(groups.codes[happened], minlength=len(groups.names))
    few = ((events > 0) & (events < policy.threshold)).any()
    if len(groups.names) < 2 or not all(groups.shown) or few or not events.any():
        return ""
    given = follow(y)
    p = log_rank(outcome(given.time, happened, entry=given.entry), groups.codes, strata=layers).p
    stratified = "" if layers is None else tr("分层 ", "stratified ")
    return f"{stratified}{name} P{'<0.001' if p < 0.001 else f'={p:.3f}'}"


# Words ----------------------------------------------------------------------------------------------------------------


def _shown_axis(panels: Sequence[Panel], span: Axis) -> Axis:
    """Keep the ticks up to which a curve is told."""
    ends = [line.points["time"].iloc[-1] for panel in panels for line in panel.lines]
    if not ends:
        raise DataError("too few persons or events for any curve", zh="人数或事件数太少，不能画曲线", hint="leave the figure out")
    return span._replace(ticks=span.ticks[span.ticks <= max(ends)])


def _table(panels: Sequence[Panel], risk: dict[str, list[str]], span: Axis, level: float) -> pd.DataFrame:
    """Put in words what is drawn: the points of each curve, then the numbers at risk."""
    curve, group, percent = tr("曲线", "Curve"), tr("组", "Group"), tr("{0:g}% 区间", "{0:g}% interval").format(100 * level)
    heads = [group, span.label, curve, percent, tr("在险人数", "At risk")]
    rows = [
        [" ".join(filter(None, (panel.title, line.name))) or tr("全部", "All"), f"{at:.4g}", f"{value:.3f}", f"{low:.3f}–{high:.3f}", ""]
        for panel in panels
        for line in panel.lines
        for at, value, low, high in line.points.itertuples(index=False)
    ]
    rows += [[name, f"{tick:g}", "", "", count] for name, counts in risk.items() for tick, count in zip(span.ticks, counts, strict=True)]
    return pd.DataFrame(rows, columns=heads)


def _note(groups: Groups, panels: Sequence[Panel], level: float, policy: DisclosurePolicy, *, few: bool) -> str:
    words = [
        tr(
            "曲线只在其间至少有 {0} 例事件（或没有事件）的时点上给出，中间以直线相连；在险人数少于 {0} 时止。阴影为 {1:g}% 置信区间。",
            "Curves are told at times with at least {0} events (or none) between them, joined by straight lines, and end where fewer "
            "than {0} are at risk. Shaded: {1:g}% intervals.",
        ).format(policy.threshold, 100 * level)
    ]
    words += [tr("{0}。", "{0}.").format(" ".join(filter(None, (panel.title, panel.test)))) for panel in panels if panel.test]
    if not all(groups.shown):
        words.append(tr("有组人数过少，未显示，亦不作检验。", "Groups too small to be shown are left out, and no test is told."))
    if few:
        words.append(tr("事件过少的曲线未画出。", "Curves of too few events are not drawn."))
    return tr("", " ").join(words)
