"""Series of a folder as NIfTI files: each with a record beside it, what is refused with its reasons, a run that may be killed goes on.

For each series stands a record (NAME.json), written after its volumes: with the same state of the files, the same policy and the same
version, what it names is not made again. Neither names nor records say whose a series is.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import workbench
from imaging.errors import GeometryError, ImagingError, PlaceError
from imaging.volumes import RefusedGeometry, open_series, parts, write_nifti
from nlp.writing import whole_file
from workbench.errors import EnvironmentFault, WorkbenchError
from workbench.locale import tr
from workbench.series.indexing import is_image
from workbench.series.listing import SPACING, reasons_of, schema_of, series_name
from workbench.series.words import reason_words, verdict_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from imaging.volumes import Part, Policy, Volume

__all__ = ["TABLE", "VOLUMES", "Converted", "convert_series", "records", "work_folder"]

#: Name of the table in the folder of a conversion.
TABLE = "volumes.csv"

#: One row a volume, or a series of which none was made: `outcome` is written, refused, failed or no_image, `why` is worded.
VOLUMES = schema_of(
    """name file outcome why modality body_part part key slices rows columns slice_mm row_mm column_mm unit verdict policy n_instances"""
)


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a series.

    Parameters
    ----------
    rows : list of dict
        Of :data:`VOLUMES`.
    unchanged : bool
        Whether it was made before.
    """

    rows: list[dict[str, Any]]
    unchanged: bool = False

    def count(self, *outcomes: str) -> int:
        """Count rows by outcome.

        Parameters
        ----------
        *outcomes : str
            Those counted.
        """
        return sum(row["outcome"] in outcomes for row in self.rows)


@contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """Give the hidden folder in which one process at a time keeps what is unfinished; it stays where that process was killed.

    Parameters
    ----------
    out : Path
        Folder of the conversion.

    Raises
    ------
    EnvironmentFault
        If another process writes there, or it cannot be made.
    """
    work = out / ".work"
    try:
        work.mkdir(parents=True, exist_ok=True)
        handle = os.open(work, os.O_RDONLY)
    except OSError as error:
        raise EnvironmentFault(
            tr(f"无法写入 {out}：{error.strerror}", f"{out} cannot be written to: {error.strerror}"),
            hint=tr("请指定另一个文件夹", "name another folder"),
        ) from error
    try:
        _lock(handle, out)
        try:
            yield work
        except (WorkbenchError, ImagingError):
            _clear(work)
            raise
        _clear(work)
    finally:
        os.close(handle)


def convert_series(row: Mapping[str, Any], out: Path, *, policy: Policy, work: Path) -> Converted:
    """Write the volumes of a series, or say why there are none.

    Parameters
    ----------
    row : mapping
        Of :meth:`Catalogue.series`.
    out : Path
        Folder to write to.
    policy : Policy
        What to do about a verdict.
    work : Path
        Folder for what is unfinished, on the same disk.

    Returns
    -------
    Converted
        The rows; all volumes of a series are written, or those before the first that cannot be read.

    Raises
    ------
    PlaceError
        If a file cannot be written.
    """
    name = series_name(row)
    record = out / f"{name}.json"
    state = {"state": str(row["state"]), "policy": str(policy), "version": workbench.__version__}
    known = _read(record)
    if known and {key: known.get(key) for key in state} == state and all((out / file).is_file() for file in _files(known)):
        return Converted(known["volumes"], unchanged=True)
    common = {"name": name, "modality": row["modality"], "body_part": row["body_part"], "policy": str(policy)}
    rows = [dict.fromkeys(VOLUMES.names) | common | found for found in _volumes(row, name, out, policy, work)]
    for file in set(_files(known)) - {each["file"] for each in rows}:
        (out / file).unlink(missing_ok=True)
    _write(record, state | {"reasons": row["reasons"], "volumes": rows}, work)
    return Converted(rows)


def records(out: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of all records in a folder, those of earlier runs on other folders too.

    Parameters
    ----------
    out : Path
        Folder of the conversion.
    """
    for file in sorted(out.glob("*.json")):
        known = _read(file)
        yield from known.get("volumes", ())


def _lock(handle: int, out: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise EnvironmentFault(
            tr(f"另一个进程正在写入 {out}", f"another process writes to {out}"), hint=tr("请等它结束", "wait until it has finished")
        ) from error


def _clear(work: Path) -> None:
    """Remove what is unfinished, and the folder where nothing else is in it."""
    shutil.rmtree(work, ignore_errors=True)
    with suppress(OSError):
        work.parent.rmdir()


def _volumes(row: Mapping[str, Any], name: str, out: Path, policy: Policy, work: Path) -> Iterator[dict[str, Any]]:
    """Yield what becomes of each volume of a series."""
    told = {"verdict": " ".join(row["verdicts"]), "n_instances": row["n_instances"], "rows": row["rows"], "columns": row["columns"]}
    if not is_image(row):
        yield told | {"outcome": "no_image", "why": "; ".join(reasons_of(row))}
        return
    if row["several_patients"]:
        yield told | {"outcome": "refused", "why": tr("实例属于多个患者号", "its instances name several patients")}
        return
    try:
        series = open_series(row["paths"])
        found = parts(series, policy)
    except ImagingError as error:
        yield told | {"outcome": "failed", "why": _unnamed(error, row["paths"])}
        return
    for number, part in enumerate(found, 1):
        file = f"{name}{f'-{number}' if len(found) > 1 else ''}.nii.gz"
        yield _of_part(part, number) | _made(part, out / file, work, row["paths"])


def _made(part: Part, target: Path, work: Path, paths: list[str]) -> dict[str, Any]:
    """Write one volume; say what was written or why nothing was."""
    try:
        volume = part.read()
        write_nifti(volume, work / target.name).replace(target)
    except RefusedGeometry as error:
        why = "; ".join([verdict_words(error.verdicts), *map(reason_words, error.geometry.reasons)])
        return {"outcome": "refused", "why": why}
    except PlaceError:
        raise
    except GeometryError as error:
        return {"outcome": "refused", "why": _unnamed(error, paths)}
    except (ImagingError, MemoryError) as error:
        return {"outcome": "failed", "why": _unnamed(error, paths)}
    return {"outcome": "written", "file": target.name, **_of_volume(volume)}


def _of_part(part: Part, number: int) -> dict[str, Any]:
    geometry = part.geometry
    return {
        "part": number,
        "key": ", ".join(f"{name}={value}" for name, value in part.key.items()),
        "verdict": " ".join(geometry.verdicts),
        "n_instances": len({part.series.frames[index].instance for index in geometry.order}),
        **dict(zip(("slices", "rows", "columns"), geometry.shape or (), strict=False)),
    }


def _of_volume(volume: Volume) -> dict[str, Any]:
    return {
        **dict(zip(("slices", "rows", "columns"), volume.shape, strict=False)),
        **dict(zip(SPACING, volume.spacing_mm or (), strict=False)),
        "unit": volume.unit,
    }


def _unnamed(error: Exception, paths: list[str]) -> str:
    """Return what an error says with numbers in place of files, whose names may name patients."""
    text = getattr(error, "message", "") or type(error).__name__
    for number, path in sorted(enumerate(paths, 1), key=lambda each: -len(each[1])):
        text = text.replace(path, f"[{number}/{len(paths)}]")
    return text


def _files(known: Mapping[str, Any]) -> list[str]:
    return [row["file"] for row in known.get("volumes", ()) if row["file"]]


def _read(record: Path) -> dict[str, Any]:
    """Return a record, empty where there is none that can be read."""
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and "volumes" in known else {}


def _write(record: Path, content: dict[str, Any], work: Path) -> None:
    """Write a record in one step; what a kill leaves of it lies in the folder for what is unfinished."""
    try:
        with whole_file(work / record.name) as aside:
            aside.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        (work / record.name).replace(record)
    except OSError as error:
        raise PlaceError(f"{record}: cannot be written ({error.strerror})", hint="make room, or choose another folder") from error
