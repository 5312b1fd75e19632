"""Codebooks and pairs are read in every form that hospitals have them, and what is wrong in them is named by its line."""

import json

import pytest
from openpyxl import Workbook

from nlp.coding.codebook import Codebook, key, read_codebook
from nlp.coding.pairs import fold_of, read_pairs
from nlp.errors import TextDataError
from nlp.reading import ReadReport

LINES = [("I10", "高血压"), ("E11.900", "2型糖尿病"), ("J18.903", "肺炎")]


def written(folder, text, name="codes.tsv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize(("name", "mark"), [("codes.tsv", "\t"), ("codes.csv", ",")])
@pytest.mark.parametrize("header", [(), ("编码", "名称"), ("ICD编码", "疾病名称")], ids=["bare", "short", "long"])
def test_tables_of_any_encoding_with_a_header_or_without(tmp_path, encoding, name, mark, header):
    text = "\r\n".join(mark.join(line) for line in [header, *LINES] if line) + "\r\n"
    book = read_codebook(written(tmp_path, text, name, encoding))
    assert [(entry.code, entry.name) for entry in book.entries] == LINES


def test_xlsx_and_columns_in_another_order(tmp_path):
    sheet = Workbook()
    for row in [("名称", "序号", "编码", "别名"), ("高血压", 1, "I10", "高血压病;HTN"), ("肺炎", 2, "J18.903", None)]:
        sheet.active.append(row)
    sheet.save(tmp_path / "codes.xlsx")
    book = read_codebook(tmp_path / "codes.xlsx")
    assert [tuple(entry) for entry in book.entries] == [("高血压", ("I10",), ("高血压病", "HTN")), ("肺炎", ("J18.903",), ())]


def test_a_csv_with_quoted_commas(tmp_path):
    book = read_codebook(written(tmp_path, 'I10,"高血压,特发性"\nJ18,肺炎\n', "codes.csv"))
    assert book.entries[0].name == "高血压,特发性"


BROKEN = [
    pytest.param("I10\t\n", "names empty", "line 2", id="name-empty"),
    pytest.param("\t高血压\n", "codes missing", "line 2", id="code-missing"),
    pytest.param("I10\t“”\n", "names empty", "line 2", id="name-only-quotation-marks"),
    pytest.param("J18\t肺\x07炎症\n", "control characters", "line 2", id="control"),
    pytest.param("J18\t肺\u200b炎症\n", "control characters", "line 2", id="zero-width"),
    pytest.param("J18.903\t另一名\n", "codes repeated", "line 2", id="code-twice"),
    pytest.param("J18.9\t肺炎\n", "names repeated", "line 2", id="name-twice"),
    pytest.param("J18.903\t肺炎\n", "lines repeated", "line 2", id="line-twice"),
]


@pytest.mark.parametrize(("line", "kind", "place"), BROKEN)
def test_what_is_wrong_is_named_by_its_line_and_the_rest_is_used(tmp_path, line, kind, place):
    report = ReadReport()
    book = read_codebook(written(tmp_path, f"J18.903\t肺炎\n{line}I10\t高血压\n"), report=report)
    assert report.counts[kind] == 1
    assert report.problems[0].place == place
    assert {entry.code for entry in book.entries} >= {"J18.903", "I10"}


def test_a_clean_codebook_has_no_problem(tmp_path):
    report = ReadReport()
    read_codebook(written(tmp_path, "J18.903\t肺炎\n\nI10\t高血压\n"), report=report)
    assert report.problems == []
    assert report.counts == {"lines": 2, "names": 2}


def test_a_name_with_two_codes_has_the_most_specific_first():
    book = Codebook.of([("J18.9", "肺炎"), ("J18.903", "肺炎")])
    assert book.get("肺 炎").codes == ("J18.903", "J18.9")


@pytest.mark.parametrize("text", ["", "\n\n", "only one column\n", "编码\t名称\n", "\t\n\t\n"])
def test_refused_when_nothing_is_left(tmp_path, text):
    with pytest.raises(TextDataError, match="no line with a code and a name"):
        read_codebook(written(tmp_path, text))


@pytest.mark.parametrize("name", ["codes.tsv", "codes.xlsx"])
def test_refused_when_it_cannot_be_read(tmp_path, name):
    path = tmp_path / name
    if name.endswith("xlsx"):
        path.write_bytes(b"no workbook")
    with pytest.raises(TextDataError, match="cannot be read"):
        read_codebook(path)


def test_bytes_that_are_no_text_do_not_stop_the_rest(tmp_path):
    path = tmp_path / "codes.tsv"
    path.write_bytes("I10\t高血压\n".encode() + b"X1\t\xff\xff\x00bad\n")
    assert read_codebook(path).entries[0].name == "高血压"


def test_the_version_follows_the_entries():
    assert Codebook.of(LINES).version == Codebook.of(LINES).version
    assert Codebook.of(LINES).version != Codebook.of(LINES[:2]).version


def test_keys_have_no_width_case_blanks_or_outer_quotation_marks():
    assert key(" “ＨＥＲ－２ 阳性”") == key("her-2阳性")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pairs.json", json.dumps([{"text": "糖网", "normalized_result": "糖尿病视网膜病变##“高血压”"}])),
        ("pairs.jsonl", json.dumps({"text": "糖网", "normalized_result": ["糖尿病视网膜病变", "高血压"]}) + "\n"),
        ("pairs.csv", "原始词\t标准词\n糖网\t糖尿病视网膜病变##高血压\n"),
        ("pairs.csv", "标准词,原始词\n糖尿病视网膜病变##高血压,糖网\n"),
        ("pairs.tsv", "糖网\t糖尿病视网膜病变##高血压\n"),
    ],
    ids=["array", "lines", "tab-csv", "csv-other-order", "bare"],
)
def test_pairs_in_their_forms(tmp_path, name, text):
    assert read_pairs(written(tmp_path, text, name)) == [("糖网", ("糖尿病视网膜病变", "高血压"))]


def test_pairs_without_a_term_or_name_are_counted(tmp_path):
    report = ReadReport()
    records = [{"text": "头痛", "normalized_result": "头痛"}, {"text": "", "normalized_result": "x"}, {"text": "咳嗽"}, 7]
    assert len(read_pairs(written(tmp_path, json.dumps(records), "pairs.json"), report=report)) == 1
    assert report.counts == {"lines": 4, "pairs": 1, "lines refused": 3}
    assert [problem.place for problem in report.problems] == ["element 2", "element 3", "element 4"]


@pytest.mark.parametrize(("name", "text"), [("pairs.json", "[]"), ("pairs.json", "[{"), ("pairs.tsv", "")])
def test_pairs_refused_when_nothing_is_left(tmp_path, name, text):
    with pytest.raises(TextDataError):
        read_pairs(written(tmp_path, text, name))


def test_a_term_falls_always_into_the_same_fold():
    assert [fold_of(text, 5) for text in ("高血压", "高 血 压", "“高血压”")] == [fold_of("高血压", 5)] * 3
    assert len({fold_of(str(number), 4) for number in range(50)}) == 4


def test_a_broken_array_gives_what_stands_before_the_break_and_lines_are_counted_with_the_blank_ones(tmp_path):
    report = ReadReport()
    found = read_pairs(written(tmp_path, '[{"text": "房颤", "normalized_result": "心房颤动"}, {"te', "pairs.json"), report=report)
    assert found == [("房颤", ("心房颤动",))]
    assert report.problems[0].place == "element 2"
    report = ReadReport()
    lines = '{"text": "房颤", "normalized_result": "心房颤动"}\n\nnot json\n{"text": ["房颤"], "normalized_result": {"a": 1}}\n'
    assert len(read_pairs(written(tmp_path, lines, "pairs.jsonl"), report=report)) == 1
    assert [problem.place for problem in report.problems] == ["line 3", "line 4"]


@pytest.mark.parametrize("data", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", bytes(range(128, 256)) * 4], ids=["xlsx", "xls", "bytes"])
def test_a_binary_file_is_refused_as_a_whole_and_none_of_it_shown(tmp_path, data):
    (tmp_path / "codes.tsv").write_bytes(data + b"A1\tname\n")
    with pytest.raises(TextDataError) as caught:
        read_codebook(tmp_path / "codes.tsv")
    assert str(caught.value).isascii()


def test_a_long_text_in_the_place_of_the_code_is_counted_and_not_shown(tmp_path):
    report = ReadReport()
    read_codebook(written(tmp_path, "I10\t高血压\n" + "患者张某某" * 40 + "\t糖尿病\n", "codes.tsv"), report=report)
    assert report.counts["codes too long"] == 1
    assert "张" not in report.summary()
