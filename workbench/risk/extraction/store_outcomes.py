"""Who of a store belongs to a study, when predictions are made, and what happened after them.

The index is that of the cohort; without a time of day it is the start of its day, so that nothing of that day is read. What happens on a
date without a time, and the end of follow-up, are at the end of their day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from workbench.cohort.attrition import compute_attrition
from workbench.cohort.extract import index_frame
from workbench.cohort.plan import source
from workbench.cohort.query import Cohort
from workbench.domains import DOMAINS
from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.extraction.asof import end_of_day
from workbench.risk.extraction.clocks import DOMAIN_OF, timed
from workbench.risk.extraction.dataset import CohortRows, FlowStep
from workbench.risk.extraction.readers import at_latest
from workbench.risk.extraction.store_items import KEYS, find_codes, key_columns, keyed
from workbench.risk.survival.outcome import UNIT_DAYS, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.cohort.engine import Answer
    from workbench.cohort.query import Definition
    from workbench.risk.extraction.store_items import Codes
    from workbench.risk.protocol.protocol import Protocol

__all__ = ["as_events", "find_cohort", "person_facts"]

_HOUR, _DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
_PERSONS = "_persons"


def find_cohort(codes: Codes, protocol: Protocol, answer: Answer) -> CohortRows:
    """Find the rows of a study and their outcomes.

    Rows leave, each step counted, that are no longer followed at the prediction, to whom the outcome or a competing event has happened
    between index and prediction, whose outcome comes within the blackout, or, of binary outcomes, whose outcome is not known.

    Parameters
    ----------
    codes : Codes
        Of the store.
    protocol : Protocol
        What is asked.
    answer : Answer
        The cohort, as an engine found it.

    Returns
    -------
    CohortRows
        Rows have ``care_site`` (of the index encounter), ``age`` (years at the prediction), ``sex`` and ``year`` for sites and sub-groups,
        and ``landmark_hours`` where there are landmarks.

    Raises
    ------
    DataError
        If nobody is left, or nothing happens.
    DefinitionError
        If the protocol lacks what a store needs.
    """
    _check(protocol)
    index = index_frame(answer)
    if index.empty:
        raise DataError(f"the cohort {protocol.definition.name!r} is empty", hint="run it and look at .attrition()")
    steps = _Steps(_predictions(codes, protocol, index), list(_attrition(protocol.definition, answer)))
    if protocol.index.landmarks:
        steps.count(tr("预测时刻", "Predictions"))
    steps.keep(steps.rows["_end"] > steps.rows["predicted_at"], tr("预测时仍在随访", "Followed at the prediction"))
    _find_events(codes, protocol, steps)
    steps.keep(steps.rows["_at"].isna() | (steps.rows["_at"] > steps.rows["predicted_at"]), tr("预测前未发生结局", "Free of the outcome"))
    wait = protocol.outcome.blackout_hours
    if wait:
        early = (steps.rows["_cause"] == 1) & (steps.rows["_at"] <= steps.rows["predicted_at"] + wait * _HOUR)
        steps.keep(~early, tr(f"预测后{wait:g}小时内未发生结局", f"No outcome within {wait:g} h"))
    y = _binary(protocol, steps) if protocol.outcome.kind == "binary" else _survival(steps.rows)
    if not (y if y.dtype == bool else y["event"] == 1).any():
        raise DataError(f"nobody has the outcome {protocol.outcome.label!r}", hint="look at outcome.events and at the horizon")
    rows = steps.rows.drop(columns=[name for name in steps.rows if name.startswith("_")])
    causes = (protocol.outcome.label, *protocol.outcome.competing)
    return CohortRows(_with_groups(codes, rows), y, causes, tuple(steps.flow))


def _check(protocol: Protocol) -> None:
    wanted = protocol.outcome
    if protocol.definition is None:
        raise DefinitionError("the study has no cohort to ask of a store", hint="cohort: the canonical JSON of a cohort")
    if not wanted.events:
        raise DefinitionError("the study does not say what the outcome is in a store", hint="outcome.events, e.g. {deaths: all}")
    if wanted.kind == "binary" and wanted.end != "stay" and not wanted.horizons_days:
        raise DefinitionError("a binary outcome needs a time by which it happens", hint="outcome.horizons_days, or end: stay")


@dataclass(eq=False)
class _Steps:
    """Rows that are left, and the flow to them; columns that start with ``_`` are working notes."""

    rows: pd.DataFrame
    flow: list[FlowStep]

    def keep(self, left: pd.Series, name: str) -> None:
        """Keep some rows."""
        self.rows = self.rows[left.to_numpy(bool)].reset_index(drop=True)
        self.count(name)
        if self.rows.empty:
            raise DataError(f"nobody is left after the step {name!r}", hint="; ".join(f"{step.name}: {step.rows}" for step in self.flow))

    def count(self, name: str) -> None:
        """Add a step to the flow."""
        self.flow.append(FlowStep(name, len(self.rows), self.rows["person"].nunique()))


def _attrition(definition: Definition, answer: Answer) -> list[FlowStep]:
    if isinstance(definition, Cohort):
        return [FlowStep(step.name, step.index_dates, step.persons) for step in compute_attrition(answer, definition).steps]
    rows = answer.rows.column("person_id")
    return [FlowStep(definition.name, len(rows), len(rows.unique()))]


def _predictions(codes: Codes, protocol: Protocol, index: pd.DataFrame) -> pd.DataFrame:
    """Return a row a prediction, with the ends of follow-up."""
    index = index.merge(_visits(codes, index), on="visit_occurrence_id", how="left")
    start = index["index_datetime"].fillna(index["index_date"]).astype("datetime64[us]")
    ends, last = _ends(protocol, index)
    rows = pd.DataFrame({"person": index["person_id"].astype("int64"), "index_at": start, "care_site": index["care_site"]})
    rows = rows.assign(_end=ends, _last=last, visit=index["visit_occurrence_id"].astype("Int64"))
    marks, plus = protocol.index.landmarks, protocol.index.plus_hours
    hours = np.arange(plus, marks.until_hours + 1e-9, marks.every_hours) if marks else np.array([plus])
    rows = rows.loc[rows.index.repeat(len(hours))].reset_index(drop=True)
    later = np.tile(hours, len(index))
    rows.insert(2, "predicted_at", rows["index_at"] + pd.to_timedelta(np.round(later * 3600), unit="s"))
    if marks:
        rows.insert(3, "landmark_hours", later)
    return rows.sort_values(["person", "predicted_at", "index_at"], kind="stable", ignore_index=True)


def _ends(protocol: Protocol, index: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return until when each is at risk of a prediction, and until when what happens counts; later, for a stay, by the rest of its day."""
    watched = end_of_day(index["end_date"].astype("datetime64[us]"))
    if protocol.outcome.end == "observation":
        return watched, watched
    if index["visit_occurrence_id"].isna().all():
        raise DefinitionError("end: stay, but the index event belongs to no encounter", hint="let the cohort enter by encounters")
    return index["_left"].fillna(watched), end_of_day(index["_left_on"]).where(index["_left_on"].notna())


def _visits(codes: Codes, index: pd.DataFrame) -> pd.DataFrame:
    """Return the end and the care site of the index encounters."""
    visits = source("visit_occurrence", ("visit_occurrence_id", "visit_end_date", "visit_end_datetime", "care_site_id"))
    sites = source("care_site", ("care_site_id", "care_site_name", "care_site_source_value"))
    asked = ibis.table({"visit_occurrence_id": "int64"}, name="_visits")
    held = visits.semi_join(asked, "visit_occurrence_id")
    joined = held.left_join(sites, "care_site_id")
    named = ibis.coalesce(joined.care_site_name, joined.care_site_source_value, joined.care_site_id.cast("string"))
    rows = joined.select(
        "visit_occurrence_id",
        _left=timed(joined.visit_end_datetime, joined.visit_end_date),
        _left_on=joined.visit_end_date.cast("timestamp(6)"),
        care_site=named,
    )
    wanted = pa.table({"visit_occurrence_id": pa.array(index["visit_occurrence_id"].dropna().astype("int64").unique())})
    found = codes.engine.select(rows, _visits=wanted).to_pandas().drop_duplicates("visit_occurrence_id")
    return found.astype({"visit_occurrence_id": index["visit_occurrence_id"].dtype})


# ------------------------------------------------------------------------------------------------------------ outcomes


def _find_events(codes: Codes, protocol: Protocol, steps: _Steps) -> None:
    """Add the cause and the time of what happens first from the index on; of causes at one time the first named counts."""
    wanted = protocol.outcome
    named = [wanted.events, *(as_events(meaning) for meaning in wanted.competing.values())]
    rows = steps.rows.assign(_at=pd.NaT, _cause=0)
    rows["_at"] = rows["_at"].astype("datetime64[us]")
    for cause, events in enumerate(named, start=1):
        first = _first(rows, _events(codes, events, rows["person"]), at_index="encounters" not in events)
        sooner = (first.notna() & (rows["_at"].isna() | (first < rows["_at"]))).to_numpy()
        rows.loc[sooner, "_at"], rows.loc[sooner, "_cause"] = first[sooner], cause
    steps.rows = rows


def as_events(meaning: object) -> dict[str, tuple[str, ...]]:
    """Read a competing event of the store: as ``events`` are written, ``deaths``, or codes of diagnoses."""
    if isinstance(meaning, dict):
        return {kind: tuple(map(str, words if isinstance(words, tuple) else (words,))) for kind, words in meaning.items()}
    words = tuple(str(word) for word in (meaning if isinstance(meaning, tuple) else (meaning,)))
    return {"deaths": ("all",)} if words in (("deaths",), ("all",), ("deaths: all",)) else {"diagnoses": words}


def _events(codes: Codes, events: Mapping[str, tuple[str, ...]], persons: pd.Series) -> pd.DataFrame:
    """Return person and time of events, by the time that they are about; a date without a time is the end of its day."""
    asked = pa.table({"person_id": pa.array(persons.unique(), pa.int64())})
    found = [_events_of(codes, kind, words, asked) for kind, words in events.items()]
    return pd.concat(found, ignore_index=True).sort_values("at", kind="stable", ignore_index=True)


def _events_of(codes: Codes, kind: str, words: tuple[str, ...], asked: pa.Table) -> pd.DataFrame:
    if kind not in DOMAIN_OF:
        raise DefinitionError(f"outcome.events: a store has no {kind}", hint=f"one of: {', '.join(DOMAIN_OF)}")
    place = DOMAINS[DOMAIN_OF[kind]]
    rows, lost = find_codes(codes, kind, words)
    if lost or (rows.empty and kind != "deaths"):
        raise DefinitionError(f"outcome.events: no record has {kind} {(lost or words)[0]!r}", hint="codes of the source, or concept:ID")
    names = ("person_id", place.start, place.start_time, *key_columns(place))
    table = source(place.table, tuple(dict.fromkeys(name for name in names if name)))
    keys = table.select("person_id", at=timed(table[place.start_time], table[place.start]), **keyed(table, place))
    held = ibis.table({name: keys[name].type() for name in KEYS}, name="_codes")
    whole = keys.semi_join(ibis.table({"person_id": "int64"}, name=_PERSONS), "person_id").semi_join(held, list(KEYS))
    given = {_PERSONS: asked, "_codes": pa.Table.from_pandas(rows[list(KEYS)], preserve_index=False)}
    return codes.engine.select(whole.select(person="person_id", at="at"), **given).to_pandas()


def _first(rows: pd.DataFrame, events: pd.DataFrame, *, at_index: bool) -> pd.Series:
    """Return the first event of each row's person from its index on; an encounter that begins at the index is the index's own.

    Of an index without a clock it begins on that day, whose end stands for it.
    """
    if events.empty:
        return pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us]")
    start = rows["index_at"] if at_index else at_latest(rows["index_at"])
    left = rows[["person"]].assign(index_at=start).reset_index().sort_values("index_at", kind="stable")
    events = events.assign(at=events["at"].astype("datetime64[us]"))
    events = events.assign(found=events["at"])
    how = {"by": "person", "direction": "forward", "allow_exact_matches": at_index}
    joined = pd.merge_asof(left, events, left_on="index_at", right_on="at", **how)
    return joined.set_index("index")["found"].reindex(rows.index)


def _survival(rows: pd.DataFrame) -> np.ndarray:
    until = rows["_last"].fillna(rows["_end"])
    happened = rows["_at"].notna() & (rows["_at"] <= until)
    ended = rows["_at"].where(happened, until)
    cause = rows["_cause"].where(happened, 0).to_numpy(np.int64)
    return outcome(((ended - rows["predicted_at"]) / _DAY).to_numpy(float), cause)


def _binary(protocol: Protocol, steps: _Steps) -> np.ndarray:
    """Say whether the outcome came by the horizon, or by the end of the stay; rows of which nobody knows leave."""
    horizon = protocol.outcome.horizons_days[0] * _DAY if protocol.outcome.horizons_days else None
    rows = steps.rows
    limit = rows["_last"] if horizon is None else (rows["predicted_at"] + horizon)
    if horizon is not None and protocol.outcome.end == "stay":
        limit = np.minimum(limit, rows["_last"].fillna(limit))
    watched = rows["_last"].fillna(rows["_end"])
    happened = rows["_at"].notna() & (rows["_at"] <= np.minimum(limit.fillna(watched), watched))
    known = happened | (limit.notna() & (limit <= watched))
    steps.rows = rows.assign(_happened=happened & (rows["_cause"] == 1))
    steps.keep(known, tr("结局已知", "Outcome known"))
    return steps.rows["_happened"].to_numpy(bool)


# ---------------------------------------------------------------------------------------------------- facts of persons


def person_facts(codes: Codes, rows: pd.DataFrame) -> pd.DataFrame:
    """Return ``age`` in years at each prediction (missing month: July, missing day: the 1st) and ``sex``, with the index of `rows`."""
    columns = ("person_id", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth")
    table = source("person", columns).semi_join(ibis.table({"person_id": "int64"}, name=_PERSONS), "person_id")
    asked = pa.table({"person_id": pa.array(rows["person"].unique(), pa.int64())})
    found = codes.engine.select(table, **{_PERSONS: asked}).to_pandas().drop_duplicates("person_id").set_index("person_id")
    parts = {"year": found["year_of_birth"], "month": found["month_of_birth"].fillna(7), "day": found["day_of_birth"].fillna(1)}
    born = pd.to_datetime(pd.DataFrame(parts).astype("Int64"), errors="coerce").reindex(rows["person"]).to_numpy()
    sex = found["gender_concept_id"].map({8532: "female", 8507: "male"}).reindex(rows["person"]).to_numpy()
    age = (rows["predicted_at"].to_numpy() - born) / np.timedelta64(1, "D") / UNIT_DAYS["years"]
    return pd.DataFrame({"age": age, "sex": pd.Categorical(sex, categories=["female", "male"])}, index=rows.index)


def _with_groups(codes: Codes, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.join(person_facts(codes, rows)).assign(year=rows["index_at"].dt.year)
