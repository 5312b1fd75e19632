"""Take identifiers out of a note and move its dates, keeping track of every offset.

What the patient index and the staff list know of is replaced wherever it stands; what they do not know (a relative's name, a
workplace, a number) is found by :mod:`nlp.identifiers`; dates move by the patient's shift in all forms in which they are written.
"""

from __future__ import annotations

from base64 import b32encode
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ahocorasick_rs import AhoCorasick, MatchKind

from nlp.identifiers import KINDS, find_identifiers
from nlp.identifiers.names import shapes
from nlp.normal import normalise
from workbench.ingest.note_dates import moved_dates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from workbench.pseudonyms import PseudonymKey

__all__ = ["Edit", "Known", "Scrubbed", "scrub", "tags"]

_NAMES = ("name", "physician")


class Known:
    """Identifiers that a list knows, found all at once in one pass over a text (Aho-Corasick, longest match first).

    Parameters
    ----------
    kinds : mapping of str to str
        Identifier -> the kind shown in its place, as in ``{"王芳": "姓名"}``. A patient's given name of two characters that is no
        word is looked for alone too; a list of staff is too long for that (予可 in 予可待因).
    """

    def __init__(self, kinds: Mapping[str, str]) -> None:
        given = {shapes().given_alone(name): kind for name, kind in kinds.items() if kind == KINDS["name"]}
        kinds = {**{name: kind for name, kind in given.items() if name}, **kinds}
        self._shown = [f"【{kind}】" for kind in kinds.values()]
        self._names = [kind in (KINDS[name] for name in _NAMES) for kind in kinds.values()]
        self._automaton = AhoCorasick(list(kinds), matchkind=MatchKind.LeftmostLongest) if kinds else None

    def edits(self, text: str, tag: Callable[[str], str] | None = None) -> list[Edit]:
        """Return a replacement for each occurrence, none overlapping another; `tag` tells one name from another."""
        if self._automaton is None:
            return []
        return [
            Edit(start, end, _shown(self._shown[which], text[start:end], tag if self._names[which] else None))
            for which, start, end in self._automaton.find_matches_as_indexes(text)
        ]


@dataclass(frozen=True)
class Edit:
    """One replacement: code points `start` to `end` of the old text became `text`; `kind` is a kind of identifier, known or date."""

    start: int
    end: int
    text: str
    kind: str = "known"


@dataclass(frozen=True)
class Scrubbed:
    """A note without identifiers, and how its offsets moved."""

    text: str
    edits: tuple[Edit, ...]

    def move(self, start: int, end: int) -> tuple[int, int]:
        """Return where a span of the old text lies in the new; a span cut by an edit grows to hold all of it."""
        return self._at(start, after=False), self._at(end, after=True)

    def _at(self, position: int, *, after: bool) -> int:
        shift = 0
        for edit in self.edits[: bisect_right(self.edits, position, key=lambda edit: edit.start)]:
            if position < edit.end:
                if position == edit.start:
                    return edit.start + shift
                return edit.start + shift + (len(edit.text) if after else 0)
            shift += len(edit.text) - (edit.end - edit.start)
        return position + shift


def tags(key: PseudonymKey, person: object) -> Callable[[str], str]:
    """Return what gives a name its tag: alike for the same name of the same patient, and under no other key.

    Parameters
    ----------
    key : PseudonymKey
        Key of the project.
    person : object
        Patient whose note it is.
    """
    return lambda name: b32encode(key.digest("name", f"{person}\0{''.join(name.split())}"))[:4].decode()


def _shown(mark: str, name: str, tag: Callable[[str], str] | None) -> str:
    return f"{mark[:-1]}{tag(name)}】" if tag else mark


def scrub(text: str, *known: Known, shift_days: int = 0, written: date | None = None, tag: Callable[[str], str] | None = None) -> Scrubbed:
    """Replace identifiers in a note and move its dates.

    Parameters
    ----------
    text : str
        The raw note.
    *known : Known
        Identifiers of the patient, of the staff.
    shift_days : int
        Days by which every date moves.
    written : date, optional
        Date of the note: the year of a date that gives only month and day.
    tag : callable, optional
        Gives names a tag (see :func:`tags`), so that a reader can tell the mother from the daughter; without it all names look alike.

    Returns
    -------
    Scrubbed
        The new text and the edits, in order and without overlap.

    Examples
    --------
    >>> scrub("患者王芳，2021-03-01入院。", Known({"王芳": "姓名"}), shift_days=7).text
    '患者【姓名】，2021-03-08入院。'
    """
    normal = normalise(text)
    found = [edit for each in known for edit in each.edits(text, tag)]
    for hit in find_identifiers(normal.text):
        start, end = normal.raw(hit.start, hit.end)
        name = hit.kind in _NAMES
        found.append(Edit(start, end, _shown(f"【{KINDS[hit.kind]}】", text[start:end], tag if name else None), hit.kind))
    if shift_days:
        found += [Edit(*normal.raw(start, end), new, "date") for start, end, new in moved_dates(normal.text, shift_days, written)]
    edits: list[Edit] = []
    for edit in sorted(found, key=lambda edit: (edit.start, -edit.end)):
        if not edits or edit.start >= edits[-1].end:
            edits.append(edit)
        elif edit.end > edits[-1].end:  # two identifiers that share characters: both go
            edits[-1] = Edit(edits[-1].start, edit.end, edits[-1].text, edits[-1].kind)
    pieces, at = [], 0
    for edit in edits:
        pieces += [text[at : edit.start], edit.text]
        at = edit.end
    return Scrubbed("".join([*pieces, text[at:]]), tuple(edits))
