"""One file de-identified: read within limits, cleaned, looked through once more, and written only if nothing is left to doubt."""

from __future__ import annotations

import hashlib
import math
import os
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from imaging.deidentify.charset import encodings_of
from imaging.deidentify.cleaning import Cleaning
from imaging.deidentify.contents import as_pydicom, data_set, from_pydicom, gather, text_of
from imaging.deidentify.identifiers import known
from imaging.deidentify.pixels import SETTLES, PixelPolicy, apply_pixels, clean_pixels, settle
from imaging.deidentify.profile import Options, Profile, profile_of
from imaging.deidentify.records import Doubt, Record
from imaging.deidentify.residual import residual
from imaging.deidentify.writing import file_chunks
from imaging.dicom.files import path_from_text, path_text
from imaging.dicom.quiet import quiet
from imaging.dicom.reading import lay_out, open_file
from imaging.dicom.refusals import Refusal, tag_text
from imaging.dicom.structure import BIG_ENDIAN, IMPLICIT, Encoding, Limits
from imaging.dicom.tags import INDEX_CLASS
from imaging.errors import PlaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imaging.deidentify.keys import Keys
    from imaging.deidentify.pixels import Settled
    from imaging.deidentify.values import DataSet, Element
    from imaging.dicom.structure import Start

__all__ = ["Cleaned", "deidentify_bytes", "deidentify_file"]

_CHARSET, _SOP_CLASS, _PATIENT, _PIXELS = 0x00080005, 0x00080016, 0x00100020, 0x7FE00010
#: Rows, Columns, Samples per Pixel, Bits Allocated.
_EXTENT = (0x00280010, 0x00280011, 0x00280002, 0x00280100)
_NATIVE = ("", IMPLICIT, "1.2.840.10008.1.2.1", BIG_ENDIAN)
#: Documents and meshes, and the classes of recorded speech: nothing here looks into these.
_DOCUMENTS = (0x00420011,)
_SPEECH = ("1.2.840.10008.5.1.4.1.1.9.4.1", "1.2.840.10008.5.1.4.1.1.9.4.2")
#: Identity of the institution and of devices: no identifiers of the patient where these are to stay.
_INSTITUTION, _DEVICE = frozenset({0x00080080, 0x00080081}), frozenset({0x00181000})


class _Settings(NamedTuple):
    """What a file is cleaned by."""

    keys: Keys
    profile: Profile
    pixels: PixelPolicy
    patient: str | None
    patients: Mapping[str, Sequence[str]]
    limits: Limits | None


class Cleaned(NamedTuple):
    """A file that may be written: its pieces, the UIDs that name its place, and its record so far."""

    pieces: list[bytes]
    place: tuple[str, str, str, str]
    record: Record


def deidentify_file(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    keys: Keys,
    options: Options | None = None,
    pixels: PixelPolicy | None = None,
    patient: str | None = None,
    patients: Mapping[str, Sequence[str]] | None = None,
    limits: Limits | None = None,
) -> Record:
    """De-identify one file; on any doubt nothing is written and the record says why.

    Parameters
    ----------
    source : path
        A DICOM file.
    out : path
        The file to write; its folder is made.
    keys : Keys
        Pseudonyms of the project.
    options : Options, optional
        Of the profile.
    pixels : PixelPolicy, optional
        What is read for burned-in text; by default all images that may show any.
    patient : str, optional
        Patient ID for the keys; by default that of the file.
    patients : mapping of str to sequence of str, optional
        Patient ID -> what is known of that patient from elsewhere: names, numbers, telephones, addresses.
    limits : Limits, optional
        Beyond which a file is not read.

    Returns
    -------
    Record
        What was done.

    Raises
    ------
    PlaceError
        If `out` cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pydicom import dcmread
    >>> from pydicom.data import get_testdata_file
    >>> class Ours:
    ...     def person(self, patient_id):
    ...         return "person-1"
    ...
    ...     def shift_days(self, patient_id):
    ...         return 7
    ...
    ...     def uid(self, uid):
    ...         return f"2.25.{int(hashlib.sha256(uid.encode()).hexdigest()[:30], 16)}"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     record = deidentify_file(get_testdata_file("CT_small.dcm"), Path(folder, "out.dcm"), keys=Ours())
    ...     dataset = dcmread(Path(folder, "out.dcm"))
    >>> record.reason, dataset.PatientID, dataset.StudyDate
    ('', 'person-1', '20040126')
    """
    cleaned = deidentify_bytes(source, keys=keys, options=options, pixels=pixels, patient=patient, patients=patients, limits=limits)
    if isinstance(cleaned, Record):
        return cleaned
    try:
        write_whole(cleaned.pieces, Path(out))
    except OSError as error:
        raise PlaceError(
            f"{path_text(os.fspath(out))}: cannot be written ({error.strerror or error})", hint="choose a folder with room"
        ) from error
    return replace(cleaned.record, out=path_text(os.fspath(out)))


def write_whole(pieces: Iterable[bytes], path: Path, *, mark: str = "") -> None:
    """Write a file aside and give it its name in one step.

    Parameters
    ----------
    pieces : iterable of bytes
        The file.
    path : Path
        Where it goes.
    mark : str
        Begins the name that it has until it is whole, behind a dot: by it, what a kill has left is found.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{mark}{uuid4().hex}")
    try:
        with aside.open("xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def deidentify_bytes(
    source: str | os.PathLike[str],
    *,
    keys: Keys,
    options: Options | None = None,
    pixels: PixelPolicy | None = None,
    patient: str | None = None,
    patients: Mapping[str, Sequence[str]] | None = None,
    limits: Limits | None = None,
) -> Cleaned | Record:
    """Return what would be written for a file, or the record of why nothing is.

    Parameters
    ----------
    source, keys, options, pixels, patient, patients, limits
        As :func:`deidentify_file`.
    """
    record = Record(source=path_text(os.fspath(source)))
    try:
        data, record = _read(source, record, limits or Limits())
        settings = _Settings(keys, profile_of(options or Options()), pixels or PixelPolicy(), patient, patients or {}, limits)
        return _cleaned(data, record, settings)
    except Refusal as refusal:
        return replace(record, reason=refusal.reason, tag=tag_text(refusal.tag))
    except Doubt as doubt:
        return replace(record, reason=doubt.reason, tag=tag_text(doubt.tag))
    except PlaceError:
        raise
    except Exception as error:
        # Whatever a broken file makes a library raise: it is held back, and the kind of error is told, never its words.
        return replace(record, reason="failed", detail=type(error).__name__)


def _read(source: str | os.PathLike[str], record: Record, limits: Limits) -> tuple[bytes, Record]:
    with os.fdopen(open_file(source), "rb") as file:
        about = os.fstat(file.fileno())
        if about.st_size > limits.file_bytes:
            raise Refusal(source, None, "too-long", limit=limits.file_bytes)
        data = file.read()
    return data, replace(record, size=about.st_size, modified_ns=about.st_mtime_ns, sha256_in=hashlib.sha256(data).hexdigest())


def _cleaned(data: bytes, record: Record, settings: _Settings) -> Cleaned | Record:
    """Clean a file; one that still holds something is cleaned again with every value searched, which most files do not need."""
    layout = lay_out(data, limits=settings.limits)
    dataset = data_set(layout)
    _refuse_unseen(layout.start, dataset)
    cleaning = _cleaning(dataset, layout.start, settings)
    record = replace(record, person=cleaning.person)
    cleaned = cleaning.clean(dataset)
    pieces, left = _pieces(cleaned, cleaning, settings)
    if left:
        cleaning = _careful(cleaning)
        cleaned = cleaning.clean(dataset)
    with quiet():
        pixels = as_pydicom(dataset, cleaning.encoding, cleaning.syntax)
        settled = _settled(tuple(dataset[tag] for tag in SETTLES if tag in dataset), cleaning.encoding, cleaning.syntax)
        path, spellings = path_from_text(record.source), cleaning.known.spellings
        shown = clean_pixels(path, pixels, policy=settings.pixels, identifiers=spellings, settled=settled)
        record = replace(record, pixels=shown.outcome, boxes=len(shown.boxes), actions=_actions(cleaning))
        if shown.outcome == "quarantined":
            return replace(record, reason="burned-in" if shown.reason == "text-left" else "pixels", tag=tag_text(_PIXELS))
        if left or shown.attributes:
            apply_pixels(pixels, shown)
            cleaned |= from_pydicom(pixels, shown.attributes, cleaning.encoding)
            cleaning.syntax = str(pixels.file_meta.TransferSyntaxUID)
            pieces, left = _pieces(cleaned, cleaning, settings)
    if left:
        return replace(record, reason="residual", residual=left)
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    uids = (text_of(cleaned, tag) for tag in (0x0020000D, 0x0020000E, 0x00080018))
    return Cleaned(pieces, (cleaning.person, *uids), replace(record, sha256_out=digest.hexdigest()))


@lru_cache(maxsize=256)
def _settled(header: tuple[Element, ...], encoding: Encoding, syntax: str) -> Settled:
    """Return what a header says of the reading of an image: once for all files of a series."""
    return settle(as_pydicom({each.tag: each for each in header if each.items is None}, encoding, syntax))


def _careful(cleaning: Cleaning) -> Cleaning:
    """Return the same cleaning, that searches every value."""
    return replace(cleaning, careful=True, actions=Counter(), uids={}, recoded=False)


def _pieces(cleaned: DataSet, cleaning: Cleaning, settings: _Settings) -> tuple[list[bytes], int]:
    """Return the file, and how many identifiers stand in it."""
    _cut_pixels(cleaned, cleaning.encoding)
    cleaning.mark(cleaned, pixels=settings.pixels.reading != "none")
    pieces = file_chunks(cleaned, cleaning.encoding, cleaning.syntax, settings.profile)
    return pieces, residual(pieces, cleaning.known, [old for old, new in cleaning.uids.items() if old != new])


def _cleaning(dataset: DataSet, start: Start, settings: _Settings) -> Cleaning:
    """Return the cleaning of a file: whose it is, and what is known of them."""
    encoding, syntax = _written_as(start)
    encodings = encodings_of(text_of(dataset, _CHARSET))
    patient = text_of(dataset, _PATIENT, encodings) if settings.patient is None else settings.patient
    person = settings.keys.person(patient)
    if person is None:
        raise Doubt("no-person", _PATIENT)
    options = settings.profile.options
    skipped = (_INSTITUTION if options.institution else frozenset()) | (_DEVICE if options.device else frozenset())
    found, given = gather(dataset, encodings, skipped), settings.patients.get(patient, ())
    about = known(found.names.union(given), found.numbers.union(given, [patient]), found.texts.union(given))
    return Cleaning(settings.profile, settings.keys, patient, person, about, encodings, encoding, syntax)


def _actions(cleaning: Cleaning) -> tuple[dict, ...]:
    told = ((_path_text(path, tag), str(act), n) for (path, tag, act), n in cleaning.actions.items())
    return tuple({"path": path, "action": action, "n": n} for path, action, n in sorted(told))


@lru_cache(maxsize=4096)
def _path_text(path: tuple[int, ...], tag: int) -> str:
    return "".join(map(tag_text, (*path, tag)))


def _written_as(start: Start) -> tuple[Encoding, str]:
    """Return how a file is to be written, and its syntax: that which it names, or where it names a plain one, that which its bytes have."""
    if start.syntax not in _NATIVE:
        return Encoding(implicit=False, little=True), start.syntax
    implicit, little = start.encoding
    return start.encoding, IMPLICIT if implicit else "1.2.840.10008.1.2.1" if little else BIG_ENDIAN


def _refuse_unseen(start: Start, dataset: DataSet) -> None:
    if start.sop_class == INDEX_CLASS:
        raise Doubt("index", 0x00020002)
    for tag in _DOCUMENTS:
        if tag in dataset:
            raise Doubt("document", tag)
    if text_of(dataset, _SOP_CLASS) in _SPEECH:
        raise Doubt("document", _SOP_CLASS)


def _cut_pixels(cleaned: DataSet, encoding: Encoding) -> None:
    """Cut what stands behind the last pixel of uncompressed data."""
    pixels = cleaned.get(_PIXELS)
    if pixels is None or pixels.open_ended or text_of(cleaned, 0x00280004) == "YBR_FULL_422":
        return
    try:
        frames = int(text_of(cleaned, 0x00280008) or 1)
        bits = frames * math.prod(_short(cleaned, tag, encoding) for tag in _EXTENT)
    except ValueError:
        return
    size = (bits + 15) // 16 * 2
    if 0 < size < len(pixels.value):
        cleaned[_PIXELS] = pixels._replace(value=pixels.value[:size])


def _short(cleaned: DataSet, tag: int, encoding: Encoding) -> int:
    """Return a number of two bytes."""
    value = cleaned[tag].value if tag in cleaned else b""
    if len(value) != 2:
        raise ValueError
    return int.from_bytes(value, "little" if encoding.little else "big")
