"""``workbench imaging send``: results to the centre's own DICOM archive, by STOW-RS."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from workbench.commands.help import command_help
from workbench.commands.imaging_inspect import STOPPED, Quiet, say_stopped
from workbench.errors import DataError
from workbench.locale import tr

__all__ = ["register"]

_SHOWN = 10
_WORDS = {"refused": ("被服务器拒绝", "refused by the server"), "broken": ("无法读取", "cannot be read")}


def register(app: typer.Typer) -> None:
    """Add the sub-command.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "send",
        help=command_help(
            "Send DICOM files, results for instance, to a DICOMweb server (STOW-RS).\n\nEach file has its own answer: what the server "
            "keeps, and what it refuses and why. A journal, sent.jsonl in the first folder, holds the answers: given again, the command "
            "sends only what the server did not acknowledge. Files that are no DICOM are passed over. USER:PASSWORD or 'Bearer TOKEN' "
            "stand in a file that only you can read, or in the variable WORKBENCH_DICOMWEB_CREDENTIALS; never on the command line. A "
            "sealed session has no network: there nothing is sent, and results leave by a release request.",
            "workbench imaging send results --to https://archive:8443/dicom-web --credentials ~/.archive",
            codes=(3, 4, 7, 8),
        ),
    )(send)


def send(
    sources: Annotated[list[Path], typer.Argument(metavar="FOLDER_OR_FILE...", help="What to send; folders with all that is in them.")],
    to: Annotated[str, typer.Option(help="Address of the DICOMweb service; its last part leads to /studies.")],
    credentials: Annotated[Path | None, typer.Option(help="File with USER:PASSWORD or 'Bearer TOKEN'.")] = None,
    journal: Annotated[Path | None, typer.Option(help="What was acknowledged; sent.jsonl beside what is sent by default.")] = None,
    quiet: Quiet = False,
) -> None:
    """Send DICOM files to a DICOMweb server."""
    from workbench.series import sending

    session = sending.check_target(to, credentials)
    files = sending.files_of(sources)
    record = journal or (sources[0] if sources[0].is_dir() else sources[0].parent) / sending.JOURNAL
    told: Counter[str] = Counter()
    try:
        with tqdm(total=len(files), desc=tr("发送", "send"), unit=tr("文件", "file"), disable=quiet) as bar:
            for one in sending.send((path for path in files if path != record), sending.service(to, session), record):
                bar.update()
                told[one.outcome] += 1
                if one.outcome in _WORDS and told[one.outcome] <= _SHOWN:
                    bar.write(f"  {one.path} {tr(*_WORDS[one.outcome])}: {one.why}", file=sys.stderr)
    except KeyboardInterrupt:
        say_stopped()
        raise typer.Exit(STOPPED) from None
    typer.echo(tr("服务器的回答记录在", "the server's answers are in") + f" {record}")
    typer.echo(" ".join(f"{name}={told[name]}" for name in ("sent", "refused", "broken", "unchanged", "not_dicom")))
    if told["refused"] or told["broken"]:
        raise typer.Exit(DataError.exit_code)
