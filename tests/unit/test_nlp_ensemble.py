"""CRF and encoder together."""

import pytest

from nlp.entities import Entity, Example, ensemble
from nlp.entities.encoder import EncoderPlan
from nlp.entities.ensemble import EnsemblePlan, EnsembleTagger, _split, train_ensemble
from nlp.entities.mixture import Mixture, find_mixture, mix
from nlp.entities.spans import Nesting
from nlp.errors import MissingPart, VariableError
from nlp.models import ModelCard, open_model, write_model
from tests.lib.tiny_encoder import tiny_pretrained, toy_examples

torch = pytest.importorskip("torch", reason="torch is not installed (extra [text])")

PLAN = EnsemblePlan(seed=3, encoder=EncoderPlan(steps=120, batch=128, rate=3e-3, head_rate=1e-2))
ODD = ["", " ", "\ud800痛", "😀\x00", "头" * 400]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def training():
    return train_ensemble(toy_examples(200), PLAN, pretrained=tiny_pretrained())


def test_learns_nested_entities(training):
    held_out = toy_examples(60, seed=9)
    found = training.tagger.tag([example.text for example in held_out])
    wanted = {(number, *entity[:3]) for number, example in enumerate(held_out) for entity in example.entities}
    answered = {(number, *entity[:3]) for number, each in enumerate(found) for entity in each}
    assert len(wanted & answered) / len(wanted | answered) > 0.95
    assert training.tagger.labels == ("site", "symptom")


def test_notes_say_what_was_done(training):
    assert training.notes["encoder"]["steps"] == 120
    assert training.notes["held_out"]["n_texts"] == len(_split(toy_examples(200), 0.05)[1]) > 0
    assert training.notes["mixture"] == training.tagger.mixture._asdict()


def test_model_saved_and_opened_answers_the_same(training, tmp_path):
    texts = [example.text for example in toy_examples(20, seed=5)] + ODD
    card = ModelCard(name="toy", kind="ensemble", labels=training.tagger.labels, settings=training.notes)
    write_model(tmp_path / "model", card, training.tagger.write_files)
    opened = open_model(tmp_path / "model")
    assert opened.tag(texts) == training.tagger.tag(texts)
    assert opened.version.startswith("toy@")


def test_groups_are_never_cut():
    examples = toy_examples(400)
    learnt, held_out = _split(examples, 0.1)
    assert not {each.group for each in learnt} & {each.group for each in held_out}
    assert 0.04 < len(held_out) / len(examples) < 0.2
    assert {each.group for each in _split(examples[::-1], 0.1)[1]} == {each.group for each in held_out}


def test_texts_without_a_group_are_held_out_with_their_neighbours():
    examples = [each._replace(group="") for each in toy_examples(2500)]
    learnt, held_out = _split(examples, 0.1)
    assert len(learnt) + len(held_out) == 2500
    places = {id(each): place for place, each in enumerate(examples)}
    blocks = [places[id(each)] // 25 for each in held_out]
    assert held_out
    assert all(blocks.count(block) == 25 for block in set(blocks))


def test_mean_of_probabilities_counts_a_silent_model_as_zero():
    assert mix([Entity(3, 4, "b", 0.8)], [Entity(0, 1, "a", 0.5)], 0.25) == [Entity(0, 1, "a", 0.375), Entity(3, 4, "b", 0.2)]


def test_the_better_model_gets_the_weight():
    gold = [[Entity(0, 2, "a")]] * 200
    right, wrong = [[Entity(0, 2, "a", 0.6)]] * 200, [[Entity(1, 2, "a", 0.9)]] * 200
    assert find_mixture(gold, right, wrong, Nesting()).encoder >= 0.7
    assert find_mixture(gold, wrong, right, Nesting()).encoder <= 0.3
    assert find_mixture(gold[:5], right[:5], wrong[:5], Nesting()) == Mixture()
    assert find_mixture(gold[:5], right[:5], wrong[:5], Nesting(), usual=Mixture(0.0)) == Mixture(0.0)


def test_an_encoder_of_no_weight_does_not_run(training):
    alone = EnsembleTagger(None, training.tagger.crf, mixture=Mixture(0.0), nesting=training.tagger.nesting)
    texts = [example.text for example in toy_examples(5)]
    assert list(alone.candidates(texts)) == list(training.tagger.crf.candidates(texts))


def test_the_crf_learns_once_more_from_all_texts(monkeypatch):
    learnt = []
    real = ensemble.train_crf
    monkeypatch.setattr(ensemble, "train_crf", lambda examples, *a, **k: learnt.append(len(examples)) or real(examples, *a, **k))
    plan = PLAN._replace(encoder=PLAN.encoder._replace(steps=2))
    trained = train_ensemble(toy_examples(100), plan, pretrained=tiny_pretrained())
    assert learnt == [len(_split(toy_examples(100), 0.05)[0]), 100]
    assert trained.notes["crf"] == {"learnt from": "all texts"}
    assert trained.tagger.mixture.encoder == 0  # two steps are no training, and too little is held out to show it


def test_no_time_is_refused():
    with pytest.raises(VariableError, match="too short"):
        train_ensemble(toy_examples(20), EnsemblePlan(minutes=0.001), pretrained=tiny_pretrained())


def test_without_the_pretrained_encoder_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.metadata.files", lambda _: None)
    with pytest.raises(MissingPart, match=r"clinical-workbench\[text\]"):
        train_ensemble([Example("头痛", (Entity(0, 2, "a"),))])
