"""Reports as Word files: opened again, every part is there, tables can be edited, fonts know Chinese, and nothing tells of the machine."""

import io
import re
import zipfile
from datetime import date

import numpy as np
import pandas as pd
import pytest
from docx import Document
from docx.oxml.ns import qn
from PIL import Image

from workbench.cohort.baseline import baseline_table
from workbench.cohort.figures import histogram
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DefinitionError
from workbench.release.checks import Scope, check_file
from workbench.report import Report

POLICY = DisclosurePolicy(threshold=10, rounding=5)
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"age": RNG.normal(60, 10, 300), "sex": RNG.choice(["男", "女"], 300), "dead": RNG.choice(["是", "否"], 300)})


@pytest.fixture(scope="module")
def report() -> Report:
    report = Report("某病的风险", [("数据版本", "abc")], subtitle="副标题", policy=POLICY, numbered=True, day=date(2026, 1, 2))
    report.section("方法", "一段文字。").section("结局", level=2).bullets(["甲", "乙"]).definitions([("名称", "解释")])
    report.section("结果").add(histogram(FRAME["age"], label="年龄", unit="岁", policy=POLICY))
    report.add(baseline_table(FRAME, by="dead", labels={"age": "年龄", "sex": "性别"}))
    report.table(pd.DataFrame({"变量": ["年龄"], "HR (95% CI)": ["1.05 (1.01, 1.09)"]}), "模型", note="注释")
    return report.code("a: 1\nb: 2")


@pytest.fixture(scope="module")
def opened(report):
    return Document(io.BytesIO(report.word()))


def parts(report) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(report.word())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_headings_are_numbered_headings(opened):
    headings = [(line.style.name, line.text) for line in opened.paragraphs if line.style.name.startswith("Heading")]
    assert headings == [("Heading 1", "1 方法"), ("Heading 2", "1.1 结局"), ("Heading 1", "2 结果"), ("Heading 1", "来源与方法")]


def test_text_lists_and_code_are_there(opened):
    told = [line.text for line in opened.paragraphs]
    assert {"一段文字。", "甲", "乙", "名称：解释", "注释", "a: 1\nb: 2", "某病的风险", "副标题", "2026-01-02", "数据版本：abc"} <= set(
        told
    )


def test_captions_count_tables_and_figures_apart(opened):
    captions = [line.text for line in opened.paragraphs if line.style.name == "Caption"]
    assert captions == ["图 1  年龄", "表 1  基线特征", "表 2  模型"]


def test_tables_hold_the_cells_of_the_page(opened, report):
    figure, baseline, model = opened.tables
    assert [cell.text for cell in model.rows[1].cells] == ["年龄", "1.05 (1.01, 1.09)"]
    shown = report.parts[-3].shown
    assert [cell.text for cell in baseline.rows[0].cells] == list(shown.columns)
    assert [[cell.text for cell in row.cells] for row in baseline.rows[1:]] == shown.to_numpy().tolist()
    assert len(figure.rows) == 1 + len(report.parts[6].table)


def test_tables_have_three_lines(opened):
    for table in opened.tables:
        borders = table._tbl.tblPr.find(qn("w:tblBorders"))
        assert [edge.tag for edge in borders] == [qn("w:top"), qn("w:bottom")]
        order = [child.tag.rpartition("}")[2] for child in table._tbl.tblPr]
        assert order == ["tblW", "jc", "tblBorders", "tblLook"]  # as the schema has it: Word refuses another order
        first, *others = table.rows
        assert all(cell._tc.tcPr.find(qn("w:tcBorders")) is not None for cell in first.cells)
        assert not [cell for row in others for cell in row.cells if cell._tc.tcPr.find(qn("w:tcBorders")) is not None]
        assert first._tr.trPr.find(qn("w:tblHeader")) is not None


def test_categories_are_indented(opened):
    baseline = opened.tables[1]
    indents = {row.cells[0].text: row.cells[0].paragraphs[0].paragraph_format.left_indent for row in baseline.rows}
    assert indents["男"] is not None
    assert indents["性别, n (%)"] is None


def test_every_style_names_a_chinese_font_and_no_theme_overrides_it(opened):
    for name in ("Normal", "Heading 1", "Heading 2", "Caption", "Title", "Header", "macro"):
        fonts = opened.styles[name].element.rPr.rFonts
        assert fonts.get(qn("w:eastAsia")) in ("宋体", "黑体"), name
        assert not [key for key in fonts.attrib if "Theme" in key], name


def test_the_title_stands_over_every_page_and_the_number_beneath(opened):
    page = opened.sections[0]
    assert page.header.paragraphs[0].text == "某病的风险"
    assert page.footer.paragraphs[0]._p.find(qn("w:fldSimple")).get(qn("w:instr")) == "PAGE"


def test_figures_are_sharp_and_carry_no_words(report):
    pictures = [content for name, content in parts(report).items() if name.startswith("word/media/")]
    assert len(pictures) == 1
    with Image.open(io.BytesIO(pictures[0])) as picture:
        assert min(picture.info["dpi"]) > 200
        assert set(picture.info) == {"dpi"}


def test_the_bytes_are_the_same_and_tell_nothing_of_machine_or_hour(report):
    assert report.word() == report.word()
    found = parts(report)
    assert not [name for name in found if re.search("thumbnail|customXml|stylesWithEffects", name)]
    core = found["docProps/core.xml"].decode()
    assert re.findall(r"\d{4}-\d\d-\d\dT", core) == ["1980-01-01T"] * 2
    assert "python-docx" not in core
    with zipfile.ZipFile(io.BytesIO(report.word())) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_it_passes_the_release_checks(report):
    found = check_file("report.docx", report.word(), scope=Scope(policy=POLICY))
    assert [(finding.check, finding.severity.value) for finding in found] == [("embedded", "note")]


def test_write_gives_the_file_when_asked(report, tmp_path):
    assert [path.name for path in report.write(tmp_path)] == ["report.html", "report.csv"]
    assert [path.name for path in report.write(tmp_path, word=True)] == ["report.html", "report.csv", "report.docx"]


def test_the_page_has_the_same_parts(report):
    page = report.html()
    for piece in ("<h2>1 方法</h2>", "<h3>1.1 结局</h3>", "<li>甲</li>", "<dt>名称</dt><dd>解释</dd>", "<pre>a: 1\nb: 2</pre>", "数据版本"):
        assert piece in page, piece


def test_a_table_of_numbers_is_refused():
    with pytest.raises(DefinitionError, match="not text: n"):
        Report("t", policy=POLICY).table(pd.DataFrame({"组": ["甲"], "n": [3]}), "x")
