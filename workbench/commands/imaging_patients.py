"""``workbench imaging patients``: whose images are whose, from the patient index of the hospital's extract."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.help import command_help
from workbench.errors import DataError
from workbench.locale import tr
from workbench.outfile import check_target, write_whole

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the sub-command.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "patients",
        help=command_help(
            "Write the table that `deidentify --patients` wants: for each patient ID in the images the person of the store, and what the "
            "hospital's patient index knows of them.\n\nThe extract and the key are those of `workbench store ingest`, so that images "
            "agree with tables and notes. The table names patients: it is for staff alone, like the extract.",
            "workbench imaging patients raw --key keys/store.key --out patients.csv",
            codes=(3, 4, 5, 8),
        ),
    )(patients)


def patients(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="The hospital's extract, with identifiers/ (the patient index).")],
    key: Annotated[Path, typer.Option("--key", help="File of the store's pseudonym key.")],
    out: Annotated[Path, typer.Option("--out", help="CSV to write, for its owner alone.")],
    column: Annotated[str, typer.Option(help="Column of the index that stands in the images as Patient ID.")] = "mrn",
) -> None:
    """Write the table of patients."""
    from workbench.ingest.image_patients import COLUMNS, image_patients
    from workbench.pseudonyms import PseudonymKey

    check_target(out, key)
    if not key.is_file():  # one made now would agree with no store
        raise DataError(
            tr(f"没有密钥文件 {key}", f"there is no key file {key}"), hint=tr("用 store ingest 时的密钥", "that of store ingest")
        )
    found = image_patients(raw, key=PseudonymKey.load(key), column=column)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(found.rows)
    write_whole(out, text.getvalue())
    if found.shared:
        typer.echo(
            tr(
                f"{found.shared} 个患者号属于不止一名患者，未写入：这些影像将被扣留",
                f"{found.shared} patient IDs belong to more than one patient and were left out: their images will be held back",
            ),
            err=True,
        )
    typer.echo(f"records={len(found.rows)} shared={found.shared} without_id={found.without}")
    typer.echo(
        tr("下一步", "next") + f": workbench imaging deidentify FOLDER --out DIR --project NAME --keys KEYS --patients {out} --slice SLICE"
    )
