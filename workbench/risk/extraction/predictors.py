"""What was known of each prediction in plain tables: facts of the patient, and results picked as of their times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.cleaning.shown import shown_unit
from workbench.risk.extraction.asof import collect
from workbench.risk.extraction.dataset import Feature, Features
from workbench.risk.extraction.facts import REFUSED, left_out
from workbench.risk.extraction.readers import at_latest, read_times
from workbench.risk.extraction.records import known_before, read_records
from workbench.risk.extraction.roles import belongs, ending, fact_columns
from workbench.risk.protocol.parts import EVENTS, NUMBERS

if TYPE_CHECKING:
    from workbench.risk.cleaning.changes import Change
    from workbench.risk.cleaning.items import Item
    from workbench.risk.extraction.columns import Columns, Part
    from workbench.risk.protocol.parts import Predictor
    from workbench.risk.protocol.protocol import Protocol

__all__ = ["Request", "Wanted", "asked_columns", "find_features", "standing_column"]

#: How one value was picked of several, on the screen; the last needs no word.
PICKED = {
    "last": ("", ""),
    "first": ("首次", "first"),
    "min": ("最小值", "lowest"),
    "max": ("最大值", "highest"),
    "mean": ("均值", "mean"),
    "slope": ("每日变化", "change a day"),
    "count": ("次数", "count"),
    "any": ("有无", "any"),
}
_COUNTED = ("count", "any")
_HOUR = pd.Timedelta(hours=1)


class Wanted(NamedTuple):
    """A column of the predictors that is to be made."""

    predictor: Predictor
    key: str  # of the item, or the name of the column
    item: Item | None = None
    timed: bool = False
    stated: bool = True  # the protocol names it: it is not one of all

    @property
    def name(self) -> str:
        """Name of the column."""
        asked = self.predictor
        if asked.name:
            return asked.name if len(asked.of) == 1 and self.stated else f"{asked.name}_{self.key}"
        return f"{self.key}_{asked.picked}" if self.timed and asked.picked != "last" else self.key


class _Made(NamedTuple):
    """A column of the predictors, and where it comes from."""

    feature: Feature
    values: Any
    told: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Request:
    """What is asked of which rows."""

    columns: Columns
    study: Protocol
    rows: pd.DataFrame

    @cached_property
    def persons(self) -> pd.Index:
        """The persons of the study."""
        return pd.Index(self.rows["person"].unique())

    @cached_property
    def facts(self) -> frozenset[str]:
        """Columns that are no results of items."""
        return fact_columns(self.columns, self.study)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Where items stand."""
        return self.columns.parts(self.facts)

    @cached_property
    def _last(self) -> pd.Series:
        return self.rows.groupby("person")["predicted_at"].max()

    @cached_property
    def available(self) -> Columns:
        """The tables without what was available too late."""
        return known_before(self.columns, self._last, "available")

    @cached_property
    def recorded(self) -> Columns:
        """The tables without what is about a time too late."""
        return known_before(self.columns, self._last, "recorded")

    def early(self, clock: str) -> Columns:
        """Return the tables without what no row may know."""
        return self.available if clock == "available" else self.recorded

    def is_timed(self, part: Part) -> bool:
        """Tell whether an item stands in a table with times."""
        return self.columns.tables[part.table].form != "patients"


def find_features(columns: Columns, study: Protocol, rows: pd.DataFrame) -> Features:
    """Find what was known of each row before its prediction.

    Parameters
    ----------
    columns : Columns
        The tables, with the rows that the study's rules leave.
    study : Protocol
        What is asked.
    rows : DataFrame of n rows
        As :class:`~workbench.risk.extraction.dataset.CohortRows` has them.

    Returns
    -------
    Features

    Raises
    ------
    DataError
        If values cannot be read.
    DefinitionError
        If the tables do not have what is asked, cleaning cannot decide what it means, or two predictors have one name.
    """
    request, changes = Request(columns, study, rows.reset_index(drop=True)), []
    wanted = [one for predictor in study.predictors for one in asked_columns(request, predictor, changes)]
    made = {one: _fact(request, one, changes) for one in wanted if not one.timed}
    for clock in ("available", "recorded"):
        made |= _picked(request, clock, [one for one in wanted if one.timed and one.predictor.clock == clock], changes)
    return _features([made[one] for one in wanted if one in made], len(rows), tuple(dict.fromkeys(changes)))


def _features(made: list[_Made], n: int, changes: tuple[Change, ...]) -> Features:
    features = tuple(one.feature for one in made)
    names = [feature.name for feature in features]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DefinitionError(f"two predictors are called {', '.join(twice)}", hint="give one of them a name:")
    X = pd.DataFrame({one.feature.name: one.values for one in made}, index=pd.RangeIndex(n))
    provenance = pd.DataFrame([{"feature": one.feature.name, "source": one.feature.source, **one.told} for one in made])
    return Features(X, features, provenance, changes)


def asked_columns(request: Request, predictor: Predictor, changes: list[Change]) -> list[Wanted]:
    """Return the columns that a predictor asks for, in order."""
    if predictor.source in EVENTS:
        raise DefinitionError(
            f"plain tables have no {predictor.source}", hint="a column of the patients, or items of labs; or run on a store"
        )
    if predictor.same_visit:
        raise DefinitionError("plain tables have no encounters to ask same_visit of", hint="leave it out, or run on a store")
    if predictor.source not in NUMBERS:
        return [_fact_asked(request, predictor, name) for name in predictor.of]
    if predictor.known_at or predictor.kind not in (None, "number"):
        raise DefinitionError(f"known_at and kind belong to a column, not to {predictor.source}", hint="results are numbers with a time")
    items = {part.key: part.item for part in request.parts}
    timed = {part.key for part in request.parts if request.is_timed(part)}
    if predictor.of == ("all",):
        keys = _all(request, predictor, changes)
    else:
        keys = dict.fromkeys(request.columns.find(asked, request.parts) for asked in predictor.of)
    wanted = [Wanted(predictor, key, items[key], key in timed, predictor.of != ("all",)) for key in keys]
    for one in wanted:
        if not one.timed:
            _refuse_choice(predictor, one.key)
    return wanted


def _all(request: Request, predictor: Predictor, changes: list[Change]) -> list[str]:
    """Return every item of a source that was known to any row; what the table of items does not know is told."""
    known = request.early(predictor.clock).parts(request.facts, left=True)
    changes += [left_out(part.name, "unknown_item") for part in known if part.item is None and request.is_timed(part)]
    keys = list(dict.fromkeys(part.key for part in known if part.item and belongs(part.item, predictor.source)))
    if not keys:
        raise DefinitionError(f"the tables have no {predictor.source} that the table of items knows", hint="name them, or see tables.names")
    return keys


def _fact_asked(request: Request, predictor: Predictor, name: str) -> Wanted:
    column = request.columns.column(name)
    if column in ending(request.columns, request.study):
        raise DefinitionError(f"column {column!r} is the outcome's, so it is no predictor", hint="leave it out")
    _refuse_choice(predictor, column)
    return Wanted(predictor, name if predictor.source == "person" else column)


def _refuse_choice(predictor: Predictor, name: str) -> None:
    """Refuse to choose among the values of what has one."""
    gap = predictor.gap_hours and not predictor.known_at
    if predictor.pick not in (None, "last") or predictor.look_back or gap:
        raise DefinitionError(f"{name!r} has one value a patient and no time: no pick, look-back or gap", hint="leave them out")


# facts ---------------------------------------------------------------------------------------------------------------------


def _fact(request: Request, wanted: Wanted, changes: list[Change]) -> _Made:
    """Read a column of patients."""
    asked, columns = wanted.predictor, request.columns
    column = standing_column(request, wanted)
    fact = columns.fact(column, asked.kind, request.persons)
    changes += fact.changes
    values, nearest = fact.values.reindex(request.rows["person"]).reset_index(drop=True), np.nan
    if asked.known_at:
        hours = _hours_known(request, asked.known_at)
        values = values.where(hours > asked.gap_hours)
        nearest = hours[values.notna()].min()
    if fact.kind == "category":
        values = pd.Categorical(values, categories=sorted(fact.values.dropna().unique()))
    item, known = fact.item, int(pd.notna(values).sum())
    unit = asked.unit or (item.unit if item and columns.layout.clean else columns.layout.units.get(column, ""))
    label = asked.label or (tr(item.zh, item.en) if item else column)
    told = {"asked": column, "pick": "", "look_back_hours": np.nan, "gap_hours": asked.gap_hours, "clock": asked.known_at or "index"}
    feature = Feature(wanted.name, label, shown_unit(unit), fact.kind, asked.source, item.key if item else "")
    return _Made(feature, values, told | {"known": known, "records": known, "nearest_hours": nearest})


def standing_column(request: Request, wanted: Wanted) -> str:
    """Return the column of a fact, or of an item that stands once a patient."""
    if wanted.predictor.source not in NUMBERS:
        return request.columns.column(wanted.key)
    names = dict.fromkeys(part.name for part in request.parts if part.key == wanted.key)
    if len(names) > 1:
        raise DefinitionError(f"{wanted.key!r} may be {' or '.join(names)}", hint="write the name of the column")
    return next(iter(names))


def _hours_known(request: Request, column: str) -> pd.Series:
    """Return how long before each prediction a column's value became known; NaN where nobody knows."""
    if not request.study.index.at:
        raise DefinitionError(f"known_at: {column} needs a prediction with a time", hint="index.at names the column of the index")
    times = at_latest(read_times(request.columns.raw(request.columns.column(column)), []))
    return (request.rows["predicted_at"] - times.reindex(request.rows["person"]).reset_index(drop=True)) / _HOUR


# results -------------------------------------------------------------------------------------------------------------------


def _picked(request: Request, clock: str, asked: list[Wanted], changes: list[Change]) -> dict[Wanted, _Made]:
    """Pick results as of each prediction."""
    if not asked:
        return {}
    if not request.study.index.at:
        raise DefinitionError("timed results need a prediction with a time", hint="index.at names the column of the index")
    early, keys = request.early(clock), {one.key for one in asked}
    records = read_records(early, [part for part in request.parts if part.key in keys and request.is_timed(part)], request.persons)
    changes += records.changes
    for one in asked:
        if one.stated and (change := records.refused.get(one.key)):
            raise DefinitionError(f"{change.column!r} cannot be used ({change.rule} {change.note})", hint=REFUSED[change.rule])
    changes += [left_out(change.column, change.rule) for change in records.refused.values()]
    asked = [one for one in asked if one.key not in records.refused]
    rows = {"row": np.arange(len(request.rows)), "person": request.persons.get_indexer(request.rows["person"])}
    found = collect(
        pd.DataFrame(rows | {"predicted_at": request.rows["predicted_at"].array}),
        records.table.rename(columns={"known" if clock == "available" else "taken": "time"}),
        pd.DataFrame([{"feature": str(place), "item": one.key, **_choice(one)} for place, one in enumerate(asked)]),
    )
    by_place = dict(tuple(found.groupby("feature", sort=False)))
    return {one: _result(request, one, by_place.get(str(place), found.iloc[:0])) for place, one in enumerate(asked)}


def _choice(wanted: Wanted) -> dict[str, Any]:
    asked = wanted.predictor
    look_back = np.nan if asked.look_back is None else asked.look_back
    return {"pick": asked.picked, "look_back_hours": look_back, "gap_hours": asked.gap_hours}


def _result(request: Request, wanted: Wanted, found: pd.DataFrame) -> _Made:
    asked, item = wanted.predictor, wanted.item
    counted = asked.picked in _COUNTED
    values = np.full(len(request.rows), 0.0 if counted else np.nan)
    values[found["row"].to_numpy(int)] = found["value"].to_numpy(float)
    name, pick = tr(item.zh, item.en) if item else wanted.key, tr(*PICKED[asked.picked])
    label = (
        asked.label
        if asked.label and len(asked.of) == 1 and wanted.stated
        else tr(f"{name}（{pick}）", f"{name} ({pick})")
        if pick
        else name
    )
    layout = request.columns.layout
    stated = next((part.unit for part in request.parts if part.key == wanted.key), "")
    unit = asked.unit or (item.unit if item and layout.clean else layout.units.get(wanted.key, stated))
    same = asked.picked in ("last", "first", "min", "max")
    kind = "yes_no" if asked.picked == "any" or (same and item and item.kind == "yes_no") else "number"
    nearest = float(found["nearest_hours"].min()) if len(found) else np.nan
    told = {"clock": asked.clock, "known": len(found), "records": int(found["records"].sum()), "nearest_hours": nearest}
    feature = Feature(wanted.name, label, "" if counted else unit, kind, asked.source, item.key if item else "")
    return _Made(feature, values, {"asked": wanted.key, **_choice(wanted), **told})
