"""Write the identified raw extract of the synthetic hospital: what a real centre would hand to de-identification."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from workbench.errors import DataError, EnvironmentFault
from workbench.synthetic.hospital import generate
from workbench.synthetic.reference import HOSPITAL, reference_tables

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

__all__ = ["Build", "build"]


@dataclass(frozen=True)
class Build:
    """What was written.

    Parameters
    ----------
    hospital : str
        Name of the hospital.
    n_patients, seed : int
        What was asked for.
    notes_per_admission : float
        Mean number of notes of an admission; 0 where none were written.
    faults : bool
        Whether quality faults were planted.
    rows : dict of str to int
        Rows by table.
    """

    hospital: str
    n_patients: int
    seed: int
    notes_per_admission: float
    faults: bool
    rows: dict[str, int]


def build(
    out: Path,
    *,
    n_patients: int,
    seed: int,
    notes_per_admission: float = 6.0,
    faults: bool = True,
    chunk: int = 20_000,
    progress: bool = True,
) -> Build:
    """Write ``tables/``, ``identifiers/``, ``truth/`` and ``build.json`` under a new folder; the folder appears whole or not at all.

    Parameters
    ----------
    out : Path
        Folder to make; it must not exist.
    n_patients, seed : int
        Size and seed of the hospital.
    notes_per_admission : float
        Mean number of notes of an admission; 0 writes no notes.
    faults : bool
        Whether to plant quality faults.
    chunk : int
        Patients held in memory at a time.
    progress : bool
        Whether to draw a progress bar on stderr.

    Raises
    ------
    DataError
        If `out` exists.
    EnvironmentFault
        If the disk is full or not writable.
    """
    if out.exists():
        raise DataError(f"{out} exists already", hint="choose another --out, or remove the folder first")
    aside = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        rows = _write_all(aside, n_patients, seed, notes_per_admission, faults, chunk, progress)
        done = Build(HOSPITAL, n_patients, seed, notes_per_admission, faults, rows)
        (aside / "build.json").write_text(json.dumps(asdict(done), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        aside.rename(out)
    except OSError as fault:
        raise EnvironmentFault(f"cannot write {out}: {fault.strerror}", hint="free space or choose another --out") from fault
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return done


def _write_all(
    folder: Path, n_patients: int, seed: int, notes_per_admission: float, faults: bool, chunk: int, progress: bool
) -> dict[str, int]:
    rows: dict[str, int] = {}
    for name, table in reference_tables(seed).items():
        _write(folder, name, table, "reference", rows)
    chunks = generate(n_patients, seed, chunk=chunk, progress=progress, notes_per_admission=notes_per_admission, faults=faults)
    for part, tables in enumerate(chunks):
        for name in list(tables):  # let go of each table once it is written, so that one chunk is held and not two
            _write(folder, name, tables.pop(name), f"{part:05d}", rows)
    return dict(sorted(rows.items()))


def _write(folder: Path, name: str, table: pa.Table, part: str, rows: dict[str, int]) -> None:
    place = _folder_of(folder, name)
    place.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, place / f"part-{part}.parquet", compression="zstd", row_group_size=200_000)
    rows[name] = rows.get(name, 0) + table.num_rows


def _folder_of(folder: Path, name: str) -> Path:
    if name == "identifiers":
        return folder / "identifiers"
    if name.startswith("truth_"):
        return folder / "truth" / name.removeprefix("truth_")
    return folder / "tables" / name
