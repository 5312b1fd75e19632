"""``workbench ledger``: verify the ledger, and read it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.help import command_help
from workbench.errors import DataError, DefinitionError, IntegrityError
from workbench.release.ledger import Anchor, Ledger, verify

__all__ = ["LEDGER_VARIABLE", "app"]

#: Environment variable that names the ledger where no path is given.
LEDGER_VARIABLE = "WORKBENCH_LEDGER"

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help(
        "Show the ledger and verify that nothing in it was changed.", "workbench ledger verify airlock/ledger.jsonl", codes=(4, 7)
    ),
)

PathArgument = Annotated[
    Path | None, typer.Argument(help=f"The ledger, or the folder that holds ledger.jsonl; by default {LEDGER_VARIABLE}.")
]


@app.command(
    "verify", help=command_help("Find any edit, deletion, reordering or cut tail.", "workbench ledger verify airlock", codes=(3, 4, 7))
)
def verify_ledger(
    path: PathArgument = None,
    key: Annotated[Path | None, typer.Option(help="The ledger's key, if not beside it.")] = None,
    anchor: Annotated[str | None, typer.Option(help="A head noted earlier, SEQ:HASH, that the ledger must still contain.")] = None,
) -> None:
    """Find any edit, deletion, reordering or cut tail."""
    ledger = _ledger(path)
    found = verify(ledger, key_path=key, anchor=_anchor(anchor) if anchor else None)
    for fault in found.faults:
        typer.echo(f"{ledger}:{fault.line}: {fault.kind}: {fault.message}")
    if not found.intact:
        raise IntegrityError(
            f"the ledger has {len(found.faults)} faults in {found.entries} entries", hint="keep the files as they are and tell the centre"
        )
    typer.echo(f"intact: {found.entries} entries. Next: note this head elsewhere, and give it to --anchor later:")
    typer.echo(f"{found.head.seq}:{found.head.hash}" if found.head else "(the ledger is empty)")


@app.command("show", help=command_help("Print the last entries.", "workbench ledger show airlock --last 20", codes=(4,)))
def show(
    path: PathArgument = None,
    last: Annotated[int, typer.Option(min=1, help="How many entries.")] = 20,
    subject: Annotated[str | None, typer.Option(help="Only entries whose subject contains this.")] = None,
    head: Annotated[bool, typer.Option("--head", help="Print only the head, SEQ:HASH, to be noted elsewhere.")] = False,
) -> None:
    """Print the last entries, unverified."""
    ledger = _ledger(path)
    if not ledger.exists():
        raise DataError(f"there is no ledger at {ledger}", hint="give its path")
    entries = [entry for entry in Ledger(ledger).entries() if subject is None or subject in entry.subject]
    if head:
        typer.echo(f"{entries[-1].seq}:{entries[-1].hash}" if entries else "(the ledger is empty)")
        return
    for entry in entries[-last:]:
        typer.echo(f"{entry.seq:>8}  {entry.time}  {entry.actor:<16} {entry.action:<20} {entry.subject}  {entry.detail}")
    typer.echo(f"{min(last, len(entries))} of {len(entries)} entries. Next: workbench ledger verify {ledger}")


def _ledger(path: Path | None) -> Path:
    named = path or os.environ.get(LEDGER_VARIABLE)
    if not named:
        raise DataError("no ledger is named", hint=f"give its path, or set {LEDGER_VARIABLE}")
    return Path(named) / "ledger.jsonl" if Path(named).is_dir() else Path(named)


def _anchor(text: str) -> Anchor:
    found = re.fullmatch(r"(\d+):([0-9a-f]{64})", text)
    if not found:
        raise DefinitionError(f"the anchor {text!a} is not SEQ:HASH", hint="workbench ledger show --head prints one")
    return Anchor(seq=int(found[1]), hash=found[2])
