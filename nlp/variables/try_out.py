"""Trying variables out: their test sentences run through the pipeline, and functions on their examples."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from nlp.annotations import Note
from nlp.pipeline import load, read
from nlp.variables.aggregate import Given, aggregate
from nlp.variables.evaluate import CompiledSet
from nlp.variables.view import NoteView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spacy.language import Language

    from nlp.annotations import ClinicalText
    from nlp.variables.answers import Answer
    from nlp.variables.catalogue import Catalogue, Function
    from nlp.variables.definition import Test, Variable

__all__ = ["Outcome", "as_note", "run_examples", "run_tests"]


class Outcome(NamedTuple):
    """What a test gave: `number` is its place, from 1; `answers` are all answers, those that do not count with their reason."""

    variable: str
    number: int
    text: str
    expect: Any
    got: Any
    passed: bool
    answers: tuple[Answer, ...] = ()
    refused: str = ""


@cache
def _standard() -> Language:
    return load()


def run_tests(
    variables: Variable | Iterable[Variable], *, language: Language | None = None, catalogue: Catalogue | None = None
) -> list[Outcome]:
    """Run the tests of variables.

    Parameters
    ----------
    variables : Variable or iterable of Variable
        Whose tests to run.
    language : Language, optional
        A pipeline; the standard one if not said.
    catalogue : Catalogue, optional
        The functions that the variables may call.

    Returns
    -------
    list of Outcome
        One for each test, in order.
    """
    listed = [variables] if hasattr(variables, "target") else list(variables)
    pipeline = language if language is not None else _standard()
    outcomes = []
    for variable in listed:
        asked = CompiledSet((variable,), catalogue=catalogue)
        outcomes += [_outcome(asked, pipeline, variable, number, test) for number, test in enumerate(variable.tests, 1)]
    return outcomes


def _outcome(asked: CompiledSet, pipeline: Language, variable: Variable, number: int, test: Test) -> Outcome:
    evaluation = asked.evaluate(as_note(pipeline, variable, test), index=_moment(test.index))
    anchor = None
    if variable.window:
        anchor = _moment(getattr(test, variable.window.anchor))
    got = aggregate(variable, [Given(number, answer, anchor) for answer in evaluation.answers]).value
    why = "; ".join(refused.why for refused in evaluation.refused)
    return Outcome(variable.name, number, test.text, test.expect, got, _equal(got, test.expect), tuple(evaluation.answers), why)


def as_note(pipeline: Language, variable: Variable, test: Test) -> ClinicalText:
    """Return a test's text as a structured note; in its section, unless it has titles of its own.

    Parameters
    ----------
    pipeline : Language
        What structures it.
    variable : Variable
        Its first document and section are taken where the test says none.
    test : Test
        One of the variable's.

    Returns
    -------
    ClinicalText
        Finished.
    """
    document = test.document if test.document is not None else next(iter(variable.documents), "")
    section = test.section if test.section is not None else next(iter(variable.sections or variable.target.section), "")
    note = Note(
        test.text, document_type=document, written=_moment(test.written), admitted=_moment(test.admitted), operated=_moment(test.operated)
    )
    text = _read(pipeline, note)
    if section and not any(found.name for found in text.sections):
        text = _read(pipeline, note._replace(text=f"{section}：\n{test.text}"))
    return text


def _read(pipeline: Language, note: Note) -> ClinicalText:
    return next(iter(read(pipeline, [note])))


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _equal(got: Any, expect: Any) -> bool:
    if isinstance(got, tuple) and isinstance(expect, tuple):
        return len(got) == len(expect) and all(_equal(one, other) for one, other in zip(got, expect, strict=True))
    if isinstance(got, int | float) and isinstance(expect, int | float):
        # As fine as the expectation is written: 9.991 for 180 mg/dL of glucose.
        decimals = len(repr(float(expect)).partition(".")[2]) if expect % 1 else 6
        return abs(got - expect) <= 0.5000001 * 10**-decimals
    return got == expect


def run_examples(function: Function, *, language: Language | None = None) -> list[Outcome]:
    """Run the examples of a function of the catalogue.

    Parameters
    ----------
    function : Function
        Whose examples to run.
    language : Language, optional
        A pipeline; the standard one if not said.

    Returns
    -------
    list of Outcome
        One for each example, in order.
    """
    outcomes = []
    for number, example in enumerate(function.examples, 1):
        given = dict(example.parameters)
        function.check(given)
        view = NoteView(_read(language if language is not None else _standard(), Note(example.text)))
        got = tuple(found.value for found in function.find(view, given))
        outcomes.append(Outcome(function.name, number, example.text, example.expect, got, _equal(got, example.expect)))
    return outcomes
