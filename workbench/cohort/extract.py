"""Variables of a cohort: one value a cohort row, from what stands around its index date.

A variable (:mod:`workbench.cohort.variables`) is a small frozen object that says what it looks at; :func:`extract` makes the wide table.
Persons are read in batches, so memory is bounded by a batch's events, and events that several variables share are read once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workbench.errors import DataError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workbench.cohort.engine import Answer, Engine
    from workbench.cohort.query import Events, Occurs, Window

__all__ = ["BATCH_PERSONS", "Source", "Tables", "Variable", "around", "extract", "index_frame"]

#: Persons whose events are in memory at a time.
BATCH_PERSONS = 50_000


class Tables(Protocol):
    """What is asked of a snapshot beside its engine: rows of the tables that are no events."""

    def read(self, table: str, columns: Sequence[str] | None = None, filters: pc.Expression | None = None) -> pa.Table:
        """Read some columns and rows of a table."""


@dataclass(frozen=True, eq=False)
class Source:
    """Where variables come from, for one batch of cohort rows.

    Parameters
    ----------
    engine : Engine
        Answers events.
    tables : Tables
        Answers persons, encounters and departments; a snapshot.
    seen : dict
        What was read for this batch, by what was asked.
    """

    engine: Engine
    tables: Tables
    seen: dict[object, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    def events(self, events: Events, index: pd.DataFrame) -> pd.DataFrame:
        """Return the events of the persons in `index`, with ``code`` and the columns of `EVENT_SCHEMA`; read once."""
        if events not in self.seen:
            persons = index["person_id"].unique().tolist()
            self.seen[events] = self.engine.events(events, persons=persons).to_pandas(date_as_object=False)
        return self.seen[events]

    def rows(self, table: str, columns: tuple[str, ...], key: str, values: pd.Series) -> pd.DataFrame:
        """Return rows of a table by a column's values, that column as the index; read once."""
        place = (table, columns, key)
        if place not in self.seen:
            wanted = pa.array(values.dropna().astype("int64").unique())
            found = self.tables.read(table, [key, *columns], pc.field(key).isin(wanted)).to_pandas(date_as_object=False)
            self.seen[place] = found.drop_duplicates(key).set_index(key)
        return self.seen[place]


class Variable(Protocol):
    """One column of the wide table."""

    @property
    def name(self) -> str:
        """Name of the column."""

    @property
    def label(self) -> str:
        """What is shown."""

    @property
    def unit(self) -> str:
        """Unit of the values; empty where there is none."""

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return one value for each row of `index`, with its index."""


def index_frame(answer: Answer) -> pd.DataFrame:
    """Return the rows of a cohort with what is known of their index event.

    Parameters
    ----------
    answer : Answer
        What an engine found.

    Returns
    -------
    DataFrame, one row a cohort row
        ``person_id``, ``index_date``, ``end_date`` (end of follow-up), ``index_datetime``, ``event_end_date`` and
        ``visit_occurrence_id``; the last three are missing where a row does not start at an entry (merged or clipped rows).
    """
    rows = answer.rows.to_pandas(date_as_object=False).rename(columns={"start_date": "index_date"})
    entries = pd.concat([part.to_pandas(date_as_object=False) for part in _entries(answer)], ignore_index=True)
    kept = entries.loc[entries["kept"].astype(bool), ["person_id", "index_date", "index_datetime", "event_end_date", "visit_occurrence_id"]]
    kept = kept.drop_duplicates(["person_id", "index_date"])
    return rows.merge(kept, on=["person_id", "index_date"], how="left", validate="many_to_one")


def _entries(answer: Answer) -> Iterator[pa.Table]:
    yield answer.entries
    for part in answer.parts:
        yield from _entries(part)


def extract(variables: Sequence[Variable], index: pd.DataFrame, *, engine: Engine, tables: Tables) -> pd.DataFrame:
    """Make the wide table of a cohort: one row a cohort row, one column a variable.

    Parameters
    ----------
    variables : sequence of Variable
        Columns, in order; names must differ.
    index : DataFrame
        As :func:`index_frame` returns it.
    engine : Engine
        Answers events.
    tables : Tables
        Answers persons and encounters.

    Returns
    -------
    DataFrame of shape (n_rows, n_variables)
        With the index of `index`. Person-level: for use inside the session.

    Raises
    ------
    DefinitionError
        If two variables have one name.
    """
    names = [variable.name for variable in variables]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DefinitionError(f"variables have the same name: {', '.join(twice)}", hint="give each its own with name=...")
    if index.empty or not names:
        return pd.DataFrame(columns=names, index=index.index)
    return pd.concat([_extract_batch(variables, batch, Source(engine, tables)) for batch in _batches(index)])


def _extract_batch(variables: Sequence[Variable], index: pd.DataFrame, source: Source) -> pd.DataFrame:
    return pd.DataFrame({variable.name: variable.values(index, source) for variable in variables}, index=index.index)


def _batches(index: pd.DataFrame) -> Iterator[pd.DataFrame]:
    persons = index["person_id"].unique()
    for start in range(0, len(persons), BATCH_PERSONS):
        yield index[index["person_id"].isin(persons[start : start + BATCH_PERSONS])]


# Events around the index ----------------------------------------------------------------------------------------------


def around(asked: Occurs, index: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Pair events with cohort rows and keep those that lie where they are asked for.

    Parameters
    ----------
    asked : Occurs
        The events and their windows; its count is of no concern here.
    index : DataFrame
        As :func:`index_frame` returns it.
    source : Source
        Where the events are read from.

    Returns
    -------
    DataFrame, one row a pair
        The event's columns, ``row`` (label of the cohort row in `index`) and ``offset`` (days or hours from the index by the
        first window, days where there is none).

    Raises
    ------
    DataError
        If a window counts from the end of an index event that some rows lack.
    """
    if asked not in source.seen:
        source.seen[asked] = _pair(asked, index, source)
    return source.seen[asked]


def _pair(asked: Occurs, index: pd.DataFrame, source: Source) -> pd.DataFrame:
    found = pd.concat([source.events(events, index) for events in asked.events], ignore_index=True)
    anchored = index.reset_index(names="row").rename(columns={"visit_occurrence_id": "index_visit", "end_date": "follow_up_end"})
    pairs = found.merge(anchored, on="person_id", how="inner")
    if asked.same_visit:
        pairs = pairs[pairs["visit_occurrence_id"].notna() & (pairs["visit_occurrence_id"] == pairs["index_visit"])]
    offset = (pairs["start_date"] - pairs["index_date"]).dt.days.astype(float)
    inside = pd.Series(data=True, index=pairs.index)
    for number, window in enumerate(asked.windows):
        away = _offset(pairs, window)
        inside &= _inside(away, window)
        offset = away if number == 0 else offset
    return pairs.assign(offset=offset)[inside]


def _offset(pairs: pd.DataFrame, window: Window) -> pd.Series:
    if window.unit == "hours":
        return (pairs["start_datetime"] - pairs["index_datetime"]) / pd.Timedelta(hours=1)
    if window.index == "end" and pairs["event_end_date"].isna().any():
        raise DataError(
            "some cohort rows have no end of the index event to count from", hint="count the window from the start of the index"
        )
    edge = pairs["start_date" if window.event == "start" else "end_date"]
    return (edge - pairs["index_date" if window.index == "start" else "event_end_date"]).dt.days.astype(float)


def _inside(away: pd.Series, window: Window) -> pd.Series:
    """Say what lies in a window; both ends belong to it, and what has no time lies in none."""
    inside = away.notna()
    if window.start is not None:
        inside &= away >= window.start
    if window.end is not None:
        inside &= away <= window.end
    return inside
