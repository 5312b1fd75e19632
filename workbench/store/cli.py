"""``workbench store``: list, show and verify snapshots; write the data dictionary. ``import`` is added by :mod:`workbench.ingest.cli`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from workbench.errors import EXIT_CODES, DataError, DefinitionError, IntegrityError
from workbench.store.dictionary import dictionary_html, dictionary_markdown
from workbench.store.snapshots import STORE_VARIABLE, Store
from workbench.store.verify import verify

__all__ = ["app", "command_help"]


def command_help(text: str, *examples: str, codes: tuple[int, ...]) -> str:
    """Write the help of a command: what it does, examples, exit codes."""
    listed = "\n".join(f"  {code}: {EXIT_CODES[code]}" for code in (0, 2, *codes))
    shown = "\n".join(f"  {example}" for example in examples)
    return f"{text}\n\n\b\nExample:\n{shown}\n\n\b\nExit codes:\n{listed}"


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
    typer.echo(f"written: {out}. English: WORKBENCH_LANG=en. Next: open it in a browser")
