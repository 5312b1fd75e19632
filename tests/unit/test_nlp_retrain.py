"""Retraining on corrections: compared on texts not learnt from, taken over in one step and only when told to."""

from __future__ import annotations

import pytest

from nlp.entities import Entity, Example
from nlp.entities.training import Request, train_model
from nlp.errors import ModelError, TextDataError
from nlp.models import open_model, read_card
from nlp.review.retrain import retrain, swap_folders

REQUEST = Request(kind="crf", minutes=0.2)
KNOWN, NEW = ("腹痛", "发热", "咳嗽", "头晕"), ("胸闷", "心悸", "乏力", "盗汗")


def examples(words, *, patients=8, first=0):
    made = []
    for number in range(patients):
        word = words[number % len(words)]
        made.append(Example(f"患者{number}天前出现{word}，门诊就诊。", _spans(f"患者{number}天前出现", word), f"p{first + number}"))
        made.append(Example(f"复查时仍有{word}{number}次。", _spans("复查时仍有", word), f"p{first + number}"))
    return made


def _spans(before, word):
    return (Entity(len(before), len(before) + len(word), "sym"),)


@pytest.fixture(scope="module")
def base():
    # The words that are to be corrected stand in the base without a label: the old model has learnt to pass them over.
    blind = [Example(example.text, (), example.group) for example in examples(NEW, first=100)]
    return examples(KNOWN, patients=16) + blind


@pytest.fixture
def model(base, tmp_path):
    train_model(base, tmp_path / "model", REQUEST)
    return tmp_path / "model"


def test_corrections_make_a_better_model_that_waits(base, model):
    version = read_card(model).version
    found = retrain(model, base, examples(NEW, patients=16, first=100), request=REQUEST)
    assert found.n_gold > 0
    whole = found.types[0]
    assert whole.label == ""
    assert whole.after > whole.before
    assert len(found.better) > len(found.worse)
    assert all(changed.wrong_after < changed.wrong_before for changed in found.better)
    assert read_card(model).version == version  # nothing is taken over
    old = found.take_over()
    assert read_card(model).version == found.card.version != version
    assert read_card(old).version == version
    assert [entity[:3] for entity in open_model(model).tag(["患者出现胸闷"])[0]] == [(4, 6, "sym")]
    assert sorted(path.name for path in model.parent.iterdir()) == sorted([model.name, old.name])


def test_gold_is_never_learnt_from(base, model, monkeypatch):
    learnt = []
    monkeypatch.setattr(
        "nlp.review.retrain.train_model", lambda texts, *rest, **named: learnt.extend(texts) or train_model(texts, *rest, **named)
    )
    corrections = examples(NEW, patients=8, first=100)
    gold = [*corrections[:4], base[-1]._replace(group="another")]
    found = retrain(model, base, corrections, gold=gold, request=REQUEST)
    assert not {example.text for example in learnt} & {example.text for example in gold}
    assert not {example.group for example in learnt} & {example.group for example in gold}
    texts = [example.text for example in learnt]
    assert all(texts.count(example.text) == 1 for example in corrections if example.text in texts)  # the base's copy gives way
    found.discard()
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def test_a_model_that_was_replaced_meanwhile_is_not_taken_over(base, model):
    found = retrain(model, base, examples(NEW, first=100), request=REQUEST)
    train_model(examples(KNOWN, patients=6), model, REQUEST, force=True)
    with pytest.raises(ModelError, match="replaced"):
        found.take_over()


def test_a_candidate_whose_bytes_changed_is_not_taken_over(base, model):
    found = retrain(model, base, examples(NEW, first=100), request=REQUEST)
    (found.candidate / "crf.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError):
        found.take_over()
    open_model(model)


def test_without_corrections_or_with_one_patient_only_it_says_so(base, model):
    with pytest.raises(TextDataError, match="no correction"):
        retrain(model, base, [])
    with pytest.raises(TextDataError, match="one patient"):
        retrain(model, base, examples(NEW, patients=1))
    with pytest.raises(TextDataError, match="left to learn"):
        retrain(model, base, examples(NEW), gold=examples(NEW))


def test_folders_change_places(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name, encoding="utf-8")
    swap_folders(tmp_path / "a", tmp_path / "b")
    assert [(tmp_path / name / "file").read_text(encoding="utf-8") for name in "ab"] == ["b", "a"]
    with pytest.raises(FileNotFoundError):
        swap_folders(tmp_path / "a", tmp_path / "missing")
