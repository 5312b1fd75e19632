"""Legal stand-ins for values, by value representation (PS3.5 section 6.2), as the bytes that are written."""

from __future__ import annotations

from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag

__all__ = ["DUMMIES", "as_bytes", "element"]

#: What an attribute that must have a value is given.
DUMMIES: dict[str, bytes] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT"), b"REMOVED "),
    "AS": b"000D",
    "DA": b"19000101",
    "DT": b"19000101000000",
    "DS": b"0 ",
    "IS": b"0 ",
    "PN": b"REMOVED ",
    "TM": b"000000",
    "UR": b"urn:removed ",
    **dict.fromkeys(("OB", "UN", "OW", "US", "SS"), bytes(2)),
    **dict.fromkeys(("AT", "FL", "OF", "OL", "SL", "UL"), bytes(4)),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), bytes(8)),
}


def as_bytes(text: str, vr: str) -> bytes:
    """Return a text as it is written: in UTF-8, padded to an even length.

    Parameters
    ----------
    text : str
        Values divided by backslashes.
    vr : str
        Says what pads.
    """
    data = text.encode()
    return data + (b"\0" if vr == "UI" else b" ") * (len(data) % 2)


def element(tag: int, vr: str, value: bytes) -> RawDataElement:
    """Return an element as it is written.

    Parameters
    ----------
    tag : int
        Group and element in one number.
    vr : str
        Its representation.
    value : bytes
        Its value, of even length.
    """
    return RawDataElement(BaseTag(tag), vr, len(value), value, 0, False, True)
