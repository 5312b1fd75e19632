"""``workbench text normalise``: its last line, its answers file, its errors."""

import csv
import json
import re
import sys

import pytest

from workbench import cli

CODES = [("I10", "高血压"), ("I48.x01", "心房颤动"), ("J18.903", "肺炎")]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "codes.tsv").write_text("".join(f"{code}\t{name}\n" for code, name in [*CODES, ("X1", "")]), encoding="utf-8")
    test = [{"text": "房颤；高血压", "normalized_result": "心房颤动##高血压"}, {"text": "老肺", "normalized_result": "肺炎"}]
    (tmp_path / "test.json").write_text(json.dumps(test), encoding="utf-8")
    (tmp_path / "train.csv").write_text("原始词\t标准词\n老肺\t肺炎\n", encoding="utf-8")
    return tmp_path


def run(monkeypatch, capsys, *arguments) -> tuple[int, list[str], str]:
    monkeypatch.setattr(sys, "argv", ["workbench", "text", "normalise", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    shown = capsys.readouterr()
    return stop.value.code or 0, shown.out.splitlines(), shown.err


def test_the_last_line_is_the_score(folder, monkeypatch, capsys):
    given = ("--codebook", folder / "codes.tsv", "--test", folder / "test.json")
    code, lines, _ = run(monkeypatch, capsys, *given, "--train", folder / "train.csv", "--out", folder / "answers.csv")
    assert code == 0
    assert lines[-1] == "f1=1.000 recall@10=1.000"
    assert any("line 4: no name for code X1" in line for line in lines)
    assert any(line.startswith("只有一个标准词者 (n=1) recall@10 1.000") for line in lines)
    rows = list(csv.DictReader((folder / "answers.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["term"], row["code"], row["rule"]) for row in rows] == [
        ("房颤；高血压", "I48.x01", "房颤=心房颤动"),
        ("房颤；高血压", "I10", "name"),
        ("老肺", "J18.903", "known term"),
    ]
    _, lines, _ = run(monkeypatch, capsys, *given)
    assert re.fullmatch(r"f1=0\.\d{3} recall@10=\d\.\d{3}", lines[-1])


def test_a_test_on_what_was_learnt_is_told(folder, monkeypatch, capsys):
    given = ("--codebook", folder / "codes.tsv", "--test", folder / "test.json", "--train")
    assert "分数不代表" in run(monkeypatch, capsys, *given, folder / "test.json")[2]
    assert "分数不代表" not in run(monkeypatch, capsys, *given, folder / "train.csv")[2]


def test_the_coder_is_written_and_opens(folder, monkeypatch, capsys):
    from nlp.coding import Coder

    given = (
        "--codebook",
        folder / "codes.tsv",
        "--train",
        folder / "train.csv",
        "--test",
        folder / "test.json",
        "--model",
        folder / "coder",
    )
    assert run(monkeypatch, capsys, *given)[0] == 0
    assert Coder.open(folder / "coder").code(["老肺"])[0].answers[0].code == "J18.903"
    assert run(monkeypatch, capsys, *given)[0] == 4
    assert run(monkeypatch, capsys, *given, "--force")[0] == 0


@pytest.mark.parametrize(
    ("option", "value", "code", "said"),
    [
        ("--codebook", "none.tsv", 4, "none.tsv cannot be read"),
        ("--codebook", "train.csv", 0, ""),
        ("--test", "codes.tsv", 0, ""),
        ("--domain", "x", 3, "there is no domain of codes 'x'"),
    ],
)
def test_errors_name_the_file_or_word(folder, monkeypatch, capsys, option, value, code, said):
    options = {"--codebook": "codes.tsv", "--test": "test.json"} | {option: value}
    given = [part for name, its in options.items() for part in (name, its if name == "--domain" else folder / its)]
    found, _, error = run(monkeypatch, capsys, *given)
    assert found == code
    assert said in error
    assert "Traceback" not in error


def test_what_cannot_be_written_is_told_before_the_work(folder, monkeypatch, capsys):
    given = ("--codebook", folder / "codes.tsv", "--test", folder / "test.json")
    before = (folder / "codes.tsv").read_bytes()
    code, shown, error = run(monkeypatch, capsys, *given, "--out", folder / "codes.tsv")
    assert (code, shown) == (3, [])
    assert "codes.tsv" in error
    assert (folder / "codes.tsv").read_bytes() == before
    for option, place, wanted in (
        ("--out", folder, 8),
        ("--out", folder / "none" / "x", 8),
        ("--model", folder / "codes.tsv" / "m", 8),
        ("--model", folder, 4),
    ):
        code, shown, _ = run(monkeypatch, capsys, *given, option, place)
        assert (code, shown) == (wanted, []), place
