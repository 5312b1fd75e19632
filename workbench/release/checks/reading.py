"""Read a file into tables, text and pictures, or say why it cannot be read.

The type is told by content and by name, and both must agree. What is not in the table of types is not read, hence refused.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from workbench.release.checks.html import read_html
from workbench.release.checks.json_file import read_json
from workbench.release.checks.parts import Document, Picture, Table, Text, Unreadable
from workbench.release.checks.word import read_word
from workbench.release.checks.workbook import read_workbook

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Document", "Unreadable", "read_document"]


@dataclass(frozen=True)
class Signature:
    """Bytes at an offset that tell a type."""

    kind: str
    offset: int
    magic: bytes


SIGNATURES: tuple[Signature, ...] = (
    Signature("png", 0, b"\x89PNG\r\n\x1a\n"),
    Signature("zip", 0, b"PK\x03\x04"),
    Signature("zip", 0, b"PK\x05\x06"),
    Signature("parquet", 0, b"PAR1"),
    Signature("arrow", 0, b"ARROW1"),
    Signature("feather", 0, b"FEA1"),
    Signature("numpy array", 0, b"\x93NUMPY"),
    Signature("HDF5", 0, b"\x89HDF"),
    Signature("sqlite", 0, b"SQLite format 3"),
    Signature("duckdb", 8, b"DUCK"),
    Signature("DICOM", 128, b"DICM"),
    Signature("pdf", 0, b"%PDF"),
    Signature("jpeg", 0, b"\xff\xd8\xff"),
    Signature("gif", 0, b"GIF8"),
    Signature("gzip", 0, b"\x1f\x8b"),
    Signature("bzip2", 0, b"BZh"),
    Signature("xz", 0, b"\xfd7zXZ"),
    Signature("zstd", 0, b"\x28\xb5\x2f\xfd"),
    Signature("7z", 0, b"7z\xbc\xaf"),
    Signature("rar", 0, b"Rar!"),
    Signature("program", 0, b"\x7fELF"),
    Signature("old Office file", 0, b"\xd0\xcf\x11\xe0"),
    Signature("pickle", 0, b"\x80\x02"),
    Signature("pickle", 0, b"\x80\x03"),
    Signature("pickle", 0, b"\x80\x04"),
    Signature("pickle", 0, b"\x80\x05"),
    Signature("model weights", 8, b'{"'),
    Signature("rich text", 0, b"{\\rtf"),
    Signature("postscript", 0, b"%!PS"),
)

_MARKUP = re.compile(r"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+)?(html|svg)\b", re.IGNORECASE | re.DOTALL)
_NOTEBOOK = re.compile(r'"(?:nbformat|cell_type)"\s*:')
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ADVICE = "release results as CSV, TSV, text, Markdown, HTML, XLSX, DOCX, JSON, PNG or SVG"


def read_document(name: str, content: bytes) -> Document:
    """Read a file.

    Parameters
    ----------
    name : str
        The file's name; its last suffix must name the type, and no suffix before it another one.
    content : bytes
        All of the file.

    Returns
    -------
    Document
        What was read.

    Raises
    ------
    Unreadable
        If the type is not one that is read, name and content differ, or the content is broken.
    """
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    reader = READERS.get(suffixes[-1] if suffixes else "")
    if reader is None:
        raise Unreadable(f"files of the type {ascii(suffixes[-1]) if suffixes else 'without a suffix'} are not released", _ADVICE)
    if any(_names_a_type(suffix) for suffix in suffixes[:-1]):
        raise Unreadable("the name has the suffixes of two types", "give the file one suffix, of its true type")
    if not content:
        raise Unreadable("the file is empty", "leave it out")
    wanted, read = reader
    found = kind_of(content)
    if found != wanted:
        raise Unreadable(f"the name says {wanted}, the content is {found}", _ADVICE)
    return read(name, content)


def kind_of(content: bytes) -> str:
    """Tell the type by content: one of :data:`SIGNATURES`, ``html``, ``svg``, ``notebook``, ``text`` or ``unknown``."""
    for signature in SIGNATURES:
        if content[signature.offset :].startswith(signature.magic):
            return signature.kind
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "not UTF-8 text"
    if _CONTROL.search(text):
        return "binary"
    if markup := _MARKUP.match(text):
        return markup[1].lower()
    return "notebook" if _NOTEBOOK.search(text) else "text"


#: The head of a table that has a line a cell (:mod:`workbench.report`).
_LONG = ("column", "row", "value", "table")


def _names_a_type(suffix: str) -> bool:
    return suffix in READERS or suffix in _OTHER_SUFFIXES


def _read_delimited(delimiter: str) -> Callable[[str, bytes], Document]:
    def read(name: str, content: bytes) -> Document:
        text = content.decode("utf-8-sig")
        csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))  # the limit is the process's: never lower it
        try:
            rows = tuple(tuple(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row)
        except csv.Error as error:
            raise Unreadable("the table cannot be parsed", "write it with a common tool, as UTF-8, quotes closed") from error
        return Document(name=name, tables=_tables(rows), texts=(Text("table", text),))

    return read


def _tables(rows: tuple[tuple[str, ...], ...]) -> tuple[Table, ...]:
    """Give a file's rows as a table; a line a cell, as the workbench's reports write them, as the tables they were made of."""
    whole = Table("table", rows)
    if whole.is_too_long or rows[:1] != (_LONG,) or any(len(row) != len(_LONG) for row in rows):
        return (whole,)
    parts: list[tuple[str, dict[tuple[str, str], str]]] = []
    for column, row, value, title in rows[1:]:
        if not parts or parts[-1][0] != title or (row, column) in parts[-1][1]:
            parts.append((title, {}))
        parts[-1][1][row, column] = value
    return tuple(Table(f"table {title!r}", _wide(cells)) for title, cells in parts) or (whole,)


def _wide(cells: dict[tuple[str, str], str]) -> tuple[tuple[str, ...], ...]:
    rows, heads = (tuple(dict.fromkeys(key[part] for key in cells)) for part in (0, 1))
    return (("", *heads), *((row, *(cells.get((row, head), "") for head in heads)) for row in rows))


def _read_text(name: str, content: bytes) -> Document:
    text = content.decode("utf-8-sig")
    return Document(name=name, tables=text_tables(text), texts=(Text("text", text),))


def _read_png(name: str, content: bytes) -> Document:
    return Document(name=name, pictures=(Picture("file", "png", content),))


def text_tables(text: str) -> tuple[Table, ...]:
    """Find tables in plain text: neighbouring lines whose fields are parted by bars, tabulators or runs of blanks."""
    tables: list[Table] = []
    block: list[tuple[str, ...]] = []
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        fields = tuple(
            field for field in re.split(r"\s*\|\s*|\t| {2,}", line.strip().strip("|").strip()) if not re.fullmatch(r"[:\-=+\s]*", field)
        )
        if len(fields) >= 2:
            block.append(fields)
        elif line.strip().strip("|:-=+ ") or not line.strip():
            _close(tables, block, number)
    return tuple(tables)


def _close(tables: list[Table], block: list[tuple[str, ...]], number: int) -> None:
    if len(block) >= 2:
        tables.append(Table(f"table ending at line {number - 1}", tuple(block)))
    block.clear()


#: Suffix -> (the type that the content must be, how it is read).
READERS: dict[str, tuple[str, Callable[[str, bytes], Document]]] = {
    ".csv": ("text", _read_delimited(",")),
    ".tsv": ("text", _read_delimited("\t")),
    ".txt": ("text", _read_text),
    ".md": ("text", _read_text),
    ".html": ("html", read_html),
    ".htm": ("html", read_html),
    ".svg": ("svg", read_html),
    ".xlsx": ("zip", read_workbook),
    ".docx": ("zip", read_word),
    ".json": ("text", read_json),
    ".png": ("png", _read_png),
}

#: Suffixes that name a type which is not released; before another suffix they are a disguise.
_OTHER_SUFFIXES = frozenset(
    [
        ".parquet",
        ".pkl",
        ".pickle",
        ".joblib",
        ".zip",
        ".gz",
        ".tar",
        ".7z",
        ".ipynb",
        ".pt",
        ".pth",
        ".onnx",
        ".safetensors",
        ".h5",
        ".npy",
        ".npz",
        ".xls",
        ".pdf",
        ".jpg",
        ".jpeg",
        ".gif",
        ".exe",
        ".py",
        ".sh",
        ".dcm",
        ".nii",
        ".feather",
        ".arrow",
        ".db",
        ".sqlite",
        ".duckdb",
        ".rds",
        ".rdata",
        ".sav",
        ".dta",
    ]
)
