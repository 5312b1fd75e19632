"""Command line of the synthetic hospital."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.errors import EXIT_CODES
from workbench.synthetic.extract import build as build_extract

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="A seeded synthetic Chinese hospital with known truth.")
_CODES = "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items() if code in (0, 2, 3, 4, 8))


@app.command(epilog=f"Exit codes: {_CODES}")
def build(
    patients: Annotated[int, typer.Option(help="Number of patients, 1 to 1,000,000 and more.")],
    out: Annotated[Path, typer.Option(help="Folder to make; it must not exist.")],
    seed: Annotated[int, typer.Option(help="Seed: the same seed and number give the same bytes.")] = 1,
    notes_per_admission: Annotated[float, typer.Option(min=0, help="Mean number of notes of an admission.")] = 6.0,
    notes: Annotated[bool, typer.Option(help="Whether to write notes at all.")] = True,
    faults: Annotated[bool, typer.Option(help="Whether to plant quality faults, listed in truth/faults.")] = True,
    chunk: Annotated[int, typer.Option(min=1, help="Patients held in memory at a time.")] = 20_000,
) -> None:
    """Write an identified raw extract of a synthetic hospital: tables, patient index, truth.

    Example: workbench synthetic build --patients 5000 --seed 7 --out raw
    """
    done = build_extract(
        out, n_patients=patients, seed=seed, notes_per_admission=notes_per_admission if notes else 0.0, faults=faults, chunk=chunk
    )
    for name, n_rows in done.rows.items():
        typer.echo(f"{n_rows:>12,}  {name}")
    typer.echo(f"Written to {out}. It is IDENTIFIED data in form. Next: de-identify and publish it as a snapshot (workbench store --help).")


@app.command(epilog=f"Exit codes: {_CODES}")
def images(
    out: Annotated[Path, typer.Option(help="Folder to make; it must not exist, or be empty.")],
    store: Annotated[Path | None, typer.Option(help="Store whose patients the images are of; by default the session's.")] = None,
    patients: Annotated[int, typer.Option(help="Number of patients with images.")] = 40,
    seed: Annotated[int, typer.Option(help="Seed: the same seed, number and store give the same images.")] = 1,
) -> None:
    """Write DICOM images of a store's patients: phantoms of several geometries, with known nodules and their masks.

    Patient IDs are the person ids of the store, so that `wb.index_images(OUT/dicom, wb.open_store())` joins them.

    Example: workbench synthetic images --out synthetic_images --patients 40
    """
    from workbench.store import open_store  # highdicom takes seconds: after the options are read
    from workbench.synthetic.images import MASKS, make_images

    done = make_images(open_store(store), out, n_patients=patients, seed=seed)
    typer.echo(f"{done.patients} patients, {done.series} series, {done.files} files in {out}/dicom; {done.masks} nodules in {out}/{MASKS}")
    typer.echo("Next, in Python: wb.images(wb.index_images(FOLDER, wb.open_store()).snapshot).show(); or the template image_series.")
