"""Laws of windows, choices and taggers: spans lie inside their text, whatever the text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.entities import Entity
from nlp.entities.spans import Nesting, choose, cut_windows
from tests.lib.tiny_encoder import tiny_pretrained

TEXTS = st.text(alphabet=st.one_of(st.sampled_from("头痛，。；\n 3cmＡ\ud800😀"), st.characters()), max_size=400)


@given(TEXTS, st.integers(2, 90))
def test_windows_join_to_the_text(text, limit):
    windows = cut_windows(text, limit)
    assert "".join(text[start:end] for start, end in windows) == text
    assert all(0 < end - start <= limit for start, end in windows)


SPANS = st.builds(
    lambda start, size, label, score: Entity(start, start + size, label, score),
    st.integers(0, 12),
    st.integers(1, 6),
    st.sampled_from("ab"),
    st.integers(1, 9).map(lambda tenths: tenths / 10),
)


@given(st.lists(SPANS, min_size=2, max_size=25), st.sampled_from((0.0, 0.3, 0.6)))
def test_chosen_spans_may_stand_together_and_none_is_left_without_reason(candidates, threshold):
    nesting = Nesting(frozenset({("a", "b")}))
    chosen = choose(candidates, threshold=threshold, nesting=nesting)
    assert list(chosen) == sorted(chosen, key=lambda each: (each.start, -each.end, each.label))
    for place, one in enumerate(chosen):
        for other in chosen[place + 1 :]:
            inside = one.start <= other.start and other.end <= one.end and one[:2] != other[:2] and (one.label, other.label) == ("a", "b")
            assert one.end <= other.start or inside
    for entity in candidates:
        if entity.score >= threshold and entity not in chosen:
            assert any(not nesting.allows(entity, other) and other.score >= entity.score for other in chosen)


@pytest.fixture(scope="module")
def tagger():
    torch = pytest.importorskip("torch", reason="torch is not installed (extra [text])")
    from nlp.entities.encoder import EncoderSettings, EncoderTagger
    from nlp.entities.networks import SpanNetwork

    torch.manual_seed(0)
    pretrained = tiny_pretrained(hidden=16)
    network = SpanNetwork(pretrained.shape, len(pretrained.characters) + 4, 2)
    torch.nn.init.constant_(network.head.bias, -1.0)
    shown = EncoderSettings("tiny", pretrained.shape, pretrained.characters, ("a", "b"), Nesting(frozenset({("a", "b")})), window=40)
    return EncoderTagger(shown, network)


@settings(max_examples=30)
@given(texts=st.lists(TEXTS, max_size=4))
def test_spans_lie_inside_their_text(tagger, texts):
    answers = tagger.tag(texts)
    assert len(answers) == len(texts)
    for text, entities in zip(texts, answers, strict=True):
        assert all(0 <= entity.start < entity.end <= len(text) and entity.label in "ab" for entity in entities)
    assert answers == tagger.tag(texts)
