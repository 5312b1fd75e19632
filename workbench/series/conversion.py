"""Series of a folder as NIfTI files: each with a record beside it, what is refused with its reasons.

Neither names nor records say whose a series is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import workbench
from imaging.errors import GeometryError, ImagingError, PlaceError
from imaging.volumes import RefusedGeometry, open_series, parts, write_nifti
from workbench.locale import tr
from workbench.series.folders import Made, made_once, unnamed
from workbench.series.indexing import is_image
from workbench.series.listing import SPACING, reasons_of, schema_of, series_name
from workbench.series.words import reason_words, verdict_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

    from imaging.volumes import Part, Policy, Volume

__all__ = ["TABLE", "VOLUMES", "convert_series", "series_rows"]

#: Name of the table in the folder of a conversion.
TABLE = "volumes.csv"

#: One row a volume, or a series of which none was made: `outcome` is written, refused, failed or no_image, `why` is worded; values are as
#: stored, and `low_is_white` says where small ones are meant to be shown bright (MONOCHROME1), which NIfTI cannot say.
VOLUMES = schema_of(
    """name file outcome why modality body_part part key slices rows columns slice_mm row_mm column_mm unit low_is_white verdict policy
    n_instances"""
)


def convert_series(row: Mapping[str, Any], out: Path, *, policy: Policy, work: Path) -> Made:
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
    Made
        The rows, one a volume.

    Raises
    ------
    PlaceError
        If a file cannot be written.
    """

    def write(part: Part, stem: str) -> dict[str, Any]:
        volume = part.read()
        target = out / f"{stem}.nii.gz"
        write_nifti(volume, work / target.name).replace(target)
        return {"outcome": "written", "file": target.name, **_of_volume(volume)}

    state = {"state": str(row["state"]), "policy": str(policy), "version": workbench.__version__}
    return made_once(
        series_name(row), out, state=state, files=("file",), work=work, make=lambda: {"rows": series_rows(row, policy, VOLUMES, write)}
    )


def series_rows(
    row: Mapping[str, Any], policy: Policy, schema: pa.Schema, do: Callable[[Part, str], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return what becomes of each volume of a series.

    Parameters
    ----------
    row : mapping
        Of :meth:`Catalogue.series`.
    policy : Policy
        What to do about a verdict.
    schema : pyarrow.Schema
        Of the rows.
    do : callable
        Given a part and the stem of its files; returns columns of its row. What it raises becomes the row's outcome.

    Returns
    -------
    list of dict
        One a volume, or one that says why there is none.
    """
    common = {"name": series_name(row), "modality": row["modality"], "body_part": row["body_part"], "policy": str(policy)}
    found = [common | each for each in _outcomes(row, policy, do)]
    return [{name: each.get(name) for name in schema.names} for each in found]


def _outcomes(row: Mapping[str, Any], policy: Policy, do: Callable[[Part, str], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    told = {"verdict": " ".join(row["verdicts"]), "n_instances": row["n_instances"], "rows": row["rows"], "columns": row["columns"]}
    if not is_image(row):
        yield told | {"outcome": "no_image", "why": "; ".join(reasons_of(row))}
        return
    if row["several_patients"]:
        yield told | {"outcome": "refused", "why": tr("实例属于多个患者号", "its instances name several patients")}
        return
    try:
        found = parts(open_series(row["paths"]), policy)
    except ImagingError as error:
        yield told | {"outcome": "failed", "why": unnamed(error, row["paths"])}
        return
    name = series_name(row)
    for number, part in enumerate(found, 1):
        yield _of_part(part, number) | _outcome(part, f"{name}-{number}" if len(found) > 1 else name, row["paths"], do)


def _outcome(part: Part, stem: str, paths: list[str], do: Callable[[Part, str], dict[str, Any]]) -> dict[str, Any]:
    """Return what was made of a part, or why nothing was."""
    try:
        return do(part, stem)
    except RefusedGeometry as error:
        why = "; ".join([verdict_words(error.verdicts), *map(reason_words, error.geometry.reasons)])
        return {"outcome": "refused", "why": why}
    except PlaceError:
        raise
    except GeometryError as error:
        return {"outcome": "refused", "why": unnamed(error, paths)}
    except (ImagingError, MemoryError) as error:
        return {"outcome": "failed", "why": unnamed(error, paths)}


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
        "low_is_white": volume.low_is_white,
    }
