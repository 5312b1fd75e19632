"""From a data set to a published snapshot: open, match, judge, quarantine, write, report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
from tqdm import tqdm

from workbench.errors import DataError
from workbench.ingest.intake import Intake
from workbench.ingest.mapped import map_sources, preview
from workbench.ingest.omop import Prepared, prepare
from workbench.ingest.report import ImportReport
from workbench.ingest.sources import SourceTable, open_source
from workbench.store.arrange import bounded_connection
from workbench.store.notes_index import build_notes_index
from workbench.store.snapshots import SnapshotWriter
from workbench.store.staging import Staging, readable_faults
from workbench.tables import TABLES, Table

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from workbench.ingest.mapped import Preview
    from workbench.ingest.mapping import Mapping

__all__ = ["MEMORY_LIMIT", "ImportResult", "import_data", "preview_data"]

#: What sorting may use, unless the caller says otherwise.
MEMORY_LIMIT = "1GB"

_NOTES_AT_ONCE = 2_000
_EHR = 32817  # OMOP type concept: inferred from a hospital's records
_NO_SPANS = "SELECT 0::BIGINT AS person, NULL::DATE AS first_day, NULL::DATE AS last_day WHERE false"


@dataclass(frozen=True)
class ImportResult:
    """What an import left behind.

    Parameters
    ----------
    snapshot_id : str
        The published snapshot.
    report : ImportReport
        Counts by table, column and rule; also stored in the snapshot as ``report.json`` and ``report.md``.
    quarantine : Path or None
        Folder with refused rows and their reasons, outside the snapshots; None where there were none.
    """

    snapshot_id: str
    report: ImportReport
    quarantine: Path | None


def import_data(
    path: Path,
    out: Path,
    *,
    mapping: Mapping | None = None,
    index_notes: bool = True,
    memory_limit: str = MEMORY_LIMIT,
    progress: bool = False,
) -> ImportResult:
    """Import a data set into a store as a new snapshot.

    Parameters
    ----------
    path : Path
        OMOP 5.3 or 5.4: a folder or zip of CSV or Parquet, a DuckDB or SQLite file. With a mapping: any tables it names.
    out : Path
        Folder of the store; made if it is not there.
    mapping : Mapping, optional
        How other tables become those of the contract.
    index_notes : bool
        Whether notes get their full-text index; not needed where the snapshot is but a step to another one.
    memory_limit : str
        What sorting may use, as DuckDB writes sizes.
    progress : bool
        Whether to show progress bars on stderr.

    Returns
    -------
    ImportResult

    Raises
    ------
    DataError
        If the source cannot be read, has no person table, or no person in it can be accepted.
    DefinitionError
        If the mapping asks for something that the source does not have.
    EnvironmentFault
        If the disk is full.
    """
    source = mapping.source if mapping else path.name
    with readable_faults(f"the import could not be written to {out}"), Staging(out) as staging:
        connection = bounded_connection(staging.path / "tmp", memory_limit, database=str(staging.path / "import.duckdb"))
        intake = Intake(connection, staging.path, out / "quarantine", ImportReport(path.name))
        with SnapshotWriter(out, source=source, memory_limit=memory_limit, progress=progress) as writer:
            try:
                prepared = _prepare(connection, path, mapping, staging.path, intake.report)
                _take_all(intake, prepared, writer, progress=progress)
                if index_notes and any(count.table == "note" and count.taken for count in intake.report.tables):
                    writer.add_index("notes", _index_notes)
            finally:
                connection.close()
    return ImportResult(writer.snapshot_id, intake.report, intake.quarantine if intake.quarantine.is_dir() else None)


def preview_data(path: Path, mapping: Mapping, work: Path) -> tuple[list[Preview], ImportReport]:
    """Show what a mapping makes of its source, without judging and without writing a snapshot.

    Parameters
    ----------
    path : Path
        Folder or file that the mapping's files lie in.
    mapping : Mapping
        The mapping.
    work : Path
        Folder for temporary copies; the caller removes it.

    Returns
    -------
    previews : list of Preview
        Number of rows and the first rows, by table.
    report : ImportReport
        What the mapping had to leave out.
    """
    report = ImportReport(path.name)
    with bounded_connection(work / "tmp", MEMORY_LIMIT) as connection:
        return preview(connection, map_sources(connection, mapping, path, work, report)), report


def _prepare(
    connection: duckdb.DuckDBPyConnection, path: Path, mapping: Mapping | None, work: Path, report: ImportReport
) -> list[Prepared]:
    """Find the tables; the person table comes first, because all others are held against it."""
    if mapping is not None:
        prepared = map_sources(connection, mapping, path, work, report)
    else:
        prepared = prepare(connection, open_source(connection, path, work), report)
    names = [each.declared.name for each in prepared]
    if "person" not in names:
        found = f"it has: {', '.join(names[:8])}" if names else "none of its tables is OMOP's"
        raise DataError(f"{path.name} has no person table", hint=f"{found}; for tables of another form give --mapping FILE.yaml")
    return sorted(prepared, key=lambda each: (each.declared.name != "person", each.declared.name))


def _take_all(intake: Intake, prepared: list[Prepared], writer: SnapshotWriter, *, progress: bool) -> None:
    """Take in every table; observation periods come last, because they are inferred where the source has none."""
    periods = [each for each in prepared if each.declared.name == "observation_period" and _has_rows(intake, each)]
    others = [each for each in prepared if each.declared.name != "observation_period"]
    for each in tqdm(others, desc="import", unit="table", disable=not progress):
        writer.write(each.declared.name, intake.take(each))
    for each in periods or [_inferred_periods(intake)]:
        writer.write(each.declared.name, intake.take(each))
    _note_references(intake)
    writer.add_document("report.json", intake.report.to_json())
    writer.add_document("report.md", intake.report.to_markdown())


def _index_notes(folder: Path) -> None:
    notes = pq.ParquetFile(folder.parents[1] / "tables" / "note" / "part-00000.parquet")
    build_notes_index(notes.iter_batches(_NOTES_AT_ONCE, columns=["note_id", "note_text"]), folder)


def _has_rows(intake: Intake, prepared: Prepared) -> bool:
    return bool(intake.fetch(f"SELECT 1 FROM {prepared.source.relation} LIMIT 1"))


def _inferred_periods(intake: Intake) -> Prepared:
    """Infer one observation period a person, from the first to the last of what was recorded."""
    declared = TABLES["observation_period"]
    dated = [table for table in intake.tables if table.kind == "event" and table.person and table.start]
    spans = " UNION ALL ".join(_spans(intake, table) for table in dated) or _NO_SPANS
    relation = f"""(SELECT row_number() OVER (ORDER BY person) AS observation_period_id, person AS person_id,
                           min(first_day) AS observation_period_start_date, max(last_day) AS observation_period_end_date,
                           {_EHR} AS period_type_concept_id FROM ({spans}) GROUP BY person)"""
    types = {column.name: "DATE" if column.type == "date" else "BIGINT" for column in declared.columns}
    intake.report.add("mended", declared.name, "", "table was absent or empty: inferred from the first to the last event", 1)
    return Prepared(declared, SourceTable(declared.name, relation, types, "inferred"), {name: name for name in declared.names})


def _spans(intake: Intake, table: Table) -> str:
    end = f"coalesce({table.end}, {table.start})" if table.end else table.start
    return f"SELECT {table.person} AS person, {table.start} AS first_day, {end} AS last_day FROM {intake.accepted(table.name)}"


def _note_references(intake: Intake) -> None:
    """Count values that point to no row; they are kept, because an incomplete extract is no fault of the row."""
    taken = {table.name for table in intake.tables}
    for table in intake.tables:
        for column in table.columns:
            if column.references in ("", "person", "concept"):
                continue
            (key,) = TABLES[column.references].key
            known = intake.accepted(column.references) if column.references in taken else f"(SELECT NULL::BIGINT AS {key} WHERE false)"
            pointing = f"(SELECT {column.name} AS {key} FROM {intake.accepted(table.name)} WHERE {column.name} <> 0)"
            ((rows,),) = intake.fetch(f"SELECT count(*) FROM {pointing} ANTI JOIN {known} USING ({key})")
            intake.report.add("noted", table.name, column.name, f"no such row in {column.references}", rows)
