"""Who of plain tables belongs to a study, when predictions are made, and what happened after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.extraction.dataset import CohortRows, FlowStep
from workbench.risk.extraction.readers import at_latest, read_times
from workbench.risk.extraction.roles import carried
from workbench.risk.survival.outcome import UNIT_DAYS, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.risk.extraction.columns import Columns
    from workbench.risk.protocol.parts import Outcome, Rule, Values
    from workbench.risk.protocol.protocol import Protocol

__all__ = ["find_cohort", "selected"]

_DAY = pd.Timedelta(days=1)
#: Nobody is followed for longer, in days.
_LONGEST = 120 * UNIT_DAYS["years"]
_UNKNOWN = -1


class _Ends(NamedTuple):
    """How it ended, by row: the cause, 0 for none, -1 where nobody knows; days from the index, NaN where unknown or not asked."""

    cause: np.ndarray
    days: np.ndarray


def selected(columns: Columns, rules: tuple[Rule, ...]) -> Columns:
    """Apply all rules of a study."""
    for rule in rules:
        columns = columns.select(rule)
    return columns


def find_cohort(columns: Columns, study: Protocol) -> CohortRows:
    """Find the rows of a study and their outcomes.

    Parameters
    ----------
    columns : Columns
        The tables.
    study : Protocol
        What is asked.

    Returns
    -------
    CohortRows

    Raises
    ------
    DataError
        If nobody is left, nothing happens, or values are impossible.
    DefinitionError
        If the protocol lacks what plain tables need, or names what they do not have.
    """
    _check(study)
    base = columns.column(study.index.at or study.outcome.status)
    flow = [_counted(tr("全部记录", "All records"), columns, base)]
    for rule in study.rules:
        columns = columns.select(rule)
        flow.append(_counted(rule.name, columns, base))
    persons = pd.Index(dict.fromkeys(str(one) for table in columns.tables if base in table.cells for one in table.person))
    _check_persons(columns, persons)
    rows = pd.DataFrame({"person": persons.astype(object), "index_at": _index(columns, study, persons)})
    ends = _ends(columns, study, rows)
    keep = _Steps(rows, ends, flow)
    if study.index.at:
        keep.those(rows["index_at"].notna().to_numpy(), tr("有索引时间", "With an index time"))
    timed = bool(study.outcome.time or study.outcome.at)
    keep.those((keep.ends.cause != _UNKNOWN) & (np.isfinite(keep.ends.days) | (not timed)), tr("结局已知（除去结局不详）", "Outcome known"))
    _predictions(keep, study, timed=timed)
    return _cohort(keep, columns, study)


def _check(study: Protocol) -> None:
    """Refuse what plain tables cannot answer."""
    asked, index = study.outcome, study.index
    timed = bool(asked.time or asked.at)
    wrong = [
        (not asked.status, "outcome.status is missing", "it names the column that says how it ended"),
        (bool(asked.events), "outcome.events are asked of a store", "of tables: status and event"),
        (bool(asked.time and asked.at), "outcome has a time and an at", "one of them says when it ended"),
        (
            asked.kind == "survival" and not timed,
            "a survival outcome has no time",
            "outcome.time, a length of follow-up, or outcome.at, a date",
        ),
        (bool(asked.at) and not index.at, "outcome.at counts from the index, and there is none", "index.at names the column of its time"),
        (
            bool(index.landmarks) and not (timed and index.at),
            "landmarks need index.at and the end of follow-up",
            "outcome.at or outcome.time",
        ),
        (bool(index.plus_hours) and not index.at, "index.plus_hours counts from index.at, and there is none", "name its column"),
        (bool(asked.blackout_hours) and not timed, "outcome.blackout_hours needs a time of the outcome", "outcome.at or outcome.time"),
        (asked.kind == "binary" and len(asked.horizons_days) > 1, "a binary outcome has several horizons", "one, or kind: survival"),
        (
            asked.kind == "binary" and bool(asked.horizons_days) and not timed,
            "a horizon needs a time of the outcome",
            "outcome.at or outcome.time",
        ),
    ]
    for found, what, hint in wrong:
        if found:
            raise DefinitionError(what, hint=hint)


def _check_persons(columns: Columns, persons: pd.Index) -> None:
    """Refuse a table that is of nobody in the study: its patients are written in another way."""
    for table in columns.tables:
        if not table.person.isin(persons).any():
            raise DataError(f"no patient of the study is in {table.name}", hint="are patients written alike in all files? 007 is not 7")


def _counted(name: str, columns: Columns, base: str) -> FlowStep:
    """Count what is left of the tables that have a column: rows where they are of patients, else patients."""
    holders = [table for table in columns.tables if base in table.cells]
    persons = len({one for table in holders for one in table.person.unique()})
    rows = [len(table.cells) for table in holders if table.form == "patients"]
    if not persons:
        raise DataError(f"nobody is left after {name!r}", hint="is the rule's column written as the rule has it?")
    return FlowStep(name, max(rows, default=persons), persons)


def _index(columns: Columns, study: Protocol, persons: pd.Index) -> np.ndarray:
    """Return when the clock of each person starts; a day without a clock is its start."""
    if not study.index.at:
        return np.full(len(persons), np.datetime64("NaT", "ns"))
    return read_times(columns.raw(columns.column(study.index.at)).reindex(persons), []).to_numpy()


def _ends(columns: Columns, study: Protocol, rows: pd.DataFrame) -> _Ends:
    asked, persons = study.outcome, pd.Index(rows["person"])
    cause = _causes(columns, asked, persons)
    if asked.time:
        return _Ends(cause, _lengths(columns, asked, persons, dated=bool(study.index.at)))
    if asked.at:
        return _Ends(cause, _until(columns, asked, rows))
    return _Ends(cause, np.full(len(rows), np.nan))


def _causes(columns: Columns, asked: Outcome, persons: pd.Index) -> np.ndarray:
    """Return how it ended for each person: the cause, 0 without any, or that nobody knows."""
    cause = np.where(columns.raw(columns.column(asked.status)).reindex(persons).isna(), _UNKNOWN, 0)
    for number, (label, meaning) in enumerate([(asked.label, asked.event), *asked.competing.items()], start=1):
        found = _ended_so(columns, label, meaning if isinstance(meaning, dict) else {asked.status: meaning}, persons)
        if isinstance(meaning, dict):
            found &= cause == 0  # one end a person: the status comes first
        elif (found & (cause > 0)).any():
            raise DefinitionError(
                f"a value of column {asked.status!r} stands for two outcomes, one of them {label!r}", hint="each value has one meaning"
            )
        cause[found] = number
    return cause


def _ended_so(columns: Columns, label: str, meaning: Mapping[str, Values], persons: pd.Index) -> np.ndarray:
    """Return for whom one of some columns has a value that stands for an outcome."""
    found = np.zeros(len(persons), bool)
    for name, values in meaning.items():
        column = columns.column(name)
        raw = columns.raw(column).reindex(persons)
        found |= columns.matches(column, raw, values if isinstance(values, tuple) else (values,)).to_numpy() & raw.notna().to_numpy()
    if not found.any():
        told = " or ".join(map(repr, meaning))
        raise DataError(f"no patient has the outcome {label!r}: column {told} never has its value", hint="outcome.event, outcome.competing")
    return found


def _lengths(columns: Columns, asked: Outcome, persons: pd.Index, *, dated: bool) -> np.ndarray:
    """Return lengths of follow-up, in days from the index."""
    raw = columns.raw(columns.column(asked.time)).reindex(persons)
    days = pd.to_numeric(raw, errors="coerce").to_numpy(float) * UNIT_DAYS[asked.time_unit]
    if unread := int((raw.notna().to_numpy() & ~np.isfinite(days)).sum()):
        raise DataError(f"{unread} values of column {asked.time!r} are no numbers", hint="a length of follow-up; outcome.at takes dates")
    if negative := int((days < 0).sum()) if not dated else 0:
        raise DataError(
            f"{negative} patients have a negative follow-up", hint="is it a code for missing? a rule with at_least: 0 leaves them out"
        )
    _refuse_endless(days, hint="outcome.time_unit; or a code for missing, which a rule with at_most leaves out")
    return days


def _refuse_endless(days: np.ndarray, *, hint: str) -> None:
    if endless := int((days > _LONGEST).sum()):
        raise DataError(f"{endless} patients are followed for more than {_LONGEST / UNIT_DAYS['years']:.0f} years", hint=hint)


def _until(columns: Columns, asked: Outcome, rows: pd.DataFrame) -> np.ndarray:
    """Return days from the index to a date.

    Between two days without a clock they are whole, and half a day where both are the same; a day without a clock is else its end.
    """
    ended = read_times(columns.raw(columns.column(asked.at)).reindex(pd.Index(rows["person"])), []).reset_index(drop=True)
    start = rows["index_at"]
    days = ((at_latest(ended) - start) / _DAY).to_numpy(float)
    _refuse_endless(days, hint="one of the two dates is wrong")
    whole = ((ended == ended.dt.normalize()) & (start == start.dt.normalize())).to_numpy()
    return np.where(whole & (days > 0), np.maximum(np.floor(days), 0.5), days)


class _Steps:
    """Rows that are left, and the flow of patients on the way."""

    def __init__(self, rows: pd.DataFrame, ends: _Ends, flow: list[FlowStep]) -> None:
        self.rows, self.ends, self.flow = rows, ends, flow

    def those(self, kept: np.ndarray, name: str) -> None:
        """Keep some rows."""
        self.rows = self.rows[kept].reset_index(drop=True)
        self.ends = _Ends(self.ends.cause[kept], self.ends.days[kept])
        self.flow.append(FlowStep(name, len(self.rows), self.rows["person"].nunique()))
        if self.rows.empty:
            raise DataError(f"nobody is left after {name!r}", hint="are the columns of the index and of the outcome the right ones?")

    def from_prediction(self, hours: np.ndarray, places: np.ndarray) -> None:
        """Count from predictions so many hours after the index of the rows at some places."""
        self.rows = self.rows.iloc[places].reset_index(drop=True)
        self.rows["predicted_at"] = self.rows["index_at"] + pd.to_timedelta(hours, unit="h").round("us")
        self.ends = _Ends(self.ends.cause[places], self.ends.days[places] - hours / 24)


def _predictions(keep: _Steps, study: Protocol, *, timed: bool) -> None:
    """Turn rows of patients into rows of predictions, outcome-free and at risk."""
    landmarks, plus, asked = study.index.landmarks, study.index.plus_hours, study.outcome
    many = np.ones(len(keep.rows), int)
    if landmarks:  # none at or after the end of follow-up, so that few rows are made in vain
        many = (np.maximum(np.minimum(landmarks.until_hours, keep.ends.days * 24) - plus, 0) / landmarks.every_hours + 1e-9).astype(int) + 1
    places = np.repeat(np.arange(len(many)), many)
    steps = np.arange(len(places)) - np.repeat(np.cumsum(many) - many, many)
    after = plus + steps * (landmarks.every_hours if landmarks else 0.0)
    keep.from_prediction(after, places)
    if landmarks:
        keep.rows["landmark_hours"] = after
    if timed:
        each = (
            tr(f"每 {landmarks.every_hours:g} 小时预测一次，", f"A prediction every {landmarks.every_hours:g} hours, ") if landmarks else ""
        )
        keep.those(keep.ends.days > 0, each + tr("预测时在随访中且尚无结局", "at risk and outcome-free at the prediction"))
    if asked.blackout_hours:
        soon = (keep.ends.cause == 1) & (keep.ends.days * 24 <= asked.blackout_hours)
        keep.those(~soon, tr(f"结局不在预测后 {asked.blackout_hours:g} 小时内", f"No outcome within {asked.blackout_hours:g} hours of it"))
    if asked.kind == "binary" and asked.horizons_days and asked.end == "observation":
        lost = (keep.ends.cause == 0) & (keep.ends.days < asked.horizons_days[0])
        keep.those(~lost, tr(f"随访满 {asked.horizons_days[0]:g} 天", f"Followed for {asked.horizons_days[0]:g} days"))


def _cohort(keep: _Steps, columns: Columns, study: Protocol) -> CohortRows:
    asked, (cause, days) = study.outcome, keep.ends
    if asked.kind == "binary":
        y, causes = (cause == 1) & (days <= asked.horizons_days[0] if asked.horizons_days else True), (asked.label,)
        if y.all():
            raise DataError(f"every row has the outcome {asked.label!r}", hint="outcome.event: is it the value of the outcome?")
    else:
        y, causes = outcome(days, cause if asked.competing else cause == 1), (asked.label, *asked.competing)
    if not (cause == 1).any() or (asked.kind == "binary" and not y.any()):
        raise DataError(
            f"no row has the outcome {asked.label!r} after its prediction", hint="outcome.event, index and rules say whose counts"
        )
    return CohortRows(keep.rows.assign(**_carried(columns, study, keep.rows["person"])), y, causes, tuple(keep.flow))


def _carried(columns: Columns, study: Protocol, person: pd.Series) -> dict[str, np.ndarray]:
    """Return the columns of sites and sub-groups, by row."""
    persons = pd.Index(person.unique())
    facts = {name: columns.fact(column, None, persons) for name, column in carried(columns, study).items()}
    return {name: fact.values.reindex(person).to_numpy() for name, fact in facts.items()}
