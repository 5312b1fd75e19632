"""Measured values of images as rows of ``measurement``; the ``image_feature`` of each says on which series and by what it was measured."""

from __future__ import annotations

import csv
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from nlp.writing import whole_file
from workbench.errors import DataError
from workbench.series.occurrences import IMAGES, home_folder
from workbench.store.overlay import with_rows
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workbench.store.overlay import SnapshotWithRows
    from workbench.store.snapshots import Snapshot

__all__ = ["publish_measurements"]

_ALGORITHM = 32880  # OMOP type concept: standard algorithm
_NEEDED = ("series", "measure", "value", "unit", "label", "label_name", "lesion", "mask_sha256", "bundle")


def publish_measurements(table: str | Path, snapshot: Snapshot, *, place: str | Path | None = None) -> SnapshotWithRows:
    """Store measured values beside a snapshot's own, so that cohorts can ask for them.

    A measurement's source value is its label and measure (``ball volume_ml``; lesions are numbered: ``nodule#2 recist_mm``), its unit
    UCUM's, its date that of the series. Its image feature names the series, and the model or the mask.

    Parameters
    ----------
    table : path
        The ``measurements.csv`` that `workbench imaging predict` wrote, or one of the same columns.
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
    table = Path(table)
    series = _series(snapshot)
    rows = list(_rows(table))
    unknown = {row["series"] for row in rows} - series.keys()
    if unknown:
        raise DataError(
            f"{table} names {len(unknown)} series that the snapshot lacks", hint="join them first: wb.index_images(folder, snapshot)"
        )
    measured = [_measurement(row, series[row["series"]]) for row in rows]
    features = [_feature(row, series[row["series"]], each["measurement_id"]) for row, each in zip(rows, measured, strict=True)]
    found = {"measurement": measured, "image_feature": features}
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


def _rows(table: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table; an empty value is none."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
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
