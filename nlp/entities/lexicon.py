"""Terms that help a tagger: learnt from annotated texts, or listed in a file."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from nlp.entities.features import flatten
from nlp.errors import TextDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nlp.entities import Example
    from nlp.entities.features import Flat

__all__ = ["Lexicon", "learn_terms", "read_terms"]

_SHORTEST, _LONGEST = 2, 24
#: Of how much of its occurrences a term is an entity, in quarters; terms that occur seldom are kept apart, being less sure.
_QUARTERS, _SELDOM = 4, 2
#: Marks within one value: alone, first, inside, last.
_PLACES = 8


class Lexicon:
    """Marks the leftmost longest terms of a text.

    Parameters
    ----------
    terms : mapping of str to int
        Folded term -> what the lexicon says of it, 1 or more.
    """

    def __init__(self, terms: Mapping[str, int]) -> None:
        self.terms = dict(sorted(terms.items()))
        self._values = np.array(list(self.terms.values()), np.int64) * _PLACES
        self._search = (
            AhoCorasick(list(self.terms), matchkind=MatchKind.LeftmostLongest, implementation=Implementation.ContiguousNFA)
            if terms
            else None
        )

    def mark(self, text: str, marks: np.ndarray) -> None:
        """Write what the lexicon says of each character.

        Parameters
        ----------
        text : str
            Folded text.
        marks : ndarray of shape (len(text),), int64
            Zeros; takes value * 8 + place in the term (1 alone, 2 first, 3 inside, 4 last).
        """
        if self._search is None:
            return
        for term, start, end in self._search.find_matches_as_indexes(text):
            value = self._values[term]
            if end - start == 1:
                marks[start] = value + 1
                continue
            marks[start : end - 1] = value + 3
            marks[start] = value + 2
            marks[end - 1] = value + 4

    def mark_all(self, flat: Flat) -> np.ndarray:
        """Return the marks of every place of a batch.

        Parameters
        ----------
        flat : Flat
            The texts.

        Returns
        -------
        ndarray of shape (n_places,), int64
            0 where the lexicon says nothing.
        """
        marks = np.zeros(len(flat.codes), np.int64)
        for text, start in zip(flat.texts, flat.starts, strict=True):
            self.mark(text, marks[start : start + len(text)])
        return marks


def learn_terms(examples: Sequence[Example]) -> dict[str, int]:
    """Learn which strings are entities, of which label, and how surely.

    Parameters
    ----------
    examples : sequence of Example
        Annotated texts. A text that is to be marked must not be among them: its own answers would leak into its features.

    Returns
    -------
    dict
        Folded term -> label, share of its occurrences that are entities (in quarters) and whether it occurs more than twice, in one number.

    Examples
    --------
    >>> from nlp.entities import Entity, Example
    >>> sorted(learn_terms([Example("腹痛伴发热", (Entity(0, 2, "sym"), Entity(3, 5, "sym")))]))
    ['发热', '腹痛']
    """
    folded = flatten([example.text for example in examples]).texts
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text, example in zip(folded, examples, strict=True):
        for start, end, label, _ in example.entities:
            if _SHORTEST <= end - start <= _LONGEST:
                counts[text[start:end]][label] += 1
    if not counts:
        return {}
    terms = sorted(counts)
    search = AhoCorasick(terms, matchkind=MatchKind.Standard, implementation=Implementation.ContiguousNFA)
    occurrences: Counter[int] = Counter()
    for text in folded:
        occurrences.update(term for term, _, _ in search.find_matches_as_indexes(text, overlapping=True))
    number = {label: place for place, label in enumerate(sorted({label for count in counts.values() for label in count}))}
    values = {}
    for place, term in enumerate(terms):
        label, times = max(counts[term].items(), key=lambda pair: (pair[1], pair[0]))
        share = min(_QUARTERS - 1, int(_QUARTERS * times / max(occurrences[place], 1)))
        values[term] = 1 + number[label] * 2 * _QUARTERS + share + (_QUARTERS if occurrences[place] > _SELDOM else 0)
    return values


def read_terms(path: Path) -> dict[str, int]:
    """Read a list of terms, one a line; a second column that is no number is the term's kind.

    Parameters
    ----------
    path : Path
        UTF-8 text, columns apart by a tab.

    Returns
    -------
    dict
        Folded term -> number of its kind, in the order in which kinds appear.

    Raises
    ------
    TextDataError
        If the file cannot be read or holds no term of two characters or more.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TextDataError(
            f"the lexicon {path} cannot be read ({type(error).__name__})", hint="wanted one term a line, in UTF-8"
        ) from error
    kinds: dict[str, int] = {"": 1}
    values: dict[str, int] = {}
    for line in lines:
        term, _, kind = (part.strip() for part in line.partition("\t"))
        kind = "" if kind[:1].isdigit() else kind.partition("\t")[0]
        if len(term) >= _SHORTEST:
            values.setdefault(flatten([term]).texts[0], kinds.setdefault(kind, len(kinds) + 1))
    if not values:
        raise TextDataError(f"the lexicon {path} holds no term of two characters or more", hint="wanted one term a line")
    return values
