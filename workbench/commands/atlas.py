"""``workbench atlas``: run, import and export ATLAS cohort definitions."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from workbench.cohort.atlas.circe import check_model
from workbench.cohort.atlas.concepts import StoreVocabulary
from workbench.cohort.atlas.losses import report
from workbench.cohort.atlas.parts import expression_of
from workbench.cohort.atlas.read import read_atlas
from workbench.cohort.atlas.runner import AtlasAnswer, AtlasRunner
from workbench.cohort.atlas.write import write_atlas
from workbench.cohort.serial import load, write_definition
from workbench.commands.help import command_help
from workbench.errors import DataError, DefinitionError
from workbench.store.duckdb import DuckDBEngine
from workbench.store.folder import OmopFolder, connect
from workbench.store.snapshots import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workbench.cohort.atlas.concepts import Vocabulary

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=command_help(
        "Run, import and export ATLAS cohort definitions.",
        "workbench atlas run phenotypes/ --omop cdm/ --out counts.csv",
        "workbench atlas import 1033.json --out cohort.json",
        codes=(3, 4, 7, 8),
    ),
)


@app.command(
    "run",
    help=command_help(
        "Count the persons and rows of every definition in a folder on an OMOP data set.\n\n"
        "BY says who answered: own (our own query, where it means the same), circepy (SQL as circepy compiles it) or error. "
        "A second file, OUT with the ending .report.csv, says for the last two which part is why. "
        "A definition that fails does not end the run; the exit code is then 3. The counts are exact: keep them inside the house.",
        "workbench atlas run phenotypes/ --omop cdm/ --out counts.csv",
        codes=(3, 4, 7, 8),
    ),
)
def run(
    definitions: Annotated[Path, typer.Argument(help="Folder of ATLAS definitions (*.json), or one file.")],
    omop: Annotated[Path, typer.Option(help="Folder of OMOP tables, CDM 5.3 or 5.4, Parquet or CSV.")],
    out: Annotated[Path, typer.Option(help="CSV to write: cohort_id, persons, rows, by.")],
) -> None:
    """Count the persons and rows of every definition in a folder on an OMOP data set."""
    files = _definitions(definitions)
    with OmopFolder(omop) as folder, DuckDBEngine(folder, progress=False) as engine, connect(folder, spill=folder.scratch) as connection:
        answers = list(_answers(AtlasRunner(engine, connection), files))
    _write(out, ("cohort_id", "persons", "rows", "by"), [(a.cohort_id, *_counts(a), a.by) for a in answers])
    report_file = out.with_suffix(".report.csv")
    _write(report_file, ("cohort_id", "by", "reason"), [(a.cohort_id, a.by, reason) for a in answers for reason in a.reasons])
    by = {name: sum(answer.by == name for answer in answers) for name in ("own", "circepy", "error")}
    typer.echo(f"{len(answers)} definitions: {by['own']} by our own query, {by['circepy']} by circepy, {by['error']} not answered.")
    typer.echo(f"Next: see {out}" + (f"; why not our own: {report_file}" if by["circepy"] or by["error"] else ""))
    if by["error"]:
        raise typer.Exit(DefinitionError.exit_code)


@app.command(
    "import",
    help=command_help(
        "Translate an ATLAS definition into our own and report what has no counterpart.\n\n"
        "With parts that have none nothing is written, unless --allow-loss leaves them out.",
        "workbench atlas import 1033.json --out cohort.json",
        codes=(3, 4),
    ),
)
def import_(
    definition: Annotated[Path, typer.Argument(help="ATLAS definition (circe JSON).")],
    out: Annotated[Path, typer.Option(help="File to write: our own definition.")],
    *,
    name: Annotated[str, typer.Option(help="Name of the cohort; by default the file's.")] = "",
    allow_loss: Annotated[bool, typer.Option("--allow-loss", help="Write it without the parts that have no counterpart.")] = False,
) -> None:
    """Translate an ATLAS definition into our own and report what has no counterpart."""
    text = _text(definition)
    check_model(json.dumps(expression_of(text)))
    translation = read_atlas(text, name=name or definition.stem)
    typer.echo(report(translation.losses))
    if translation.cohort is None or (translation.losses and not allow_loss):
        raise DefinitionError(
            f"{definition} was not translated: {len(translation.losses)} parts have no counterpart",
            hint="run it as it is (workbench atlas run), or leave those parts out (--allow-loss), which changes its meaning",
        )
    out.write_text(write_definition(translation.cohort) + "\n", encoding="utf-8")
    typer.echo(f"Next: workbench cohort run {out} --store DIR --out rows.parquet")


@app.command(
    "export",
    help=command_help(
        "Write one of our definitions for ATLAS (circe JSON) and report what ATLAS cannot say.\n\n"
        "With parts that it cannot say nothing is written, unless --allow-loss leaves them out. "
        "Source codes become concepts by the vocabulary of --omop or --store.",
        "workbench atlas export cohort.json --out atlas.json --store store",
        codes=(3, 4, 7),
    ),
)
def export(
    definition: Annotated[Path, typer.Argument(help="Our own definition (JSON).")],
    out: Annotated[Path, typer.Option(help="File to write: circe JSON, to be imported in ATLAS.")],
    *,
    omop: Annotated[Path | None, typer.Option(help="Folder of OMOP tables with a vocabulary: finds the concepts of source codes.")] = None,
    store: Annotated[Path | None, typer.Option(help="Store whose newest snapshot has a vocabulary.")] = None,
    allow_loss: Annotated[bool, typer.Option("--allow-loss", help="Write it without the parts that ATLAS cannot say.")] = False,
) -> None:
    """Write one of our definitions for ATLAS and report what ATLAS cannot say."""
    with _vocabulary(omop, store) as vocabulary:
        exported = write_atlas(load(definition), vocabulary=vocabulary)
    typer.echo(report(exported.losses))
    if exported.expression is None or (exported.losses and not allow_loss):
        raise DefinitionError(
            f"{definition} was not exported: ATLAS cannot say {len(exported.losses)} parts of it",
            hint="leave those parts out (--allow-loss), which changes its meaning; give --store to find the concepts of source codes",
        )
    text = json.dumps(exported.expression, ensure_ascii=False, indent=2)
    check_model(text)
    out.write_text(text + "\n", encoding="utf-8")
    typer.echo(f"Next: import {out} in ATLAS, or try it: workbench atlas run {out} --omop FOLDER --out counts.csv")


@contextmanager
def _vocabulary(omop: Path | None, store: Path | None) -> Iterator[Vocabulary | None]:
    if omop is not None:
        with OmopFolder(omop) as folder, connect(folder) as connection:
            yield StoreVocabulary(connection)
    elif store is not None:
        with connect(open_store(store)) as connection:
            yield StoreVocabulary(connection)
    else:
        yield None


def _definitions(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(path.glob("*.json"), key=lambda file: (len(file.stem), file.stem))
    if not files:
        raise DataError(f"no ATLAS definition at {path}", hint="wanted a folder with *.json, or one such file")
    return files


def _answers(runner: AtlasRunner, files: Sequence[Path]) -> Iterator[AtlasAnswer]:
    for file in tqdm(files, desc="atlas", unit="definition", file=sys.stderr):
        answer = runner.run(_text(file), cohort_id=file.stem)
        if answer.by == "error":
            tqdm.write(answer.explain(), file=sys.stderr)
        yield answer


def _counts(answer: AtlasAnswer) -> tuple[int | str, int | str]:
    return ("", "") if answer.rows is None else (answer.persons or 0, answer.rows.num_rows)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__})", hint="wanted a JSON file in UTF-8") from error


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
