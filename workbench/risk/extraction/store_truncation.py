"""The records of a store with everything gone, or shuffled, that became available at or after each person's first prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import ibis
import numpy as np
import pyarrow as pa

from workbench.cohort.plan import source
from workbench.domains import DOMAINS
from workbench.risk.extraction.clocks import timed, with_times
from workbench.risk.extraction.store_items import key_columns
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

    from workbench.domains import Domain
    from workbench.store.duckdb import DuckDBEngine

__all__ = ["truncated_tables"]

_FIRST = "_first"
_VISIT_ENDS = ("visit_end_date", "visit_end_datetime")
_RECORDS = ("labs", "diagnoses", "medications", "procedures", "findings")


def truncated_tables(engine: DuckDBEngine, rows: pd.DataFrame, *, how: Literal["delete", "permute"], seed: int) -> dict[str, pa.Table]:
    """Load what predictors are read from, as it stood just before each person's first prediction.

    Parameters
    ----------
    engine : DuckDBEngine
        The store.
    rows : DataFrame
        Rows of a study.
    how : {"delete", "permute"}
        Whether later records are deleted, or their codes and values dealt anew among them. The end of an encounter that lasts is deleted
        either way.
    seed : int
        Of the shuffling.

    Returns
    -------
    dict of str to pyarrow.Table
        By OMOP name: persons, encounters, notes and all records that predictors may ask for.
    """
    first = rows.groupby("person", as_index=False)["predicted_at"].min()
    given = pa.table({"person_id": pa.array(first["person"], pa.int64()), "first": pa.array(first["predicted_at"], pa.timestamp("us"))})
    random = np.random.default_rng(seed) if how == "permute" else None
    asked = source("person", ("person_id", "gender_concept_id", "year_of_birth", "month_of_birth", "day_of_birth"))
    tables = {"person": engine.select(asked.semi_join(_asked(), "person_id"), _first=given)}
    for word in _RECORDS:
        table = DOMAINS[word].table
        tables[table] = _records(engine, word, given, random)
    return tables | {"visit_occurrence": _visits(engine, given, how), "note": _notes(engine, given, how)}


def _asked() -> ir.Table:
    return ibis.table({"person_id": "int64", "first": "timestamp(6)"}, name=_FIRST)


def _records(engine: DuckDBEngine, word: str, given: pa.Table, random: np.random.Generator | None) -> pa.Table:
    place = DOMAINS[word]
    content = _content(place)
    table, times = with_times(word, content)
    known = table.mutate(_known=times.available).inner_join(_asked(), "person_id")
    early = (known["_known"] < known["first"]).fill_null(False)
    own = [name for name in table.columns if name in arrow_schema(place.table).names]
    found = engine.select(known.select(*own, _early=early), _first=given)
    keep = found["_early"].to_numpy(zero_copy_only=False).astype(bool)
    plain = found.drop_columns("_early")
    return plain.filter(pa.array(keep)) if random is None else _dealt(plain, content, np.flatnonzero(~keep), random)


def _content(place: Domain) -> tuple[str, ...]:
    """Name the columns of a table that hold what a record says: its code, and a number with its unit."""
    numbers = ("value_as_number", "operator_concept_id") if place.word == "labs" else ()
    return tuple(name for name in (*key_columns(place), *numbers) if name)


def _dealt(table: pa.Table, content: tuple[str, ...], late: np.ndarray, random: np.random.Generator) -> pa.Table:
    """Deal what late rows say anew among them; persons and times stay."""
    order = np.arange(table.num_rows)
    order[late] = random.permutation(late)
    for column in content:
        table = table.set_column(table.column_names.index(column), column, table[column].take(pa.array(order)))
    return table


def _visits(engine: DuckDBEngine, given: pa.Table, how: str) -> pa.Table:
    """Keep encounters that had begun, and the ends of those that had ended; later records that stay keep their encounter."""
    names = ("visit_occurrence_id", "visit_concept_id", "visit_source_value", "visit_source_concept_id", *_VISIT_ENDS)
    table, times = with_times("encounters", names)
    known = table.mutate(_known=times.available).inner_join(_asked(), "person_id")
    known = known if how == "permute" else known.filter(known["_known"] < known["first"])
    left = timed(known.visit_end_datetime, known.visit_end_date)
    ended = (left < known["first"]).fill_null(False)
    kept = {name: ibis.ifelse(ended, known[name], ibis.null(known[name].type())) for name in _VISIT_ENDS}
    columns = {name: kept.get(name, known[name]) for name in table.columns}
    return engine.select(known.select(**columns), _first=given)


def _notes(engine: DuckDBEngine, given: pa.Table, how: str) -> pa.Table:
    table = source("note", ("note_id", "person_id", "note_date", "note_datetime"))
    known = table.inner_join(_asked(), "person_id")
    known = known if how == "permute" else known.filter(timed(known.note_datetime, known.note_date) < known["first"])
    return engine.select(known.select(*table.columns), _first=given)
