"""Small makers of DICOM files for tests: series that are right, and files that are wrong in one named way."""

from __future__ import annotations

import io
import math
import random
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pydicom.data
from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT = "1.2.826.0.1.3680043.10.543"
SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
}
UNDEFINED = 0xFFFFFFFF
#: The files inside pydicom's own package; its functions that list them would ask the network for more.
PYDICOM_FILES = Path(pydicom.data.__file__).parent / "test_files"
_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}


def uid(*numbers: int) -> str:
    """Return a UID of ours, the same for the same numbers."""
    return ".".join([ROOT, *map(str, numbers)])


def ct_series(
    n: int = 4,
    *,
    series: int = 1,
    study: int = 1,
    syntax: str = "explicit",
    spacing_mm: float = 5.0,
    tilt_degrees: float = 0.0,
    without: Collection[int] = (),
    size: int = 8,
    nested: bool = False,
    **attributes: object,
) -> list[Dataset]:
    """Return the data sets of a plain CT series, head first.

    Parameters
    ----------
    n : int
        Slices before any is left out.
    series, study : int
        End in the UIDs.
    syntax : str
        A key of SYNTAXES.
    spacing_mm : float
        Along the table.
    tilt_degrees : float
        Of the gantry: slices are tilted while the table moves along z, so that the stack is sheared.
    without : collection of int
        Slices left out.
    size : int
        Rows and columns.
    nested : bool
        Whether a sequence of undefined length stands before the geometry.
    **attributes
        Set on each data set by keyword, over what stands here, right or wrong; None takes the attribute away.
    """
    return [_ct_slice(k, series, study, syntax, spacing_mm, tilt_degrees, size, nested, attributes) for k in range(n) if k not in without]


def _ct_slice(
    k: int, series: int, study: int, syntax: str, spacing_mm: float, tilt: float, size: int, nested: bool, attributes: dict[str, object]
) -> Dataset:
    ds = Dataset()
    angle = math.radians(tilt)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, uid(study, series, k + 1)
    ds.StudyDate, ds.SeriesDate, ds.StudyTime = "20240102", "20240102", "101112.5"
    ds.AccessionNumber, ds.Modality, ds.Manufacturer = f"A{study}", "CT", "Maker"
    ds.StudyDescription, ds.SeriesDescription, ds.ManufacturerModelName = "Chest", "Thorax 5.0", "Model 1"
    ds.PatientName, ds.PatientID, ds.PatientSex = "Wang^XiaoDong=王^小东", f"P{study}", "F"
    ds.BodyPartExamined, ds.SliceThickness, ds.KVP, ds.PatientPosition = "CHEST", 5, 120, "HFS"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uid(study), uid(study, series), uid(study, series, 0)
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = str(study), series, k + 1
    ds.ImagePositionPatient = [f"{v:.6g}" for v in (-100.0, -100.0, k * spacing_mm)]
    ds.ImageOrientationPatient = [f"{v:.8g}" for v in (1, 0, 0, 0, math.cos(angle), -math.sin(angle))] if tilt else [1, 0, 0, 0, 1, 0]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", size, size
    ds.PixelSpacing, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = [0.7, 0.7], 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope = -1024, 1
    ds.add_new(0x7FE00010, "OW", (np.arange(size * size, dtype="<i2") + k).tobytes())
    if nested:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, uid(study, series, 999)
        ds.ReferencedImageSequence = Sequence([item])
        ds["ReferencedImageSequence"].is_undefined_length = True
        item.is_undefined_length_sequence_item = True
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            ds.add(DataElement(tag_for_keyword(keyword), dictionary_VR(keyword), value, validation_mode=config.IGNORE))
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    return ds


def write(datasets: list[Dataset], folder: Path, *, stem: str = "slice") -> list[Path]:
    """Write data sets as files of one folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, ds in enumerate(datasets):
        paths.append(folder / f"{stem}{number:04d}.dcm")
        dcmwrite(paths[-1], ds, enforce_file_format=True)
    return paths


def encoded(ds: Dataset) -> bytes:
    """Return a data set as the bytes of a file."""
    file = io.BytesIO()
    dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def element(tag: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    """Return one element, explicit VR little endian, that may declare another length than its value has."""
    declared = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if not vr:
        return head + struct.pack("<I", declared) + value
    return head + vr + (struct.pack("<HI", 0, declared) if vr in _LONG else struct.pack("<H", declared)) + value


def item(content: bytes, *, length: int | None = None) -> bytes:
    """Return an item of a sequence; with ``length=UNDEFINED`` it ends with its delimiter."""
    tail = element(0xFFFEE00D, b"", b"") if length == UNDEFINED else b""
    return element(0xFFFEE000, b"", content, length=length) + tail


def nested_items(depth: int, *, undefined: bool = True) -> bytes:
    """Return a sequence within a sequence within a sequence: `depth` of them."""
    content = b""
    for _ in range(depth):
        if undefined:
            content = element(0x00081140, b"SQ", item(content, length=UNDEFINED), length=UNDEFINED) + element(0xFFFEE0DD, b"", b"")
        else:
            content = element(0x00081140, b"SQ", item(content))
    return content


def part10(body: bytes, *, syntax: str = "explicit", sop_class: str = CTImageStorage) -> bytes:
    """Return a file with preamble and file meta information around a body of any bytes; a deflated body is deflated here."""
    syntax_uid = SYNTAXES[syntax].encode()
    meta = element(0x00020002, b"UI", _even(sop_class.encode())) + element(0x00020010, b"UI", _even(syntax_uid))
    if syntax == "deflated":
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        body = packer.compress(body) + packer.flush()
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(meta))) + meta + body


def identified(body: bytes = b"") -> bytes:
    """Return a body that names instance, study and series, with `body` between the class and the study."""
    return (
        element(0x00080016, b"UI", _even(CTImageStorage.encode()))
        + element(0x00080018, b"UI", _even(uid(9, 9, 9).encode()))
        + body
        + element(0x0020000D, b"UI", _even(uid(9).encode()))
        + element(0x0020000E, b"UI", _even(uid(9, 9).encode()))
    )


def _even(value: bytes) -> bytes:
    return value + b"\0" * (len(value) % 2)


def index_file(*names: str) -> bytes:
    """Return a DICOMDIR with a record for each name, its parts divided by a backslash."""
    records = b"".join(item(element(0x00041430, b"CS", b"IMAGE ") + element(0x00041500, b"CS", _even(name.encode()))) for name in names)
    return part10(element(0x00041220, b"SQ", records), sop_class="1.2.840.10008.1.3.10")


def mutated_files(n: int, *, seed: int) -> Iterator[bytes]:
    """Yield broken files, made of ours in every syntax and of pydicom's small ones."""
    seeds = [encoded(ct_series(1, syntax=syntax, nested=True)[0]) for syntax in SYNTAXES]
    seeds += [path.read_bytes() for path in sorted(PYDICOM_FILES.glob("*.dcm")) if path.stat().st_size < 20_000]
    chance = random.Random(seed)
    for number in range(n):
        yield mutated(seeds[number % len(seeds)], chance)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return a file with one to eight faults: bytes changed, cut out, put in, repeated, lengths made huge, cut short."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(128, max(len(data), 129))
        kind = chance.randrange(6)
        if kind == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del data[at : at + chance.randint(1, 40)]
        elif kind == 2:
            data[at:at] = chance.randbytes(chance.randint(1, 12))
        elif kind == 3:
            data[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"SQ\0\0", b"UN\0\0"])
        elif kind == 4:
            data[at:at] = data[at : at + chance.randint(8, 200)]
        elif chance.random() < 0.2:
            del data[at:]
    return bytes(data)
