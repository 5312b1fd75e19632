"""What the release checks read of Word files and JSON: every word and table, shown or not, and nothing else gets past them."""

import base64
import io
import json
import zipfile

import pytest
from docx import Document
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import RGBColor
from PIL import Image

from workbench.disclosure import DisclosurePolicy
from workbench.release.checks import Scope, check_file
from workbench.report.word import to_word

SCOPE = Scope(policy=DisclosurePolicy(threshold=10, rounding=5), canaries=frozenset({"金丝雀-7Q"}))


def _png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 40), (3, 90, 200)).save(stream, format="png")
    return stream.getvalue()


PNG = _png()


def found(name: str, content: bytes) -> set[tuple[str, str]]:
    return {(finding.check, finding.severity.value) for finding in check_file(name, content, scope=SCOPE)}


def word(change=lambda document: None) -> bytes:
    """A report's file, changed with python-docx."""
    document = Document(io.BytesIO(to_word("题目", "", "2026-01-02", (), ())))
    change(document)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def with_part(name: str, content: bytes = b"<x/>") -> bytes:
    stream = io.BytesIO(word())
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def table(document, rows):
    made = document.add_table(len(rows), len(rows[0]))
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            made.cell(row, column).text = cell
    return made


def hidden(document):
    run = document.add_paragraph().add_run("共 7 例死亡")
    run.font.hidden = True


def white(document):
    document.add_paragraph().add_run("共 7 例死亡").font.color.rgb = RGBColor(255, 255, 255)


def deleted(document):
    line = document.add_paragraph()
    gone, run, text = (OxmlElement(f"w:{tag}") for tag in ("del", "r", "delText"))
    text.text = "共 7 例死亡"
    run.append(text)
    gone.append(run)
    line._p.append(gone)


def split_over_runs(document):
    line = document.add_paragraph()
    for piece in ("共 ", "7", " 例死亡"):
        line.add_run(piece).bold = piece == "7"


def nested(document):
    cell = table(document, [["组", "说明"], ["甲", ""]]).cell(1, 1)
    inner = cell.add_table(3, 2)
    for row, cells in enumerate((("组", "人数"), ("男", "120"), ("女", "7"))):
        for column, text in enumerate(cells):
            inner.cell(row, column).text = text


CARRIERS = {
    "a paragraph": lambda document: document.add_paragraph("共 7 例死亡"),
    "hidden text": hidden,
    "white text": white,
    "deleted text": deleted,
    "text in pieces": split_over_runs,
    "the header": lambda document: document.sections[0].header.add_paragraph("共 7 例死亡"),
    "the title of the properties": lambda document: setattr(document.core_properties, "title", "共 7 例死亡"),
    "a table": lambda document: table(document, [["组", "人数"], ["男", "120"], ["女", "7"]]),
    "a table in a table": nested,
    "a table of the footer": lambda document: document.sections[0].footer.add_table(2, 2, 1000).cell(1, 1).add_paragraph("共 7 例死亡"),
}


@pytest.mark.parametrize("change", CARRIERS.values(), ids=CARRIERS)
def test_small_counts_are_found_wherever_they_stand(change):
    assert ("small cells", "block") in found("a.docx", word(change))


def test_a_plain_file_has_no_finding():
    assert found("a.docx", word(lambda document: table(document, [["组", "人数"], ["男", "120"], ["女", "85"]]))) == set()


def test_identity_numbers_in_cells_are_found():
    assert ("identity number", "block") in found("a.docx", word(lambda d: table(d, [["a", "b", "c"], ["110101", "19900307", "7715"]])))


def test_planted_tokens_are_found():
    assert ("canary", "block") in found("a.docx", word(lambda document: document.add_paragraph("金丝雀 -7q")))


def test_a_merged_cell_stands_in_each_column():
    def change(document):
        made = table(document, [["组", "人数", "人数"], ["女", "7", "7"]])
        made.cell(1, 1).merge(made.cell(1, 2)).text = "7"

    assert ("small cells", "block") in found("a.docx", word(change))


def test_a_link_outside_is_told():
    def change(document):
        document.part.relate_to("https://example.org/x", RELATIONSHIP_TYPE.HYPERLINK, is_external=True)

    assert ("embedded", "warn") in found("a.docx", word(change))


@pytest.mark.parametrize("instruction", ["INCLUDETEXT /data/notes.txt", " DDEAUTO excel", "hyperlink x"])
def test_a_field_that_loads_something_is_told(instruction):
    def change(document):
        field = OxmlElement("w:fldSimple")
        field.set(qn("w:instr"), instruction)
        document.add_paragraph()._p.append(field)

    assert ("embedded", "warn") in found("a.docx", word(change))


@pytest.mark.parametrize("tag", ["w:object", "w:altChunk", "w:docVar"])
def test_what_is_embedded_and_not_read_blocks(tag):
    def change(document):
        document.add_paragraph()._p.append(OxmlElement(tag))

    assert ("embedded", "block") in found("a.docx", word(change))


NOT_READ = {
    "macro": with_part("word/vbaProject.bin", b"x"),
    "comments": with_part("word/comments.xml"),
    "footnotes": with_part("word/footnotes.xml"),
    "custom": with_part("customXml/item1.xml"),
    "sheet": with_part("word/embeddings/a.xlsx", b"x"),
    "jpeg": with_part("word/media/a.jpg", b"x"),
    "strange": with_part("word/media.xml"),
    "csv": with_part("a.csv", b"1,2"),
    "entity": with_part("word/theme/x.xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"),
    "broken part": with_part("word/header9.xml", b"<x"),
    "broken": b"PK\x03\x04broken",
}


@pytest.mark.parametrize("content", NOT_READ.values(), ids=NOT_READ)
def test_what_is_not_read_is_refused(content):
    assert found("a.docx", content) == {("file type", "block")}


def test_a_picture_with_words_in_it_blocks():
    assert ("embedded", "block") in found("a.docx", with_part("word/media/a.png", b"\x89PNG\r\n\x1a\nxx"))


def test_other_archives_are_no_word_files():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data.csv", "1,2")
    assert found("a.docx", stream.getvalue()) == {("file type", "block")}
    assert found("a.xlsx", word()) == {("file type", "block")}
    assert found("a.docx.csv", word()) == {("file type", "block")}


# -- JSON ---------------------------------------------------------------------------------------------------------------

BAD_JSON = {
    "a value": {"persons": 7},
    "deep": {"a": {"b": {"n": 7}}},
    "rows": [{"组": "男", "人数": 120}, {"组": "女", "人数": 7}],
    "columns": {"人数": [120, 7]},
    "a grid": [["组", "人数"], ["男", 120], ["女", 7]],
    "within rows": {"x": [{"y": [{"人数": 7}]}]},
    "words": {"note": "共 7 例死亡"},
    "a key in words": {"共 7 例死亡": ""},
}


@pytest.mark.parametrize("given", BAD_JSON.values(), ids=BAD_JSON)
def test_small_counts_in_json_are_found(given):
    assert ("small cells", "block") in found("a.json", json.dumps(given, ensure_ascii=False).encode())


def test_rows_of_persons_in_json_are_found():
    rows = [{"patient_id": f"P{n}", "ldh": n * 1.37} for n in range(40)]
    assert ("row level", "block") in found("a.json", json.dumps(rows).encode())
    assert ("row level", "block") in found("a.json", json.dumps({"residuals": [n * 0.137 + 0.01 for n in range(40)]}).encode())


def test_plain_json_has_no_finding():
    assert found("a.json", json.dumps({"title": "x", "horizons_days": [30, 365], "persons": 430, "threshold": 0.2}).encode()) == set()


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 2}', "{", '{"a": NaN}', "[" * 50 + "]" * 50, '{"cells": [], "nbformat": 4}'],
    ids=["twice", "broken", "NaN", "deep", "notebook"],
)
def test_json_that_cannot_be_read_is_refused(text):
    assert found("a.json", text.encode()) == {("file type", "block")}


# -- curves and numbered rows -------------------------------------------------------------------------------------------


def test_a_column_that_numbers_its_rows_is_no_count():
    assert not found("a.csv", "组,预测\n1,14.7%\n2,20.9%\n3,24.8%\n".encode())
    assert ("small cells", "block") in found("a.csv", "人数,预测\n1,14.7%\n2,20.9%\n3,24.8%\n".encode())
    assert ("small cells", "block") in found("a.csv", "甲,乙\n1,14.7%\n3,20.9%\n2,24.8%\n".encode())


def test_a_curve_over_even_percentages_is_for_a_person_to_look_at():
    curve = "阈值,模型\n" + "".join(f"{at + 1}.0%,{0.25 - at * 0.0137:.3f}\n" for at in range(20))
    assert found("a.csv", curve.encode()) == {("row level", "warn")}
    uneven = "风险,LDH\n" + "".join(f"{at + at * at / 9:.1f}%,{100 + at * 1.37:.2f}\n" for at in range(1, 21))
    assert ("row level", "block") in found("a.csv", uneven.encode())


def test_a_grid_for_each_predictor_is_no_measurement_of_persons():
    grid = "预测因子,取值,HR（95% 区间）\n" + "".join(
        f"{name},{low + at * step:.3g},1.{at}7 (0.9, 1.9)\n"
        for name, low, step in (("年龄", 18, 4.25), ("LDH", 152, 41.3))
        for at in range(6)
    )
    assert not [check for check, _ in found("a.csv", grid.encode()) if check == "row level"]
    persons = "检验,取值\n" + "".join(f"LDH,{152.3 + 37.1 * at + 11.3 * (at % 3):.1f}\n" for at in range(12))
    assert ("row level", "block") in found("a.csv", persons.encode())
    one_each = "编,取值\n" + "".join(f"v{at},{at * 1.37 + 0.11:.2f}\n" for at in range(12))
    assert ("row level", "block") in found("a.csv", one_each.encode())


def test_a_coded_picture_broken_into_lines_is_read():
    coded = base64.encodebytes(PNG).decode()
    page = f'<!DOCTYPE html><html><body><svg><image xlink:href="data:image/png;base64,\n{coded}"/></svg></body></html>'
    assert found("a.html", page.encode()) == {("embedded", "note")}
    broken = page.replace(coded[:8], "AAAAAAAA")
    assert ("embedded", "block") in found("a.html", broken.encode())
