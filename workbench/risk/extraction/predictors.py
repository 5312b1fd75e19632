"""What was known of each prediction in plain tables: facts of the patient, and results picked as of their times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.cleaning.changes import Change
from workbench.risk.extraction.asof import collect
from workbench.risk.extraction.columns import REFUSED, Columns
from workbench.risk.extraction.dataset import Feature, Features
from workbench.risk.extraction.readers import at_latest, read_times
from workbench.risk.extraction.records import known_before, read_records
from workbench.risk.protocol.parts import EVENTS

if TYPE_CHECKING:
    from workbench.risk.cleaning.items import Item
    from workbench.risk.protocol.parts import Predictor
    from workbench.risk.protocol.protocol import Protocol

__all__ = ["facts_asked", "find_features"]

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
_HOUR = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class _Wanted:
    """A column of the predictors that is to be made: of a column of patients, or of an item of timed tables."""

    predictor: Predictor
    key: str
    item: Item | None
    timed: bool
    stated: bool = True  # the protocol names it; not one of all

    @property
    def name(self) -> str:
        asked = self.predictor
        pick = asked.picked if self.timed and asked.picked != "last" else ""
        base = asked.name if asked.name and len(asked.of) == 1 and asked.of != ("all",) else "_".join(filter(None, (asked.name, self.key)))
        return base if asked.name or not pick else f"{base}_{pick}"


def facts_asked(study: Protocol) -> frozenset[str]:
    """Return the words of a study that mean facts of a patient: columns, and what says who belongs to it and how it ended."""
    asked = [
        name for predictor in study.predictors if predictor.source in ("column", "person") for name in (*predictor.of, predictor.known_at)
    ]
    outcome = study.outcome
    asked += [study.index.at, outcome.status, outcome.time, outcome.at, study.validation.site]
    return frozenset(filter(None, [*asked, *study.subgroups, *(rule.column for rule in study.rules)]))


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
    persons = pd.Index(rows["person"].unique())
    made: dict[tuple[int, str], tuple[Feature, Any, dict[str, Any]]] = {}
    changes: list[Change] = []
    order: list[tuple[int, str]] = []
    timed: dict[str, list[tuple[tuple[int, str], _Wanted]]] = {"available": [], "recorded": []}
    for place, predictor in enumerate(study.predictors):
        for wanted in _asked(columns, study, rows, predictor, changes):
            key = (place, wanted.key)
            order.append(key)
            if wanted.timed:
                timed[predictor.clock].append((key, wanted))
            else:
                made[key] = _fact(columns, study, wanted, rows, persons, changes)
    for clock, asked in timed.items():
        if asked:
            made |= _picked(columns, study, clock, asked, rows, persons, changes)
    kept = [made[key] for key in order if key in made]
    return _features(kept, rows, tuple(dict.fromkeys(changes)))


def _features(made: list[tuple[Feature, Any, dict[str, Any]]], rows: pd.DataFrame, changes: tuple[Change, ...]) -> Features:
    names = [feature.name for feature, _, _ in made]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DefinitionError(f"two predictors are called {', '.join(twice)}", hint="give one of them a name:")
    X = pd.DataFrame({feature.name: values for feature, values, _ in made}, index=pd.RangeIndex(len(rows)))
    provenance = pd.DataFrame([{"feature": feature.name, "source": feature.source, **told} for feature, _, told in made])
    return Features(X, tuple(feature for feature, _, _ in made), provenance, changes)


def _asked(columns: Columns, study: Protocol, rows: pd.DataFrame, predictor: Predictor, changes: list[Change]) -> list[_Wanted]:
    """Return the columns that a predictor asks for, in order."""
    if predictor.source in EVENTS:
        raise DefinitionError(
            f"plain tables have no {predictor.source}", hint="a column of the patients, or items of labs; or run on a store"
        )
    if predictor.source in ("column", "person"):
        return [_fact_asked(columns, study, predictor, name) for name in predictor.of]
    if predictor.known_at:
        raise DefinitionError(
            f"known_at belongs to a column, not to {predictor.source}", hint="tables.available says when results are known"
        )
    parts = columns.parts(facts_asked(study))
    known = known_before(columns, rows.groupby("person")["predicted_at"].max(), predictor.clock).parts(facts_asked(study))
    timed = {part.key for part in parts if columns.tables[part.table].form != "patients"}
    by_key = {part.key: part.item for part in parts}
    if predictor.of == ("all",):
        there = dict.fromkeys(part.key for part in known if part.item and _belongs(part.item, predictor.source))
        changes += [Change(part.name, "", "unknown_item", 0, 0) for part in known if part.item is None and part.key in timed]
        if not there:
            raise DefinitionError(
                f"the tables have no {predictor.source} that the table of items knows", hint="name them, or see tables.names"
            )
        return [_Wanted(predictor, key, by_key[key], key in timed, stated=False) for key in there]
    keys = dict.fromkeys(columns.find(asked, parts) for asked in predictor.of)
    return [_Wanted(predictor, key, by_key[key], key in timed) for key in keys]


def _belongs(item: Item, source: str) -> bool:
    """Tell whether an item is one of all labs or vitals."""
    if item.kind not in ("number", "grade", "yes_no") or item.group == "person":
        return False
    return (item.group == "vital") == (source == "vitals") and source != "images"


def _fact_asked(columns: Columns, study: Protocol, predictor: Predictor, name: str) -> _Wanted:
    column = columns.column(name)
    ending = {columns.column(one) for one in (study.outcome.status, study.outcome.time, study.outcome.at) if one}
    if column in ending:
        raise DefinitionError(f"column {column!r} is the outcome's, so it is no predictor", hint="leave it out")
    if predictor.pick or predictor.look_back:
        raise DefinitionError(
            f"column {column!r} has one value, so there is no pick and no look-back", hint=f"labs: {column} where it is timed"
        )
    return _Wanted(predictor, name if predictor.source == "person" else column, None, timed=False)


# facts ---------------------------------------------------------------------------------------------------------------------


def _fact(
    columns: Columns, study: Protocol, wanted: _Wanted, rows: pd.DataFrame, persons: pd.Index, changes: list[Change]
) -> tuple[Feature, Any, dict[str, Any]]:
    """Read a column of patients."""
    asked = wanted.predictor
    column = columns.column(wanted.key) if asked.source in ("column", "person") else _static_column(columns, study, wanted.key)
    fact = columns.fact(column, asked.kind, persons)
    values, nearest = fact.values.reindex(rows["person"]).reset_index(drop=True), np.nan
    if asked.known_at:
        known = _known_at(columns, study, asked.known_at, rows)
        early = rows["predicted_at"].reset_index(drop=True) - known > asked.gap_hours * _HOUR
        values = values.where(early)
        nearest = ((rows["predicted_at"].reset_index(drop=True) - known)[early & values.notna()] / _HOUR).min()
    changes += fact.changes
    if fact.kind == "category":
        values = pd.Categorical(values, categories=sorted(fact.values.dropna().unique()))
    item = fact.item
    label = asked.label or (tr(item.zh, item.en) if item else column)
    unit = asked.unit or (item.unit if item and columns.layout.clean else columns.layout.units.get(column, ""))
    feature = Feature(wanted.name, label, unit, fact.kind, asked.source, item.key if item else "")
    count = int(pd.notna(values).sum())
    told = {"asked": column, "pick": "", "look_back_hours": np.nan, "gap_hours": asked.gap_hours, "clock": asked.known_at or "index"}
    return feature, values, told | {"known": count, "records": count, "nearest_hours": nearest}


def _static_column(columns: Columns, study: Protocol, key: str) -> str:
    names = dict.fromkeys(part.name for part in columns.parts(facts_asked(study)) if part.key == key)
    if len(names) > 1:
        raise DefinitionError(f"{key!r} may be {' or '.join(names)}", hint="write the name of the column")
    return next(iter(names))


def _known_at(columns: Columns, study: Protocol, column: str, rows: pd.DataFrame) -> pd.Series:
    """Return when a column's values became known, by row."""
    if not study.index.at:
        raise DefinitionError(f"known_at: {column} needs a prediction with a time", hint="index.at names the column of the index")
    times = at_latest(read_times(columns.raw(columns.column(column)), []))
    return times.reindex(rows["person"]).reset_index(drop=True)


# results -------------------------------------------------------------------------------------------------------------------


def _picked(
    columns: Columns,
    study: Protocol,
    clock: str,
    asked: list[tuple[tuple[int, str], _Wanted]],
    rows: pd.DataFrame,
    persons: pd.Index,
    changes: list[Change],
) -> dict[tuple[int, str], tuple[Feature, Any, dict[str, Any]]]:
    """Pick results as of each prediction."""
    if not study.index.at:
        raise DefinitionError("timed results need a prediction with a time", hint="index.at names the column of the index")
    early = known_before(columns, rows.groupby("person")["predicted_at"].max(), clock)
    keys = {wanted.key for _, wanted in asked}
    parts = [part for part in early.parts(facts_asked(study)) if part.key in keys and columns.tables[part.table].form != "patients"]
    records = read_records(early, parts, persons)
    changes += records.changes
    for _, wanted in asked:
        if wanted.key in records.refused and wanted.stated:
            change = records.refused[wanted.key]
            raise DefinitionError(f"{change.column!r} cannot be used ({change.note})", hint=REFUSED[change.rule])
    asked = [(key, wanted) for key, wanted in asked if wanted.key not in records.refused]
    found = collect(
        pd.DataFrame(
            {"row": np.arange(len(rows)), "person": persons.get_indexer(rows["person"]), "predicted_at": rows["predicted_at"].array}
        ),
        records.table.rename(columns={"known" if clock == "available" else "taken": "time"}),
        pd.DataFrame([_wanted_row(str(place), wanted) for place, (_, wanted) in enumerate(asked)]),
    )
    by_feature = dict(tuple(found.groupby("feature", sort=False)))
    nothing = found.iloc[:0]
    return {key: _result(wanted, by_feature.get(str(place), nothing), len(rows)) for place, (key, wanted) in enumerate(asked)}


def _wanted_row(feature: str, wanted: _Wanted) -> dict[str, Any]:
    asked = wanted.predictor
    look_back = np.nan if asked.look_back is None else asked.look_back
    told = {"pick": asked.picked, "look_back_hours": look_back, "gap_hours": asked.gap_hours}
    return {"feature": feature, "item": wanted.key, **told}


def _result(wanted: _Wanted, found: pd.DataFrame, n: int) -> tuple[Feature, Any, dict[str, Any]]:
    asked, item = wanted.predictor, wanted.item
    values = np.full(n, 0.0 if asked.picked in ("count", "any") else np.nan)
    values[found["row"].to_numpy(int)] = found["value"].to_numpy(float)
    name, pick = tr(item.zh, item.en) if item else wanted.key, tr(*PICKED[asked.picked])
    label = asked.label if asked.label and wanted.stated else tr(f"{name}（{pick}）", f"{name} ({pick})") if pick else name
    unit = "" if asked.picked in ("count", "any") else asked.unit or (item.unit if item else "")
    kind = (
        "yes_no"
        if asked.picked == "any" or (item and item.kind == "yes_no" and asked.picked in ("last", "first", "min", "max"))
        else "number"
    )
    told = {name: value for name, value in _wanted_row("", wanted).items() if name not in ("feature", "item")}
    told |= {"clock": asked.clock, "known": int(np.isfinite(values).sum()) if asked.picked not in ("count", "any") else len(found)}
    counts = {"records": int(found["records"].sum()), "nearest_hours": float(found["nearest_hours"].min()) if len(found) else np.nan}
    return Feature(wanted.name, label, unit, kind, asked.source, item.key if item else ""), values, {"asked": wanted.key, **told, **counts}
