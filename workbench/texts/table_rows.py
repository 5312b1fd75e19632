"""Rows out of a table of texts (CSV, JSON lines, Parquet, Excel), whatever its encoding; a row that cannot be read says why."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import DataError
from workbench.ingest.delimited import as_utf8

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

__all__ = ["MIXED", "mended", "open_rows"]

#: A byte that was no UTF-8.
MIXED = re.compile("[\udc80-\udcff]")

_MAX_CELL = 1 << 26
_BLOCK_ROWS = 500
_DELIMITERS = ("\t", ",", ";", "|")

_Rows = tuple["Sequence[str]", "Iterator[Mapping[str, Any] | str]"]


@contextmanager
def open_rows(path: Path, work: Path) -> Iterator[_Rows]:
    """Open a file as its header and its rows as mappings; a row that cannot be read is the reason as text."""
    name = path.name.lower().removesuffix(".gz")
    for endings, opened in _KINDS.items():
        if name.endswith(endings):
            with opened(path, work) as (header, rows):
                _check_names(header)
                yield header, rows
            return
    raise DataError(
        f"{path.name} is of no kind that can be read", hint="one of: .csv .tsv .txt .parquet .jsonl .ndjson .xlsx, and .gz of texts"
    )


def _check_names(header: Sequence[str]) -> None:
    """Refuse two columns of one name: which of them is meant, nobody can say."""
    for name in header:
        places = [place for place, other in enumerate(header, 1) if other == name]
        if name and len(places) > 1:
            raise DataError(f"columns {' and '.join(map(str, places))} are both named {name!r}", hint="rename or leave out all but one")


@contextmanager
def _delimited(path: Path, work: Path) -> Iterator[_Rows]:
    csv.field_size_limit(_MAX_CELL)
    source = _utf8(path, work)
    with _opened(source)(source, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        line = stream.readline(1 << 20)
        delimiter = max(_DELIMITERS, key=line.count)
        header = [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
        if not any(header):
            raise DataError(f"{path.name} is empty: not even a header", hint="write the names of the columns on the first line")
        header = [mended(cell) for cell in header]
        yield header, _checked(_Records(stream, delimiter), header)


class _Records:
    """Records of a delimited text behind its header, each with the lines that it was read from."""

    def __init__(self, stream: Iterator[str], delimiter: str) -> None:
        self.delimiter = delimiter
        self.lines: list[str] = []
        self.first = 2  # number of the record's first line
        self.ended = False
        self._stream = stream
        self._reader = csv.reader(self._kept(), delimiter=delimiter)

    def _kept(self) -> Iterator[str]:
        for line in self._stream:
            self.lines.append(line)
            yield line
        self.ended = True

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        self.first += len(self.lines)
        self.lines.clear()
        return next(self._reader)

    def swallows(self, columns: int) -> bool:
        """Tell whether a quote was left open, so that the record holds others: it ends with the file, or one of its lines is a row."""
        if len(self.lines) < 2 or self._is_sound():
            return False
        return self.ended or any(line.count(self.delimiter) >= columns - 1 for line in self.lines[1:])

    def _is_sound(self) -> bool:
        try:
            list(csv.reader(self.lines, delimiter=self.delimiter, strict=True))
        except csv.Error:
            return False
        return True


def _checked(records: _Records, header: Sequence[str]) -> Iterator[Mapping[str, Any] | str]:
    while True:
        try:
            cells = next(records)
        except StopIteration:
            return
        except csv.Error:
            yield "the line breaks the rules of CSV: is a quote left open?"
            continue
        if not cells:
            continue
        if records.swallows(len(header)):
            last = records.first + len(records.lines) - 1
            yield f"a quote left open in line {records.first} swallows the rows up to line {last}"
            continue
        if len(cells) > len(header) and not any(cells[len(header) :]):
            cells = cells[: len(header)]
        yield f"{len(cells)} cells, wanted {len(header)}" if len(cells) != len(header) else dict(zip(header, cells, strict=True))


@contextmanager
def _json_lines(path: Path, work: Path) -> Iterator[_Rows]:
    source = _utf8(path, work)
    with _opened(source)(source, "rt", encoding="utf-8-sig", errors="surrogateescape") as stream:
        first = next((row for row in map(_object, stream) if isinstance(row, Mapping)), {})
        stream.seek(0)
        yield list(first), (_object(line) for line in stream if line.strip("\ufeff \t\r\n"))


def _object(line: str) -> Mapping[str, Any] | str:
    try:
        found = json.loads(line.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return "the line is no JSON"
    return found if isinstance(found, Mapping) else "the line is no JSON object"


@contextmanager
def _parquet(path: Path, work: Path) -> Iterator[_Rows]:  # noqa: ARG001  (as the other kinds)
    try:
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)  # a group of rows may hold a million notes
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet", hint="is the file whole? write it again from the source") from error
    with file:
        yield file.schema_arrow.names, (row for batch in file.iter_batches(batch_size=_BLOCK_ROWS) for row in batch.to_pylist())


@contextmanager
def _workbook(path: Path, work: Path) -> Iterator[_Rows]:  # noqa: ARG001  (as the other kinds)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # a broken workbook raises what its broken part makes openpyxl raise
        raise DataError(f"{path.name} cannot be read as an Excel workbook", hint="save it as .xlsx") from error
    try:
        rows = book[book.sheetnames[0]].iter_rows(values_only=True)
        header = [str(cell).strip() if cell is not None else "" for cell in next(rows, ())]
        if not any(header):
            raise DataError(f"{path.name} is empty: not even a header", hint="write the names of the columns in the first row")
        yield header, (_of_sheet(header, row) for row in rows if any(cell is not None for cell in row))
    finally:
        book.close()


def _of_sheet(header: Sequence[str], row: Iterable[Any]) -> Mapping[str, Any]:
    cells = dict(zip(header, row, strict=False))
    # Whoever types a number into a cell of text means its digits.
    return {name: str(value) if isinstance(value, int) and not isinstance(value, bool) else value for name, value in cells.items()}


_KINDS = {
    (".csv", ".tsv", ".txt"): _delimited,
    (".jsonl", ".ndjson"): _json_lines,
    (".parquet", ".pq"): _parquet,
    (".xlsx", ".xlsm"): _workbook,
}


def _opened(path: Path) -> Any:
    return gzip.open if path.suffix.lower() == ".gz" else open


def _utf8(path: Path, work: Path) -> Path:
    """Give the file in UTF-8; as it is where it mixes encodings, for then every cell is told apart by itself."""
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty", hint="a header line, then one note a line")
    copies = work / "utf8"
    made = copies / f"{path.name.split('.', maxsplit=1)[0]}.csv"
    if made.is_file():
        return made
    try:
        return as_utf8(path, copies)
    except DataError as error:
        if "neither" in error.message:
            return path
        raise


def mended(text: str) -> str:
    """Decode what was no UTF-8 as GB18030, the other encoding that hospitals write; what is neither becomes a mark."""
    if not MIXED.search(text):
        return text
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that no byte of the file became: they were written so
        return text
    try:
        return raw.decode("gb18030")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")
