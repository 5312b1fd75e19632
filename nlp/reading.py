"""Tables and JSON from files of any origin: what is wrong is reported by its place, and the rest is read; and the package's own tables."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from nlp.errors import TextDataError
from nlp.normal import fold, normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["Problem", "ReadReport", "decode", "json_records", "own_table", "table_rows"]

_WANTED_FILE = "wanted a TSV, CSV, JSON or xlsx file, in UTF-8, UTF-16 with a mark or GB 18030"
_MARKED = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8"), (b"", "gb18030"))
#: How an xlsx and an old xls begin.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
#: A byte that is no text, as :func:`decode` marks it.
_BROKEN = re.compile("[\udc80-\udcff]")
#: A file more of whose characters than this are such bytes is refused as a whole.
_LARGEST_PART = 0.2


class Problem(NamedTuple):
    """Something wrong at one place of a file; `found` holds no word of the note."""

    place: str
    found: str
    wanted: str


@dataclass(slots=True)
class ReadReport:
    """What a reading met.

    Parameters
    ----------
    problems : list of Problem
        Every problem in the order of the file.
    counts : Counter
        "lines", what was read of them, and each kind of problem.
    """

    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, place: str, found: str, wanted: str) -> None:
        """Count a problem and keep its place."""
        self.counts[kind] += 1
        self.problems.append(Problem(place, found, wanted))

    def refuse(self, place: str, found: str, wanted: str) -> None:
        """Count a line that cannot be read at all."""
        self.counts["lines"] += 1
        self.add("lines refused", place, found, wanted)

    def summary(self, *, limit: int = 10) -> str:
        """Return one line of counts, then up to `limit` problems, one a line.

        Parameters
        ----------
        limit : int, default 10
            How many problems to list.

        Returns
        -------
        str
            For a log or the screen.
        """
        lines = [", ".join(f"{number} {kind}" for kind, number in self.counts.items())]
        lines += [f"  {problem.place}: {problem.found}; wanted {problem.wanted}" for problem in self.problems[:limit]]
        if len(self.problems) > limit:
            lines.append(f"  and {len(self.problems) - limit} more")
        return "\n".join(lines)


def decode(path: Path) -> str:
    """Return a file's text: UTF-8, UTF-16 with a mark or GB 18030; bytes that are none become surrogates U+DC80 to U+DCFF.

    Parameters
    ----------
    path : Path
        A file.

    Returns
    -------
    str
        Its text.

    Raises
    ------
    TextDataError
        If the file cannot be read, or is a workbook or another binary file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TextDataError(f"{path} cannot be read ({type(error).__name__})", hint=_WANTED_FILE) from error
    if data.startswith(_WORKBOOKS):
        raise TextDataError(
            f"{path} is a workbook (or a zip archive), not text", hint="name it .xlsx if it is one, or save it as CSV or TSV"
        )
    for mark, encoding in _MARKED:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
    text = data.decode("utf-8", errors="surrogateescape")
    if len(_BROKEN.findall(text)) > _LARGEST_PART * len(text):
        raise TextDataError(f"{path} is no text in an encoding that is known", hint=_WANTED_FILE)
    return text


@cache
def own_table(name: str) -> Any:
    """Return a table that comes with the package, read once; nobody changes it.

    Parameters
    ----------
    name : str
        A YAML file in ``nlp/data``.

    Returns
    -------
    dict or list
        As the file has it.

    Examples
    --------
    >>> own_table("times.yaml")["units"]["月"]["months"]
    1
    """
    return yaml.safe_load(files("nlp").joinpath("data", name).read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------------------------- tables
def table_rows(path: Path, headers: Sequence[Collection[str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (place, cells) of a table's lines, with the columns in the order of `headers` where the table has one.

    Parameters
    ----------
    path : Path
        TSV, CSV or xlsx (its first sheet).
    headers : sequence of collection of str
        For each column what its header may be called, folded and without blanks. The last one may occur several times.

    Yields
    ------
    tuple of str and tuple of str
        Place and cells; empty lines are left out, bytes that are no text are U+FFFD.

    Raises
    ------
    TextDataError
        If the file cannot be read.
    """
    order: list[int] | None = None
    for number, cells in enumerate(_xlsx(path) if path.suffix.lower() in {".xlsx", ".xlsm"} else _lines(path), start=1):
        if not any(cell.strip() for cell in cells):
            continue
        if order is None:
            order = _order(cells, headers)
            if order:
                continue
        yield f"line {number}", tuple(cells[place] if 0 <= place < len(cells) else "" for place in order) if order else tuple(cells)


def _order(cells: Sequence[str], headers: Sequence[Collection[str]]) -> list[int]:
    """Return the place of each column, or nothing where the first line is no header."""
    names = ["".join(fold(normalise(cell).text).split()).strip('"“”') for cell in cells]
    found = [[place for place, name in enumerate(names) if name in known] for known in headers]
    if not all(found[:2]):
        return []
    return [places[0] if places else -1 for places in found[:-1]] + found[-1] if len(headers) > 2 else [places[0] for places in found]


def _lines(path: Path) -> Iterator[list[str]]:
    text = _BROKEN.sub("\ufffd", decode(path)).replace("\r\n", "\n").replace("\r", "\n")
    first = text.partition("\n")[0]
    if "\t" in first or "," not in first:  # a name may hold commas and quotation marks of its own in a TSV
        yield from (line.split("\t") for line in text.split("\n"))
        return
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    yield from csv.reader(io.StringIO(text.replace("\x00", "\x01")))  # reported below as the control character that it is


def _xlsx(path: Path) -> Iterator[list[str]]:
    from openpyxl import load_workbook

    try:
        sheet = load_workbook(path, read_only=True, data_only=True).worksheets[0]
        rows = [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    except Exception as error:  # openpyxl raises what its zip and XML readers raise
        raise TextDataError(f"{path} cannot be read as xlsx ({type(error).__name__})", hint="save it as CSV or TSV") from error
    yield from rows


# -------------------------------------------------------------------------------------------------------------------- JSON
def json_records(path: Path | str, report: ReadReport) -> Iterator[tuple[str, object]]:
    """Yield the records of an array or of lines; what is no JSON is reported and passed over.

    Parameters
    ----------
    path : Path or str
        JSON lines, or one JSON array.
    report : ReadReport
        Takes the problems, and counts "lines" and "lines refused" of them.

    Yields
    ------
    tuple of str and object
        Place ("line 3", "element 3") and record.

    Raises
    ------
    TextDataError
        If the file cannot be read.
    """
    text = decode(Path(path))
    if text.lstrip().startswith("["):
        yield from _elements(text, report)
        return
    # Only \n ends a line: str.splitlines would also cut at U+2028 and \x85 inside a note.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        if _BROKEN.search(line):
            report.refuse(place, "bytes that are neither UTF-8 nor GB 18030", "text in UTF-8")
            continue
        try:
            yield place, json.loads(line, strict=False)
        except (ValueError, RecursionError) as error:
            report.refuse(place, f"no JSON ({_where(error)})", "one JSON object a line")


def _elements(text: str, report: ReadReport) -> Iterator[tuple[str, object]]:
    """Yield the elements of a JSON array; where it breaks, report the place and stop."""
    decoder, position, number = json.JSONDecoder(strict=False), text.index("[") + 1, 0
    gap = re.compile(r"[\s,]*")
    while True:
        position = gap.match(text, position).end()
        if position >= len(text) or text[position] == "]":
            break
        number += 1
        try:
            record, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            report.refuse(f"element {number}", f"no JSON from here on ({_where(error)})", "a JSON array of objects")
            return
        yield f"element {number}", record
    if position >= len(text):
        report.add("arrays not closed", f"after element {number}", "the end of the file", "the closing ]")


def _where(error: Exception) -> str:
    return f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
