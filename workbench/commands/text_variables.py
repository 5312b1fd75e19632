"""``workbench text variables``: list, show, check, test and compare sets of variables, and the catalogue of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.commands.help import command_help
from workbench.errors import DefinitionError
from workbench.locale import get_language, tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlp.errors import VariableError
    from nlp.variables import Variable
    from nlp.variables.definition import Bilingual
    from nlp.variables.try_out import Outcome

__all__ = ["register"]

_SETS = typer.Argument(
    help="YAML files; ready sets as library:NAME, library:all, library:NAME/one+two; a project's as project:NAME or project:NAME@VERSION."
)

_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help(
        "Sets of variables: the library, files, functions.",
        "workbench text variables list",
        "workbench text variables test library:all",
        codes=(3,),
    ),
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(_app, name="variables")


def _said(text: Bilingual) -> str:
    return (text.zh or text.en) if get_language() == "zh" else (text.en or text.zh)


@_app.command(
    "list",
    help=command_help(
        "List the ready sets and those that the project shares, or the variables of the sets given.",
        "workbench text variables list",
        "workbench text variables list library:chest_ct mine.yaml",
        codes=(3,),
    ),
)
def list_(sets: Annotated[list[str] | None, _SETS] = None) -> None:
    """List the ready sets and those that the project shares, or the variables of the sets given."""
    from nlp.errors import VariableError
    from nlp.variables import load_set, ready_names, ready_set
    from workbench.session import in_session
    from workbench.texts.shared_sets import PROJECT, shared_sets
    from workbench.texts.variable_files import LIBRARY, open_variables

    if not sets:
        for name in ready_names():
            found = ready_set(name)
            typer.echo(f"{LIBRARY + name:<24} {found.version:<6} {len(found):>4}  {_said(found.title)}")
        refused = []
        for shared in shared_sets() if in_session() else ():
            try:
                found = load_set(shared.path).set
            except VariableError as error:
                refused.append(error)
                continue
            typer.echo(f"{PROJECT + shared.name:<24} {shared.version:<6} {len(found):>4}  {_said(found.title)}")
        _end(refused)
        return
    loaded = open_variables(sets)
    for variable in loaded.set:
        typer.echo(f"{variable.name:<36} {_kind(variable):<14} {len(variable.tests):>4}  {_said(variable.title)}")
    _end(loaded.refused)


def _kind(variable: Variable) -> str:
    return f"{variable.value.kind} {variable.value.unit}".strip()


@_app.command(
    "show",
    help=command_help(
        "Print a set as YAML, to be read, changed and saved as a set of one's own; its hash and the variables' on lines of comment before.",
        "workbench text variables show library:example/cough > mine.yaml",
        codes=(3,),
    ),
)
def show(sets: Annotated[list[str], _SETS]) -> None:
    """Print a set as YAML."""
    from nlp.variables.reading import dump_yaml
    from workbench.texts.variable_files import open_variables

    loaded = open_variables(sets)
    typer.echo(f"# {loaded.set.name} {loaded.set.hash}")
    for variable in loaded.set:
        typer.echo(f"# {variable.name} {variable.hash}")
    typer.echo(dump_yaml(loaded.set), nl=False)
    _end(loaded.refused)


@_app.command(
    "share",
    help=command_help(
        "Give sets to the members of the project, who open them as project:NAME. A version that was shared stays what it was.",
        "workbench text variables share mine.yaml",
        codes=(3, 8),
    ),
)
def share(sets: Annotated[list[str], _SETS]) -> None:
    """Give sets to the members of the project."""
    from workbench.texts.shared_sets import PROJECT, share_variables
    from workbench.texts.variable_files import variable_set

    for name in sets:
        found = variable_set(name)
        share_variables(found)
        typer.echo(f"{PROJECT}{found.name}@{found.version}  {len(found)}  {found.hash[:12]}")


@_app.command(
    "check",
    help=command_help("Read files and name the place of every mistake.", "workbench text variables check mine.yaml", codes=(3,)),
)
def check(sets: Annotated[list[str], _SETS]) -> None:
    """Read files and name the place of every mistake."""
    from nlp.errors import VariableError
    from workbench.texts.variable_files import open_variable_set

    good, refused = 0, []
    for name in sets:
        try:
            loaded = open_variable_set(name)
        except VariableError as error:
            refused.append(error)
            continue
        good += len(loaded.set)
        refused += loaded.refused
        for variable in loaded.set:
            if not variable.tests:
                typer.echo(f"{name}: " + tr(f"变量 {variable.name} 没有测试句", f"variable {variable.name} has no test"))
    for error in refused:
        typer.echo(str(error), err=True)
    typer.echo(f"variables={good} refused={len(refused)}")
    if refused:
        raise typer.Exit(DefinitionError.exit_code)


@_app.command(
    "test",
    help=command_help(
        "Run the test sentences of variables through the pipeline. The last line counts; with a failed test the exit code is 3.",
        "workbench text variables test mine.yaml",
        "workbench text variables test library:all",
        codes=(3,),
    ),
)
def run_their_tests(
    sets: Annotated[list[str], _SETS],
    show_all: Annotated[bool, typer.Option("--each", help="Show the tests that pass as well.")] = False,
) -> None:
    """Run the test sentences of variables through the pipeline."""
    from nlp.variables import run_tests
    from workbench.texts.variable_files import open_variables

    loaded = open_variables(sets)
    outcomes = run_tests(loaded.set)
    for outcome in outcomes:
        if show_all or not outcome.passed:
            typer.echo(_outcome(outcome))
    failed = sum(not outcome.passed for outcome in outcomes)
    typer.echo(f"variables={len(loaded.set)} passed={len(outcomes) - failed} failed={failed}")
    _end(loaded.refused)
    if failed:
        raise typer.Exit(DefinitionError.exit_code)


def _outcome(outcome: Outcome) -> str:
    mark = "ok  " if outcome.passed else "FAIL"
    why = sorted({answer.why_not for answer in outcome.answers} - {""})
    said = tr(f"期望 {outcome.expect}，得到 {outcome.got}", f"wanted {outcome.expect}, got {outcome.got}")
    more = "; ".join(part for part in (outcome.refused, ", ".join(why)) if part)
    return f"{mark} {outcome.variable}[{outcome.number}] {outcome.text}\n     {said}" + (f" ({more})" if more else "")


@_app.command(
    "diff",
    help=command_help("Say what leads from one set to another.", "workbench text variables diff v1.yaml v2.yaml", codes=(3,)),
)
def diff(before: Annotated[str, typer.Argument(help="A set.")], after: Annotated[str, typer.Argument(help="Another.")]) -> None:
    """Say what leads from one set to another."""
    from workbench.texts.variable_files import open_variables

    one, other = open_variables([before]), open_variables([after])
    found = one.set.diff(other.set)
    for name in found.added:
        typer.echo(f"+ {name}")
    for name in found.removed:
        typer.echo(f"- {name}")
    for change in found.changed:
        typer.echo(f"~ {change.variable}.{change.field}: {change.before!r} -> {change.after!r}")
    typer.echo(f"added={len(found.added)} removed={len(found.removed)} changed={len({change.variable for change in found.changed})}")
    _end(one.refused + other.refused)


@_app.command(
    "functions",
    help=command_help(
        "List the functions that variables may call, with their parameters and scores.", "workbench text variables functions"
    ),
)
def functions() -> None:
    """List the functions that variables may call."""
    from nlp.variables import builtin

    catalogue = builtin()
    for name in sorted(catalogue):
        function = catalogue[name]
        typer.echo(f"{name}({', '.join(function.parameters)})  v{function.version}  {_said(function.description)}")
        for example in function.examples[:1]:
            typer.echo(f"    {example.text} {dict(example.parameters)} -> {list(example.expect)}")
        for what, score in function.scores.items():
            typer.echo(f"    {what}: {score:.3f}")


def _end(refused: Sequence[VariableError]) -> None:
    for error in refused:
        typer.echo(str(error), err=True)
    if refused:
        raise typer.Exit(DefinitionError.exit_code)
