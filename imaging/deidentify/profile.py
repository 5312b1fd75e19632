"""Which action an attribute takes: PS3.15 Table E.1-1 and its options as data, and rules for what the table leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from importlib.resources import files
from typing import NamedTuple

from pydicom.datadict import dictionary_keyword, dictionary_VR

from imaging.errors import TaskError

__all__ = ["METHODS", "TEXT", "Act", "Options", "Profile", "Rule", "profile_of", "table_lines"]

#: Value representations that hold text.
TEXT = frozenset(["AE", "AS", "CS", "DS", "IS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])

#: Option -> its code and meaning (PS3.16 CID 7050), for (0012,0064).
METHODS = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "pixels": ("113101", "Clean Pixel Data Option"),
    "structured": ("113104", "Clean Structured Content Option"),
    "descriptors": ("113105", "Clean Descriptors Option"),
    "full_dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "modified_dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "uids": ("113110", "Retain UIDs Option"),
    "safe_private": ("113111", "Retain Safe Private Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
}

_DATES = ("modified", "full", "removed")
_STRENGTH = "XZD"
_ROOT = "1.2.840.10008.5.1.4."


class Act(StrEnum):
    """What is done with an element."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    KEEP = "K"
    #: Text without identifiers and with shifted dates; items likewise.
    CLEAN = "C"
    UID = "U"
    SHIFT = "S"
    #: The table does not know it: stays, without what is known of the patient.
    SCAN = "P"


class Rule(NamedTuple):
    """An attribute's action, what it falls back on, and its value representation in the dictionary.

    Parameters
    ----------
    act : Act
        First choice.
    basic : str
        The table's letters without any option, for a value that cannot be cleaned or shifted; empty: not in the table.
    vr : str
        Of the dictionary; empty where there is none.
    """

    act: Act
    basic: str
    vr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the profile (PS3.15 section E.3). Clean Pixel Data is asked for by giving a cleaner of pixels.

    Parameters
    ----------
    descriptors : bool, default True
        Descriptions stay, without identifiers (E.3.5); else they go.
    dates : {"modified", "full", "removed"}, default "modified"
        Shifted by each person's days, as they are, or not at all (E.3.6).
    safe_private : bool, default True
        Private attributes that the TCIA list knows as safe stay (E.3.10).
    patient, device, institution, uids : bool, default False
        Characteristics of the patient, identity of devices, of the institution, and UIDs stay (E.3.7, E.3.8, E.3.11, E.3.9).
    structured : bool, default False
        The content of reports and the acquisition context stay, without identifiers (E.3.4).

    Raises
    ------
    TaskError
        If `dates` is none of those.
    """

    descriptors: bool = True
    dates: str = "modified"
    safe_private: bool = True
    patient: bool = False
    device: bool = False
    institution: bool = False
    uids: bool = False
    structured: bool = False

    def __post_init__(self) -> None:
        if self.dates not in _DATES:
            raise TaskError(f"dates={self.dates!r}; wanted one of {', '.join(_DATES)}", hint="shifted dates are 'modified'")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that are in force, keys of :data:`METHODS`."""
        plain = ("descriptors", "safe_private", "patient", "device", "institution", "uids", "structured")
        chosen = [name for name in plain if getattr(self, name)]
        return tuple(chosen + ([] if self.dates == "removed" else [f"{self.dates}_dates"]))


def table_lines(name: str) -> list[list[str]]:
    """Return the rows of a table of this package, without comments; the first one names the columns.

    Parameters
    ----------
    name : str
        File in ``imaging/deidentify/data``.
    """
    lines = files("imaging.deidentify").joinpath("data", name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


@dataclass(frozen=True)
class Profile:
    """The table under some options.

    Parameters
    ----------
    options : Options
        Which columns are in force.

    Examples
    --------
    >>> profile = Profile(Options())
    >>> profile.rule(0x00100020).act, profile.rule(0x00081030).act, profile.rule(0x00080020).act
    (<Act.DUMMY: 'D'>, <Act.CLEAN: 'C'>, <Act.SHIFT: 'S'>)
    >>> profile.rule(0x00280010).act, profile.rule(0x60003000).act
    (<Act.KEEP: 'K'>, <Act.REMOVE: 'X'>)
    """

    options: Options

    @cached_property
    def _rows(self) -> dict[str, tuple[str, str]]:
        """Tag -> the letters of the basic profile, and that of the options in force."""
        head, *rows = table_lines("profile.tsv")
        wanted = [head.index(name) for name in self.options.columns]
        return {row[0]: (row[1], min((row[at] for at in wanted if row[at]), default="")) for row in rows}  # C before K: what is safer

    def rule(self, tag: int) -> Rule:
        """Return the rule of a standard attribute, in whatever sequence it stands.

        Parameters
        ----------
        tag : int
            Group (even) and element in one number.
        """
        try:
            return self._rules[tag]
        except KeyError:
            return self._rules.setdefault(tag, self._find(tag))

    @cached_property
    def _rules(self) -> dict[int, Rule]:
        return {}

    def _find(self, tag: int) -> Rule:
        try:
            vr = dictionary_VR(tag).partition(" ")[0]
        except KeyError:
            return Rule(Act.REMOVE, "X", "")
        if vr == "NONE":
            return Rule(Act.REMOVE, "X", "")  # items and delimiters outside sequences
        if tag >> 24 in (0x50, 0x60) or tag >> 16 < 0x0008 or not tag & 0xFFFF:
            # Curves, overlays, command groups and group lengths; an overlay without its plane would be broken.
            return Rule(Act.REMOVE, "X", vr)
        basic, chosen = self._rows.get(f"{tag:08X}", ("", ""))
        if not basic:
            return Rule(self._unlisted(tag, vr), "", vr)
        return Rule(self._listed(basic, chosen, vr), basic, vr)

    def _listed(self, basic: str, chosen: str, vr: str) -> Act:
        if chosen == "K" or (chosen == "C" and vr == "TM"):
            return Act.KEEP
        if chosen == "C":
            return Act.SHIFT if vr in ("DA", "DT") else Act.CLEAN
        if basic.endswith(("U", "U*")):
            return Act.UID
        return Act(basic[-1])

    def _unlisted(self, tag: int, vr: str) -> Act:
        if vr in ("DA", "DT"):
            return {"modified": Act.SHIFT, "full": Act.KEEP, "removed": Act.EMPTY}[self.options.dates]
        if vr == "UI":
            # Of a class, a coding scheme, a syntax: they name a standard or a maker, no patient's object.
            named = any(part in dictionary_keyword(tag) for part in ("ClassUID", "ClassesIn", "SyntaxUID", "CodingScheme"))
            return Act.KEEP if named or self.options.uids or "SOPClasses" in dictionary_keyword(tag) else Act.UID
        if vr == "PN":
            return Act.EMPTY
        return Act.SCAN if vr in TEXT or vr in ("SQ", "OB", "UN", "TM") else Act.KEEP

    def settled(self, tag: int, letters: str, sop_class: str, *, nested: bool) -> Act:
        """Return the least of several letters that leaves an attribute legal: X if it is optional, Z if it may be empty, else D.

        Parameters
        ----------
        tag : int
            The attribute.
        letters : str
            The table's, as ``X/Z/D``.
        sop_class : str
            UID of the object's class.
        nested : bool
            Whether it stands in a sequence.
        """
        if len(letters) == 1:
            return Act(letters)
        wants = _types().get((tag, ">")) if nested else _types().get((tag, sop_class)) or _types().get((tag, "*"))
        least = _STRENGTH.index(wants or "X")
        allowed = [letter for letter in letters.split("/") if letter in _STRENGTH and _STRENGTH.index(letter) >= least]
        return Act(allowed[0] if allowed else "D")


@cache
def profile_of(options: Options) -> Profile:
    """Return the table under some options, made once.

    Parameters
    ----------
    options : Options
        Which columns are in force.
    """
    return Profile(options)


@cache
def _types() -> dict[tuple[int, str], str]:
    """Return what composite actions must leave, by attribute and SOP class, ``*`` for all others and ``>`` in a sequence."""
    found = {}
    for tag, wants, where in table_lines("types.tsv")[1:]:
        for place in where.split(" "):
            found[int(tag, 16), place.replace("~", _ROOT)] = wants
    return found
