"""A file of notes loses its identifiers, and what is listed beside it says where, never what."""

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from workbench.cli import app

HEAD = "患者编号,日期,姓名,病历文本\n"
ROWS = (
    '1001,2021-03-01,王小芳,"患者王小芳，女，2021-03-01入院，其子李强代诉，电话13800138000。李强签字"\n'
    '1001,2021-03-08,王小芳,"王小芳，由其子李强陪同复查"\n'
    '1002,2021-03-05,赵敏,"姓名：赵敏 身份证号11010519491231002X，李强医师，3/5行CT"\n'
)


def run(*arguments):
    return CliRunner().invoke(app, ["text", "deidentify", *map(str, arguments)])


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text(HEAD + ROWS, encoding="gb18030")
    return path


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_file_in_gb18030(notes, tmp_path):
    out = tmp_path / "clean.csv"
    options = (
        "--person-column",
        "患者编号",
        "--date-column",
        "日期",
        "--known-column",
        "姓名",
        "--shift-days",
        "180",
        "--key",
        tmp_path / "k",
    )
    done = run(notes, "--out", out, *options)
    assert done.exit_code == 0, done.output
    clean = rows(out)
    page = out.read_text(encoding="utf-8") + (tmp_path / "clean.csv.identifiers.csv").read_text(encoding="utf-8")
    for word in ("王小芳", "赵敏", "李强", "13800138000", "11010519491231002X", "1001"):
        assert word not in page
    assert clean[0]["患者编号"] == clean[1]["患者编号"] != clean[2]["患者编号"]
    assert clean[0]["姓名"] == ""
    assert clean[0]["日期"] in clean[0]["病历文本"], "the date column moves with the text"
    assert done.stdout.splitlines()[-1].startswith("identifiers=")


def test_the_same_name_has_the_same_tag_within_a_patient_only(notes, tmp_path):
    out = tmp_path / "clean.csv"
    assert run(notes, "--out", out, "--person-column", "患者编号").exit_code == 0
    tags = [row["病历文本"].split("【") for row in rows(out)]
    first = next(part for part in tags[0] if part.endswith("诉，电话") or "代诉" in part)[:6]
    assert sum(part.startswith(first) for part in tags[0]) == 2
    assert not any(part.startswith(first) for part in tags[2])


def test_the_list_says_where(notes, tmp_path):
    out = tmp_path / "clean.csv"
    run(notes, "--out", out)
    before = [row["病历文本"] for row in csv.DictReader(notes.read_text(encoding="gb18030").splitlines())]
    after = [row["病历文本"] for row in rows(out)]
    for place in rows(tmp_path / "clean.csv.identifiers.csv"):
        at = int(place["row"]) - 1
        assert after[at][int(place["new_start"]) : int(place["new_end"])].startswith("【")
        assert before[at][int(place["start"]) : int(place["end"])] not in ("", "【")


def test_parquet_keeps_its_other_columns(tmp_path):
    source = tmp_path / "notes.parquet"
    pq.write_table(pa.table({"id": [1, 2], "text": ["患者王芳，女", None]}), source)
    out = tmp_path / "clean.parquet"
    done = run(source, "--out", out)
    assert done.exit_code == 0, done.output
    table = pq.read_table(out)
    assert table["id"].to_pylist() == [1, 2]
    assert table["text"].to_pylist()[1] is None
    assert "王芳" not in table["text"].to_pylist()[0]


def test_a_missing_column_is_named_and_nothing_is_written(notes, tmp_path):
    done = run(notes, "--out", tmp_path / "clean.csv", "--text-column", "正文")
    assert done.exit_code != 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.csv"]


def test_a_file_never_replaces_its_source(notes):
    assert run(notes, "--out", notes).exit_code != 0
    assert notes.read_text(encoding="gb18030") == HEAD + ROWS


def test_an_empty_table_keeps_its_header(tmp_path):
    source = tmp_path / "notes.csv"
    source.write_text(HEAD, encoding="utf-8")
    done = run(source, "--out", tmp_path / "clean.csv", "--text-column", "病历文本")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "clean.csv").read_text(encoding="utf-8") == HEAD
