"""Sections of a note, with titles and without, and what kind of document it is by its source, its title or its sections."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from nlp.annotations import Section
from nlp.documents import document_kinds, is_open, kind_by_words, own_title, told_kind
from nlp.narrative import narrative_parts
from nlp.nested import outer_titles
from nlp.titles import Titled, titled_sections
from nlp.untitled import untitled_paragraphs, untitled_sections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlp.annotations import ClinicalText
    from nlp.documents import Kind

__all__ = ["Documents", "Sections"]

_VERSION = "sections-2"
_ANY = ""


class Documents:
    """Tells the kind of a document: by what the source says, by its title, or by sections that only such documents have.

    A type of the source that names a kind counts, unless the note's own title and sections are those of another (a discharge summary
    filed as 病程记录). A type that names none (病历文书), or several (影像报告), leaves it to the title, the sections and the words of a
    report, and stays as it is where they tell nothing.
    """

    version = _VERSION

    def predict(self, text: ClinicalText) -> str:
        """Return the name of the kind, or the source's type, "" without one, where nothing gives it away."""
        told = told_kind(text)
        if not is_open(told):
            return (text.note.document_type and _gainsaid(text.text, told)) or told
        return _kind_by_signs(text.text) or (told and kind_by_words(text.text)) or told or text.note.document_type


_REPORTED = ("检查所见", "检查结论")


def _gainsaid(text: str, told: str) -> str:
    """Return the other kind that a text's own title names and that at least two of its sections show, "" where none is."""
    own = own_title(text, told)
    if not own:
        return ""
    signs = document_kinds()[own].signs or _REPORTED
    shown = {title.name for title in _titled(text, own)}
    return own if len(shown.intersection(signs)) >= min(2, len(signs)) else ""


def _kind_by_signs(text: str) -> str:
    """Return the kind most of whose signs stand there; those at a line's start count double, and two of them are wanted."""
    found: dict[str, int] = {}
    for title in _titled(text, _ANY):
        at_line = title.start == 0 or text[title.start - 1] == "\n"
        found[title.name] = max(found.get(title.name, 0), 1 + at_line)
    signs = {kind: [found[sign] for sign in kind.signs if sign in found] for kind in _signed_kinds(frozenset(found))}
    best = max(signs, key=lambda kind: sum(signs[kind]), default=None)
    return best.name if best and len(signs[best]) >= min(2, len(best.signs)) else ""


@lru_cache(maxsize=1024)
def _signed_kinds(found: frozenset[str]) -> list[Kind]:
    """Return the kinds one of whose signs is among the sections found."""
    return [kind for kind in document_kinds().values() if not found.isdisjoint(kind.signs)]


@lru_cache(maxsize=1)
def _titled(text: str, kind: str) -> tuple[Titled, ...]:
    """Return the titles of a text; kept for the component that asks next about the same text."""
    return tuple(titled_sections(text, kind))


def _closed(text: str, found: Sequence[Titled]) -> list[Section]:
    """Return the sections, each up to the next, with the nameless one before the first."""
    if not found:
        return [Section(0, len(text), 0, "", "")] if text else []
    ends = [title.start for title in found[1:]] + [len(text)]
    sections = [Section(start, end, min(body, end), name, title) for (start, body, name, title), end in zip(found, ends, strict=True)]
    first = sections[0].start
    return [Section(0, first, 0, "", ""), *sections] if first else sections


class Sections:
    """Sections of a note, each with its standard name and the title that stands there.

    Examples
    --------
    >>> import nlp
    >>> language = nlp.load(components=["normalise", "sections"])
    >>> [
    ...     (section.name, section.title)
    ...     for section in language("主 诉：腹痛3天。现病史：患者3天前。查体合作。查体：腹软")._.clinical.sections
    ... ]
    [('主诉', '主 诉'), ('现病史', '现病史'), ('体格检查', '查体')]
    """

    version = _VERSION

    def predict(self, text: ClinicalText) -> list[Section]:
        """Return the sections in order; they cover the text from its first character to its last."""
        titled = _titled(text.text, text.document_type)
        if parts := narrative_parts(text.text, told_kind(text), titled):
            return _closed(text.text, _among(parts, titled))
        outer = outer_titles(text.text, untitled_sections(text.text, text.document_type, titled))
        paragraphs = list(untitled_paragraphs(text.text, text.document_type, outer))
        # A paragraph told just now may hold headings as any other section.
        return _closed(text.text, outer_titles(text.text, paragraphs) if len(paragraphs) > len(outer) else outer)


def _among(parts: list[tuple[int, str]], titled: Sequence[Titled]) -> list[Titled]:
    """Return the titles with the parts of a narrative among them."""
    begun = {title.start: title for title in titled} | {start: Titled(start, start, name, "") for start, name in parts}
    return [begun[start] for start in sorted(begun)]
