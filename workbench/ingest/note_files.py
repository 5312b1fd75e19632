"""De-identify the text columns of a file of notes: the same table out, and where something was replaced, without saying what."""

from __future__ import annotations

import csv
import os
import tempfile
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from nlp.identifiers import KINDS
from workbench.errors import DataError, EnvironmentFault
from workbench.ingest.scrub import Known, scrub, tags
from workbench.ingest.sources import identifier, is_source_fault, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workbench.ingest.scrub import Scrubbed
    from workbench.ingest.sources import SourceTable
    from workbench.pseudonyms import PseudonymKey

__all__ = ["NoteColumns", "NotesDone", "deidentify_file"]

_BATCH = 2_000
_TEXT_NAMES = ("note_text", "text", "content", "note", "文本", "正文", "内容", "病历内容", "病历文本", "报告内容", "文书内容")
_ROW = "_row"


@dataclass(frozen=True)
class NoteColumns:
    """Which columns of a file hold what.

    Parameters
    ----------
    texts : sequence of str
        Columns to de-identify; empty for the one that is named like a text or holds the longest.
    person : str
        Column that says whose note it is; becomes a pseudonym.
    written : str
        Column with the date of the note; moves with the text.
    known : sequence of str
        Columns with identifiers of the patient (name, telephone): replaced in the text wherever they stand, and emptied.
    """

    texts: Sequence[str] = ()
    person: str = ""
    written: str = ""
    known: Sequence[str] = ()


@dataclass
class NotesDone:
    """What was done to a file; holds counts and names of columns, no word of a note."""

    rows: int = 0
    unreadable: int = 0
    texts: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()
    kinds: Counter[str] = field(default_factory=Counter)


def deidentify_file(
    source: Path, out: Path, *, columns: NoteColumns, key: PseudonymKey, shift_days: int = 0, progress: bool = False
) -> NotesDone:
    """De-identify a file of notes.

    Parameters
    ----------
    source : Path
        CSV (any usual encoding and delimiter), Parquet or Excel.
    out : Path
        Written whole or not at all, as Parquet if it ends so, else as CSV in UTF-8; beside it ``<out>.identifiers.csv`` with row,
        column, kind and offsets before and after of everything replaced.
    columns : NoteColumns
        Which columns hold what.
    key : PseudonymKey
        Pseudonyms, tags of names and date shifts follow from it.
    shift_days : int, default 0
        Greatest shift of a person's dates; 0 leaves dates as they are.
    progress : bool, default False
        Whether to draw a progress bar.

    Returns
    -------
    NotesDone
        Counts.

    Raises
    ------
    DataError
        If the file or a column cannot be read.
    EnvironmentFault
        If the output cannot be written.
    """
    if out.exists() and source.resolve() == out.resolve():
        raise DataError("the output would replace its source", hint="name another --out")
    try:
        with tempfile.TemporaryDirectory(prefix=".notes-", dir=out.parent) as work, duckdb.connect() as connection:
            table = read_file(connection, "notes", source, Path(work))
            return _Run(connection, table, columns, key, shift_days).write(out, progress=progress)
    except duckdb.Error as error:
        if not is_source_fault(error):
            raise
        raise DataError(f"{source.name} cannot be read", hint="is the file whole? write it again from its source") from error
    except OSError as error:
        raise EnvironmentFault(f"{out} cannot be written: {error.strerror}", hint="name another file, or make room") from error


class _Run:
    """One file on its way."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, table: SourceTable, columns: NoteColumns, key: PseudonymKey, shift_days: int
    ) -> None:
        self.connection, self.table, self.key, self.at_most = connection, table, key, shift_days
        self.names = [name for name in table.columns if name != _ROW]
        for name in (*columns.texts, columns.person, columns.written, *columns.known):
            if name and name not in self.names:
                raise DataError(f"there is no column {name!r}", hint=f"the file has: {', '.join(self.names)}")
        self.columns = NoteColumns(tuple(columns.texts) or (self._longest(),), columns.person, columns.written, tuple(columns.known))

    def _longest(self) -> str:
        """Return the column that is named like a text, else the one with the longest values."""
        named = [name for known in _TEXT_NAMES for name in self.names if name.lower() == known]
        strings = [name for name in self.names if self.table.columns[name] == "VARCHAR"]
        if named or not strings:
            if not named:
                raise DataError("no column holds text", hint="name one with --text-column")
            return named[0]
        lengths = ", ".join(f"avg(length({identifier(name)}))" for name in strings)
        found = self.connection.execute(f"SELECT {lengths} FROM (SELECT * FROM {self.table.relation} LIMIT 1000)").fetchone() or ()
        return max(zip(found, strings, strict=True), key=lambda pair: pair[0] or 0)[1]

    def write(self, out: Path, *, progress: bool) -> NotesDone:
        """Write both files."""
        touched = {*self.columns.texts, *self.columns.known, self.columns.person, self.columns.written}
        done = NotesDone(texts=tuple(self.columns.texts), untouched=tuple(name for name in self.names if name not in touched))
        if self.table.unreadable:
            done.unreadable = pq.read_metadata(self.table.unreadable).num_rows
        beside = out.with_name(f"{out.name}.identifiers.csv")
        total = (self.connection.execute(f"SELECT count(*) FROM {self.table.relation}").fetchone() or (0,))[0]
        with (
            _replacing(out, beside) as (new, places),
            tqdm(total=total, unit="note", disable=not progress) as bar,
            places.open("w", encoding="utf-8", newline="") as listing,
            _sink(new, out.suffix.lower() == ".parquet") as sink,
        ):
            lister = csv.writer(listing, lineterminator="\n")
            lister.writerow(["row", "column", "kind", "start", "end", "new_start", "new_end"])
            for batch in self._batches():
                sink(self._batch(batch, done, lister))
                bar.update(batch.num_rows)
            if not done.rows:
                sink(pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in self.names}))
        return done

    def _batches(self) -> Iterator[pa.RecordBatch]:
        listed = ", ".join(identifier(name) for name in self.names)
        order = f" ORDER BY {_ROW}" if _ROW in self.table.columns else ""
        self.connection.execute("SET preserve_insertion_order = true")
        return iter(self.connection.sql(f"SELECT {listed} FROM {self.table.relation}{order}").to_arrow_reader(_BATCH))

    def _batch(self, batch: pa.RecordBatch, done: NotesDone, lister: Any) -> pa.RecordBatch:
        rows = batch.to_pylist()
        texts = {name: [] for name in self.columns.texts}
        people, dates = [], []
        for row in rows:
            done.rows += 1
            person, shift, known, written = self._about(row)
            people.append(None if person is None else str(self.key.person(person)))
            dates.append(_moved(row.get(self.columns.written), written, shift))
            for name in self.columns.texts:
                if row[name] is None:
                    texts[name].append(None)
                    continue
                scrubbed = scrub(str(row[name]), known, shift_days=shift, written=written, tag=tags(self.key, person))
                texts[name].append(scrubbed.text)
                _list(lister, done, name, scrubbed)
        return self._replaced(batch, texts, people, dates)

    def _about(self, row: dict[str, Any]) -> tuple[Any, int, Known, date | None]:
        person = row[self.columns.person] if self.columns.person else None
        shift = self.key.shift_days("" if person is None else person, at_most=self.at_most) if self.at_most else 0
        known = {str(row[name]).strip(): _kind_of(name) for name in self.columns.known if row[name] is not None}
        written = _as_date(row[self.columns.written]) if self.columns.written else None
        return person, shift, Known({word: kind for word, kind in known.items() if len(word) > 1}), written

    def _replaced(self, batch: pa.RecordBatch, texts: dict[str, list], people: list, dates: list) -> pa.RecordBatch:
        new = {name: batch.column(name) for name in self.names}
        new |= {name: pa.nulls(batch.num_rows, pa.string()) for name in self.columns.known}
        new |= {name: pa.array(values, pa.string()) for name, values in texts.items()}
        if self.columns.person:
            new[self.columns.person] = pa.array(people, pa.string())
        if self.columns.written and self.at_most:
            new[self.columns.written] = pa.array(dates, pa.string())
        return pa.RecordBatch.from_pydict(new)


def _list(lister: Any, done: NotesDone, column: str, scrubbed: Scrubbed) -> None:
    moved = 0
    for edit in scrubbed.edits:
        kind = edit.kind if edit.kind in ("known", "date") else KINDS.get(edit.kind, edit.kind)
        done.kinds[kind] += 1
        start = edit.start + moved
        lister.writerow([done.rows, column, edit.kind, edit.start, edit.end, start, start + len(edit.text)])
        moved += len(edit.text) - (edit.end - edit.start)


def _kind_of(column: str) -> str:
    words = {
        "姓名": "姓名",
        "name": "姓名",
        "电话": "电话",
        "手机": "手机号",
        "phone": "电话",
        "住址": "住址",
        "地址": "住址",
        "address": "住址",
    }
    return next((kind for word, kind in words.items() if word in column.lower()), "编号")


def _as_date(value: object) -> date | None:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value).strip()[:10].replace("/", "-").replace(".", "-"))
    except ValueError:
        return None


def _moved(value: object, day: date | None, shift: int) -> str | None:
    """Return a date moved, with its time of day; what is no date goes, since it cannot be moved with the rest."""
    if day is None:
        return None
    return date.fromordinal(day.toordinal() + shift).isoformat() + str(value).strip()[10:]


@contextmanager
def _replacing(*targets: Path) -> Iterator[list[Path]]:
    """Give new files that take the places of others when all went well, and are gone when not."""
    aside: list[Path] = []
    try:
        for target in targets:
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            os.close(handle)
            aside.append(Path(name))
        yield aside
        for new, target in zip(aside, targets, strict=True):
            new.replace(target)
    finally:
        for new in aside:
            new.unlink(missing_ok=True)


@contextmanager
def _sink(path: Path, parquet: bool) -> Iterator[Any]:
    """Give what writes a batch to a file, as Parquet or as CSV."""
    with ExitStack() as stack:
        opened: list[Any] = []

        def to_parquet(batch: pa.RecordBatch) -> None:
            if not opened:
                opened.append(stack.enter_context(pq.ParquetWriter(path, batch.schema)))
            opened[0].write_batch(batch)

        def to_csv(batch: pa.RecordBatch) -> None:
            if not opened:
                stream = stack.enter_context(path.open("w", encoding="utf-8", errors="replace", newline=""))
                opened.append(csv.writer(stream, lineterminator="\n"))
                opened[0].writerow(batch.schema.names)
            opened[0].writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))

        yield to_parquet if parquet else to_csv
