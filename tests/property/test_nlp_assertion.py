"""Laws of the assertion component on any text and any mentions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nlp.annotations import Assertion, ClinicalText, Mention, Note
from nlp.assertion import Assertions
from nlp.assertion.cues import lexicon
from nlp.normal import NormalText

CUES = st.sampled_from([cue.word for cue in lexicon().cues])
WORDS = st.one_of(CUES, st.sampled_from(["发热", "咳嗽", "肺癌", "胆囊切除术", "3天", "\ud800", "😀", "\x00"]), st.text(max_size=3))


@st.composite
def clinical_texts(draw):
    text = "".join(draw(st.lists(WORDS, max_size=30)))
    spans = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(sorted)
    labels = st.sampled_from(["", "problem", "procedure", "drug"])
    drawn = draw(st.lists(st.tuples(spans, labels), max_size=12))
    return ClinicalText(Note(text), NormalText(text), mentions=[Mention(start, end, label) for (start, end), label in drawn])


@given(clinical_texts())
def test_any_text_gets_an_answer_for_every_mention_and_nothing_else_changes(text):
    answers = Assertions().predict(text)
    assert [(a.start, a.end, a.label) for a in answers] == [(m.start, m.end, m.label) for m in text.mentions]
    assert {answer.assertion for answer in answers} <= set(Assertion)
    assert {answer.experiencer for answer in answers} <= {"patient", "family", "other"}
    assert all(answer.cue == (-1, -1) or 0 <= answer.cue[0] < answer.cue[1] <= len(text.text) for answer in answers)


@given(clinical_texts())
def test_what_is_said_does_not_depend_on_the_order_of_the_mentions(text):
    forward = Assertions().predict(text)
    text.mentions.reverse()
    assert sorted(Assertions().predict(text)) == sorted(forward)
