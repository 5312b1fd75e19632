"""Notes out of files: encodings, columns, broken rows."""

from __future__ import annotations

import gzip
import json
from datetime import datetime

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.errors import DataError
from workbench.texts.tables import ReadReport, find_columns, open_texts, read_time

LINES = [("a1", "CT报告", "2021/3/5 9:30", "右肺见结节，\n约8mm。"), ("a2", "入院记录", "2021年3月4日", '无"咳嗽"、发热。')]
HEADER = ("文书编号", "文书类型", "书写时间", "病历内容")


def as_csv(lines, header=HEADER) -> str:
    return "\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in (header, *lines)) + "\n"


def read(path, tmp_path, **given):
    report = ReadReport()
    notes = list(open_texts(path, tmp_path / "work", given).notes(report))
    return notes, report


def assert_lines(notes):
    assert [each.note.text for each in notes] == [line[3] for line in LINES]
    assert [each.note.note_id for each in notes] == ["a1", "a2"]
    assert [each.note.document_type for each in notes] == ["CT报告", "入院记录"]
    assert [each.note.written for each in notes] == [datetime(2021, 3, 5, 9, 30), datetime(2021, 3, 4)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_encodings_are_told_apart(tmp_path, encoding, packed):
    path = tmp_path / ("notes.csv.gz" if packed else "notes.csv")
    raw = as_csv(LINES).encode(encoding)
    path.write_bytes(gzip.compress(raw) if packed else raw)
    notes, report = read(path, tmp_path)
    assert_lines(notes)
    assert not report.lines()


def test_other_kinds_of_file_give_the_same_notes(tmp_path):
    rows = [dict(zip(HEADER, line, strict=True)) for line in LINES]
    (tmp_path / "notes.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "notes.parquet")
    book = openpyxl.Workbook()
    for line in (HEADER, *LINES):
        book.active.append(line)
    book.save(tmp_path / "notes.xlsx")
    (tmp_path / "notes.tsv").write_text(as_csv(LINES).replace('","', '"\t"'), encoding="utf-8")
    for name in ("notes.jsonl", "notes.parquet", "notes.xlsx", "notes.tsv"):
        assert_lines(read(tmp_path / name, tmp_path)[0])


def test_a_cell_in_another_encoding_is_told_apart_by_itself(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_bytes("id,text\n1,咳嗽\n".encode() + "2,发热".encode("gb18030") + b"\n3," + b"\xff\xff\n")
    notes, report = read(path, tmp_path)
    assert [each.note.text for each in notes] == ["咳嗽", "发热", "��"]
    assert report.noticed == {"bytes in another encoding than the file's": 2}


def test_broken_rows_are_counted_with_their_place_and_the_rest_is_read(tmp_path):
    path = tmp_path / "broken.csv"
    path.write_text("id,text,date\n1,咳嗽,2021-01-01\n2,发热\n\n3,腹痛,xx,yy\n4,乏力,坏\n5,,,\n", encoding="utf-8")
    notes, report = read(path, tmp_path)
    assert [each.note.note_id for each in notes] == ["1", "4", "5"]
    assert report.refused == {"2 cells, wanted 3": 1, "4 cells, wanted 3": 1}
    assert report.noticed == {"date is no time": 1, "the text is empty": 1}
    assert "1 x 2 cells, wanted 3 (行 2)" in report.lines()


def test_broken_lines_of_json_are_counted(tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text('{"text": "咳嗽", "id": 1}\n{"text": \n[1]\n{"text": 5}\n\n{"text": "a\\ud83db"}\n', encoding="utf-8")
    notes, report = read(path, tmp_path)
    assert [(each.note.note_id, each.note.text) for each in notes] == [("1", "咳嗽"), ("5", "a\ud83db")]
    assert sum(report.refused.values()) == 3


def test_several_columns_are_joined_under_their_names(tmp_path):
    path = tmp_path / "report.csv"
    path.write_text("检查号,检查所见,检查结论\n7,右肺结节,肺结节\n8,,未见异常\n", encoding="utf-8")
    notes, _ = read(path, tmp_path)
    assert [each.note.text for each in notes] == ["检查所见：右肺结节\n检查结论：肺结节", "检查结论：未见异常"]
    named, _ = read(path, tmp_path, text=("检查结论",))
    assert [each.note.text for each in named] == ["肺结节", "未见异常"]


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (["note_id", "note_text", "person_id"], {"note_id": "note_id", "text": "note_text", "person_id": "person_id"}),
        (
            ["患者 ID", "住院号", "报告内容", "报告时间"],
            {"person_id": "患者 ID", "visit_id": "住院号", "text": "报告内容", "written": "报告时间"},
        ),
        (["ID", "Note_Type", "Text", "Written"], {"note_id": "ID", "document_type": "Note_Type", "text": "Text", "written": "Written"}),
    ],
)
def test_columns_are_found_by_their_names(header, wanted):
    assert {name: columns[0] for name, columns in find_columns(header).items()} == wanted


def test_facts_in_columns_of_their_own_are_no_text(tmp_path):
    header = "住院号,姓名,病程记录,记录时间,科室名称,文书名称"
    found = find_columns(header.split(","))
    assert found["text"] == ("病程记录",)
    assert found["document_type"] == ("文书名称",)
    with pytest.raises(DataError, match="no column looks like the text"):
        find_columns(["住院号", "姓名", "性别", "记录医师", "记录时间"])
    assert find_columns(["检查号", "姓名", "检查所见", "报告结果"])["text"] == ("检查所见", "报告结果")


def test_of_several_columns_named_like_a_text_the_longest_is_taken(tmp_path):
    path = tmp_path / "two.csv"
    path.write_text("编号,内容,记录内容\n1,复查,患者咳嗽3天，无发热。\n2,,右肺见结节，约8mm。\n", encoding="utf-8")
    assert open_texts(path, tmp_path).columns["text"] == ("记录内容",)
    path.write_text("编号,内容,记录内容\n1,患者咳嗽3天，无发热。,复查\n", encoding="utf-8")
    assert open_texts(path, tmp_path).columns["text"] == ("内容",)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_two_columns_of_one_name_are_refused(tmp_path, kind):
    rows = [("id", "text", "date", "text"), ("1", "a", "2021-01-01", "b")]
    path = tmp_path / f"twice.{kind}"
    path.write_text("\n".join(map(",".join, rows)), encoding="utf-8")
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    with pytest.raises(DataError, match="columns 2 and 4 are both named 'text'"):
        read(path, tmp_path)


def test_rows_swallowed_by_an_open_quote_are_refused_with_their_lines(tmp_path):
    path = tmp_path / "quotes.csv"
    sound = 'id,date,text\n1,2021-01-01,"诉""胸闷""\n,,乏力"\n2,2021-01-02,无"咳嗽"\n'
    path.write_text(sound + '3,2021-01-03,"发热\n4,2021-01-04,"腹痛"\n5,2021-01-05,乏力\n6,2021-01-06,"气促\n7,,\n8,,\n', encoding="utf-8")
    notes, report = read(path, tmp_path)
    assert [each.note.note_id for each in notes] == ["1", "2", "5"]
    assert list(report.refused) == [
        "a quote left open in line 5 swallows the rows up to line 6",
        "a quote left open in line 8 swallows the rows up to line 10",
    ]


def test_kinds_of_document_that_are_not_known_are_counted(tmp_path):
    path = tmp_path / "kinds.csv"
    path.write_text("id,type,text\n1,胸部CT报告,a\n2,库房文件甲,b\n3,库房文件甲,c\n4,,d\n5,出院小结,e\n", encoding="utf-8")
    assert read(path, tmp_path)[1].unknown_types == {"库房文件甲": 2}


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(DataError, match="no column 'x'") as caught:
        find_columns(["a", "b"], {"text": ("x",)})
    assert caught.value.hint == "columns: a, b"
    with pytest.raises(DataError, match="no column looks like the text"):
        find_columns(["a", "b"])


@pytest.mark.parametrize("name", ["none.csv", "empty.csv", "notes.docx", "broken.parquet", "broken.xlsx", "broken.csv.gz"])
def test_what_cannot_be_read_is_a_data_error(tmp_path, name):
    if name != "none.csv":
        (tmp_path / name).write_bytes(b"" if name == "empty.csv" else b"nothing of the kind")
    with pytest.raises(DataError):
        read(tmp_path / name, tmp_path)


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("2021-03-05T09:30:15", datetime(2021, 3, 5, 9, 30, 15)),
        ("2021.3.5", datetime(2021, 3, 5)),
        ("2021年3月5日 9时30分", datetime(2021, 3, 5, 9, 30)),
        ("202103050930", datetime(2021, 3, 5, 9, 30)),
        ("2021-13-05", None),
        ("昨天", None),
    ],
)
def test_moments(cell, wanted):
    assert read_time(cell) == wanted
