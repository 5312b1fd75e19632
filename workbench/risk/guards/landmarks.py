"""Guards on predictions made again and again: each at risk and free of the outcome, no patient counting more than another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.risk.guards.findings import Finding, note, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["landmark_rows", "landmark_weights"]


def landmark_rows(case: Case) -> Iterator[Finding]:
    """Look for rows whose prediction is made at or after the person's outcome, and for two rows of one person at one time."""
    at = _hours(case)
    if at is None:
        return
    rows = pd.DataFrame({"person": case.persons, "at": at, "event": case.event})
    twice = int(rows.duplicated(["person", "at"]).sum())
    if twice:
        yield refuse(
            "rows",
            (f"{twice} 行与同一患者的另一行预测时点相同", f"{twice} rows have the time of prediction of another row of the same person"),
            ("每人每个时点只留一行", "keep one row a person and time"),
        )
    late = _after_outcome(case, rows)
    if late:
        yield refuse(
            "rows",
            (f"{late} 行的预测时点在该患者结局之后", f"{late} rows predict at or after the person's outcome"),
            ("landmark 只取仍处风险中且未发生结局者", "a landmark takes only who is at risk and free of the outcome"),
        )


def landmark_weights(case: Case) -> Iterator[Finding]:
    """Tell how unequally persons count where each has as many rows as their stay is long."""
    rows = np.bincount(case.persons)
    if rows.max() > 1:
        effective = rows.sum() ** 2 / (len(rows) * np.sum(rows.astype(float) ** 2))
        yield note(
            "rows",
            (
                f"{len(rows)} 人共 {rows.sum()} 行，每人中位 {np.median(rows):g} 行；按行计时有效人数为 {effective:.0%}",
                f"{len(rows)} persons have {rows.sum()} rows (median {np.median(rows):g}); by row they are worth {effective:.0%}",
            ),
            ("重抽样与区间按患者，不按行", "resample persons, not rows, and take intervals by person"),
        )


def _hours(case: Case) -> np.ndarray | None:
    """Return when each row predicts, in hours; None where every person has one row, or nothing tells."""
    if len(np.unique(case.persons)) == len(case.persons):
        return None
    rows = case.data.rows
    at = pd.to_datetime(rows["predicted_at"])
    if at.notna().all():  # a person may have several stays, and landmarks count from the beginning of each
        return ((at - at.min()) / pd.Timedelta(hours=1)).to_numpy(float)
    return rows["landmark_hours"].to_numpy(float) if "landmark_hours" in rows else None


def _after_outcome(case: Case, rows: pd.DataFrame) -> int:
    """Count the rows that predict at or after the outcome of their person.

    With times the outcome's instant is known. Without, whoever is expected to have it soon cannot be expected not to have it later.
    """
    if case.follow is not None:
        happened = (rows["at"] + 24 * case.follow.time).where(rows["event"])
        first = happened.groupby(rows["person"]).transform("min")
        return int((rows["at"] >= first - 1e-6).sum())
    first = rows["at"].where(rows["event"]).groupby(rows["person"]).transform("min")
    free_again = (rows["at"] > first) & ~rows["event"]
    horizon = min(case.data.protocol.outcome.horizons_days, default=np.inf)
    return int((free_again | (rows["at"] >= first + 24 * horizon)).sum())
