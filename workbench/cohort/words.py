"""Text search in notes: one normal form, and where a found text stands in the raw note."""

from __future__ import annotations

import unicodedata

__all__ = ["find", "normalise"]


def normalise(text: str) -> str:
    r"""Return the form in which notes are searched.

    Compatibility forms are folded (NFKC: full width to half width, ℃ to °C), case is folded, and white space and
    invisible format characters are dropped, so that a line break inside a word does not hide it.

    Examples
    --------
    >>> normalise("ＨｂＡ１ｃ 升高\n")
    'hba1c升高'
    """
    return "".join(_fold(character) for character in text)


def find(text: str, needle: str) -> list[tuple[int, int]]:
    """Return where `needle` stands in `text` after normalisation of both.

    Parameters
    ----------
    text : str
        The raw note.
    needle : str
        What to find; must not be empty after normalisation.

    Returns
    -------
    list of (start, end)
        Code points of the raw text, end exclusive; overlapping occurrences all count.

    Examples
    --------
    >>> find("血糖 升高，血糖正常", "血糖")
    [(0, 2), (6, 8)]
    """
    wanted = normalise(needle)
    if not wanted:
        raise ValueError("the text to find is empty after normalisation")
    folded = [_fold(character) for character in text]
    origin = [position for position, piece in enumerate(folded) for _ in piece]
    haystack = "".join(folded)
    spans = []
    at = haystack.find(wanted)
    while at >= 0:
        spans.append((origin[at], origin[at + len(wanted) - 1] + 1))
        at = haystack.find(wanted, at + 1)
    return spans


def _fold(character: str) -> str:
    kept = (c for c in unicodedata.normalize("NFKC", character).casefold() if not c.isspace() and unicodedata.category(c) != "Cf")
    return "".join(kept)
