"""Guard: each value was known strictly before its prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.risk.guards.findings import Finding, note, refuse, warn
from workbench.risk.protocol.parts import EVENTS, NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["as_of"]


def as_of(case: Case) -> Iterator[Finding]:
    """Compare, for each predictor with a clock, its nearest record with the prediction and the gap that was asked for.

    It believes the clock: a source whose clock runs early (results stamped with the time of the draw, or with midnight) is not told by it.
    """
    unclocked = []
    for row in case.data.features.provenance.itertuples(index=False):
        nearest = float(row.nearest_hours)
        gap = 0.0 if np.isnan(row.gap_hours) else float(row.gap_hours)
        if nearest <= gap:
            yield refuse(
                str(row.feature),
                (
                    f"最近一条记录距预测时点 {nearest:.3g} 小时，要求大于 {gap:g} 小时",
                    f"its nearest record is {nearest:.3g} h before the prediction; wanted more than {gap:g} h",
                ),
                ("只取预测时点之前已可得的值", "take only what was available before the prediction"),
            )
        if row.clock == "recorded":
            yield warn(
                str(row.feature),
                ("按发生时间而非可得时间取值", "it is read by the time it is about, not by the time it was available"),
                ("使用报告/可得时间（clock: available）", "use the time of the report (clock: available)"),
            )
        timed = row.source in (*NUMBERS, *EVENTS) or (row.source == "column" and bool(case.data.protocol.index.at))
        if timed and np.isnan(nearest) and row.known > 0:
            unclocked.append(str(row.feature))
    if unclocked:
        yield note(
            _some(unclocked),
            (
                f"{len(unclocked)} 个预测因子没有时间，只能相信其在预测时点已知",
                f"{len(unclocked)} predictors have no clock: that they were known is taken on trust",
            ),
            ("用 known_at 或 time 指明取值时间", "name the column that tells when (known_at, or time of the tables)"),
        )


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")
