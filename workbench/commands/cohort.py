"""``workbench cohort``: run, show and identify a saved cohort definition."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pyarrow.parquet as pq
import typer

from workbench import disclosure
from workbench.cohort.attrition import compute_attrition
from workbench.cohort.query import Cohort
from workbench.cohort.serial import definition_hash, load
from workbench.commands.help import command_help
from workbench.commands.store import StoreOption  # noqa: TC001  (typer reads annotations at run time)
from workbench.errors import EnvironmentFault, PolicyError
from workbench.store.duckdb import DuckDBEngine
from workbench.store.snapshots import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from workbench.cohort.engine import Answer
    from workbench.cohort.query import Definition

__all__ = ["app", "outline"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help(
        "Run a saved cohort definition on a store.",
        "workbench cohort run cohort.json --store store --out rows.parquet",
        codes=(3, 4, 5, 7, 8),
    ),
)

File = Annotated[Path, typer.Argument(metavar="FILE.json", help="Definition, as written by workbench or wb.cohort(...).save(...).")]


@app.command(
    "run",
    help=command_help(
        "Answer a definition and write its rows (person_id, start_date, end_date).\n\nNumbers are printed only under a disclosure "
        "policy: the session's, the one named by WORKBENCH_POLICY, or --policy. Without one the rows are written and no count is shown.",
        "workbench cohort run cohort.json --store store --out rows.parquet",
        "workbench cohort run cohort.json --store store --policy policy.toml --out rows.parquet",
        codes=(3, 4, 5, 7, 8),
    ),
)
def run(
    file: File,
    out: Annotated[Path, typer.Option(help="Parquet file to write; replaced in one step.")],
    store: StoreOption = None,
    snapshot: Annotated[str | None, typer.Option(help="Snapshot to ask; the newest by default.")] = None,
    policy: Annotated[Path | None, typer.Option(help="TOML file with [disclosure] threshold and rounding.")] = None,
) -> None:
    """Answer a definition and write its rows."""
    definition = load(file)
    rule = disclosure.load_policy(policy) if policy else _policy_in_force()
    opened = open_store(store, snapshot)
    with DuckDBEngine(opened) as engine:
        answer = engine.run(definition)
    _write(answer.rows, out)
    if rule is not None:
        for line in _counts(definition, answer, rule):
            typer.echo(line)
    typer.echo(f"definition {definition_hash(definition)}\nsnapshot   {opened.id}\nwritten to {out}")
    if rule is None:
        typer.echo("No count is shown: there is no disclosure policy. Next: name one with --policy FILE.toml.")
    else:
        typer.echo(f"Next: workbench cohort show {file}")


@app.command("show", help=command_help("Print a definition as an outline.", "workbench cohort show cohort.json", codes=(3, 4)))
def show(file: File) -> None:
    """Print a definition as an outline."""
    definition = load(file)
    typer.echo("\n".join(outline(definition)))
    typer.echo(f"\ndefinition {definition_hash(definition)}\nNext: workbench cohort run {file} --store DIR --out FILE.parquet")


@app.command(
    "hash",
    help=command_help(
        "Print the SHA-256 of a definition's canonical JSON: its version.", "workbench cohort hash cohort.json", codes=(3, 4)
    ),
)
def hash_(file: File) -> None:
    """Print the version of a definition."""
    typer.echo(definition_hash(load(file)))


def outline(node: object, depth: int = 0) -> Iterator[str]:
    r"""Yield a definition as indented lines: one a node, with the fields that differ from their default.

    Examples
    --------
    >>> from workbench.cohort.query import Cohort, Entry, Events
    >>> print("\n".join(outline(Cohort("死亡", Entry((Events("deaths"),)), keep="first"))))
    Cohort: name=死亡, keep=first
      entry: Entry
        events: Events: domain=deaths
    """
    yield from _lines(node, "", depth)


def _lines(node: object, label: str, depth: int) -> Iterator[str]:
    fields = [(field.name, getattr(node, field.name)) for field in dataclasses.fields(node) if getattr(node, field.name) != field.default]  # type: ignore[arg-type]
    plain = ", ".join(f"{name}={_shown(value)}" for name, value in fields if not _nodes(value))
    head = f"{label}{type(node).__name__}"
    yield "  " * depth + (f"{head}: {plain}" if plain else head)
    for name, value in fields:
        for part in _nodes(value):
            yield from _lines(part, f"{name}: ", depth + 1)


def _nodes(value: object) -> tuple[object, ...]:
    parts = value if isinstance(value, tuple) else (value,)
    return tuple(part for part in parts if dataclasses.is_dataclass(part))


def _shown(value: object) -> str:
    return "[" + ", ".join(map(str, value)) + "]" if isinstance(value, tuple) else str(value)


def _policy_in_force() -> disclosure.DisclosurePolicy | None:
    try:
        return disclosure.load_policy()
    except PolicyError:
        return None  # fail closed: no count is shown


def _counts(definition: Definition, answer: Answer, policy: disclosure.DisclosurePolicy) -> Iterator[str]:
    """Yield what people may see of the numbers: the attrition of a cohort, the size of a combination."""
    if isinstance(definition, Cohort):
        table = compute_attrition(answer, definition).table(policy=policy)
        for row in table.itertuples():
            yield f"{row.persons:>12}  {row.excluded:>12}  {row.kind:8} {row.step}"
        return
    persons = len(answer.rows.column("person_id").unique())
    yield f"{disclosure.suppress_count(persons, policy=policy)!s:>12}  {definition.name}"


def _write(rows: pa.Table, out: Path) -> None:
    """Write a file that is there whole or not at all."""
    try:
        with tempfile.NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as aside:
            try:
                pq.write_table(rows, aside)
                aside.flush()
                os.fsync(aside.fileno())
                Path(aside.name).replace(out)
            except BaseException:
                Path(aside.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise EnvironmentFault(f"{out} cannot be written: {error.strerror}", hint="name another file, or make room") from error
