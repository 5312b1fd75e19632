"""Asking a note: pure functions from a variable and a structured note to answers with their evidence."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from nlp.errors import NlpError, VariableError
from nlp.pipeline import unfinished
from nlp.variables.answers import CONFIDENCE, Answer, Evaluation, Refused, Taken, naive
from nlp.variables.catalogue import Catalogue, Found
from nlp.variables.compiled import NOT_IN, TARGET, SearchPlan, Spot, judged
from nlp.variables.definition import ALONE, Near
from nlp.variables.functions import builtin
from nlp.variables.sides import side_of
from nlp.variables.values import Place, fit_found, one_of, take
from nlp.variables.view import Hit, NoteView, longest
from nlp.variables.words import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from nlp.annotations import ClinicalText
    from nlp.variables.definition import Variable

__all__ = ["CompiledSet", "evaluate", "naive"]


class _Asked(NamedTuple):
    """A hit of a variable on its way to an answer: what is known of it, and why it does not count."""

    hit: Hit
    doubts: tuple[str, ...]
    why_not: str


class _Views:
    """A note as each variable sees it: the pipeline's mentions and the variable's own words, judged together.

    The words of other variables are no mentions there, so that an answer does not depend on what else is asked.
    """

    def __init__(self, text: ClinicalText, index: datetime | None) -> None:
        self._text, self._index = text, index
        self._known = {(mention.start, mention.end) for mention in text.mentions}
        self._views: dict[frozenset[tuple[int, int]], NoteView] = {}

    def of(self, spots: Iterable[Spot]) -> NoteView:
        """Return the note as a variable sees it that has these words in it."""
        new = frozenset((spot.start, spot.end) for spot in spots if spot.role != NOT_IN) - self._known
        if new not in self._views:
            self._views[new] = NoteView(judged(self._text, new), index=self._index)
        return self._views[new]


class CompiledSet:
    """Variables ready to be asked of any number of notes.

    Parameters
    ----------
    variables : iterable of Variable
        A :class:`~nlp.variables.sets.VariableSet` or some variables.
    catalogue : Catalogue, optional
        The functions that they may call; the built-in ones if not said.

    Raises
    ------
    VariableError
        If a variable calls a function that the catalogue lacks, or with other parameters than it takes.

    Examples
    --------
    >>> from nlp.variables.definition import Target, Variable
    >>> asked = CompiledSet([Variable(name="cough", target=Target(terms=("咳嗽",)))])
    >>> len(asked.variables)
    1
    """

    def __init__(self, variables: Iterable[Variable], *, catalogue: Catalogue | None = None) -> None:
        self.variables = tuple(variables)
        self.catalogue = catalogue if catalogue is not None else builtin()
        for variable in self.variables:
            if variable.target.function:
                self.catalogue[variable.target.function].check(dict(variable.target.parameters))
        self.plan = SearchPlan(self.variables)
        self._without_words = {place for place, variable in enumerate(self.variables) if ALONE & set(variable.target.kinds)}

    @property
    def version(self) -> str:
        """Hash over the variables and the versions of the functions that they call."""
        called = {variable.target.function for variable in self.variables} - {""}
        functions = sorted((name, self.catalogue[name].version) for name in called)
        listed = [sorted(variable.hash for variable in self.variables), functions]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    def evaluate(self, text: ClinicalText, *, index: datetime | None = None) -> Evaluation:
        """Ask a note all variables.

        Parameters
        ----------
        text : ClinicalText
            A structured note, finished or not; it is not changed.
        index : datetime, optional
            The index date of the note's patient.

        Returns
        -------
        Evaluation
            Answers in order of variables and then of the text, spans in code points of the raw text; and what was refused.
        """
        text = unfinished(text)
        search = self.plan.search(text.text, text.document_type)
        spots = {place: list(found) for place, found in search.spots.items()}
        for place, spot in self.plan.in_mentions(text.mentions):
            spots.setdefault(place, []).append(spot)
        views = _Views(text, index)
        answers: list[Answer] = []
        refused = list(search.refused)
        for place, variable in enumerate(self.variables):
            if place not in spots and place not in self._without_words:
                continue
            if text.document_type and variable.documents and text.document_type not in variable.documents:
                continue
            view = views.of(search.spots.get(place, ()))
            try:
                # Whole or not at all: what a function gave before it failed is no answer.
                answers += tuple(self._ask(view, variable, spots.get(place, [])))
            except Exception as error:
                refused.append(Refused(variable.name, _why_failed(variable, error)))
        return Evaluation(answers, tuple(refused))

    def _ask(self, view: NoteView, variable: Variable, spots: list[Spot]) -> Iterator[Answer]:
        target = variable.target
        if target.function:
            found = self.catalogue[target.function].find(view, dict(target.parameters))
            return _of_found(view, variable, found)
        if target.system:
            return _of_found(view, variable, _system(view, variable))
        return _of_places(view, variable, _section_places(view, variable) if target.section else _places(view, variable, spots))


def _why_failed(variable: Variable, error: Exception) -> str:
    """Say what broke: an error's own words only where they are ours, for others may hold a piece of the note."""
    if isinstance(error, TimeoutError):
        return "a pattern ran longer than it may"
    if isinstance(error, NlpError):
        return error.message
    who = f"function {variable.target.function} " if variable.target.function else ""
    return f"{who}failed with {type(error).__name__}"


@lru_cache(maxsize=256)
def _compiled(variable: Variable) -> CompiledSet:
    return CompiledSet((variable,))


def evaluate(variable: Variable, text: ClinicalText, *, index: datetime | None = None, catalogue: Catalogue | None = None) -> list[Answer]:
    """Ask a note one variable.

    Parameters
    ----------
    variable : Variable
        The question.
    text : ClinicalText
        A structured note; it is not changed.
    index : datetime, optional
        The index date of the note's patient.
    catalogue : Catalogue, optional
        The functions that the variable may call; the built-in ones if not said.

    Returns
    -------
    list of Answer
        In order of the text; those with a `why_not` do not count.

    Raises
    ------
    VariableError
        If the variable cannot be asked of this note: a pattern runs longer than it may, its function fails.
    """
    asked = _compiled(variable) if catalogue is None else CompiledSet((variable,), catalogue=catalogue)
    answers, refused = asked.evaluate(text, index=index)
    if refused:
        raise VariableError(f"variable {variable.name!r} on note {text.note.note_id!r}: {refused[0].why}")
    return answers


# --- where a variable's hits are ---
def _places(view: NoteView, variable: Variable, spots: list[Spot]) -> Iterator[Place]:
    """Give the hits of a variable with the stretch that belongs to each."""
    excluded = [(spot.start, spot.end) for spot in spots if spot.role == NOT_IN]
    at: dict[tuple[int, int], list[Spot]] = {}
    for spot in spots:
        if spot.role >= TARGET and not (excluded and _lies_in(spot, excluded)):
            at.setdefault((spot.start, spot.end), []).append(spot)
    spans = longest(iter(at))
    for number, span in enumerate(spans):
        hit = view.hit(*span, inner=max(spot.inner for spot in at[span]))
        low, high = view.scope(variable.value.within, *span) if variable.value.kind in _LOOKS_ROUND else span
        before, after = spans[number - 1][1] if number else 0, spans[number + 1][0] if number + 1 < len(spans) else len(view.text)
        if variable.value.side == "near":
            before, after = (before + span[0]) // 2 if number else 0, (span[1] + after + 1) // 2 if number + 1 < len(spans) else after
        yield Place(hit, max(low, before), min(high, after), _category_of(variable, hit, at[span]))


_LOOKS_ROUND = frozenset({"quantity", "category", "date"})


def _lies_in(spot: Spot, excluded: list[tuple[int, int]]) -> bool:
    return any(start <= spot.start and spot.end <= end for start, end in excluded)


def _category_of(variable: Variable, hit: Hit, spots: list[Spot]) -> int:
    """Return the first category listed whose words stand here, asserted as it asks; the first of all where none is."""
    if not variable.value.categories:
        return -1
    roles = sorted({spot.role for spot in spots if spot.role >= 0})
    fitting = (role for role in roles if hit.assertion in (variable.value.categories[role].assertion or variable.assertions))
    return next(fitting, roles[0] if roles else -1)


def _section_places(view: NoteView, variable: Variable) -> Iterator[Place]:
    for section in view.sections:
        if section.name in variable.target.section and section.body < section.end:
            span = (section.body, section.end)
            yield Place(Hit(*span, inner=span), *span)


def _system(view: NoteView, variable: Variable) -> Iterator[Found]:
    """Give the grades of a staging or scoring system; as a number, where the variable wants one."""
    for quantity in view.quantities:
        if quantity.system == variable.target.system:
            hit = view.hit(quantity.start, quantity.end)._replace(asserted=True)
            number = one_of(quantity.values, variable.value) if quantity.values else ""
            value = number if variable.value.kind == "quantity" else quantity.text or number
            yield Found.at(hit, value, comparator=quantity.comparator)


# --- from a hit to an answer ---
def _of_places(view: NoteView, variable: Variable, places: Iterable[Place]) -> Iterator[Answer]:
    for place in places:
        allowed = variable.assertions
        if place.category >= 0:
            allowed = variable.value.categories[place.category].assertion or allowed
        asked = _check(view, variable, place.hit, allowed)
        if asked is None:
            continue
        if asked.why_not:
            yield _answer(view, variable, asked, Taken(None, place.hit.start, place.hit.end))
            continue
        for taken in take(view, variable, place):
            yield _answer(view, variable, asked, taken)


def _of_found(view: NoteView, variable: Variable, found: Iterable[Found]) -> Iterator[Answer]:
    for item in found:
        if not 0 <= item.start <= item.end <= len(view.text):
            raise VariableError(f"function {variable.target.function} gave a span outside the note: {item.start} to {item.end}")
        hit = Hit(item.start, item.end, item.assertion, item.experiencer, score=item.confidence)
        asked = _check(view, variable, hit, variable.assertions)
        if asked is not None:
            yield _answer(view, variable, asked, _as_written(view, variable, item))


def _as_written(view: NoteView, variable: Variable, item: Found) -> Taken:
    """Fit what a function found; a stretch of the text is given as it stands in the raw text, like the texts of other variables."""
    taken = fit_found(variable, item)
    if variable.value.kind != "text" or taken.value != view.text[item.start : item.end]:
        return taken
    first, last = view.raw(item.start, item.end)
    return taken._replace(value=view.note.text[first:last])


def _check(view: NoteView, variable: Variable, hit: Hit, allowed: tuple[str, ...]) -> _Asked | None:
    """Tell what is doubtful about a hit and why it does not count; None where it stands in a section that is not asked."""
    doubts = []
    if variable.documents and not view.document_type:
        doubts.append("document type unknown")
    if variable.sections:
        if not view.has_sections:
            doubts.append("sections unknown")
        elif view.section_at(hit.start).name not in variable.sections:
            return None
    if not hit.asserted:
        doubts.append("assertion not judged")
    if hit.assertion == "possible":
        doubts.append("assertion possible")
    why_not = _not_near(view, variable, hit)
    if not why_not and hit.experiencer not in variable.experiencer:
        why_not = hit.experiencer
    if not why_not and hit.assertion not in allowed:
        why_not = str(hit.assertion)
    return _Asked(hit, tuple(doubts), why_not or _outside(view, variable, hit))


_NOWHERE = Near()


def _not_near(view: NoteView, variable: Variable, hit: Hit) -> str:
    near = variable.near
    if near == _NOWHERE:
        return ""
    low, high = view.scope(near.within, hit.start, hit.end)
    if near.without and words(near.without).any(view.folded, low, high):
        return "near what excludes it"
    if near.with_any and not words(near.with_any).any(view.folded, low, high):
        return "not near"
    if near.site and not words(near.site).any(view.folded, low, high):
        return "not near"
    if near.laterality and side_of(view, hit) not in near.laterality:
        return "not near"
    return ""


def _outside(view: NoteView, variable: Variable, hit: Hit) -> str:
    window = variable.window
    if window is None:
        return ""
    anchor = view.index if window.anchor == "index" else getattr(view.note, window.anchor)
    earliest, latest = view.time_of(hit)
    earliest, latest = earliest or latest, latest or earliest
    if anchor is None or earliest is None or latest is None:
        return "clock unknown"
    first, last = window.days
    anchor = naive(anchor)
    too_late = last is not None and naive(earliest) - anchor > timedelta(days=last)
    too_early = first is not None and naive(latest) - anchor < timedelta(days=first)
    return "outside window" if too_late or too_early else ""


def _answer(view: NoteView, variable: Variable, asked: _Asked, taken: Taken) -> Answer:
    hit = asked.hit
    confidence = hit.score
    for doubt in {*asked.doubts, *taken.doubts}:
        confidence *= CONFIDENCE[doubt]
    spans = dict.fromkeys(((hit.start, hit.end), (taken.start, taken.end)))
    why_not = asked.why_not or taken.why_not
    earliest, latest = view.time_of(hit)
    return Answer(
        variable.name,
        variable.hash,
        None if why_not else taken.value,
        taken.unit,
        taken.comparator,
        str(hit.assertion),
        hit.experiencer,
        *view.raw(taken.start, taken.end),
        tuple(view.raw(*span) for span in spans),
        round(confidence, 4),
        earliest,
        latest,
        why_not,
    )
