"""What was done to each file, as a row: where it came from and went, hashes, actions, and why it was held back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import pyarrow as pa

from imaging.dicom.refusals import REASONS as REFUSALS
from imaging.dicom.refusals import tag_text
from imaging.errors import ImageDataError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["REASONS", "SCHEMA", "Doubt", "Record", "record_table"]

#: Reason -> what is said in English of a file that is held back; those of files that cannot be read are the reader's own.
REASONS = {
    "burned-in": "shows text in its pixels that cannot be removed",
    "charset": "holds text that is in no known character set",
    "conflict": "has the SOP Instance UID of another file and other bytes",
    "document": "holds a document, a mesh or speech, which is not looked into",
    "failed": "cannot be cleaned",
    "index": "is an index of other files (DICOMDIR), no image",
    "mixed": "holds parts in another order of bytes",
    "no-person": "belongs to a patient whom the project does not have",
    "pixels": "has pixels that cannot be read",
    "residual": "still holds something known of the patient",
    "sequence": "holds a sequence that cannot be read",
    "too-long": "holds a text that is longer than its representation allows",
    "unnamed": "does not say which class or instance it is",
} | {reason: text.partition(" (")[0] for reason, text in REFUSALS.items() if reason not in ("index", "too-long")}


class Doubt(ImageDataError):
    """A file that is not let out.

    Parameters
    ----------
    reason : str
        A key of :data:`REASONS`.
    tag : int, optional
        Where.
    """

    def __init__(self, reason: str, tag: int | None = None) -> None:
        super().__init__(f"{reason} {tag_text(tag)}".strip())
        self.reason, self.tag = reason, tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One file.

    Parameters
    ----------
    source : str
        The file as it came, by :func:`imaging.dicom.files.path_text`; identifies, as it may hold a name.
    out : str
        What was written; empty: nothing.
    reason : str
        Why nothing was written, a key of :data:`REASONS`; empty: it was.
    tag : str
        Where it went wrong.
    detail : str
        What the reason's sentence names; never a value.
    person : str
        Pseudonym.
    size, modified_ns : int
        Of the source.
    sha256_in, sha256_out : str
        Of all bytes.
    residual : int
        Identifiers found in the bytes that were to be written.
    pixels : str
        What became of the pixels, a key of :data:`imaging.deidentify.pixels.OUTCOMES`.
    boxes : int
        Places blacked out.
    actions : tuple of dict
        What was done (`action`, by the letters of :class:`imaging.deidentify.profile.Act`) to which attribute (`path`), how often (`n`).
    """

    source: str
    out: str = ""
    reason: str = ""
    tag: str = ""
    detail: str = ""
    person: str = ""
    size: int = 0
    modified_ns: int = 0
    sha256_in: str = ""
    sha256_out: str = ""
    residual: int = 0
    pixels: str = ""
    boxes: int = 0
    actions: tuple[dict, ...] = ()


_ACTION = pa.struct([("path", pa.string()), ("action", pa.string()), ("n", pa.int32())])
_TYPES = {"str": pa.string(), "int": pa.int64()}
SCHEMA = pa.schema([(field.name, pa.list_(_ACTION) if field.name == "actions" else _TYPES[field.type]) for field in fields(Record)])


def record_table(records: Iterable[Record]) -> pa.Table:
    """Return records as a table.

    Parameters
    ----------
    records : iterable of Record
        One for each file.

    Examples
    --------
    >>> record_table([Record(source="a.dcm", reason="empty")])["reason"].to_pylist()
    ['empty']
    """
    return pa.Table.from_pylist([{field.name: getattr(each, field.name) for field in fields(Record)} for each in records], SCHEMA)
