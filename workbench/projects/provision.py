"""Cut a project's slice out of the store: its persons, its tables, its own pseudonyms and dates."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.cohort.serial import definition_hash, load
from workbench.errors import DefinitionError, Refusal
from workbench.ingest.deidentify import OMITTED, Deidentifier, Policy
from workbench.store import SnapshotWriter, Store
from workbench.store.duckdb import DuckDBEngine
from workbench.store.notes_index import build_notes_index
from workbench.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.projects.project import Project
    from workbench.pseudonyms import PseudonymKey
    from workbench.store import Snapshot

__all__ = ["provision"]


def provision(
    project: Project, snapshot: Snapshot, *, slices: Path, key: PseudonymKey, progress: Callable[[str], None] = lambda _: None
) -> Snapshot:
    """Publish a project's slice as a store of its own, in ``slices/<project>``.

    Parameters
    ----------
    project : Project
        With the granted slice.
    snapshot : Snapshot
        Of the de-identified store.
    slices : Path
        Folder of all slices; a session gets its project's alone, read-only.
    key : PseudonymKey
        The project's own.
    progress : callable
        Told the name of each table before it is written.

    Returns
    -------
    Snapshot
        The slice.

    Raises
    ------
    DefinitionError
        If the project asks for a table that does not exist.
    Refusal
        If no patient meets the granted cohort.
    """
    granted = _tables(project, snapshot)
    if "note" in granted and not (snapshot.manifest.policy or {}).get("method"):
        raise Refusal(
            f"snapshot {snapshot.id} holds notes and was not de-identified",
            hint="publish it with workbench store ingest, which knows the patient index, or grant [slice] tables without note and finding",
        )
    persons, definition = _persons(project, snapshot)
    policy = Policy(shift_days=project.slice.shift_days)
    record = policy.record() | {"project": project.name, "approval": project.approval.reference, "cohort": definition}
    slices.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=slices, prefix=".provision-") as scratch:
        source = Deidentifier({name: snapshot.files(name) for name in granted}, key, policy, Path(scratch), persons=persons)
        with SnapshotWriter(slices / project.name, source=f"slice of {snapshot.id}", policy=record, note=project.title) as writer:
            for name in source.tables:
                progress(name)
                writer.write(name, source.batches(name))
            if "note" in source.tables:
                progress("notes index")
                writer.add_index("notes", lambda directory: build_notes_index(source.batches("note"), directory))
    return Store(slices / project.name).latest()


def _tables(project: Project, snapshot: Snapshot) -> frozenset[str]:
    unknown = sorted(set(project.slice.tables) - set(TABLES))
    if unknown:
        raise DefinitionError(f"project {project.name} asks for a table that does not exist: {unknown[0]}")
    wanted = set(project.slice.tables) or set(snapshot.tables)
    if "finding" in wanted and "note" not in wanted:
        raise DefinitionError(
            f"project {project.name} asks for finding without note", hint="spans of findings point into notes: ask for both"
        )
    vocabulary = {name for name, table in TABLES.items() if table.kind == "vocabulary"}
    return frozenset((wanted | vocabulary | {"person", "observation_period"}) & snapshot.tables) - OMITTED


def _persons(project: Project, snapshot: Snapshot) -> tuple[list[int] | None, str]:
    if project.slice.cohort is None:
        return None, ""
    definition = load(project.slice.cohort)
    persons = np.unique(DuckDBEngine(snapshot).run(definition).rows["person_id"].to_numpy())
    if not len(persons):
        raise Refusal(
            f"no patient of snapshot {snapshot.id} meets the cohort granted to {project.name}", hint="check the definition's codes"
        )
    return persons.tolist(), definition_hash(definition)
