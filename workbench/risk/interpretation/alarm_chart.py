"""What a warning asks of a ward and gives it, by threshold: drawn and told so that no step between two thresholds is a few persons'.

Of two thresholds that stand beside each other, at least the policy's threshold of persons get a true alarm at the one and not at the other,
and as many a false one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.figures import Chart, histogram
from workbench.cohort.plotting import ACCENT, GRID, PALETTE, new_figure, style, tidy
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.alarms.burden import alarm_burden, at_workload
from workbench.risk.alarms.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from workbench.disclosure import DisclosurePolicy

__all__ = ["Alarms", "alarm_chart", "lead_chart", "safe_alarms", "workload_table"]

_POINTS = 20
#: Thresholds are rounded up to so many decimals, so that what is shown is what was tried.
_DECIMALS = 4
_MEASURES = ("alarms_per_100_days", "ppv", "sensitivity")


class Alarms(NamedTuple):
    """What comes of alarms at thresholds between which there are enough persons.

    Parameters
    ----------
    burden : DataFrame
        By threshold, rising, as :func:`workbench.risk.alarms.burden.alarm_burden` gives it.
    workloads : dict of float to float or None
        Alarms per 100 patient-days, at most -> the threshold that keeps to it; None where it may not be told.
    watch : Watch
        The predictions. Person-level: what is drawn of them passes the policy.
    silence_hours : float
        After an alarm.
    """

    burden: pd.DataFrame
    workloads: dict[float, float | None]
    watch: Watch
    silence_hours: float


def safe_alarms(
    rows: pd.DataFrame,
    y: np.ndarray,
    risk: ArrayLike,
    *,
    workloads: Sequence[float] = (2, 5, 10),
    silence_hours: float = 0.0,
    horizon_hours: float | None = None,
    every_hours: float | None = None,
    resamples: int = 200,
    seed: int = 0,
    policy: DisclosurePolicy | None = None,
) -> Alarms:
    """Work out what comes of alarms, at the thresholds of some workloads and at others between them.

    Parameters
    ----------
    rows, y, risk
        As :func:`workbench.risk.alarms.burden.alarm_burden` takes them.
    workloads : sequence of float
        Alarms per 100 patient-days, at most; the first are the most important.
    silence_hours, horizon_hours, every_hours, resamples, seed
        As `rows`.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Alarms

    Raises
    ------
    DataError
        As :func:`~workbench.risk.alarms.burden.alarm_burden`; or if there is no threshold on either side of which there are enough persons.
    """
    policy = policy or disclosure.load_policy()
    given = {"silence_hours": silence_hours, "horizon_hours": horizon_hours, "every_hours": every_hours, "seed": seed}
    watch = Watch.of(rows, y, risk, horizon_hours=horizon_hours, every_hours=every_hours)
    highest = _highest(watch)
    asked = _rounded(at_workload(rows, y, risk, workloads, **given, resamples=0)["threshold"])
    others = _rounded(np.quantile(highest[0], np.linspace(0, 1, _POINTS + 1)[1:-1]))
    safe = _apart([*asked[~np.isnan(asked)], *others], highest, policy.threshold)
    if not len(safe):
        raise DataError(
            f"at no threshold do {policy.threshold} persons get true alarms, and as many false ones",
            zh=f"没有一个阈值使得到真报警和得到假报警者都不少于 {policy.threshold} 人",
            hint="leave the figure out",
        )
    burden = alarm_burden(rows, y, risk, safe, **given, resamples=resamples).xs(float(silence_hours), level="silence_hours")
    found = {float(load): float(at) if at in safe else None for load, at in zip(workloads, asked, strict=True)}
    return Alarms(burden, found, watch, silence_hours)


def _rounded(thresholds: ArrayLike) -> np.ndarray:
    scale = 10**_DECIMALS
    return np.ceil(np.asarray(thresholds, float) * scale) / scale


def _highest(watch: Watch) -> tuple[np.ndarray, np.ndarray]:
    """Return up to which threshold each person gets a true alarm, of those who can; and up to which a false one."""
    return tuple(pd.Series(watch.risk[kind]).groupby(watch.person[kind]).max().to_numpy() for kind in (watch.true, ~watch.true))


def _apart(wanted: Iterable[float], highest: tuple[np.ndarray, np.ndarray], threshold: int) -> np.ndarray:
    """Return thresholds, rising, between and beyond which lie enough persons for either kind of alarm; earlier ones before later ones."""
    kept: list[float] = []
    for cut in wanted:
        tried = np.sort([*kept, cut])
        parts = [np.bincount(np.searchsorted(tried, kind, side="right"), minlength=len(tried) + 1) for kind in highest]
        if np.min(parts) >= threshold:
            kept.append(float(cut))
    return np.sort(kept)


def alarm_chart(found: Alarms, *, title: str = "", policy: DisclosurePolicy | None = None) -> Chart:
    """Draw positive predictive value and sensitivity against the number of alarms, a point a threshold.

    Parameters
    ----------
    found : Alarms
        Of :func:`safe_alarms`, with the same policy.
    title : str
        Of the figure.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
    """
    policy = policy or disclosure.load_policy()
    told = pd.DataFrame({tr("概率阈值", "Probability threshold"): [f"{at:.{_DECIMALS}f}" for at in found.burden.index]})
    told[tr("人数", "Persons")] = str(disclosure.suppress_count(int(found.watch.person.max()) + 1, policy=policy))
    for name in _MEASURES:
        told[_heads()[name]] = [_estimate(row, name) for row in found.burden.to_dict("records")]
    note = tr(
        "每点为一个阈值；阴影为按人重抽样的 95% 置信区间。阳性预测值按报警计，灵敏度按患者计（结局前至少一次真报警）。",
        "A point a threshold; shaded: 95% intervals by resampled persons. The predictive value counts alarms, the sensitivity patients "
        "(with a true alarm before the event).",
    )
    with style():
        return Chart(title or tr("报警负担", "Burden of alarms"), _draw(found.burden), told, policy, note)


def workload_table(found: Alarms, *, policy: DisclosurePolicy | None = None) -> pd.DataFrame:
    """Return what comes of the most alarms that a ward can answer, all text.

    Parameters
    ----------
    found : Alarms
        Of :func:`safe_alarms`, with the same policy.
    policy : DisclosurePolicy, optional
        The centre's where None. What would tell of too few persons is hidden.

    Returns
    -------
    DataFrame, a row a workload
    """
    policy, hidden, rows = policy or disclosure.load_policy(), tr("已抑制", "hidden"), []
    for load, at in found.workloads.items():
        if at is None:
            rows.append((f"{load:g}", *[hidden] * (len(_MEASURES) + 2)))
            continue
        row = found.burden.loc[at].to_dict()
        told = [_estimate(row, name) for name in _MEASURES]
        rows.append((f"{load:g}", f"{at:.{_DECIMALS}f}", *told, _lead(row, policy)))
    heads = [
        tr("负荷水平（每 100 患者日报警数上限）", "Workload level (alarms per 100 patient-days, at most)"),
        tr("概率阈值", "Probability threshold"),
    ]
    lead = tr("提前时间中位数（四分位数），小时", "Median lead time (quartiles), hours")
    table = pd.DataFrame(rows, columns=[*heads, *(_heads()[name] for name in _MEASURES), lead])
    table.insert(1, tr("人数", "Persons"), str(disclosure.suppress_count(int(found.watch.person.max()) + 1, policy=policy)))
    return table


def lead_chart(found: Alarms, *, policy: DisclosurePolicy | None = None) -> Chart:
    """Draw how early the first true alarm comes, at the highest workload that may be told, else at the lowest threshold.

    Parameters
    ----------
    found : Alarms
        Of :func:`safe_alarms`.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart
        Persons by bins of hours.

    Raises
    ------
    DataError
        If the outcome has no times, or fewer persons than the threshold were warned.
    """
    told = [at for at in found.workloads.values() if at is not None]
    at = told[-1] if told else float(found.burden.index[0])
    watch = found.watch
    hit = watch.alarms(at, found.silence_hours) & watch.true
    lead = pd.Series(watch.lead[hit]).groupby(watch.person[hit]).first().dropna()
    what = tr("首次真报警至结局的时间（阈值 {0:.4f}）", "First true alarm to event (threshold {0:.4f})").format(at)
    return histogram(lead, label=what, unit=tr("小时", "hours"), policy=policy)


def _heads() -> dict[str, str]:
    return {
        "alarms_per_100_days": tr("每 100 患者日报警次数（95% 置信区间）", "Alarms per 100 patient-days (95% interval)"),
        "ppv": tr("阳性预测值（95% 置信区间）", "Positive predictive value (95% interval)"),
        "sensitivity": tr("灵敏度（95% 置信区间）", "Sensitivity (95% interval)"),
    }


def _estimate(row: dict[str, float], name: str) -> str:
    decimals = 1 if name == "alarms_per_100_days" else 2
    value, low, high = (row[f"{name}{side}"] for side in ("", "_lower", "_upper"))
    interval = f" ({low:.{decimals}f}, {high:.{decimals}f})" if np.isfinite(low) and np.isfinite(high) else ""
    return f"{value:.{decimals}f}{interval}"


def _lead(row: dict[str, float], policy: DisclosurePolicy) -> str:
    """Return the median lead with its quartiles, as far as enough persons were warned."""
    if np.isnan(row["lead_hours"]):
        return "—"
    warned = round(row["sensitivity"] * row["events"])
    median, lower, upper = (
        disclosure.suppress_quantile(row[name], q=q, contributors=warned, policy=policy)
        for name, q in (("lead_hours", 0.5), ("lead_hours_q1", 0.25), ("lead_hours_q3", 0.75))
    )
    if median is None:
        return tr("已抑制", "hidden")
    return f"{median:.1f}" if lower is None or upper is None else f"{median:.1f} ({lower:.1f}, {upper:.1f})"


# Drawing --------------------------------------------------------------------------------------------------------------


def _draw(burden: pd.DataFrame) -> Figure:
    figure = new_figure(5.4, 3.6)
    axes = figure.add_subplot()
    tidy(axes)
    axes.grid(visible=True, axis="both", color=GRID)
    axes.spines["left"].set_visible(True)
    load = burden["alarms_per_100_days"]
    marks = (("ppv", tr("阳性预测值", "Positive predictive value"), ACCENT), ("sensitivity", tr("灵敏度", "Sensitivity"), PALETTE[1]))
    for name, label, colour in marks:
        axes.fill_between(load, burden[f"{name}_lower"], burden[f"{name}_upper"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(load, burden[name], color=colour, linewidth=1.6, marker="o", markersize=3.5, label=label)
    axes.set(xlim=(0, None), ylim=(0, 1.02), xlabel=tr("每 100 患者日报警次数", "Alarms per 100 patient-days"))
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.legend(loc="best")
    return figure
