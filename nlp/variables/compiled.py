"""A set of variables made ready: all its words in one automaton, found in one pass over a note.

Words that the loaded dictionary does not know need an assertion too: :func:`judged` adds them to a note's mentions.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import ClinicalText, Mention
from nlp.assertion import Assertions
from nlp.assertion.cues import lexicon
from nlp.dictionary import Dictionary, Term
from nlp.normal import fold
from nlp.relations import Relations
from nlp.variables.answers import Refused
from nlp.variables.patterns import compile_pattern, is_pattern, matches
from nlp.variables.words import literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from typing import Any

    from nlp.variables.definition import Variable

__all__ = ["LABEL", "Search", "SearchPlan", "judged"]

#: Entity type of mentions that only a variable's words made.
LABEL = "finding"
_SOURCE = "variables"

TARGET, NOT_IN, JUDGED = -1, -2, -3
"""Why a word is sought: as the target, as what a hit must not lie in, or only to know its assertion; from 0 on, the place of a category."""


class Spot(NamedTuple):
    """Where a word or a pattern of a variable stands; `inner` is the span of a pattern's group ``value``."""

    start: int
    end: int
    role: int
    inner: tuple[int, int] = (-1, -1)


class Search(NamedTuple):
    """What one pass over a note found: spots by the place of their variable, and patterns that ran too long."""

    spots: dict[int, list[Spot]]
    refused: tuple[Refused, ...] = ()


class SearchPlan:
    """The words and patterns of variables, ready to be found.

    Parameters
    ----------
    variables : sequence of Variable
        What to find words for.
    """

    def __init__(self, variables: Sequence[Variable]) -> None:
        self.variables = tuple(variables)
        roles: dict[str, list[tuple[int, int]]] = {}
        self._patterns: list[tuple[int, int, Any]] = []
        self._by_term: dict[str, list[int]] = {}
        self._by_label: dict[str, list[int]] = {}
        self._by_code: list[tuple[str, int]] = []
        for place, variable in enumerate(variables):
            for word, role in _sought(variable):
                if is_pattern(word):
                    self._patterns.append((place, role, compile_pattern(word[1:-1])))
                elif known := literal(word):
                    roles.setdefault(known, []).append((place, role))
            self._index(place, variable)
        self._dictionary = Dictionary([Term(word, LABEL) for word in roles], name=_SOURCE)
        self._roles = [roles[term.term] for term in self._dictionary.terms]

    def _index(self, place: int, variable: Variable) -> None:
        for term in variable.target.terms if variable.target.synonyms else ():
            self._by_term.setdefault(term, []).append(place)
        for label in variable.target.labels:
            self._by_label.setdefault(label, []).append(place)
        self._by_code += [(code, place) for code in variable.target.codes]

    def search(self, text: str, document_type: str = "") -> Search:
        """Find all words in a normalised text.

        Parameters
        ----------
        text : str
            Normalised.
        document_type : str
            Patterns of variables that do not ask this kind of document are not run.

        Returns
        -------
        Search
        """
        spots: dict[int, list[Spot]] = {}
        for start, end, term in self._dictionary.find(fold(text), crossing=True):
            for place, role in self._roles[term]:
                spots.setdefault(place, []).append(Spot(start, end, role))
        return Search(spots, tuple(self._search_patterns(text, document_type, spots)))

    def _search_patterns(self, text: str, document_type: str, spots: dict[int, list[Spot]]) -> list[Refused]:
        refused = []
        for place, role, pattern in self._patterns:
            variable = self.variables[place]
            if document_type and variable.documents and document_type not in variable.documents:
                continue
            try:
                for match in matches(pattern, text):
                    inner = match.span("value") if "value" in pattern.groupindex else (-1, -1)
                    spots.setdefault(place, []).append(Spot(*match.span(), role, inner))
            except TimeoutError:
                refused.append(Refused(variable.name, "a pattern ran longer than it may"))
        return refused

    def in_mentions(self, mentions: Iterable[Mention]) -> Iterator[tuple[int, Spot]]:
        """Give the mentions whose preferred name, label or code a variable asks for, as (place of the variable, spot)."""
        for mention in mentions:
            if mention.source.startswith(_SOURCE):
                continue
            places = [*self._by_term.get(mention.term, ()), *self._by_label.get(mention.label, ())]
            if mention.code:
                places += [place for code, place in self._by_code if mention.code.startswith(code)]
            for place in places:
                yield place, Spot(mention.start, mention.end, TARGET)


def _sought(variable: Variable) -> Iterator[tuple[str, int]]:
    target = variable.target
    for word in target.terms:
        yield _escaped(word), TARGET
    for pattern in target.regex:
        yield f"/{pattern}/", TARGET
    for word in target.not_in:
        yield word, NOT_IN
    alone = variable.value.kind == "category" and not target.kinds
    for place, category in enumerate(variable.value.categories):
        for word in category.words:
            if alone:
                yield word, place
            elif not is_pattern(word) and literal(word) not in _cues():
                yield word, JUDGED
    for _, value in target.parameters:
        if isinstance(value, tuple):
            yield from ((word, JUDGED) for word in value if isinstance(word, str) and not is_pattern(word))


@cache
def _cues() -> frozenset[str]:
    """Return the words that decide an assertion: as a mention of its own, 未见 would be no cue any more, for any variable."""
    return frozenset(cue.word for cue in lexicon().cues if cue.role in ("before", "after", "either"))


def _escaped(term: str) -> str:
    """Return a term so that it is never taken for a pattern."""
    return f" {term}" if is_pattern(term) else term


def judged(text: ClinicalText, spans: Collection[tuple[int, int]]) -> ClinicalText:
    """Return a note in which each of the spans is a mention too, all of them judged and bound together.

    Parameters
    ----------
    text : ClinicalText
        Not finished; it is not changed.
    spans : collection of (int, int)
        In the normalised text; no mention has them.

    Returns
    -------
    ClinicalText
        The same object where there are no spans.
    """
    if not spans:
        return text
    new = [Mention(start, end, LABEL, source=_SOURCE) for start, end in spans]
    whole = replace(text, mentions=sorted([*text.mentions, *new], key=lambda mention: (mention.start, -mention.end)))
    assertions, relations = _judges()
    whole.mentions = assertions.predict(whole)
    whole.relations = relations.predict(whole)
    return whole


@cache
def _judges() -> tuple[Assertions, Relations]:
    """Return the components that depend on the mentions, in the order in which they run."""
    return Assertions(), Relations()
