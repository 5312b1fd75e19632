"""Elements as the bytes that stand in files, and legal stand-ins for their values by value representation (PS3.5 section 6.2)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DUMMIES", "DataSet", "Element", "as_bytes"]


class Element(NamedTuple):
    """One element of a data set.

    Parameters
    ----------
    tag : int
        Group and element in one number.
    vr : str
        Its representation; empty where the file has none.
    value : bytes
        As it stands in the file.
    items : list of dict, optional
        Of a sequence: its data sets; `value` is empty then.
    open_ended : bool
        Whether a delimiter ends it, as it does fragments of pixel data.
    """

    tag: int
    vr: str
    value: bytes
    items: list[dict[int, Element]] | None = None
    open_ended: bool = False


#: Tag -> element.
DataSet = dict[int, Element]

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
