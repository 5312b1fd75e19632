"""Normalisation of clinical text, with an exact map of offsets back to the raw text."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

__all__ = ["NormalText", "normalise"]

# Full-width forms and the ideographic space; the core component extends this.
_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


@dataclass(frozen=True, slots=True)
class NormalText:
    """A normalised text.

    Parameters
    ----------
    text : str
        What components read.
    breaks : tuple of (int, int), optional
        Where the texts run apart, ascending: from normal offset `a` on, raw offset = normal offset + `shift`. Empty where the two have
        the same length character for character, which is the common case.
    """

    text: str
    breaks: tuple[tuple[int, int], ...] = ()

    def raw(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the raw text that a span of the normal text came from."""
        if not self.breaks:
            return start, end
        return self._at(start), self._at(end - 1) + 1 if end > start else self._at(start)

    def _at(self, position: int) -> int:
        place = bisect_right(self.breaks, position, key=lambda pair: pair[0]) - 1
        return position + (self.breaks[place][1] if place >= 0 else 0)


def normalise(raw: str) -> NormalText:
    """Return the text that components read: width and variants made one.

    Parameters
    ----------
    raw : str
        Any text.

    Returns
    -------
    NormalText
        With the map back.

    Examples
    --------
    >>> normalise("体温３８．５℃").text
    '体温38.5℃'
    """
    return NormalText(raw.translate(_WIDTH))
