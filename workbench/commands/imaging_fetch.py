"""``workbench imaging fetch``: series from the centre's own DICOM archive, by QIDO-RS and WADO-RS."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from workbench.commands.help import command_help
from workbench.commands.imaging_inspect import STOPPED, Quiet, say_stopped
from workbench.commands.imaging_receive import OUTCOME_WORDS
from workbench.errors import DataError
from workbench.locale import tr
from workbench.outfile import check_folder

if TYPE_CHECKING:
    from imaging.dicom.inbox import Outcome
    from imaging.errors import ImagingError

__all__ = ["register"]

_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the sub-command.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "fetch",
        help=command_help(
            "Fetch series from a DICOMweb server (QIDO-RS, WADO-RS) into a folder.\n\nInstances come one by one, byte for byte as the "
            "server gives them, and lie in OUT as `workbench imaging receive` leaves them: OUT/instances, OUT/conflicts, OUT/quarantine, "
            "OUT/journal.sqlite. Given again, the command fetches only what is not here. An instance that the server cannot give, or "
            "that is not what it was asked for, is named; the others come all the same, and the exit code is 4. Studies are named, or "
            "searched for by patient, accession number, date or modality. USER:PASSWORD or 'Bearer TOKEN' stand in a file that only you "
            "can read, or in the variable WORKBENCH_DICOMWEB_CREDENTIALS; never on the command line.",
            "workbench imaging fetch https://archive:8443/dicom-web --out inbox --study 1.2.840.1 --credentials ~/.archive",
            "workbench imaging fetch https://archive:8443/dicom-web --out inbox --date 20240101-20240131 --modality CT",
            codes=(3, 4, 8),
        ),
    )(fetch)


def fetch(
    url: Annotated[str, typer.Argument(help="Address of the DICOMweb service; its last part leads to /studies.")],
    out: Annotated[Path, typer.Option(help="Folder to keep what comes; made if it is not there.")],
    study: Annotated[list[str] | None, typer.Option(help="Study Instance UID; may be repeated.")] = None,
    series: Annotated[
        list[str] | None, typer.Option(help="Series Instance UID within the studies; may be repeated. All by default.")
    ] = None,
    patient: Annotated[str, typer.Option(help="Patient ID to search for.")] = "",
    accession: Annotated[str, typer.Option(help="Accession number to search for.")] = "",
    date: Annotated[str, typer.Option(help="Study date to search for: 20240102 or 20240101-20240131.")] = "",
    modality: Annotated[str, typer.Option(help="Only series of this modality.")] = "",
    credentials: Annotated[Path | None, typer.Option(help="File with USER:PASSWORD or 'Bearer TOKEN'.")] = None,
    room_gb: Annotated[float, typer.Option(min=0, help="GB that the disk keeps free: what would fill it is refused.")] = 1.0,
    quiet: Quiet = False,
) -> None:
    """Fetch series from a DICOMweb server."""
    from imaging.dicom.inbox import Inbox
    from workbench.series import fetching
    from workbench.series.sending import check_target, service

    fetching.check_outside()
    web = service(url, check_target(url, credentials))
    check_folder(out)
    wanted = fetching.find_series(
        web, studies=study or (), series=series or (), patient=patient, accession=accession, date=date, modality=modality
    )
    if not wanted:
        raise DataError(tr("服务器上没有符合条件的序列", "the server has no such series"), hint=tr("换一个条件", "ask for another"))
    totals: Counter[str] = Counter()
    try:
        with (
            Inbox(out, room_bytes=int(room_gb * 1e9)) as inbox,
            tqdm(desc=tr("取影像", "fetch"), unit=tr("文件", "file"), disable=quiet) as bar,
        ):
            told, failed = _tellers(bar)
            for number, done in enumerate(fetching.fetch(web, inbox, wanted, told=told, failed=failed), 1):
                bar.set_postfix_str(f"{number}/{len(wanted)} " + tr("序列", "series"))
                totals.update({name: getattr(done, name) for name in ("instances", "known", "kept", "failed")})
    except KeyboardInterrupt:
        say_stopped()
        raise typer.Exit(STOPPED) from None
    typer.echo(tr("下一步", "next") + f": workbench imaging inspect {out / 'instances'} --out series.csv")
    typer.echo(f"series={len(wanted)} " + " ".join(f"{name}={totals[name]}" for name in ("instances", "kept", "known", "failed")))
    if totals["failed"]:
        raise typer.Exit(DataError.exit_code)


def _tellers(bar: tqdm) -> tuple:
    """Return what to do with the outcome of an instance, and with one that did not come: the first few are named."""
    shown: Counter[str] = Counter()

    def say(what: str, why: str) -> None:
        shown["all"] += 1
        if shown["all"] <= _SHOWN:
            bar.write(f"  {what}: {why}", file=sys.stderr)

    def told(outcome: Outcome) -> None:
        bar.update()
        if outcome.code not in ("stored", "duplicate"):
            say(outcome.instance, tr(*OUTCOME_WORDS.get(outcome.code, (outcome.code,) * 2)))

    def failed(instance: str, error: ImagingError) -> None:
        say(instance, tr("服务器没有给出", "the server did not give it") + f" ({error.message})")

    return told, failed
