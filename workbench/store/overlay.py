"""A snapshot with a project's own rows beside those that it holds: findings of its notes, series of its images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.store.snapshots import Snapshot
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FINDING", "SnapshotWithRows", "with_findings", "with_rows"]

#: The table of what notes say.
FINDING = "finding"


@dataclass(frozen=True)
class SnapshotWithRows(Snapshot):
    """A snapshot of which some tables go on in files of the project; all else is the snapshot's.

    Parameters
    ----------
    path : Path
        Folder of the snapshot.
    manifest : Manifest
        Manifest of the snapshot.
    added : tuple of (str, Path)
        Tables, and Parquet files in their form.
    version : str
        Names the files' content; becomes part of the id, so that a cohort's answer names what it was read from.
    """

    added: tuple[tuple[str, Path], ...] = ()
    version: str = ""

    @property
    def id(self) -> str:
        """Id of the snapshot, and the version of the rows beside it."""
        return f"{self.manifest.id}+{self.version}"

    @property
    def roots(self) -> tuple[Path, ...]:
        """The snapshot's folder and those of the added files."""
        return (self.path, *sorted({file.parent for _, file in self.added}))

    @property
    def tables(self) -> frozenset[str]:
        """Names of the snapshot's tables, and of those added to."""
        return super().tables | {table for table, _ in self.added}

    def schema(self, table: str) -> pa.Schema:
        """Arrow schema of a table, as the snapshot has it; where rows are added, with all columns of the data contract in its types.

        A snapshot of an earlier version has fewer columns than the rows beside it.
        """
        found = super().schema(table)
        if not self.added_files(table):
            return found
        wanted = {field.name: field.type for field in (*found, *arrow_schema(table))}
        return pa.schema(list(wanted.items()))

    def added_files(self, table: str) -> list[Path]:
        """Files of the project alone.

        Parameters
        ----------
        table : str
            The table.
        """
        return [file for name, file in self.added if name == table]

    def files(self, table: str) -> list[Path]:
        """Parquet files of a table in order; those of the project last."""
        return [*super().files(table), *self.added_files(table)]


def with_rows(snapshot: Snapshot, added: tuple[tuple[str, Path], ...], *, version: str) -> SnapshotWithRows:
    """Return the snapshot with rows of the project added.

    Parameters
    ----------
    snapshot : Snapshot
        Any; one that has rows added keeps them.
    added : tuple of (str, Path)
        Tables, and Parquet files in their form.
    version : str
        Names their content, such as the first digits of a hash.
    """
    earlier = snapshot.added if isinstance(snapshot, SnapshotWithRows) else ()
    versions = "+".join(each for each in (getattr(snapshot, "version", ""), version) if each)
    return SnapshotWithRows(snapshot.path, snapshot.manifest, (*earlier, *added), versions)


def with_findings(snapshot: Snapshot, *files: Path, version: str) -> SnapshotWithRows:
    """Return the snapshot with findings of the project added.

    Parameters
    ----------
    snapshot : Snapshot
        Any; one that has rows added keeps them.
    *files : Path
        Parquet files in the form of the table ``finding``.
    version : str
        Names their content, such as the first digits of a hash.
    """
    return with_rows(snapshot, tuple((FINDING, file) for file in files), version=version)
