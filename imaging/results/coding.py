"""What a class of a model is in SNOMED CT: by what its task says, else by its name, else by a code of ours that says that it is one.

``structures.tsv`` holds names and, for each, the keyword under which pydicom's dictionary of SNOMED CT has the code; no code stands in it.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from imaging.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ABNORMAL", "ANATOMICAL", "OWN_SCHEME", "TISSUE", "Coding", "coding_of"]

#: Categories of segments (CID 7150).
ANATOMICAL = codes.SCT.AnatomicalStructure
ABNORMAL = codes.SCT.MorphologicallyAbnormalStructure
TISSUE = codes.SCT.Tissue

#: Designator of the codes that are ours (PS3.16, 8.2: private ones begin with 99).
OWN_SCHEME = "99CWB"

_CATEGORIES = {"anatomical": ANATOMICAL, "abnormal": ABNORMAL, "tissue": TISSUE}
_LONGEST_MEANING = 64  # PS3.5 6.2, LO


class Coding(NamedTuple):
    """What a class is.

    Parameters
    ----------
    category, kind : Code
        Of CID 7150 and CID 7151; what only modifies another has no category.
    modifier : Code or None
        Which part or side.
    """

    category: Code | None
    kind: Code
    modifier: Code | None = None

    @property
    def is_own(self) -> bool:
        """Whether the code is ours, for want of a standard one."""
        return self.kind.scheme_designator == OWN_SCHEME


def coding_of(name: str, label: int, said: str | Mapping[str, object] | None = None) -> Coding:
    """Return what a class is.

    Parameters
    ----------
    name : str
        Of the class.
    label : int
        Its value in a mask; part of a code of ours.
    said : str or mapping, optional
        By the task: a name of ``structures.tsv``, with left, right, anterior or posterior before or after it; or ``value`` and ``meaning``,
        with ``scheme`` (SCT), ``category`` (anatomical, abnormal or tissue) and ``modifier`` (value and meaning) where they are wanted.

    Raises
    ------
    TaskError
        If the task says a name that is not known, or a category that is none.

    Examples
    --------
    >>> coding_of("肝脏", 1).kind.meaning, coding_of("kidney_left", 2)[1:]
    ('Liver', (Code(value='64033007', scheme_designator='SCT', meaning='Kidney', scheme_version=None), \
Code(value='7771000', scheme_designator='SCT', meaning='Left', scheme_version=None)))
    >>> coding_of("class A", 3).kind[:3], coding_of("class A", 3).is_own
    (('class-3', '99CWB', 'class A'), True)
    """
    if said is not None and not isinstance(said, str):
        return _given(said)
    if found := _by_name(name if said is None else said):
        return found
    if said is not None:
        raise TaskError(
            f"class {name}: {said!r} names no structure that is known", hint="give value and meaning of its code, or leave it out"
        )
    return Coding(TISSUE, Code(f"class-{label}", OWN_SCHEME, name[:_LONGEST_MEANING]))


def _given(said: Mapping[str, object]) -> Coding:
    category = str(said.get("category") or "anatomical")
    if category not in _CATEGORIES:
        raise TaskError(f"found the category {category!r}, wanted one of {', '.join(_CATEGORIES)}")
    modifier = said.get("modifier")
    return Coding(_CATEGORIES[category], _code(said), _code(modifier) if modifier else None)


def _code(said: Mapping[str, object]) -> Code:
    return Code(str(said["value"]), str(said.get("scheme") or "SCT"), str(said["meaning"]))


def _by_name(name: str) -> Coding | None:
    known, wanted = _structures(), re.sub(r"[\s_-]+", " ", name).strip().lower()
    if found := known.get(wanted):
        return None if found.category is None else found
    for side, each in known.items():
        rest = wanted.removeprefix(side).removesuffix(side).strip()
        if each.category is None and rest != wanted and _is_word(side, wanted) and (found := known.get(rest)) and found.category:
            return found._replace(modifier=each.kind)
    return None


def _is_word(side: str, name: str) -> bool:
    """Whether a side stands by itself; in Chinese nothing parts words."""
    return not side.isascii() or side in name.split(" ")


@cache
def _structures() -> dict[str, Coding]:
    """Return name -> coding."""
    with (Path(__file__).parent / "structures.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    known = [(row["names"].split("; "), Coding(_CATEGORIES.get(row["category"]), getattr(codes.SCT, row["keyword"]))) for row in rows]
    return {name: coding for names, coding in known for name in names}
