"""``workbench imaging train``: a model from a task file, as a bundle with its card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.commands.help import command_help
from workbench.commands.imaging_inspect import STOPPED, say_stopped
from workbench.commands.told import interval
from workbench.locale import get_language, tr
from workbench.outfile import check_folder

if TYPE_CHECKING:
    from imaging.models.bundle import Bundle
    from imaging.models.training import Epoch

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the sub-command.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "train",
        help=command_help(
            "Train a classification or segmentation model on images, and write it as a bundle: weights without code, hashes, and a card "
            "with data, results with 95 % intervals over patients, intended use and licence.\n\nThe task file says data, classes, split, "
            "transforms, network and training. Patients are kept apart: a case that is also in a part that judges it stops the training "
            "or is dropped, as the task says. A run that was stopped or killed goes on when the same command is given again. Several "
            "GPUs: torchrun --nproc-per-node 4 -m imaging.models TASK.yaml BUNDLE.",
            "workbench imaging train hippocampus.yaml --out bundles/hippocampus",
            codes=(3, 4, 7, 8),
        ),
    )(train)


def train(
    file: Annotated[Path, typer.Argument(metavar="TASK.yaml", help="The task.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write.")],
    work: Annotated[Path | None, typer.Option(help="Folder of checkpoint and TensorBoard files; BUNDLE.work by default.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for prepared images, which are patients' data; in memory by default.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda ...; cuda where there is one by default.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that lies there.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing of each epoch.")] = False,
) -> None:
    """Train a model on images."""
    from imaging.models.task import read_task

    task = read_task(file)
    for place in filter(None, (out, work, cache)):
        check_folder(place)
    from imaging.models.training import train as train_task  # takes seconds: after what may be refused at once

    try:
        bundle = train_task(task, out, work=work, cache=cache, device=device, force=force, progress=None if quiet else _tell)
    except KeyboardInterrupt:
        say_stopped()
        raise typer.Exit(STOPPED) from None
    if bundle is not None:  # torchrun: one process speaks for all
        _summarise(bundle, out)


def _tell(epoch: Epoch) -> None:
    figures = f"{epoch.loss:.4f}", f"{epoch.score:.4f}", f"{epoch.best:.4f}", f"{epoch.seconds:.0f}"
    chinese, english = "第 {}/{} 轮：损失 {}，验证 {}，最好 {}，{} 秒", "epoch {}/{}: loss {}, validation {}, best {}, {} s"
    line = tr(chinese, english).format(epoch.epoch, epoch.epochs, *figures)
    typer.echo(line, err=True)


def _summarise(bundle: Bundle, out: Path) -> None:
    from imaging.models.bundle import CARDS

    results = bundle.metadata["workbench"]["results"]
    part = "test" if "test" in results else "validation"
    found = results[part]
    typer.echo(
        tr(
            f"{'留出的测试集' if part == 'test' else '验证集'}：{found['n_cases']} 例，{found['n_patients']} 名患者",
            f"{part}: {found['n_cases']} cases of {found['n_patients']} patients",
        )
    )
    for name, each in found["metrics"].items():
        if each["value"] is not None:
            known = each["low"] is not None and each["high"] is not None
            typer.echo(f"  {name}\t{each['value']:.3f} {interval(each['low'], each['high']) if known else ''}".rstrip())
    typer.echo(tr("模型卡", "model card") + f": {out / CARDS[get_language()]}")
    typer.echo(tr("下一步", "next") + f": workbench imaging predict {out} FOLDER --out DIR")
    sys.stdout.flush()
    typer.echo(f"bundle={bundle.source}")
