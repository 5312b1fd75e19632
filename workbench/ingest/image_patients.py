"""Whose images are whose: the patient index of a raw extract as a table by the patient ID that stands in the images.

The persons in it are those of the store that was ingested from the same extract under the same key, so that images, tables and notes
of a project agree. The table is identified: it is for the staff who hold the originals.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.errors import DataError
from workbench.ingest.hospital import IDENTIFIERS, LINK_KEYS, index_records
from workbench.ingest.patient_index import link
from workbench.locale import tr

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.pseudonyms import PseudonymKey

__all__ = ["COLUMNS", "ImagePatients", "image_patients"]

#: What is known of a patient and must not stand in an image.
_KNOWN = ("birth_date", *IDENTIFIERS)
#: Of the table: patient ID, person of the store, and what is known of them.
COLUMNS = ("patient_id", "person_id", *_KNOWN)


class ImagePatients(NamedTuple):
    """A table of patients.

    Parameters
    ----------
    rows : list of dict
        By :data:`COLUMNS`; several of a patient where the index has several records.
    shared : int
        Patient IDs that two patients have: whose image it is nobody can say, and they are left out.
    without : int
        Records without a patient ID.
    """

    rows: list[dict[str, Any]]
    shared: int
    without: int


def image_patients(raw: Path, *, key: PseudonymKey, column: str = "mrn") -> ImagePatients:
    """Return whose images are whose.

    Parameters
    ----------
    raw : Path
        The extract.
    key : PseudonymKey
        The store's.
    column : str
        Column of the patient index that stands in the images as Patient ID.

    Raises
    ------
    DataError
        If the index cannot be read or lacks the column.
    """
    records = list(index_records(raw))
    if not any(column in record for record in records):
        found = ", ".join(sorted(records[0])) if records else "-"
        raise DataError(
            tr(f"患者索引中没有列 {column}，现有：{found}", f"the patient index has no column {column}; it has {found}"),
            hint=tr("用 --column 指定影像中患者号所在的列", "name with --column the one that stands in the images as Patient ID"),
        )
    linkage = link(records, keys=LINK_KEYS)
    owners: dict[str, set[int]] = defaultdict(set)
    named = [(_text(record.get(column)), record) for record in records]
    for patient_id, record in named:
        owners[patient_id].add(linkage.patient[record["person_id"]])
    rows = [
        {"patient_id": patient_id, "person_id": key.person(linkage.patient[record["person_id"]])}
        | {name: _text(record.get(name)) for name in _KNOWN}
        for patient_id, record in named
        if patient_id and len(owners[patient_id]) == 1
    ]
    shared = sum(len(found) > 1 for patient_id, found in owners.items() if patient_id)
    return ImagePatients(rows, shared, sum(not patient_id for patient_id, _ in named))


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
