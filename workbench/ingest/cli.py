"""``workbench store import`` and ``ingest``: the commands of the store that stand above it; they join the store's own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from workbench.errors import DefinitionError
from workbench.ingest.hospital import ingest_hospital
from workbench.ingest.mapping import read_mapping
from workbench.ingest.publish import MEMORY_LIMIT, import_data, preview_data
from workbench.pseudonyms import PseudonymKey
from workbench.store.cli import app, command_help

__all__ = ["app"]

_HELP = command_help(
    "Import OMOP 5.3 or 5.4 (folder or zip of CSV or Parquet, DuckDB or SQLite file), or any tables by a mapping file.",
    "workbench store import folder --out store",
    "workbench store import labs.xlsx --mapping tongji.yaml --preview",
    "workbench store import labs.xlsx --mapping tongji.yaml --out store",
    codes=(3, 4, 8),
)


@app.command("import", help=_HELP)
def import_(
    path: Annotated[Path, typer.Argument(help="What to import.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the store; made if it is not there.")] = None,
    mapping: Annotated[Path | None, typer.Option("--mapping", help="YAML that says how other tables become OMOP.")] = None,
    memory: Annotated[str, typer.Option("--memory", help="What sorting may use.")] = MEMORY_LIMIT,
    *,
    preview: Annotated[bool, typer.Option("--preview", help="Show the first mapped rows and write nothing.")] = False,
) -> None:
    """Import a data set as a new snapshot, or show what a mapping makes of it."""
    if preview:
        _preview(path, mapping)
    elif out is None:
        raise typer.BadParameter("name the folder of the store", param_hint="--out")
    else:
        _import(path, out, mapping, memory)


def _import(path: Path, out: Path, mapping: Path | None, memory: str) -> None:
    result = import_data(path, out, mapping=read_mapping(mapping) if mapping else None, memory_limit=memory, progress=True)
    typer.echo(result.report.to_markdown())
    if result.quarantine:
        typer.echo(f"Quarantine (refused rows and their reasons, for the staff): {result.quarantine}")
    typer.echo(f"Snapshot {result.snapshot_id}. Next: workbench store show --store {out}")


def _preview(path: Path, mapping: Path | None) -> None:
    if mapping is None:
        raise DefinitionError("there is nothing to preview without a mapping", hint="give --mapping FILE.yaml")
    with tempfile.TemporaryDirectory() as work:
        previews, report = preview_data(path, read_mapping(mapping), Path(work))
    for shown in previews:
        typer.echo(f"{shown.table}: {shown.rows:,} rows")
        for row in shown.first:
            typer.echo("  " + ", ".join(f"{name}={value}" for name, value in zip(shown.columns, row, strict=True) if value is not None))
    for entry in report.entries:
        typer.echo(f"{entry.action}: {entry.table}.{entry.column}: {entry.rule}: {entry.rows:,} rows")
    typer.echo(f"Nothing was written. Next: workbench store import {path} --mapping {mapping} --out STORE")


@app.command(
    "ingest",
    help=command_help(
        "Publish a hospital's raw, identified extract: check, link, de-identify, index.",
        "workbench store ingest raw --out store --key keys/store.key",
        codes=(4, 5, 8),
    ),
)
def ingest(
    raw: Annotated[Path, typer.Argument(help="Extract with tables/ (OMOP) and identifiers/ (patient index).")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the store; made if it is not there.")],
    key: Annotated[Path, typer.Option("--key", help="File of the store's pseudonym key, for its owner alone; made if it is not there.")],
) -> None:
    """Publish a raw extract as a new, de-identified snapshot."""
    result = ingest_hospital(raw, out, key=PseudonymKey.load(key), progress=True)
    typer.echo(result.report.to_markdown())
    typer.echo(f"{result.linkage.joined:,} records joined to another of the same patient, {result.linkage.refused:,} joins refused")
    if result.quarantine:
        typer.echo(f"Quarantine (identified; refused rows and their reasons, for the staff): {result.quarantine}")
    typer.echo(f"Snapshot {result.snapshot_id}, de-identified. Next: workbench store verify {out}")
