"""``workbench imaging train``: a model from a task file, as a bundle with its card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.help import command_help
from workbench.commands.imaging_inspect import STOPPED, say_stopped
from workbench.commands.told import interval
from workbench.locale import get_language, tr
from workbench.outfile import check_folder

if TYPE_CHECKING:
    from imaging.models.bundle import Bundle
    from imaging.models.task import Task

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
            "Train a classification, segmentation or detection model on images, and write it as a bundle: weights without code, hashes, "
            "and a card with data, results with 95 % intervals over patients, intended use and licence.\n\nThe task file says data, "
            "classes, split, transforms, network and training. Patients are kept apart: a case that is also in a part that judges it "
            "stops the training or is dropped, as the task says. A run that was stopped or killed goes on when the same command is given "
            "again. Several GPUs: torchrun --nproc-per-node 4 -m imaging.models TASK.yaml BUNDLE.\n\nWith network: {name: nnunet} nnU-Net "
            "is trained instead, where it is installed: BUNDLE then holds results.json alone, and what was learnt stays in BUNDLE.work.",
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
    if task.network.get("name") == "nnunet":
        _train_nnunet(task, out, work, device, quiet=quiet)
        return
    from imaging.models.progress import TrainingView
    from imaging.models.training import train as train_task  # takes seconds: after what may be refused at once

    told = None if quiet else TrainingView(get_language())
    try:
        bundle = train_task(task, out, work=work, cache=cache, device=device, force=force, progress=told)
    except KeyboardInterrupt:
        say_stopped()
        raise typer.Exit(STOPPED) from None
    if bundle is not None:  # torchrun: one process speaks for all
        _summarise(bundle, out)


def _train_nnunet(task: Task, out: Path, work: Path | None, device: str, *, quiet: bool) -> None:
    from imaging.models.nnunet import train_nnunet

    try:
        found = train_nnunet(task, out, work=work, device=device or "cuda", told=None if quiet else lambda line: typer.echo(line, err=True))
    except KeyboardInterrupt:
        say_stopped()
        raise typer.Exit(STOPPED) from None
    _say_results(found["results"])
    typer.echo(f"results={out / 'results.json'}")


def _summarise(bundle: Bundle, out: Path) -> None:
    from imaging.models.bundle import CARDS

    _say_results(bundle.metadata["workbench"]["results"])
    typer.echo(tr("模型卡", "model card") + f": {out / CARDS[get_language()]}")
    typer.echo(tr("下一步", "next") + f": workbench imaging predict {out} FOLDER --out DIR")
    sys.stdout.flush()
    typer.echo(f"bundle={bundle.source}")


def _say_results(results: dict[str, Any]) -> None:
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
