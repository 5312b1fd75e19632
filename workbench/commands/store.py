"""``workbench store``: import and publish data; list, show and verify snapshots; write the data dictionary."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.help import command_help
from workbench.errors import DataError, DefinitionError, IntegrityError
from workbench.ingest.hospital import ingest_hospital
from workbench.ingest.mapping import read_mapping
from workbench.ingest.publish import MEMORY_LIMIT, import_data, preview_data
from workbench.pseudonyms import PseudonymKey
from workbench.store.dictionary import dictionary_html, dictionary_markdown
from workbench.store.snapshots import STORE_VARIABLE, Store
from workbench.store.verify import verify

__all__ = ["app"]


app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help("Import data, list and verify snapshots.", "workbench store list --store store", codes=(3, 4, 7, 8)),
)

StoreOption = Annotated[Path | None, typer.Option("--store", help=f"Folder of the store; by default {STORE_VARIABLE}.")]


def _store(path: Path | None) -> Store:
    named = path or os.environ.get(STORE_VARIABLE)
    if not named:
        raise DataError("no store is named", hint=f"give --store DIR, or set {STORE_VARIABLE}")
    return Store(Path(named))


@app.command("list", help=command_help("List the snapshots of a store, oldest first.", "workbench store list --store store", codes=(4, 7)))
def list_snapshots(store: StoreOption = None) -> None:
    """List the snapshots of a store, oldest first."""
    opened = _store(store)
    manifests = opened.snapshots()
    for manifest in manifests:
        persons = manifest.tables["person"].rows if "person" in manifest.tables else 0
        rows = sum(entry.rows for entry in manifest.tables.values())
        size = sum(entry.size for entry in manifest.files)
        typer.echo(f"{manifest.id}  {persons:>10,} persons  {rows:>13,} rows  {size / 1e6:>10,.1f} MB  {manifest.source}")
    typer.echo(f"{len(manifests)} snapshots in {opened.path}. Next: workbench store show --store {opened.path} [SNAPSHOT]")


@app.command(
    "show",
    help=command_help(
        "Show what a snapshot holds, and its import report where it has one.", "workbench store show --store store", codes=(4, 7)
    ),
)
def show(
    snapshot: Annotated[str | None, typer.Argument(help="Id of the snapshot; the newest by default.")] = None,
    store: StoreOption = None,
) -> None:
    """Show what a snapshot holds."""
    opened = _store(store)
    found = opened.open(snapshot)
    about = found.manifest
    for name in ("id", "created", "source", "note", "schema_version", "library", "parent"):
        typer.echo(f"{name:<15} {getattr(about, name) or '-'}")
    typer.echo(f"{'policy':<15} {'not de-identified' if about.policy is None else about.policy}")
    for name, entry in sorted(about.tables.items()):
        typer.echo(f"  {name:<24} {entry.rows:>13,} rows  {len(entry.columns):>3} columns")
    report = found.path / "report.md"
    if report.is_file():
        typer.echo(f"\n{report.read_text(encoding='utf-8')}")
    typer.echo(f"Next: workbench store verify {opened.path}")


@app.command(
    "verify",
    help=command_help(
        "Check every byte of a store, or of one snapshot folder, against its manifest.", "workbench store verify store", codes=(4, 7)
    ),
)
def verify_store(path: Annotated[Path, typer.Argument(help="Folder of a store, or of one snapshot.")]) -> None:
    """Check every byte against the manifests."""
    checked, faults = verify(path, progress=True)
    for fault in faults:
        typer.echo(f"{fault.kind}: {fault.snapshot}/{fault.path}: {fault.detail}")
    if faults:
        raise IntegrityError(
            f"{len(faults)} faults in {len({fault.snapshot for fault in faults})} of {len(checked)} snapshots",
            hint="restore the named files from a backup; do not use these snapshots",
        )
    typer.echo(f"{len(checked)} snapshots, every byte as published. Next: workbench store list --store {path}")


@app.command(
    "dictionary",
    help=command_help("Write the data dictionary: every table and column.", "workbench store dictionary --out dictionary.html", codes=(3,)),
)
def dictionary(out: Annotated[Path, typer.Option("--out", help="File to write, .md or .html.")]) -> None:
    """Write the data dictionary."""
    writers = {".md": dictionary_markdown, ".html": dictionary_html}
    if out.suffix not in writers:
        raise DefinitionError(f"the dictionary is asked for as {out.suffix or 'a file without an ending'}", hint="name a .md or .html file")
    out.write_text(writers[out.suffix](), encoding="utf-8")
    typer.echo(f"written: {out}. English: WORKBENCH_LANGUAGE=en. Next: open it in a browser")


_IMPORT_HELP = command_help(
    "Import OMOP 5.3 or 5.4 (folder or zip of CSV or Parquet, DuckDB or SQLite file), or any tables by a mapping file.",
    "workbench store import folder --out store",
    "workbench store import labs.xlsx --mapping tongji.yaml --preview",
    "workbench store import labs.xlsx --mapping tongji.yaml --out store",
    codes=(3, 4, 8),
)


@app.command("import", help=_IMPORT_HELP)
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
