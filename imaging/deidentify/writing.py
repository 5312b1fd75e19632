"""A cleaned data set as the bytes of a file: zero preamble, file meta information made anew, nothing behind the last element."""

from __future__ import annotations

import struct
import zlib
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from pydicom.uid import PYDICOM_IMPLEMENTATION_UID

from imaging.deidentify.records import Doubt
from imaging.deidentify.values import as_bytes
from imaging.dicom.structure import DEFLATED, LONG_VRS, SHORT_VRS, Encoding
from imaging.dicom.tags import UNDEFINED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imaging.deidentify.profile import Profile
    from imaging.deidentify.values import DataSet, Element

__all__ = ["encode", "encode_items", "file_chunks"]

_VERSION_NAME = "IMAGING"
_LONGEST, _LONG = 0xFFFF, 1 << 16


def file_chunks(dataset: DataSet, encoding: Encoding, syntax: str, profile: Profile) -> list[bytes]:
    """Return a file (PS3.10 section 7.1) as pieces to be joined; pixel data stand in a piece of their own.

    Parameters
    ----------
    dataset : DataSet
        Cleaned.
    encoding : Encoding
        How it was read, and is written.
    syntax : str
        Transfer Syntax UID.
    profile : Profile
        Knows the value representations.

    Raises
    ------
    Doubt
        If class or instance are not named, or an element cannot be written as it stands.
    """
    head = bytes(128) + b"DICM" + _meta(dataset, syntax)
    body = encode(dataset.values(), encoding, profile)
    if syntax == DEFLATED:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        packed = packer.compress(b"".join(body)) + packer.flush()
        body = [packed + bytes(len(packed) % 2)]
    return _joined([head, *body])


def _joined(pieces: list[bytes]) -> list[bytes]:
    """Return fewer pieces: short ones that follow each other as one."""
    joined = []
    for long, run in groupby(pieces, key=lambda piece: len(piece) >= _LONG):
        some = list(run)
        joined += some if long else [b"".join(some)]
    return joined


def _meta(dataset: DataSet, syntax: str) -> bytes:
    fields = [(1, b"OB", b"\0\1")]
    for number, tag in ((2, 0x00080016), (3, 0x00080018)):
        if tag not in dataset or not dataset[tag].value:
            raise Doubt("unnamed", tag)
        fields.append((number, b"UI", dataset[tag].value))
    fields += [(0x10, b"UI", as_bytes(syntax, "UI")), (0x12, b"UI", as_bytes(str(PYDICOM_IMPLEMENTATION_UID), "UI"))]
    fields.append((0x13, b"SH", as_bytes(_VERSION_NAME, "SH")))
    explicit = Encoding(implicit=False, little=True)
    meta = b"".join(_head(2 << 16 | number, vr, len(value), explicit) + value for number, vr, value in fields)
    return _head(0x00020000, b"UL", 4, explicit) + struct.pack("<I", len(meta)) + meta


def encode_items(items: Iterable[Iterable[Element]], encoding: Encoding, profile: Profile) -> bytes:
    """Return the value of a sequence (PS3.5 section 7.5.1), all lengths defined.

    Parameters
    ----------
    items : iterable of iterable of element
        Data sets.
    encoding : Encoding
        How they are written.
    profile : Profile
        Knows the value representations.
    """
    contents = (b"".join(encode(item, encoding, profile)) for item in items)
    return b"".join(_head(0xFFFEE000, None, len(content), encoding) + content for content in contents)


def encode(elements: Iterable[Element], encoding: Encoding, profile: Profile) -> list[bytes]:
    """Return a data set's elements as pieces to be joined.

    Parameters
    ----------
    elements : iterable of element
        Values as bytes, those of sequences too.
    encoding : Encoding
        How they are written.
    profile : Profile
        Knows the value representations.
    """
    pieces: list[bytes] = []
    for each in sorted(elements, key=_TAG):
        tag, vr, value = each.tag, each.vr, each.value
        vr = vr or ("UN" if tag >> 16 & 1 else profile.rule(tag).vr)
        if len(value) % 2:
            value += b"\0" if vr in ("UI", "OB", "UN", "OW") else b" "
        if each.open_ended:
            pieces += _head(tag, vr.encode(), UNDEFINED, encoding), value, _head(0xFFFEE0DD, None, 0, encoding)
        else:
            pieces += _head(tag, vr.encode(), len(value), encoding), value
    return pieces


_TAG = itemgetter(0)


def _head(tag: int, vr: bytes | None, size: int, encoding: Encoding) -> bytes:
    """Return tag, representation and length (PS3.5 section 7.1); items have no representation."""
    order = "<" if encoding.little else ">"
    if vr is None or encoding.implicit:
        return struct.pack(f"{order}HHI", tag >> 16, tag & 0xFFFF, size)
    if vr in SHORT_VRS:
        if size > _LONGEST:
            raise Doubt("too-long", tag)
        return struct.pack(f"{order}HH2sH", tag >> 16, tag & 0xFFFF, vr, size)
    return struct.pack(f"{order}HH2sHI", tag >> 16, tag & 0xFFFF, vr if vr in LONG_VRS else b"UN", 0, size)
