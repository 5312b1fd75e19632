"""``workbench text deidentify``: a file of notes in, the same file without identifiers out."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.help import command_help
from workbench.locale import tr

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the sub-command."""
    app.command(
        "deidentify",
        help=command_help(
            "Take identifiers out of the notes in a file.\n\nNames with what tells them, identity numbers, telephones, addresses, record, "
            "bed and ward numbers, institutions and the like become marks such as 【姓名】; names carry a tag that is the same for the "
            "same name of the same patient. Beside the output lies OUT.identifiers.csv: row, column, kind and offsets of all that was "
            "replaced, never what stood there. The last lines count the kinds. Lines that cannot be read are counted and left out.\n\n"
            "Look at a sample before the file leaves the clinic: a name without any context can remain.",
            "workbench text deidentify notes.csv --out clean.csv",
            "workbench text deidentify notes.csv --out clean.parquet --person-column 患者编号 --key project.key --shift-days 180",
            codes=(4, 7, 8),
        ),
    )(deidentify)


def deidentify(
    file: Annotated[Path, typer.Argument(help="CSV (any usual encoding), Parquet or Excel file.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="File to write: .csv or .parquet; replaced in one step.")],
    text_column: Annotated[list[str] | None, typer.Option(help="Column with text; may be repeated. The longest by default.")] = None,
    person_column: Annotated[str, typer.Option(help="Column that says whose note it is; becomes a pseudonym.")] = "",
    date_column: Annotated[str, typer.Option(help="Column with the date of the note; moves with the text.")] = "",
    known_column: Annotated[
        list[str] | None, typer.Option(help="Column with a name or number of the patient: taken out of the text, and emptied.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="Key file, made if missing; without it a key for this run only.")] = None,
    shift_days: Annotated[int, typer.Option(min=0, max=3650, help="Greatest shift of a person's dates, in days; 0 keeps dates.")] = 0,
) -> None:
    """Take identifiers out of the notes in a file."""
    from workbench.ingest.note_files import NoteColumns, deidentify_file
    from workbench.pseudonyms import PseudonymKey

    columns = NoteColumns(tuple(text_column or ()), person_column, date_column, tuple(known_column or ()))
    secret = PseudonymKey.load(key) if key else PseudonymKey(secrets.token_bytes(32))
    done = deidentify_file(file, out, columns=columns, key=secret, shift_days=shift_days, progress=True)
    typer.echo(tr("文本列", "text columns") + f": {', '.join(done.texts)}")
    if done.untouched:
        typer.echo(tr("原样保留的列（请自行核对）", "columns left as they are (look at them)") + f": {', '.join(done.untouched)}")
    if shift_days and not person_column:
        typer.echo(tr("未给出患者列：全部日期按同一天数移动", "no person column: all dates move by the same days"))
    typer.echo(
        tr(
            f"共 {done.rows} 行，无法读取 {done.unreadable} 行；已写入 {out}",
            f"{done.rows} rows, {done.unreadable} unreadable; written to {out}",
        )
    )
    for kind, count in done.kinds.most_common():
        typer.echo(f"{kind}\t{count}")
    typer.echo(f"identifiers={sum(done.kinds.values())}")
