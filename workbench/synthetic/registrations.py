"""Patients who were registered twice: the later encounters stand under a second number, as if they were somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.synthetic.columns import ROW_STRIDE, stream
from workbench.synthetic.eras import condition_era, drug_era

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SAME_PERSON", "SECOND_NUMBER", "register_twice"]

#: Added to a person's key to give the key of the second registration.
SECOND_NUMBER = 7_000_000_000
#: Two keys that are one human being.
SAME_PERSON = pa.schema([("person_id", pa.int64()), ("same_as_person_id", pa.int64())])
_SHARE = 0.006
_PERIODS = ("observation_period", "payer_plan_period")


def register_twice(seed: int, block: int, tables: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """Give some patients with several encounters a second registration from one of them on.

    Events, notes and eras follow their encounter, a death and what is known without an encounter go with the later number;
    truth tables keep the first number, which is the human being's. The patient index gets a record of the second number.

    Parameters
    ----------
    seed, block : int
        Seed of the hospital and number of the block.
    tables : dict of str to pyarrow.Table
        All tables of the block.

    Returns
    -------
    dict of str to pyarrow.Table
        The tables, and ``truth_same_person``.
    """
    person, moved, cut = _chosen(stream(seed, block, "registrations"), tables["visit_occurrence"])
    since = dict(zip(person.tolist(), cut.tolist(), strict=True))
    made = {name: _moved(name, table, moved, since) for name, table in tables.items() if not name.startswith("truth_")}
    made |= {name: table for name, table in tables.items() if name.startswith("truth_")}
    made["condition_era"] = condition_era(block, made["condition_occurrence"])
    made["drug_era"] = drug_era(block, made["drug_exposure"])
    made["person"] = _doubled(tables["person"], person, {"person_id": _second, "person_source_value": _second_record})
    made["identifiers"] = _doubled(_first_records(tables["identifiers"]), person, _INDEX_CHANGES, keep=tables["identifiers"])
    for name in _PERIODS:
        made[name] = _split_period(name, tables[name], person, since)
    made["truth_same_person"] = pa.table([person + SECOND_NUMBER, person], schema=SAME_PERSON)
    return made


def _chosen(rng: np.random.Generator, visits: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the persons, the encounters that move, and the day of each person's first encounter that moves."""
    owner, key = visits["person_id"].to_numpy(), visits["visit_occurrence_id"].to_numpy()
    day = visits["visit_start_date"].cast(pa.int32()).to_numpy()
    persons, first, counts = np.unique(owner, return_index=True, return_counts=True)
    able = (counts >= 2) & (rng.random(len(persons)) < _SHARE * len(persons) / max((counts >= 2).sum(), 1))
    start = first[able] + 1 + (rng.random(able.sum()) * (counts[able] - 1)).astype(np.int64)
    stop = first[able] + counts[able]
    moved = [key[low:high] for low, high in zip(start.tolist(), stop.tolist(), strict=True)]
    return persons[able], np.concatenate(moved) if moved else np.array([], np.int64), day[start]


def _second(keys: pa.Array) -> pa.Array:
    return pc.add(keys, SECOND_NUMBER)


def _second_record(numbers: pa.Array) -> pa.Array:
    return pc.replace_substring(numbers, pattern="ZY07", replacement="ZY17")


def _fresh_records(records: pa.Array) -> pa.Array:
    return pc.add(records, ROW_STRIDE // 2)


_INDEX_CHANGES: dict[str, Callable[[pa.Array], pa.Array]] = {"person_id": _second, "record_id": _fresh_records, "mrn": _second_record}


def _moved(name: str, table: pa.Table, moved: np.ndarray, since: dict[int, int]) -> pa.Table:
    """Put the second number where the encounter, or for rows without one the day, is of the second registration."""
    names = table.schema.names
    if name == "death":
        mask = pc.is_in(table["person_id"], pa.array(list(since), pa.int64()))
    elif {"person_id", "visit_occurrence_id"} <= set(names):
        mask = pc.is_in(table["visit_occurrence_id"], pa.array(moved, pa.int64()))
        if name == "observation":
            mask = pc.or_(mask, _later_without_visit(table, since))
    else:
        return table
    table = _with(table, "person_id", pc.if_else(mask, _second(table["person_id"]), table["person_id"]))
    if name == "visit_occurrence":
        before = pc.is_in(table["preceding_visit_occurrence_id"], pa.array(moved, pa.int64()))
        orphan = pc.and_(mask, pc.invert(before))
        previous = table["preceding_visit_occurrence_id"]
        table = _with(table, "preceding_visit_occurrence_id", pc.if_else(orphan, pa.scalar(None, pa.int64()), previous))
    return table


def _later_without_visit(table: pa.Table, since: dict[int, int]) -> pa.Array:
    never = np.iinfo(np.int32).max
    first = np.array([since.get(person, never) for person in table["person_id"].to_pylist()])
    day = table["observation_date"].cast(pa.int32()).to_numpy()
    return pc.and_(pc.is_null(table["visit_occurrence_id"]), pa.array(day >= first))


def _with(table: pa.Table, column: str, values: pa.ChunkedArray) -> pa.Table:
    place = table.schema.get_field_index(column)
    return table.set_column(place, table.schema.field(place), values)


def _first_records(index: pa.Table) -> pa.Table:
    own = index["person_id"].to_numpy()
    return index.take(np.flatnonzero(np.append(True, own[1:] != own[:-1])))


def _doubled(
    table: pa.Table, person: np.ndarray, changes: dict[str, Callable[[pa.Array], pa.Array]], *, keep: pa.Table | None = None
) -> pa.Table:
    """Append a changed copy of the rows of `person` to `keep`, or to the table itself."""
    copies = table.filter(pc.is_in(table["person_id"], pa.array(person, pa.int64())))
    for column, change in changes.items():
        copies = _with(copies, column, change(copies[column]))
    return pa.concat_tables([table if keep is None else keep, copies])


def _split_period(name: str, table: pa.Table, person: np.ndarray, since: dict[int, int]) -> pa.Table:
    """End the period of the first number on the day before the second one's begins (or on its own first day)."""
    start, end = (f"{name}_start_date", f"{name}_end_date")
    first, last = (table[column].cast(pa.int32()).to_numpy() for column in (start, end))
    cut = np.array([since.get(key, -1) for key in table["person_id"].to_pylist()], np.int32)
    split = cut >= 0
    earlier = _with(table, end, _days(np.where(split, np.maximum(first, cut - 1), last)))
    later = _with(table, start, _days(np.where(split, cut, first)))
    return _doubled(later, person, {"person_id": _second, f"{name}_id": _second}, keep=earlier)


def _days(days: np.ndarray) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(days.astype(np.int32), pa.int32()).cast(pa.date32())])
