"""A report as a Word file: headings, paragraphs, three-line tables that can be edited, figures as pictures with their tables.

The bytes hold nothing of the machine or the hour: no author, no time, no path, and what the template of python-docx carries beside
its styles (thumbnail, custom XML) is left out. The release checks read the file (:mod:`workbench.release.checks.word`).
"""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from functools import singledispatch
from typing import TYPE_CHECKING

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor
from docx.table import _Cell

from workbench.cohort.plotting import columns, style
from workbench.locale import get_language, tr
from workbench.report.parts import Bullets, Code, Definitions, Drawing, Grid, Paragraph, Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from docx.document import Document as DocumentObject
    from docx.oxml.xmlchemy import BaseOxmlElement
    from docx.table import Table
    from docx.text.paragraph import Paragraph as WordParagraph
    from matplotlib.figure import Figure

    from workbench.report.parts import Part

__all__ = ["DPI", "to_word"]

#: Dots per inch of figures; journals want 200 or more of what is no line drawing.
DPI = 300

#: Widest figure, and from how many columns on the cells of a table are set smaller.
_TEXT_WIDTH = Cm(16)
_MANY_COLUMNS = 7

#: Columns count for so many half-width characters, at least and at most, when they share the page.
_NARROWEST, _WIDEST = 8, 44

#: Style -> (Latin font, Chinese font, size in points); the fonts that Chinese journals ask for, in every Word.
_FONTS = {
    "Normal": ("Times New Roman", "宋体", 10.5),
    "Title": ("Times New Roman", "黑体", 18),
    "Subtitle": ("Times New Roman", "宋体", 11),
    "Heading 1": ("Times New Roman", "黑体", 14),
    "Heading 2": ("Times New Roman", "黑体", 12),
    "Caption": ("Times New Roman", "黑体", 9.5),
    "Header": ("Times New Roman", "宋体", 9),
    "Footer": ("Times New Roman", "宋体", 9),
    "List Bullet": ("Times New Roman", "宋体", 10.5),
    "macro": ("Courier New", "宋体", 8.5),
}

#: The hour that every file claims: ZIP knows none earlier.
_EPOCH = datetime(1980, 1, 1)

#: What the template of python-docx carries and no report needs.
_UNWANTED = (
    RELATIONSHIP_TYPE.THUMBNAIL,
    RELATIONSHIP_TYPE.CUSTOM_XML,
    "http://schemas.microsoft.com/office/2007/relationships/stylesWithEffects",
)


def to_word(title: str, subtitle: str, day: str, parts: Iterable[Part], provenance: Sequence[tuple[str, str]]) -> bytes:
    """Write a report as a Word file.

    Parameters
    ----------
    title, subtitle, day : str
        Head of the first page; the title also stands over every page.
    parts : iterable of Part
        What follows, in order.
    provenance : sequence of (str, str)
        What stands last: where the numbers come from.

    Returns
    -------
    bytes
        A DOCX file; the same input gives the same bytes.
    """
    document = _blank(title)
    document.add_paragraph(title, style="Title")
    for line in filter(None, (subtitle, day)):
        document.add_paragraph(line, style="Subtitle")
    for part in parts:
        _write(part, document)
    document.add_heading(tr("来源与方法", "Provenance"), level=1)
    _write(Definitions(tuple(provenance)), document)
    return _whole(document)


# Parts ----------------------------------------------------------------------------------------------------------------


@singledispatch
def _write(part: Part, document: DocumentObject) -> None:  # noqa: ARG001 - what it is written into
    raise TypeError(f"a Word file cannot show {type(part).__name__}")


@_write.register(Section)
def _(part: Section, document: DocumentObject) -> None:
    document.add_heading(part.heading, level=part.level)


@_write.register(Paragraph)
def _(part: Paragraph, document: DocumentObject) -> None:
    document.add_paragraph(part.text)


@_write.register(Bullets)
def _(part: Bullets, document: DocumentObject) -> None:
    for item in part.items:
        document.add_paragraph(item, style="List Bullet")


@_write.register(Definitions)
def _(part: Definitions, document: DocumentObject) -> None:
    for name, value in part.pairs:
        line = document.add_paragraph()
        line.paragraph_format.space_after = Pt(2)
        line.add_run(name + tr("：", ": ")).bold = True
        line.add_run(value)


@_write.register(Code)
def _(part: Code, document: DocumentObject) -> None:
    block = document.add_paragraph(style="macro")
    for number, line in enumerate(part.text.splitlines()):
        if number:
            block.add_run().add_break()
        block.add_run(line)


@_write.register(Grid)
def _(part: Grid, document: DocumentObject) -> None:
    _caption(document, part.number, part.caption, above=True)
    _three_lines(document, part.shown, indented=part.indented, words=part.words)
    _note(document, part.note)


@_write.register(Drawing)
def _(part: Drawing, document: DocumentObject) -> None:
    holder = document.add_paragraph()
    holder.alignment = WD_ALIGN_PARAGRAPH.CENTER
    holder.paragraph_format.keep_with_next = True
    picture = holder.add_run().add_picture(io.BytesIO(_png(part.figure)))
    if picture.width > _TEXT_WIDTH:
        picture.width, picture.height = _TEXT_WIDTH, round(picture.height * _TEXT_WIDTH / picture.width)
    picture._inline.docPr.set("descr", part.caption)
    _caption(document, part.number, part.caption, above=False)
    _note(document, part.note)
    if len(part.table):
        _three_lines(document, part.table)
        _note(document, "")


def _caption(document: DocumentObject, number: str, text: str, *, above: bool) -> None:
    line = document.add_paragraph(f"{number}  {text}", style="Caption")
    line.alignment = WD_ALIGN_PARAGRAPH.CENTER
    line.paragraph_format.keep_with_next = above


def _note(document: DocumentObject, text: str) -> None:
    """Add what stands beneath a table; nothing but its space where there is none."""
    line = document.add_paragraph()
    line.paragraph_format.space_after = Pt(8)
    line.add_run(text).font.size = Pt(8.5)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with style():
        figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None}, bbox_inches="tight")
    return stream.getvalue()


# Tables ---------------------------------------------------------------------------------------------------------------


def _three_lines(document: DocumentObject, frame: pd.DataFrame, *, indented: Sequence[bool] = (), words: bool = False) -> None:
    """Add a table with a line over its head, one beneath, and one at its end; its head is repeated on every page."""
    table = document.add_table(rows=1 + len(frame), cols=len(frame.columns))
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    table._tbl.tblPr.find(qn("w:tblLook")).addprevious(_borders("w:tblBorders", top=12, bottom=12))  # Word wants its order
    size = Pt(8 if len(frame.columns) >= _MANY_COLUMNS else 9)
    rows = [tuple(map(str, frame.columns)), *frame.itertuples(index=False, name=None)]
    widths = _widths(rows)
    for grid, width in zip(table.columns, widths, strict=True):
        grid._gridCol.w = width
    for row, (line, texts) in enumerate(zip(table._tbl.tr_lst, rows, strict=True)):
        properties = line.get_or_add_trPr()
        properties.append(OxmlElement("w:cantSplit"))
        if not row:
            properties.append(OxmlElement("w:tblHeader"))
        for column, (cell, text) in enumerate(zip(_cells(table, line), texts, strict=True)):
            cell.width = widths[column]
            _fill(cell, text, size=size, centred=column > 0 and not words, indent=column == 0 and row > 0 and any(indented[row - 1 : row]))
            if not row:
                cell._tc.get_or_add_tcPr().append(_borders("w:tcBorders", bottom=6))


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Share the page's width among columns by their longest cell, a short one no less and a sentence no more than fits."""
    longest = [min(_WIDEST, max(_NARROWEST, *map(columns, cells))) for cells in zip(*rows, strict=True)]
    return [int(_TEXT_WIDTH * width / sum(longest)) for width in longest]


def _cells(table: Table, line: BaseOxmlElement) -> list[_Cell]:
    """Return a row's cells; python-docx's own way walks the whole table for each row."""
    return [_Cell(cell, table) for cell in line.tc_lst]


def _fill(cell: _Cell, text: str, *, size: Pt, centred: bool, indent: bool) -> None:
    line = cell.paragraphs[0]
    line.paragraph_format.space_after = Pt(1)
    line.paragraph_format.line_spacing = 1.0
    if centred:
        line.alignment = WD_ALIGN_PARAGRAPH.CENTER
    if indent:
        line.paragraph_format.left_indent = Pt(10)
    line.add_run(text).font.size = size


def _borders(tag: str, **eighths: int) -> BaseOxmlElement:
    """Make borders, their width in eighths of a point."""
    borders = OxmlElement(tag)
    for side, width in eighths.items():
        edge = OxmlElement(f"w:{side}")
        for key, value in (("val", "single"), ("sz", str(width)), ("space", "0"), ("color", "000000")):
            edge.set(qn(f"w:{key}"), value)
        borders.append(edge)
    return borders


# The file -------------------------------------------------------------------------------------------------------------


def _blank(title: str) -> DocumentObject:
    """Make an A4 document with our fonts, its title over every page and the number beneath."""
    document = Document()
    page = document.sections[0]
    page.page_width, page.page_height = Cm(21), Cm(29.7)
    page.left_margin = page.right_margin = page.top_margin = page.bottom_margin = Cm(2.5)
    for name, (latin, chinese, size) in _FONTS.items():
        _set_font(document.styles[name].element, latin, chinese)
        document.styles[name].font.size = Pt(size)
        document.styles[name].font.color.rgb = RGBColor(0, 0, 0)
    document.styles["Normal"].paragraph_format.line_spacing = 1.25
    document.styles["Caption"].font.bold = document.styles["Subtitle"].font.italic = False
    head, foot = page.header.paragraphs[0], page.footer.paragraphs[0]
    head.add_run(title)
    foot.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _page_number(foot)
    return document


def _set_font(style_element: BaseOxmlElement, latin: str, chinese: str) -> None:
    """Name the fonts of a style; a theme's fonts would win over named ones, and know no Chinese."""
    properties = style_element.get_or_add_rPr()
    for found in properties.findall(qn("w:rFonts")):
        properties.remove(found)
    fonts = properties.get_or_add_rFonts()
    for key, font in (("ascii", latin), ("hAnsi", latin), ("cs", latin), ("eastAsia", chinese)):
        fonts.set(qn(f"w:{key}"), font)
    for found in properties.findall(qn("w:lang")):
        properties.remove(found)
    language = OxmlElement("w:lang")
    language.set(qn("w:val"), "en-US")
    language.set(qn("w:eastAsia"), "zh-CN" if get_language() == "zh" else "en-US")
    properties.append(language)


def _page_number(line: WordParagraph) -> None:
    fields = OxmlElement("w:fldSimple")
    fields.set(qn("w:instr"), "PAGE")
    line._p.append(fields)


def _whole(document: DocumentObject) -> bytes:
    """Return the file's bytes, with nothing in them that changes from run to run."""
    for holder in (document.part.package, document.part):
        for key in [key for key, found in holder.rels.items() if found.reltype in _UNWANTED]:
            del holder.rels[key]
    about = document.core_properties
    about.author = about.comments = about.last_modified_by = about.keywords = ""
    about.created = about.modified = _EPOCH
    about.revision = 1
    stream = io.BytesIO()
    document.save(stream)
    return _stamped(stream)


def _stamped(stream: io.BytesIO) -> bytes:
    """Write a ZIP again, every entry at the same hour."""
    out = io.BytesIO()
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(zipfile.ZipInfo(entry.filename, _EPOCH.timetuple()[:6]), old.read(entry), zipfile.ZIP_DEFLATED)
    return out.getvalue()
