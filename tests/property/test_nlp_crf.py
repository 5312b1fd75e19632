"""Laws of tagging: spans lie in the text, none cross, every answer is a candidate, position does not matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.entities import Entity, Example
from nlp.entities.chain import Plan
from nlp.entities.crf import train_crf
from nlp.entities.formats import example_json, read_examples

LETTERS = st.sampled_from(list("左肺疼痛患者，。；\n 3mA（Ⅲ℃😀\u3000\ud800"))
TEXTS = st.text(alphabet=LETTERS, max_size=60)


@pytest.fixture(scope="module")
def tagger():
    examples = [
        Example(f"患者{word}疼痛{number}天", (Entity(2, len(word) + 4, "sym"), Entity(2, len(word) + 2, "bod")), str(number))
        for number, word in enumerate(("左肺", "肺", "左足", "足") * 6)
    ]
    return train_crf(examples, Plan(epochs=5))


@given(texts=st.lists(TEXTS, max_size=5))
def test_spans_lie_in_their_text_and_none_cross(tagger, texts):
    for text, answer, candidates in zip(texts, tagger.tag(texts), tagger.candidates(texts), strict=True):
        assert set(answer) <= set(candidates)
        assert list(answer) == sorted(answer, key=lambda entity: (entity.start, -entity.end, entity.label))
        assert all(0 <= entity.start < entity.end <= len(text) and 0 < entity.score <= 1 for entity in answer)
        assert not any(one.start < other.start < one.end < other.end for one in answer for other in answer)


@given(text=TEXTS, others=st.lists(TEXTS, max_size=3))
def test_what_stands_beside_a_text_changes_nothing(tagger, text, others):
    alone = [entity[:3] for entity in tagger.tag([text])[0]]
    assert [entity[:3] for entity in tagger.tag([*others, text])[-1]] == alone


@given(st.lists(st.tuples(TEXTS.filter(len), st.data()), min_size=1, max_size=4))
def test_our_own_form_keeps_every_example(tmp_path_factory, drawn):
    examples = []
    for text, data in drawn:
        start = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(start + 1, len(text)))
        examples.append(Example(text, (Entity(start, end, "x"),), data.draw(st.sampled_from(["", "p1"]))))
    file = tmp_path_factory.mktemp("round") / "trip.jsonl"
    file.write_text("\n".join(map(example_json, examples)), encoding="utf-8")
    assert read_examples(file, "jsonl") == examples
