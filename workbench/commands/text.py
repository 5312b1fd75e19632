"""``workbench text``: structure clinical text, train and score models; each sub-command in a module of its own."""

from __future__ import annotations

from importlib import import_module

import typer

from workbench.commands.help import command_help

__all__ = ["app"]

#: Modules with a function ``register(app)`` that adds their sub-commands. They import torch, spaCy and the like on use only.
MODULES: tuple[str, ...] = ("text_train", "text_normalise", "text_assert", "text_structure", "text_variables", "text_deidentify")

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help(
        "Structure clinical text: train and score models, assertion, codes, variables, identifiers.",
        "workbench text train --format jsonl --train notes.jsonl --out model",
        "workbench text score --format jsonl --model model --test held_out.jsonl",
        codes=(3, 4, 7, 8),
    ),
)

for _module in MODULES:
    import_module(f"workbench.commands.{_module}").register(app)
