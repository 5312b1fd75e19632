"""Guard: each value was known strictly before its prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.risk.guards.findings import Finding, Text, note, refuse, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.extraction.dataset import Features
    from workbench.risk.guards.case import Case

__all__ = ["as_of", "unclocked"]


def as_of(case: Case) -> Iterator[Finding]:
    """Compare, for each predictor with a clock, its nearest record with the prediction and the gap that was asked for.

    It believes the clock: a source whose clock runs early (results stamped with the time of the draw, or with midnight) is not told by it.
    """
    for row in case.data.features.provenance.itertuples(index=False):
        nearest = float(row.nearest_hours)
        gap = 0.0 if np.isnan(row.gap_hours) else float(row.gap_hours)
        if nearest <= gap:
            yield refuse(
                str(row.feature),
                (
                    _nearest(nearest).zh + (f"，要求早于它 {gap:g} 小时以上" if gap else ""),
                    _nearest(nearest).en + (f"; wanted more than {gap:g} h before it" if gap else ""),
                ),
                ("只取预测时刻之前已可得的值", "take only what was available before the prediction"),
            )
        if row.clock == "recorded":
            yield warn(
                str(row.feature),
                (
                    "按采样或发生的时间取值，而不是按结果可得的时间",
                    "it is read by the time it is about, not by the time its result was available",
                ),
                ("改用报告时间（clock: available）", "use the time of the report (clock: available)"),
            )
    if names := unclocked(case.data.features):
        yield note(
            _some(names),
            (
                f"{len(names)} 个预测因子没有时间，无法核对它们在预测时刻是否已知",
                f"{len(names)} predictors have no time: whether they were known at the prediction could not be checked",
            ),
            (
                "用 known_at 或 tables.time 指明记录取值时间的列；没有则逐一确认当时已知",
                "name the column that tells when (known_at, or tables.time); else make sure of each",
            ),
        )


def unclocked(features: Features) -> list[str]:
    """Return the predictors whose values have no time: whether they were known at the prediction nobody can check."""
    told = features.provenance
    timeless = told["nearest_hours"].isna() & (told["known"] > 0) & (told["source"] != "person")
    return list(told.loc[timeless, "feature"])


def _nearest(hours: float) -> Text:
    """Say how far the nearest record lies from the prediction, and on which side."""
    if hours <= 0:  # also at the very instant of the prediction
        return Text(f"用到了预测时刻之后 {abs(hours):.3g} 小时的记录", f"it uses a record {abs(hours):.3g} h after the prediction")
    return Text(f"最近一条记录在预测时刻之前 {hours:.3g} 小时", f"its nearest record is {hours:.3g} h before the prediction")


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")
