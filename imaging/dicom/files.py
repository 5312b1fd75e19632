"""What of a folder is worth reading: walked without an end in memory, and told apart by first bytes, never by names.

A folder of a hospital holds links that lead in circles, pipes, names in GBK, archives and viewers beside the images.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from imaging.dicom.reading import open_bounded
from imaging.dicom.refusals import Refusal, problem
from imaging.dicom.tags import INDEX_CLASS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imaging.dicom.refusals import Problem

__all__ = ["Found", "Index", "archive_kind", "path_from_text", "path_text", "read_index", "walk_folder"]

#: First bytes of what holds other files. They are named, never opened: an archive may hold a bomb or a path out of its folder.
_ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_TAR_AT = 257

_ESCAPE = "\\x"
_ESCAPED = re.compile(r"\\x(5c|[89a-f][0-9a-f])")
_SURROGATE = re.compile("[\udc80-\udcff]")


class Found(NamedTuple):
    """A file, or what of a folder was not read and why.

    Parameters
    ----------
    path : str
        Below the folder that was walked, as the system names it.
    size : int
        In bytes.
    modified_ns : int
        Time of the last change, in nanoseconds.
    skipped : str
        Empty for a file to be read; else "hidden", "special", "seen", "broken-link" or "unreadable".
    """

    path: str
    size: int
    modified_ns: int
    skipped: str = ""


class Index(NamedTuple):
    """What a DICOMDIR names.

    Parameters
    ----------
    files : tuple of Path
        Those that are there.
    problems : tuple of Problem
        One for each that is not there or lies outside the folder.
    """

    files: tuple[Path, ...]
    problems: tuple[Problem, ...]


def walk_folder(folder: str | os.PathLike[str]) -> Iterator[Found]:
    """Yield every file below a folder, and every part of it that is left out.

    Links are followed; a folder is entered once, so that links in circles end. In memory are the folders still to be
    entered and the numbers of those that were.

    Parameters
    ----------
    folder : path
        Where to begin; not hidden whatever its name.

    Yields
    ------
    Found
        In the order in which the system names them.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.dcm").write_bytes(b"1234")
    ...     Path(folder, "round").symlink_to(folder)
    ...     sorted((Path(found.path).name, found.size, found.skipped) for found in walk_folder(folder))
    [('a.dcm', 4, ''), ('round', 0, 'seen')]
    """
    waiting, linked, entered = [os.fspath(folder)], [], set()
    while waiting or linked:
        # Links last: a folder that lies here and is linked too keeps its own path.
        current = (waiting or linked).pop()
        try:
            here = os.stat(current)  # noqa: PTH116 - a path object for each of a million files costs more than all else here
            if (here.st_dev, here.st_ino) in entered:
                yield Found(current, 0, 0, "seen")
                continue
            entered.add((here.st_dev, here.st_ino))
            entries = os.scandir(current)
        except OSError:
            yield Found(current, 0, 0, "unreadable")
            continue
        with entries:
            for entry in entries:
                found = _look(entry)
                if found is None:
                    (linked if entry.is_symlink() else waiting).append(entry.path)
                else:
                    yield found


def _look(entry: os.DirEntry[str]) -> Found | None:
    """Return what an entry is, or None for a folder to enter."""
    if entry.name.startswith("."):
        return Found(entry.path, 0, 0, "hidden")
    try:
        if entry.is_dir():
            return None
        about = entry.stat()
    except OSError:
        return Found(entry.path, 0, 0, "broken-link" if entry.is_symlink() else "unreadable")
    if not stat.S_ISREG(about.st_mode):
        return Found(entry.path, 0, 0, "special")
    return Found(entry.path, about.st_size, about.st_mtime_ns)


def archive_kind(head: bytes) -> str:
    r"""Return which kind of archive begins so, or nothing.

    Parameters
    ----------
    head : bytes
        The first 300 bytes or more.

    Examples
    --------
    >>> archive_kind(b"PK\x03\x04rest")
    'zip'
    """
    for first, kind in _ARCHIVES.items():
        if head.startswith(first):
            return kind
    return "tar" if head[_TAR_AT : _TAR_AT + 5] == b"ustar" else ""


def read_index(path: str | os.PathLike[str]) -> Index:
    """Return the files that a DICOMDIR names, and which of them are not there.

    Parameters
    ----------
    path : path
        The index (DICOM PS3.3 F.3, PS3.10 section 8); its files lie below its folder.

    Returns
    -------
    Index
        Files and problems, in the order of the index.

    Raises
    ------
    Refusal
        If it is not DICOM, broken, or no index.
    """
    path = Path(path)
    dataset = open_bounded(path)
    if dataset.file_meta.get("MediaStorageSOPClassUID") != INDEX_CLASS:
        raise Refusal(path, 0x00020002, "not-dicom", found="no DICOMDIR")
    files: list[Path] = []
    problems: list[Problem] = []
    for number, record in enumerate(dataset.get("DirectoryRecordSequence") or (), start=1):
        parts = record.get("ReferencedFileID")
        if not parts:
            continue
        parts = [parts] if isinstance(parts, str) else [str(part) for part in parts]
        if any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
            problems.append(problem(0x00041500, "outside", record=number))
        elif found := _on_disk(path.parent, parts):
            files.append(found)
        else:
            problems.append(problem(0x00041500, "not-there", record=number))
    return Index(tuple(files), tuple(problems))


def _on_disk(folder: Path, parts: list[str]) -> Path | None:
    """Return the file of an index's entry; copied from a disc, names are often in small letters."""
    here: Path | None = folder
    for part in parts:
        here = next((path for name in (part, part.lower(), part.upper()) if (path := here / name).exists()), None)
        if here is None:
            return None
    return here if here.is_file() else None


def path_text(path: str) -> str:
    r"""Return a path as text that is valid everywhere; :func:`path_from_text` gives the path back.

    Parameters
    ----------
    path : str
        As the system names it: bytes that are not UTF-8 are surrogates.

    Examples
    --------
    >>> path_text(os.fsdecode(b"/data/\xcd\xf5.dcm"))
    '/data/\\xcd\\xf5.dcm'
    >>> os.fsencode(path_from_text(path_text(os.fsdecode(b"/data/\xcd\xf5.dcm"))))
    b'/data/\xcd\xf5.dcm'
    """
    if _ESCAPE not in path and path.isascii():
        return path
    return _SURROGATE.sub(lambda match: f"\\x{ord(match[0]) - 0xDC00:02x}", path.replace(_ESCAPE, r"\x5cx"))


def path_from_text(text: str) -> str:
    """Return the path that a text of :func:`path_text` stands for.

    Parameters
    ----------
    text : str
        As written there.
    """
    return _ESCAPED.sub(lambda match: "\\" if match[1] == "5c" else chr(0xDC00 + int(match[1], 16)), text)
