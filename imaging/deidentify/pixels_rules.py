"""Which images are read for burned-in text, and which text may stay: tables, walked by :mod:`imaging.deidentify.pixels`."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from imaging.geometry.attributes import parts, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom.dataset import Dataset

__all__ = ["READ", "RULES", "SCREEN", "SKIP", "Rule", "may_stay", "names_someone", "rule_for"]

SKIP, SCREEN, READ = "skip", "screen", "read"

#: Storage classes of cross-sections, and what the third value of Image Type has to be there (PS3.3 C.8.2.1, C.8.15); nothing: anything.
_SECTIONS = {
    "1.2.840.10008.5.1.4.1.1.2": ("AXIAL",),
    "1.2.840.10008.5.1.4.1.1.2.1": ("AXIAL", "VOLUME"),
    "1.2.840.10008.5.1.4.1.1.4": (),
    "1.2.840.10008.5.1.4.1.1.4.1": (),
    "1.2.840.10008.5.1.4.1.1.128": (),
    "1.2.840.10008.5.1.4.1.1.130": (),
}


class Rule(NamedTuple):
    """One row of the table: the first that fits an image says what is done with it.

    Parameters
    ----------
    name : str
        What the record of the file says.
    burned_in : tuple of str
        What Burned In Annotation (0028,0301) says, "" for nothing; an empty tuple: anything.
    section : bool
        Whether only an original cross-section, as a scanner makes it, is meant.
    reading : str
        SKIP; SCREEN, which reads only an image that has strokes sharper than a scanner's; or READ.
    """

    name: str
    burned_in: tuple[str, ...]
    section: bool
    reading: str


#: Everything is read but plain cross-sections: localisers, derived images, projections, ultrasound, secondary captures, photographs.
RULES = (
    Rule("plain-section", ("NO",), True, SKIP),
    Rule("section-unsaid", ("",), True, SCREEN),
    Rule("other", (), False, READ),
)

#: What may stay in an image: laterality, orientation, projection, exposure, scale and window. Numbers are too short for an identifier.
_TOKENS = (
    r"[LRAPHFSI]|左|右|左侧|右侧|LEFT|RIGHT",
    r"(?:[LR][ -]?)?(?:AP|PA|LAT|CC|MLO|ML|LM|OBL)",
    r"SUPINE|PRONE|ERECT|UPRIGHT|SEMI-?UPRIGHT|PORTABLE|立位|卧位|仰卧位|俯卧位|床旁",
    r"\d{2,3} ?KVP?|\d{1,4}(?:\.\d)? ?MAS?|\d{1,4}(?:\.\d{1,2})? ?(?:MM|CM|HZ|MHZ|HU|DB|%)",
    r"(?:WW?|WL|C|L)[: ]{0,2}-?\d{1,4}",
)
#: Characters of one or two strokes, which anatomy looks like as well.
_STROKES = "一二三丨人入八十口"
_MAY_STAY = re.compile(rf"(?:(?:{'|'.join(_TOKENS)})(?:[ ,;/]+|$))+")

#: A shorter identifier has to be there letter for letter: one edit would make it another person's name.
_SHORTEST_FUZZY = 4
_SHORTEST = 2


def rule_for(dataset: Dataset) -> Rule:
    """Return the rule of :data:`RULES` that an image falls under.

    Parameters
    ----------
    dataset : Dataset
        Its header.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> dataset = Dataset()
    >>> dataset.SOPClassUID, dataset.ImageType = "1.2.840.10008.5.1.4.1.1.2", ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    >>> rule_for(dataset).reading
    'read'
    >>> dataset.ImageType[2], dataset.BurnedInAnnotation = "AXIAL", "NO"
    >>> rule_for(dataset).name
    'plain-section'
    """
    said, section = text(dataset, "BurnedInAnnotation").strip().upper(), _is_section(dataset)
    return next(rule for rule in RULES if (section or not rule.section) and (not rule.burned_in or said in rule.burned_in))


def _is_section(dataset: Dataset) -> bool:
    thirds = _SECTIONS.get(text(dataset, "SOPClassUID"))
    kinds = [str(part).strip().upper() for part in parts(dataset, "ImageType")]
    if thirds is None or kinds[:2] != ["ORIGINAL", "PRIMARY"] or text(dataset, "ConversionType"):
        return False
    return not thirds or (len(kinds) > 2 and kinds[2] in thirds)


def may_stay(found: str) -> bool:
    """Say whether a text is made of nothing but technical markers, or is a single letter or digit, as which anatomy is often read.

    Parameters
    ----------
    found : str
        As it was read.

    Examples
    --------
    >>> [may_stay(found) for found in ("L", "120kV 200 mAs", "右", "20240312", "Wang R")]
    [True, True, True, False, False]
    """
    if len(plain := _plain(found)) < 2 and (plain.isascii() or plain in _STROKES):
        return True
    return _MAY_STAY.fullmatch(" ".join(unicodedata.normalize("NFKC", found).upper().split())) is not None


def names_someone(found: str, identifiers: Iterable[str]) -> bool:
    """Say whether a text holds a known identifier, letter for letter or, from four characters on, with one character wrong.

    Parameters
    ----------
    found : str
        As it was read.
    identifiers : iterable of str
        What is known of the patient, in every spelling (also pinyin) that could be met.

    Examples
    --------
    >>> names_someone("NAME: ZHANG SAM", ["Zhang^San"]), names_someone("姓名:张三", ["张三"]), names_someone("L", ["Li"])
    (True, True, False)
    """
    plain = _plain(found)
    known = (_plain(spelling) for identifier in identifiers for spelling in identifier.split("="))
    return any(_within(identifier, plain) for identifier in known if len(identifier) >= _SHORTEST)


def _plain(words: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFKC", words).casefold() if character.isalnum())


def _within(identifier: str, found: str) -> bool:
    """Say whether an identifier is within a text with at most one character replaced, missing or too many."""
    if identifier in found:
        return True
    if len(identifier) < _SHORTEST_FUZZY:
        return False
    # Of two halves one is right where only one character is wrong: only there the rest has to be compared.
    middle = len(identifier) // 2
    head, tail = identifier[:middle], identifier[middle:]
    places = [(match.start(), match.start() + len(identifier)) for match in re.finditer(f"(?={re.escape(head)})", found)]
    places += [(match.start() - middle, match.start() + len(tail)) for match in re.finditer(f"(?={re.escape(tail)})", found)]
    return any(
        _one_edit(identifier, found[max(start + before, 0) : max(end + after, 0)])
        for start, end in places
        for before, after in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))
    )


def _one_edit(first: str, second: str) -> bool:
    short, long = sorted((first, second), key=len)
    if len(long) - len(short) > 1:
        return False
    at = next((place for place, pair in enumerate(zip(short, long, strict=False)) if pair[0] != pair[1]), len(short))
    return short[at + (len(short) == len(long)) :] == long[at + 1 :]
