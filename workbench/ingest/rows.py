"""Rows of Python values, from workbooks and SQLite, as Parquet of text columns."""

from __future__ import annotations

from datetime import date, datetime
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import DataError
from workbench.store.arrange import parquet_relation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["checked_header", "copy_rows"]

_BATCH_ROWS = 20_000


def _as_text(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def copy_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], target: Path) -> str:
    """Write rows as Parquet of text columns, with the number of each row; give the relation."""
    target.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([("_row", pa.int64()), *((column, pa.string()) for column in columns)])
    rows, number = iter(rows), 0
    with pq.ParquetWriter(target, schema) as writer:
        while block := list(islice(rows, _BATCH_ROWS)):
            data = [pa.array(range(number + 1, number + len(block) + 1), pa.int64())]
            data += [pa.array([_as_text(row[at]) for row in block], pa.string()) for at in range(len(columns))]
            writer.write_table(pa.table(data, schema=schema))
            number += len(block)
    return parquet_relation(target)


def checked_header(cells: Sequence[object], path: Path) -> list[str]:
    """Give the names of the columns of a file; empty cells at the end are none.

    Raises
    ------
    DataError
        If a name is missing or given twice.
    """
    names = [str(cell).strip() if cell is not None else "" for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise DataError(f"{path.name} has no header", hint="is the file whole? the first row names the columns")
    if "" in names:
        raise DataError(
            f"the header of {path.name} has an empty cell", hint="name every column, or say which row is the header: header_row"
        )
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise DataError(f"the header of {path.name} repeats {min(repeated)!r}")
    return names
