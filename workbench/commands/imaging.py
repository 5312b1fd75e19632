"""``workbench imaging``: folders of DICOM files, and models of them; each sub-command in a module of its own."""

from __future__ import annotations

from importlib import import_module

import typer

from workbench.commands.help import command_help

__all__ = ["app"]

#: Modules with a function ``register(app)`` that adds their sub-commands. What they work with they import on use only.
MODULES: tuple[str, ...] = (
    "imaging_inspect",
    "imaging_convert",
    "imaging_patients",
    "imaging_deidentify",
    "imaging_train",
    "imaging_predict",
    "imaging_import",
    "imaging_receive",
    "imaging_fetch",
    "imaging_send",
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help(
        "Images: list, convert, de-identify, receive, fetch and send DICOM files; train models and ask them.",
        "workbench imaging inspect FOLDER --out series.csv",
        "workbench imaging convert FOLDER --out DIR --policy split",
        codes=(3, 4, 7, 8),
    ),
)

for _module in MODULES:
    import_module(f"workbench.commands.{_module}").register(app)
