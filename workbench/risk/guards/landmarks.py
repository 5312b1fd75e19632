"""Guard on predictions made again and again: each while the patient is at risk and free of the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.risk.guards.findings import Finding, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["landmark_rows"]


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
            (f"{twice} 行与同一患者的另一行预测时刻相同", f"{twice} rows have the time of prediction of another row of the same person"),
            ("每人每个时点只留一行", "keep one row a person and time"),
        )
    late = _after_outcome(case, rows)
    if late:
        yield refuse(
            "rows",
            (f"{late} 行的预测时刻不早于该患者的结局", f"{late} rows predict at or after the person's outcome"),
            ("每个界标只取仍在随访、尚未发生结局者", "a landmark takes only who is at risk and free of the outcome"),
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
