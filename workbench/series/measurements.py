"""Measured values of images as rows of ``measurement``; the ``image_feature`` of each says on which series and by what it was measured."""

from __future__ import annotations

import csv
import io
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imaging.measures import Origin, Row, measure, rows_of
from imaging.volumes import open_series, read_volume
from nlp.writing import whole_file
from workbench.errors import DataError
from workbench.series.occurrences import IMAGES, home_folder
from workbench.store.overlay import with_rows
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import TextIO

    from imaging.volumes import Policy
    from workbench.series.looking import Mask
    from workbench.store.overlay import SnapshotWithRows
    from workbench.store.snapshots import Snapshot

__all__ = ["measured", "publish_measurements"]

_ALGORITHM = 32880  # OMOP type concept: standard algorithm
_NEEDED = ("series", "measure", "value", "unit", "label", "label_name", "lesion", "mask_sha256", "bundle")


def measured(paths: Sequence[str], series: Mapping[str, Any], mask: Mask, *, policy: Policy | str) -> pd.DataFrame:
    """Measure what a mask delineates in a series.

    Parameters
    ----------
    paths : sequence of str
        Files of the series.
    series : mapping
        Its row of ``image_occurrence``.
    mask : path, ndarray or Volume
        A DICOM SEG, a NIfTI file, or labels on the volume's voxels.
    policy : Policy or str
        What to do about a verdict.

    Returns
    -------
    DataFrame
        One row a value, with its unit, flags and what it rests on (:class:`imaging.measures.Row`), for :func:`publish_measurements`.

    Raises
    ------
    ImagingError
        If the geometry allows no measuring, or the mask is not of the series.
    """
    from workbench.series.looking import drawn

    volume = read_volume(open_series(paths), policy)
    over = drawn(mask, volume)
    origin = Origin(str(series["person_id"]), series["image_study_uid"], series["image_series_uid"], over.source, over.drawn_by)
    return pd.DataFrame(rows_of(measure(volume, over.labels, names=over.names or None), origin), columns=Row._fields)


def publish_measurements(table: str | Path | pd.DataFrame, snapshot: Snapshot, *, place: str | Path | None = None) -> SnapshotWithRows:
    """Store measured values beside a snapshot's own, so that cohorts can ask for them.

    A measurement's source value is its label and measure (``ball volume_ml``; lesions are numbered: ``nodule#2 recist_mm``), its unit
    UCUM's, its date that of the series. Its image feature names the series, and the model or the mask.

    Parameters
    ----------
    table : path or DataFrame
        The ``measurements.csv`` that `workbench imaging predict` wrote, or what ``wb.images(cohort).measure(series, mask)`` returned.
    snapshot : Snapshot
        With the series (see :func:`workbench.series.occurrences.index_images`); values on series that it lacks are refused.
    place : path, optional
        Folder for the rows; by default below ``images`` in the session's home, else in the working folder.

    Returns
    -------
    SnapshotWithRows
        Run cohorts on it.

    Raises
    ------
    DataError
        If the table cannot be read, lacks a column, or names a series that the snapshot lacks.

    Examples
    --------
    ``cohort.require("海马", wb.labs("anterior volume_ml").where(value_lt=1.2)).run(wb.publish_measurements("measurements.csv", images))``
    """
    series = _series(snapshot)
    name, opened = _opened(table)
    rows = list(_rows(name, opened))
    unknown = {row["series"] for row in rows} - series.keys()
    if unknown:
        raise DataError(
            f"{name} names {len(unknown)} series that the snapshot lacks", hint="join them first: wb.index_images(folder, snapshot)"
        )
    values = [_measurement(row, series[row["series"]]) for row in rows]
    features = [_feature(row, series[row["series"]], each["measurement_id"]) for row, each in zip(rows, values, strict=True)]
    found = {"measurement": values, "image_feature": features}
    version = sha256(repr(found).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    folder = Path(place) if place else home_folder() / "measurements"
    folder.mkdir(parents=True, exist_ok=True)
    added = []
    for name, content in found.items():
        file = folder / f"{name}-{version}.parquet"
        with whole_file(file) as aside:
            pq.write_table(pa.Table.from_pylist(content, arrow_schema(name)), aside)
        added.append((name, file))
    return with_rows(snapshot, tuple(added), version=version)


def _opened(table: str | Path | pd.DataFrame) -> tuple[str, AbstractContextManager[TextIO]]:
    """Return what a table is called, and its text as CSV."""
    if isinstance(table, pd.DataFrame):
        return "the table", io.StringIO(table.to_csv(index=False))
    try:
        return str(table), Path(table).open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataError(f"{table} cannot be read as a table of measurements ({type(error).__name__})") from error


def _rows(table: str, opened: AbstractContextManager[TextIO]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table; an empty value is none."""
    try:
        with opened as file:
            for number, row in enumerate(csv.DictReader(file), 2):
                if missing := [name for name in _NEEDED if row.get(name) is None]:
                    raise DataError(f"{table}, line {number}: lacks {', '.join(missing)}", hint="give the table that predict wrote")
                if row["value"]:
                    yield row | {"value": float(row["value"])}
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DataError(f"{table} cannot be read as a table of measurements ({type(error).__name__})") from error


def _series(snapshot: Snapshot) -> dict[str, Mapping[str, Any]]:
    columns = ["image_series_uid", "image_occurrence_id", "person_id", "visit_occurrence_id", "image_occurrence_date"]
    return {row["image_series_uid"]: row for row in snapshot.read(IMAGES, columns).to_pylist() if row["image_series_uid"]}


def _id(*what: str) -> int:
    """Return an id that follows from what is measured; above those that a store counts, and exact in every tool."""
    return (1 << 52) + (int.from_bytes(sha256(" ".join(what).encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 12)


def _named(row: Mapping[str, Any]) -> str:
    label = row["label_name"] or f"label {row['label']}"
    return f"{label}#{row['lesion']} {row['measure']}" if row["lesion"] not in ("", "0") else f"{label} {row['measure']}"


def _measurement(row: Mapping[str, Any], series: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "measurement_id": _id("measurement", row["series"], row["mask_sha256"], row["bundle"], row["label"], row["lesion"], row["measure"]),
        "person_id": series["person_id"],
        "visit_occurrence_id": series["visit_occurrence_id"],
        "measurement_concept_id": 0,
        "measurement_date": series["image_occurrence_date"],
        "measurement_type_concept_id": _ALGORITHM,
        "value_as_number": row["value"],
        "measurement_source_value": _named(row),
        "unit_source_value": row["unit"],
    }


def _feature(row: Mapping[str, Any], series: Mapping[str, Any], measurement: int) -> dict[str, Any]:
    return {
        "image_feature_id": measurement,
        "person_id": series["person_id"],
        "image_occurrence_id": series["image_occurrence_id"],
        "image_feature_event_id": measurement,
        "image_feature_concept_id": 0,
        "image_feature_type_concept_id": _ALGORITHM,
        "alg_system": row["bundle"] or f"mask {row['mask_sha256'][:12]}",
    }
