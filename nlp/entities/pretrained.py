"""Pretrained weights as plain arrays, whatever file they came from, and what a character's row is.

Nothing here needs torch: a model's folder can be looked into without it.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SPECIAL", "Pretrained", "Shape", "fold", "keep_characters", "rows_of"]

#: Rows that come before the characters' own: padding, unknown, first, last.
SPECIAL = 4
_UNKNOWN = 1


class Shape(NamedTuple):
    """Sizes of an encoder in the BERT family."""

    hidden: int
    layers: int
    heads: int
    feedforward: int
    positions: int
    epsilon: float


class Pretrained(NamedTuple):
    """Weights of an encoder.

    `characters` names the rows of ``words.weight`` after the first four; the other arrays bear the names of
    ``nlp.entities.networks.Backbone``.
    """

    name: str
    shape: Shape
    characters: tuple[str, ...]
    arrays: dict[str, np.ndarray]


def fold(character: str, known: dict[str, int]) -> str:
    """Return the character that stands for another one that a vocabulary lacks, or "" where none does.

    Parameters
    ----------
    character : str
        One character.
    known : dict
        Characters of the vocabulary.

    Returns
    -------
    str
        The compatible (half-width, simplified by Unicode) or lower-case form, or a blank for any white space.

    Examples
    --------
    >>> fold("Ａ", {"a": 0}), fold("①", {"1": 0}), fold(chr(0x3000), {" ": 0}), fold("贲", {"1": 0})
    ('a', '1', ' ', '')
    """
    for form in (character, unicodedata.normalize("NFKC", character)[:1], character.lower()[:1]):
        for candidate in (form, form.lower()[:1]):
            if candidate in known:
                return candidate
    return " " if character.isspace() and " " in known else ""


def rows_of(text: str, table: dict[str, int]) -> list[int]:
    """Return the row of each character.

    Parameters
    ----------
    text : str
        Any text.
    table : dict
        Character -> row. What it lacks is looked up by :func:`fold` and remembered.

    Returns
    -------
    list of int
        As long as the text.
    """
    try:
        return [table[character] for character in text]
    except KeyError:
        for character in set(text) - table.keys():
            table[character] = table.get(fold(character, table), _UNKNOWN)
        return [table[character] for character in text]


def keep_characters(pretrained: Pretrained, seen: Iterable[str]) -> Pretrained:
    """Keep the rows that Chinese clinical text can need, and give seen characters that have none a row of their own.

    Parameters
    ----------
    pretrained : Pretrained
        With all characters of its vocabulary.
    seen : iterable of str
        Characters of the training texts.

    Returns
    -------
    Pretrained
        With a smaller ``words.weight``. A new row begins as the folded form's row or as the mean of all Chinese ones.
    """
    known = {character: row for row, character in enumerate(pretrained.characters, SPECIAL)}
    kept = [character for character in pretrained.characters if _is_common(character)]
    new = sorted(set(seen) - set(kept))
    words = pretrained.arrays["words.weight"]
    mean = words[[known[character] for character in kept if "\u4e00" <= character <= "\u9fff"] or [_UNKNOWN]].mean(0)
    forms = [fold(character, known) for character in new]
    rows = [words[known[form]] if form else mean for form in forms]
    table = np.concatenate(
        [words[:SPECIAL], words[[known[character] for character in kept]], np.reshape(rows, (len(rows), words.shape[1]))]
    )
    return pretrained._replace(characters=(*kept, *new), arrays=pretrained.arrays | {"words.weight": table.astype(np.float32)})


def _is_common(character: str) -> bool:
    code = ord(character)
    return code < 0x400 or 0x2000 <= code < 0x3400 or 0x4E00 <= code < 0xA000 or 0xFF00 <= code < 0xFFF0
