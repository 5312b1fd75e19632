"""``workbench template``: list, show and run the analysis templates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.help import command_help
from workbench.errors import DefinitionError

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help("List and run the analysis templates.", "workbench template run cohort_description --out report"),
)

Name = Annotated[str, typer.Argument(help="Name of a template, or path of your own .py file.")]


@app.command("list", help=command_help("List the templates.", "workbench template list"))
def list_command() -> None:
    """List the templates.

    Example: workbench template list
    """
    from workbench.templates import list_templates  # papermill only where a template is opened

    for template in list_templates():
        typer.echo(f"{template.name:<24}{template.title}")
    typer.echo("\nNext: workbench template show NAME")


@app.command(
    "show", help=command_help("Show what a template does and what it asks for.", "workbench template show cohort_description", codes=(3,))
)
def show_command(name: Name) -> None:
    """Show what a template does and what it asks for.

    Example: workbench template show cohort_description
    """
    from workbench.templates import open_template

    template = open_template(name)
    typer.echo(f"{template.title}\n{template.summary}\n")
    for parameter in template.parameters:
        typer.echo(f"  {parameter.name}: {parameter.type} = {parameter.default!r}\n      {parameter.help}")
    typer.echo(f"\nNext: workbench template run {name} -p {template.parameters[0].name}=VALUE --out DIR" if template.parameters else "")


@app.command(
    "run",
    help=command_help(
        "Run a template; its report can then be requested for release.",
        "workbench template run cohort_description -p codes=E11 -p min_age=18 --out report",
        codes=(3, 4, 5, 6, 8),
    ),
)
def run_command(
    name: Name,
    out: Annotated[Path, typer.Option("--out", help="Output folder; it appears when the run is complete.")],
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="KEY=VALUE", help="A parameter; may be repeated.")
    ] = None,
    keep_notebook: Annotated[bool, typer.Option("--keep-notebook", help="Keep the executed notebook in the session's home.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the output folder if it is there.")] = False,
) -> None:
    """Run a template; its report can then be requested for release.

    Example: workbench template run cohort_description -p codes=E11 -p min_age=18 --out report
    """
    from workbench.templates import check_values, open_template, run_template

    template = open_template(name)
    run = run_template(template, check_values(template, _pairs(parameter or [])), out, force=force, keep_notebook=keep_notebook)
    for path in run.files:
        typer.echo(path)
    if run.notebook is not None:
        typer.echo(f"{run.notebook} (person-level: stays in the session)")
    files = ", ".join(repr(str(path)) for path in run.files)
    typer.echo(f"\nNext: read {run.files[-1]}, then ask for release in Python: wb.release.request([{files}], title=..., purpose=...)")


def _pairs(given: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise DefinitionError(f"-p {text!r} is not KEY=VALUE", hint="as in -p min_age=18")
        if key.strip() in pairs:
            raise DefinitionError(f"parameter {key.strip()} is given twice")
        pairs[key.strip()] = value
    return pairs
