"""Read a Word file (DOCX): all text, shown or not, in tables or not, its pictures, and a refusal of whatever else it can carry."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from workbench.release.checks.parts import Document, Picture, Reference, Table, Text, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

__all__ = ["read_word"]

#: A file that unpacks to more than this is not opened (bytes).
_LARGEST_UNPACKED = 200 * 2**20
#: Parts that a report consists of; anything else (macros, comments, footnotes, embedded files, custom data) is not read.
_PARTS = (
    "[Content_Types].xml",
    "_rels/.rels",
    "docProps/app.xml",
    "docProps/core.xml",
    "word/_rels/",
    "word/document.xml",
    "word/fontTable.xml",
    "word/footer",
    "word/header",
    "word/media/",
    "word/numbering.xml",
    "word/settings.xml",
    "word/styles.xml",
    "word/theme/",
    "word/webSettings.xml",
)
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
#: Elements that hold characters: what is read, what was deleted, what a field says, and formulas.
_CHARACTERS = (f"{_W}t", f"{_W}delText", f"{_W}instrText", "{http://schemas.openxmlformats.org/officeDocument/2006/math}t")
#: Elements that end a line, or part two pieces of text.
_BETWEEN = {f"{_W}p": "\n", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}tab": "\t", f"{_W}tc": "\t", f"{_W}tr": "\n"}
#: Attributes that carry words which the page does not show.
_WORDS = ("descr", "title", "alt", f"{_W}instr", f"{_W}author")
#: What a document may hold and nobody here reads.
_NOT_READ = ("object", "control", "altChunk", "OLEObject", "chart", "subDoc", "docVar")
#: Fields that tell of the document itself; others load files, links or data of a mail merge.
_OWN_FIELDS = ("PAGE", "NUMPAGES", "SECTIONPAGES", "SEQ", "REF", "PAGEREF", "TOC")


def read_word(name: str, content: bytes) -> Document:
    """Read a DOCX file.

    Raises
    ------
    Unreadable
        If it is not a Word file, carries parts that are not read, or is too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_parts(archive)
            pages = {part: _parsed(archive.read(part)) for part in archive.namelist() if part.endswith((".xml", ".rels"))}
            pictures = tuple(
                Picture(f"picture {number}", "png", archive.read(part))
                for number, part in enumerate((part for part in archive.namelist() if part.startswith("word/media/")), start=1)
            )
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise Unreadable("the Word file is broken or locked", "save it again as DOCX") from error
    bodies = {part: page for part, page in pages.items() if part.startswith("word/") and not part.startswith("word/_rels/")}
    tables = (table for page in bodies.values() for table in page.iter(f"{_W}tbl"))
    return Document(
        name=name,
        tables=tuple(Table(f"table {number}", tuple(_rows(table))) for number, table in enumerate(tables, start=1)),
        texts=tuple(text for part, page in pages.items() for text in _texts(part, page)),
        pictures=pictures,
        references=tuple(reference for part, page in pages.items() for reference in _references(part, page)),
    )


def _check_parts(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    names = [part.filename for part in parts]
    if "word/document.xml" not in names:
        raise Unreadable("the file is a zip archive, not a Word file", "release single files, not archives")
    if sum(part.file_size for part in parts) > _LARGEST_UNPACKED:
        raise Unreadable("the Word file unpacks to too much", "release results, not data")
    pictures = [name for name in names if name.startswith("word/media/")]
    strange = [name for name in names if not name.startswith(_PARTS)] + [n for n in pictures if PurePosixPath(n).suffix.lower() != ".png"]
    strange += [name for name in names if not name.startswith("word/media/") and not name.endswith((".xml", ".rels"))]
    strange += sorted({name for name in names if names.count(name) > 1})
    if strange:
        raise Unreadable(
            f"the Word file carries {len(strange)} parts that are not read, such as {strange[0]!a}",
            "keep text, tables and PNG pictures only: no macro, comment, footnote or embedded file",
        )


def _parsed(content: bytes) -> _Element:
    """Parse a part; no entity is followed, so that nothing is loaded and nothing grows."""
    from lxml import etree

    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise Unreadable("a part of the Word file declares entities", "save it again with Word")
    try:
        return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))
    except etree.XMLSyntaxError as error:
        raise Unreadable("a part of the Word file cannot be parsed", "save it again with Word") from error


def _rows(table: _Element) -> Iterator[tuple[str, ...]]:
    """Give a table's rows; a cell that spans columns stands in each, one that goes on from above says what stands above."""
    above: tuple[str, ...] = ()
    for row in table.iterfind(f"{_W}tr"):
        cells: list[str] = []
        for cell in row.iter(f"{_W}tc"):
            if next(cell.iterancestors(f"{_W}tr")) is not row:
                continue  # of a table within the cell, which is read as a table of its own
            properties = cell.find(f"{_W}tcPr")
            span = 1 if properties is None else _number(properties.find(f"{_W}gridSpan"))
            merged = None if properties is None else properties.find(f"{_W}vMerge")
            goes_on = merged is not None and merged.get(f"{_W}val") != "restart" and len(cells) < len(above)
            text = above[len(cells)] if goes_on else " ".join(_text(cell).split())
            cells += [text] * span
        above = tuple(cells)
        if cells:
            yield above


def _number(span: _Element | None) -> int:
    text = "1" if span is None else span.get(f"{_W}val", "1")
    return min(max(int(text), 1), 1000) if text.isdecimal() else 1


def _text(element: _Element) -> str:
    """Give all characters of an element, hidden and deleted ones too, in lines."""
    pieces: list[str] = []
    for found in element.iter():
        if found.tag in _CHARACTERS:
            pieces.append(found.text or "")
        elif found.tag in _BETWEEN and not _opens_cell(found):
            pieces.append(_BETWEEN[found.tag])
    return "".join(pieces)


def _opens_cell(found: _Element) -> bool:
    """Tell whether a paragraph is the first of a cell: the cells of a row stand on one line, so that a number over several is one."""
    parent = found.getparent()
    return found.tag == f"{_W}p" and parent is not None and parent.tag == f"{_W}tc" and parent.find(f"{_W}p") is found


def _texts(part: str, page: _Element) -> Iterator[Text]:
    """Give what a part says: characters, attributes that carry words, and of properties every value."""
    if part.startswith("docProps/"):
        yield Text("properties", "\n".join(found.text for found in page.iter() if isinstance(found.tag, str) and found.text))
        return
    if not part.endswith(".rels"):
        yield Text("text" if part == "word/document.xml" else PurePosixPath(part).stem, _text(page))
    hidden = [value for found in page.iter() if isinstance(found.tag, str) for key, value in found.attrib.items() if key in _WORDS]
    hidden += [str(found.text) for found in page.iter() if not isinstance(found.tag, str)]
    if hidden:
        yield Text(f"{PurePosixPath(part).stem}, attributes and comments", "\n".join(hidden))


def _references(part: str, page: _Element) -> Iterator[Reference]:
    for found in page.iter():
        if found.get("TargetMode") == "External":
            yield Reference(part, "loaded from elsewhere")
        elif isinstance(found.tag, str) and found.tag.rpartition("}")[2] in _NOT_READ:
            yield Reference(part, "not read")
        elif _field(found).partition(" ")[0].upper() not in ("", *_OWN_FIELDS):
            yield Reference(part, "loaded from elsewhere")


def _field(found: _Element) -> str:
    """Return what a field does, where an element is one."""
    return (found.get(f"{_W}instr") or (found.text if found.tag == f"{_W}instrText" else None) or "").strip()
