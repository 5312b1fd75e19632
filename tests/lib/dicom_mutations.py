"""Files that are wrong where a reader trusts: lengths, representations, delimiters, transfer syntaxes, sizes of images and streams."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from tests.lib.dicom_files import PYDICOM_FILES, SYNTAXES, ct_series, element, encoded, mutated, part10
from tests.lib.enhanced_files import enhanced, planes

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_VRS = [b"AE", b"AT", b"CS", b"DS", b"FD", b"IS", b"LO", b"OB", b"OW", b"SQ", b"UI", b"UL", b"UN", b"US", b"UT", b"ZZ", b"\0\0"]
_TAGS = [0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0x7FE00010, 0x7FE00008, 0x00280010, 0x52009230, 0x00020010, 0x00000000, 0xFFFFFFFF]
_LENGTHS = [0, 1, 7, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]
_UIDS = [*SYNTAXES.values(), RLELossless, JPEGLSLossless, JPEG2000Lossless, "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"]
_UIDS += ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.8.1", "1.2.3", ""]
_SIZES = [0, 1, 2, 7, 255, 32_768, 65_535]
_WHOLE = [0x00280002, 0x00280006, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103]
_TEXTS = {
    0x00280008: [b"0", b"2", b"-1", b"65536", b"2147483648", b"1e3", b"99999999999999999999"],
    0x00280004: [b"RGB ", b"YBR_FULL_422", b"PALETTE COLOR ", b"MONOCHROME1 ", b"HSV "],
    0x00281053: [b"0 ", b"1e308 ", b"NaN ", b"-1e-320"],
    0x00281052: [b"1e308 ", b"inf ", b"1,5 "],
    0x00280030: [b"0\\0 ", b"1e-9\\1e9 ", b"-1\\-1 "],
    0x00200032: [b"0\\0", b"1e9\\0\\0 ", b"NaN\\0\\0 "],
    0x00200037: [b"1\\0\\0\\1\\0\\0 ", b"0\\0\\0\\0\\0\\0 "],
    0x3004000C: [b"0\\1 ", b"5\\5\\5 "],
}


def seeds() -> list[bytes]:
    """Return whole files: each plain syntax, multi-frame ones compressed three ways, and pydicom's small ones."""
    found = [encoded(ct_series(1, syntax=syntax, nested=True)[0]) for syntax in SYNTAXES]
    for syntax in (None, RLELossless, JPEGLSLossless, JPEG2000Lossless):
        dataset = enhanced(planes(0, 3, 6), size=32)
        if syntax is not None:
            dataset.compress(syntax)
        found.append(encoded(dataset))
    return found + [path.read_bytes() for path in sorted(PYDICOM_FILES.glob("*.dcm")) if path.stat().st_size < 40_000]


def hostile_files(n: int, chance: random.Random) -> Iterator[bytes]:
    """Yield files with one to four faults each, half of them of structure."""
    whole = seeds()
    for number in range(n):
        data = whole[number % len(whole)]
        if chance.random() < 0.3:
            yield mutated(data, chance)
            continue
        for _ in range(chance.randint(1, 4)):
            data = chance.choice(_FAULTS)(data, chance)
        yield data


def _places(data: bytes) -> list[tuple[int, int, int, int]]:
    """Return tag, and where tag, value and end of it lie, of the elements of an explicit little endian file, nested ones too."""
    at, found = 132, []
    while at + 12 <= len(data) and len(found) < 2_000:
        tag = int.from_bytes(data[at : at + 2], "little") << 16 | int.from_bytes(data[at + 2 : at + 4], "little")
        vr = data[at + 4 : at + 6]
        if tag >> 16 == 0xFFFE:
            found.append((tag, at, at + 8, at + 8))
            at += 8
            continue
        begin = at + (12 if vr in _LONG else 8)
        size = struct.unpack("<I", data[at + 8 : at + 12])[0] if vr in _LONG else struct.unpack("<H", data[at + 6 : at + 8])[0]
        inside = vr == b"SQ" or size == 0xFFFFFFFF
        end = begin if inside else begin + size
        if end > len(data):
            break
        found.append((tag, at, begin, end))
        at = end
    return found


def _length(data: bytes, chance: random.Random) -> bytes:
    if not (places := _places(data)):
        return data
    _, _, begin, end = chance.choice(places)
    size = chance.choice([*_LENGTHS, end - begin + 1, max(end - begin - 1, 0), len(data)])
    at, width = (begin - 4, 4) if chance.random() < 0.7 else (begin - 2, 2)
    return data[:at] + (size & ((1 << 8 * width) - 1)).to_bytes(width, "little") + data[at + width :]


def _representation(data: bytes, chance: random.Random) -> bytes:
    if not (places := _places(data)):
        return data
    at = chance.choice(places)[1]
    return data[: at + 4] + chance.choice(_VRS) + data[at + 6 :]


def _tag(data: bytes, chance: random.Random) -> bytes:
    if not (places := _places(data)):
        return data
    at, tag = chance.choice(places)[1], chance.choice(_TAGS)
    return data[:at] + struct.pack("<HH", tag >> 16, tag & 0xFFFF) + data[at + 4 :]


def _delimiter(data: bytes, chance: random.Random) -> bytes:
    at = chance.choice(_places(data) or [(0, 132, 0, 0)])[1]
    return data[:at] + element(chance.choice(_TAGS[:3]), b"", b"", length=chance.choice([0, 8, 0xFFFFFFFF])) + data[at:]


def _again(data: bytes, chance: random.Random) -> bytes:
    if not (places := _places(data)):
        return data
    _, at, _, end = chance.choice(places)
    where = chance.choice(places)[1]
    return data[:where] + data[at:end] + data[where:]


def _syntax(data: bytes, chance: random.Random) -> bytes:
    return _valued(data, 0x00020010, chance.choice(_UIDS).encode())


def _size(data: bytes, chance: random.Random) -> bytes:
    return _valued(data, chance.choice(_WHOLE), struct.pack("<H", chance.choice(_SIZES)))


def _text(data: bytes, chance: random.Random) -> bytes:
    tag = chance.choice([*_TEXTS])
    return _valued(data, tag, chance.choice(_TEXTS[tag]))


def _valued(data: bytes, wanted: int, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    for tag, _, begin, end in _places(data):
        if tag == wanted and data[begin - 4 : begin - 2] not in (b"SQ", b"UN"):
            return data[: begin - 2] + struct.pack("<H", len(value)) + value + data[end:]
    return data


def _stream(data: bytes, chance: random.Random) -> bytes:
    """Lie about the size of an image within its compressed stream: JPEG and JPEG-LS (SOF), JPEG 2000 (SIZ), RLE (offsets)."""
    for marker, skip, width in ((b"\xff\xf7", 5, 2), (b"\xff\xc3", 5, 2), (b"\xff\xc0", 5, 2), (b"\xff\x51", 6, 4), (b"\xff\xc1", 5, 2)):
        at = data.find(marker, 132)
        if at > 0:
            size = chance.choice([0, 1, (1 << 8 * width) - 1, (1 << 8 * width) // 2]).to_bytes(width, "big")
            data = data[: at + skip] + size * 2 + data[at + skip + 2 * width :]
            return data[: at + skip + 2 * width] + bytes([chance.choice([0, 3, 255])]) + data[at + skip + 2 * width + 1 :]
    at = data.rfind(b"\xfe\xff\x00\xe0")
    if at < 0:
        return data
    at += 8 + 4 * chance.randrange(16)
    return data[:at] + chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", chance.randbytes(4)]) + data[at + 4 :]


def _offsets(data: bytes, chance: random.Random) -> bytes:
    """Put another table of offsets before the fragments."""
    at = data.find(b"\xfe\xff\x00\xe0", data.rfind(b"\xe0\x7f\x10\x00"))
    if at < 0:
        return data
    size = struct.unpack("<I", data[at + 4 : at + 8])[0]
    table = b"".join(struct.pack("<I", chance.choice([0, 8, 100, chance.randrange(5_000), 0xFFFFFFFF])) for _ in range(chance.randrange(5)))
    return data[: at + 4] + struct.pack("<I", len(table)) + table + data[at + 8 + size :]


def _bomb(data: bytes, chance: random.Random) -> bytes:
    """Return a deflated data set of zeros, a thousand times its file, or a stream that goes on after its end."""
    inside = element(0x00091010, b"OB", bytes(chance.choice([1, 20]) << 20)) if chance.random() < 0.3 else data[132:]
    packed = part10(inside, syntax="deflated")
    return packed[: chance.randrange(200, len(packed))] if chance.random() < 0.3 else packed + zlib.compress(bytes(1000))


_FAULTS = [_length, _representation, _tag, _delimiter, _again, _syntax, _size, _size, _text, _text, _stream, _offsets, _bomb]
