"""A folder that instances arrive in: each is whole and safe on the disk before anybody is told that it is kept.

::

    instances/STUDY/SERIES/INSTANCE.dcm    what was kept, named by its UIDs
    conflicts/INSTANCE/SHA256.dcm          other bytes under a UID that is known
    quarantine/SHA256.dcm                  what cannot be read, for a person to look at
    journal.sqlite                         one row for each thing that arrived, with its outcome and why
    .incoming/                             what is arriving now; swept when the folder is opened

An instance is written aside, flushed to the disk, checked and renamed; folder and journal are flushed too. A process that is killed leaves
nothing that could be taken for an instance.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import sqlite3
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TextIO
from uuid import uuid4

from imaging.dicom.arrival import Arrival, cause_of, flush_folder
from imaging.dicom.header import read_header
from imaging.dicom.reading import HEAD_BYTES
from imaging.dicom.refusals import Problem, Refusal, tag_text
from imaging.dicom.structure import DEFLATED, Limits, find_start, walk
from imaging.dicom.tags import BY_NAME, REQUIRED
from imaging.errors import PlaceError

if TYPE_CHECKING:
    import os

__all__ = ["KEPT", "OUTCOMES", "Inbox", "Outcome"]

#: What becomes of what arrives -> what is said in English.
OUTCOMES = {
    "stored": "is kept",
    "duplicate": "was kept before, with the same bytes",
    "conflict": "has other bytes than the one that was kept before under its UID; both are kept",
    "quarantined": "cannot be read, or is not what its sender said; lies in quarantine",
    "no-room": "is refused: the disk has no room",
    "too-long": "is refused: longer than the limit",
    "cut-off": "is refused: its sender did not finish it",
    "unwritable": "is refused: the folder cannot be written",
}

#: Outcomes after which all bytes are safe on the disk, and the sender may delete its own.
KEPT = frozenset({"stored", "duplicate", "conflict"})

# Wider than the Standard (PS3.5 9.1), which forbids leading zeros that scanners write; never a separator or a name of a folder above.
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID = 64
_FOLDERS = ("instances", "conflicts", "quarantine", ".incoming")

_JOURNAL = """
CREATE TABLE IF NOT EXISTS journal (
  time TEXT NOT NULL, sender TEXT NOT NULL, outcome TEXT NOT NULL, sop_instance_uid TEXT NOT NULL,
  bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, path TEXT NOT NULL, tag TEXT NOT NULL, reason TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS known ON journal (sop_instance_uid) WHERE outcome = 'stored';
"""


class Outcome(NamedTuple):
    """What became of one thing that arrived.

    Parameters
    ----------
    code : str
        A key of :data:`OUTCOMES`.
    instance : str
        SOP Instance UID, as its sender named it.
    path : str
        Where its bytes lie, below the folder; empty where they are not kept.
    size : int
        Bytes of the file.
    sha256 : str
        Of the file.
    problem : Problem or None
        Why it could not be kept: tag, reason (a key of :data:`imaging.dicom.refusals.REASONS`) and text.
    """

    code: str
    instance: str
    path: str = ""
    size: int = 0
    sha256: str = ""
    problem: Problem | None = None


class Inbox:
    """The folder. One process at a time holds it; its threads may share it.

    Parameters
    ----------
    folder : path
        Made where it is not there.
    most_bytes : int, default 8 GiB
        Of one file.
    room_bytes : int, default 1 GiB
        That the disk keeps free.
    limits : Limits, optional
        Of what is read of a file.

    Raises
    ------
    PlaceError
        If the folder cannot be written, or another process receives into it.

    Examples
    --------
    >>> import tempfile
    >>> from pydicom.data import get_testdata_file
    >>> with tempfile.TemporaryDirectory() as place, Inbox(place) as inbox:
    ...     codes = []
    ...     for _ in range(2):
    ...         arrival = inbox.arrival()
    ...         arrival.write(Path(get_testdata_file("CT_small.dcm")).read_bytes())
    ...         codes.append(inbox.keep(arrival).code)
    >>> codes
    ['stored', 'duplicate']
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, most_bytes: int = 8 << 30, room_bytes: int = 1 << 30, limits: Limits | None = None
    ) -> None:
        self.folder = Path(folder).absolute()
        self.most_bytes, self.room_bytes = most_bytes, room_bytes
        self._limits = limits or Limits(file_bytes=most_bytes)
        self._one_at_a_time = threading.Lock()
        self._flushed: set[Path] = set()
        try:
            self._lock = self._locked()
            for left in (self.folder / ".incoming").iterdir():
                left.unlink()
        except OSError as error:
            raise PlaceError(f"{self.folder}: cannot be written ({error.strerror})", hint="choose a folder that may be written") from error
        self._journal = self._open_journal()

    def _locked(self) -> TextIO:
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        lock = (self.folder / ".lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise PlaceError(
                f"{self.folder}: another process receives into this folder", hint="stop it, or choose another folder"
            ) from error
        return lock

    def _open_journal(self) -> sqlite3.Connection:
        try:
            journal = sqlite3.connect(self.folder / "journal.sqlite", check_same_thread=False)
            journal.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_JOURNAL}")
        except sqlite3.Error as error:
            self._lock.close()
            raise PlaceError(
                f"{self.folder / 'journal.sqlite'}: cannot be used ({error})", hint="move it away: a new one is begun"
            ) from error
        return journal

    def __enter__(self) -> Self:
        """Give the open folder."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the journal and let others use the folder."""
        self.close()

    def close(self) -> None:
        """Close the journal and let others use the folder."""
        with self._one_at_a_time:
            self._journal.close()
            self._lock.close()

    def arrival(self) -> Arrival:
        """Return a place for bytes that are to come; it is given to :meth:`keep` or discarded."""
        return Arrival(self.folder / ".incoming" / uuid4().hex, most_bytes=self.most_bytes, room_bytes=self.room_bytes)

    def has(self, instance: str) -> bool:
        """Whether an instance lies here, whole.

        Parameters
        ----------
        instance : str
            SOP Instance UID.
        """
        with self._one_at_a_time:
            return self._known(instance) is not None

    def keep(self, arrival: Arrival, *, instance: str = "", sop_class: str = "", sender: str = "") -> Outcome:
        """Keep what arrived, or say why not. When this returns, an outcome of :data:`KEPT` is safe on the disk.

        Parameters
        ----------
        arrival : Arrival
            With all its bytes.
        instance, sop_class : str, optional
            What the sender said that it is.
        sender : str, optional
            For the journal.
        """
        arrival.finish()
        try:
            found, wanted = self._looked_at(arrival, instance, sop_class)
            with self._one_at_a_time:
                found = self._placed(arrival, found, wanted)
                self._write(found, sender)
        except (OSError, sqlite3.Error) as error:
            found = self._told(Outcome(cause_of(error), instance, size=arrival.size), sender)
        finally:
            arrival.discard()
        return found

    def cut_off(self, arrival: Arrival, *, instance: str = "", sender: str = "") -> Outcome:
        """Forget what arrived in part only.

        Parameters
        ----------
        arrival : Arrival
            Without its last bytes.
        instance : str, optional
            What the sender said that it is.
        sender : str, optional
            For the journal.
        """
        arrival.discard()
        return self._told(Outcome("cut-off", instance, size=arrival.size), sender)

    def counts(self) -> dict[str, int]:
        """Return how often each outcome was, in this run and those before."""
        with self._one_at_a_time:
            return dict(self._journal.execute("SELECT outcome, count(*) FROM journal GROUP BY outcome ORDER BY outcome"))

    def _looked_at(self, arrival: Arrival, instance: str, sop_class: str) -> tuple[Outcome, Path | None]:
        """Return what an arrival is, and where it belongs if it is to be kept."""
        found = Outcome(arrival.refused or "stored", instance, size=arrival.size)
        if arrival.refused:
            return found, None
        found = found._replace(sha256=arrival.sha256)
        try:
            values = self._checked(arrival.path, instance, sop_class)
        except Refusal as refusal:
            return found._replace(code="quarantined", problem=refusal.problem), Path("quarantine", f"{found.sha256}.dcm")
        uid, *folders = (values[name] for name in REQUIRED)
        return found._replace(instance=uid), Path("instances", *folders, f"{uid}.dcm")

    def _placed(self, arrival: Arrival, found: Outcome, wanted: Path | None) -> Outcome:
        """Give an arrival its place: alone, not again, or beside what is known."""
        if wanted is None:
            return found
        known = None if found.code == "quarantined" else self._known(found.instance, wanted)
        if known is None:
            return found._replace(path=self._move(arrival.path, wanted))
        aside = Path("conflicts", found.instance, f"{found.sha256}.dcm")
        if self._hash(known) == found.sha256:
            return found._replace(code="duplicate", path=known)
        if (self.folder / aside).exists():
            return found._replace(code="duplicate", path=str(aside))
        return found._replace(code="conflict", path=self._move(arrival.path, aside))

    def _known(self, instance: str, wanted: Path | None = None) -> str | None:
        """Return where an instance lies; one that was moved away since is not known."""
        rows = self._journal.execute("SELECT path FROM journal WHERE outcome = 'stored' AND sop_instance_uid = ?", (instance,))
        # A process that was killed before it wrote its journal leaves an instance in its place all the same.
        paths = [path for (path,) in rows] + ([str(wanted)] if wanted else [])
        return next((path for path in paths if (self.folder / path).exists()), None)

    def _checked(self, path: Path, instance: str, sop_class: str) -> dict:
        """Return the header's values of a file that is whole and what its sender said.

        Raises
        ------
        Refusal
            If it is not.
        """
        values, problems, _ = read_header(path, limits=self._limits)
        _walk_whole(path, self._limits)
        wrong = {each.tag for each in problems}
        for name in REQUIRED:
            tag, value = BY_NAME[name].tag, values.get(name)
            if value is None:
                raise Refusal(path, tag, "bad-value" if tag_text(tag) in wrong else "missing", vr="UI")
            if len(value) > _LONGEST_UID or not _UID.fullmatch(value):
                raise Refusal(path, tag, "bad-value", vr="UI")
        for name, said in (("sop_instance_uid", instance), ("sop_class_uid", sop_class)):
            if said and values.get(name) != said:
                raise Refusal(path, BY_NAME[name].tag, "mismatch")
        return values

    def _move(self, source: Path, wanted: Path) -> str:
        """Give a flushed file its name, and flush each folder in which a name is new."""
        target = self.folder / wanted
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        flush_folder(target.parent)
        if target.parent not in self._flushed:
            for folder in target.parent.parents[: len(wanted.parts) - 1]:
                flush_folder(folder)
            self._flushed.add(target.parent)
        return str(wanted)

    def _hash(self, path: str) -> str:
        with (self.folder / path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _told(self, outcome: Outcome, sender: str) -> Outcome:
        """Write what is not kept into the journal, if that can still be written."""
        with self._one_at_a_time, suppress(sqlite3.Error):
            self._write(outcome, sender)
        return outcome

    def _write(self, outcome: Outcome, sender: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        row = (now, sender, outcome.code, outcome.instance, outcome.size, outcome.sha256, outcome.path, *(outcome.problem or ("", "", "")))
        with self._journal:
            self._journal.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _walk_whole(path: Path, limits: Limits) -> None:
    """Walk a file to its last fragment of pixels; a deflated one was inflated whole when its header was read."""
    with path.open("rb") as file:
        start = find_start(file.read(HEAD_BYTES), path)
        if start.syntax != DEFLATED:
            walk(file, start.offset, path.stat().st_size, start.encoding, path=path, limits=limits)
