"""Journals: append-only files of JSON lines that a kill cannot spoil, for what people decide and nobody may lose."""

from __future__ import annotations

import fcntl
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Entries", "append_entry", "read_entries"]


class Entries(NamedTuple):
    """What a journal holds: `entries` in order, and the numbers of `damaged` lines, which are skipped and never removed."""

    entries: tuple[dict[str, Any], ...]
    damaged: tuple[int, ...]


def append_entry(path: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Write an entry; when this returns, it is on the disk. Several processes may write.

    Parameters
    ----------
    path : Path
        The journal, made with its folder by the first entry.
    entry : mapping
        Plain values; ``at`` (ISO, UTC) is added where it has none.

    Returns
    -------
    dict
        The entry as written.

    Raises
    ------
    EnvironmentFault
        If the disk is full or the file cannot be written; the journal is as it was before.
    """
    entry = {**entry, "at": entry.get("at") or datetime.now(UTC).isoformat(timespec="milliseconds")}
    line = json.dumps(entry, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            _write(handle, line)
        finally:
            os.close(handle)
    except OSError as error:
        raise EnvironmentFault(
            f"the journal {path.name} cannot be written: {error.strerror}", hint="free some disk space, then again"
        ) from error
    return entry


def _write(handle: int, line: bytes) -> None:
    """Append a line after the last whole one: a torn line gets an end, so that it stays and is told as damaged."""
    end = os.fstat(handle).st_size
    if end and os.pread(handle, 1, end - 1) != b"\n":
        line = b"\n" + line
    try:
        written = 0
        while written < len(line):
            written += os.pwrite(handle, line[written:], end + written)
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise


def read_entries(path: Path) -> Entries:
    """Read a journal; one that is not there is empty."""
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    entries, damaged = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict):
            entries.append(entry)
        else:
            damaged.append(number)
    return Entries(tuple(entries), tuple(damaged))
