"""A set of variables made ready: all its words in one automaton, found in one pass over a note.

Words that the loaded dictionary does not know need an assertion too. :class:`SetMentions` is a component that adds them as mentions before
the assertion component of a pipeline runs; a note that came through another pipeline is judged again here, which gives the same answers in
more time.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import ClinicalText, Mention
from nlp.assertion.cues import lexicon
from nlp.dictionary import Dictionary, Term
from nlp.normal import fold
from nlp.variables.answers import Refused
from nlp.variables.patterns import compile_pattern, is_pattern, matches
from nlp.variables.words import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from nlp.variables.definition import Variable

__all__ = ["LABEL", "Search", "SearchPlan", "SetMentions", "judged"]

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
    """What one pass over a note found: spots by the place of their variable, spans that need an assertion, patterns that ran too long."""

    spots: dict[int, list[Spot]]
    spans: set[tuple[int, int]]
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
        self.version = self._dictionary.version
        self._last: tuple[str, str, Search] | None = None

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
            Kept until the next text, since a pipeline and the evaluation after it ask for the same.
        """
        if self._last and self._last[0] == text and self._last[1] == document_type:
            return self._last[2]
        spots: dict[int, list[Spot]] = {}
        spans: set[tuple[int, int]] = set()
        for start, end, term in self._dictionary.find(fold(text), crossing=True):
            for place, role in self._roles[term]:
                spots.setdefault(place, []).append(Spot(start, end, role))
                if role != NOT_IN:
                    spans.add((start, end))
        refused = self._search_patterns(text, document_type, spots, spans)
        found = Search(spots, spans, tuple(refused))
        self._last = (text, document_type, found)
        return found

    def _search_patterns(self, text: str, document_type: str, spots: dict, spans: set) -> list[Refused]:
        refused = []
        for place, role, pattern in self._patterns:
            variable = self.variables[place]
            if document_type and variable.documents and document_type not in variable.documents:
                continue
            try:
                for match in matches(pattern, text):
                    inner = match.span("value") if "value" in pattern.groupindex else (-1, -1)
                    spots.setdefault(place, []).append(Spot(*match.span(), role, inner))
                    spans.add(match.span())
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


class SetMentions:
    """A component that adds the words of a set to the mentions, so that they are judged and bound like all others.

    Parameters
    ----------
    plan : SearchPlan
        The set's words.
    """

    def __init__(self, plan: SearchPlan) -> None:
        self.plan = plan
        self.version = plan.version

    def predict(self, text: ClinicalText) -> list[Mention]:
        """Return a mention for each hit that is none yet."""
        return missing(self.plan, text.mentions, self.plan.search(text.text, text.document_type).spans)


def missing(plan: SearchPlan, mentions: Sequence[Mention], spans: set[tuple[int, int]]) -> list[Mention]:
    """Return mentions for those of the spans that no mention has."""
    known = {(mention.start, mention.end) for mention in mentions}
    return [Mention(start, end, LABEL, source=plan.version) for start, end in sorted(spans - known)]


def judged(plan: SearchPlan, text: ClinicalText, spans: set[tuple[int, int]]) -> ClinicalText:
    """Return a note in which every one of the spans is a mention with its assertion.

    Parameters
    ----------
    plan : SearchPlan
        The set's words.
    text : ClinicalText
        Not finished; it is not changed.
    spans : set of (int, int)
        In the normalised text.

    Returns
    -------
    ClinicalText
        The same object where nothing is missing.
    """
    new = missing(plan, text.mentions, spans) if spans else []
    if not new:
        return text
    whole = replace(text, mentions=sorted([*text.mentions, *new], key=lambda mention: (mention.start, -mention.end)))
    for field, component in _judges():
        setattr(whole, field, component.predict(whole))
    return whole


@cache
def _judges() -> tuple[tuple[str, Any], ...]:
    """Return the components that depend on the mentions, in the order in which they run."""
    from nlp.assertion import Assertions

    judges: list[tuple[str, Any]] = [("mentions", Assertions())]
    if find_spec("nlp.relations"):
        judges.append(("relations", import_module("nlp.relations").Relations()))
    return tuple(judges)
