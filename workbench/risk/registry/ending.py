"""How it ended by the source data: what a registry shows of the outcome, and whether follow-up has ended with a death."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from workbench.locale import tr
from workbench.risk.extraction.store_outcomes import as_events

if TYPE_CHECKING:
    from datetime import date

    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.protocol.protocol import Protocol

__all__ = ["Ending", "ending_of"]


class Ending(NamedTuple):
    """How it ended: what happened, in words; when; and whether it was a death. It is the source's, and only shown."""

    state: str
    date: date | None = None
    died: bool = False


def ending_of(data: StudyData, row: int) -> Ending:
    """Return how it ended for a row of a study.

    A death is known where the study asks a store for deaths: as its outcome (``events: {deaths: all}``) or as a competing event. Deaths
    after the end of follow-up, of studies with another outcome and of plain tables are not known here.

    Parameters
    ----------
    data : StudyData
        The study's.
    row : int
        Index of the row.

    Returns
    -------
    Ending
        Of a binary outcome without a date; of who has no outcome, the date until which nothing happened.

    Examples
    --------
    >>> from workbench.risk.extraction.dataset import CohortRows, Features, StudyData
    >>> from workbench.risk.protocol.protocol import Protocol
    >>> from workbench.risk.survival.outcome import outcome
    >>> rows = pd.DataFrame({"person": [1], "index_at": pd.Timestamp("2024-01-01"), "predicted_at": pd.Timestamp("2024-01-02")})
    >>> asked = {"label": "死亡", "events": {"deaths": "all"}}
    >>> study = Protocol(title="t", tables={"patient": ""}, outcome=asked, predictors=[{"person": "age"}])
    >>> cohort = CohortRows(rows, outcome([30.0], [1]), ("死亡",), ())
    >>> ending_of(StudyData(study, cohort, Features(pd.DataFrame(index=[0]), (), pd.DataFrame()), "t"), 0)
    Ending(state='死亡', date=datetime.date(2024, 2, 1), died=True)
    """
    place = data.rows.index.get_loc(row)
    if data.binary:
        return Ending(data.cohort.causes[0] if data.y[place] else tr("未发生", "None"))
    cause, days = int(data.y["event"][place]), float(data.y["time"][place])
    predicted = data.rows.at[row, "predicted_at"]
    when = None if pd.isna(predicted) else (predicted + pd.Timedelta(days=days)).date()
    if not cause:
        return Ending(tr("至此未发生", "None until then"), when)
    return Ending(data.cohort.causes[cause - 1], when, cause in _deaths(data.protocol))


def _deaths(protocol: Protocol) -> set[int]:
    """Return the causes that are deaths."""
    asked = (protocol.outcome.events, *map(as_events, protocol.outcome.competing.values()))
    return {cause for cause, events in enumerate(asked, start=1) if set(events) == {"deaths"}}
