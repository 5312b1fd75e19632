"""What stands in a data set, as bytes: its elements, its text, and what it says of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.multival import MultiValue

from imaging.deidentify.charset import decode_text
from imaging.deidentify.identifiers import NAMES, NUMBERS, TEXTS
from imaging.deidentify.profile import TEXT, Options, Profile
from imaging.deidentify.records import Doubt
from imaging.deidentify.values import as_bytes, element

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydicom.dataelem import DataElement, RawDataElement
    from pydicom.dataset import Dataset

    Element = DataElement | RawDataElement

__all__ = ["Findings", "creators_of", "elements", "gather", "text_of"]

#: The table without options: its dictionary of representations.
_DICTIONARY = Profile(Options())


@dataclass(frozen=True)
class Findings:
    """What a data set says of people, as it was written."""

    names: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


def elements(dataset: Dataset) -> Iterator[Element]:
    """Yield each element as the file has it; sequences are read.

    Parameters
    ----------
    dataset : Dataset
        As pydicom has read it.
    """
    for found in list(dataset.values()):
        if found.is_raw and (found.VR == "SQ" or (found.VR in (None, "UN") and _is_sequence(found))):
            found = dataset[found.tag]
            if found.VR != "SQ":
                raise Doubt("sequence", int(found.tag))
        yield found if found.is_raw or found.VR not in TEXT else _raw(found)


def _raw(found: DataElement) -> RawDataElement:
    """Return an element that pydicom has converted as bytes again: it does so with character sets."""
    value = found.value
    parts = value if isinstance(value, (MultiValue, list)) else [value]
    return element(int(found.tag), found.VR, as_bytes("\\".join("" if part is None else str(part) for part in parts), found.VR))


def _is_sequence(raw: RawDataElement) -> bool:
    return not raw.tag.is_private and _vr(raw.tag) == "SQ"


def _vr(tag: int) -> str:
    return _DICTIONARY.rule(tag).vr


def gather(dataset: Dataset, encodings: tuple[str, ...], skipped: frozenset[int] = frozenset()) -> Findings:
    """Return what a data set says of people: names, numbers and addresses, in all its sequences.

    Parameters
    ----------
    dataset : Dataset
        As pydicom has read it.
    encodings : tuple of str
        Its character sets.
    skipped : frozenset of int
        Attributes that do not count.
    """
    found: dict[str, set[str]] = {"names": set(), "numbers": set(), "texts": set()}
    _gather(dataset, encodings, skipped, found)
    return Findings(**{kind: frozenset(values) for kind, values in found.items()})


def _gather(dataset: Dataset, encodings: tuple[str, ...], skipped: frozenset[int], found: dict[str, set[str]]) -> None:
    for each in elements(dataset):
        if each.VR == "SQ":
            for item in each.value or ():
                _gather(item, encodings, skipped, found)
            continue
        tag = int(each.tag)
        named = tag in NAMES or each.VR == "PN" or (each.VR is None and not each.tag.is_private and _vr(tag) == "PN")
        kind = "names" if named else "numbers" if tag in NUMBERS else "texts" if tag in TEXTS else None
        if kind and tag not in skipped and isinstance(each.value, bytes):
            text = decode_text(each.value.rstrip(b" \0"), encodings)
            found[kind].update(part.strip() for part in (text or "").split("\\") if part.strip())


def text_of(dataset: Dataset, tag: int, encodings: tuple[str, ...] = ()) -> str:
    """Return an element's text as the file has it, without padding; nothing where it is absent or cannot be read.

    Parameters
    ----------
    dataset : Dataset
        As pydicom has read it.
    tag : int
        Which element.
    encodings : tuple of str
        Character sets of the data set.
    """
    if tag not in dataset:
        return ""
    value = dataset.get_item(tag).value
    return (decode_text(value, encodings) or "").strip(" \0") if isinstance(value, bytes) else str(value or "").strip()


def creators_of(dataset: Dataset) -> dict[int, str]:
    """Return the names of private blocks (PS3.5 section 7.8.1)."""
    found = {}
    for tag in dataset.keys():  # noqa: SIM118 - iterating over a data set would read every value
        if tag.is_private_creator:
            value = dataset.get_item(tag).value
            found[int(tag)] = value.decode("latin-1").strip(" \0") if isinstance(value, bytes) else str(value or "").strip()
    return found
