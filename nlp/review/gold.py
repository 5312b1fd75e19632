"""What a review teaches: gold tests of the variables, and training examples of the models, each with where it comes from."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from nlp.entities import Entity, Example
from nlp.variables.definition import Test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nlp.entities import Tagger
    from nlp.review.decisions import Decision
    from nlp.review.items import Item
    from nlp.variables.definition import Variable
    from nlp.variables.sets import VariableSet

__all__ = ["GoldTest", "Judged", "TrainingExample", "gold_tests", "label_of", "sentence_span", "training_examples", "with_tests"]

_BREAK = re.compile(r"[。！？!?；;\r\n]")
#: Longest text of a test.
_LONGEST = 400


class Judged(NamedTuple):
    """An item with the verdict that stands and what is known of its note; `section` is the standard name at the span."""

    item: Item
    decision: Decision
    text: str
    document_type: str = ""
    section: str = ""
    written: str = ""
    admitted: str = ""
    operated: str = ""


class GoldTest(NamedTuple):
    """A test with its provenance."""

    variable: str
    test: Test
    item: str
    reviewer: str
    verdict: str
    time: str


class TrainingExample(NamedTuple):
    """An example with its provenance."""

    example: Example
    item: str
    reviewer: str
    verdict: str
    time: str


def sentence_span(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the sentence or sentences round a span, without the blanks at their ends.

    Parameters
    ----------
    text : str
        A note.
    start, end : int
        A span in it.

    Returns
    -------
    (int, int)
        Cut to 400 characters round the span where a note has no breaks.

    Examples
    --------
    >>> sentence_span("发热。咳嗽3天，无痰。查体", 3, 5)
    (3, 11)
    """
    low = max((match.end() for match in _BREAK.finditer(text, max(0, start - _LONGEST), start)), default=max(0, start - _LONGEST))
    after = _BREAK.search(text, max(end - 1, start))
    high = min(after.end() if after else len(text), end + _LONGEST)
    while low < start and text[low].isspace():
        low += 1
    while high > end and text[high - 1].isspace():
        high -= 1
    return low, high


def gold_tests(judged: Iterable[Judged], variables: Mapping[str, Variable], *, accepted: bool = True) -> list[GoldTest]:
    """Make tests of what reviewers said.

    A test is the sentence round the span, in its kind of document and section. Something rejected expects nothing; something corrected or
    missed expects what the reviewer gave. Nothing is made of `unsure`, of notes where rightly nothing was found, and of something missed
    without a span.

    Parameters
    ----------
    judged : iterable of Judged
        Items with the verdicts that stand.
    variables : mapping
        Name -> variable.
    accepted : bool
        Whether right answers become tests too, which guard them against a change.

    Returns
    -------
    list of GoldTest
        None twice, and none that the variable has already.
    """
    made: list[GoldTest] = []
    known = {_key(name, test) for name, variable in variables.items() for test in variable.tests}
    for each in judged:
        variable = variables.get(each.item.variable)
        test = _test(each, variable) if variable else None
        if test is None or (each.decision.verdict == "accept" and not accepted):
            continue
        key = _key(variable.name, test)
        if key not in known:
            known.add(key)
            made.append(GoldTest(variable.name, test, each.item.key, each.decision.reviewer, each.decision.verdict, each.decision.time))
    return made


def _key(name: str, test: Test) -> tuple[str, str, str]:
    number = isinstance(test.expect, int | float)
    return name, test.text, str(float(test.expect) if number else test.expect)  # a file gives 6 back for 6.0


def _test(judged: Judged, variable: Variable) -> Test | None:
    item, decision = judged.item, judged.decision
    start, end = _span(item, decision)
    if decision.verdict == "unsure" or start < 0:
        return None
    low, high = sentence_span(judged.text, start, end)
    if decision.verdict == "reject":
        expect = None
    else:
        expect = _expected(item, decision, variable)
        if expect is None:
            return None
    clock = {name: getattr(judged, name) for name in ("written", "admitted", "operated")} if variable.window else {}
    return Test(text=judged.text[low:high], expect=expect, document=judged.document_type or None, section=judged.section or None, **clock)


def _span(item: Item, decision: Decision) -> tuple[int, int]:
    if decision.start >= 0:
        return decision.start, decision.end
    return (-1, -1) if decision.verdict == "missed" else (item.start, item.end)


def _expected(item: Item, decision: Decision, variable: Variable) -> float | str | None:
    given = decision.verdict in ("correct", "missed")
    if variable.value.kind == "presence":
        return (decision.assertion or item.assertion or "present") if given else item.assertion
    value = decision.value if given else item.value
    return item.value if value is None and decision.verdict == "correct" else value


def with_tests(variables: VariableSet, gold: Iterable[GoldTest]) -> VariableSet:
    """Return a set whose variables have the gold tests besides their own; their hashes stay, for tests are no part of the meaning.

    Parameters
    ----------
    variables : VariableSet
        The project's copy.
    gold : iterable of GoldTest
        What to add.

    Returns
    -------
    VariableSet
        The set with more tests.
    """
    more: dict[str, list[Test]] = {}
    for each in gold:
        more.setdefault(each.variable, []).append(each.test)
    return replace(variables, variables=tuple(replace(own, tests=(*own.tests, *more.get(own.name, ()))) for own in variables))


def label_of(variable: Variable) -> str:
    """Return the entity type that a variable's spans are examples of: its one label, else its name.

    Parameters
    ----------
    variable : Variable
        A variable.

    Returns
    -------
    str
        A label.
    """
    return variable.target.labels[0] if len(variable.target.labels) == 1 else variable.name


def training_examples(judged: Iterable[Judged], labels: Callable[[str], str], *, tagger: Tagger | None = None) -> list[TrainingExample]:
    """Make training examples of what reviewers said: the sentence with its entities.

    A reviewer judges one span of a sentence, and an example needs all: the rest are those that `tagger` finds, so that what was not asked
    is not unlearnt.

    Parameters
    ----------
    judged : iterable of Judged
        Items with the verdicts that stand.
    labels : callable
        Gives the label for a variable's name.
    tagger : Tagger, optional
        The model that is to be retrained.

    Returns
    -------
    list of TrainingExample
        One for each sentence, all verdicts on it together; `group` is the patient, so that no patient is cut by a split.
    """
    sentences: dict[tuple[str, int, int], list[Judged]] = {}
    for each in judged:
        span = _span(each.item, each.decision)
        if each.decision.verdict != "unsure" and span[0] >= 0:
            sentences.setdefault((str(each.item.note_id), *sentence_span(each.text, *span)), []).append(each)
    made = []
    for (_, low, high), own in sentences.items():
        text = own[0].text[low:high]
        entities = set(tagger.tag([text])[0]) if tagger else set()
        for each in own:
            entities = _corrected(entities, each, labels(each.item.variable), low)
        example = Example(
            text, tuple(sorted(entities, key=lambda entity: (entity.start, -entity.end, entity.label))), str(own[0].item.person_id)
        )
        last = own[-1].decision
        made.append(TrainingExample(example, own[0].item.key, last.reviewer, last.verdict, last.time))
    return made


def _corrected(entities: set[Entity], judged: Judged, label: str, offset: int) -> set[Entity]:
    item, decision = judged.item, judged.decision
    kept = {entity._replace(score=1.0) for entity in entities}
    if decision.verdict in ("correct", "reject"):
        old = (item.start - offset, item.end - offset)
        kept = {entity for entity in kept if not (entity.label == label and entity.start < old[1] and old[0] < entity.end)}
    if decision.verdict != "reject":
        start, end = _span(item, decision)
        kept.add(Entity(start - offset, end - offset, label))
    return kept
