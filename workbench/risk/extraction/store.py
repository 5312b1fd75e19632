"""A store as the source of a study: the cohort by the cohort engine, predictors by the as-of join inside the store's own engine."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from tqdm.auto import tqdm

from workbench.cohort.result import CohortResult
from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.cleaning.changes import Change as Cleaning
from workbench.risk.extraction.asof import ROW_SCHEMA, asof, unbound
from workbench.risk.extraction.dataset import Feature, Features
from workbench.risk.extraction.store_items import Codes, Wanted, find_wanted
from workbench.risk.extraction.store_outcomes import find_cohort, person_facts
from workbench.risk.extraction.store_records import code_table, records
from workbench.risk.extraction.store_truncation import dealt, poisoned, truncated_tables
from workbench.store.duckdb import DuckDBEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis.expr.types as ir

    from workbench.risk.extraction.dataset import CohortRows, StudyData
    from workbench.risk.extraction.evidence import Evidence
    from workbench.risk.extraction.store_truncation import Change
    from workbench.risk.protocol.parts import Predictor
    from workbench.risk.protocol.protocol import Protocol
    from workbench.store.snapshots import Snapshot

__all__ = ["BATCH_PERSONS", "StoreSource"]

#: Persons whose records are joined at a time.
BATCH_PERSONS = 10_000

_WANTED = {"feature": "int64", "item": "int64", "pick": "string", "look_back_hours": "float64", "gap_hours": "float64"}


class StoreSource:
    """A store as the source of studies; keeps the protocol of :class:`~workbench.risk.extraction.dataset.Source`.

    Predictors are read as of each prediction on the clocks of :mod:`workbench.risk.extraction.clocks`, one pass over a table in batches of
    persons. A laboratory item is asked for by its code or concept in the store or by a name that the catalogue of items knows; values in
    another unit are converted where the catalogue knows how, else left out and counted.

    Parameters
    ----------
    store : Snapshot, CohortResult or DuckDBEngine
        The store. A result's cohort is not run again.
    origin : str, optional
        Id of the data where `store` has none.
    batch_persons : int
        Persons whose records are joined at a time; bounds the memory.
    progress : bool, optional
        Whether to show a bar on stderr; by default on a terminal only.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from datetime import date
    >>> from workbench.store.duckdb import DuckDBEngine
    >>> death = pa.table({"person_id": [1], "death_date": [date(2024, 1, 31)]})
    >>> StoreSource(DuckDBEngine.from_tables({"death": death}), origin="one death").id
    'one death'
    """

    def __init__(
        self,
        store: Snapshot | CohortResult | DuckDBEngine,
        *,
        origin: str = "",
        batch_persons: int = BATCH_PERSONS,
        progress: bool | None = None,
    ) -> None:
        self._result = store if isinstance(store, CohortResult) else None
        snapshot = store.snapshot if isinstance(store, CohortResult) else store
        engine = getattr(store, "engine", None) if isinstance(store, CohortResult) else store
        self._engine = engine if isinstance(engine, DuckDBEngine) else snapshot.engine() if hasattr(snapshot, "engine") else None
        if self._engine is None:
            raise DefinitionError(f"{type(store).__name__} is no store whose engine can join records", hint="wb.open_store()")
        self._id = origin or str(getattr(snapshot, "id", "memory"))
        self._batch_persons, self._progress = batch_persons, progress
        self.codes = Codes(self._engine)

    @property
    def id(self) -> str:
        """Id of the snapshot."""
        return self._id

    def cohort(self, protocol: Protocol) -> CohortRows:
        """Find the rows of a study and their outcomes; see :func:`~workbench.risk.extraction.store_outcomes.find_cohort`."""
        if protocol.definition is None:
            raise DefinitionError("the study has no cohort to ask of a store", hint="cohort: the canonical JSON of a cohort")
        if self._result is None:
            return find_cohort(self.codes, protocol, self._engine.run(protocol.definition))
        if self._result.definition != protocol.definition:
            raise DefinitionError("the result is that of another cohort than the study's", hint="give the snapshot instead")
        return find_cohort(self.codes, protocol, self._result.answer)

    def features(self, protocol: Protocol, rows: pd.DataFrame) -> Features:
        """Find what was known of each row before its prediction.

        Parameters
        ----------
        protocol : Protocol
            What is asked.
        rows : DataFrame of n rows
            As :meth:`cohort` returns them, or some of them.

        Returns
        -------
        Features
            ``known`` of the provenance counts rows with a record; where records are counted, the others have 0.

        Raises
        ------
        DataError
            If a row has no time of prediction.
        DefinitionError
            If the store does not have what is asked, or two predictors have one name.
        """
        rows = rows.reset_index(drop=True)
        if rows["predicted_at"].isna().any():
            raise DataError("some rows have no time of prediction", hint="give rows as cohort() returns them")
        timed = [one for one in protocol.predictors if one.source != "person"]
        wanted, changes = find_wanted(self.codes, timed)
        picked = _Picked(wanted, len(rows))
        for (domain, clock, visit), group in _passes(wanted).items():
            self._pick(_found(domain, clock, visit, _picks(group)), group, _of_visits(rows) if visit else rows, picked)
            changes += self._changes(domain, group, rows)
        return _assembled(protocol, rows, picked, self._facts(protocol, rows), tuple(dict.fromkeys(changes)))

    def evidence(self, data: StudyData, row: int, feature: str) -> list[Evidence]:
        """Return the rows of the store behind one value; see :func:`~workbench.risk.extraction.store_evidence.store_evidence`."""
        from workbench.risk.extraction.store_evidence import store_evidence

        return store_evidence(self.codes, data, row, feature)

    def truncated(self, rows: pd.DataFrame, *, how: Literal["delete", "permute"], seed: int = 0) -> StoreSource:
        """Return the records of some persons with everything that became available from their first prediction on gone, or shuffled.

        Their records are loaded into memory: give a sample of some thousand persons.

        Parameters
        ----------
        rows : DataFrame
            Rows of a study.
        how : {"delete", "permute"}
            Whether later records are deleted, or their codes and values dealt anew among them.
        seed : int
            Of the shuffling.

        Returns
        -------
        StoreSource
            It knows the codes of the whole store, so that a code that is gone is not unknown.
        """
        return self._changed(rows, None if how == "delete" else dealt(seed), how if how == "delete" else f"{how}{seed}")

    def poisoned(self, rows: pd.DataFrame, truth: np.ndarray) -> StoreSource:
        """Return the records of some persons, every number that became available from the prediction on being the row's truth.

        Parameters
        ----------
        rows : DataFrame of n rows
            Rows of a study, one a person.
        truth : ndarray of shape (n,)
            What is written.

        Returns
        -------
        StoreSource
        """
        return self._changed(rows, poisoned(rows, truth), "poisoned")

    # ----------------------------------------------------------------------------------------------------- internals

    def _changed(self, rows: pd.DataFrame, change: Change | None, word: str) -> StoreSource:
        engine = DuckDBEngine.from_tables(truncated_tables(self._engine, rows, change))
        made = StoreSource(engine, origin=f"{self._id}+{word}", batch_persons=self._batch_persons, progress=self._progress)
        made.codes = Codes(engine, whole=self.codes)
        return made

    def _facts(self, protocol: Protocol, rows: pd.DataFrame) -> pd.DataFrame:
        asked = {word for one in protocol.predictors if one.source == "person" for word in one.of}
        unknown = sorted(asked - {"age", "sex"})
        if unknown:
            raise DefinitionError(f"a store has no person {unknown[0]!r} that is known at a prediction", hint="person: age, sex")
        return person_facts(self.codes, rows) if asked else pd.DataFrame(index=rows.index)

    def _pick(self, found: ir.Table, group: dict[int, Wanted], rows: pd.DataFrame, picked: _Picked) -> None:
        """Pick the columns of one pass over a table, batch by batch."""
        choices = [one.predictor for one in group.values()]
        asked = {
            "feature": list(group),
            "item": list(group),
            "pick": [one.picked for one in choices],
            "look_back_hours": [one.look_back for one in choices],
            "gap_hours": [one.gap_hours for one in choices],
        }
        given = {"_wanted": pa.table(asked, schema=ibis.schema(_WANTED).to_pyarrow()), "_codes": code_table(group)}
        shown, domain = None if self._progress is None else not self._progress, next(iter(group.values())).domain
        with tqdm(total=len(rows), desc=domain, unit="row", disable=shown) as bar:
            for batch in _batches(rows, self._batch_persons):
                picked.take(self._engine.select(found, _rows=batch, **given))
                bar.update(batch.num_rows)

    def _changes(self, domain: str, group: dict[int, Wanted], rows: pd.DataFrame) -> list[Cleaning]:
        """Count what was converted, left out or mended, of the records of the study's persons before their last prediction."""
        if domain != "labs":
            return []
        last = rows.groupby("person", as_index=False)["predicted_at"].max()
        table = pa.table({"person": pa.array(last["person"], pa.int64()), "last": pa.array(last["predicted_at"], pa.timestamp("us"))})
        found = self._engine.select(_counted(), _last=table, _codes=code_table(group)).to_pylist()
        return [change for row in found for change in _told(group[row["item"]], row)]


def _told(wanted: Wanted, row: dict) -> Iterator[Cleaning]:
    note = f"{row['mark']} → {wanted.feature.unit}" if row["mark"] and row["mark"] != wanted.feature.unit else ""
    for rule, count in (
        ("unit_unknown", row["lost"]),
        ("below_detection", row["below"]),
        ("outlier", row["outlier"]),
        ("converted", row["converted"]),
        ("unit_assumed", row["of"] if not row["mark"] and wanted.feature.unit else 0),
    ):
        if count:
            yield Cleaning(row["code"], wanted.feature.item, rule, int(count), int(row["of"]), note)


def _passes(wanted: list[Wanted]) -> dict[tuple[str, str, bool], dict[int, Wanted]]:
    """Group columns, with their places, by the table and the clock that they are read by, and whether of the index encounter alone."""
    passes: dict[tuple[str, str, bool], dict[int, Wanted]] = {}
    for place, one in enumerate(wanted):
        passes.setdefault((one.domain, one.predictor.clock, one.predictor.same_visit), {})[place] = one
    return passes


def _picks(group: dict[int, Wanted]) -> frozenset[str]:
    return frozenset(one.predictor.picked for one in group.values())


def _of_visits(rows: pd.DataFrame) -> pd.DataFrame:
    """Put the index encounter in the place of the person: records are then joined by it. Rows without one know nothing."""
    if "visit" not in rows or rows["visit"].isna().all():
        raise DefinitionError("same_visit, but the index event belongs to no encounter", hint="let the cohort enter by encounters")
    known = rows[rows["visit"].notna()]
    return known.assign(person=known["visit"].astype("int64"))


@cache
def _found(domain: str, clock: str, visit: bool, picks: frozenset[str]) -> ir.Table:
    found = records(domain, clock, visit=visit).select("person", "item", "time", "value")
    return asof(unbound("_rows", ROW_SCHEMA), found, ibis.table(_WANTED, name="_wanted"), picks=picks)


@cache
def _counted() -> ir.Table:
    """Count what is done to the records of numbers that were available before each person's last prediction, by item, code and unit."""
    asked = ibis.table({"person": "int64", "last": "timestamp(6)"}, name="_last")
    early = records("labs", "available", all_units=True).inner_join(asked, "person").filter(lambda joined: joined.time < joined.last)
    done = {name: early[name].sum() for name in ("lost", "below", "outlier", "converted")}
    return early.group_by("item", "code", "mark").agg(of=early.count(), **done).order_by("item", "code", "mark")


def _batches(rows: pd.DataFrame, persons: int) -> Iterator[pa.Table]:
    """Cut rows into batches of whole persons, neighbours by their number, so that few files have to be read for each."""
    rows = rows.assign(row=rows.index)[["row", "person", "predicted_at"]].sort_values("person", kind="stable")
    number = rows["person"].ne(rows["person"].shift()).cumsum().to_numpy() - 1
    for _, batch in rows.groupby(number // persons, sort=True):
        yield pa.Table.from_pandas(batch, schema=ROW_SCHEMA, preserve_index=False, safe=False)


class _Picked:
    """Values of the columns that records give, and where they come from; filled batch by batch."""

    def __init__(self, wanted: list[Wanted], n: int) -> None:
        self.wanted = wanted
        self.values = np.full((n, len(wanted)), np.nan)
        self.values[:, [one.counted for one in wanted]] = 0.0
        self.known, self.records = np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.int64)
        self.nearest = np.full(len(wanted), np.inf)

    def take(self, found: pa.Table) -> None:
        """Put what was found into its places."""
        row, feature, value, records, nearest = (found[name].to_numpy() for name in ("row", "feature", "value", "records", "nearest_hours"))
        self.values[row, feature] = value
        self.known += np.bincount(feature[~np.isnan(value)], minlength=len(self.known))
        self.records += np.bincount(feature, records, minlength=len(self.known)).astype(np.int64)
        np.minimum.at(self.nearest, feature, nearest)


def _assembled(protocol: Protocol, rows: pd.DataFrame, picked: _Picked, facts: pd.DataFrame, changes: tuple[Cleaning, ...]) -> Features:
    """Put the columns into the order of the protocol."""
    columns: dict[str, pd.Series | np.ndarray] = {}
    features, told, timed = [], [], iter(range(len(picked.wanted)))
    places: dict[int, list[int]] = {}
    for place in timed:
        places.setdefault(id(picked.wanted[place].predictor), []).append(place)
    for predictor in protocol.predictors:
        made = _facts_of(predictor, facts) if predictor.source == "person" else _timed(picked, places[id(predictor)])
        for feature, values, provenance in made:
            if feature.name in columns:
                raise DefinitionError(f"two predictors are called {feature.name!r}", hint="give one of them a name:")
            columns[feature.name] = values
            features.append(feature)
            told.append({"feature": feature.name, "source": feature.source, **provenance})
    return Features(pd.DataFrame(columns, index=rows.index), tuple(features), pd.DataFrame(told), changes)


def _facts_of(predictor: Predictor, facts: pd.DataFrame) -> Iterator[tuple]:
    names = {"age": (tr("年龄", "Age"), tr("岁", "years"), "number"), "sex": (tr("性别", "Sex"), "", "category")}
    for word in predictor.of:
        label, unit, kind = names[word]
        alone = len(predictor.of) == 1
        name = (predictor.name if alone else f"{predictor.name}_{word}") if predictor.name else word
        known = int(facts[word].notna().sum())
        provenance = {"asked": word, "pick": "", "look_back_hours": np.nan, "gap_hours": 0.0, "clock": "index"}
        feature = Feature(name, predictor.label if predictor.label and alone else label, unit, kind, "person", word)
        yield feature, facts[word], provenance | {"known": known, "records": known, "nearest_hours": np.nan}


def _timed(picked: _Picked, places: list[int]) -> Iterator[tuple]:
    for place in places:
        one = picked.wanted[place]
        asked = one.predictor
        back = np.nan if asked.look_back is None else asked.look_back
        nearest = picked.nearest[place] if np.isfinite(picked.nearest[place]) else np.nan
        words = one.asked + tr("（本次就诊）", " (of the index encounter)") * asked.same_visit
        provenance = {"asked": words, "pick": asked.picked, "look_back_hours": back, "gap_hours": asked.gap_hours, "clock": asked.clock}
        provenance |= {"known": int(picked.known[place]), "records": int(picked.records[place]), "nearest_hours": nearest}
        yield one.feature, picked.values[:, place], provenance
