"""Variables of a cohort: one value a cohort row, from what stands around its index date.

A variable is a small frozen object that says which events it looks at and how it picks; :func:`extract` makes the wide table.
Persons are read in batches, so memory is bounded by a batch's events, and events that several variables share are read once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workbench.cohort.query import Events, Window
from workbench.domains import SETTINGS
from workbench.errors import DataError, DefinitionError
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workbench.cohort.engine import Answer, Engine

__all__ = [
    "Age",
    "Death",
    "Department",
    "LengthOfStay",
    "Occurrence",
    "Setting",
    "Sex",
    "Source",
    "Tables",
    "Value",
    "Variable",
    "around",
    "extract",
    "index_frame",
]

#: Persons whose events are in memory at a time.
BATCH_PERSONS = 50_000

_MONTH_AROUND, _UP_TO_INDEX = Window(-30, 30), Window(None, 0)

Pick = Literal["nearest", "first", "last", "max", "min", "mean"]


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
    """

    engine: Engine
    tables: Tables
    _seen: dict[object, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    def events(self, events: Events, index: pd.DataFrame) -> pd.DataFrame:
        """Return the events of the persons in `index`, with ``code`` and the columns of `EVENT_SCHEMA`; read once."""
        if events not in self._seen:
            persons = index["person_id"].unique().tolist()
            self._seen[events] = self.engine.events(events, persons=persons).to_pandas(date_as_object=False)
        return self._seen[events]

    def rows(self, table: str, columns: tuple[str, ...], key: str, values: pd.Series) -> pd.DataFrame:
        """Return rows of a table by a column's values, that column as the index; read once."""
        place = (table, columns, key)
        if place not in self._seen:
            wanted = pa.array(values.dropna().astype("int64").unique())
            found = self.tables.read(table, [key, *columns], pc.field(key).isin(wanted)).to_pandas(date_as_object=False)
            self._seen[place] = found.drop_duplicates(key).set_index(key)
        return self._seen[place]


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


# Variables of the person and of the index encounter -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Age:
    """Age at the index date in whole years; a missing month of birth reads as July, a missing day as the 1st."""

    name: str = "age"

    @property
    def label(self) -> str:
        """What is shown."""
        return tr("年龄", "Age")

    @property
    def unit(self) -> str:
        """Years."""
        return tr("岁", "years")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return one age for each row."""
        born = source.rows(
            "person", ("year_of_birth", "month_of_birth", "day_of_birth", "gender_concept_id"), "person_id", index["person_id"]
        )
        born = born.reindex(index["person_id"])
        day = index["index_date"].dt
        birthday = born["month_of_birth"].fillna(7).to_numpy() * 100 + born["day_of_birth"].fillna(1).to_numpy()
        before = (day.month * 100 + day.day).to_numpy() < birthday
        return pd.Series(day.year.to_numpy() - born["year_of_birth"].to_numpy(dtype=float) - before, index=index.index)


@dataclass(frozen=True, kw_only=True)
class Sex:
    """Sex of the person row."""

    name: str = "sex"
    unit: str = ""

    @property
    def label(self) -> str:
        """What is shown."""
        return tr("性别", "Sex")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return a word for each row; missing where the store has neither."""
        person = source.rows(
            "person", ("year_of_birth", "month_of_birth", "day_of_birth", "gender_concept_id"), "person_id", index["person_id"]
        )
        words = {8532: tr("女", "Female"), 8507: tr("男", "Male")}
        found = index["person_id"].map(person["gender_concept_id"]).map(words)
        return pd.Series(pd.Categorical(found, categories=list(words.values())), index=index.index)


def _visit(index: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Return the row of the index encounter of each row, all missing where there is none."""
    columns = ("visit_concept_id", "visit_start_date", "visit_end_date", "care_site_id")
    visits = source.rows("visit_occurrence", columns, "visit_occurrence_id", index["visit_occurrence_id"])
    return visits.reindex(index["visit_occurrence_id"]).set_axis(index.index)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Kind of the index encounter."""

    name: str = "setting"
    unit: str = ""

    @property
    def label(self) -> str:
        """What is shown."""
        return tr("就诊类型", "Setting")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return a word for each row; missing where there is no encounter, or none of a known kind."""
        shown = {
            "inpatient": tr("住院", "Inpatient"),
            "outpatient": tr("门诊", "Outpatient"),
            "emergency": tr("急诊", "Emergency"),
            "icu": tr("重症监护", "Intensive care"),
        }
        words = {concept: shown[word] for word, concepts in reversed(SETTINGS.items()) for concept in concepts}
        return _visit(index, source)["visit_concept_id"].map(words)


@dataclass(frozen=True, kw_only=True)
class Department:
    """Department of the index encounter, by name where the store has one."""

    name: str = "department"
    unit: str = ""

    @property
    def label(self) -> str:
        """What is shown."""
        return tr("科室", "Department")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return a name for each row; missing where the encounter has no department."""
        site = _visit(index, source)["care_site_id"]
        sites = source.rows("care_site", ("care_site_name", "care_site_source_value"), "care_site_id", site)
        return site.map(sites["care_site_name"].fillna(sites["care_site_source_value"]))


@dataclass(frozen=True, kw_only=True)
class LengthOfStay:
    """Days from admission to discharge of the index encounter, where it is an inpatient one."""

    name: str = "length_of_stay"

    @property
    def label(self) -> str:
        """What is shown."""
        return tr("住院天数", "Length of stay")

    @property
    def unit(self) -> str:
        """Days."""
        return tr("天", "days")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return whole days for each row."""
        visit = _visit(index, source)
        days = (pd.to_datetime(visit["visit_end_date"]) - pd.to_datetime(visit["visit_start_date"])).dt.days
        return days.where(visit["visit_concept_id"].isin(SETTINGS["inpatient"])).astype(float)


# Variables of events around the index --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Value:
    """A number recorded around the index: nearest to it, first, last, highest, lowest or mean.

    Parameters
    ----------
    events : Events
        Rows to look at.
    name, label, unit : str
        Column, what is shown, and the unit; nothing is converted.
    window : Window
        Where an event must start, in days or hours from the index.
    pick : {"nearest", "first", "last", "max", "min", "mean"}
        Which of several values counts; of two equally near, the one before the index.
    code : str
        Only events with this very code; empty for all of `events`.
    """

    events: Events
    name: str
    label: str
    unit: str = ""
    window: Window = _MONTH_AROUND
    pick: Pick = "nearest"
    code: str = ""

    def __post_init__(self) -> None:
        """Refuse a pick that is unknown."""
        if self.pick not in _PICKS and self.pick != "mean":
            raise DefinitionError(f"pick is {self.pick!r}; wanted one of {', '.join([*_PICKS, 'mean'])}")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return one number for each row; missing where the window holds none."""
        found = source.events(self.events, index)
        found = found[found["value"].notna() & (found["code"] == self.code if self.code else True)]
        near = around(found, index, self.window)
        if self.pick == "mean":
            return near.groupby("row")["value"].mean().reindex(index.index)
        near = near.assign(away=near["offset"].abs(), below=-near["value"]).sort_values(["row", *_PICKS[self.pick], "key"], kind="stable")
        return near.drop_duplicates("row").set_index("row")["value"].reindex(index.index)


_PICKS: dict[str, tuple[str, ...]] = {
    "nearest": ("away", "offset"),
    "first": ("offset",),
    "last": ("back",),
    "max": ("below",),
    "min": ("value",),
}


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """Whether an event lies around the index: 1 or 0.

    Parameters
    ----------
    events : Events
        Rows to look at.
    name, label : str
        Column, and what is shown.
    window : Window
        Where an event must start.
    prefixes, codes : tuple of str
        Only events whose code starts with one of `prefixes`, or is one of `codes`; both empty for all of `events`.
    """

    events: Events
    name: str
    label: str
    window: Window = _UP_TO_INDEX
    prefixes: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    unit: str = ""

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return 1 or 0 for each row."""
        found = source.events(self.events, index)
        if self.prefixes or self.codes:
            found = found[found["code"].str.startswith(self.prefixes, na=False) | found["code"].isin(self.codes)]
        near = around(found, index, self.window)
        return pd.Series(np.isin(index.index, near["row"].unique()).astype(int), index=index.index)


@dataclass(frozen=True, kw_only=True)
class Death:
    """Whether the person dies: within some days of the index date, or before the index encounter ends.

    Parameters
    ----------
    within_days : int, optional
        Days after the index date, the last included; None asks for death during the index encounter.
    """

    within_days: int | None = None
    name: str = "death"
    unit: str = ""

    @property
    def label(self) -> str:
        """What is shown."""
        if self.within_days is None:
            return tr("院内死亡", "Death in hospital")
        return tr("{0} 天内死亡", "Death within {0} days").format(self.within_days)

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return 1 or 0 for each row; in hospital, missing where there is no index encounter."""
        deaths = source.events(Events("deaths"), index).drop_duplicates("person_id").set_index("person_id")["start_date"]
        died = pd.to_datetime(index["person_id"].map(deaths))
        if self.within_days is not None:
            until = index["index_date"] + pd.Timedelta(days=self.within_days)
            return died.between(index["index_date"], until).astype(float)
        left = pd.to_datetime(_visit(index, source)["visit_end_date"])
        return died.between(index["index_date"], left).astype(float).where(left.notna())


def around(events: pd.DataFrame, index: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Pair events with cohort rows and keep those in a window.

    Parameters
    ----------
    events : DataFrame
        Of `EVENT_SCHEMA`.
    index : DataFrame
        As :func:`index_frame` returns it.
    window : Window
        Both ends belong to it.

    Returns
    -------
    DataFrame, one row a pair
        The event's columns, ``row`` (label of the cohort row in `index`), ``offset`` (days or hours from the index) and
        ``back`` (its negative).

    Raises
    ------
    DataError
        If the window counts from the end of an index event that some rows lack.
    """
    if (window.event, window.index) == ("start", "end") and index["event_end_date"].isna().any():
        raise DataError(
            "some cohort rows have no end of the index event to count from", hint="count the window from the start of the index"
        )
    anchored = index.reset_index(names="row")[["row", "person_id", "index_date", "index_datetime", "event_end_date"]]
    pairs = events.merge(anchored, on="person_id", how="inner")
    if window.unit == "hours":
        offset = (pairs["start_datetime"] - pairs["index_datetime"]) / pd.Timedelta(hours=1)
    else:
        edge = pairs["start_date" if window.event == "start" else "end_date"]
        offset = (edge - pairs["index_date" if window.index == "start" else "event_end_date"]).dt.days.astype(float)
    inside = offset.notna()
    if window.start is not None:
        inside &= offset >= window.start
    if window.end is not None:
        inside &= offset <= window.end
    return pairs.assign(offset=offset, back=-offset)[inside]
