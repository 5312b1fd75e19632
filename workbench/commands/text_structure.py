"""``workbench text structure``: variables asked of a file of notes, answers with their provenance into a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.commands.help import command_help
from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.outfile import check_target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nlp.errors import VariableError
    from workbench.texts.stream import Streamed

__all__ = ["register"]

_SHOWN = 10
_LONGEST = 20
_STOPPED = 130  # what a shell says of a command that Ctrl-C ended


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command(
        "structure",
        help=command_help(
            "Ask a file of notes a set of variables.\n\nVARIABLES are YAML files or ready sets (library:NAME, library:all, "
            "library:NAME/one+two; see `workbench text variables list`). The notes are a table: CSV (UTF-8, UTF-16 or GB18030), "
            "Parquet, JSON lines or Excel. Columns are told by their names in Chinese or English; the options below name them where "
            "that fails.\n\nThe output (.csv, .parquet, .xlsx) has one line an answer: note, variable with its hash, value, unit, "
            "assertion, span in code points of the note's text, evidence (the words from the finding to its value), confidence, version of "
            "the pipeline. A run that was stopped or killed goes on when the same command is given again; with other variables, another "
            "file or a newer version all notes are asked anew. What is broken is named and counted, and the rest goes on; then the exit "
            "code is 3 (a variable) or 4 (a note).",
            "workbench text structure variables.yaml --notes notes.csv --out answers.csv",
            "workbench text structure library:imaging --notes reports.parquet --out answers.xlsx --wide patient",
            "workbench text structure mine.yaml --notes his.csv --text 检查所见 --text 检查结论 --id 检查号 --out answers.parquet",
            codes=(3, 4, 8),
        ),
    )(structure)


def structure(
    variables: Annotated[list[str], typer.Argument(help="YAML files of variables, or ready sets as library:NAME.")],
    notes: Annotated[Path, typer.Option(help="Table of notes: .csv .tsv .txt .parquet .jsonl .xlsx")],
    out: Annotated[Path, typer.Option(help="Table to write: .csv .parquet .xlsx; replaced in one step.")],
    wide: Annotated[
        str, typer.Option(help="Write a second table too, one row a note, patient or encounter: note, patient, encounter.")
    ] = "",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a processor by default.")] = None,
    all_answers: Annotated[bool, typer.Option("--all-answers", help="Write what does not count too, with the reason in why_not.")] = False,
    text: Annotated[list[str] | None, typer.Option(help="Column of the text; several are joined under their names.")] = None,
    note_id: Annotated[str, typer.Option("--id", help="Column that names the note; the row's number by default.")] = "",
    document_type: Annotated[str, typer.Option("--type", help="Column of the kind of document.")] = "",
    written: Annotated[str, typer.Option(help="Column of the time of writing.")] = "",
    admitted: Annotated[str, typer.Option(help="Column of the time of admission.")] = "",
    operated: Annotated[str, typer.Option(help="Column of the time of operation.")] = "",
    department: Annotated[str, typer.Option(help="Column of the department.")] = "",
    person: Annotated[str, typer.Option(help="Column that names the patient.")] = "",
    visit: Annotated[str, typer.Option(help="Column that names the encounter.")] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="Draw no progress bar.")] = False,
) -> None:
    """Ask a file of notes a set of variables."""
    from workbench.texts.answers_file import check_out
    from workbench.texts.stream import structure_file
    from workbench.texts.variable_files import open_variables
    from workbench.texts.wide_file import check_per

    check_out(out)
    check_target(out, notes)
    check_per(wide)
    loaded = open_variables(variables)
    named = {"note_id": note_id, "document_type": document_type, "written": written, "admitted": admitted, "operated": operated}
    named |= {"department": department, "person_id": person, "visit_id": visit}
    columns = {name: (column,) for name, column in named.items() if column} | ({"text": tuple(text)} if text else {})
    _say_refused(loaded.refused)
    try:
        done = structure_file(
            notes, out, loaded.set, columns=columns, workers=workers, wide=wide, all_answers=all_answers, progress=not quiet
        )
    except KeyboardInterrupt:
        typer.echo(
            tr("已停止；完成的部分保留，再次运行同一命令即从断点继续", "stopped; what is done is kept: give the same command to go on"),
            err=True,
        )
        raise typer.Exit(_STOPPED) from None
    _summarise(done)
    if loaded.refused:
        raise typer.Exit(DefinitionError.exit_code)
    if done.refused or done.read.refused:
        raise typer.Exit(DataError.exit_code)


def _say_refused(refused: Iterable[VariableError]) -> None:
    for error in refused:
        typer.echo(tr("变量被拒绝", "variable refused") + f": {error}", err=True)


def _summarise(done: Streamed) -> None:
    for line in done.read.lines()[:_SHOWN]:
        typer.echo(tr("读取", "reading") + f": {line}", err=True)
    for why, count in done.refused.most_common(_SHOWN):
        rows = [str(row) for row, variable, reason in done.places if why == (f"{variable}: {reason}" if variable else reason)]
        typer.echo(tr("未能作答", "not answered") + f": {count} x {why} ({tr('行', 'rows')} {', '.join(rows[:5])})", err=True)
    if unknown := done.read.unknown_types:
        shown = [f"{kind[:_LONGEST]} {count}" for kind, count in unknown.most_common(_SHOWN)] + ["…"] * (len(unknown) > _SHOWN)
        typer.echo(tr("文书类型不认识", "unknown kinds of document") + f": {', '.join(shown)}", err=True)
        typer.echo(
            tr(
                "  -> 其类型改由标题、段落和内容判断；请核对，或写通行名称（如 CT报告），或用 --type 指定别的列",
                "  -> title, sections and words tell their kind instead; write usual names (CT报告), or name a column by --type",
            ),
            err=True,
        )
    typer.echo(tr("文本列", "text columns") + f": {', '.join(done.texts)}")
    typer.echo(tr("管线版本", "pipeline") + f": {done.pipeline}")
    for written in done.written:
        typer.echo(tr("已写入", "written to") + f" {written}")
    refused = done.read.refused.total() + done.refused.total()
    typer.echo(f"notes={done.notes} answers={done.answers} refused={refused}")
