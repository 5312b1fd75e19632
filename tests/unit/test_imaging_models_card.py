"""Metadata by MONAI's schema, and the card that people read."""

import json

import jsonschema
import pytest
import torch

from imaging.models.bundle import CARDS, METADATA
from imaging.models.card import card_text
from imaging.models.card_words import NAMES, WORDS
from imaging.models.packing import Learnt, write_bundle
from imaging.models.task import Task
from tests.lib.monai_schema import SCHEMA


def learnt(**given) -> Learnt:
    """What a training of a classification would have left."""
    task = Task(
        name="squares",
        kind="classification",
        classes=("without", "with|a pipe"),
        data={"form": "arrays", "file": "/secret/place.npz"},
        transforms={"size": (16, 16), "value_range": (0, 255)},
        network={"name": "densenet"},
        intended_use="A test.\nOf <b>two</b> lines | and a [link](http://x)",
        licence="CC0",
    )
    known = {"value": 0.9, "low": 0.8, "high": 0.95}
    result = {"n_cases": 40, "n_patients": 20, "metrics": {"auc": known, "sensitivity": {"value": None, "low": None, "high": None}}}
    part = {"n_cases": 1200, "n_patients": 600, "by_class": {"without": 800, "with|a pipe": 400}}
    base = {
        "task": task,
        "network": torch.nn.Linear(2, 2),
        "channels": 1,
        "threshold": 0.25,
        "results": {"validation": result, "test": result | {"by_scanner": {"GE |\n Signa": result}, "by_verdict": {"sheared": result}}},
        "data": dict.fromkeys(("train", "validation", "test"), part) | {"sha256": "ab" * 32, "leaks": {"near_duplicate": 3}},
        "history": [{"epoch": 1, "loss": 1.0, "score": 0.5}],
        "best_epoch": 1,
    }
    return Learnt(**base | given)


@pytest.fixture
def metadata(tmp_path):
    write_bundle(learnt(), tmp_path / "b")
    return json.loads((tmp_path / "b" / METADATA).read_text(encoding="utf-8"))


def segmentation():
    return Task(
        name="ball",
        kind="segmentation",
        classes=("background", "ball"),
        data={"form": "nifti", "images": "a", "labels": "b"},
        transforms={"spacing_mm": (1, 1, 1), "patch": (16, 16, 16), "window_hu": (-100, 300)},
        network={"name": "unet"},
        training={"loss": "dice_cross_entropy"},
    )


def test_metadata_are_what_monais_schema_asks_for(metadata, tmp_path):
    jsonschema.Draft201909Validator(SCHEMA).validate(metadata)
    write_bundle(learnt(task=segmentation(), threshold=None), tmp_path / "s")
    whole = json.loads((tmp_path / "s" / METADATA).read_text(encoding="utf-8"))
    jsonschema.Draft201909Validator(SCHEMA).validate(whole)
    image, answer = (whole["network_data_format"][side] for side in ("inputs", "outputs"))
    assert (image["image"]["format"], answer["pred"]["type"], answer["pred"]["format"]) == ("hounsfield", "image", "segmentation")
    assert answer["pred"]["channel_def"] == {"0": "background", "1": "ball"}


def test_the_card_is_there_in_both_languages_and_says_what_was_measured(metadata, tmp_path):
    chinese, english = ((tmp_path / "b" / CARDS[language]).read_text(encoding="utf-8") for language in ("zh", "en"))
    for card in (chinese, english):
        assert "0.900 (0.800-0.950)" in card
        assert "| 1,200 | 600 | 800 | 400 |" in card
        assert "/secret" not in card
    assert "| **测试** | 40 | 20 | 0.900 (0.800-0.950) | - |" in chinese
    assert "测试, 设备 GE / Signa" in chinese
    assert "几何判定 sheared" in chinese
    assert "近似重复 3" in chinese
    assert "预测概率达到 0.250 时判为“with/a pipe”" in chinese
    assert "CC0" in english
    assert "28" not in english.split("Input:")[1].split("\n")[0]
    assert "values from 0 to 255 become 0 to 1" in english


def test_texts_of_a_task_are_no_markup_of_the_card(metadata):
    card = card_text(metadata, 6, "en")
    assert "<b>" not in card
    assert "[link](" not in card
    assert "Of &lt;b>two&lt;/b> lines / and" in card


def test_every_table_of_the_card_has_as_many_cells_in_each_row(metadata):
    for language in CARDS:
        for block in card_text(metadata, 6, language).split("\n\n"):
            rows = [line for line in block.splitlines() if line.startswith("|")]
            assert len({row.count("|") for row in rows}) <= 1


def test_both_languages_have_the_same_words():
    assert WORDS["zh"].keys() == WORDS["en"].keys()
    for name, word in WORDS["zh"].items():
        fields = [sorted(part.split("}")[0].split(":")[0] for part in text.split("{")[1:]) for text in (word, WORDS["en"][name])]
        assert fields[0] == fields[1], name
    assert set(NAMES) == {"zh", "en"}


def test_a_model_without_test_cases_says_so(tmp_path):
    whole = learnt()
    write_bundle(learnt(results={"validation": whole.results["validation"]}), tmp_path / "b")
    assert "没有测试集" in (tmp_path / "b" / CARDS["zh"]).read_text(encoding="utf-8")
