"""From the bytes of one element to a plain value, equal to pydicom's: text, numbers and tuples of them.

DICOM PS3.5 section 6.2 gives the value representations.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pydicom.charset import convert_encodings
from pydicom.values import convert_PN, convert_single_string, convert_text

from imaging.dicom.quiet import quiet
from imaging.dicom.refusals import Problem, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from imaging.dicom.tags import Field

__all__ = ["Value", "read_value"]

_PADDING = b" \0"
#: The Standard allows 32 bits, tables hold 64.
_LARGEST_INTEGER, _LARGEST_SHORT = 2**63 - 1, 2**16 - 1
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FD": "d", "FL": "f"}
_ONE_TEXT = ("LT", "ST", "UT")
#: In the file's character set, and in the default one.
_TEXTS, _CODES = frozenset({"PN", "LO", "SH", "UC", *_ONE_TEXT}), frozenset({"AE", "AS", "CS", "DA", "DT", "TM", "UI", "UR"})


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and abs(value) <= _LARGEST_INTEGER


def _is_short(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= _LARGEST_SHORT


#: What an attribute's values are where a file gives it another representation than the Standard's; a table has one type a column.
_KINDS = dict.fromkeys(("DS", "FD", "FL"), _is_number) | dict.fromkeys(("IS", "UL"), _is_whole) | {"US": _is_short}


class Value(NamedTuple):
    """A plain value, or None with what is wrong with it; None without a problem where nothing was written."""

    value: Any
    problem: Problem | None = None


def read_value(field: Field, vr: str, raw: bytes, charset: bytes = b"", *, little: bool = True) -> Value:
    r"""Return the value of an element.

    Parameters
    ----------
    field : Field
        The attribute; its count says whether a tuple or a single value is wanted.
    vr : str
        As the file has it.
    raw : bytes
        The value as it stands in the file.
    charset : bytes
        The bytes of (0008,0005) of this file.
    little : bool
        Whether binary numbers are little endian.

    Examples
    --------
    >>> from imaging.dicom.tags import BY_NAME
    >>> read_value(BY_NAME["pixel_spacing"], "DS", b"0.5\\0.5 ")
    Value(value=(0.5, 0.5), problem=None)
    >>> read_value(BY_NAME["patient_name"], "PN", "王^小东".encode("gb18030"), b"GB18030 ").value
    '王^小东'
    >>> read_value(BY_NAME["instance_number"], "IS", b"first ").problem.reason
    'bad-value'
    """
    try:
        values = _values(vr, raw, charset, little)
        if vr != field.vr and not all(value is None or _KINDS.get(field.vr, _is_text)(value) for value in values):
            raise ValueError("a representation of another kind")
    except (ValueError, LookupError, struct.error, OverflowError):
        return Value(None, problem(field.tag, "bad-value", vr=vr))
    if field.count == 1 and len(values) == 1:
        return Value(values[0])
    if all(value is None for value in values):
        return Value(None)
    if field.count == 0:
        return Value(values)
    if field.count > 1:
        if len(values) == field.count and None not in values:
            return Value(values)
        return Value(None, problem(field.tag, "wrong-count", found=len(values), wanted=field.count))
    if isinstance(values[0], str):
        return Value("\\".join(value or "" for value in values))
    return Value(None, problem(field.tag, "several", found=len(values)))


def _values(vr: str, raw: bytes, charset: bytes, little: bool) -> tuple:
    """Return every value; an empty one is None."""
    if vr in _CODES:
        text = raw.decode("latin-1").rstrip(" \0")
        if "\\" not in text and vr != "AE":
            return (text or None,)
        return tuple([(value.strip() if vr == "AE" else value) or None for value in text.split("\\")])
    if converter := _CONVERTERS.get(vr):
        return converter(raw)
    if code := _NUMBERS.get(vr):
        return struct.unpack(f"{'<' if little else '>'}{len(raw) // struct.calcsize(code)}{code}", raw)
    if vr in _TEXTS:
        return _text(vr, raw, charset)
    raise ValueError(vr)


def _text(vr: str, raw: bytes, charset: bytes) -> tuple:
    """Return text in the file's character set, as pydicom decodes it."""
    with quiet():
        encodings = convert_encodings(charset.decode("latin-1").rstrip(" \0").split("\\"))
        if vr == "PN":
            found = convert_PN(raw, encodings)
        elif vr in _ONE_TEXT:
            found = convert_single_string(raw, encodings)
        else:
            found = convert_text(raw, encodings)
    each = (found,) if isinstance(found, str) or not hasattr(found, "append") else found
    return tuple(str(value) or None for value in each)


def _decimals(raw: bytes) -> tuple[float | None, ...]:
    """Return the numbers of a decimal string (PS3.5 6.2, DS); what is not finite is no number."""
    if b"_" in raw:
        raise ValueError("Python reads 1_0 as ten; a decimal string has no such thing")
    try:
        values = numbers = tuple(map(float, raw.split(b"\\")))
    except ValueError:
        values = tuple(float(text) if text.strip() else None for text in raw.strip(_PADDING).split(b"\\"))
        numbers = [value for value in values if value is not None]
    if not all(map(math.isfinite, numbers)):
        raise ValueError("no finite number")
    return values


@lru_cache(maxsize=4_096)
def _integers(raw: bytes) -> tuple[int | None, ...]:
    """Return the numbers of an integer string (PS3.5 6.2, IS)."""
    if b"_" in raw:
        raise ValueError("Python reads 1_0 as ten; an integer string has no such thing")
    return tuple([_integer(text) for text in raw.strip(_PADDING).split(b"\\")])


def _integer(text: bytes) -> int | None:
    """Return a whole number; "3.0" counts, as many writers put it."""
    if not text.strip():
        return None
    try:
        value = int(text)
    except ValueError:
        decimal = float(text)
        if not decimal.is_integer():
            raise
        value = int(decimal)
    if abs(value) > _LARGEST_INTEGER:
        raise OverflowError(value)
    return value


_CONVERTERS: dict[str, Callable[[bytes], tuple[float | None, ...]]] = {"DS": _decimals, "IS": _integers}
