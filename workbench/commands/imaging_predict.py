"""``workbench imaging predict``: a bundle asked about every series in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.commands.help import command_help
from workbench.commands.imaging_each import Out, PolicyName, check_places, each_series, policy_of
from workbench.commands.imaging_inspect import Keep, Quiet, Source  # noqa: TC001  (typer reads annotations at run time)
from workbench.locale import tr

if TYPE_CHECKING:
    from imaging.models.bundle import Bundle

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the sub-command.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "predict",
        help=command_help(
            "Ask a model about every series in a folder.\n\nThe bundle is audited first: a file that differs from its hashes stops it. Of "
            "a segmentation each series gets a DICOM SEG and, where the geometry allows measuring, a DICOM SR of volumes, diameters and "
            "values; measurements.csv lists them. predictions.csv lists every series with its outcome, and the class and probabilities of "
            "a classification; boxes.csv what a detection found, in LPS mm. Results name the series and patient IDs of their images: keep "
            "them together. What the geometry forbids, or the model cannot take, is refused with the reason; the rest goes on, and the "
            "exit code is 4. A run that was killed goes on when the same command is given again.\n\nWhat a model says is no "
            "diagnosis; its card tells whom it was trained on.",
            "workbench imaging predict bundles/hippocampus /data/mr --out results --modality MR",
            codes=(3, 4, 7, 8),
        ),
    )(predict)


def predict(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle.")],
    folder: Source,
    out: Out,
    policy: PolicyName = "refuse",
    modality: Annotated[list[str] | None, typer.Option(help="Only series of this modality; may be repeated.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The bundle's version, as known from elsewhere.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda ...")] = "cpu",
    catalogue: Keep = None,
    quiet: Quiet = False,
) -> None:
    """Ask a model about every series in a folder."""
    chosen = policy_of(policy)
    check_places(folder, out, catalogue)
    from imaging.models.bundle import open_bundle  # takes seconds: after what may be refused at once

    model = open_bundle(bundle, sha256=sha256, device=device)
    from workbench.series.prediction import BOXES, MEASUREMENTS, PREDICTIONS, TABLES, predict_series

    _say_own_codes(model)
    each_series(
        folder,
        out,
        lambda row, work: predict_series(row, out, model, policy=chosen, work=work),
        tables=dict(zip(TABLES, (("rows", PREDICTIONS), ("measurements", MEASUREMENTS), ("boxes", BOXES)), strict=True)),
        doing=tr("预测", "predict"),
        policy=policy,
        modality=tuple(modality or ()),
        catalogue=catalogue,
        quiet=quiet,
    )


def _say_own_codes(model: Bundle) -> None:
    """Say which classes of a segmentation get a code that only we know."""
    from workbench.series.prediction import codings

    own = [model.recipe.classes[label] for label, coding in codings(model).items() if coding.is_own]
    if model.recipe.kind == "segmentation" and own:
        names = ", ".join(own)
        typer.echo(
            tr(
                f"没有标准编码的类别：{names}；SEG 中用本平台编码（99CWB）。可在任务文件的 codes 中写明 SNOMED CT 编码",
                f"no standard code is known for: {names}; the SEG has codes of the workbench's own (99CWB). Say codes in the task file",
            ),
            err=True,
        )
