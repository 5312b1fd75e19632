"""``workbench imaging``: what lies in folders of DICOM files, as tables and volumes; each sub-command in a module of its own."""

from __future__ import annotations

from importlib import import_module

import typer

from workbench.commands.help import command_help

__all__ = ["app"]

#: Modules with a function ``register(app)`` that adds their sub-commands. What they work with they import on use only.
MODULES: tuple[str, ...] = (
    "imaging_inspect",
    "imaging_convert",
    "imaging_deidentify",
    "imaging_train",
    "imaging_predict",
    "imaging_receive",
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help(
        "Images: what lies in a folder of DICOM files, and volumes of it.",
        "workbench imaging inspect FOLDER --out series.csv",
        "workbench imaging convert FOLDER --out DIR --policy split",
        codes=(3, 4, 8),
    ),
)

for _module in MODULES:
    import_module(f"workbench.commands.{_module}").register(app)
