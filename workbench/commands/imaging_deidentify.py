"""``workbench imaging deidentify``: a folder of DICOM files under a project's pseudonyms and dates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from workbench.commands.help import command_help
from workbench.commands.imaging_inspect import STOPPED, Quiet, say_stopped
from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.outfile import check_folder

if TYPE_CHECKING:
    from imaging.deidentify.folder import Deidentified
    from imaging.deidentify.score import Row
    from workbench.pseudonyms import PseudonymKey
    from workbench.series.keys import Patients

__all__ = ["register"]

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


def register(app: typer.Typer) -> None:
    """Add the sub-command.

    Parameters
    ----------
    app : typer.Typer
        The area's.
    """
    app.command(
        "deidentify",
        help=command_help(
            "Take identifiers out of the DICOM files in a folder (PS3.15 Annex E): attributes, private ones, texts, dates, UIDs, text in "
            "pixels; then look for what is known of the patient in the bytes written.\n\nPseudonyms and shifts of dates follow from the "
            "project's key. With --patients they are those of the project's tables and notes: the table, of `workbench imaging patients`, "
            "names the person of the store for each patient ID, and patients that it lacks are not let out; with --slice, nor those whom "
            "the project was not granted. Files go to OUT/PERSON/STUDY/SERIES; a record of each "
            "source file, which names the originals, goes to a folder apart (OUT.records) and stays with whoever holds them. Files that "
            "cannot be cleaned for certain are held back with the reason, and the exit code is 4. A run that was killed goes on when "
            "the same command is given again. With --score, a key of planted values is kept to or the exit code is 4.",
            "workbench imaging deidentify raw --out clean --project diabetes --keys /srv/keys --patients p.csv --slice slices/diabetes",
            codes=(3, 4, 8),
        ),
    )(deidentify)


def deidentify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of DICOM files.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    project: Annotated[str, typer.Option(help="Name of the project, or its file (.toml), which also says how far dates move.")],
    keys: Annotated[Path, typer.Option(help="Folder of the projects' pseudonym keys, for staff alone; a missing key is made.")] = Path(
        "keys"
    ),
    patients: Annotated[Path | None, typer.Option(help="CSV: patient_id, person_id (of the store), and what else is known.")] = None,
    granted: Annotated[Path | None, typer.Option("--slice", help="The project's slice: patients outside it are not let out.")] = None,
    shift_days: Annotated[int, typer.Option(min=0, max=3650, help="Greatest shift of dates in days, that of the project's slice.")] = 182,
    records: Annotated[Path | None, typer.Option(help="Folder of the records; OUT.records by default.")] = None,
    pixels: Annotated[str, typer.Option(help="Which images are read for burned-in text: suspect, all or none.")] = "suspect",
    dates: Annotated[str, typer.Option(help="modified (shifted), full (as they are) or removed.")] = "modified",
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    score: Annotated[Path | None, typer.Option(help="CSV of planted values (file, path, action, value): how many were kept to.")] = None,
    quiet: Quiet = False,
) -> None:
    """Take identifiers out of the DICOM files in a folder."""
    from imaging.deidentify.folder import deidentify_folder
    from imaging.deidentify.pixels import PixelPolicy
    from imaging.deidentify.profile import Options
    from workbench.pseudonyms import PseudonymKey
    from workbench.series.indexing import folder_of
    from workbench.series.keys import ProjectKeys
    from workbench.series.scoring import read_key

    folder = folder_of(folder)
    records = records or out.with_name(f"{out.name}.records")
    options, policy = Options(dates=dates), PixelPolicy(reading=pixels)
    for place in (out, records):
        check_folder(place)
    name, at_most = _project(project, shift_days)
    planted = read_key(score, folder) if score else None
    place = keys / f"{name}.key"
    made_now, secret = not place.exists(), PseudonymKey.load(place)
    known = _known(patients, granted, secret)
    if made_now and known is not None:
        typer.echo(
            tr(f"新建了密钥 {place}：假名与此前的数据表不对应", f"a new key was made, {place}: pseudonyms agree with no earlier tables"),
            err=True,
        )
    if known is None:
        typer.echo(
            tr("未给出 --patients：假名与课题的数据表不对应", "no --patients: pseudonyms agree with none of the project's tables"), err=True
        )
    try:
        with tqdm(desc=tr("去标识化", "de-identify"), unit=tr("文件", "file"), disable=quiet) as bar:

            def tell(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            made = deidentify_folder(
                folder,
                out,
                records=records,
                keys=ProjectKeys(secret, at_most, known.persons if known else None),
                options=options,
                pixels=policy,
                patients=known.known if known else None,
                workers=workers,
                progress=tell,
            )
    except KeyboardInterrupt:
        say_stopped()
        raise typer.Exit(STOPPED) from None
    held, lost = _say(made, records), _scored(planted, folder, out, records) if planted else 0
    if held or lost:
        raise typer.Exit(DataError.exit_code)


def _known(patients: Path | None, granted: Path | None, key: PseudonymKey) -> Patients | None:
    """Return what is known of whom; with a slice, of its patients alone."""
    from workbench.series.keys import of_slice, read_patients
    from workbench.store.snapshots import Store

    if patients is None and granted is not None:
        raise DefinitionError(
            tr("--slice 需要 --patients", "--slice wants --patients"),
            hint=tr("用 workbench imaging patients 生成患者表", "workbench imaging patients writes the table"),
        )
    known = read_patients(patients) if patients else None
    if known is None or granted is None:
        return known
    return of_slice(known, key, Store(granted).latest().read("person", ["person_id"])["person_id"].to_pylist())


def _scored(planted: list[Row], folder: Path, out: Path, records: Path) -> int:
    """Say how much of a key was kept to, write what was not, and return how many rows that is."""
    from workbench.outfile import write_whole
    from workbench.series.scoring import failed_rows, score_lines, score_run

    verdicts = score_run(planted, folder, out, records)
    for line in score_lines(verdicts):
        typer.echo(line)
    lost = sum(not verdict.passed for verdict in verdicts)
    write_whole(records / "score.csv", failed_rows(verdicts))
    if lost:
        typer.echo(tr(f"{lost} 行未做到，见", f"{lost} rows were not kept to") + f": {records / 'score.csv'}", err=True)
    return lost


def _project(given: str, shift_days: int) -> tuple[str, int]:
    """Return a project's name and how far its dates move at most."""
    from workbench.projects.project import read_project

    if given.endswith(".toml"):
        found = read_project(Path(given))
        return found.name, found.slice.shift_days
    if not _NAME.fullmatch(given):
        raise DefinitionError(
            tr(
                f"课题名 {given!r} 不是 1 至 32 个小写字母、数字和连字符",
                f"project name {given!r} is not 1 to 32 lower-case letters, digits and hyphens",
            )
        )
    return given, shift_days


def _say(made: Deidentified, records: Path) -> int:
    """Say what was done; return how many files were held back though they are DICOM."""
    from workbench.series.indexing import LEFT_OUT
    from workbench.series.words import file_words

    for reason, count in sorted(made.reasons.items(), key=lambda pair: -pair[1]):
        typer.echo(f"  {count} x {file_words(reason)}", err=True)
    typer.echo(
        tr("每个文件的记录（含原始信息，请勿外传）", "records of each file (they name the originals: keep them)")
        + f": {records / 'records.parquet'}"
    )
    typer.echo(
        tr(
            f"残留扫描：{made.residual} 处患者信息，所在文件均未放出",
            f"residual scan: {made.residual} identifiers found, all in files that were held back",
        )
    )
    held = sum(count for reason, count in made.reasons.items() if reason not in LEFT_OUT)
    typer.echo(f"files={made.files} written={made.written} held_back={held} unchanged={made.unchanged}")
    return held
