"""Files with what identifies a patient planted in every kind of place, each time marked by its own number: which of them are left?"""

from __future__ import annotations

import copy
import io
import re
from typing import TYPE_CHECKING

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from tests.lib.dicom_files import element

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BYTES", "NAME", "PATIENT", "PLACES", "SPELT", "left", "planted"]

#: The patient: the name stands, in some spelling, in every probe.
NAME, PATIENT = "Zhang^XiaoMing=张^晓明", "ZX00417293"

#: Where an element is planted, by keyword or ``tag:VR``, through sequences by ``/``; the probe is the name with the place's number.
PLACES = (
    # in the header
    "OtherPatientNames",
    "PatientAddress",
    "PatientComments",
    "AdditionalPatientHistory",
    "ReferringPhysicianName",
    "OperatorsName",
    "InstitutionName",
    "StationName",
    "StudyDescription",
    "SeriesDescription",
    "ProtocolName",
    "ImageComments",
    "RequestingPhysician",
    "DeviceSerialNumber",
    "ContrastBolusAgent",
    "ConvolutionKernel",
    "FilterType",
    "StudyID",
    # in sequences
    "RequestAttributesSequence/ScheduledProcedureStepDescription",
    "ReferencedPatientSequence/PatientName",
    "ReferencedStudySequence/StudyDescription",
    "ReferencedImageSequence/PurposeOfReferenceCodeSequence/CodeMeaning",
    "ProcedureCodeSequence/CodeMeaning",
    "DerivationCodeSequence/ReferencedImageSequence/RequestAttributesSequence/RequestedProcedureDescription",
    "ContentSequence/PersonName",
    "ContentSequence/ContentSequence/TextValue",
    # private ones: of a creator that is known as safe, of none that is known, of none at all; a creator's own name
    "00190010:LO=SIEMENS CT VA0  COAD,001910B0:LO",
    "00330010:LO=OWN MAKER,00331001:LO",
    "00350010:LO=OWN MAKER,00351001:SQ/PatientName",
    "00370010:LO",
    "00390010:LO=OWN MAKER,00391001:UN",
    "00091002:LO",
    # overlays, curves, graphics
    "60000022:LO",
    "60001500:LO",
    "60003000:OB",
    "60004000:LT",
    "50000022:LO",
    "50003000:OB",
    # of no known kind
    "00185599:LO",
    "00100010:UN",
)

#: Ways to plant in bytes.
BYTES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "preamble": lambda file, probe: probe.ljust(128, b"\0") + file[128:],
    "behind the last element": lambda file, probe: file + probe,
    "data set trailing padding": lambda file, probe: file + element(0xFFFCFFFC, b"OB", probe + b"\0" * (len(probe) % 2)),
    "source application entity title": lambda file, probe: _in_meta(file, 0x00020016, b"AE", probe),
    "private information": lambda file, probe: _in_meta(file, 0x00020102, b"OB", probe, 0x00020100),
}

#: Twenty more: other spellings, other character sets, representations that are no text, and places that nobody thinks of.
SPELT: dict[str, tuple[str, Callable[[str], object]]] = {
    "given name first": ("SeriesDescription", lambda n: f"CHEST XiaoMing Zhang{n}"),
    "all capital letters": ("ConvolutionKernel", lambda n: f"ZHANG, XIAOMING{n}"),
    "syllables apart": ("ImageComments", lambda n: f"for zhang xiao-ming{n} at once"),
    "no blank": ("ProtocolName", lambda n: f"zhangxiaoming{n}"),
    "Chinese in Latin": ("StudyDescription", lambda n: f"胸部 张晓明{n}".encode("gbk")),
    "Chinese apart": ("RequestAttributesSequence/ScheduledProcedureStepDescription", lambda n: f"张 晓 明{n}".encode("gbk")),
    "Chinese in UTF-8 undeclared": ("FilterType", lambda n: f"张晓明{n}".encode()),
    "in a code string": ("ImageType", lambda n: ["ORIGINAL", "PRIMARY", f"ZHANG_XIAOMING{n}"]),
    "in a number": ("KVP", lambda n: f"ZHANGXIAOMING{n}".encode()),
    "behind a zero byte": ("Manufacturer", lambda n: f"SIEMENS\0ZhangXiaoMing{n}".encode()),
    "in UTF-16 in a private one": ("00290010:LO=SIEMENS CSA HEADER,00291009:UN", lambda n: f"Zhang XiaoMing{n}".encode("utf-16-le")),
    "the patient's number": ("SeriesDescription", lambda n: f"ZX00417293 {n}"),
    "the number with signs": ("ImageComments", lambda n: f"ZX-0041-7293 {n}"),
    "an identity card": ("ImageComments", lambda n: f"23010319650101{n}X"[:18].ljust(18, "1")),
    "a telephone": ("StudyDescription", lambda n: f"call 13800138{n}"),
    "a doctor": ("SeriesDescription", lambda n: f"Dr. Smithson{n} wants this"),
    "a mail address": ("ImageComments", lambda n: f"to zxm{n}@example.org"),
    "name in a unique text": ("00081030:UT", lambda n: f"report {'x ' * 200} Zhang XiaoMing{n}"),
    "in a sequence as unknown bytes": ("00081115:UN", lambda n: _sequence_bytes(f"Zhang XiaoMing{n}")),
    "in the icon": ("IconImageSequence/ImageComments", lambda n: f"Zhang XiaoMing{n}"),
    "an old UID": ("ImageComments", lambda n: f"see 1.2.826.0.1.3680043.10.543.{n}.417.293.1"),
}


def _sequence_bytes(text: str) -> bytes:
    value = text.encode() + b" " * (len(text) % 2)
    content = b"\x10\x00\x10\x00" + len(value).to_bytes(4, "little") + value  # implicit, as PS3.5 section 6.2.2 has it
    return b"\xfe\xff\x00\xe0" + len(content).to_bytes(4, "little") + content


def _in_meta(file: bytes, tag: int, vr: bytes, probe: bytes, creator: int | None = None) -> bytes:
    """Put an element at the end of the file meta information."""
    more = element(creator, b"UI", b"1.2.3\0") if creator else b""
    more += element(tag, vr, probe + b" " * (len(probe) % 2))
    size = int.from_bytes(file[140:144], "little")
    return file[:140] + (size + len(more)).to_bytes(4, "little") + file[144 : 144 + size] + more + file[144 + size :]


def planted(base: Dataset, place: str, number: int) -> tuple[bytes, str]:
    """Return a file with one probe, and the probe.

    Parameters
    ----------
    base : Dataset
        Not changed.
    place : str
        Of PLACES, BYTES or SPELT.
    number : int
        Marks the probe.
    """
    ds = copy.deepcopy(base)
    probe = f"Zhang XiaoMing{number:03d}"
    if place in BYTES:
        return BYTES[place](_encoded(ds), probe.encode()), probe
    where, value = SPELT.get(place, (place, lambda n: f"Zhang XiaoMing{n}"))
    value = value(f"{number:03d}")
    *before, last = where.split(",")
    for part in before:
        name, _, text = part.partition("=")
        _plant(ds, [name], text)
    _plant(ds, last.split("/"), value)
    text = value[-1] if isinstance(value, list) else value
    return _encoded(ds), text if isinstance(text, str) else _text(text)


def _text(value: bytes) -> str:
    for encoding in ("utf-8", "gbk"):
        try:
            return value.replace(b"\0", b"").decode(encoding)
        except UnicodeDecodeError:
            continue
    return re.search(rb"Zhang[ \w]+", value)[0].decode()


def _plant(ds: Dataset, path: list[str], value: object) -> None:
    for name in path[:-1]:
        tag, _ = _tag(name)
        if tag not in ds:
            ds.add_new(tag, "SQ", Sequence([Dataset()]))
        ds = ds[tag].value[0]
    tag, vr = _tag(path[-1])
    if isinstance(value, str) and vr in ("OB", "UN"):
        value = value.encode() + b"\0" * (len(value) % 2)
    if isinstance(value, bytes) and vr not in ("OB", "UN"):
        value += b" " * (len(value) % 2)
        ds[tag] = RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)
        return
    before = config.replace_un_with_known_vr
    config.replace_un_with_known_vr = False
    try:
        ds.add(DataElement(tag, vr, value, validation_mode=config.IGNORE))
    finally:
        config.replace_un_with_known_vr = before


def _tag(name: str) -> tuple[int, str]:
    if re.match(r"[0-9A-F]{8}:", name):
        tag, vr = name.split(":")
        return int(tag, 16), vr.partition("=")[0]
    tag = tag_for_keyword(name)
    return tag, dictionary_VR(tag)


def _encoded(ds: Dataset) -> bytes:
    file = io.BytesIO()
    dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def left(file: bytes, probe: str) -> bool:
    """Say whether a probe's identifying text still stands in a file, in any character set, in any case, with or without blanks."""
    plain = _plain(file)
    words = re.sub(r"^(CHEST|胸部|for|call|report|to|see|Dr\.|SIEMENS|ORIGINAL) ?", "", probe).replace("x ", "")
    words = words.removesuffix(" at once").removesuffix(" wants this").replace("SIEMENS", "")
    return any(_plain(words.encode(encoding)) in plain for encoding in ("utf-8", "gbk", "utf-16-le"))


def _plain(data: bytes) -> bytes:
    return data.lower().translate(None, b" \0^,-_.")
