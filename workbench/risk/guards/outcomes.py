"""Guards on the outcome itself: enough of it, and not at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.risk.guards.findings import Finding, note, refuse, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["enough_events", "finite_values", "holdout_looks", "immediate_events"]

#: Persons with the outcome without whom nothing is fitted; outcomes a predictor below which a figure is not to be relied on.
_LEAST, _PER_PREDICTOR = 10, 10


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
                f"每个预测因子仅 {each:.1f} 例结局（少于 {_PER_PREDICTOR}）",
                f"there are {each:.1f} outcomes a predictor (fewer than {_PER_PREDICTOR})",
            ),
            ("减少预测因子或使用惩罚，并核对样本量（Riley）", "take fewer predictors or a penalty, and see the sample-size check (Riley)"),
        )


def immediate_events(case: Case) -> Iterator[Finding]:
    """Tell where outcomes fall within the hour of the prediction: they had often begun."""
    if case.follow is None or not case.event.any():
        return
    at_once = float((case.follow.time[case.event] <= 1 / 24).mean())
    if at_once > 0:
        say = warn if at_once >= 0.05 else note
        yield say(
            "outcome",
            (f"{at_once:.1%} 的结局在预测后 1 小时内发生", f"{at_once:.1%} of the outcomes come within the hour"),
            ("核对预测时点早于结局", "make sure that the prediction is made before the outcome"),
        )


def finite_values(case: Case) -> Iterator[Finding]:
    """Look for infinite values."""
    for name, count in case.infinite:
        yield refuse(name, (f"{count} 个无穷值", f"{count} values are infinite"), ("改为缺失或改正", "make them missing, or mend them"))


def holdout_looks(case: Case) -> Iterator[Finding]:
    """Tell how often the hold-out was looked at before: after the first look it is no longer unseen."""
    if case.looks:
        yield (warn if case.looks >= 3 else note)(
            "hold-out",
            (f"此前已查看留出集 {case.looks} 次", f"the hold-out was looked at {case.looks} times before"),
            ("报告查看次数；以第一次的结果为准", "report the count; the first look is the result"),
        )
