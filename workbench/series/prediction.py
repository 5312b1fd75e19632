"""What a model bundle says of the series in a folder: masks as DICOM SEG, measurements as DICOM SR and a table; tables of the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

import workbench
from imaging.errors import GeometryError
from imaging.measures import Origin, Row, measure, rows_of
from imaging.models.boxes import COLUMNS, plain_boxes
from imaging.results import Algorithm, Coding, NewSeries, Segment, coding_of, measurement_report, save, segmentation
from workbench.locale import tr
from workbench.series.conversion import series_rows
from workbench.series.folders import Made, made_once
from workbench.series.listing import schema_of, series_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydicom.dataset import Dataset

    from imaging.models.bundle import Bundle, Prediction
    from imaging.volumes import Part, Policy, Volume

__all__ = ["BOXES", "MEASUREMENTS", "PREDICTIONS", "TABLES", "codings", "predict_series"]

#: Names of the three tables in the folder of the results.
TABLES = ("predictions.csv", "measurements.csv", "boxes.csv")

#: One row a volume: `outcome` is written, refused, failed or no_image, `why` is worded; `shares` holds the probability of each class.
PREDICTIONS = schema_of(
    """name series_instance_uid outcome why modality body_part part key verdict policy bundle label shares segmentation report
    n_instances"""
)

#: One row a measured value, as :class:`imaging.measures.Row` has them.
MEASUREMENTS = pa.schema(
    [(name, pa.float64() if name == "value" else pa.int64() if name in ("label", "lesion") else pa.string()) for name in Row._fields]
)

#: One row a box that a detection found, the surest first: LPS mm.
BOXES = pa.schema(
    [(name, pa.string()) for name in ("name", "series_instance_uid", "bundle", "class")]
    + [(name, pa.float64()) for name in ("score", *COLUMNS)]
)

_LONGEST_NAME = 64  # PS3.5 6.2, LO


def predict_series(row: Mapping[str, Any], out: Path, bundle: Bundle, *, policy: Policy, work: Path) -> Made:
    """Ask a bundle about a series and write what it says.

    Parameters
    ----------
    row : mapping
        Of :meth:`Catalogue.series`.
    out : Path
        Folder to write to.
    bundle : Bundle
        Opened.
    policy : Policy
        What to do about a verdict.
    work : Path
        Folder for what is unfinished, on the same disk.

    Returns
    -------
    Made
        The rows, one a volume; the record beside the files holds the measurements and boxes too.

    Raises
    ------
    PlaceError
        If a file cannot be written.
    """
    measured: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    uid = row["series_instance_uid"]
    origin = {"series_instance_uid": uid, "bundle": bundle.source}

    def ask(part: Part, stem: str) -> dict[str, Any]:
        if bundle.recipe.modalities and row["modality"] not in bundle.recipe.modalities:
            wanted = "/".join(bundle.recipe.modalities)
            return {
                "outcome": "refused",
                "why": tr(f"模型用于 {wanted}，此序列为 {row['modality']}", f"the model is for {wanted}, the series {row['modality']}"),
            }
        volume = part.read()
        said = bundle.predict(volume)
        told = {"outcome": "written", "label": said.label, "shares": json.dumps(said.shares, ensure_ascii=False) if said.shares else None}
        if said.boxes is not None:
            found.extend({"name": stem} | origin | each for each in plain_boxes(said.boxes, bundle.recipe.classes))
        if said.mask is None:
            return told
        files, rows = _of_mask(part, volume, said, bundle, row, out / stem, work)
        measured.extend(rows)
        return told | files

    def make() -> dict[str, Any]:
        rows = [each | origin for each in series_rows(row, policy, PREDICTIONS, ask)]
        return {"rows": rows, "measurements": measured, "boxes": found}

    state = {"state": str(row["state"]), "policy": str(policy), "bundle": bundle.version, "version": workbench.__version__}
    return made_once(series_name(row), out, state=state, files=("segmentation", "report"), work=work, make=make)


def _of_mask(
    part: Part, volume: Volume, said: Prediction, bundle: Bundle, row: Mapping[str, Any], stem: Path, work: Path
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Write a mask and its measurements; return the names of the files, and the measurements as rows."""
    segments = _segments(bundle)
    names = {segment.label: segment.name for segment in segments}
    mask = segmentation(
        volume,
        said.mask,
        segments,
        row["paths"],
        regrid=part.resample,
        series=NewSeries(description=bundle.metadata["name"][:_LONGEST_NAME]),
    )
    file = _saved(mask, stem.with_name(f"{stem.name}.seg.dcm"), work)
    try:
        regions = measure(volume, said.mask, names=names)
    except GeometryError:  # a mask may be drawn where nothing can be measured
        return {"segmentation": file}, []
    origin = Origin(
        str(row["patient_id"] or ""), row["study_instance_uid"], row["series_instance_uid"], str(mask.SOPInstanceUID), bundle.source
    )
    rows = [each._asdict() for each in rows_of(regions, origin)]
    if not any(region.values.get("voxels") for region in regions):
        return {"segmentation": file}, rows
    report = measurement_report(regions, mask, segments, row["paths"])
    return {"segmentation": file, "report": _saved(report, stem.with_name(f"{stem.name}.sr.dcm"), work)}, rows


def codings(bundle: Bundle) -> dict[int, Coding]:
    """Return what each class of a segmentation is in standard codes, or in one of ours where none is known; the background is left out.

    Parameters
    ----------
    bundle : Bundle
        Opened.
    """
    said = bundle.recipe.model_dump()["codes"]
    return {label: coding_of(name, label, said.get(name)) for label, name in enumerate(bundle.recipe.classes) if label}


def _segments(bundle: Bundle) -> list[Segment]:
    """Return a segment for each class but the first, which is the background."""
    algorithm = Algorithm(name=bundle.metadata["name"][:_LONGEST_NAME], version=bundle.version[:12])
    names = dict(enumerate(bundle.recipe.classes))
    return [
        Segment(label=label, name=names[label][:_LONGEST_NAME], algorithm=algorithm, **coding._asdict())
        for label, coding in codings(bundle).items()
    ]


def _saved(dataset: Dataset, target: Path, work: Path) -> str:
    save(dataset, work / target.name).replace(target)
    return target.name
