"""``workbench imaging import`` and ``approve``: models from elsewhere, brought in by hash; the data centre's list of those approved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.commands.help import command_help
from workbench.locale import get_language, tr
from workbench.outfile import check_folder

if TYPE_CHECKING:
    from imaging.models.foreign import Found

__all__ = ["register"]

Source = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle: a folder or a .zip file.")]


def register(app: typer.Typer) -> None:
    """Add the sub-commands.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "import",
        help=command_help(
            "Bring in a model from elsewhere, as the MONAI Model Zoo packs them (configs/metadata.json, configs/inference.json or .yaml, "
            "models/model.pt or .safetensors), as a bundle of ours.\n\nIt is audited first: nothing of it is run or evaluated, a pickle of "
            "anything but tensors is refused, and so is a network or transform that is not known here, by its name. Its SHA-256 has to be "
            "known beforehand: in a session it must be on the data centre's list of approved models, elsewhere it is given with --sha256.",
            "workbench imaging import spleen_ct_segmentation_v0.5.9.zip --out bundles/spleen",
            codes=(3, 4, 5, 6, 7, 8),
        ),
    )(import_)
    app.command(
        "approve",
        help=command_help(
            "For the data centre: audit a model from elsewhere, say what it would be here, and put its SHA-256 on a list of approved "
            "models.\n\nSessions of a project read approved-models.txt in the folder of the project's data slice, which they cannot write.",
            "workbench imaging approve spleen.zip --list /srv/slices/p1/approved-models.txt",
            codes=(5, 7, 8),
        ),
    )(approve)


def import_(
    bundle: Source,
    out: Annotated[Path, typer.Option(help="Folder of the bundle to write.")],
    sha256: Annotated[str | None, typer.Option(help="The bundle's SHA-256, as known from where it comes from.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that lies there.")] = False,
) -> None:
    """Bring in a model from elsewhere."""
    check_folder(out)
    from imaging.models.bundle import CARDS
    from imaging.models.foreign import import_bundle, look_into  # takes seconds: after what may be refused at once
    from workbench.series.approvals import known_hash

    found = look_into(bundle)
    made = import_bundle(bundle, out, sha256=known_hash(found, sha256), force=force)
    _describe(found)
    typer.echo(tr("模型卡", "model card") + f": {out / CARDS[get_language()]}")
    sys.stdout.flush()
    typer.echo(f"bundle={made.source}")


def approve(
    bundle: Source,
    listed: Annotated[Path | None, typer.Option("--list", help="File of approved models to add it to; without it the audit alone.")] = None,
) -> None:
    """Audit a model from elsewhere and put it on the list."""
    from imaging.models.foreign import look_into
    from workbench.series.approvals import add_approval, read_approvals

    if listed is not None and listed.exists():
        read_approvals(listed)  # before any work
    found = look_into(bundle)
    _describe(found)
    if listed is not None:
        new = add_approval(listed, found)
        typer.echo((tr("已加入", "added to") if new else tr("已在列表中", "already on")) + f" {listed}")
    sys.stdout.flush()
    typer.echo(f"sha256={found.sha256}")


def _describe(found: Found) -> None:
    recipe = found.recipe
    typer.echo(f"{found.name}: {recipe.kind}, {', '.join(recipe.classes)}")
    typer.echo(tr("网络", "network") + f": {recipe.network['name']}; " + tr("权重取自", "weights from") + f" {found.weights}")
    scale = recipe.transforms.model_dump(exclude_none=True)
    typer.echo(tr("预处理", "preparing") + ": " + "; ".join(f"{name} {value}" for name, value in scale.items()))
    if found.left_out:
        typer.echo(tr("未采用", "left out") + f": {', '.join(found.left_out[:10])}{' ...' if len(found.left_out) > 10 else ''}")
