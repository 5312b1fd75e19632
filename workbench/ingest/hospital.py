"""From a hospital's raw extract to the de-identified store: check, link, de-identify, index, publish.

A raw extract is a folder with ``tables/`` (OMOP, with names and numbers in it) and ``identifiers/`` (the patient index: one
or more records a person). What is identified never lies in the store: the checked copy is made in a folder of its own
beside it, for its owner alone, and removed at the end; refused rows stay in quarantine beside the raw extract.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
from tqdm import tqdm

from workbench.errors import DataError
from workbench.ingest.deidentify import Deidentifier, Policy
from workbench.ingest.patient_index import Linkage, link
from workbench.ingest.publish import import_data
from workbench.store import SnapshotWriter, Store
from workbench.store.notes_index import build_notes_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.ingest.report import ImportReport
    from workbench.pseudonyms import PseudonymKey

__all__ = ["IDENTIFIERS", "LINK_KEYS", "IngestResult", "index_records", "ingest_hospital"]

#: Column of the patient index -> what stands in its place in a note.
IDENTIFIERS: dict[str, str] = {
    "name": "姓名",
    "identity_number": "身份证号",
    "phone": "手机号",
    "address": "住址",
    "mrn": "病案号",
    "insurance_number": "医保号",
    "contact_name": "联系人",
    "contact_phone": "联系人电话",
}

#: Agreement on all columns of one of these joins two records.
LINK_KEYS = (("identity_number",), ("name", "birth_date", "phone"), ("name", "birth_date", "insurance_number"))


@dataclass(frozen=True)
class IngestResult:
    """What came of an extract.

    Parameters
    ----------
    snapshot_id : str
        Of the store.
    report : ImportReport
        What was taken, mended and refused.
    quarantine : Path or None
        Refused rows, identified: for staff alone.
    linkage : Linkage
        Which person ids were one patient.
    """

    snapshot_id: str
    report: ImportReport
    quarantine: Path | None
    linkage: Linkage


def ingest_hospital(raw: Path, store: Path, *, key: PseudonymKey, progress: bool = False) -> IngestResult:
    """Publish a raw extract as a new snapshot of the de-identified store.

    Parameters
    ----------
    raw : Path
        The extract.
    store : Path
        The store; made if it is not there.
    key : PseudonymKey
        The store's.
    progress : bool
        Whether to show progress bars on stderr.

    Returns
    -------
    IngestResult

    Raises
    ------
    DataError
        If the extract is not as described, or no person in it can be accepted.
    """
    for folder in ("tables", "identifiers"):
        if not (raw / folder).is_dir():
            raise DataError(f"{raw} has no folder {folder}", hint="a raw extract has tables/ and identifiers/, the patient index")
    store.parent.mkdir(parents=True, exist_ok=True)
    for left in store.parent.glob(".identified-*"):  # of a run that was killed: identified data must not stay
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=store.parent, prefix=".identified-") as name:
        work = Path(name)
        checked = import_data(raw / "tables", work / "checked", index_notes=False, progress=progress)
        linkage = link(index_records(raw), keys=LINK_KEYS)
        snapshot = Store(work / "checked").latest()
        policy = Policy(shift_days=0)
        source = Deidentifier(
            {table: snapshot.files(table) for table in snapshot.tables},
            key,
            policy,
            work,
            identifiers=_known(raw, linkage),
            patient=linkage.patient,
        )
        made = _write(source, store, raw, policy.record() | {"linked_records": linkage.joined}, progress=progress)
        return IngestResult(made, checked.report, _kept(checked.quarantine, raw), linkage)


def _write(source: Deidentifier, store: Path, raw: Path, policy: dict[str, Any], *, progress: bool) -> str:
    with SnapshotWriter(store, source=raw.name, policy=policy, progress=progress) as writer:
        for name in tqdm(source.tables, desc="de-identify", unit="table", disable=not progress):
            writer.write(name, source.batches(name))
        if "note" in source.tables:
            writer.add_index("notes", lambda directory: build_notes_index(source.batches("note"), directory))
    return writer.snapshot_id


def _kept(quarantine: Path | None, raw: Path) -> Path | None:
    if quarantine is None:
        return None
    target = raw / "quarantine" / quarantine.name
    target.parent.mkdir(exist_ok=True, mode=0o700)
    return Path(shutil.move(quarantine, target))


def index_records(raw: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of the patient index, with the columns that exist.

    Parameters
    ----------
    raw : Path
        The extract.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        for batch in ds.dataset(raw / "identifiers").to_batches():
            yield from (record | {"person_id": int(record["person_id"])} for record in batch.to_pylist())
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the patient index {raw / 'identifiers'} cannot be read", hint="Parquet with a whole person_id in every row"
        ) from error


def _known(raw: Path, linkage: Linkage) -> dict[int, dict[str, str]]:
    """Gather what the index knows of each patient, all records together: identifier -> kind."""
    known: dict[int, dict[str, str]] = defaultdict(dict)
    for record in index_records(raw):
        for column, kind in IDENTIFIERS.items():
            value = str(record.get(column) or "").strip()
            if len(value) > 1:
                known[linkage.patient[record["person_id"]]][value] = kind
    return known
