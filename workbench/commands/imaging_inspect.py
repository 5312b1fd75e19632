"""``workbench imaging inspect``: the series in a folder with their geometry verdicts, as a table."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.commands.help import command_help
from workbench.errors import DataError
from workbench.locale import tr
from workbench.outfile import check_folder, check_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.series.indexing import Catalogue

__all__ = ["STOPPED", "register", "say_files", "say_stopped"]

#: What a shell says of a command that Ctrl-C ended.
STOPPED = 130

_SHOWN = 10

Source = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of DICOM files, whatever their names, or the DICOMDIR in it.")]
Keep = Annotated[
    Path | None,
    typer.Option("--catalogue", metavar="DIR", help="Keep what was read, patients' names included: the next run reads only what changed."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Draw no progress bar.")]


def register(app: typer.Typer) -> None:
    """Add the sub-command.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "inspect",
        help=command_help(
            "List the series in a folder: modality, body part, shape, spacing, geometry verdict with its reasons, and the policies under "
            "which `workbench imaging convert` makes volumes of it.\n\nOnly headers are read. The table (.csv, .parquet, .xlsx) names "
            "series and descriptions as the scanner wrote them: keep it where the images are. Files that are no images are listed, with "
            "tag and reason, in a second table beside it (NAME.files.csv). Where one of them is broken, or a DICOMDIR names what is not "
            "there, the rest is listed all the same and the exit code is 4; what is not DICOM at all is counted only. A run that was "
            "killed goes on when the same command is given again.",
            "workbench imaging inspect /data/export --out series.csv",
            "workbench imaging inspect /media/cdrom/DICOMDIR --out series.xlsx",
            codes=(4, 8),
        ),
    )(inspect)


def inspect(
    folder: Source,
    out: Annotated[Path, typer.Option(help="Table to write: .csv .parquet .xlsx; replaced in one step.")],
    catalogue: Keep = None,
    quiet: Quiet = False,
) -> None:
    """List the series in a folder."""
    from workbench.series.indexing import catalogued, folder_of, need_instances
    from workbench.texts.answers_file import check_out

    check_out(out)
    folder_of(folder)
    check_target(out)
    if catalogue is not None:
        check_folder(catalogue)
    files = out.with_name(f"{out.stem}.files{out.suffix}")
    try:
        with catalogued(folder, out.with_name(f".{out.name}.work"), keep=catalogue, progress=not quiet) as found:
            broken = _write_files(files, found)
            say_files(found)
            need_instances(folder, found)
            told = _write_series(out, found)
            typer.echo(tr("已写入", "written to") + f" {out}")
    except KeyboardInterrupt:
        say_stopped()
        raise typer.Exit(STOPPED) from None
    _summarise(told, folder)
    typer.echo(f"series={told.series} instances={found.indexed.instances} refused={broken}")
    if broken:
        raise typer.Exit(DataError.exit_code)


def say_files(found: Catalogue) -> None:
    """Say what was read, and what was left out and why.

    Parameters
    ----------
    found : Catalogue
        Of the folder.
    """
    from workbench.series.words import file_words

    done = found.indexed
    typer.echo(
        tr(
            f"{done.files} 个文件：{done.series} 个序列，{done.instances} 个实例；未读入 {done.quarantined} 个",
            f"{done.files} files: {done.series} series, {done.instances} instances; left out {done.quarantined}",
        )
    )
    for reason, count in found.reasons().most_common(_SHOWN):
        typer.echo(f"  {count} x {file_words(reason)}", err=True)
    if done.duplicates or done.conflicts:
        typer.echo(
            tr(
                f"  重复的实例 {done.duplicates} 个；UID 相同而内容不同的文件 {done.conflicts} 个",
                f"  {done.duplicates} duplicates; {done.conflicts} files that share a UID and differ",
            ),
            err=True,
        )


def say_stopped() -> None:
    """Say that what is done is kept."""
    kept = tr("已停止；完成的部分保留，再次运行同一命令即从断点继续", "stopped; what is done is kept: give the same command to go on")
    typer.echo(kept, err=True)


@dataclass(slots=True)
class _Told:
    """What the screen says of the series."""

    series: int = 0
    images: int = 0
    ready: int = 0
    several_patients: int = 0
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    policies: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        """Count one row of the table."""
        self.series += 1
        self.several_patients += bool(row["several_patients"])
        self.kinds[row["modality"] or "?", row["verdict_words"] or tr("非图像", "no image")] += 1
        if not row["verdict"]:
            return
        self.images += 1
        if row["policies"] == "none needed":
            self.ready += 1
            return
        self.policies.update(row["policies"].split())
        if len(self.first) < _SHOWN:
            self.first.append(f"{row['name']}: {row['reasons']}")


def _write_files(out: Path, found: Catalogue) -> int:
    """Write the table of files that are no instances; return with how many something is wrong."""
    from workbench.series.listing import FILES, file_rows, table_blocks
    from workbench.texts.answers_file import write_answers

    write_answers(out, table_blocks(file_rows(found), FILES), FILES)
    typer.echo(tr("未读入的文件列于", "files left out are listed in") + f" {out}")
    return found.refused()


def _write_series(out: Path, found: Catalogue) -> _Told:
    from workbench.series.listing import SERIES, series_row, table_blocks
    from workbench.texts.answers_file import write_answers

    told = _Told()

    def rows() -> Iterator[dict[str, Any]]:
        for each in found.series():
            row = series_row(each)
            told.add(row)
            yield row

    write_answers(out, table_blocks(rows(), SERIES), SERIES)
    return told


def _summarise(told: _Told, folder: Path) -> None:
    for (modality, words), count in told.kinds.most_common(_SHOWN):
        typer.echo(f"  {modality}\t{count}\t{words}")
    if told.several_patients:
        typer.echo(
            tr(
                f"{told.several_patients} 个序列混有多个患者号，请先核对",
                f"{told.several_patients} series hold several patient IDs: look at them",
            ),
            err=True,
        )
    waiting = told.images - told.ready
    typer.echo(
        tr(f"可直接成为体数据的序列 {told.ready} 个", f"series that are volumes as they are: {told.ready}")
        + (tr(f"；其余 {waiting} 个需选定策略", f"; {waiting} others need a policy") if waiting else "")
    )
    for line in told.first:
        typer.echo(f"  {line}", err=True)
    if told.images:
        serving = "|".join(policy for policy in ("split", "resample", "keep") if told.policies[policy])
        command = f"workbench imaging convert {shlex.quote(str(folder))} --out DIR" + (f" [--policy {serving}]" if serving else "")
        typer.echo(tr("下一步", "next") + f": {command}")
