"""What stands in a data set, as bytes: its elements, its text, and what it says of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from imaging.deidentify.charset import decode_text
from imaging.deidentify.identifiers import NAMES, NUMBERS, TEXTS
from imaging.deidentify.profile import Options, Profile
from imaging.deidentify.values import Element, as_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom.dataelem import DataElement

    from imaging.deidentify.values import DataSet
    from imaging.dicom.reading import Layout
    from imaging.dicom.structure import Encoding, Found

__all__ = ["Findings", "as_pydicom", "creators_of", "data_set", "from_pydicom", "gather", "text_of"]

#: Groups that say what an image shows and how its pixels stand; the pixels themselves.
_OF_PIXELS = frozenset({0x0008, 0x0028, 0x7FE0})
#: The table without options: its dictionary of representations.
_DICTIONARY = Profile(Options())


@dataclass(frozen=True)
class Findings:
    """What a data set says of people, as it was written."""

    names: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


def data_set(layout: Layout) -> DataSet:
    """Return the elements of a file, those of its sequences too.

    Parameters
    ----------
    layout : Layout
        Where they lie.
    """
    return _data_set(layout.elements, layout.data)


def _data_set(elements: dict[int, Found], data: bytes) -> DataSet:
    return {tag: _element(tag, found, data) for tag, found in elements.items()}


def _element(tag: int, found: Found, data: bytes) -> Element:
    vr = found.vr.decode("latin-1")
    if found.items is None and vr != "SQ" and (vr not in ("", "UN") or _vr(tag) != "SQ"):
        return Element(tag, vr, data[found.begin : found.begin + found.size], None, found.open_ended)
    return Element(tag, "SQ", b"", [_data_set(item, data) for item in found.items or ()])


def _vr(tag: int) -> str:
    return "" if tag >> 16 & 1 else _DICTIONARY.rule(tag).vr


def as_pydicom(dataset: DataSet, encoding: Encoding, syntax: str) -> Dataset:
    """Return what says how pixels stand and are read as pydicom's data set: its groups are those of the image and of its class.

    Parameters
    ----------
    dataset : DataSet
        Of a file.
    encoding : Encoding
        How it was written.
    syntax : str
        Its Transfer Syntax UID.
    """
    made = Dataset(
        {
            BaseTag(each.tag): RawDataElement(
                BaseTag(each.tag), each.vr or None, len(each.value), each.value, 0, encoding.implicit, encoding.little
            )
            for each in dataset.values()
            if each.tag >> 16 in _OF_PIXELS and each.items is None
        }
    )
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(syntax)
    return made


def from_pydicom(made: Dataset, keywords: Iterable[str], encoding: Encoding) -> DataSet:
    """Return some attributes that pixels were changed with: bytes, codes, and numbers of two bytes.

    Parameters
    ----------
    made : Dataset
        Of :func:`as_pydicom`, changed.
    keywords : iterable of str
        Which; those of the file meta information are left out.
    encoding : Encoding
        How it is written.
    """
    changed = (made[keyword] for keyword in keywords if keyword in made)
    return {int(each.tag): _from_pydicom(each, encoding) for each in changed}


def _from_pydicom(each: DataElement, encoding: Encoding) -> Element:
    value = each.value
    if isinstance(value, int):
        value = value.to_bytes(2, "little" if encoding.little else "big")
    elif isinstance(value, str):
        value = as_bytes(value, each.VR)
    return Element(int(each.tag), each.VR.partition(" ")[0], value, None, each.is_undefined_length)  # pydicom leaves "OB or OW"


def gather(dataset: DataSet, encodings: tuple[str, ...], skipped: frozenset[int] = frozenset()) -> Findings:
    """Return what a data set says of people: names, numbers and addresses, in all its sequences.

    Parameters
    ----------
    dataset : DataSet
        Of a file.
    encodings : tuple of str
        Its character sets.
    skipped : frozenset of int
        Attributes that do not count.
    """
    found: dict[str, set[str]] = {"names": set(), "numbers": set(), "texts": set()}
    _gather(dataset, encodings, skipped, found)
    return Findings(**{kind: frozenset(values) for kind, values in found.items()})


def _gather(dataset: DataSet, encodings: tuple[str, ...], skipped: frozenset[int], found: dict[str, set[str]]) -> None:
    for tag, vr, value, items, _ in dataset.values():
        for item in items or ():
            _gather(item, encodings, skipped, found)
        kind = _KINDS.get(tag) or ("names" if vr == "PN" or (not vr and _vr(tag) == "PN") else None)
        if kind and tag not in skipped and value:
            text = decode_text(value.rstrip(b" \0"), encodings)
            found[kind].update(part.strip() for part in (text or "").split("\\") if part.strip())


_KINDS = dict.fromkeys(TEXTS, "texts") | dict.fromkeys(NUMBERS, "numbers") | dict.fromkeys(NAMES, "names")


def text_of(dataset: DataSet, tag: int, encodings: tuple[str, ...] = ()) -> str:
    """Return an element's text as the file has it, without padding; nothing where it is absent or cannot be read.

    Parameters
    ----------
    dataset : DataSet
        Of a file, or of an item.
    tag : int
        Which element.
    encodings : tuple of str
        Character sets of the data set.
    """
    found = dataset.get(tag)
    return (decode_text(found.value, encodings) or "").strip(" \0") if found else ""


def creators_of(dataset: DataSet) -> dict[int, str]:
    """Return the names of private blocks (PS3.5 section 7.8.1).

    Parameters
    ----------
    dataset : DataSet
        Of a file, or of an item.
    """
    return {
        tag: each.value.decode("latin-1").strip(" \0") for tag, each in dataset.items() if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF
    }
