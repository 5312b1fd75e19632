"""Collects notes as they are written, with spans and canaries at exact code points."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.synthetic.notes.markup import Mention

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.synthetic.notes.markup import Template
    from workbench.synthetic.notes.terms import Term

__all__ = ["Writer"]


@dataclass
class Writer:
    """The notes of one block.

    Parameters
    ----------
    notes : list of tuple
        (visit, kind, title, time, provider, text).
    spans : list of tuple
        (note, start, end, term, surface, assertion, experiencer, value, unit, value start, value end), `note` a place in `notes`.
    canaries : list of tuple
        (note, start, end, token, kind).
    """

    notes: list[tuple[int, str, str, int, int, str]] = field(default_factory=list)
    spans: list[tuple[int, int, int, Term, str, str, str, float | None, str | None, int | None, int | None]] = field(default_factory=list)
    canaries: list[tuple[int, int, int, str, str]] = field(default_factory=list)
    _parts: list[str] = field(default_factory=list)
    _length: int = 0

    def add(self, text: str) -> None:
        """Write plain words."""
        self._parts.append(text)
        self._length += len(text)

    def mention(self, surface: str, term: Term, assertion: str = "present", experiencer: str = "patient") -> None:
        """Write words that mention a term."""
        start = self._length
        self.add(surface)
        self.spans.append((len(self.notes), start, self._length, term, surface, assertion, experiencer, None, None, None, None))

    def quantity(self, surface: str, term: Term, between: str, printed: str, value: float, unit: str) -> None:
        """Write a term with its value and unit, as in "体温 36.5℃"."""
        start = self._length
        self.add(surface)
        end = self._length
        self.add(between)
        value_start = self._length
        self.add(printed + unit)
        row = (
            len(self.notes),
            start,
            end,
            term,
            surface,
            "present",
            "patient",
            value,
            unit.lstrip("×*x") or None,
            value_start,
            self._length,
        )
        self.spans.append(row)

    def canary(self, token: str, kind: str) -> None:
        """Write an identifier and remember where."""
        self.canaries.append((len(self.notes), self._length, self._length + len(token), token, kind))
        self.add(token)

    def fill(self, template: Template, slot: Callable[[str], None]) -> None:
        """Write a template; `slot` is called with the name of each slot when its turn comes."""
        for piece in template.pieces:
            if isinstance(piece, str):
                self._parts.append(piece)
                self._length += len(piece)
            elif isinstance(piece, Mention):
                self.mention(piece.surface, piece.term, piece.assertion, piece.experiencer)
            else:
                slot(piece.name)

    def close(self, visit: int, kind: str, title: str, time: int, provider: int) -> None:
        """End the note in hand."""
        self.notes.append((visit, kind, title, time, provider, "".join(self._parts)))
        self._parts.clear()
        self._length = 0
