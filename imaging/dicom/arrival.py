"""One file that is arriving, written aside and hashed as its bytes come, never more than there is room for."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Arrival", "cause_of", "flush_folder"]

_LOOK_EVERY = 16 << 20  # bytes between two looks at the room on the disk
_CHUNK = 1 << 20
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Arrival:
    """One file that is arriving: written aside and hashed as it comes, no more than the limits allow.

    Beyond a limit the rest is not written, and :attr:`refused` tells why; what was written is deleted.
    """

    def __init__(self, path: Path, *, most_bytes: int, room_bytes: int) -> None:
        self.path, self.size, self.refused = path, 0, ""
        self._most_bytes, self._room_bytes, self._looked_at = most_bytes, room_bytes, -_LOOK_EVERY
        self._digest = hashlib.sha256()
        self._file = path.open("xb", buffering=_CHUNK)

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        Parameters
        ----------
        data : bytes
            Any number.
        """
        if self.refused:
            return
        self.size += len(data)
        if self.size > self._most_bytes:
            self._refuse("too-long")
        elif not self._has_room():
            self._refuse("no-room")
        else:
            try:
                self._file.write(data)
            except OSError as error:
                self._refuse(cause_of(error))
            self._digest.update(data)

    def finish(self) -> None:
        """Flush the bytes to the disk and let go of the file."""
        if self.refused:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            self._refuse(cause_of(error))

    def discard(self) -> None:
        """Take away what was written, unless it was kept."""
        with suppress(OSError):  # bytes for which there was no room
            self._file.close()
        self.path.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """Of the bytes so far."""
        return self._digest.hexdigest()

    def _has_room(self) -> bool:
        if self.size - self._looked_at >= _LOOK_EVERY:
            self._looked_at = self.size
            return shutil.disk_usage(self.path.parent).free >= self._room_bytes
        return True

    def _refuse(self, why: str) -> None:
        self.refused = why
        self.discard()


def flush_folder(folder: Path) -> None:
    """Make the names in a folder safe on the disk.

    Parameters
    ----------
    folder : path
        The folder.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cause_of(error: Exception) -> str:
    """Return what an error of the disk is called: no-room or unwritable.

    Parameters
    ----------
    error : Exception
        What was raised.
    """
    return "no-room" if getattr(error, "errno", None) in _NO_ROOM else "unwritable"
