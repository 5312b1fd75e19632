"""Writing a table block by block as CSV, Parquet or Excel: the file is there whole or not at all."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.cell import WriteOnlyCell

from nlp.writing import whole_file
from workbench.errors import DataError, EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["check_out", "harmless", "write_answers"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SHEET_ROWS = 1 << 20
#: Rows of a row group in a Parquet file, at least.
_GROUP_ROWS = 1 << 16
_UNSHEETED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def check_out(path: Path) -> None:
    """Refuse a file whose ending is unknown.

    Raises
    ------
    DataError
        Before any work is done.
    """
    if path.suffix.lower() not in _WRITERS:
        raise DataError(f"{path.name} ends in {path.suffix or 'nothing'}", hint=f"wanted one of: {' '.join(_WRITERS)}")


def write_answers(path: Path, tables: Iterable[pa.Table], schema: pa.Schema, facts: Mapping[str, str] | None = None) -> int:
    """Write tables one after another into one file, which replaces what is there in one step.

    Parameters
    ----------
    path : Path
        ``.csv`` (UTF-8), ``.parquet`` or ``.xlsx``.
    tables : iterable of pyarrow.Table
        Drawn one by one.
    schema : pyarrow.Schema
        Of all of them.
    facts : mapping of str to str, optional
        Kept in the metadata of a Parquet file.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    DataError
        If the ending is unknown, or a sheet of Excel is too small.
    EnvironmentFault
        If the file cannot be written.
    """
    check_out(path)
    try:
        with whole_file(path) as aside:
            return _WRITERS[path.suffix.lower()](aside, tables, schema, dict(facts or {}))
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be written: {error.strerror}", hint="name another file, or make room") from error


def _csv(path: Path, tables: Iterable[pa.Table], schema: pa.Schema, facts: dict[str, str]) -> int:  # noqa: ARG001  (as the others)
    rows = 0
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(schema.names)
        for table in tables:
            writer.writerows([harmless(row[name]) for name in schema.names] for row in table.to_pylist())
            rows += table.num_rows
    return rows


def harmless(cell: Any) -> Any:
    """Give a text that a spreadsheet would take for a formula an apostrophe, as spreadsheets write it."""
    if isinstance(cell, str) and cell[:1] in _FORMULA and cell:
        return cell if _is_number(cell) else f"'{cell}"
    return cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parquet(path: Path, tables: Iterable[pa.Table], schema: pa.Schema, facts: dict[str, str]) -> int:
    rows = 0
    with pq.ParquetWriter(path, schema.with_metadata(facts), compression="zstd") as writer:
        for table in _gathered(tables):
            writer.write_table(table.replace_schema_metadata(facts))
            rows += table.num_rows
    return rows


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Join small tables: a row group for each would cost memory to its writer and time to its readers."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(each.num_rows for each in held) >= _GROUP_ROWS:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _excel(path: Path, tables: Iterable[pa.Table], schema: pa.Schema, facts: dict[str, str]) -> int:  # noqa: ARG001  (as the others)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("answers")
    sheet.append(schema.names)
    rows = 0
    for table in tables:
        rows += table.num_rows
        if rows >= _SHEET_ROWS:
            raise DataError(f"a sheet of Excel holds {_SHEET_ROWS - 1:,} rows, and there are more", hint="write .parquet or .csv")
        for row in table.to_pylist():
            sheet.append([_sheet_cell(sheet, row[name]) for name in schema.names])
    book.save(path)
    return rows


def _sheet_cell(sheet: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, _UNSHEETED.sub("�", value)[:32000])
    cell.data_type = "s"  # a text, whatever it begins with
    return cell


_WRITERS: dict[str, Callable[[Path, Iterable[pa.Table], pa.Schema, dict[str, str]], int]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".xlsx": _excel,
}
