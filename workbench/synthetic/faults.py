"""Faults of data quality, planted in the raw extract at stated rates and listed row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.synthetic.catalogue import read_table
from workbench.synthetic.columns import ROW_STRIDE, stream
from workbench.synthetic.concepts import concept_id
from workbench.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAULTS", "plant"]

#: A planted fault: which row of which table, and what stood there before; a duplicated row names the row that it repeats.
FAULTS = pa.schema(
    [
        ("fault", pa.string()),
        ("table_name", pa.string()),
        ("column_name", pa.string()),
        ("row_id", pa.int64()),
        ("original", pa.string()),
    ]
)
_FIBROID = "D25.900"
_GLUCOSE_FACTOR = 18.018


@dataclass(frozen=True)
class _Case:
    """One fault to plant: `rows` of `table`, and the other tables as they are so far."""

    rng: np.random.Generator
    planted: dict[str, pa.Table]
    table: pa.Table
    column: str
    rows: np.ndarray


def plant(seed: int, block: int, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Plant the faults of ``faults.tsv`` in the tables of one block.

    Parameters
    ----------
    seed, block : int
        Seed of the hospital and number of the block.
    tables : dict of str to pyarrow.Table
        Clean tables.

    Returns
    -------
    dict of str to pyarrow.Table
        The tables with faults, and ``truth_faults``. Columns that a fault empties may hold missing values here.
    """
    rng = stream(seed, block, "faults")
    planted = dict(tables)
    listed = []
    spent: dict[str, set[int]] = {}
    for row in read_table("faults").rows():
        name, fault = row["table"], row["fault"]
        table = _nullable(planted[name], row["column"]) if fault == "missing_required" else planted[name]
        able = np.setdiff1d(_CANDIDATES.get(fault, _any_row)(planted, table), np.array(sorted(spent.get(name, ())), np.int64))
        chosen = able[rng.random(len(able)) < float(row["share"])]
        planted[name], touched = _CHANGES[fault](_Case(rng, planted, table, row["column"], chosen))
        spent.setdefault(name, set()).update(chosen.tolist(), touched.tolist())
        key = TABLES[name].key[0]
        original = (
            pc.cast(table[row["column"]].take(chosen), pa.string()) if row["column"] else pc.cast(table[key].take(chosen), pa.string())
        )
        columns = [pa.repeat(pa.scalar(fault), len(chosen)), pa.repeat(pa.scalar(name), len(chosen))]
        columns += [pa.repeat(pa.scalar(row["column"]), len(chosen)), planted[name][key].take(touched), original]
        listed.append(pa.table(columns, schema=FAULTS))
    planted["truth_faults"] = pa.concat_tables(listed)
    return planted


def _nullable(table: pa.Table, column: str) -> pa.Table:
    place = table.schema.get_field_index(column)
    return table.cast(table.schema.set(place, table.schema.field(place).with_nullable(True)))


def _any_row(planted: dict[str, pa.Table], table: pa.Table) -> np.ndarray:  # noqa: ARG001  (other rules look at other tables)
    return np.arange(table.num_rows)


def _glucose_rows(planted: dict[str, pa.Table], table: pa.Table) -> np.ndarray:  # noqa: ARG001  (as above)
    codes, units = table["measurement_source_value"], table["unit_source_value"]
    return np.flatnonzero(pc.and_(pc.equal(codes, "GLU"), pc.equal(units, "mmol/L")).to_numpy())


def _rows_of_men(planted: dict[str, pa.Table], table: pa.Table) -> np.ndarray:
    person = planted["person"]
    men = person.filter(pc.equal(person["gender_concept_id"], 8507))["person_id"]
    return np.flatnonzero(pc.is_in(table["person_id"], men.combine_chunks()).to_numpy())


_CANDIDATES: dict[str, Callable[[dict[str, pa.Table], pa.Table], np.ndarray]] = {"wrong_unit": _glucose_rows, "sex_conflict": _rows_of_men}


def _replaced(table: pa.Table, column: str, rows: np.ndarray, values: pa.Array) -> pa.Table:
    """Put `values` into `column` at `rows`, which are in order."""
    mask = np.zeros(table.num_rows, bool)
    mask[rows] = True
    old = table[column].combine_chunks()
    new = pc.replace_with_mask(old, pa.array(mask), values.cast(old.type))
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(place), new)


_Result = tuple[pa.Table, np.ndarray]


def _duplicated(case: _Case) -> _Result:
    key = case.table.schema.names[0]
    copies = case.table.take(case.rows)
    last = case.table[key][-1].as_py() if case.table.num_rows else 0
    fresh = pa.array(last + 1 + np.arange(len(case.rows)), pa.int64())
    copies = copies.set_column(0, case.table.schema.field(0), fresh)
    return pa.concat_tables([case.table, copies]), case.table.num_rows + np.arange(len(case.rows))


def _impossible(case: _Case) -> _Result:
    old = case.table[case.column].take(case.rows).to_numpy()
    values = np.where(case.rng.random(len(case.rows)) < 0.7, np.abs(old) * 1000 + 1000, -np.abs(old) - 1)
    return _replaced(case.table, case.column, case.rows, pa.array(values)), case.rows


def _wrong_unit(case: _Case) -> _Result:
    values = np.round(case.table[case.column].take(case.rows).to_numpy() * _GLUCOSE_FACTOR, 1)
    return _replaced(case.table, case.column, case.rows, pa.array(values)), case.rows


def _before_start(case: _Case) -> _Result:
    start = case.table["visit_start_date"].take(case.rows).cast(pa.int32()).to_numpy()
    values = pa.array((start - case.rng.integers(1, 400, len(case.rows))).astype(np.int32), pa.int32()).cast(pa.date32())
    return _replaced(case.table, case.column, case.rows, values), case.rows


def _before_birth(case: _Case) -> _Result:
    person = case.planted["person"]
    place = pc.index_in(case.table["person_id"].take(case.rows), person["person_id"].combine_chunks()).to_numpy()
    born = person["birth_datetime"].cast(pa.date32()).cast(pa.int32()).to_numpy()[place]
    values = pa.array((born - case.rng.integers(1, 3000, len(case.rows))).astype(np.int32), pa.int32()).cast(pa.date32())
    return _replaced(case.table, case.column, case.rows, values), case.rows


def _missing(case: _Case) -> _Result:
    """Empty the day; in every second row the time too, so that the day cannot be mended from it."""
    table = _emptied(case.table, case.column, case.rows)
    return _emptied(table, case.column.replace("_date", "_datetime"), case.rows[::2]), case.rows


def _emptied(table: pa.Table, column: str, rows: np.ndarray) -> pa.Table:
    return _replaced(table, column, rows, pa.nulls(len(rows), table.schema.field(column).type))


def _other_sex(case: _Case) -> _Result:
    concept = pa.repeat(pa.scalar(concept_id("ICD10CN", _FIBROID), pa.int64()), len(case.rows))
    table = _replaced(case.table, "condition_concept_id", case.rows, concept)
    table = _replaced(table, "condition_source_concept_id", case.rows, concept)
    return _replaced(table, case.column, case.rows, pa.repeat(pa.scalar(_FIBROID), len(case.rows))), case.rows


def _unknown_visit(case: _Case) -> _Result:
    values = case.table[case.column].take(case.rows).to_numpy() + ROW_STRIDE // 2
    return _replaced(case.table, case.column, case.rows, pa.array(values, pa.int64())), case.rows


_CHANGES: dict[str, Callable[[_Case], _Result]] = {
    "duplicate_row": _duplicated,
    "impossible_value": _impossible,
    "wrong_unit": _wrong_unit,
    "end_before_start": _before_start,
    "before_birth": _before_birth,
    "missing_required": _missing,
    "sex_conflict": _other_sex,
    "unknown_visit": _unknown_visit,
}
