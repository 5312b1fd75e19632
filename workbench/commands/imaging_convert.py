"""``workbench imaging convert``: the series in a folder as NIfTI files, as far as their geometry and a policy allow."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from workbench.commands.help import command_help
from workbench.commands.imaging_inspect import STOPPED, Keep, Quiet, Source, say_files, say_stopped
from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.outfile import check_folder

if TYPE_CHECKING:
    from imaging.volumes import Policy
    from workbench.series.indexing import Catalogue

__all__ = ["register"]

_SHOWN = 10
_WORDS = {"refused": ("被拒绝", "refused"), "failed": ("无法读取", "cannot be read")}


def register(app: typer.Typer) -> None:
    """Add the sub-command.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "convert",
        help=command_help(
            "Write the series in a folder as NIfTI (.nii.gz), as far as their geometry allows.\n\nWithout a policy only what makes one "
            "regular volume is written. split writes each stack of a series by itself; resample interpolates missing, unequal or "
            "leaning slices onto a regular grid; keep stacks the slices as they are, without an affine where none is true. No policy "
            "makes a volume of frames that nothing tells apart, nor of a series that names several patients.\n\nNames tell series, not "
            "whose they are (CT-3f2a9c1d04b2.nii.gz; `workbench imaging inspect` lists them as name). Beside each stands a record (.json); "
            "volumes.csv lists all: what was written, what was refused and why. Series without images are left out. Where a series was "
            "refused or a file is broken, the rest is written all the same and the exit code is 4. A run that was stopped or killed "
            "goes on when the same command is given again; what has not changed is not made again.",
            "workbench imaging convert /data/export --out volumes",
            "workbench imaging convert /data/export --out volumes --policy split",
            codes=(3, 4, 8),
        ),
    )(convert)


def convert(
    folder: Source,
    out: Annotated[Path, typer.Option(help="Folder to write to; made if it is not there.")],
    policy: Annotated[str, typer.Option(help="refuse, split, resample or keep.")] = "refuse",
    catalogue: Keep = None,
    quiet: Quiet = False,
) -> None:
    """Write the series in a folder as NIfTI files."""
    from workbench.series.conversion import TABLE, VOLUMES, records, work_folder
    from workbench.series.indexing import catalogued, folder_of, need_instances
    from workbench.series.listing import table_blocks
    from workbench.texts.answers_file import write_answers

    chosen = _policy(policy)
    _check_apart(folder_of(folder), out)
    for place in filter(None, (out, catalogue)):
        check_folder(place)
    try:
        with work_folder(out) as work, catalogued(folder, work / "catalogue", keep=catalogue, progress=not quiet) as found:
            say_files(found)
            need_instances(folder, found)
            told = _convert_all(found, out, chosen, work, quiet=quiet)
            broken = found.refused()
            write_answers(out / TABLE, table_blocks(records(out), VOLUMES), VOLUMES)
    except KeyboardInterrupt:
        say_stopped()
        raise typer.Exit(STOPPED) from None
    typer.echo(tr("已写入", "written to") + f" {out / TABLE}")
    _say_next(told, policy)
    refused = told["refused"] + told["failed"]
    typer.echo(
        f"written={told['written']} refused={refused} unchanged={told['unchanged']} no_image={told['no_image']} files_refused={broken}"
    )
    if refused or broken:
        raise typer.Exit(DataError.exit_code)


def _policy(name: str) -> Policy:
    from imaging.volumes import Policy

    try:
        return Policy(name)
    except ValueError:
        wanted = ", ".join(Policy)
        raise DefinitionError(
            tr(f"没有名为 {name!r} 的策略", f"there is no policy {name!r}"), hint=tr(f"可选：{wanted}", f"wanted one of: {wanted}")
        ) from None


def _check_apart(folder: Path, out: Path) -> None:
    if out.exists() and out.samefile(folder):
        raise DefinitionError(
            tr(f"{out} 是输入文件夹", f"{out} is the folder that is read"), hint=tr("请指定另一个文件夹", "name another folder")
        )


def _convert_all(found: Catalogue, out: Path, policy: Policy, work: Path, *, quiet: bool) -> Counter[str]:
    """Convert every series; count the outcomes, and tell the first that are refused."""
    from workbench.series.conversion import convert_series

    told: Counter[str] = Counter()
    bar = tqdm(found.series(), total=found.indexed.series, desc=tr("转换", "convert"), unit=tr("序列", "series"), disable=quiet)
    for row in bar:
        done = convert_series(row, out, policy=policy, work=work)
        for each in done.rows:
            told[each["outcome"]] += 1
            told["unchanged"] += done.unchanged
            if each["outcome"] in _WORDS and told["refused"] + told["failed"] <= _SHOWN:
                bar.write(f"  {each['name']} {tr(*_WORDS[each['outcome']])}: {each['why']}", file=sys.stderr)
    return told


def _say_next(told: Counter[str], policy: str) -> None:
    if told["refused"] > 0:
        typer.echo(
            tr(
                f"策略 {policy} 拒绝了 {told['refused']} 个；`workbench imaging inspect` 列出每个序列可用的策略，原因见 volumes.csv",
                f"policy {policy} refused {told['refused']}; `workbench imaging inspect` lists policies that serve, volumes.csv reasons",
            ),
            err=True,
        )
