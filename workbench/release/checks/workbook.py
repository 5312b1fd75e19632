"""Read an Excel workbook (XLSX): every sheet, hidden ones too, and a refusal of whatever else a workbook can carry."""

from __future__ import annotations

import io
import zipfile

from workbench.release.checks.parts import Document, Table, Text, Unreadable

__all__ = ["read_workbook"]

#: A workbook that unpacks to more than this is not opened (bytes).
_LARGEST_UNPACKED = 200 * 2**20
#: Parts that a workbook of results consists of; anything else (macros, pictures, links, caches, comments) is not read.
_PARTS = (
    "[Content_Types].xml",
    "_rels/",
    "docProps/",
    "xl/workbook.xml",
    "xl/_rels/",
    "xl/styles.xml",
    "xl/sharedStrings.xml",
    "xl/theme/",
    "xl/worksheets/",
)
_NOT_PARTS = ("docProps/custom.xml",)


def read_workbook(name: str, content: bytes) -> Document:
    """Read an XLSX file.

    Raises
    ------
    Unreadable
        If it is not a workbook, carries parts that are not read, has hidden sheets, or is too large.
    """
    from openpyxl import load_workbook

    _check_parts(content)
    try:
        book = load_workbook(io.BytesIO(content), data_only=False)
    except Exception as error:
        raise Unreadable("the workbook cannot be opened", "save it again as XLSX") from error
    if any(sheet.sheet_state != "visible" for sheet in book.worksheets):
        raise Unreadable("the workbook has hidden sheets", "delete them")
    tables = []
    for number, sheet in enumerate(book.worksheets, start=1):
        rows = tuple(tuple("" if value is None else _text(value) for value in row) for row in sheet.iter_rows(values_only=True))
        tables.append(Table(f"sheet {number}", rows))
    properties = [
        str(value)
        for value in (book.properties.creator, book.properties.title, book.properties.description, book.properties.keywords)
        if value
    ]
    texts = [Text(t.place, "\n".join("\t".join(row) for row in t.rows)) for t in tables]
    return Document(
        name=name,
        tables=tuple(tables),
        texts=(*texts, Text("properties", "\n".join(properties)), Text("sheet names", "\n".join(book.sheetnames))),
    )


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _check_parts(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile as error:
        raise Unreadable("the workbook is broken", "save it again as XLSX") from error
    names = [part.filename for part in parts]
    if "xl/workbook.xml" not in names:
        raise Unreadable("the file is a zip archive, not a workbook", "release single files, not archives")
    if sum(part.file_size for part in parts) > _LARGEST_UNPACKED:
        raise Unreadable("the workbook unpacks to too much", "release results, not data")
    strange = [n for n in names if not n.startswith(_PARTS) or n in _NOT_PARTS]
    if strange:
        raise Unreadable(
            f"the workbook carries {len(strange)} parts that are not read, such as {strange[0]!a}",
            "keep cells only: no macro, picture, link or comment",
        )
