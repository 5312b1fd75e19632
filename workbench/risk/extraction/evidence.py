"""Where a value of a predictor comes from: the records behind it, the one that was taken first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from workbench.errors import DataError
from workbench.risk.extraction.asof import counting, end_of_day

if TYPE_CHECKING:
    from workbench.risk.extraction.dataset import Feature, StudyData
    from workbench.risk.protocol.parts import Predictor

__all__ = ["Evidence", "excerpt", "feature_of", "picked_from", "shown_number", "shown_time"]

#: Which record comes first: column -> whether the least does. Where all records count, the newest.
_ORDER = {
    "last": {"age_us": True, "value": False},
    "first": {"age_us": False, "value": False},
    "min": {"value": True, "age_us": True},
    "max": {"value": False, "age_us": True},
}

#: Characters of a note that are shown on either side of the words.
_AROUND = 40


class Evidence(NamedTuple):
    """A record of the source that stands behind a value. Person-level: for use inside the session.

    Parameters
    ----------
    time : str
        When it was known, by the clock of the predictor; a day alone counts at its end.
    table : str
        Table of the store, or file.
    item : str
        Code and name of what was recorded; of a file its column.
    value, unit : str
        What the predictor reads of it.
    key : str
        Key of the row; of a file the row as a spreadsheet counts it.
    text : str
        What the source says, where that is not the value alone: the words of a note, the cell of a file, a result in another unit.
    start, end : int
        Place of the words in `text`, in code points, the end exclusive; -1 where there is none.
    """

    time: str
    table: str
    item: str
    value: str
    unit: str = ""
    key: str = ""
    text: str = ""
    start: int = -1
    end: int = -1


def feature_of(data: StudyData, row: int, name: str) -> Feature:
    """Return a predictor of a study's row.

    Raises
    ------
    DataError
        If it has none.
    """
    if name not in data.X.columns or row not in data.rows.index:
        raise DataError(f"the study has no predictor {name!r} or no row {row}", hint="a column and an index of data.X")
    return next(one for one in data.features.columns if one.name == name)


def picked_from(records: pd.DataFrame, predicted_at: pd.Timestamp, predictor: Predictor) -> pd.DataFrame:
    """Return the records that a value was picked from: by the very rule of the as-of join.

    Parameters
    ----------
    records : DataFrame
        Of one person and item: ``time``, ``value`` (missing of events), and any other columns.
    predicted_at : Timestamp
        When the prediction is made.
    predictor : Predictor
        What was asked.

    Returns
    -------
    DataFrame
        Some of the records; where one was picked it is the first, else the newest is.
    """
    choice = {"pick": predictor.picked, "look_back_hours": predictor.look_back, "gap_hours": predictor.gap_hours}
    found = counting(
        pd.DataFrame({"row": [0], "person": [0], "predicted_at": [predicted_at]}),
        records[["time", "value"]].assign(person=0, item=""),
        pd.DataFrame([{"feature": "", "item": "", **choice}]),
    )
    order = _ORDER.get(predictor.picked)
    if order:
        found = found.sort_values(list(order), ascending=list(order.values()), kind="stable")
    return records.iloc[found["record"].to_numpy(int)]


def shown_time(time: pd.Timestamp) -> str:
    """Return a time to the minute; of the end of a day, which stands for a day without a clock, the day.

    Examples
    --------
    >>> shown_time(pd.Timestamp("2024-03-01 07:30")), shown_time(pd.Timestamp("2024-03-01 23:59:59.999999"))
    ('2024-03-01 07:30', '2024-03-01')
    """
    if pd.isna(time):
        return ""
    day = pd.Series([time])
    return f"{time:%Y-%m-%d}" if end_of_day(day)[0] == time else f"{time:%Y-%m-%d %H:%M}"


def shown_number(value: object) -> str:
    """Return a number with all its digits that mean anything; words as they are, nothing of what is missing.

    Examples
    --------
    >>> [shown_number(value) for value in (250.0, 0.1 + 0.2, None, "female")]
    ['250', '0.3', '', 'female']
    """
    if pd.isna(value):
        return ""
    return f"{value:.10g}" if isinstance(value, int | float) else str(value)


def excerpt(text: str, start: int, end: int) -> tuple[str, int, int]:
    """Return words of a note with some text on either side, and their place in it.

    Examples
    --------
    >>> excerpt("患者否认高血压史。", 4, 7)
    ('患者否认高血压史。', 4, 7)
    """
    left, right = max(0, start - _AROUND), min(len(text), end + _AROUND)
    before, after = "…" if left else "", "…" if right < len(text) else ""
    moved = len(before) - left
    return f"{before}{text[left:right]}{after}", start + moved, end + moved
