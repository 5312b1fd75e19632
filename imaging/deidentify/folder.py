"""A folder de-identified: every file is written or held back with a reason; interrupted, it goes on where it was."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections import Counter, defaultdict, deque
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from imaging.deidentify.file import deidentify_bytes, write_whole
from imaging.deidentify.pixels import PixelPolicy
from imaging.deidentify.profile import Options
from imaging.deidentify.records import SCHEMA, Record, record_table
from imaging.dicom.files import path_text, walk_folder
from imaging.dicom.processes import process_pool
from imaging.errors import PlaceError, TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from imaging.deidentify.keys import Keys
    from imaging.dicom.structure import Limits

__all__ = ["Deidentified", "deidentify_folder"]

_AHEAD = 2  # batches waiting for each process
_SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deidentified:
    """What a run did.

    Parameters
    ----------
    files : int
        In the folder, with what was not read.
    done, unchanged : int
        Looked at now; known from before.
    written, held_back : int
        All that is written now; all that is not, each with its reason.
    reasons : dict of str to int
        Why how many files were held back, by :data:`imaging.deidentify.records.REASONS`.
    residual : int
        Identifiers that the last look found, all in files that were held back.
    """

    files: int
    done: int
    unchanged: int
    written: int
    held_back: int
    reasons: dict[str, int]
    residual: int = 0


@dataclass(frozen=True)
class _Work:
    """What every file of a run is given; travels to other processes."""

    out: Path
    mark: str
    keys: Keys
    options: Options
    pixels: PixelPolicy
    patients: Mapping[str, Sequence[str]]
    limits: Limits | None


def deidentify_folder(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    records: str | os.PathLike[str],
    keys: Keys,
    options: Options | None = None,
    pixels: PixelPolicy | None = None,
    patients: Mapping[str, Sequence[str]] | None = None,
    workers: int = 1,
    batch: int = 100,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Deidentified:
    """De-identify every file below a folder.

    Files are written to ``out/<person>/<study>/<series>/<instance>.dcm``, all of it pseudonyms. Records name the sources: they stay with
    whoever holds the originals.

    Parameters
    ----------
    folder : path
        Where the files lie.
    out : path
        Where they go.
    records : path
        Folder of ``records.parquet``, a row for each file; not below `out`.
    keys : Keys
        Pseudonyms of the project; with several workers they travel to other processes.
    options : Options, optional
        Of the profile.
    pixels : PixelPolicy, optional
        What is read for burned-in text.
    patients : mapping of str to sequence of str, optional
        Patient ID -> what is known of that patient from elsewhere: names, numbers, telephones, addresses.
    workers : int, default 1
        Processes.
    batch : int, default 100
        Files between two parts of the records: what a kill makes to be done again.
    limits : Limits, optional
        Of one file.
    progress : callable, optional
        Called with how many files are done and how many are to be.

    Returns
    -------
    Deidentified
        Counts.

    Raises
    ------
    PlaceError
        If a folder cannot be read or written, or another process writes there.
    TaskError
        If `records` lies below `out`, `folder` below either, or the records were made with other options or keys.
    """
    folder, out, records = (Path(path).absolute() for path in (folder, out, records))
    if not folder.is_dir():
        raise PlaceError(f"{folder} is no folder that can be read", hint="name the folder that holds the DICOM files")
    _apart(folder.resolve(), out.resolve(), records.resolve())
    mark = hashlib.sha256(os.fsencode(records)).hexdigest()[:12]
    work = _Work(out, mark, keys, options or Options(), pixels or PixelPolicy(), dict(patients or {}), limits)
    try:
        with _locked(records):
            return _run(folder, records, work, workers, batch, progress or _untold)
    except BrokenProcessPool as error:
        raise PlaceError("a process was killed, as when memory runs out", hint="run again with fewer workers: it goes on") from error
    except OSError as error:
        raise PlaceError(f"{out}: cannot be written ({error.strerror or error})", hint="choose a folder with room") from error


def _apart(folder: Path, out: Path, records: Path) -> None:
    """Refuse places that would mix originals, files and records."""
    if records.is_relative_to(out):
        raise TaskError("the records lie among the de-identified files", hint="they name the originals: choose a folder outside")
    if folder.is_relative_to(out) or folder.is_relative_to(records):
        raise TaskError("the originals lie in the folder that is to be written", hint="choose another folder for files and records")


def _run(folder: Path, records: Path, work: _Work, workers: int, batch: int, progress: Callable[[int, int], None]) -> Deidentified:
    _same_settings(records, work)
    parts = records / ".parts"
    parts.mkdir(exist_ok=True)
    for left in work.out.rglob(f".{work.mark}*"):  # of a run that was killed
        left.unlink(missing_ok=True)
    before = _known_files(records, parts, work.out)
    waiting, skipped, files, unchanged = [], [], 0, 0
    for found in walk_folder(folder):
        if Path(found.path).is_relative_to(work.out) or Path(found.path).is_relative_to(records):
            continue
        files += 1
        if found.skipped:
            skipped.append(Record(source=path_text(found.path), reason=found.skipped))
        elif (path_text(found.path), found.size, found.modified_ns) in before:
            unchanged += 1
        else:
            waiting.append(found.path)
    progress(0, len(waiting))
    done = 0
    for made in _all(sorted(waiting), work, workers, batch):
        _write_table(record_table(made), parts / f"{uuid4().hex}.parquet")
        done += len(made)
        progress(done, len(waiting))
    counts = Deidentified(files=files, done=done, unchanged=unchanged, written=0, held_back=0, reasons={})
    return _finish(records, work.out, parts, skipped, counts)


def _all(paths: list[str], work: _Work, workers: int, batch: int) -> Iterator[list[Record]]:
    """Yield the records of each batch; with several processes few batches wait in memory."""
    batches = (paths[at : at + batch] for at in range(0, len(paths), batch))
    if workers <= 1:
        yield from (_some(some, work) for some in batches)
        return
    with process_pool(workers, _prepare, (work,)) as pool:
        waiting: deque = deque()
        for some in batches:
            waiting.append(pool.submit(_in_process, some))
            if len(waiting) > workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


#: Of a process of the pool: what is known of all patients travels once, not with each batch.
_WORK: list[_Work] = []


def _prepare(work: _Work) -> None:
    _WORK[:] = [work]


def _in_process(paths: list[str]) -> list[Record]:
    return _some(paths, _WORK[0])


def _some(paths: Iterable[str], work: _Work) -> list[Record]:
    return [_one(path, work) for path in paths]


def _one(path: str, work: _Work) -> Record:
    cleaned = deidentify_bytes(path, keys=work.keys, options=work.options, pixels=work.pixels, patients=work.patients, limits=work.limits)
    if isinstance(cleaned, Record):
        return cleaned
    person, *uids = (part if part and set(part) <= _PLAIN else "" for part in cleaned.place)
    if not person or not all(uids):
        return replace(cleaned.record, reason="unnamed")
    place = Path(person, uids[0], uids[1], f"{uids[2]}.dcm")
    target = work.out / place
    if target.exists() and _sha256(target) != cleaned.record.sha256_out:
        return replace(cleaned.record, reason="conflict", sha256_out="")
    write_whole(cleaned.pieces, target, mark=work.mark)
    return replace(cleaned.record, out=place.as_posix())


_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def _same_settings(records: Path, work: _Work) -> None:
    """Let one folder of records hold the files of one key and one set of options."""
    settings = {"options": asdict(work.options), "pixels": asdict(work.pixels), "key": work.keys.uid("1.2.3")}
    path = records / _SETTINGS
    if not path.exists():
        write_whole([json.dumps(settings, indent=1).encode()], path)
    elif json.loads(path.read_text(encoding="utf-8")) != settings:
        raise TaskError(f"{records} holds records of other options or keys", hint="choose new folders for records and files")


def _known_files(records: Path, parts: Path, out: Path) -> set[tuple[str, int, int]]:
    """Return the files that were looked at before, and whose outcome stands: path, size and time of change.

    What was written and is no longer there is done again, and whatever was held back for its patient, whom a project may have by now.
    """
    found: set[tuple[str, int, int]] = set()
    for path in (records / "records.parquet", *parts.glob("*.parquet")):
        if path.exists():
            rows = pq.read_table(path, columns=["source", "size", "modified_ns", "out", "reason"]).to_pylist()
            found.update(
                (row["source"], row["size"], row["modified_ns"])
                for row in rows
                if ((out / row["out"]).exists() if row["out"] else row["reason"] != "no-person")
            )
    return found


def _finish(records: Path, out: Path, parts: Path, skipped: list[Record], counts: Deidentified) -> Deidentified:
    """Join the parts and what was there before: the newest record of each source stays."""
    whole = records / "records.parquet"
    tables = [pq.read_table(path) for path in parts.glob("*.parquet")]
    new = pa.concat_tables([SCHEMA.empty_table(), *tables, record_table(skipped)])
    sources = set(new["source"].to_pylist())
    if whole.exists():
        old = pq.read_table(whole)
        new = pa.concat_tables([old.filter(pa.array([source not in sources for source in old["source"].to_pylist()], pa.bool_())), new])
    new = _without_conflicts(new, out).sort_by("source")
    _write_table(new, whole)
    shutil.rmtree(parts)
    reasons = Counter(new["reason"].to_pylist())
    written = reasons.pop("", 0)
    found = pc.sum(new["residual"]).as_py() or 0
    return replace(counts, written=written, held_back=reasons.total(), reasons=dict(sorted(reasons.items())), residual=found)


def _without_conflicts(records: pa.Table, out: Path) -> pa.Table:
    """Mark records whose file another one has replaced: two processes may have written to one place at the same time."""
    hashes: dict[str, set[str]] = defaultdict(set)
    for name, digest in zip(records["out"].to_pylist(), records["sha256_out"].to_pylist(), strict=True):
        hashes[name].add(digest)
    stands = {name: _sha256(out / name) for name, found in hashes.items() if name and len(found) > 1}
    if not stands:
        return records
    rows = records.to_pylist()
    for row in rows:
        if row["sha256_out"] != stands.get(row["out"], row["sha256_out"]):
            row |= {"out": "", "sha256_out": "", "reason": "conflict"}
    return pa.Table.from_pylist(rows, SCHEMA)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_table(table: pa.Table, path: Path) -> None:
    aside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        pq.write_table(table, aside, compression="zstd")
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _locked(records: Path) -> Iterator[None]:
    """Let one process write records at a time; they name the originals, and their folder is made for its owner alone."""
    records.parent.mkdir(parents=True, exist_ok=True)
    records.mkdir(exist_ok=True, mode=0o700)
    with (records / ".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PlaceError(f"{records}: another process writes these records", hint="wait until it has finished") from error
        yield


def _untold(done: int, total: int) -> None:
    """Say nothing."""
