"""Names of persons by a small network: how likely a surname with one or two characters is a name where it stands.

The network reads the characters of a candidate (:mod:`nlp.identifiers.candidates`), those around it, and how it lies among the words of a
dictionary (高血压 is a word; 王秀英 is none, and no word reaches over its ends). What was learnt is numbers in
``nlp/data/name_model.safetensors``; :mod:`nlp.identifiers.training` says how.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlp.identifiers.candidates import Describer
from nlp.identifiers.reading import Reading, squeezed
from nlp.tensors import read_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nlp.identifiers.candidates import Candidates

__all__ = ["Found", "NameModel", "name_model"]

# Log-odds that a longer name with the same start may have less and still be taken.
_ABOUT = 6.0
# How much a cue beside a candidate counts where a text names nobody otherwise.
_CUED = 5.0
# What is asked beyond of a word of the dictionary, times its weight there.
_WORD_BESIDE, _WORD_ALONE = 1.5, 3.0


class Found(NamedTuple):
    """A name: its place, its log-odds, and whether its cues are those of staff."""

    start: int
    end: int
    odds: float
    staff: bool


class NameModel:
    """The network: an embedding of each character, one hidden layer, one answer.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        As the training wrote them.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        characters = "".join(map(chr, arrays["characters"].tolist()))
        self._describer = Describer(characters, arrays["odds"].astype(np.float32))
        self._embedding, slots, self._numbers, self._bias, self._out, self._out_bias = (
            arrays[name].astype(np.float32) for name in ("embedding", "slots", "numbers", "bias", "out", "out_bias")
        )
        self._slots = slots.reshape(-1, slots.shape[-1])

    def find(self, text: str, *, alone: float, beside: float, sure: float | None = None) -> list[Found]:
        """Find names, in order, none overlapping another.

        Parameters
        ----------
        text : str
            Text in normal form.
        alone, beside : float
            Log-odds from which a candidate counts as a name: without and with a cue beside it (a label, a person, a title).
        sure : float, optional
            What one candidate at least must have, lest the text name nobody at all; a cue beside it counts for it.
        """
        short, places = squeezed(text)
        found = self.among(Reading(short), alone=alone, beside=beside, sure=sure)
        return [one._replace(start=places[one.start], end=places[one.end - 1] + 1) for one in found]

    def among(self, reading: Reading, *, alone: float, beside: float, sure: float | None = None) -> list[Found]:
        """Find names as :meth:`find` does, in a text that is :func:`squeezed` and read."""
        candidates = self._describer.candidates(reading)
        if not len(candidates.starts):
            return []
        is_beside = reading.beside(candidates.starts, candidates.ends)
        asked = np.where(is_beside, beside + _WORD_BESIDE * candidates.weights, alone + _WORD_ALONE * candidates.weights)
        shapes = self._describer.shapes
        margins = self._scores(reading, candidates) - asked
        rows = np.flatnonzero((margins >= 0) & ~reading.in_term(candidates.starts))
        places = (candidates.starts[rows].tolist(), candidates.ends[rows].tolist())
        is_staff = dict(zip(zip(*places, strict=True), reading.staff(*(column[rows] for column in candidates[:2])).tolist(), strict=True))
        found = [
            (margin, start, end, cued)
            for margin, start, end, cued in zip(margins[rows].tolist(), *places, is_beside[rows].tolist(), strict=True)
            if not shapes.is_medical(reading.text, start, end)
            and ((cued and end - start > 1) or not shapes.is_eponym(reading.text, start, end))
        ]
        if sure is not None and not any(margin + (beside + _CUED if cued else alone) >= sure for margin, _, _, cued in found):
            return []
        return [Found(start, end, odds, is_staff[start, end]) for start, (end, odds) in sorted(_apart(found).items())]

    def _scores(self, reading: Reading, candidates: Candidates) -> np.ndarray:
        """Return the log-odds that each candidate is a name, of shape (n_candidates,)."""
        slots, numbers = self._describer.numbers(reading, candidates)
        hidden = self._embedding[slots].reshape(len(slots), -1) @ self._slots + numbers @ self._numbers + self._bias
        return np.maximum(hidden, 0.0) @ self._out + self._out_bias


def _apart(found: list[tuple[float, int, int, bool]]) -> dict[int, tuple[int, float]]:
    """Choose the surest of those that overlap; end and log-odds by start.

    A longer name with the same start that is about as sure is taken: rather a character too many than one left.
    """
    chosen: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for odds, start, end, _ in sorted(found, reverse=True):
        known, best = chosen.get(start, (start, odds))
        if end > known and odds > best - _ABOUT and taken.isdisjoint(range(known, end)):
            chosen[start] = (end, best)
            taken.update(range(known, end))
    return chosen


@cache
def name_model() -> NameModel:
    """Return the model of the package, read once."""
    return NameModel(read_tensors(Path(str(files("nlp").joinpath("data/name_model.safetensors")))))
