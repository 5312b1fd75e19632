"""The files of a model bundle from elsewhere, as a folder or a zip archive: named, bounded and hashed before one is read.

What is read is a copy, made while it is hashed: nobody can exchange a file between its check and its use. Links, names that lead outside,
names that stand twice and encrypted or overlarge members refuse the whole bundle.
"""

from __future__ import annotations

import json
import shutil
import stat
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from imaging.errors import ModelError, PlaceError
from imaging.models.bundle import file_hash, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["METADATA", "Source", "open_source"]

#: Where MONAI's bundles have their metadata; its place tells which folder of an archive is the bundle.
METADATA = "configs/metadata.json"

#: Most files, most bytes of a configuration and of all files together, and how much an archive may be packed.
MOST_FILES, LARGEST_TEXT, LARGEST, MOST_PACKED = 10_000, 10_000_000, 20_000_000_000, 200


class Source:
    """A bundle from elsewhere: names of its files, and its hash.

    Parameters
    ----------
    path : Path
        Folder, or copy of the archive.
    sha256 : str
        Of the archive; of a folder, over the names and hashes of all its files.
    files : dict of str to str
        Name within the bundle -> name in the archive, or hash of the file in the folder.
    work : Path
        A private folder for what is taken out.
    """

    def __init__(self, path: Path, sha256: str, files: dict[str, str], work: Path) -> None:
        self.path, self.sha256, self.files, self._work = path, sha256, files, work

    def take(self, name: str) -> Path:
        """Copy a file out.

        Parameters
        ----------
        name : str
            Within the bundle.

        Returns
        -------
        Path
            The copy.

        Raises
        ------
        ModelError
            If it changed since it was hashed, or is damaged.
        """
        target = self._work / f"taken{PurePosixPath(name).suffix}"
        if self.path.is_dir():
            shutil.copyfile(self.path / name, target, follow_symlinks=False)
            if file_hash(target) != self.files[name]:
                raise ModelError(f"{self.path / name} changes while it is read", hint="wait until it is copied")
            return target
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.files[name]) as packed, target.open("wb") as plain:
                shutil.copyfileobj(packed, plain)
        except OSError:
            raise
        except Exception as error:  # whatever the reader of a foreign archive stumbles over is the archive's fault
            raise ModelError(f"{name} cannot be unpacked ({type(error).__name__})", hint="fetch the archive again") from error
        return target

    def settings(self, name: str) -> dict[str, Any]:
        """Return a JSON or YAML file as plain data."""
        path = self.take(name)
        try:
            if path.stat().st_size > LARGEST_TEXT:
                raise ValueError("too large")
            text = path.read_text(encoding="utf-8")
            found = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
            if not isinstance(found, dict):
                raise TypeError("no keys and values")
        except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
            raise ModelError(f"{name} cannot be read ({type(error).__name__})", hint="wanted keys and values, in UTF-8") from error
        return found


@contextmanager
def open_source(path: Path | str, *, place: Path | None = None) -> Iterator[Source]:
    """Open a bundle from elsewhere.

    Parameters
    ----------
    path : Path or str
        A folder or a .zip file.
    place : Path, optional
        Folder in which copies are made, for as long as it is open; that for temporary files unless given.

    Yields
    ------
    Source

    Raises
    ------
    ModelError
        If it holds what a bundle must not hold, or is none.
    PlaceError
        If it cannot be read, or copies cannot be made.
    """
    path = Path(path)
    try:
        with tempfile.TemporaryDirectory(prefix=".bundle-", dir=place) as work:
            if path.is_symlink() or not path.exists():
                raise ModelError(f"{path} is missing or a link", hint="give the bundle's folder or its .zip file")
            yield _folder(path, Path(work)) if path.is_dir() else _archive(path, Path(work))
    except OSError as error:
        raise PlaceError(
            f"{error.filename or path}: {error.strerror or type(error).__name__}", hint="make room; look at the paths"
        ) from error


def _folder(path: Path, work: Path) -> Source:
    found: dict[str, str] = {}
    for each in sorted(path.rglob("*")):
        name = each.relative_to(path).as_posix()
        if each.is_symlink() or not (each.is_dir() or each.is_file()):
            raise ModelError(f"{each} is a link or no plain file", hint="a bundle holds plain files: copy what the link names")
        if each.is_file():
            _check_count(len(found))
            found[name] = file_hash(each)
    _need_metadata(found, path)
    return Source(path, version_of(found), found, work)


def _archive(path: Path, work: Path) -> Source:
    copy = work / "archive.zip"
    shutil.copyfile(path, copy)
    try:
        with zipfile.ZipFile(copy) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
    except OSError:
        raise
    except Exception as error:
        raise ModelError(f"{path} is no zip archive ({type(error).__name__})", hint="give the bundle's folder or its .zip file") from error
    _check_count(len(members))
    for member in members:
        _check_member(member)
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ModelError(f"{path} holds a name twice", hint="which of the two is meant cannot be told")
    if sum(member.file_size for member in members) > min(LARGEST, MOST_PACKED * copy.stat().st_size):
        raise ModelError(f"{path} says that it unpacks to more than {MOST_PACKED} times its size, or 20 GB")
    roots = sorted(name.removesuffix(METADATA) for name in names if name == METADATA or name.endswith(f"/{METADATA}"))
    root = roots[0] if len(roots) == 1 else ""
    found = {name.removeprefix(root): name for name in names if name.startswith(root)}
    _need_metadata(found, path)
    return Source(copy, file_hash(copy), found, work)


def _check_count(count: int) -> None:
    if count >= MOST_FILES:
        raise ModelError(f"found {MOST_FILES} files or more", hint="a bundle holds some dozens")


def _check_member(member: zipfile.ZipInfo) -> None:
    name, shown = member.filename, ascii(member.filename[:100])
    if name.startswith("/") or "\\" in name or ":" in name or "\0" in member.orig_filename or ".." in PurePosixPath(name).parts:
        raise ModelError(f"the archive holds {shown}, a path that leads outside", hint="it was made to do harm, or by another system")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise ModelError(f"the archive holds the link {shown}", hint="a bundle holds plain files")
    if member.flag_bits & 1:
        raise ModelError(f"the archive holds {shown}, which is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others may ask for gigabytes to unpack a byte
        raise ModelError(f"the archive holds {shown}, which is packed in a way that is not read here", hint="pack it with deflate")


def _need_metadata(found: dict[str, str], path: Path) -> None:
    if METADATA not in found:
        raise ModelError(f"{path} has no {METADATA}, or more than one", hint="give one bundle, as the MONAI Model Zoo packs it")
