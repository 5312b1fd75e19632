"""Writing aside: staging folders whose writers are known to live, so that what killed runs left can be removed.

Each staging folder has a lock file beside it that its writer holds with flock(2). The kernel drops the lock when the writer
dies, however it dies; a folder whose lock can be taken is therefore nobody's. One more lock orders creation and cleaning.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import uuid
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Self

from workbench.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Staging", "flush_tree", "is_disk_full", "readable_faults"]

_FOLDER_MODE, _FILE_MODE = 0o755, 0o444
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_WORDS = ("no space left", "disk quota", "max_temp_directory_size")


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[IO[bytes] | None]:
    """Hold an exclusive lock on a file; give None where it is taken and `wait` is false."""
    with path.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield None
        else:
            yield stream


class Staging:
    """A folder aside of the snapshots, held by this process until it is published or dropped.

    Parameters
    ----------
    store : Path
        Folder of the store; made if it is not there.
    """

    def __init__(self, store: Path) -> None:
        self._root = store / "staging"
        self._snapshots = store / "snapshots"
        for folder in (self._root, self._snapshots):
            folder.mkdir(parents=True, exist_ok=True)
        name = uuid.uuid4().hex
        self.path = self._root / name
        self._lock = self._root / f"{name}.lock"
        with _locked(self._root / ".lock", wait=True):
            self._clean()
            self._held = self._lock.open("ab")
            fcntl.flock(self._held, fcntl.LOCK_EX)
            self.path.mkdir()

    def _clean(self) -> None:
        """Remove what dead writers left; a folder goes before its lock, so that a kill in between loses nothing."""
        for lock in self._root.glob("*.lock"):
            if lock.name == ".lock":
                continue
            with _locked(lock, wait=False) as stream:
                if stream is not None:
                    shutil.rmtree(self._root / lock.stem, ignore_errors=True)
                    lock.unlink()
        for folder in self._root.iterdir():
            if folder.is_dir() and not folder.with_suffix(".lock").exists():
                shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.drop()

    def publish(self, name: str) -> Path:
        """Move the folder into place in one step, once its bytes are on the disk."""
        flush_tree(self.path)
        target = self._snapshots / name
        os.rename(self.path, target)  # noqa: PTH104  (the one atomic step, spelled as the system call it is)
        _flush(self._snapshots)
        self._release()
        return target

    def drop(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        self._lock.unlink(missing_ok=True)
        self._held.close()


def flush_tree(folder: Path) -> None:
    """Force every file and folder to the disk; readable by all whatever the umask, files writable by none."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(_FOLDER_MODE if path.is_dir() else _FILE_MODE)
        _flush(path)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_disk_full(error: BaseException) -> bool:
    """Tell whether an error of the operating system, Arrow or DuckDB means that the disk is full."""
    return getattr(error, "errno", None) in _FULL or any(word in str(error).lower() for word in _FULL_WORDS)


@contextmanager
def readable_faults(what: str) -> Iterator[None]:
    """Turn "the disk is full" of the operating system, Arrow and DuckDB into an error that says so."""
    try:
        yield
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise EnvironmentFault(f"the disk is full: {what}", hint="free some space or name another --out; nothing was published") from error
