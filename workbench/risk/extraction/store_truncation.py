"""The records of a store with everything gone, or shuffled, that became available at or after each person's first prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import ibis
import numpy as np
import pyarrow as pa

from workbench.cohort.plan import source
from workbench.domains import DOMAINS
from workbench.risk.extraction.clocks import DOMAIN_OF, timed, with_times
from workbench.risk.extraction.store_items import key_columns
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

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
    tables = {"person": _held(engine, "person", given)}
    for word in _RECORDS:
        table = DOMAINS[word].table
        tables[table] = _records(engine, word, given, random)
    return tables | {"visit_occurrence": _visits(engine, given, how), "note": _notes(engine, given, how)}


def _all(name: str) -> tuple[str, ...]:
    return tuple(column for column in arrow_schema(name).names if column != "note_text")


def _held(engine: DuckDBEngine, name: str, given: pa.Table) -> pa.Table:
    table = source(name, _all(name))
    return engine.select(table.semi_join(_asked(), "person_id"), _first=given)


def _asked() -> ir.Table:
    return ibis.table({"person_id": "int64", "first": "timestamp(6)"}, name=_FIRST)


def _records(engine: DuckDBEngine, word: str, given: pa.Table, random: np.random.Generator | None) -> pa.Table:
    place = DOMAINS[word]
    table, times = with_times(word, _all(place.table))
    known = table.mutate(_known=times.available).inner_join(_asked(), "person_id")
    early = (known["_known"] < known["first"]).fill_null(False)
    found = engine.select(known.select(*_all(place.table), _early=early), _first=given)
    keep = found["_early"].to_numpy(zero_copy_only=False).astype(bool)
    plain = found.drop_columns("_early")
    return plain.filter(pa.array(keep)) if random is None else _dealt(plain, place.table, np.flatnonzero(~keep), random)


def _dealt(table: pa.Table, name: str, late: np.ndarray, random: np.random.Generator) -> pa.Table:
    """Deal codes, values and units of late rows anew among them; persons and times stay."""
    place = next(domain for domain in DOMAINS.values() if domain.table == name and domain.word in DOMAIN_OF.values())
    order = np.arange(table.num_rows)
    order[late] = random.permutation(late)
    content = {column for column in (*key_columns(place), "value_as_number", "unit_source_value", "operator_concept_id") if column}
    for column in content & set(table.column_names):
        table = table.set_column(table.column_names.index(column), column, table[column].take(pa.array(order)))
    return table


def _visits(engine: DuckDBEngine, given: pa.Table, how: str) -> pa.Table:
    """Keep encounters that had begun, and the ends of those that had ended; later records that stay keep their encounter."""
    table, times = with_times("encounters", _all("visit_occurrence"))
    known = table.mutate(_known=times.available).inner_join(_asked(), "person_id")
    known = known if how == "permute" else known.filter(known["_known"] < known["first"])
    left = timed(known.visit_end_datetime, known.visit_end_date)
    ended = (left < known["first"]).fill_null(False)
    kept = {name: ibis.ifelse(ended, known[name], ibis.null(known[name].type())) for name in _VISIT_ENDS}
    columns = {name: kept.get(name, known[name]) for name in _all("visit_occurrence")}
    return engine.select(known.select(**columns), _first=given)


def _notes(engine: DuckDBEngine, given: pa.Table, how: str) -> pa.Table:
    table = source("note", _all("note"))
    known = table.inner_join(_asked(), "person_id")
    known = known if how == "permute" else known.filter(timed(known.note_datetime, known.note_date) < known["first"])
    return engine.select(known.select(*_all("note")), _first=given)
