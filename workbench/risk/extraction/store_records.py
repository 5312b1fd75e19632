"""The records of a store that stand for predictors: found by code, with their clock, and their value in the column's unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import pandas as pd
import pyarrow as pa

from workbench.domains import DOMAINS
from workbench.risk.extraction.clocks import with_times
from workbench.risk.extraction.store_items import KEYS, Wanted, key_columns, keyed

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = ["code_table", "records"]

_VALUE = {"value": "value_as_number", "operator": "operator_concept_id"}

#: OMOP's operators < and <=: a result below what can be measured. It counts as this share of the limit, as in plain tables.
_BELOW, _BELOW_SHARE = (4171756, 4171754), 0.5

#: What a map from codes to features holds.
_CODES = {"code": "string", "concept": "int64", "source_concept": "int64", "mark": "string", "item": "int64", "factor": "float64",
          "offset": "float64", "low": "float64", "high": "float64"}  # fmt: skip


def code_table(group: dict[int, Wanted]) -> pa.Table:
    """Return the map from codes to columns, given by their places, that :func:`records` joins by: the table ``_codes``."""
    whole = pd.concat([one.codes.assign(item=place) for place, one in group.items()], ignore_index=True)
    return pa.Table.from_pandas(whole[list(_CODES)], schema=ibis.schema(_CODES).to_pyarrow(), preserve_index=False)


def records(domain: str, clock: str, *, visit: bool = False, all_units: bool = False, more: tuple[str, ...] = ()) -> ir.Table:
    """Return the records of the items of ``_codes``: ``person``, ``item``, ``time``, ``value`` in the column's unit, and their keys.

    Parameters
    ----------
    domain : str
        A domain of the store.
    clock : {"available", "recorded"}
        Whose time is meant.
    visit : bool
        Whether ``person`` is the encounter that a record belongs to.
    all_units : bool
        Whether records whose unit cannot be converted, and errors, stay: columns then say of each record what is done to it.
    more : tuple of str
        Further columns of the table.

    Returns
    -------
    ibis Table
    """
    place, number = DOMAINS[domain], domain == "labs"
    whose = place.visit if visit else "person_id"
    names = (*key_columns(place), *(_VALUE.values() if number else ()), whose, *more)
    table, times = with_times(domain, tuple(dict.fromkeys(name for name in names if name)))
    raw = table.value_as_number if number else ibis.null("float64")
    below = table.operator_concept_id.isin(_BELOW).fill_null(False) if number else ibis.literal(False)
    own = {name: table[name] for name in more}
    plain = table.select(person=table[whose], time=times.by(clock), raw=raw, below=below, **keyed(table, place), **own)
    codes = ibis.table(_CODES, name="_codes")
    held = plain.inner_join(codes if all_units else codes.filter(codes.factor.notnull()), list(KEYS))
    value = held.raw * ibis.ifelse(held.below, _BELOW_SHARE, 1.0) * held.factor + held.offset
    held = held.mutate(value=value)
    outlier = ((held.value < held.low) | (held.value > held.high)).fill_null(False)
    kept = held.mutate(value=ibis.ifelse(outlier, ibis.null("float64"), held.value))
    if not all_units:
        return kept.filter(~outlier) if number else kept
    kept = held.filter(held.raw.notnull())
    moved = (kept.factor != 1.0) | (kept.offset != 0.0)
    told = {
        "lost": kept.factor.isnull(),
        "below": kept.below & kept.factor.notnull(),
        "outlier": outlier,
        "converted": moved.fill_null(False),
    }
    return kept.select("person", "item", "time", "code", "mark", **{name: truth.cast("int64") for name, truth in told.items()})
