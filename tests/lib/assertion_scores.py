"""Gives gold mentions to the assertion component and scores what it says of them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import Assertion, ClinicalText, Mention, Note
from nlp.assertion import Assertions
from nlp.normal import normalise
from tests.lib.marked import read_marked_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from tests.lib.marked import MarkedSentence

CORPUS = Path(__file__).parents[1] / "corpus"
#: Which attributes the marks of the assertion corpora may have. Without an experiencer the mention is the patient's.
ATTRIBUTES = {
    "assertion": frozenset(Assertion),
    "experiencer": frozenset(("patient", "family", "other")),
    "label": frozenset(("problem", "symptom", "sign", "finding", "test", "drug", "procedure", "habit")),
}


class Answer(NamedTuple):
    """What gold and the component say of one mention; `context` shows it with the words around it."""

    gold: str
    predicted: str
    gold_experiencer: str
    experiencer: str
    context: str

    @property
    def wrong(self) -> bool:
        """Whether they differ."""
        return (self.gold, self.gold_experiencer) != (self.predicted, self.experiencer)


def corpus(name: str) -> list[MarkedSentence]:
    """Read a file of ``tests/corpus``."""
    return read_marked_file(CORPUS / name, allowed=ATTRIBUTES)


def corpus_answers(name: str) -> list[Answer]:
    """Ask for every mark of a file of ``tests/corpus``."""
    answers: list[Answer] = []
    for sentence in corpus(name):
        marks = [mark.attributes for mark in sentence.marks]
        gold = [(mark["assertion"], mark.get("experiencer", "patient"), mark.get("label", "")) for mark in marks]
        answers += _answers(sentence.text, [(mark.start, mark.end) for mark in sentence.marks], gold)
    return answers


def synthetic_answers(tables: Mapping[str, pa.Table]) -> Iterator[Answer]:
    """Ask for every gold span of the synthetic hospital's notes."""
    texts = dict(zip(tables["note"]["note_id"].to_pylist(), tables["note"]["note_text"].to_pylist(), strict=True))
    spans = defaultdict(list)
    for row in tables["truth_spans"].to_pylist():
        spans[row["note_id"]].append(row)
    for note, rows in spans.items():
        gold = [(row["assertion"], row["experiencer"], row["entity_type"]) for row in rows]
        yield from _answers(texts[note], [(row["span_start"], row["span_end"]) for row in rows], gold)


def _answers(raw: str, spans: Sequence[tuple[int, int]], gold: Sequence[tuple[str, str, str]]) -> Iterator[Answer]:
    text = ClinicalText(Note(raw), normalise(raw))
    text.mentions = [Mention(*text.normal.normal(*span), label) for span, (_, _, label) in zip(spans, gold, strict=True)]
    predicted = Assertions().predict(text)
    for (start, end), (assertion, experiencer, _), mention in zip(spans, gold, predicted, strict=True):
        context = f"{raw[max(0, start - 16) : start]}[{raw[start:end]}]{raw[end : end + 10]}".replace("\n", "/")
        yield Answer(assertion, str(mention.assertion), experiencer, mention.experiencer, context)


def f1_by_class(pairs: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Give the F1 of each class of (gold, predicted)."""
    pairs = list(pairs)
    scores = {}
    for name in sorted({gold for gold, _ in pairs}):
        hits = sum(gold == name == predicted for gold, predicted in pairs)
        scores[name] = 2 * hits / (sum(gold == name for gold, _ in pairs) + sum(predicted == name for _, predicted in pairs))
    return scores


def macro_f1(answers: Iterable[Answer]) -> tuple[float, dict[str, float]]:
    """Give the mean F1 over the classes, and the F1 of each."""
    scores = f1_by_class((answer.gold, answer.predicted) for answer in answers)
    return sum(scores.values()) / len(scores), scores
