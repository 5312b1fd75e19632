"""What a run knows of its own limits, and why an honest model looks worse than many that were published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.locale import tr
from workbench.risk.guards.clocks import unclocked
from workbench.risk.models.catalogue import takes_gaps

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.risk.reporting.facts import Writer

__all__ = ["limitations", "why_lower"]

#: More looks at a hold-out than this one, and it is no longer unseen.
_ONE_LOOK = 1

#: Share of missing values that a reader should hear of.
_MUCH_MISSING = 0.2


def limitations(writer: Writer) -> list[str]:
    """Return the limits that can be told from the run, one sentence each, in the language in force."""
    return [told for ask in _LIMITS if (told := ask(writer))]


def why_lower() -> tuple[str, str]:
    """Return why figures without leaks are lower, and what was measured of it."""
    return (
        tr(
            "本模型只使用预测时刻之前已经可得的信息，按患者划分数据，并在每次重抽样内重做全部步骤，因此表现往往低于文献中的同类模型。"
            "不少已发表模型用了整个住院期间的最后一次结果、检查次数或住院天数，或让同一患者的记录同时出现在训练与测试中："
            "这些信息在预测时并不存在，所得的高数值不能在使用中重现。",
            "This model uses what was available before the prediction only, splits by patient, and makes every step anew in each resample; "
            "so its figures are often lower than published ones. Many of those take the last value of a whole stay, counts of tests or the "
            "length of stay, or have one patient on both sides of a split: none of it is there when the prediction is made, and such "
            "figures do not last.",
        ),
        tr(
            "同一公开队列（同济，住院患者）上的实测：入院 24 小时内的检验，AUROC 0.949；改用整个住院期间的最后一次结果，0.992；"
            "24 小时内的检验加上整个住院期间的检查次数与住院天数，0.979。"
            "每日预测 48 小时内死亡：按患者分组交叉验证 0.884，按行随机划分 0.959。",
            "Measured on one public cohort (Tongji, in-patients): laboratory values of the first 24 hours, AUROC 0.949; the last value of "
            "the whole stay, 0.992; first values with whole-stay counts and length of stay, 0.979. Death within 48 hours, daily: folds by "
            "patient 0.884, by row 0.959.",
        ),
    )


def _no_external(writer: Writer) -> str:
    samples = set(writer.performance["sample"])
    if "external" in samples:
        return ""
    if "holdout" in samples:
        return tr(
            "留出集与建模集来自同一来源，不等于外部验证。",
            "The hold-out is of the same source as the development data: no external validation.",
        )
    return tr(
        "只有重抽样的内部验证，没有留出集，也没有外部验证。", "Internal validation by resampling alone: no hold-out, no external data."
    )


def _looks(writer: Writer) -> str:
    looks = writer.contents.looks
    if looks <= _ONE_LOOK or "holdout" not in set(writer.performance["sample"]):
        return ""
    return tr(
        f"留出集已被查看 {looks} 次：其结果可能已影响建模的选择，数值偏乐观。",
        f"The hold-out was looked at {looks} times: its result may have guided choices, and is then too good.",
    )


def _one_site(writer: Writer) -> str:
    if writer.contents.charts.get("clusters") or writer.contents.tables.get("clusters"):
        return ""
    return tr(
        "未分析各医院间的差别，外推到其他医院须先验证。", "Differences between hospitals were not looked at; validate before use elsewhere."
    )


def _unclocked(writer: Writer) -> str:
    names = unclocked(writer.contents.data.features)
    if not names:
        return ""
    return tr(
        f"{len(names)} 个预测因子在数据中没有时间，无法核对它们在预测时刻是否已知；泄漏只能从列名和取值上查找，"
        "效应较弱的、或几列合起来才显露的泄漏可能未被发现。",
        f"{len(names)} predictors have no time in the data, so whether they were known at the prediction could not be checked; leaks could "
        "be looked for by names and values only, and weak ones, or such as several columns make together, may have passed.",
    )


def _missing(writer: Writer) -> str:
    data = writer.contents.data
    shares = data.X.isna().mean()
    labels = {feature.name: feature.label or feature.name for feature in data.features.columns}
    much = [labels.get(name, name) for name in shares.index[shares > _MUCH_MISSING]]
    if not much:
        return ""
    names = tr("、", ", ").join(much[:10]) + tr(" 等" if len(much) > 10 else "", " and others" if len(much) > 10 else "")
    filled = tr("；填补依赖“随机缺失”的假设", "; imputation supposes missing at random")
    return (
        tr(
            f"缺失超过 {_MUCH_MISSING:.0%} 的变量有 {len(much)} 个：{names}",
            f"{len(much)} predictors are missing in more than {_MUCH_MISSING:.0%}: {names}",
        )
        + ("" if takes_gaps(writer.contents.model) else filled)
        + tr("。", ".")
    )


def _routine(writer: Writer) -> str:
    if writer.contents.data.protocol.cohort is None:
        return ""
    return tr(
        "数据为诊疗常规记录：是否检查本身取决于病情，未就诊期间的事件可能没有记录。",
        "Data are of routine care: whether something was measured depends on the patient; events elsewhere may be missing.",
    )


def _no_equation(writer: Writer) -> str:
    if writer.contents.equation is not None:
        return ""
    return tr(
        "模型不是单一的方程，其他单位无法仅凭本报告计算风险。",
        "The model is no single equation: nobody can work out a risk from this report alone.",
    )


def _warned(writer: Writer) -> str:
    count = len(writer.contents.warnings)
    return tr(f"运行时有 {count} 条警告，见“数据审查与警告”。", f"The run gave {count} warnings, see the section on them.") if count else ""


_LIMITS: tuple[Callable[[Writer], str], ...] = (_no_external, _looks, _one_site, _unclocked, _missing, _routine, _no_equation, _warned)
