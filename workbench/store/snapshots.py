"""Reading a store: a folder of immutable snapshots, each a folder of Parquet with a manifest.

``STORE/snapshots/<snapshot-id>/{manifest.json, tables/<table>/part-*.parquet, projections/<name>/part-*.parquet, index/<name>/}``
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import DataError, IntegrityError
from workbench.session import current, in_session
from workbench.store.manifest import MANIFEST_NAME, Manifest
from workbench.store.writer import SnapshotWriter
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.store.duckdb import DuckDBEngine

__all__ = ["STORE_VARIABLE", "Manifest", "Snapshot", "SnapshotWriter", "Store", "open_store"]

#: Environment variable that names the store outside a session.
STORE_VARIABLE = "WORKBENCH_STORE"


@dataclass(frozen=True)
class Snapshot:
    """One immutable snapshot.

    Parameters
    ----------
    path : Path
        Its folder.
    manifest : Manifest
        What it holds, checked against the folder's name.
    """

    path: Path
    manifest: Manifest = field(repr=False)

    @property
    def id(self) -> str:
        """Name of the snapshot; it fixes every byte (see :mod:`workbench.store.manifest`)."""
        return self.manifest.id

    @property
    def roots(self) -> tuple[Path, ...]:
        """Folders under which every file of the snapshot lies; an engine may read these and nothing else."""
        return (self.path,)

    @property
    def tables(self) -> frozenset[str]:
        """Names of the tables that the snapshot holds."""
        return frozenset(self.manifest.tables)

    @cached_property
    def _parts(self) -> dict[str, list[Path]]:
        """Parquet files by the folder they lie in."""
        parts: dict[str, list[Path]] = {}
        for entry in self.manifest.files:
            if entry.path.endswith(".parquet"):
                folder, _, _ = entry.path.rpartition("/")
                parts.setdefault(folder, []).append(self.path / entry.path)
        return parts

    def engine(self) -> DuckDBEngine:
        """Open the embedded engine on this snapshot."""
        from workbench.store.duckdb import DuckDBEngine

        return DuckDBEngine(self)

    def files(self, table: str) -> list[Path]:
        """Parquet files of a table in order; empty where the snapshot has no such table."""
        return list(self._parts.get(f"tables/{table}", ()))

    def projection(self, name: str) -> list[Path]:
        """Parquet files of a projection, such as ``measurement_by_concept``; empty where there is none."""
        return list(self._parts.get(f"projections/{name}", ()))

    def index_path(self, name: str) -> Path | None:
        """Folder of an index, such as ``notes``; None where there is none."""
        inside = f"index/{name}/"
        return self.path / "index" / name if any(entry.path.startswith(inside) for entry in self.manifest.files) else None

    def schema(self, table: str) -> pa.Schema:
        """Arrow schema of a table, every column nullable; that of the data contract where the snapshot does not hold it.

        Raises
        ------
        DataError
            If neither knows the table.
        """
        files = self.files(table)
        found = pq.read_schema(files[0]) if files else arrow_schema(table)
        # Writers differ in which columns they mark as not null, so readers see no such mark.
        return pa.schema([pa.field(field.name, field.type) for field in found])

    def read(self, table: str, columns: Sequence[str] | None = None, filters: Any = None) -> pa.Table:
        """Read a table into memory.

        Parameters
        ----------
        table : str
            Name of the table. One that the snapshot does not hold reads as empty.
        columns : sequence of str, optional
            Columns to read; all by default.
        filters : pyarrow.compute.Expression or list of tuple, optional
            As :func:`pyarrow.parquet.read_table` takes them.

        Returns
        -------
        pyarrow.Table

        Raises
        ------
        DataError
            If the table or a column is unknown.
        IntegrityError
            If a file cannot be read.
        """
        schema = self.schema(table)
        wanted = list(columns) if columns is not None else schema.names
        unknown = [name for name in wanted if name not in schema.names]
        if unknown:
            raise DataError(f"table {table} has no column {unknown[0]!r}", hint=f"it has: {', '.join(schema.names)}")
        files = self.files(table)
        if not files:
            return pa.schema([schema.field(name) for name in wanted]).empty_table()
        try:
            return pq.read_table(files, columns=wanted, filters=filters, schema=schema)
        except (OSError, pa.ArrowInvalid) as error:
            raise IntegrityError(
                f"a file of table {table} in snapshot {self.id} cannot be read ({type(error).__name__})",
                hint=f"run: workbench store verify {self.path}",
            ) from error


@dataclass(frozen=True)
class Store:
    """A folder of snapshots.

    Parameters
    ----------
    path : str or Path
        Folder of the store.

    Examples
    --------
    >>> Store("/nowhere").snapshots()
    Traceback (most recent call last):
    ...
    workbench.errors.DataError: there is no store at /nowhere
      -> create one: workbench store import PATH --out /nowhere
    """

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    def _folders(self) -> list[Path]:
        root = self.path / "snapshots"
        if not self.path.is_dir():
            raise DataError(f"there is no store at {self.path}", hint=f"create one: workbench store import PATH --out {self.path}")
        return [folder for folder in root.iterdir() if (folder / MANIFEST_NAME).is_file()] if root.is_dir() else []

    def snapshots(self) -> list[Manifest]:
        """Manifests of all snapshots, oldest first.

        Raises
        ------
        DataError
            If there is no store.
        IntegrityError
            If a manifest was changed.
        """
        return sorted((Manifest.read(folder) for folder in self._folders()), key=lambda manifest: (manifest.created, manifest.id))

    def latest(self) -> Snapshot:
        """Open the newest snapshot.

        Raises
        ------
        DataError
            If there is none.
        """
        manifests = self.snapshots()
        if not manifests:
            raise DataError(f"the store {self.path} has no snapshot", hint=f"publish one: workbench store import PATH --out {self.path}")
        return self._opened(manifests[-1])

    def open(self, snapshot_id: str | None = None) -> Snapshot:
        """Open a snapshot by its id, or the newest.

        Raises
        ------
        DataError
            If there is no such snapshot.
        IntegrityError
            If its manifest was changed, or a file is missing or of another size.
        """
        if snapshot_id is None:
            return self.latest()
        folder = next((folder for folder in self._folders() if folder.name == snapshot_id), None)
        if folder is None:
            raise DataError(f"the store {self.path} has no snapshot {snapshot_id!r}", hint=f"see: workbench store list --store {self.path}")
        return self._opened(Manifest.read(folder))

    def _opened(self, manifest: Manifest) -> Snapshot:
        """Refuse a snapshot with files missing or cut; hashes are what `verify` checks."""
        folder = self.path / "snapshots" / manifest.id
        for entry in manifest.files:
            found = (folder / entry.path).stat().st_size if (folder / entry.path).is_file() else None
            if found != entry.size:
                state = "is missing" if found is None else f"has {found} bytes, its manifest says {entry.size}"
                raise IntegrityError(f"{entry.path} of snapshot {manifest.id} {state}", hint=f"run: workbench store verify {self.path}")
        return Snapshot(folder, manifest)


def open_store(path: str | Path | None = None, snapshot: str | None = None) -> Snapshot:
    """Open the store that this process is to work on.

    Parameters
    ----------
    path : str or Path, optional
        The store; by default the session's own, else the one that ``WORKBENCH_STORE`` names.
    snapshot : str, optional
        Id of the snapshot; the newest by default.

    Returns
    -------
    Snapshot

    Raises
    ------
    DataError
        If no store is named, or there is none.
    IntegrityError
        As :meth:`Store.open`.
    """
    if path is None:
        path = current().data.store if in_session() else os.environ.get(STORE_VARIABLE)
    if not path:
        raise DataError("no store is named", hint=f"give its path, or set {STORE_VARIABLE}")
    return Store(Path(path)).open(snapshot)
