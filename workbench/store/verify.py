"""Holding a snapshot's bytes against its manifest: any changed, missing or extra byte is found and named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from workbench.errors import DataError, IntegrityError
from workbench.store.manifest import MANIFEST_NAME, FileEntry, Manifest, hash_file, list_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["Fault", "verify"]


@dataclass(frozen=True)
class Fault:
    """One thing that differs from the manifest.

    Parameters
    ----------
    snapshot : str
        Name of the snapshot's folder.
    path : str
        Path inside it; empty for the folder itself.
    kind : {"changed", "missing", "extra", "unreadable"}
        What is wrong with it.
    detail : str
        What was found and what was wanted.
    """

    snapshot: str
    path: str
    kind: str
    detail: str


def verify(path: Path, *, progress: bool = False) -> tuple[list[str], list[Fault]]:
    """Check a store, or one snapshot folder, byte by byte.

    Parameters
    ----------
    path : Path
        Folder of a store or of one snapshot.
    progress : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    checked : list of str
        Names of the snapshots that were checked.
    faults : list of Fault
        Empty where every byte is as published.

    Raises
    ------
    DataError
        If there is neither a store nor a snapshot at `path`.
    """
    folders = _snapshot_folders(path)
    total = sum(found.lstat().st_size for folder in folders for name, found in list_files(folder) if name != MANIFEST_NAME)
    with tqdm(total=total, desc="verify", unit="B", unit_scale=True, disable=not progress) as bar:
        faults = [fault for folder in folders for fault in _faults(folder, bar.update)]
    return [folder.name for folder in folders], faults


def _snapshot_folders(path: Path) -> list[Path]:
    if (path / "snapshots").is_dir():
        return sorted((path / "snapshots").iterdir())
    if (path / MANIFEST_NAME).exists():
        return [path]
    raise DataError(f"neither a store nor a snapshot at {path}", hint="name the folder that holds snapshots/, or one folder in it")


def _faults(folder: Path, on_bytes: Callable[[int], object]) -> Iterator[Fault]:
    if not folder.is_dir() or folder.is_symlink():
        yield Fault(folder.name, "", "extra", "not a snapshot folder")
        return
    try:
        manifest = Manifest.read(folder)
    except IntegrityError as error:
        missing = not (folder / MANIFEST_NAME).exists()
        yield Fault(folder.name, MANIFEST_NAME, "missing" if missing else "changed", error.message)
        return
    wanted = {entry.path: entry for entry in manifest.files}
    found = dict(list_files(folder))
    for name in sorted(wanted.keys() | found.keys() - {MANIFEST_NAME}):
        fault = _compare(name, wanted.get(name), found.get(name), on_bytes)
        if fault is not None:
            yield Fault(folder.name, name, *fault)
    yield from (Fault(folder.name, name, "extra", "empty folder") for name in _empty_folders(folder) if not _holds(name, wanted))


def _compare(name: str, wanted: FileEntry | None, path: Path | None, on_bytes: Callable[[int], object]) -> tuple[str, str] | None:
    if path is None:
        return "missing", "named by the manifest, not there"
    if wanted is None:
        return "extra", "not named by the manifest"
    if path.is_symlink() or not path.is_file():
        return "changed", "a link or special file in place of a file"
    try:
        size, sha256 = hash_file(path, on_bytes=on_bytes)
    except OSError as error:
        return "unreadable", error.strerror or type(error).__name__
    if FileEntry(name, size, sha256) == wanted:
        return None
    return "changed", f"{size} bytes, sha256 {sha256[:16]}; wanted {wanted.size} bytes, sha256 {wanted.sha256[:16]}"


def _empty_folders(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            yield path.relative_to(folder).as_posix()


def _holds(folder: str, files: Iterable[str]) -> bool:
    """Whether a folder is one that files are to lie in: its emptiness is then told by their absence."""
    return any(name.startswith(f"{folder}/") for name in files)
