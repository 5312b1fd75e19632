"""In a table a value is found by the label above it or in the cell before it, as if the label stood before it."""

import pytest

from nlp.identifiers import find_identifiers
from nlp.identifiers.columns import unroll
from nlp.normal import normalise


def found(text):
    normal = normalise(text)
    return [(text[slice(*normal.raw(hit.start, hit.end))], hit.kind) for hit in find_identifiers(normal.text)]


@pytest.mark.parametrize(
    "layout",
    [
        "姓名\t性别\t住院号\t床号\n{}\t{}\t{}\t{}\n",
        "姓名    性别  住院号      床号\n{}    {}    {}    {}",
        "|姓名|性别|住院号|床号|\n|---|---|---|---|\n|{}|{}|{}|{}|\n诊断：胃炎",
        "姓　名│性 别│住院号│床号\n──┼──┼──┼──\n{}│{}│{}│{}",
        "姓名 性别 住院号 床号\n\n{} {} {} {}\n主诉：腹痛3天",
        "姓名,性别,住院号,床号\n{},{},{},{}",
        "姓名：\t性别：\t住院号：\t床号：\n{}\t{}\t{}\t{}\t\n",
        "姓名|{}|性别|{}|住院号|{}|床号|{}",
        "姓名\n{}\n性别\n{}\n住院号\n{}\n床号\n{}\n",
    ],
    ids=["tabs", "blanks", "markdown", "rules", "single blanks", "commas", "colons", "beside", "one a line"],
)
def test_a_row_of_values_is_read_by_its_labels(layout):
    note = layout.format("高峰", "女", "00123456", "12")
    assert [hit for hit in found(note) if hit[0] != "性别"] == [("高峰", "name"), ("00123456", "record_number"), ("12", "bed")]


def test_all_rows_below_a_header_are_read():
    note = "序号\t姓名\t职称\t联系电话\n1\t平安\t主任医师\t66123\n2\t高原\t护师\t13800138000\n3\t李强\t护士\t\n合计3人"
    assert found(note) == [
        ("平安", "name"),
        ("66123", "phone"),
        ("高原", "name"),
        ("13800138000", "mobile_number"),
        ("李强", "name"),
    ]


def test_a_name_of_a_table_is_found_in_the_text_too():
    assert ("高峰", "name") in found("患者昨夜高峰安睡。\n床号|姓名\n3|高峰")[:1]


@pytest.mark.parametrize(
    "text",
    [
        "项目\t结果\t单位\n白细胞\t12.5\t10^9/L\n血钠\t138.0\tmmol/L",
        "诊断\n高血压3级\n签名\n审核\n患者今日病情平稳,无不适。",
        "日期 体温 脉搏 呼吸\n2021-03-01 36.5 80 20",
        "姓名,性别,年龄均已核对\n患者,女,病情平稳",
        "姓名\t性别\t住院号\n【姓名】\t女\t【编号】\n",
    ],
)
def test_what_names_nobody_stays(text):
    assert found(text) == []


def test_values_keep_their_places():
    text = "床号|姓名\n3|王芳"
    table = unroll(text)
    assert table.text == "床号:3\n姓名:王芳\n"
    start = table.text.index("王芳")
    assert text[slice(*table.place(start, start + 2))] == "王芳"
    assert table.place(0, 2) is None
