"""The ``workbench`` command: one sub-command an area, each in a module of its own."""

from __future__ import annotations

import sys
from importlib import import_module

import typer
from typer.core import TyperGroup

from imaging.errors import ImagingError
from nlp.errors import NlpError
from workbench.errors import EXIT_CODES, WorkbenchError

__all__ = ["app", "main"]

#: Sub-command -> (module with a typer ``app``, one sentence). A module is imported only when its command is used, so
#: that ``workbench --help`` answers at once.
AREAS: dict[str, tuple[str, str]] = {
    name: (f"workbench.commands.{name}", sentence)
    for name, sentence in {
        "atlas": "Run, import and export ATLAS cohort definitions.",
        "broker": "Answer feasibility questions on the whole store.",
        "cohort": "Run a saved cohort definition on a store.",
        "imaging": "Images: list, convert, de-identify, receive, train, predict.",
        "ledger": "Show the ledger and verify that nothing in it was changed.",
        "project": "Provision a project's slice of the store.",
        "release": "Requests to release results: collect, review, decide, package.",
        "risk": "Disease-risk studies: guards, models, a TRIPOD+AI report.",
        "store": "Import and publish data; list, show and verify snapshots.",
        "synthetic": "Build the synthetic hospital.",
        "template": "List and run the analysis templates.",
        "text": "Structure clinical text: train, score, normalise, assert.",
    }.items()
}


class _Areas(TyperGroup):
    """Resolve a sub-command to its area's module on first use."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return sorted(AREAS)

    def get_command(self, ctx: typer.Context, name: str) -> typer.core.TyperCommand | TyperGroup | None:  # noqa: ARG002
        if name not in AREAS:
            return None
        module, _ = AREAS[name]
        command = typer.main.get_group(import_module(module).app)
        command.name = name
        return command

    def format_commands(self, ctx: typer.Context, formatter: typer.main.click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in sorted(AREAS.items())])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in sorted(EXIT_CODES.items())])


app = typer.Typer(
    cls=_Areas,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="Clinical research workbench.\n\nExample: workbench store list --store DIR",
)


@app.callback()
def _root() -> None:
    """Clinical research workbench."""


def main() -> None:
    """Run the command line; a typed error becomes its message and its exit code."""
    try:
        app(prog_name="workbench")
    except (WorkbenchError, NlpError, ImagingError) as error:
        print(f"workbench: {error}", file=sys.stderr)  # noqa: T201  (the command line speaks)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
