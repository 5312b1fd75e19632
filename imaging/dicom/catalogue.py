"""The catalogue of a folder: instances, series and quarantine as Parquet files, brought up to date by reading only what changed.

The folder is listed first; what the catalogue has not seen in this state (path, size, time of change) is read in batches, each
written as a part. Killed at any time, the next run goes on from the parts. At the end parts and old tables become the new tables, and what
is no longer in the folder goes. The joins are DuckDB's, within a limit of memory; a batch is the most that Python holds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from imaging.dicom.body_parts import body_part
from imaging.dicom.files import path_from_text, path_text, walk_folder
from imaging.dicom.refusals import REASONS
from imaging.dicom.rows import FILE, INSTANCES, QUARANTINE, Batch, rows_of, table_of
from imaging.dicom.tables import CHANGES, COUNTS, JUDGED, KEPT, QUARANTINED, SERIES, SKIPPED, SOURCES, TO_HASH, TO_READ, TWINS
from imaging.dicom.verdicts import VERDICTS, judge_changed, rules
from imaging.errors import PlaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from imaging.dicom.structure import Limits

__all__ = ["TABLES", "Indexed", "index_folder"]

#: Names of the tables in a catalogue's folder.
TABLES = ("instances", "series", "quarantine")

_LISTED = pa.schema([*FILE, ("skipped", pa.string())])
_LISTED_AT_ONCE = 20_000
_HASHED_AT_ONCE = 1 << 20
_AHEAD = 2  # batches waiting for each process
_PATTERN = re.compile(r"[*?\[]")
_BODY_PART = pa.schema([("written", pa.string()), ("body_part_code", pa.string()), ("body_part", pa.string())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What an indexing did.

    Parameters
    ----------
    files : int
        In the folder, without what is hidden or special.
    read, unchanged, removed : int
        Read now; known from before; known from before and no longer there, or changed since.
    instances, series : int
        In the catalogue now.
    quarantined : int
        Files that are not instances.
    duplicates : int
        Instances the bytes of which another file has too.
    conflicts : int
        Files that share their SOP Instance UID with a file of other bytes.
    """

    files: int
    read: int
    unchanged: int
    removed: int
    instances: int
    series: int
    quarantined: int
    duplicates: int
    conflicts: int


def index_folder(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    workers: int = 1,
    batch: int = 5_000,
    memory_mb: int = 512,
    limits: Limits | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Indexed:
    """Index every DICOM file below a folder.

    Parameters
    ----------
    folder : path
        Where the files lie.
    out : path
        Folder of the catalogue; made where it is not there, brought up to date where it is.
    workers : int, default 1
        Processes that read.
    batch : int, default 5000
        Files read between two parts: what a kill can lose.
    memory_mb : int, default 512
        Of the joins; beyond it they use the disk of `out`.
    limits : Limits, optional
        Of one file.
    progress : callable, optional
        Called with how many files are read and how many are to be; before that with how many were found, and None.

    Returns
    -------
    Indexed
        Counts.

    Raises
    ------
    PlaceError
        If the folder cannot be read, or the catalogue cannot be written or is being written by another process.

    Examples
    --------
    >>> import tempfile, shutil
    >>> from pydicom.data import get_testdata_file
    >>> with tempfile.TemporaryDirectory() as place:
    ...     Path(place, "in").mkdir()
    ...     _ = shutil.copy(get_testdata_file("CT_small.dcm"), Path(place, "in"))
    ...     indexed = index_folder(Path(place, "in"), Path(place, "catalogue"))
    ...     series = pq.read_table(Path(place, "catalogue", "series.parquet"))
    >>> indexed.instances, series["modality"].to_pylist(), series["n_instances"].to_pylist()
    (1, ['CT'], [1])
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise PlaceError(f"{folder} is no folder that can be read", hint="name the folder that holds the DICOM files")
    try:
        with _locked(out):
            return _Indexing(folder, out, memory_mb, workers).run(workers, batch, limits, progress or _untold)
    except OSError as error:
        raise PlaceError(f"{out}: the catalogue cannot be written ({error.strerror or error})", hint="choose a folder with room") from error
    except duckdb.OutOfMemoryException as error:
        raise PlaceError(f"{memory_mb} MB do not suffice for the joins", hint="give more by memory_mb, or room on the disk") from error
    except duckdb.IOException as error:
        raise PlaceError(f"{out}: the catalogue cannot be written", hint="choose a folder with room") from error
    except BrokenProcessPool as error:
        raise PlaceError(
            "a reading process was killed, as when memory runs out", hint="run again with fewer workers: it goes on"
        ) from error


class _Indexing:
    """One run: the folder, the catalogue's folder and a database over both."""

    def __init__(self, folder: Path, out: Path, memory_mb: int, workers: int) -> None:
        self.folder, self.out = folder.absolute(), out.absolute()
        self.work = self.out / ".work"
        self.work.mkdir(exist_ok=True)
        self._sweep()
        self.listing = self.work / "listing.parquet"
        config = {"memory_limit": f"{memory_mb}MB", "temp_directory": str(self.work / "spill"), "threads": workers}
        self.database = duckdb.connect(config=config)
        # Joins have their narrow side second; from guesses of the sizes the database would hash the wide one.
        self.database.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")

    def _sweep(self) -> None:
        """Remove what a run that was killed has left half written."""
        for left in (*self.out.glob(".*.parquet.*"), *self.work.glob(".*.parquet.*")):
            left.unlink(missing_ok=True)
        shutil.rmtree(self.work / "spill", ignore_errors=True)

    def run(self, workers: int, batch: int, limits: Limits | None, progress: Callable[[int, int | None], None]) -> Indexed:
        try:
            self._list(progress)
            self._view()
            files, unchanged, removed = self.database.execute(CHANGES).fetchone()
            total = files - unchanged
            done = 0
            progress(done, total)
            for rows in _read_all(self._to_read(batch), workers, limits):
                self._write_part(rows)
                done += len(rows.instances) + len(set(rows.quarantine["path"].to_pylist()))
                progress(done, total)
            if total or removed or not self._is_current():
                self._merge()
            counts = self.database.execute(COUNTS.format(**{name: _one_file(path) for name, path in self._paths().items()})).fetchone()
            self._clear()
            return Indexed(files=files, read=done, unchanged=unchanged, removed=removed, **dict(zip(_COUNTED, counts, strict=True)))
        finally:
            self.database.close()

    def _list(self, progress: Callable[[int, int | None], None]) -> None:
        """Write what lies in the folder, by batches."""
        own, found = (str(self.out), f"{self.out}{os.sep}"), 0
        rows = (
            (path_text(path), size, modified_ns, skipped)
            for path, size, modified_ns, skipped in walk_folder(self.folder)
            if not (path == own[0] or path.startswith(own[1]))
        )
        with pq.ParquetWriter(self.listing, _LISTED) as writer:
            while some := list(islice(rows, _LISTED_AT_ONCE)):
                writer.write_table(table_of(some, _LISTED))
                found += len(some)
                progress(found, None)

    def _view(self) -> None:
        """Let the database see the listing, the tables and the parts of a run that was killed or is going on."""
        files = {"listing": [str(self.listing)]}
        for name, schema in (("instances", INSTANCES), ("quarantine", QUARANTINE)):
            empty = self.work / f"empty.{name}.parquet"  # names the columns where there is nothing else
            pq.write_table(schema.empty_table(), empty)
            table = self.out / f"{name}.parquet"
            same = table.exists() and pq.read_schema(table).names == schema.names  # of another version it is made anew
            files[name] = [str(empty), *([str(table)] if same else [])]
            files[f"{name}_parts"] = [str(empty), *sorted(map(str, self.work.glob(f"part-*.{name}.parquet")))]
        for statement in SOURCES:
            self.database.execute(statement.format(**{name: _quoted(paths) for name, paths in files.items()}))

    def _to_read(self, batch: int) -> Iterator[list[tuple[str, int, int]]]:
        cursor = self.database.cursor().execute(TO_READ)
        while rows := cursor.fetchmany(batch):
            yield rows

    def _write_part(self, rows: Batch) -> None:
        name = f"{time_ns():020d}"  # parts are read again in the order in which they were written
        for table, kind in zip(rows, ("instances", "quarantine"), strict=True):
            if len(table):
                with _whole(self.work / f"part-{name}.{kind}.parquet") as aside:
                    pq.write_table(table, aside)

    def _is_current(self) -> bool:
        """Whether the tables say already what is to be said of the folder, by the same rules."""
        paths = self._paths()
        if any(self.work.glob("part-*")) or not all(path.exists() for path in paths.values()):
            return False
        same = pq.read_schema(paths["instances"]).names == INSTANCES.names
        ruled = (pq.read_metadata(paths["series"]).metadata or {}).get(b"rules") == str(rules()).encode()
        return same and ruled and self.database.execute(SKIPPED).fetchone() == (0,)

    def _merge(self) -> None:
        """Make the new tables of the old ones and the parts."""
        self._view()
        paths = self._paths()
        self.database.register("reasons", pa.table({"reason": list(REASONS), "text": list(REASONS.values())}))
        self.database.register("hashes", self._hashes())
        self.database.execute(TWINS)
        self._copy(QUARANTINED, paths["quarantine"])
        with _whole(paths["instances"]) as aside:
            self._copy_to(KEPT, aside)
            self.database.execute(f"CREATE OR REPLACE VIEW instances AS SELECT * FROM read_parquet('{_one_file(aside)}')")
            self._merge_series(paths["series"])

    def _merge_series(self, path: Path) -> None:
        """Make the new table of series, in which those that did not change keep their verdicts."""
        self.database.register("parts_of_body", self._body_parts())
        known = path.exists() and {"state", *VERDICTS.names} <= set(pq.read_schema(path).names)
        self.database.register("nothing", VERDICTS.append(pa.field("state", pa.uint64())).empty_table())
        source = f"read_parquet('{_one_file(path)}')" if known else "nothing"
        self.database.execute(f"CREATE OR REPLACE TABLE old_series AS SELECT state, {', '.join(VERDICTS.names)} FROM {source}")
        self.database.execute(f"CREATE OR REPLACE TABLE new_series AS {SERIES.format(rules=rules())}")
        judge_changed(self.database)
        verdicts = ", ".join(f"coalesce(judged.{name}, old_series.{name}) AS {name}" for name in VERDICTS.names[2:])
        self._copy(JUDGED.format(verdicts=verdicts), path)

    def _copy(self, query: str, path: Path) -> None:
        with _whole(path) as aside:
            self._copy_to(query, aside)

    def _copy_to(self, query: str, path: Path) -> None:
        options = f"FORMAT parquet, COMPRESSION zstd, KV_METADATA {{rules: '{rules()}'}}"
        self.database.execute(f"COPY ({query}) TO '{_escaped(path)}' ({options})")

    def _hashes(self) -> pa.Table:
        """Return the hash of each file that shares its SOP Instance UID with another."""
        schema = pa.schema([("path", pa.string()), ("sha256", pa.string())])
        tables = [schema.empty_table()]
        cursor = self.database.cursor().execute(TO_HASH)
        while some := cursor.fetchmany(1_000):
            tables.append(table_of([(path, _hash(path_from_text(path))) for (path,) in some], schema))
        return pa.concat_tables(tables)

    def _body_parts(self) -> pa.Table:
        """Return the standard term of each body part that the headers name."""
        written = self.database.execute("SELECT DISTINCT body_part_examined FROM instances WHERE body_part_examined IS NOT NULL").fetchall()
        found = [(text, body_part(text)) for (text,) in written]
        return table_of([(text, part.code, part.meaning) for text, part in found if part], _BODY_PART)

    def _paths(self) -> dict[str, Path]:
        return {name: self.out / f"{name}.parquet" for name in TABLES}

    def _clear(self) -> None:
        for path in self.work.glob("*.parquet"):
            path.unlink()


def _untold(done: int, total: int | None) -> None:
    """Say nothing."""


_COUNTED = ("instances", "series", "quarantined", "duplicates", "conflicts")


def _read_all(batches: Iterable[list[tuple[str, int, int]]], workers: int, limits: Limits | None) -> Iterator[Batch]:
    """Yield what each batch gives, in their order; with several processes few batches wait in memory."""
    work = partial(rows_of, limits=limits)
    if workers <= 1:
        yield from map(work, batches)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting: deque = deque()
        for batch in batches:
            waiting.append(pool.submit(work, batch))
            if len(waiting) > workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _hash(path: str) -> str | None:
    """Return the SHA-256 of a file, or None where it has gone since it was listed."""
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while data := file.read(_HASHED_AT_ONCE):
                digest.update(data)
    except OSError:
        return None
    return digest.hexdigest()


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Let one process write a catalogue at a time."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PlaceError(f"{out}: another process writes this catalogue", hint="wait until it has finished") from error
        yield


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a place to write to; what was written takes the file's place in one step."""
    aside = path.with_name(f".{path.name}.{uuid4().hex[:12]}")
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _quoted(paths: list[str]) -> str:
    return "[" + ", ".join(f"'{_one_file(path)}'" for path in paths) + "]"


def _one_file(path: str | Path) -> str:
    """Return a path that DuckDB reads as the name of one file, though it holds signs of a pattern."""
    return _escaped(_PATTERN.sub(r"[\g<0>]", str(path)))


def _escaped(path: str | Path) -> str:
    return str(path).replace("'", "''")
