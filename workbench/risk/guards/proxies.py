"""Guard: no single predictor tells the outcome by itself, nor does its absence."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from workbench.risk.guards.findings import Finding, refuse, warn
from workbench.risk.guards.strength import order_strength, strength, together

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case, Target

__all__ = ["proxies"]


class _Limits(NamedTuple):
    """From which AUROC on a predictor is too good, by the lower end of its interval.

    Measured where the answer is known (two standard errors below, as the guard reads them): Tongji's 24-h procalcitonin 0.924 (0.90), LDH
    0.919 (0.89), lymphocytes 0.905 (0.87); of the whole stay LDH 0.988 (0.98), CRP 0.969 (0.95). SUPPORT2's hospital death: aps 0.791,
    follow-up time 0.972 (0.97). What lies between, such as lymphocytes of the whole stay at 0.955, looks like a good predictor.
    """

    warn: float = 0.925
    refuse: float = 0.96
    missing_warn: float = 0.80  # absence of a value is rarely a good witness: Tongji's best 0.546 at 24 h, 0.775 over the stay
    missing_refuse: float = 0.90
    few_warn: float = 0.84  # few levels: a yes or no as good as that is the finding itself, no forecast; SUPPORT2's dnr has 0.809
    few_refuse: float = 0.92
    beyond: float = 0.15  # so far beyond all others together, from `alone` on
    alone: float = 0.90


_LIMITS = _Limits()

#: So many levels are few.
_FEW = 5


def proxies(case: Case) -> Iterator[Finding]:
    """Scan the predictors one by one: values, levels and absence, against the outcome, its earlier half, and each competing event.

    A proxy that is no better than an honest predictor cannot be told from one. By the formula a leak is warned of from an AUROC of
    0.948 on with 200 events among 1,000 (few levels 0.874, absence 0.837), from 0.970 with 30 among 300 (0.913, 0.882).
    """
    for name in case.data.X:
        found = [finding for target in case.targets if (finding := _single(case, name, target)) is not None]
        yield from sorted(found, key=lambda finding: finding.severity)[:1]


def _single(case: Case, name: str, target: Target) -> Finding | None:
    column = case.data.X[name].iloc[target.rows].reset_index(drop=True)
    if (absent := column.isna()).any():
        missing = strength(absent.astype(float), target.event)
        low = _lower(missing, target.event)
        if low >= _LIMITS.missing_warn:
            say = refuse if low >= _LIMITS.missing_refuse else warn
            return say(
                name,
                (
                    f"仅凭是否缺失，对{target.name.zh}的 AUROC 已达 {missing:.3f}",
                    f"whether it is missing alone tells {target.name.en} with an AUROC of {missing:.3f}",
                ),
                _WHY,
            )
    alone = max(strength(column, target.event), order_strength(column, target.event))
    low = _lower(alone, target.event)
    few = column.nunique() <= _FEW
    if low >= (_LIMITS.few_warn if few else _LIMITS.warn):
        say = refuse if low >= (_LIMITS.few_refuse if few else _LIMITS.refuse) else warn
        return say(
            name,
            (
                f"单独对{target.name.zh}的 AUROC 达 {alone:.3f}（区间下限 {low:.3f}），好得不像预测",
                f"it alone tells {target.name.en} with an AUROC of {alone:.3f} (lower end {low:.3f}), too well for a forecast",
            ),
            _WHY,
        )
    if low >= _LIMITS.alone:
        others = together(case.data.X.drop(columns=name).iloc[target.rows], target.event)
        if low - others >= _LIMITS.beyond:
            return warn(
                name,
                (
                    f"单独对{target.name.zh}的 AUROC 达 {alone:.3f}，其余全部合起来仅 {others:.3f}",
                    f"it alone tells {target.name.en} with an AUROC of {alone:.3f}; all others together with {others:.3f}",
                ),
                _WHY,
            )
    return None


_WHY = (
    "核对它在预测时刻是否已知：整个住院期间的末次值、次数和由结局得来的列当时都不知道",
    "find out whether it was known at the prediction: last values and counts of a whole stay, and what follows from the outcome, were not",
)


def _lower(area: float, event: np.ndarray) -> float:
    """Return the AUROC less two standard errors (Hanley and McNeil 1982, Radiology 143:29)."""
    ones, zeros = int(event.sum()), int((~event).sum())
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + (ones - 1) * (q1 - area**2) + (zeros - 1) * (q2 - area**2)) / (ones * zeros)
    return area - 2 * float(np.sqrt(max(variance, 0.0)))
