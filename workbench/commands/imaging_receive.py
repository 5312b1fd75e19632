"""``workbench imaging receive``: a DICOM service that keeps what scanners and archives send."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from workbench.commands.help import command_help
from workbench.locale import tr
from workbench.outfile import check_folder

if TYPE_CHECKING:
    from imaging.dicom.inbox import Outcome
    from imaging.dicom.receiver import Receiver

__all__ = ["register"]

#: Outcome -> Chinese, English.
OUTCOME_WORDS: dict[str, tuple[str, str]] = {
    "stored": ("已保存", "kept"),
    "duplicate": ("此前已保存，内容相同", "kept before, the same bytes"),
    "conflict": ("与此前同一 UID 的内容不同，两份都保存", "other bytes under a known UID, both kept"),
    "quarantined": ("无法读取，或与发送方所称不符，放入隔离区", "cannot be read or is not what was said, in quarantine"),
    "no-room": ("磁盘空间不足，已拒收", "refused: no room on the disk"),
    "too-long": ("超过长度上限，已拒收", "refused: longer than the limit"),
    "cut-off": ("发送中断，已拒收", "refused: its sender did not finish"),
    "unwritable": ("文件夹不可写，已拒收", "refused: the folder cannot be written"),
}


def register(app: typer.Typer) -> None:
    """Add the sub-command.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "receive",
        help=command_help(
            "Receive images by C-STORE until Ctrl-C or SIGTERM, and answer C-ECHO.\n\nWhat arrives is written as it is and acknowledged "
            "once it is safe on the disk: a receiver that is killed loses nothing that it acknowledged. OUT/instances holds what was "
            "kept, OUT/conflicts other bytes under a known UID, OUT/quarantine what cannot be read, OUT/journal.sqlite a row for each. "
            "An AE title is a name and no proof, and nothing is encrypted: the network has to keep others away. By default only this "
            "machine is listened to.",
            "workbench imaging receive --port 11112 --out inbox",
            "workbench imaging receive --port 11112 --out inbox --host 0.0.0.0 --title WORKBENCH --from PACS1",
            codes=(3, 8),
        ),
    )(receive)


def receive(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")],
    out: Annotated[Path, typer.Option(help="Folder to keep what arrives; made if it is not there.")],
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    title: Annotated[str, typer.Option(help="Our AE title, which senders have to call.")] = "WORKBENCH",
    callers: Annotated[list[str] | None, typer.Option("--from", help="AE title that may send; may be repeated. Any by default.")] = None,
    room_gb: Annotated[float, typer.Option(min=0, help="GB that the disk keeps free: what would fill it is refused.")] = 1.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Draw no progress bar.")] = False,
) -> None:
    """Receive images until told to stop."""
    from imaging.dicom.receiver import serve

    check_folder(out)
    counts: Counter[str] = Counter()
    bar = tqdm(desc=tr("接收", "receive"), unit=tr("文件", "file"), disable=quiet)

    def tell(outcome: Outcome) -> None:
        counts[outcome.code] += 1
        bar.update()
        if outcome.code not in ("stored", "duplicate"):
            bar.write(f"{tr(*OUTCOME_WORDS.get(outcome.code, (outcome.code,) * 2))}: {outcome.path or outcome.instance}", file=sys.stderr)

    def ready(receiver: Receiver) -> None:
        listening = tr(f"正在监听 {host}:{receiver.port}，AE 标题 {title}", f"listening on {host}:{receiver.port}, AE title {title}")
        print(listening, flush=True)  # noqa: T201  (who started it waits for this line)

    with bar:
        serve(port, out, host=host, title=title, callers=tuple(callers or ()), room_bytes=int(room_gb * 1e9), ready=ready, told=tell)
    for code, count in counts.most_common():
        typer.echo(f"  {count}\t{tr(*OUTCOME_WORDS.get(code, (code, code)))}")
    typer.echo(tr("下一步", "next") + f": workbench imaging inspect {out / 'instances'} --out series.csv")
    typer.echo(f"received={counts.total()} kept={counts['stored'] + counts['duplicate'] + counts['conflict']}")
