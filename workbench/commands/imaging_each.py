"""What commands that make something of every series in a folder share: the run, what the screen says, the exit code."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from workbench.commands.imaging_inspect import STOPPED, say_files, say_stopped
from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.outfile import check_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import pyarrow as pa

    from imaging.volumes import Policy
    from workbench.series.folders import Made
    from workbench.series.indexing import Catalogue

__all__ = ["Out", "PolicyName", "check_places", "each_series", "policy_of"]

_SHOWN = 10
_WORDS = {"refused": ("被拒绝", "refused"), "failed": ("无法读取", "cannot be read")}

Out = Annotated[Path, typer.Option(help="Folder to write to; made if it is not there.")]
PolicyName = Annotated[
    str, typer.Option("--policy", help="refuse, split, resample or keep: what to do about a geometry that is not regular.")
]


def policy_of(name: str) -> Policy:
    """Return a policy by its name.

    Parameters
    ----------
    name : str
        As the user gave it.

    Raises
    ------
    DefinitionError
        If there is none of that name.
    """
    from imaging.volumes import Policy

    try:
        return Policy(name)
    except ValueError:
        wanted = ", ".join(Policy)
        raise DefinitionError(
            tr(f"没有名为 {name!r} 的策略", f"there is no policy {name!r}"), hint=tr(f"可选：{wanted}", f"wanted one of: {wanted}")
        ) from None


def check_places(folder: Path, out: Path, catalogue: Path | None) -> None:
    """Refuse, before any work is done, places that cannot be read or written to, or that are one and the same.

    Parameters
    ----------
    folder : Path
        To be read, or its DICOMDIR.
    out, catalogue : Path
        To be written.

    Raises
    ------
    DataError, DefinitionError, EnvironmentFault
        If they cannot.
    """
    from workbench.series.indexing import folder_of

    if out.exists() and out.samefile(folder_of(folder)):
        raise DefinitionError(
            tr(f"{out} 是输入文件夹", f"{out} is the folder that is read"), hint=tr("请指定另一个文件夹", "name another folder")
        )
    for place in filter(None, (out, catalogue)):
        check_folder(place)


def each_series(
    folder: Path,
    out: Path,
    make: Callable[[Mapping[str, Any], Path], Made],
    *,
    tables: Mapping[str, tuple[str, pa.Schema]],
    doing: str,
    policy: str,
    modality: Collection[str] = (),
    catalogue: Path | None = None,
    quiet: bool = False,
) -> None:
    """Make something of every series in a folder, and tables of all that was made.

    Parameters
    ----------
    folder : Path
        To be read, or its DICOMDIR.
    out : Path
        To be written.
    make : callable
        Given a series' row and the folder for what is unfinished.
    tables : mapping of str to (str, pyarrow.Schema)
        Name of a file -> part of the records, and its columns; the first one says what was refused and why.
    doing : str
        Beside the progress bar.
    policy : str
        For what is said of those refused.
    modality : collection of str, default ()
        Those wanted; all where empty.
    catalogue : Path, optional
        Folder for a catalogue that stays.
    quiet : bool
        Whether there is no progress bar.

    Raises
    ------
    typer.Exit
        With 4 if a series was refused or a file is broken, with 130 if the user stopped it.
    """
    from workbench.series.folders import records, work_folder
    from workbench.series.indexing import catalogued, need_instances
    from workbench.series.listing import table_blocks
    from workbench.texts.answers_file import write_answers

    try:
        with work_folder(out) as work, catalogued(folder, work / "catalogue", keep=catalogue, progress=not quiet) as found:
            say_files(found)
            need_instances(folder, found)
            told = _work_through(found, lambda row: make(row, work), doing, modality, quiet=quiet)
            broken = found.refused()
            for name, (what, schema) in tables.items():
                write_answers(out / name, table_blocks(records(out, what), schema), schema)
    except KeyboardInterrupt:
        say_stopped()
        raise typer.Exit(STOPPED) from None
    for name in tables:
        typer.echo(tr("已写入", "written to") + f" {out / name}")
    _say(told, policy, next(iter(tables)), broken)
    if told["refused"] or told["failed"] or broken:
        raise typer.Exit(DataError.exit_code)


def _work_through(
    found: Catalogue, make: Callable[[Mapping[str, Any]], Made], doing: str, modality: Collection[str], *, quiet: bool
) -> Counter[str]:
    """Work through the series; count the outcomes, and tell the first that are refused."""
    told: Counter[str] = Counter()
    with tqdm(total=found.indexed.series, desc=doing, unit=tr("序列", "series"), disable=quiet) as bar:
        for row in found.series():
            bar.update()
            if modality and row["modality"] not in modality:
                continue
            made = make(row)
            for each in made.rows:
                told[each["outcome"]] += 1
                told["unchanged"] += made.unchanged
                if each["outcome"] in _WORDS and told["refused"] + told["failed"] <= _SHOWN:
                    bar.write(f"  {each['name']} {tr(*_WORDS[each['outcome']])}: {each['why']}", file=sys.stderr)
    return told


def _say(told: Counter[str], policy: str, table: str, broken: int) -> None:
    refused = told["refused"] + told["failed"]
    if refused:
        typer.echo(
            tr(
                f"{refused} 个未能生成（策略 {policy}），原因见 {table}；`workbench imaging inspect` 列出每个序列可用的策略",
                f"{refused} not made (policy {policy}), see {table}; `workbench imaging inspect` lists the policies that serve",
            ),
            err=True,
        )
    typer.echo(
        f"written={told['written']} refused={refused} unchanged={told['unchanged']} no_image={told['no_image']} files_refused={broken}"
    )
