"""``workbench imaging convert``: the series in a folder as NIfTI files, as far as their geometry and a policy allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.commands.help import command_help
from workbench.commands.imaging_each import Out, PolicyName, check_places, each_series, policy_of
from workbench.commands.imaging_inspect import Keep, Quiet, Source  # noqa: TC001  (typer reads annotations at run time)
from workbench.locale import tr

if TYPE_CHECKING:
    import typer

__all__ = ["register"]


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


def convert(folder: Source, out: Out, policy: PolicyName = "refuse", catalogue: Keep = None, quiet: Quiet = False) -> None:
    """Write the series in a folder as NIfTI files."""
    from workbench.series.conversion import TABLE, VOLUMES, convert_series

    chosen = policy_of(policy)
    check_places(folder, out, catalogue)
    each_series(
        folder,
        out,
        lambda row, work: convert_series(row, out, policy=chosen, work=work),
        tables={TABLE: ("rows", VOLUMES)},
        doing=tr("转换", "convert"),
        policy=policy,
        catalogue=catalogue,
        quiet=quiet,
    )
