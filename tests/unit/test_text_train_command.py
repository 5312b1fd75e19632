"""``workbench text train`` and ``score`` on small texts, as a person would use them."""

import csv
import json
import re

import pytest
from typer.testing import CliRunner

from nlp.entities import training as entity_training
from nlp.entities.training import _TRAINERS, best_kind
from nlp.errors import MissingPart, ModelError, TextDataError, VariableError
from workbench.cli import app, main
from workbench.errors import DataError, DefinitionError, EnvironmentFault

WORDS = {"sym": ("腹痛", "发热", "咳嗽", "头晕"), "dru": ("阿司匹林", "青霉素", "甲硝唑")}


def run(*arguments):
    return CliRunner().invoke(app, ["text", *map(str, arguments)])


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """60 sentences of 30 patients, every word in turn."""
    lines = []
    for number in range(60):
        symptom, drug = WORDS["sym"][number % 4], WORDS["dru"][number % 3]
        text = f"患者{symptom}{number % 7}天，予{drug}治疗。"
        start = text.index(drug)
        entities = [{"start": 2, "end": 2 + len(symptom), "label": "sym"}, {"start": start, "end": start + len(drug), "label": "dru"}]
        lines.append(json.dumps({"text": text, "entities": entities, "group": str(number // 2)}, ensure_ascii=False))
    path = tmp_path_factory.mktemp("notes") / "notes.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def model(notes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "ward"
    shown = run("train", "--format", "jsonl", "--train", notes, "--out", folder, "--kind", "crf", "--seed", 3)
    assert shown.exit_code == 0, shown.output
    assert "留出文本上的 micro-F1" in shown.output
    return folder


def test_the_card_holds_what_was_asked(model, notes):
    card = json.loads((model / "card.json").read_text(encoding="utf-8"))
    assert card["name"] == "ward"
    assert card["data"]["name"] == notes.name
    assert card["settings"]["seed"] == 3
    assert card["metrics"]["micro"]["interval"]
    assert "numpy" in card["packages"]
    assert card["intended_use"]


def test_score_ends_with_the_figure(model, notes):
    shown = run("score", "--format", "jsonl", "--model", model, "--test", notes)
    assert shown.exit_code == 0, shown.output
    assert re.fullmatch(r"micro_f1=[01]\.\d{3}", shown.output.rstrip("\n").splitlines()[-1])
    assert "dru" in shown.output


def test_labels_that_the_model_does_not_know_are_named(model, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "腹痛", "entities": [{"start": 0, "end": 1, "label": "bod"}]}', encoding="utf-8")
    shown = run("score", "--format", "jsonl", "--model", model, "--test", other)
    assert "模型不认识的标签: bod" in shown.output
    assert shown.output.rstrip().endswith("micro_f1=0.000")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ("行 60，文本 60，实体 120", "召回率", "合计（30 组）", "标签", "评分")),
        ("en", ("60 lines, 60 examples, 120 entities", "recall", "all (30 groups)", "label", "score:")),
    ],
)
def test_the_screen_speaks_both_languages_and_the_last_line_is_the_same(model, notes, monkeypatch, language, words):
    monkeypatch.setattr("workbench.locale._chosen", language)
    shown = run("score", "--format", "jsonl", "--model", model, "--test", notes)
    assert [word for word in words if word not in shown.output + shown.stderr] == []
    assert re.fullmatch(r"micro_f1=[01]\.\d{3}", shown.output.rstrip("\n").splitlines()[-1])


@pytest.fixture
def mistaken(tmp_path):
    path = tmp_path / "mistaken.jsonl"
    lines = [
        {"text": "患者<b>腹痛</b>3天", "entities": [{"start": 0, "end": 2, "label": "sym"}], "group": "p1"},
        {"text": "患者发热3天，予青霉素治疗", "entities": [{"start": 2, "end": 4, "label": "dru"}]},
    ]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    return path


def test_errors_as_a_page(model, mistaken, tmp_path):
    assert run("score", "--format", "jsonl", "--model", model, "--test", mistaken, "--errors", tmp_path / "e.html").exit_code == 0
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    assert "漏标" in page
    assert "<ins>患者</ins>" in page
    assert "&lt;b&gt;" in page
    assert "<u>发热</u>" in page


def test_errors_as_a_table(model, mistaken, tmp_path):
    assert run("score", "--format", "jsonl", "--model", model, "--test", mistaken, "--errors", tmp_path / "e.csv").exit_code == 0
    with (tmp_path / "e.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"missed", "wrong type"} <= {row["kind"] for row in rows}
    assert next(row for row in rows if row["kind"] == "missed")["group"] == "p1"


def test_refusals(model, notes, tmp_path):
    assert isinstance(run("train", "--format", "jsonl", "--train", notes, "--out", model, "--kind", "crf").exception, TextDataError)
    assert isinstance(
        run("train", "--format", "jsonl", "--train", notes, "--out", tmp_path / "m", "--kind", "llm").exception, VariableError
    )
    assert isinstance(run("train", "--format", "conll", "--train", notes, "--out", tmp_path / "m").exception, VariableError)
    assert isinstance(run("score", "--format", "jsonl", "--model", tmp_path, "--test", notes).exception, ModelError)
    bad_page = run("score", "--format", "jsonl", "--model", model, "--test", notes, "--errors", tmp_path / "e.pdf")
    assert isinstance(bad_page.exception, DataError)
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("f1", [0.0, 0.2])
def test_a_model_that_learnt_nothing_is_not_written_and_a_poor_one_is_told(notes, tmp_path, monkeypatch, f1):
    trainer = _TRAINERS["crf"]

    def poor(*given):
        trained = trainer(*given)
        return trained._replace(metrics=trained.metrics | {"micro": trained.metrics["micro"] | {"f1": f1}})

    monkeypatch.setitem(_TRAINERS, "crf", poor)
    shown = run("train", "--format", "jsonl", "--train", notes, "--out", tmp_path / "m", "--kind", "crf")
    assert ("注意：F1 很低" in shown.stderr) == (tmp_path / "m").exists() == bool(f1)
    assert f1 or isinstance(shown.exception, TextDataError)


def test_force_replaces(notes, tmp_path):
    arguments = ("train", "--format", "jsonl", "--train", notes, "--out", tmp_path / "m", "--kind", "crf")
    assert run(*arguments, "--name", "first").exit_code == 0
    assert run(*arguments, "--name", "second", "--force").exit_code == 0
    assert json.loads((tmp_path / "m" / "card.json").read_text(encoding="utf-8"))["name"] == "second"


def test_wrong_lines_are_told_and_the_rest_scored(model, notes, tmp_path):
    spoilt = tmp_path / "spoilt.jsonl"
    spoilt.write_text(notes.read_text(encoding="utf-8") + "\nnot json\n", encoding="utf-8")
    shown = run("score", "--format", "jsonl", "--model", model, "--test", spoilt)
    assert "line 61" in shown.output + shown.stderr
    assert "micro_f1=" in shown.output


def test_too_few_texts_to_hold_any_out(tmp_path):
    one = tmp_path / "one.jsonl"
    one.write_text('{"text": "患者腹痛", "entities": [{"start": 2, "end": 4, "label": "sym"}]}', encoding="utf-8")
    assert run("train", "--format", "jsonl", "--train", one, "--out", tmp_path / "m", "--kind", "crf").exit_code == 0
    assert json.loads((tmp_path / "m" / "card.json").read_text(encoding="utf-8"))["metrics"]["method"].startswith("none")


def test_the_command_prints_a_text_error_with_its_code(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["workbench", "text", "score", "--format", "jsonl", "--model", str(tmp_path), "--test", "x"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 7
    assert "card.json cannot be read" in capsys.readouterr().err


def test_auto_falls_back_to_the_crf_where_the_encoder_cannot_be_trained(notes, tmp_path, monkeypatch):
    def missing(*_, **__):
        raise MissingPart("no torch")

    monkeypatch.setattr("nlp.entities.training.best_kind", lambda **_: "ensemble")
    monkeypatch.setitem(_TRAINERS, "ensemble", missing)
    assert run("train", "--format", "jsonl", "--train", notes, "--out", tmp_path / "m").exit_code == 0
    assert json.loads((tmp_path / "m" / "card.json").read_text(encoding="utf-8"))["kind"] == "crf"
    asked = run("train", "--format", "jsonl", "--train", notes, "--out", tmp_path / "n", "--kind", "ensemble")
    assert isinstance(asked.exception, MissingPart)


def test_a_given_encoder_is_never_left_out_silently(notes, tmp_path):
    arguments = ("train", "--format", "jsonl", "--train", notes, "--out", tmp_path / "m", "--encoder", tmp_path / "nowhere")
    assert isinstance(run(*arguments, "--kind", "crf").exception, VariableError)
    if best_kind() == "ensemble":
        shown = run(*arguments)
        assert isinstance(shown.exception, MissingPart)
        assert "config.json" in str(shown.exception)
    assert not (tmp_path / "m").exists()


def test_endless_minutes_are_wrong_use(notes, tmp_path):
    assert run("train", "--format", "jsonl", "--train", notes, "--out", tmp_path / "m", "--minutes", "inf").exit_code == 2


def test_both_trainings_end_in_time(notes, tmp_path, monkeypatch):
    given = []
    real = entity_training.train_crf
    monkeypatch.setattr(entity_training, "train_crf", lambda *a, seconds, **k: given.append(seconds) or real(*a, seconds=seconds, **k))
    assert run("train", "--format", "jsonl", "--train", notes, "--out", tmp_path / "m", "--kind", "crf", "--minutes", 1).exit_code == 0
    assert given[0] == pytest.approx(27)
    assert 0 < given[1] < 57


def test_a_full_disk_is_told_and_leaves_the_old_page(model, mistaken, tmp_path, monkeypatch):
    page = tmp_path / "e.html"
    page.write_text("old", encoding="utf-8")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    shown = run("score", "--format", "jsonl", "--model", model, "--test", mistaken, "--errors", page)
    assert isinstance(shown.exception, EnvironmentFault)
    assert page.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_mistakes_are_not_written_over_what_was_read(model, notes, tmp_path):
    source = tmp_path / "notes.csv"
    source.write_bytes(notes.read_bytes())
    shown = run("score", "--format", "jsonl", "--model", model, "--test", source, "--errors", source)
    assert isinstance(shown.exception, DefinitionError)
    assert source.read_bytes() == notes.read_bytes()
