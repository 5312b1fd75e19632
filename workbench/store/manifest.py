"""What a snapshot says of itself, and how its bytes are held to it.

A snapshot's id ends in a hash of its manifest, and the manifest holds a hash of every other file. So the id, which queries,
ledgers and papers name, fixes every byte, and an edit of the manifest itself shows as well.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from workbench.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["MANIFEST_NAME", "FileEntry", "Manifest", "TableEntry", "hash_file", "hash_tree", "list_files"]

MANIFEST_NAME = "manifest.json"
_FORMAT = 1
_HASH_DIGITS = 16
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class FileEntry:
    """One file of a snapshot: its path inside the snapshot, size in bytes and SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class TableEntry:
    """One table of a snapshot: its number of rows and, by column, its Arrow type."""

    rows: int
    columns: dict[str, str]


@dataclass(frozen=True)
class Manifest:
    """What a snapshot holds and where it comes from.

    Parameters
    ----------
    id : str
        Time of publication and the beginning of the SHA-256 of the manifest's bytes.
    created : str
        ISO 8601 time of publication, UTC.
    schema_version : str
        Version of the data contract (:data:`workbench.tables.SCHEMA_VERSION`).
    library : str
        Version of the workbench that wrote it.
    source, note : str
        Where the data come from, and a free remark.
    policy : dict or None
        De-identification policy applied; None where none was.
    parent : str or None
        Snapshot that this one was made from.
    tables : dict of str to TableEntry
        Tables by name.
    files : tuple of FileEntry
        Every file but the manifest, ordered by path.
    """

    id: str
    created: str
    schema_version: str
    library: str
    source: str
    note: str
    policy: dict[str, Any] | None
    parent: str | None
    tables: dict[str, TableEntry]
    files: tuple[FileEntry, ...]

    def to_bytes(self) -> bytes:
        """Serialise; the id is not part of it, because it is made from these bytes."""
        document = {"format": _FORMAT} | {key: value for key, value in asdict(self).items() if key != "id"}
        return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()

    @staticmethod
    def name_for(created: str, content: bytes) -> str:
        """Make the id of the snapshot whose manifest has these bytes."""
        moment = datetime.fromisoformat(created).astimezone(UTC)
        return f"{moment:%Y%m%dT%H%M%SZ}-{hashlib.sha256(content).hexdigest()[:_HASH_DIGITS]}"

    @classmethod
    def read(cls, snapshot: Path) -> Manifest:
        """Read and check the manifest of a snapshot folder.

        Raises
        ------
        IntegrityError
            If it is missing, cannot be read, or is not the one that the folder's name was made from.
        """
        path = snapshot / MANIFEST_NAME
        try:
            content = path.read_bytes()
            document = json.loads(content)
            found = cls.name_for(document["created"], content)
            if found != snapshot.name:
                raise IntegrityError(
                    f"{path} was changed: the folder is named {snapshot.name}, the manifest's bytes say {found}",
                    hint="restore the snapshot from a backup, or move its folder out of the store",
                )
            return cls._from_document(snapshot.name, document)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(
                f"{path} cannot be read as the manifest of a snapshot ({type(error).__name__})",
                hint="restore the snapshot from a backup, or move its folder out of the store",
            ) from error

    @classmethod
    def _from_document(cls, name: str, document: dict[str, Any]) -> Manifest:
        wanted = document.pop("format")
        if wanted != _FORMAT:
            raise IntegrityError(
                f"snapshot {name} has manifest format {wanted!r}; this version reads {_FORMAT}", hint="update the workbench"
            )
        tables = {table: TableEntry(**entry) for table, entry in document.pop("tables").items()}
        files = tuple(FileEntry(**entry) for entry in document.pop("files"))
        return cls(id=name, tables=tables, files=files, **document)


def list_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Walk a snapshot folder: relative path and path of everything that is not a plain folder, ordered by path."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix(), path


def hash_tree(folder: Path, *, progress: bool) -> list[FileEntry]:
    """Hash every file of a folder, without following links, with a progress bar on stderr.

    Raises
    ------
    IntegrityError
        If something in it is neither a file nor a folder.
    """
    found = list(list_files(folder))
    odd = [name for name, path in found if path.is_symlink() or not path.is_file()]
    if odd:
        raise IntegrityError(f"{odd[0]} in {folder} is a link or a special file; a snapshot holds plain files only")
    total = sum(path.stat().st_size for _, path in found)
    with tqdm(total=total, desc="hash", unit="B", unit_scale=True, disable=not progress) as bar:
        return [FileEntry(name, *hash_file(path, on_bytes=bar.update)) for name, path in found]


def hash_file(path: Path, *, on_bytes: Callable[[int], object]) -> tuple[int, str]:
    """Give size and SHA-256 of a file; `on_bytes` hears how many bytes were read."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            on_bytes(len(block))
    return size, digest.hexdigest()
