"""``workbench text assert`` from the command line."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from nlp.errors import TextDataError
from tests.lib.paths import shared
from tests.unit.test_nlp_dialogue import CHAT
from workbench.cli import app
from workbench.errors import DefinitionError, EnvironmentFault


def run(*arguments):
    return CliRunner().invoke(app, ["text", "assert", "--format", "mdcfnpc", *map(str, arguments)])


def test_answers_are_scored_and_written(tmp_path):
    path, out = tmp_path / "chat.jsonl", tmp_path / "answered.jsonl"
    path.write_text(f"{json.dumps(CHAT)}\nnot json\n", "utf-8")
    shown = run(path, "--out", out)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[-1] == "macro_f1=0.250"
    assert "2" in shown.stderr, "the refused line is named"
    (answered,) = map(json.loads, out.read_text("utf-8").splitlines())
    assert [entity["attr"] for turn in answered["dialog_info"] for entity in turn["ner"]] == ["阴性", "阴性", "阳性"]


def test_without_gold_nothing_is_scored(tmp_path):
    path = tmp_path / "chat.jsonl"
    chat = json.loads(json.dumps(CHAT).replace(json.dumps("阴性"), '""'))
    path.write_text(json.dumps(chat), "utf-8")
    shown = run(path)
    assert shown.exit_code == 0
    assert "macro_f1" not in shown.output


def test_a_file_without_a_readable_dialogue_is_an_error(tmp_path):
    path = tmp_path / "chat.jsonl"
    path.write_text("{}\n", "utf-8")
    shown = run(path)
    assert isinstance(shown.exception, TextDataError)
    assert "dialog_info" in shown.stderr


def test_the_answers_are_never_written_over_the_dialogues(tmp_path):
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps(CHAT), "utf-8")
    before = path.read_bytes()
    assert isinstance(run(path, "--out", path).exception, DefinitionError)
    assert path.read_bytes() == before
    assert isinstance(run(path, "--out", tmp_path).exception, EnvironmentFault)
    assert isinstance(run(path, "--out", tmp_path / "none" / "x").exception, EnvironmentFault)


def test_dialogues_that_were_learnt_from_are_counted_on_the_error_stream(tmp_path):
    first = shared("text/mdcfnpc/dialogues_300.jsonl").read_text("utf-8").splitlines()[0]
    path = tmp_path / "chat.jsonl"
    path.write_text(f"{json.dumps(CHAT)}\n{first}\n", "utf-8")
    shown = run(path)
    assert "1 段" in shown.stderr
    assert "交叉验证" in shown.stderr
    assert "交叉验证" not in shown.stdout
    path.write_text(json.dumps(CHAT), "utf-8")
    assert "交叉验证" not in run(path).output
