"""The ledger: an append-only file of who did what, in which any change is found.

Each line is one entry in canonical JSON. It names the hash of the entry before it (a chain) and carries a seal, an
HMAC-SHA256 of its own hash under a key that only the ledger's writer can read. A second file, the head, names the last entry
and is sealed as well, so that a cut tail is found.

What can be claimed, and what not
---------------------------------
- Without the key nobody can edit, add, drop or reorder an entry without :func:`verify` finding it, with or without the head.
- Without the head file a cut tail cannot be told from an earlier ledger, so a missing head is itself a fault.
- Whoever can put back an earlier copy of the ledger AND of its head, or can read the key, is not found from these files
  alone. Against both, note the head elsewhere now and then (``workbench ledger show --head``) and give it to
  ``workbench ledger verify --anchor SEQ:HASH``.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import DataError, EnvironmentFault, IntegrityError, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Anchor", "Entry", "Fault", "Ledger", "Verification", "verify"]

#: Hash that the first entry names as the one before it.
GENESIS = "0" * 64
#: Longest line that an entry may make, in bytes: an entry says what happened, it does not carry it.
LONGEST_LINE_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the ledger.

    Parameters
    ----------
    seq : int
        Number of the entry, from 0.
    time : str
        UTC, ISO 8601 with microseconds.
    actor, action, subject : str
        Who did what to what.
    detail : dict
        Whatever else belongs to the record, as JSON; never a patient's value.
    previous, hash, seal : str
        Hash of the entry before, of this one, and the seal of this one.
    """

    seq: int
    time: str
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: str
    hash: str
    seal: str


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A head noted elsewhere: entry `seq` had this `hash`."""

    seq: int
    hash: str


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing wrong with a ledger: the line (from 1; 0 for the file as a whole), its kind and a sentence."""

    line: int
    kind: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What :func:`verify` found.

    Parameters
    ----------
    entries : int
        Number of lines read.
    head : Anchor or None
        The last entry, worth noting elsewhere; None if there is none.
    faults : tuple of Fault
        Everything that is wrong, in order; empty if nothing is.
    """

    entries: int
    head: Anchor | None
    faults: tuple[Fault, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


class Ledger:
    """The one writer of a ledger file; several processes may each hold one.

    Parameters
    ----------
    path : Path
        The ledger, ``ledger.jsonl``. The head, the key and the lock lie beside it (``.head``, ``.key``, ``.lock``) and are
        made with the first entry.
    key_path : Path, optional
        Where the key lies, if not beside the ledger: a place that those who can write the ledger's folder cannot read.
    clock : callable, optional
        Gives the time of an entry; for tests.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = Ledger(Path(folder) / "ledger.jsonl")
    ...     _ = ledger.append("wang", "session started", "project/diabetes", {"cpus": 2})
    ...     verify(ledger.path).intact
    True
    """

    def __init__(self, path: Path, *, key_path: Path | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = Path(path)
        self.key_path = key_path or self.path.with_name(self.path.name + ".key")
        self._clock = clock

    def append(self, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None) -> Entry:
        """Write one entry; when this returns, it is on the disk.

        Parameters
        ----------
        actor, action, subject : str
            Who did what to what; none empty.
        detail : mapping, optional
            JSON values only.

        Returns
        -------
        Entry
            The entry as written.

        Raises
        ------
        Refusal
            If a name is empty, or the detail is not JSON or too long.
        IntegrityError
            If the ledger's end is not what its head says: it is not written to until someone has looked.
        EnvironmentFault
            If it cannot be written.
        """
        if not all(isinstance(text, str) and text for text in (actor, action, subject)):
            raise Refusal("an entry of the ledger needs an actor, an action and a subject, none empty")
        try:
            with self._locked():
                return self._append(actor=actor, action=action, subject=subject, detail=dict(detail or {}))
        except OSError as error:
            raise EnvironmentFault(
                f"the ledger {self.path} cannot be written: {error.strerror}", hint="free space or mend its permissions"
            ) from error

    def entries(self) -> Iterator[Entry]:
        """Give the entries in order, unverified; a torn last line is left out."""
        for line in self._lines():
            yield Entry(**json.loads(line))

    def _lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        return self.path.read_bytes().split(b"\n")[:-1]

    def _append(self, *, actor: str, action: str, subject: str, detail: dict[str, Any]) -> Entry:
        key = self._key()
        last = self._last(key)
        torn = self._set_aside_torn_line()
        if torn is not None:
            last = self._write(key, last, actor="ledger", action="torn line set aside", subject=self.path.name, detail=torn)
        return self._write(key, last, actor=actor, action=action, subject=subject, detail=detail)

    def _write(self, key: bytes, last: Entry | None, **what: Any) -> Entry:
        body = {
            "seq": last.seq + 1 if last else 0,
            "time": self._clock().isoformat(timespec="microseconds"),
            "previous": last.hash if last else GENESIS,
        }
        entry = _sealed(key, {**body, **what})
        line = _canonical(asdict(entry)) + b"\n"
        if len(line) > LONGEST_LINE_BYTES:
            raise Refusal(
                f"the entry is {len(line)} bytes long; wanted at most {LONGEST_LINE_BYTES}", hint="record a hash instead of the thing"
            )
        _append_durably(self.path, line)
        _replace_durably(
            _head_path(self.path), _canonical({"seq": entry.seq, "hash": entry.hash, "seal": _seal(key, f"head:{entry.seq}:{entry.hash}")})
        )
        return entry

    def _last(self, key: bytes) -> Entry | None:
        """Read the last whole entry and check it against the head; one sealed entry beyond the head is a write cut short."""
        lines = _tail_lines(self.path)
        entry = _parse(lines[-1]) if lines else None
        if entry is None and not _head_path(self.path).exists():
            return None
        head = _read_head(self.path, key) or Anchor(seq=-1, hash=GENESIS)  # none yet: the first entry's write was cut short
        genuine = entry is not None and not _faults_of(entry, key=key)
        if genuine and (head.seq, head.hash) in ((entry.seq, entry.hash), (entry.seq - 1, entry.previous)):
            return entry
        raise IntegrityError(
            f"the end of the ledger {self.path} is not what its head says", hint=f"run: workbench ledger verify {self.path}"
        )

    def _set_aside_torn_line(self) -> dict[str, Any] | None:
        """Move bytes after the last newline into a file of their own, and say so; None if there are none."""
        torn = _torn_bytes(self.path)
        if not torn:
            return None
        digest = hashlib.sha256(torn).hexdigest()
        _replace_durably(self.path.with_name(f"{self.path.name}.torn-{digest[:16]}"), torn)
        with self.path.open("r+b") as file:
            file.truncate(self.path.stat().st_size - len(torn))
            os.fsync(file.fileno())
        return {"bytes": len(torn), "sha256": digest}

    def _key(self) -> bytes:
        if not self.key_path.exists():
            if self.path.exists() and self.path.stat().st_size:
                raise IntegrityError(
                    f"the key of the ledger {self.path} is not at {self.key_path}", hint="put the key back; a new one cannot continue it"
                )
            descriptor = os.open(self.key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_hex(32).encode())
                file.flush()
                os.fsync(file.fileno())
        return read_key(self.key_path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def verify(path: Path, *, key_path: Path | None = None, anchor: Anchor | None = None) -> Verification:
    """Read a ledger from end to end and say everything that is wrong with it.

    Parameters
    ----------
    path : Path
        The ledger.
    key_path : Path, optional
        Its key, if not beside it.
    anchor : Anchor, optional
        A head noted elsewhere, which the ledger must still contain.

    Returns
    -------
    Verification
        Faults are of the kinds ``form``, ``order``, ``chain``, ``hash``, ``seal``, ``torn``, ``head`` and ``anchor``.

    Raises
    ------
    DataError
        If there is no such ledger.
    IntegrityError
        If its key is missing or is not a key.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"there is no ledger at {path}", hint="give the path of ledger.jsonl")
    key = read_key(key_path or path.with_name(path.name + ".key"))
    lines = path.read_bytes().split(b"\n")
    torn = lines.pop()
    faults: list[Fault] = []
    last: Entry | None = None
    anchored = anchor is None
    for number, line in enumerate(lines, start=1):
        entry = _parse(line)
        if entry is None:
            faults.append(Fault(line=number, kind="form", message="the line is not an entry in canonical form"))
            continue
        faults += [Fault(line=number, kind=kind, message=message) for kind, message in _faults_of(entry, key=key)]
        faults += [Fault(line=number, kind=kind, message=message) for kind, message in _faults_between(last, entry)]
        anchored = anchored or (entry.seq, entry.hash) == (anchor.seq, anchor.hash)
        last = entry
    if torn:
        faults.append(
            Fault(line=len(lines) + 1, kind="torn", message=f"{len(torn)} bytes after the last whole line: a write cut short, or an edit")
        )
    faults += _faults_of_head(path, key, last)
    if not anchored:
        faults.append(Fault(line=0, kind="anchor", message=f"entry {anchor.seq} with the noted hash is not in the ledger"))
    head = Anchor(seq=last.seq, hash=last.hash) if last else None
    return Verification(entries=len(lines), head=head, faults=tuple(faults))


def read_key(path: Path) -> bytes:
    """Read the key that seals a ledger.

    Raises
    ------
    IntegrityError
        If it is missing or is not 32 bytes in hexadecimal.
    """
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise IntegrityError(
            f"the ledger's key {path} cannot be read", hint="verify as the account that keeps the ledger, or give --key"
        ) from error
    if len(key) != 32:
        raise IntegrityError(f"the ledger's key {path} has {len(key)} bytes; wanted 32")
    return key


def _canonical(value: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise Refusal(f"the detail of an entry is not JSON: {error}") from error


def _seal(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("ascii"), "sha256").hexdigest()


def _sealed(key: bytes, body: dict[str, Any]) -> Entry:
    digest = hashlib.sha256(_canonical(body)).hexdigest()
    return Entry(**body, hash=digest, seal=_seal(key, f"entry:{digest}"))


def _parse(line: bytes) -> Entry | None:
    """Read one line; None unless it is an entry, byte for byte in canonical form."""
    try:
        found = json.loads(line)
        entry = Entry(**found)
        whole = (
            isinstance(entry.seq, int)
            and not isinstance(entry.seq, bool)
            and all(isinstance(h, str) for h in (entry.hash, entry.seal, entry.previous))
        )
        return entry if whole and _canonical(found) == line else None
    except (ValueError, TypeError, Refusal):
        return None


def _faults_of(entry: Entry, *, key: bytes) -> tuple[tuple[str, str], ...]:
    body = {name: value for name, value in asdict(entry).items() if name not in ("hash", "seal")}
    faults = []
    if hashlib.sha256(_canonical(body)).hexdigest() != entry.hash:
        faults.append(("hash", "the entry was changed: its content does not give its hash"))
    if not hmac.compare_digest(_seal(key, f"entry:{entry.hash}").encode(), entry.seal.encode()):
        faults.append(("seal", "the entry was not written by this ledger: its seal does not fit"))
    return tuple(faults)


def _faults_between(last: Entry | None, entry: Entry) -> list[tuple[str, str]]:
    wanted_seq, wanted_previous = (last.seq + 1, last.hash) if last else (0, GENESIS)
    faults = []
    if entry.seq != wanted_seq:
        faults.append(("order", f"entry {entry.seq} stands where {wanted_seq} is wanted: entries are missing or reordered"))
    if entry.previous != wanted_previous:
        faults.append(("chain", "the entry does not follow the one before it"))
    return faults


def _faults_of_head(path: Path, key: bytes, last: Entry | None) -> list[Fault]:
    """Compare the head with the last entry; one sealed entry beyond it is a write cut short, and no fault."""
    try:
        head = _read_head(path, key)
    except IntegrityError as error:
        return [Fault(line=0, kind="head", message=error.message)]
    if head is None:
        return [Fault(line=0, kind="head", message="the head file is missing, so a cut tail cannot be excluded")]
    if last is not None and (head.seq, head.hash) in ((last.seq, last.hash), (last.seq - 1, last.previous)):
        return []
    return [
        Fault(line=0, kind="head", message=f"the head names entry {head.seq}, which is not the last: the tail was cut or the head replaced")
    ]


def _head_path(path: Path) -> Path:
    return path.with_name(path.name + ".head")


def _read_head(path: Path, key: bytes) -> Anchor | None:
    """Read the head; None if there is none."""
    head = _head_path(path)
    if not head.exists():
        return None
    try:
        found = json.loads(head.read_bytes())
        anchor = Anchor(seq=found["seq"], hash=found["hash"])
        genuine = (
            hmac.compare_digest(found["seal"], _seal(key, f"head:{anchor.seq}:{anchor.hash}")) and _canonical(found) == head.read_bytes()
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"the head file {head} is not in form") from error
    if not genuine:
        raise IntegrityError(f"the head file {head} was not written by this ledger: its seal does not fit")
    return anchor


def _torn_bytes(path: Path) -> bytes:
    """Give what stands after the last newline."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2 * LONGEST_LINE_BYTES))
        return file.read().rpartition(b"\n")[2]


def _tail_lines(path: Path) -> list[bytes]:
    """Give the last whole line, if there is one, without reading the file from its start."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 3 * LONGEST_LINE_BYTES))
        return file.read().split(b"\n")[:-1][-1:]


def _append_durably(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        written = os.write(descriptor, line)
        if written != len(line):
            raise OSError(28, "the disk took only a part of the entry")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace_durably(path: Path, content: bytes) -> None:
    aside = path.with_name(path.name + ".new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
