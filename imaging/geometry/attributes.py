"""Numbers and texts of a data set, read from the bytes that stand in the file.

pydicom warns about, or cuts, decimal strings of more than 16 characters (PS3.5 6.2); scanners write them all the same, and what
they wrote is what the geometry needs. What cannot be read is None: it is for the caller to say what follows from that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from imaging.errors import ImageDataError

if TYPE_CHECKING:
    from pydicom.dataelem import RawDataElement
    from pydicom.dataset import Dataset

__all__ = ["count", "items", "named", "numbers", "parts", "present", "text"]

#: Value representations whose numbers are bytes, not characters (PS3.5 6.2).
BINARY = frozenset({"AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV", "OB", "OW", "OD", "OF", "OL", "OV", "US or SS"})

_TAGS: dict[str, int] = {}


def numbers(dataset: Dataset, keyword: str, length: int | None = None) -> tuple[float, ...] | None:
    """Return the finite numbers of an attribute, exactly as written.

    Parameters
    ----------
    dataset : Dataset or dict
        As pydicom reads it, or as it was made in memory; or values by keyword, several values as a tuple.
    keyword : str
        The attribute's keyword (PS3.6).
    length : int, optional
        How many there have to be.

    Returns
    -------
    tuple of float or None
        None where the attribute is absent, empty, of another length, or no number.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> from pydicom.dataelem import RawDataElement
    >>> dataset, value = Dataset(), b"-71.123456789012345"
    >>> dataset[0x00201041] = RawDataElement(0x00201041, "DS", len(value), value, 0, False, True)
    >>> numbers(dataset, "SliceLocation")
    (-71.12345678901235,)
    """
    if isinstance(dataset, dict):
        value = dataset.get(keyword)
        found = None if value is None else _kept_finite(value if isinstance(value, tuple) else (value,))
    else:
        try:
            found = _finite(parts(dataset, keyword))
        except (TypeError, ValueError):
            return None
    return None if found is None or (length is not None and len(found) != length) else found


def _finite(values: Iterable) -> tuple[float, ...] | None:
    """Return values as numbers, or None where one of them is none, or there is none."""
    try:
        found = tuple([_number(value) for value in values])
    except (TypeError, ValueError):
        return None
    return found if found and all(map(math.isfinite, found)) else None


#: The rows of a series share most of their values.
_kept_finite = lru_cache(maxsize=4_096)(_finite)


def count(dataset: Dataset, keyword: str, default: int | None = None) -> int | None:
    """Return a whole number; `default` where the attribute is absent or empty, None where it is no whole number.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    keyword : str
        The attribute's keyword.
    default : int, optional
        What absence means.
    """
    if isinstance(dataset, dict) and type(value := dataset.get(keyword)) is int:
        return value
    if not present(dataset, keyword):
        return default
    found = numbers(dataset, keyword, 1)
    return int(found[0]) if found and found[0].is_integer() else None


def text(dataset: Dataset, keyword: str) -> str:
    r"""Return an attribute's characters without padding, its values joined by a backslash; empty where it is absent.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    keyword : str
        The attribute's keyword.
    """
    if isinstance(dataset, dict) and isinstance(value := dataset.get(keyword, ""), str):
        return value
    return "\\".join(str(part) for part in parts(dataset, keyword))


def present(dataset: Dataset, keyword: str) -> bool:
    """Whether the attribute is there and not empty.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    keyword : str
        The attribute's keyword.
    """
    if isinstance(dataset, dict):
        value = dataset.get(keyword)
        return value is not None and value not in ("", ()) and (not isinstance(value, tuple) or any(part != "" for part in value))
    return any(part != "" for part in parts(dataset, keyword))


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where it is absent.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    keyword : str
        The sequence's keyword.

    Raises
    ------
    ImageDataError
        If what stands there is no sequence.
    """
    if isinstance(dataset, dict) or _tag(keyword) not in dataset:
        return []
    try:
        value = dataset[_tag(keyword)].value
    except Exception as error:  # pydicom's converters raise whatever their parsing meets
        raise ImageDataError(f"{named(keyword)}: found what cannot be parsed, wanted a sequence", code="header-value") from error
    if not isinstance(value, Sequence) and value not in (None, "", b""):
        raise ImageDataError(f"{named(keyword)}: found another value representation, wanted a sequence", code="header-value")
    return list(value or ())


def named(keyword: str) -> str:
    """Return what an error calls an attribute: its keyword and its tag.

    Parameters
    ----------
    keyword : str
        The attribute's keyword.

    Examples
    --------
    >>> named("Rows")
    'Rows (0028,0010)'
    """
    tag = _tag(keyword)
    return f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def parts(dataset: Dataset, keyword: str) -> list:
    """Return the values of an attribute: text cut at its backslashes, or what a binary representation holds.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    keyword : str
        The attribute's keyword.
    """
    if isinstance(dataset, dict):
        found = dataset.get(keyword)
        return [] if found is None else list(found) if isinstance(found, tuple) else [found]
    try:
        element = dataset.get_item(_tag(keyword))
    except Exception:  # pydicom converts some values at once, and raises whatever its parsing meets
        return [None]
    if element is None or element.value is None:
        return []
    value = element.value
    if isinstance(value, bytes):
        if element.VR in BINARY or _implicit_binary(element, keyword):
            return _binary(dataset, keyword)
        value = value.decode("ascii", "replace")
    if isinstance(value, str):
        return [part.strip(" \0") for part in value.split("\\")]
    return [_exact(part) for part in (value if isinstance(value, Iterable) else (value,))]


def _implicit_binary(element: RawDataElement, keyword: str) -> bool:
    """Whether a data set without representations (implicit VR) holds this attribute as bytes."""
    return element.VR is None and dictionary_VR(_tag(keyword)) in BINARY


def _binary(dataset: Dataset, keyword: str) -> list:
    """Return the numbers of a binary attribute; one None where its bytes are none, so that it is there and cannot be read."""
    try:
        value = dataset[_tag(keyword)].value
    except Exception:  # pydicom's converters raise whatever their parsing meets
        return [None]
    if value is None or value in ("", b""):
        return []
    if isinstance(value, bytes):
        return [None]
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else [value]


def _number(part: object) -> float:
    if isinstance(part, str) and "_" in part:
        raise ValueError("Python reads 1_0 as ten; a decimal string has no such thing")
    return float(part)


def _exact(part: object) -> object:
    """Return what the text said where pydicom keeps it beside a rounded number."""
    return getattr(part, "original_string", None) or part


def _tag(keyword: str) -> int:
    if keyword not in _TAGS:
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise KeyError(keyword)
        _TAGS[keyword] = Tag(tag)
    return _TAGS[keyword]
