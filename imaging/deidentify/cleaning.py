"""One data set cleaned: every element, in every sequence, by the rule of its attribute."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from imaging.deidentify.charset import UTF8, decode_text, encodings_of, is_plain
from imaging.deidentify.contents import creators_of, text_of
from imaging.deidentify.dates import shift_value
from imaging.deidentify.private import safe_private
from imaging.deidentify.profile import METHODS, TEXT, Act, Rule
from imaging.deidentify.records import Doubt
from imaging.deidentify.text import UID_IN_TEXT, clean_text
from imaging.deidentify.values import DUMMIES, DataSet, Element, as_bytes
from imaging.deidentify.writing import encode_items
from imaging.dicom.body_parts import body_part
from imaging.dicom.structure import Encoding

if TYPE_CHECKING:
    from imaging.deidentify.identifiers import Known
    from imaging.deidentify.keys import Keys
    from imaging.deidentify.profile import Profile

__all__ = ["Cleaning"]

_CHARSET, _NAME, _ID, _SOP_CLASS, _BODY_PART = 0x00080005, 0x00100010, 0x00100020, 0x00080016, 0x00180015
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
#: Name and numbers of a person: the pseudonym stands for them.
_PERSONS = frozenset({_ID, _NAME, 0x00120040, 0x00120042})
#: Text in which sentences and names may stand; the others are codes, numbers and times.
_FREE = frozenset(["LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])
_BLOBS = frozenset(["OB", "UN", "OW"])
#: Sequences whose items hold findings and drawings; another sequence that must have a dummy says who somebody is.
_FINDINGS = frozenset({0x0040A730, 0x00700001})
_STANDARD = "1.2.840.10008."
#: What names somebody in an item that says who somebody is.
_OF_SOMEBODY = frozenset(["PN", "LO", "SH", "LT", "ST", "UT", "UC", "UR"])
_EXPLICIT = Encoding(implicit=False, little=True)


@dataclass
class Cleaning:
    """The cleaning of one file.

    Parameters
    ----------
    profile : Profile
        Rules.
    keys : Keys
        Pseudonyms.
    patient : str
        Patient ID, as the keys know it.
    person : str
        Its pseudonym.
    known : Known
        What is known of the patient.
    encodings : tuple of str
        Character sets of the file.
    encoding : Encoding
        How it is written.
    syntax : str
        Its Transfer Syntax UID.
    sop_class : str
        Its SOP Class UID; read by :meth:`clean`.
    careful : bool
        Whether codes, numbers and bytes are searched for what is known, value by value.

    Attributes
    ----------
    actions : Counter
        Path of an attribute, and what was done -> how often.
    uids : dict
        UID -> what stands for it now.
    """

    profile: Profile
    keys: Keys
    patient: str
    person: str
    known: Known = field(repr=False)
    encodings: tuple[str, ...] = ()
    encoding: Encoding = _EXPLICIT
    syntax: str = "1.2.840.10008.1.2.1"
    sop_class: str = ""
    actions: Counter[tuple[tuple[int, ...], int, Act]] = field(default_factory=Counter)
    uids: dict[str, str] = field(default_factory=dict)
    recoded: bool = False
    careful: bool = False

    def __post_init__(self) -> None:
        # By how much dates move, nothing where they stay; None: no date stays.
        self.days = {"full": 0, "removed": None}.get(self.profile.options.dates, self.keys.shift_days(self.patient))

    def clean(self, dataset: DataSet) -> DataSet:
        """Return a cleaned data set, its sequences as bytes; `dataset` is not changed.

        Parameters
        ----------
        dataset : DataSet
            Of a file.

        Raises
        ------
        Doubt
            If a text cannot be read.
        """
        self.sop_class = text_of(dataset, _SOP_CLASS)
        cleaned = self._dataset(dataset, (), strict=False)
        _put(cleaned, _NAME, "PN", self.person)
        _put(cleaned, _ID, "LO", self.person)
        if self.recoded:
            _put(cleaned, _CHARSET, "CS", UTF8)
        return cleaned

    def mark(self, cleaned: DataSet, *, pixels: bool) -> None:
        """Write by which profile and options a data set was cleaned (PS3.15 E.1.1, PS3.3 C.12.1, C.7.1.4).

        Parameters
        ----------
        cleaned : DataSet
            Of :meth:`clean`.
        pixels : bool
            Whether its pixels were cleaned too.
        """
        _put(cleaned, 0x00120062, "CS", "YES")
        _put(cleaned, 0x00120063, "LO", "PS3.15 E.1 Basic Application Level Confidentiality Profile")
        names = ("basic", *(["pixels"] if pixels else []), *self.profile.options.columns)
        cleaned[0x00120064] = _methods(names, self.encoding, self.profile)
        said = {"modified": "MODIFIED", "full": "UNMODIFIED", "removed": "REMOVED"}[self.profile.options.dates]
        _put(cleaned, 0x00280303, "CS", said)

    def _dataset(self, dataset: DataSet, path: tuple[int, ...], *, strict: bool) -> DataSet:
        cleaned: DataSet = {}
        outside, self.encodings = self.encodings, encodings_of(text_of(dataset, _CHARSET)) or self.encodings
        creators = creators_of(dataset) if self.profile.options.safe_private else {}
        kept: set[int] = set()
        for tag, each in dataset.items():
            if tag == _CHARSET and path:
                continue  # its texts are written as those of the file
            rule = self._private(tag, creators, kept) if tag >> 16 & 1 else self.profile.rule(tag)
            act = Act.DUMMY if strict and (each.vr or rule.vr) in _OF_SOMEBODY else rule.act
            new, done = self._element(each, tag, rule, act, path)
            self.actions[path, tag, done] += 1
            if new is not None:
                cleaned[tag] = new
        for creator in kept:
            cleaned[creator] = Element(creator, "LO", as_bytes(creators[creator], "LO"))
        self.encodings = outside
        return cleaned

    def _private(self, tag: int, creators: dict[int, str], kept: set[int]) -> Rule:
        """Return the rule of a private attribute; its creator's name is written again, from the list."""
        safe = safe_private(tag, creators)
        if safe is None:
            return Rule(Act.REMOVE, "X", "UN")
        kept.add(safe.creator)
        act = {"DA": Act.SHIFT, "DT": Act.SHIFT, "UI": Act.UID, "PN": Act.EMPTY}.get(safe.vr, Act.CLEAN)
        return Rule(act, "X", safe.vr)

    def _element(self, each: Element, tag: int, rule: Rule, act: Act, path: tuple[int, ...]) -> tuple[Element | None, Act]:
        """Return what is written for an element, and what was done; actions that fail fall back on the table's own letters."""
        if each.items is not None:
            return self._sequence(each.items, tag, rule, act, path)
        if tag in _PERSONS:
            return self._same(each, rule, as_bytes(self.person, rule.vr)), Act.DUMMY
        if act is Act.SHIFT:
            moved = self._moved(each.value)
            if moved is not None:
                return self._same(each, rule, as_bytes(moved, rule.vr)), act
            act = self._basic(rule, tag, path)
        elif act in (Act.EMPTY, Act.DUMMY, Act.REMOVE):
            act = self._basic(rule, tag, path) if rule.basic else act
        elif act is Act.UID:
            return self._same(each, rule, self._uid_bytes(each.value)), act
        else:
            return self._kept(each, tag, rule, act, path)
        return self._replaced(each, tag, rule, act), act

    def _moved(self, value: bytes) -> str | None:
        """Return dates as they are written now; None for what is none, and where no date stays."""
        return None if self.days is None and value else shift_value(value.decode("latin-1").rstrip(" \0"), self.days or 0)

    def _basic(self, rule: Rule, tag: int, path: tuple[int, ...]) -> Act:
        letters = rule.basic or "Z"
        return self.profile.settled(tag, letters, self.sop_class, nested=bool(path))

    def _replaced(self, each: Element, tag: int, rule: Rule, act: Act) -> Element | None:
        if act is Act.REMOVE:
            return None
        if act is Act.EMPTY:
            return self._same(each, rule, b"")
        vr = each.vr if each.vr in DUMMIES and each.vr != "UN" else rule.vr
        if vr == "UI":
            return self._same(each, rule, self._uid_bytes(each.value))
        return Element(tag, vr, DUMMIES.get(vr, b""))

    def _sequence(self, items: list[DataSet], tag: int, rule: Rule, act: Act, path: tuple[int, ...]) -> tuple[Element | None, Act]:
        if act in (Act.EMPTY, Act.DUMMY, Act.REMOVE):
            act = self._basic(rule, tag, path)
        if act is Act.REMOVE:
            return None, act
        items = [] if act is Act.EMPTY else items
        strict = act is Act.DUMMY and tag not in _FINDINGS
        cleaned = (self._dataset(item, (*path, tag), strict=strict).values() for item in items)
        return Element(tag, "SQ", encode_items(cleaned, self.encoding, self.profile)), act

    def _kept(self, each: Element, tag: int, rule: Rule, act: Act, path: tuple[int, ...]) -> tuple[Element | None, Act]:
        """Return an element that stays, its text cleaned."""
        value = each.value
        if tag in _PIXELS and not path:
            return each, act
        vr = rule.vr if not each.vr or each.vr in _BLOBS else each.vr
        if vr == "SQ":
            return None, Act.REMOVE  # bytes where items should be
        if vr in _FREE:
            new = self._text(value, tag, act, vr)
            return (each, act) if new == value else (self._same(each, rule, new), Act.CLEAN)
        if self.careful and vr != "UI" and (rule.act is not Act.KEEP or vr in TEXT) and self.known.hits(value):
            return self._without(each, rule, vr)
        if vr in TEXT and not is_plain(value):
            return self._recoded(each, tag, rule, vr), Act.CLEAN
        return each, act

    def _without(self, each: Element, rule: Rule, vr: str) -> tuple[Element | None, Act]:
        """Return what stands for a code, a number or bytes that hold an identifier."""
        if vr not in TEXT:
            return None, Act.REMOVE
        parts = each.value.split(b"\\") if vr in ("AE", "CS") else []
        return self._same(each, rule, _even(b"\\".join(b"REMOVED" if self.known.hits(part) else part for part in parts))), Act.CLEAN

    def _text(self, value: bytes, tag: int, act: Act, vr: str) -> bytes:
        # What stands behind a zero byte no reader shows.
        text = decode_text(value.partition(b"\0")[0], self.encodings)
        if text is None:
            raise Doubt("charset", tag)
        new = text if act is Act.KEEP else self._without_identifiers(text, dates=act is Act.CLEAN or vr in ("LT", "ST", "UT"))
        if new == text and is_plain(value) and b"\0" not in value[:-1]:
            return value
        self.recoded |= not new.isascii()
        # An attribute that has to have a value (Type 1) keeps one.
        return as_bytes(new if new.strip() or not text.strip() else "REMOVED", vr)

    def _without_identifiers(self, text: str, *, dates: bool) -> str:
        if not self.profile.options.uids:
            text = UID_IN_TEXT.sub(lambda found: self._uid(found[0]), text)
        return clean_text(text, self.known, shift_days=self.days if dates else 0)

    def _recoded(self, each: Element, tag: int, rule: Rule, vr: str) -> Element:
        """Return a code with letters that codes cannot have: the term it stands for, or nothing."""
        found = body_part(decode_text(each.value, self.encodings) or "") if tag == _BODY_PART else None
        return self._same(each, rule, as_bytes(found.meaning.upper()[:16], vr) if found and len(found.meaning) <= 16 else b"")

    def _uid_bytes(self, value: bytes) -> bytes:
        parts = value.decode("latin-1").strip(" \0").split("\\")
        return as_bytes("\\".join(self._uid(part.strip(" \0")) for part in parts), "UI")

    def _uid(self, uid: str) -> str:
        if not uid or uid.startswith(_STANDARD) or self.profile.options.uids:
            return uid
        if uid not in self.uids:
            self.uids[uid] = self.keys.uid(uid)
        return self.uids[uid]

    def _same(self, each: Element, rule: Rule, value: bytes) -> Element:
        """Return an element with another value."""
        return Element(each.tag, each.vr if each.vr not in ("", "UN") else rule.vr, value)


def _even(value: bytes) -> bytes:
    return value + b" " * (len(value) % 2)


def _put(dataset: DataSet, tag: int, vr: str, text: str) -> None:
    dataset[tag] = Element(tag, vr, as_bytes(text, vr))


@cache
def _methods(names: tuple[str, ...], encoding: Encoding, profile: Profile) -> Element:
    """Return the De-identification Method Code Sequence (0012,0064)."""
    items = []
    for code, meaning in (METHODS[name] for name in METHODS if name in names):
        texts = ((0x00080100, "SH", code), (0x00080102, "SH", "DCM"), (0x00080104, "LO", meaning))
        items.append([Element(tag, vr, as_bytes(text, vr)) for tag, vr, text in texts])
    return Element(0x00120064, "SQ", encode_items(items, encoding, profile))
