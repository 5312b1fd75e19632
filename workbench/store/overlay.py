"""A snapshot with a project's own findings beside those that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.store.snapshots import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FINDING", "SnapshotWithFindings", "with_findings"]

#: The table that a project may add to.
FINDING = "finding"


@dataclass(frozen=True)
class SnapshotWithFindings(Snapshot):
    """A snapshot whose table ``finding`` goes on in files of the project; all else is the snapshot's.

    Parameters
    ----------
    path : Path
        Folder of the snapshot.
    manifest : Manifest
        Manifest of the snapshot.
    findings : tuple of Path
        Parquet files in the form of the table ``finding``.
    version : str
        Names the files' content; becomes part of the id, so that a cohort's answer names what it was read from.
    """

    findings: tuple[Path, ...] = ()
    version: str = ""

    @property
    def id(self) -> str:
        """Id of the snapshot, and the version of the findings beside it."""
        return f"{self.manifest.id}+{self.version}"

    @property
    def roots(self) -> tuple[Path, ...]:
        """The snapshot's folder and those of the findings."""
        return (self.path, *sorted({file.parent for file in self.findings}))

    @property
    def tables(self) -> frozenset[str]:
        """Names of the snapshot's tables, and ``finding``."""
        return super().tables | {FINDING}

    def files(self, table: str) -> list[Path]:
        """Parquet files of a table in order; those of the project last."""
        return [*super().files(table), *(self.findings if table == FINDING else ())]


def with_findings(snapshot: Snapshot, *files: Path, version: str) -> SnapshotWithFindings:
    """Return the snapshot with findings of the project added.

    Parameters
    ----------
    snapshot : Snapshot
        Any; one that has findings added keeps them.
    *files : Path
        Parquet files in the form of the table ``finding``.
    version : str
        Names their content, such as the first digits of a hash.
    """
    earlier = snapshot.findings if isinstance(snapshot, SnapshotWithFindings) else ()
    versions = "+".join(each for each in (getattr(snapshot, "version", ""), version) if each)
    return SnapshotWithFindings(snapshot.path, snapshot.manifest, (*earlier, *files), versions)
