"""The results of a report, in the order of a paper: who, what they were like, the model, and how well it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.baseline import baseline_table
from workbench.cohort.figures import missingness
from workbench.locale import tr
from workbench.risk.cleaning.shown import shown_levels
from workbench.risk.description.flow import flow_chart
from workbench.risk.reporting.contents import event_of_rows, safe_words
from workbench.risk.reporting.model import write_equation
from workbench.risk.reporting.performance import best_sample, compared, label_of, sample_label, shared, subgroup_table, table_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.risk.reporting.facts import Writer

__all__ = ["write_results"]


def write_results(writer: Writer) -> None:
    """Write the section on results; a part without anything to show is left out."""
    writer.report.section(tr("结果", "Results"))
    parts: list[tuple[str, Callable[[Writer], None]]] = [
        (tr("研究对象", "Patients"), _patients),
        (tr("基线特征", "Baseline characteristics"), _baseline),
        (tr("缺失情况", "Missing values"), _missing),
        (tr("完整模型", "The full model"), _model),
        (tr("模型表现", "Performance"), _performance),
        (tr("校准", "Calibration"), _of_place("calibration", "calibration", "performance")),
        (tr("决策曲线", "Decision curves"), _of_place("benefit", "benefit", "performance")),
        (tr("亚组", "Sub-groups"), _subgroups),
        (tr("各中心间的差别", "Differences between centres"), _of_place("clusters", "clusters", "split_differences")),
        (tr("稳定性", "Stability"), _of_place("stability", "stability")),
        (tr("预警负担", "Burden of alarms"), _of_place("alarms", "performance")),
        (tr("模型更新", "Updating"), _of_place("updating", "updating")),
    ]
    for title, write in parts:
        if _has(writer, write):
            writer.report.section(title, level=2)
            write(writer)


def _of_place(place: str, *facts: str) -> Callable[[Writer], None]:
    def write(writer: Writer) -> None:
        writer.show(place, *facts)

    write.place = place
    return write


def _has(writer: Writer, write: Callable[[Writer], None]) -> bool:
    contents = writer.contents
    if write is _subgroups:
        return bool(contents.subgroups is not None and len(contents.subgroups)) or bool(contents.charts.get("subgroups"))
    place = getattr(write, "place", "")
    return not place or bool(contents.charts.get(place) or contents.tables.get(place))


def _patients(writer: Writer) -> None:
    data, report = writer.contents.data, writer.report
    if data.cohort.flow:
        title = tr("研究对象纳排流程", "Flow of patients")
        report.add(flow_chart(data.cohort.flow, title=title, policy=writer.policy))
        writer.tell("flow", evidence=report.last_number)
    rows = [(tr("全部", "All"), str(writer.people.persons)), *((label, str(count)) for label, count in writer.people.outcomes)]
    table = pd.DataFrame(rows, columns=[tr("结局", "Outcome"), tr("人数", "Persons")])
    note = tr("一人有多次预测时按人计一次。", "A person with several predictions counts once.") if "landmark_hours" in data.rows else ""
    report.table(table, tr("研究对象的结局", "Outcomes of the patients"), note=note)
    writer.tell("counts", evidence=report.last_number)
    if not data.binary and (told := _follow_up(writer)):
        report.text(told)
        writer.tell("follow_up")


def _follow_up(writer: Writer) -> str:
    """Return the median follow-up of those without an event, where it may be told."""
    data = writer.contents.data
    times = data.y["time"][event_of_rows(data) == 0]
    if not len(times):
        return ""
    median = disclosure.suppress_quantile(float(np.median(times)), q=0.5, contributors=len(times), policy=writer.policy)
    if median is None:
        return ""
    days = f"{float(f'{median:.3g}'):,g}"
    return tr(f"未发生事件者的中位随访时间为 {days} 天。", f"Median follow-up without an event: {days} days.")


def _baseline(writer: Writer) -> None:
    if writer.contents.baseline is not None:
        writer.report.add(writer.contents.baseline)
        writer.tell("baseline", evidence=writer.report.last_number)
    _compare_samples(writer)
    writer.show("description", "baseline")


def _compare_samples(writer: Writer) -> None:
    """Show the persons that the model was made of beside those that were held out, where there are enough of either."""
    data, policy = writer.contents.data, writer.policy
    first = ~data.rows["person"].duplicated().to_numpy()
    made_of = data.rows["person"][first].isin(writer.contents.development.rows["person"])
    if min(made_of.sum(), (~made_of).sum()) < policy.threshold:
        return
    sample, outcome = tr("样本", "Sample"), "__outcome"
    frame = data.X[first].assign(**{outcome: (event_of_rows(data)[first] == 1).astype(int)})
    frame[sample] = made_of.map({True: tr("建模集", "Development"), False: tr("留出集", "Held out")})
    labels = {feature.name: feature.label or feature.name for feature in data.features.columns} | {outcome: data.protocol.outcome.label}
    units = {feature.name: feature.unit for feature in data.features.columns}
    table = baseline_table(frame.apply(shown_levels), by=sample, labels=labels, units=units)
    writer.report.add(table, caption=tr("建模集与留出集的比较", "Development and held-out data"))
    writer.tell("split_baseline", "counts", evidence=writer.report.last_number)


def _missing(writer: Writer) -> None:
    data = writer.contents.data
    if writer.show("missing", "missing"):
        return
    labels = {feature.name: feature.label or feature.name for feature in data.features.columns}
    one_each = data.X[~data.rows["person"].duplicated().to_numpy()]
    if one_each.isna().to_numpy().any():
        writer.report.add(missingness(one_each, labels=labels, policy=writer.policy))
        writer.tell("missing", evidence=writer.report.last_number)
    else:
        writer.report.text(tr("预测因子没有缺失。", "No predictor has a missing value."))
        writer.tell("missing")


def _model(writer: Writer) -> None:
    write_equation(writer)
    writer.show("model", "equation")


def _performance(writer: Writer) -> None:
    contents, report = writer.contents, writer.report
    performance = writer.performance
    own = performance[performance["model"] == contents.model]
    best = sample_label(best_sample(own))
    note = tr(
        f"应以“{best}”一列为准；括号内为 95% 置信区间，— 为未计算。",
        f"The column to go by is {best!r}. In brackets: 95% intervals; —: not worked out.",
    )
    report.table(table_of(own, by_threshold=False), tr("模型表现", "Performance of the model"), note=note)
    writer.tell("performance", evidence=report.last_number)
    if own["threshold"].notna().any():
        report.table(table_of(own, by_threshold=True), tr("各阈值处的分类与净获益", "Classes and net benefit at thresholds"))
        writer.tell("performance", "benefit", evidence=report.last_number)
    beside = compared(performance, contents.model)
    if beside is not None:
        where = sample_label(best_sample(shared(performance)))
        caption = tr(f"各模型的比较（{where}）", f"Models compared ({where})")
        report.table(beside, caption)
        writer.tell("performance", evidence=report.last_number)
    noted = own[own["note"].fillna("") != ""]
    if notes := dict.fromkeys(
        f"{label_of(row.measure)}{tr('：', ': ')}{safe_words(row.note, writer.policy)}" for row in noted.itertuples(index=False)
    ):
        report.text(tr("计算时的说明：", "Remarks on how these were worked out:")).bullets(notes)
    writer.show("discrimination", "performance")


def _subgroups(writer: Writer) -> None:
    contents = writer.contents
    if contents.subgroups is not None and len(contents.subgroups):
        note = tr(
            "人数、事件数或未发生人数少于阈值的组不给出估计值。",
            "No estimate where persons, events or others are fewer than the threshold.",
        )
        writer.report.table(subgroup_table(contents.subgroups, writer.policy), tr("各亚组的表现", "Performance by sub-group"), note=note)
        writer.tell("subgroups", evidence=writer.report.last_number)
    writer.show("subgroups", "subgroups")
