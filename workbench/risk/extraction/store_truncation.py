"""The records of a store with everything gone, or shuffled, that became available at or after each person's first prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from workbench.cohort.plan import source
from workbench.domains import DOMAINS
from workbench.risk.extraction.clocks import timed, with_times
from workbench.risk.extraction.store_items import key_columns
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    import ibis.expr.types as ir

    from workbench.domains import Domain
    from workbench.store.duckdb import DuckDBEngine

__all__ = ["Change", "dealt", "poisoned", "truncated_tables"]

#: What is done to a table of records: (table, positions of its late rows, columns that say what they say) -> table.
Change: TypeAlias = "Callable[[pa.Table, np.ndarray, tuple[str, ...]], pa.Table]"

_FIRST = "_first"
_VISIT_ENDS = ("visit_end_date", "visit_end_datetime")
_RECORDS = ("labs", "diagnoses", "medications", "procedures", "findings", "observations")


def truncated_tables(engine: DuckDBEngine, rows: pd.DataFrame, change: Change | None) -> dict[str, pa.Table]:
    """Load what predictors are read from, as it stood just before each person's first prediction.

    Parameters
    ----------
    engine : DuckDBEngine
        The store.
    rows : DataFrame
        Rows of a study.
    change : callable, optional
        Changes a table of records, given where its late rows are and which columns say what they say; None deletes these rows. The end of
        an encounter that lasts is deleted either way.

    Returns
    -------
    dict of str to pyarrow.Table
        By OMOP name: persons, encounters, notes and all records that predictors may ask for.
    """
    first = rows.groupby("person", as_index=False)["predicted_at"].min()
    given = pa.table({"person_id": pa.array(first["person"], pa.int64()), "first": pa.array(first["predicted_at"], pa.timestamp("us"))})
    asked = source("person", ("person_id", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth"))
    tables = {"person": engine.select(asked.semi_join(_asked(), "person_id"), _first=given)}
    for word in _RECORDS:
        tables[DOMAINS[word].table] = _records(engine, word, given, change)
    later = change is not None
    return tables | {"visit_occurrence": _visits(engine, given, later=later), "note": _notes(engine, given, later=later)}


def dealt(seed: int) -> Change:
    """Return a change that deals what late records say anew among them; persons and times stay."""
    random = np.random.default_rng(seed)

    def deal(table: pa.Table, late: np.ndarray, content: tuple[str, ...]) -> pa.Table:
        order = np.arange(table.num_rows)
        order[late] = random.permutation(late)
        for column in content:
            table = table.set_column(table.column_names.index(column), column, table[column].take(pa.array(order)))
        return table

    return deal


def poisoned(rows: pd.DataFrame, truth: np.ndarray) -> Change:
    """Return a change that writes a person's outcome into their late numbers, plainly and in the limits of no item."""
    told = pd.Series(np.asarray(truth, float), index=rows["person"].to_numpy()).groupby(level=0).first()

    def poison(table: pa.Table, late: np.ndarray, content: tuple[str, ...]) -> pa.Table:
        if "value_as_number" not in content:
            return table
        values = table["value_as_number"].to_numpy().copy()
        values[late] = told.reindex(table["person_id"].to_numpy()[late]).to_numpy()
        return table.set_column(table.column_names.index("value_as_number"), "value_as_number", pa.array(values))

    return poison


def _asked() -> ir.Table:
    return ibis.table({"person_id": "int64", "first": "timestamp(6)"}, name=_FIRST)


def _records(engine: DuckDBEngine, word: str, given: pa.Table, change: Change | None) -> pa.Table:
    place = DOMAINS[word]
    content = _content(place)
    table, times = with_times(word, (*content, place.visit))
    known = table.mutate(_known=times.available).inner_join(_asked(), "person_id")
    early = (known["_known"] < known["first"]).fill_null(False)
    own = [name for name in table.columns if name in arrow_schema(place.table).names]
    found = engine.select(known.select(*own, _early=early), _first=given)
    keep = found["_early"].to_numpy(zero_copy_only=False).astype(bool)
    plain = found.drop_columns("_early")
    return plain.filter(pa.array(keep)) if change is None else change(plain, np.flatnonzero(~keep), content)


def _content(place: Domain) -> tuple[str, ...]:
    """Name the columns of a table that hold what a record says: its code, and a number with its unit."""
    numbers = ("value_as_number", "operator_concept_id") if place.word == "labs" else ()
    return tuple(name for name in (*key_columns(place), *numbers) if name)


def _visits(engine: DuckDBEngine, given: pa.Table, *, later: bool) -> pa.Table:
    """Keep encounters that had begun, and the ends of those that had ended; later records that stay keep their encounter."""
    names = ("visit_occurrence_id", "visit_concept_id", "visit_source_value", "visit_source_concept_id", *_VISIT_ENDS)
    table, times = with_times("encounters", names)
    known = table.mutate(_known=times.available).inner_join(_asked(), "person_id")
    known = known if later else known.filter(known["_known"] < known["first"])
    left = timed(known.visit_end_datetime, known.visit_end_date)
    ended = (left < known["first"]).fill_null(False)
    kept = {name: ibis.ifelse(ended, known[name], ibis.null(known[name].type())) for name in _VISIT_ENDS}
    columns = {name: kept.get(name, known[name]) for name in table.columns}
    return engine.select(known.select(**columns), _first=given)


def _notes(engine: DuckDBEngine, given: pa.Table, *, later: bool) -> pa.Table:
    table = source("note", ("note_id", "person_id", "note_date", "note_datetime"))
    known = table.inner_join(_asked(), "person_id")
    known = known if later else known.filter(timed(known.note_datetime, known.note_date) < known["first"])
    return engine.select(known.select(*table.columns), _first=given)
