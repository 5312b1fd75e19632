"""Series of a folder joined to the patients of a snapshot: rows of ``image_occurrence`` beside the snapshot's own, for cohorts to ask."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from imaging.dicom.body_parts import body_part
from imaging.dicom.files import path_from_text
from nlp.writing import whole_file
from workbench.locale import tr
from workbench.series.indexing import Catalogue, folder_of, index_shown, need_instances
from workbench.session import current, in_session
from workbench.store.overlay import with_rows
from workbench.tables import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from imaging.dicom.catalogue import Indexed
    from workbench.store.overlay import SnapshotWithRows
    from workbench.store.snapshots import Snapshot

__all__ = ["IMAGES", "LEFT_OUT_WORDS", "IndexedImages", "home_folder", "index_images"]

#: The table of series.
IMAGES = "image_occurrence"

#: Why a series gets no row -> Chinese, English.
LEFT_OUT_WORDS = {
    "several_patients": ("混有多个患者号", "its instances name several patients"),
    "in_store": ("数据仓库中已有", "are in the store already"),
    "no_patient": ("患者号为空或不在数据仓库中", "its patient is not in the store"),
    "no_date": ("没有可用的日期", "it has no date"),
}

#: Ids of series follow from their UIDs; they lie above those that a store counts, and every tool reads them exactly.
_FIRST_ID = 1 << 52
_DATES = ("first_acquisition_date", "series_date", "study_date")


@dataclass(frozen=True)
class IndexedImages:
    """What the images of a folder are in a snapshot.

    Parameters
    ----------
    snapshot : SnapshotWithRows
        The snapshot with a row for each series: run cohorts on it.
    indexed : Indexed
        What was read.
    joined : int
        Series that got a row.
    left_out : Counter of str
        Series without one, by keys of :data:`LEFT_OUT_WORDS`.
    without_visit : int
        Joined series whose day lies in no encounter of the patient, or in several: rules with a setting or a department do not find them.
    """

    snapshot: SnapshotWithRows
    indexed: Indexed
    joined: int
    left_out: Counter[str]
    without_visit: int

    def __str__(self) -> str:
        """Say how many series were joined, and why others were not."""
        others = "".join(tr("；", "; ") + f"{count} {tr(*LEFT_OUT_WORDS[why])}" for why, count in self.left_out.most_common())
        if self.without_visit:
            others = tr(f"（{self.without_visit} 个无唯一就诊）", f" ({self.without_visit} in no one encounter)") + others
        return tr(f"{self.joined} 个序列已关联患者{others}", f"{self.joined} series joined to patients{others}")


def index_images(
    folder: str | Path,
    snapshot: Snapshot,
    *,
    persons: Mapping[str, int] | None = None,
    place: str | Path | None = None,
    progress: bool = True,
) -> IndexedImages:
    """Index the DICOM files in a folder and join their series to the patients of a snapshot.

    A series gets the encounter in which its day lies, where that is one, so that rules with a setting or a department hold for it. A series
    that the snapshot has already gets no second row.

    Parameters
    ----------
    folder : path
        Of DICOM files; only what has changed since the last time is read.
    snapshot : Snapshot
        Of the store.
    persons : mapping of str to int, optional
        Patient ID in the files -> person of the snapshot. Without it the patient ID is the person, as `workbench imaging deidentify`
        writes it.
    place : path, optional
        Where the catalogue is kept; by default below ``images`` in the session's home, else in the working folder.
    progress : bool
        Whether to draw a bar on stderr.

    Returns
    -------
    IndexedImages
        The snapshot with the series, and what was left out.

    Raises
    ------
    DataError
        If the folder is none, or holds no DICOM file that can be read.
    PlaceError
        If the catalogue cannot be written.

    Examples
    --------
    ``images = wb.index_images("/data/images", wb.open_store())``, then ``cohort.run(images.snapshot)``
    """
    folder = folder_of(Path(folder))
    place = Path(place) if place else home_folder() / sha256(str(folder.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    place.parent.mkdir(parents=True, exist_ok=True)
    catalogue = Catalogue(place, index_shown(folder, place, progress=progress))
    need_instances(folder, catalogue)
    rows, left_out = _rows(catalogue, persons, snapshot)
    table = _with_visits(_with_sites(pa.Table.from_pylist(rows, arrow_schema(IMAGES)), snapshot), snapshot)
    version = sha256(repr(table.to_pylist()).encode("utf-8", "surrogatepass")).hexdigest()[:12]
    file = place / f"{IMAGES}-{version}.parquet"
    with whole_file(file) as aside:
        pq.write_table(table, aside)
    without_visit = table["visit_occurrence_id"].null_count
    return IndexedImages(with_rows(snapshot, ((IMAGES, file),), version=version), catalogue.indexed, len(rows), left_out, without_visit)


def _rows(catalogue: Catalogue, persons: Mapping[str, int] | None, snapshot: Snapshot) -> tuple[list[dict[str, Any]], Counter[str]]:
    known = frozenset(snapshot.read("person", ["person_id"])["person_id"].to_pylist())
    there = frozenset(snapshot.read(IMAGES, ["image_series_uid"])["image_series_uid"].to_pylist())
    rows: list[dict[str, Any]] = []
    left_out: Counter[str] = Counter()
    for series in catalogue.series():
        person, when = _person(series["patient_id"], persons), _date(series)
        if series["several_patients"]:
            left_out["several_patients"] += 1
        elif series["series_instance_uid"] in there:
            left_out["in_store"] += 1
        elif person not in known:
            left_out["no_patient"] += 1
        elif when is None:
            left_out["no_date"] += 1
        else:
            rows.append(_row(series) | {"person_id": person, "image_occurrence_date": when})
    return rows, left_out


def _row(series: Mapping[str, Any]) -> dict[str, Any]:
    part = body_part(series["body_part_examined"] or "")
    spacing = series["spacing_mm"] or (None, None, None)
    uids = f"{series['study_instance_uid']} {series['series_instance_uid']}"
    return {
        "image_occurrence_id": _FIRST_ID + (int.from_bytes(sha256(uids.encode()).digest()[:8], "big") >> 12),
        "local_path": str(Path(path_from_text(series["first_path"])).parent).encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        "image_study_uid": series["study_instance_uid"],
        "image_series_uid": series["series_instance_uid"],
        "modality_concept_id": 0,
        "modality_source_value": series["modality"],
        "anatomic_site_source_value": part.chinese if part else series["body_part_examined"],
        "geometry_verdict": " ".join(series["verdicts"]),
        "n_instances": series["n_instances"],
        "n_slices": series["n_slices"],
        "n_rows": series["rows"],
        "n_columns": series["columns"],
        **dict(zip(("slice_mm", "row_mm", "column_mm"), spacing, strict=True)),
        "size_bytes": series["bytes"],
        "manufacturer_source_value": series["manufacturer"],
        "model_source_value": series["manufacturer_model_name"],
    }


def _with_sites(table: pa.Table, snapshot: Snapshot) -> pa.Table:
    """Give body parts their standard concept, where the snapshot holds the vocabulary."""
    names = table["anatomic_site_source_value"].to_pylist()
    codes = {name: part.code for name in set(names) if name and (part := body_part(name))}
    filters = [("vocabulary_id", "=", "SNOMED"), ("concept_code", "in", sorted(codes.values()) or [""])]
    found = snapshot.read("concept", ["concept_code", "concept_id"], filters=filters)
    concepts = dict(zip(*(column.to_pylist() for column in found.columns), strict=True))
    sites = pa.array([concepts.get(codes.get(name, ""), 0) for name in names], pa.int64())
    return table.set_column(table.column_names.index("anatomic_site_concept_id"), "anatomic_site_concept_id", sites)


def _with_visits(table: pa.Table, snapshot: Snapshot) -> pa.Table:
    """Give each series the encounter in which its day lies; none where it lies in several, of which nothing says which."""
    persons = table["person_id"].to_pylist()
    columns = ["person_id", "visit_start_date", "visit_end_date", "visit_occurrence_id"]
    found = snapshot.read("visit_occurrence", columns, filters=[("person_id", "in", sorted(set(persons)) or [-1])])
    visits: defaultdict[int, list[tuple[date, date, int]]] = defaultdict(list)
    for person, start, end, visit in zip(*(found[name].to_pylist() for name in columns), strict=True):
        visits[person].append((start, end or start, visit))
    covering = [
        [visit for start, end, visit in visits[person] if start <= when <= end]
        for person, when in zip(persons, table["image_occurrence_date"].to_pylist(), strict=True)
    ]
    only = pa.array([each[0] if len(each) == 1 else None for each in covering], pa.int64())
    return table.set_column(table.column_names.index("visit_occurrence_id"), "visit_occurrence_id", only)


def _person(patient_id: str | None, persons: Mapping[str, int] | None) -> int | None:
    written = (patient_id or "").strip()
    if persons is not None:
        return persons.get(written)
    with suppress(ValueError):
        return int(written) if written.isascii() else None
    return None


def _date(series: Mapping[str, Any]) -> Any:
    for name in _DATES:
        with suppress(TypeError, ValueError):
            return datetime.strptime(series[name], "%Y%m%d").date()
    return None


def home_folder() -> Path:
    """Return where catalogues and measurements are kept: below ``images`` in the session's home, else in the working folder."""
    return (current().home.path if in_session() else Path.cwd()) / "images"
