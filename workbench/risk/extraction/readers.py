"""Plain tables as hospitals hand them out: read from their files, each row with its patient and the time it became known.

Cells stay as the file has them (text, but of Parquet), for cleaning comes later and is logged.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import hashlib
import re
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow_csv
from tqdm.auto import tqdm

from workbench.errors import DataError, DefinitionError
from workbench.ingest.delimited import as_utf8
from workbench.ingest.rows import checked_header
from workbench.ingest.sources import identifier, read_file
from workbench.locale import tr
from workbench.risk.cleaning.changes import Change
from workbench.risk.cleaning.values import read_dates
from workbench.risk.extraction.asof import end_of_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workbench.risk.protocol.parts import Tables

__all__ = ["PlainTable", "at_latest", "file_hash", "pairs", "read_plain", "read_times", "unknown", "word"]

#: How statistics programs write what is missing. 无, none, 未知 are words: of a result they mean nothing, of a habit they do.
_MISSING = ("NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "")
_TEXT = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
_DELIMITERS = ("\t", ",", ";", "|")
_RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
#: What can be read in two ways, so that a wrong one would be silent.
_UNCLEAR = (
    (r"^\s*\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}\b", "begin with a day or a month, nobody knows which", "write the year first: 2024-01-31"),
    (r"\d:\d{2}.*(?:Z|[+-]\d{2}:?\d{2})\s*$", "have a zone", "write local times without a zone, in all columns"),
)
_ISO_DATE = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"


@dataclass(frozen=True, eq=False)
class PlainTable:
    """One table.

    Parameters
    ----------
    name : str
        Of its file.
    form : {"patients", "times", "results"}
        A row a patient; a row a patient and time, with an item a column; a row a result.
    cells : DataFrame of n rows
        As the file has them.
    person : Series of str, of n rows
        Whom each row is about.
    taken, known : Series of datetime64[ns], of n rows, or None
        When its values were taken and when they became known, not before they were taken; a day without a clock is its end.
    listed : tuple of (str, str)
        Names and units of the items of a table of results, as its file has them: what is asked is known by them, also where none is left.
    changes : tuple of Change
        What reading the times changed.
    """

    name: str
    form: Literal["patients", "times", "results"]
    cells: pd.DataFrame
    person: pd.Series
    taken: pd.Series | None = None
    known: pd.Series | None = None
    listed: tuple[tuple[str, str], ...] = ()
    changes: tuple[Change, ...] = ()

    def rows(self, kept: np.ndarray) -> PlainTable:
        """Return some of the rows."""
        kept = np.asarray(kept, bool)
        taken, known = (None if times is None else times[kept] for times in (self.taken, self.known))
        return replace(self, cells=self.cells[kept], person=self.person[kept], taken=taken, known=known)


def word(value: object) -> str:
    """Return how a code or word is compared: 1, 1.0, True and "1 " are one; width and case do not matter.

    Examples
    --------
    >>> [word(value) for value in (1, 1.0, True, " １ ", "Died")]
    ['1', '1', '1', '1', 'died']
    """
    text = unicodedata.normalize("NFKC", str(value)).strip().casefold()
    whole = text.removesuffix(".0") if text.lstrip("-").replace(".0", "", 1).isdigit() else text
    return {"true": "1", "false": "0"}.get(whole, whole)


def unknown(what: str, name: str, there: Iterable[str]) -> DefinitionError:
    """Return the error that nothing has a name, with the nearest names that there are."""
    there = list(dict.fromkeys(map(str, there)))
    near = difflib.get_close_matches(name, there, 3, 0.5)
    return DefinitionError(
        f"the tables have no {what} {name!r}",
        hint=f"nearest: {', '.join(near)}" if near else f"there are {', '.join(there[:12])}{' ...' if len(there) > 12 else ''}",
    )


def file_hash(files: Sequence[Path]) -> str:
    """Return the SHA-256 of files' contents, in their order; what they are called does not count."""
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()


def read_plain(files: Sequence[Path], layout: Tables) -> tuple[PlainTable, ...]:
    """Read the files of plain tables.

    Parameters
    ----------
    files : sequence of Path
        CSV, TSV (UTF-8, UTF-16 or GB18030, also packed by gzip), Excel workbooks, Parquet.
    layout : Tables
        What their columns are called.

    Returns
    -------
    tuple of PlainTable
        One a file.

    Raises
    ------
    DataError
        If a file cannot be read, or patients or times are missing in it.
    DefinitionError
        If no table has a column that `layout` names.
    """
    if not files:
        raise DataError("no table was given", hint="--table FILE, once for each table")
    if not layout.patient and len(files) > 1:
        raise DefinitionError(
            f"tables.patient is empty, and nothing joins the rows of {len(files)} tables",
            hint="name the column of patients, or give one table",
        )
    shown = tqdm(files, desc="tables", unit="file", disable=None, leave=False)
    with TemporaryDirectory() as work:
        read = [(path.name, _cells(path, layout, Path(work) / str(place))) for place, path in enumerate(shown)]
    columns = [str(name) for _, cells in read for name in cells.columns]
    if bool(layout.item) != bool(layout.value) or (layout.available and not layout.time):
        raise DefinitionError("tables names only one of item and value, or available without time", hint="see the comments of Tables")
    for key in ("patient", "time", "available", "item", "value", "unit"):
        if (name := getattr(layout, key)) and name not in columns:
            raise unknown(f"column (tables.{key})", name, columns)
    return tuple(_table(name, cells, layout) for name, cells in read)


def _cells(path: Path, layout: Tables, work: Path) -> pd.DataFrame:
    """Read one file; rows without any value are none."""
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if path.name.lower().endswith(_TEXT):
        cells = _text(path, work)
    else:
        with duckdb.connect() as connection:
            found = read_file(connection, "plain", path, work, sheet=layout.sheet or None)
            nested = [identifier(name) for name, kind in found.columns.items() if kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))]
            replaced = f"REPLACE ({', '.join(f'CAST({name} AS VARCHAR) AS {name}' for name in nested)})" if nested else ""
            cells = connection.execute(f"SELECT * {replaced} FROM {found.relation}").df().drop(columns="_row", errors="ignore")
    cells.columns = [str(name).strip() for name in cells.columns]
    texts = cells.select_dtypes(["object", "string"]).columns
    cells[texts] = cells[texts].mask(cells[texts].isin(_MISSING))
    cells = cells.dropna(how="all")  # the index stays: which line of the file a row is
    if cells.empty:
        raise DataError(f"{path.name} holds no row")
    return cells


def _text(path: Path, work: Path) -> pd.DataFrame:
    """Read a file of delimited text, strictly: a line with a cell too many would move values into other columns."""
    plain = as_utf8(path, work)
    opened = gzip.open if plain.suffix.lower() == ".gz" else open
    with opened(plain, "rt", encoding="utf-8-sig", newline="") as stream:
        delimiter = max(_DELIMITERS, key=stream.readline().count)
        stream.seek(0)
        names = checked_header(next(csv.reader(stream, delimiter=delimiter), []), path)
    try:
        table = arrow_csv.read_csv(
            plain,
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows_after_names=1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid as error:  # the message quotes the line, which is a patient's
        where = _RAGGED.search(str(error))
        what = f"its row {where[1]} has {where[3]} cells, not {where[2]}" if where else "it is no table of delimited text"
        raise DataError(
            f"{path.name} cannot be read: {what}", hint="as many cells in each row as in the header, a header in the first"
        ) from None
    return table.to_pandas()


def _table(name: str, cells: pd.DataFrame, layout: Tables) -> PlainTable:
    if not layout.patient:
        return PlainTable(name, "patients", cells, (cells.index + 1).astype(str).to_series(index=cells.index))
    if layout.patient not in cells:
        raise unknown(f"patient column (in {name})", layout.patient, cells.columns)
    person = _persons(cells[layout.patient], name, fill_down=layout.fill_down)
    timed = bool(layout.time) and layout.time in cells
    results = bool(layout.item) and layout.item in cells and layout.value in cells
    if not timed:
        if results:
            raise DataError(f"{name} has results without a time", hint="tables.time names the column that says when they were taken")
        return PlainTable(name, "patients", cells, person)
    changes: list[Change] = []
    taken = at_latest(read_times(cells[layout.time], changes))
    if blank := int(taken.isna().sum()):
        changes.append(
            Change(layout.time, "record_time", "unreadable", blank, len(taken), tr("没有时间，未使用", "without a time, so not used"))
        )
    if blank == len(taken):
        raise DataError(f"no row of {name} has a time (column {layout.time})", hint="tables.time names the column")
    known = taken
    if layout.available and layout.available in cells:
        stated = at_latest(read_times(cells[layout.available], changes))
        known = stated.where(stated > taken, taken)  # nothing is known before it is taken
    if not results:
        return PlainTable(name, "times", cells, person, taken, known, (), tuple(changes))
    return PlainTable(name, "results", cells, person, taken, known, pairs(cells, layout), tuple(changes))


def pairs(cells: pd.DataFrame, layout: Tables) -> tuple[tuple[str, str], ...]:
    """List the names and units of items in a table of results, sorted: the order of its rows is no order."""
    columns = [layout.item, *([layout.unit] if layout.unit in cells else [])]
    found = cells[columns].drop_duplicates().dropna(subset=[layout.item]).fillna("").astype(str)
    return tuple(sorted({(row[0].strip(), row[1].strip() if len(row) > 1 else "") for row in found.itertuples(index=False)}))


def _persons(column: pd.Series, name: str, *, fill_down: bool) -> pd.Series:
    """Return patients as text: 12 and 12.0 are one, 007 and 7 are two."""
    named = column.mask(column.astype(str).str.strip() == "")
    person = named.ffill() if fill_down else named
    if blank := int(person.isna().sum()):
        hint = "the first row needs a patient" if fill_down else "fill_down: true takes the patient above, as spreadsheets write it"
        raise DataError(f"{blank} of {len(person)} rows of {name} have no patient", hint=hint)
    if pd.api.types.is_float_dtype(person.dtype) and (person % 1 == 0).all():
        person = person.astype("int64")
    return person.astype(str).str.strip()


def read_times(column: pd.Series, changes: list[Change]) -> pd.Series:
    """Read a column of dates and times, in any form that hospitals write.

    Parameters
    ----------
    column : Series
        Texts, times or numbers of days as Excel has them.
    changes : list of Change
        What had to be changed is added.

    Returns
    -------
    Series of datetime64[ns]
        NaT where there is none.

    Raises
    ------
    DataError
        If it has values, and none of them is a time; or if days and months or zones cannot be told apart.
    """
    found = column.notna()
    _refuse_unclear(column)
    times = pd.Series(np.datetime64("NaT", "ns"), index=column.index)
    # Most are ISO, which pandas reads at once; the rest a distinct text at a time.
    iso = found & column.astype(str).str.fullmatch(_ISO_DATE) if column.dtype == object else pd.Series(False, index=column.index)
    times[iso] = pd.to_datetime(column[iso].astype(str), format="ISO8601", errors="coerce").astype("datetime64[ns]")
    rest = column[times.isna()]
    read = read_dates(rest)
    times[times.isna()] = read.values
    changes += [Change(str(column.name), "record_time", rule, count, int(found.sum())) for rule, count in read.counts.items()]
    if found.any() and times.isna().all():
        raise DataError(
            f"no value of column {column.name} is a date", hint="times are dates with or without a clock; add relative times to a start"
        )
    return times


def _refuse_unclear(column: pd.Series) -> None:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        raise DataError(f"the times of column {column.name} have a zone", hint="write local times without a zone, in all columns")
    if column.dtype == object:
        texts = pd.Series(column.dropna().unique(), dtype=object).astype(str)
        for pattern, what, hint in _UNCLEAR:
            if many := int(texts.str.contains(pattern).sum()):
                raise DataError(f"{many} values of column {column.name} {what}", hint=hint)


def at_latest(times: pd.Series) -> pd.Series:
    """Move times that have no clock to the end of their day: what is known of a day is known when it is over.

    Midnight itself cannot be told from a day without a clock; it counts as one, which is late and never early.
    """
    return times.where(times != times.dt.normalize(), end_of_day(times))
