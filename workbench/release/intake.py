"""Take files out of a folder that its owner may change at any moment: the copy is what is checked, reviewed and released.

No path that the owner controls is ever followed. Each is opened by ``openat2`` beneath the outbox with symbolic links
refused; where the kernel has no ``openat2`` (before 5.6), component by component with ``O_NOFOLLOW``. Only regular files with
one name (no hard link) are read, from the descriptor that was looked at, and a file that changes during the copy is refused.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import EnvironmentFault, IntegrityError, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ObjectStore", "StoredFile", "list_folder", "names_in", "open_beneath", "read_small"]

#: linux/openat2.h: resolve nothing outside, no symbolic link, no magic link. The number is the same on every architecture.
_RESOLVE_BENEATH, _RESOLVE_NO_SYMLINKS, _RESOLVE_NO_MAGICLINKS = 0x08, 0x04, 0x02
_SYS_OPENAT2 = 437
_CHUNK_BYTES = 1 << 20
_READ_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """Bytes in the object store: their SHA-256 in hexadecimal, and their length."""

    sha256: str
    size_bytes: int


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@contextmanager
def open_beneath(folder: int, path: str, *, is_folder: bool = False) -> Iterator[int]:
    """Open a file or folder beneath an open folder without following any link.

    Parameters
    ----------
    folder : int
        Descriptor of the folder that must not be left.
    path : str
        Relative path.
    is_folder : bool
        Whether a folder is wanted.

    Yields
    ------
    int
        The descriptor; closed on leaving.

    Raises
    ------
    Refusal
        If the path leads over a link, outside, or to nothing of the wanted kind.
    """
    flags = _READ_FOLDER if is_folder else _READ_FILE
    try:
        descriptor = _openat2(folder, path, flags)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):  # an old kernel, or a container that filters the call
            descriptor = _open_by_component(folder, path, flags)
        else:
            raise _refusal(path, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def list_folder(folder: int) -> list[str]:
    """Give the names in an open folder, sorted, hidden ones left out."""
    return sorted(name for name in names_in(folder) if not name.startswith("."))


def names_in(folder: int) -> set[str]:
    """Give all names in an open folder, hidden ones too."""
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries}


def read_small(folder: int, path: str, *, limit_bytes: int) -> bytes:
    """Read one small file whole, under the same rules as a copy.

    Raises
    ------
    Refusal
        If it is not a regular file with one name, or is longer than `limit_bytes`.
    """
    with open_beneath(folder, path) as descriptor:
        _check_regular(descriptor, path, limit_bytes=limit_bytes)
        return b"".join(_chunks(descriptor, limit_bytes=limit_bytes, path=path))


class ObjectStore:
    """Files named by their SHA-256, never changed once written.

    Parameters
    ----------
    root : Path
        A folder that only the airlock's account can write to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str) -> Path:
        """Say where the bytes of this hash lie."""
        return self.root / sha256[:2] / sha256

    def take(self, folder: int, path: str, *, limit_bytes: int) -> StoredFile:
        """Copy one file out of a folder that its owner may change, hashing while copying.

        Parameters
        ----------
        folder : int
            Descriptor of the folder.
        path : str
            Relative path of the file.
        limit_bytes : int
            Longest file that is taken.

        Raises
        ------
        Refusal
            If it is not a regular file with one name, is too long, or changed during the copy.
        EnvironmentFault
            If the copy cannot be written.
        """
        with open_beneath(folder, path) as descriptor:
            before = _check_regular(descriptor, path, limit_bytes=limit_bytes)
            chunks = _chunks(descriptor, limit_bytes=limit_bytes, path=path)
            try:
                self.root.mkdir(parents=True, exist_ok=True)
                return self._write(chunks, unchanged=lambda size: _check_unchanged(before, os.fstat(descriptor), size, path))
            except OSError as error:
                raise EnvironmentFault(f"the airlock cannot keep a copy: {error.strerror}", hint="free space in the airlock") from error

    def read(self, stored: StoredFile) -> bytes:
        """Read the bytes back and prove that they are those.

        Raises
        ------
        IntegrityError
            If they are missing or others.
        """
        try:
            content = self.path(stored.sha256).read_bytes()
        except OSError as error:
            raise IntegrityError(f"the airlock's copy {stored.sha256[:12]} cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != stored.sha256 or len(content) != stored.size_bytes:
            raise IntegrityError(f"the airlock's copy {stored.sha256[:12]} was changed after it was taken")
        return content

    def _write(self, chunks: Iterator[bytes], *, unchanged: object) -> StoredFile:
        digest, size = hashlib.sha256(), 0
        descriptor, aside = tempfile.mkstemp(dir=self.root, prefix=".new-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
                unchanged(size)
                file.flush()
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
            target = self.path(digest.hexdigest())
            target.parent.mkdir(exist_ok=True)
            Path(aside).replace(target)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
        return StoredFile(sha256=digest.hexdigest(), size_bytes=size)


def _openat2(folder: int, path: str, flags: int) -> int:
    how = _OpenHow(flags=flags, mode=0, resolve=_RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS)
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(_SYS_OPENAT2, folder, os.fsencode(path), ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how)))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return descriptor


def _open_by_component(folder: int, path: str, flags: int) -> int:
    """Walk the path one name at a time, so that no step can be a link."""
    *parents, name = path.split("/")
    if any(part in ("", ".", "..") for part in (*parents, name)):
        raise Refusal(f"the path {path!a} is not a plain path beneath the outbox")
    here = os.dup(folder)
    try:
        for part in parents:
            below = os.open(part, _READ_FOLDER, dir_fd=here)
            os.close(here)
            here = below
        return os.open(name, flags, dir_fd=here)
    except OSError as error:
        raise _refusal(path, error) from error
    finally:
        os.close(here)


def _refusal(path: str, error: OSError) -> Refusal:
    reasons = {
        errno.ELOOP: "it is or leads over a symbolic link",
        errno.EXDEV: "it leads out of the outbox",
        errno.ENOTDIR: "it is not a folder",
    }
    return Refusal(f"{path!a} cannot be taken: {reasons.get(error.errno, error.strerror)}", hint="put plain files into the request")


def _check_regular(descriptor: int, path: str, *, limit_bytes: int) -> os.stat_result:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise Refusal(f"{path!a} is not a regular file", hint="no folder, pipe, socket or device can be released")
    if found.st_nlink != 1:
        raise Refusal(f"{path!a} has {found.st_nlink} names (hard links)", hint="copy the file instead of linking it")
    if found.st_size > limit_bytes:
        raise Refusal(f"{path!a} has {found.st_size} bytes; the limit is {limit_bytes}", hint="release results, not data")
    return found


def _chunks(descriptor: int, *, limit_bytes: int, path: str) -> Iterator[bytes]:
    """Read to the end of the file, and no further than the limit."""
    left = limit_bytes
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        left -= len(chunk)
        if left < 0:
            raise Refusal(f"{path!a} grew beyond {limit_bytes} bytes while it was copied")
        yield chunk


def _check_unchanged(before: os.stat_result, after: os.stat_result, copied: int, path: str) -> None:
    same = (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (after.st_size, after.st_mtime_ns, after.st_ctime_ns)
    if not same or copied != before.st_size:
        raise Refusal(f"{path!a} changed while it was copied", hint="finish writing, then request again")
