"""Guards on the outcome itself: enough of it, and not at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.risk.guards.findings import Finding, note, refuse, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["enough_events", "finite_values", "holdout_looks", "soon_outcomes"]

#: Persons with the outcome without whom nothing is fitted; outcomes a predictor below which a figure is not to be relied on.
_LEAST, _PER_PREDICTOR = 10, 10

#: Share of the outcomes within the hour from which on it is more than a few that came as the patient did.
_AT_ONCE = 0.05


def enough_events(case: Case) -> Iterator[Finding]:
    """Count the persons with the outcome and without, and the former for each predictor."""
    having = len(np.unique(case.persons[case.event]))
    lacking = len(np.unique(case.persons)) - having
    if having < _LEAST or (case.follow is None and lacking < _LEAST):
        yield refuse(
            "outcome",
            (
                f"有结局者 {having} 人、无结局者 {lacking} 人，至少各需 {_LEAST} 人",
                f"{having} persons have the outcome and {lacking} have not; wanted at least {_LEAST}",
            ),
            ("核对结局定义，或扩大样本", "check the outcome's definition, or take more patients"),
        )
        return
    each = (having if case.follow is not None else min(having, lacking)) / max(1, case.data.X.shape[1])
    if each < _PER_PREDICTOR:
        yield note(
            "outcome",
            (
                f"平均每个预测因子只有 {each:.1f} 例结局，不到 {_PER_PREDICTOR} 例",
                f"there are {each:.1f} outcomes to each predictor, fewer than {_PER_PREDICTOR}",
            ),
            (
                "减少预测因子或使用惩罚，并看样本量检查（Riley）",
                "take fewer predictors or a penalty, and see the sample-size check (Riley)",
            ),
        )


def soon_outcomes(case: Case) -> Iterator[Finding]:
    """Tell the share of outcomes within the hour of the prediction, or the day: what has begun by then is no prediction."""
    if case.follow is None or not case.event.any():
        return
    after = case.follow.time[case.event]
    at_once, soon = float((after <= 1 / 24).mean()), float((after <= 1).mean())
    if at_once >= _AT_ONCE:
        yield warn(
            "outcome",
            (f"{at_once:.1%} 的结局在预测后 1 小时内发生", f"{at_once:.1%} of the outcomes come within an hour of the prediction"),
            ("多半在预测时已经开始：核对预测时刻是否早于结局", "most had begun by then: make sure that the prediction is made before"),
        )
    elif soon > 0 and case.data.protocol.outcome.blackout_hours < 24:
        yield note(
            "outcome",
            (f"{soon:.1%} 的结局在预测后 24 小时内发生", f"{soon:.1%} of the outcomes come within 24 h of the prediction"),
            ("可设空白期（blackout_hours: 24），并报告其影响", "consider a blackout (blackout_hours: 24), and report what it changes"),
        )


def finite_values(case: Case) -> Iterator[Finding]:
    """Look for infinite values."""
    for name, count in case.infinite:
        yield refuse(
            name,
            (f"无穷大的值有 {count} 个", f"values that are infinite: {count}"),
            ("改为缺失，或改正", "make them missing, or mend them"),
        )


def holdout_looks(case: Case) -> Iterator[Finding]:
    """Tell how often the hold-out was looked at before: after the first look it is no longer unseen."""
    if case.looks:
        yield (warn if case.looks >= 3 else note)(
            "hold-out",
            (f"此前已查看留出集 {case.looks} 次", f"the hold-out was looked at {case.looks} times before"),
            ("报告查看次数；以第一次的结果为准", "report the count; the first look is the result"),
        )
