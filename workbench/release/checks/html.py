"""Read HTML and SVG: tables, all text whether shown or not, embedded pictures, scripts, and what is loaded from elsewhere."""

from __future__ import annotations

import base64
import binascii
import re
import urllib.parse
from typing import TYPE_CHECKING

from bs4 import BeautifulSoup, Comment

from workbench.release.checks.parts import Document, Picture, Reference, Script, Table, Text, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bs4 import Tag

__all__ = ["read_html"]

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w-]+(?:=[\w.-]+)?)*),([^\"')\t\r ]*)", re.IGNORECASE)
_CSS_URL = re.compile(r"url\(\s*[\"']?\s*(?!data:|#)([^\"')\s]+)|@import", re.IGNORECASE)
_LOADING = ("src", "srcset", "poster", "data", "background", "xlink:href")
_BLOCKS = (
    "p",
    "div",
    "tr",
    "br",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "pre",
    "table",
    "text",
    "tspan",
    "title",
    "caption",
    "option",
    "summary",
)
_BREAKS = {"td": "\t", "th": "\t"} | dict.fromkeys(_BLOCKS, "\n")
_PICTURES = {"image/png": "png", "image/svg+xml": "svg"}
#: Deepest nesting of pictures within pictures that is followed.
_DEEPEST = 3


def read_html(name: str, content: bytes, *, depth: int = 0) -> Document:
    """Read an HTML or SVG file.

    Raises
    ------
    Unreadable
        If an embedded picture cannot be decoded, or pictures are nested too deep.
    """
    if depth > _DEEPEST:
        raise Unreadable("pictures are nested too deep", "embed pictures once")
    soup = BeautifulSoup(content.decode("utf-8-sig"), "html.parser")
    pictures, references = _embedded(soup)
    scripts = tuple(
        Script(f"script {i}", tag.get_text()) for i, tag in enumerate(soup.find_all("script"), start=1) if tag.get_text().strip()
    )
    tables = tuple(Table(f"table {i}", tuple(_rows(tag))) for i, tag in enumerate(soup.find_all("table"), start=1))
    for tag in soup.find_all("script"):
        tag.decompose()
    document = Document(
        name=name,
        tables=tables,
        texts=(Text("attributes and comments", _hidden(soup)), Text("text", _visible(soup))),
        pictures=tuple(p for p in pictures if p.kind == "png"),
        scripts=scripts,
        references=tuple(references),
    )
    for picture in pictures:
        if picture.kind == "svg":
            document = _with_drawing(document, read_html(name, picture.content, depth=depth + 1), picture.place)
    return document


def _with_drawing(document: Document, drawing: Document, place: str) -> Document:
    """Add what an embedded drawing holds."""
    return Document(
        name=document.name,
        tables=document.tables + drawing.tables,
        texts=document.texts + tuple(Text(f"{place}, {t.place}", t.text) for t in drawing.texts),
        pictures=document.pictures + drawing.pictures,
        scripts=document.scripts + drawing.scripts,
        references=document.references + drawing.references,
    )


def _visible(soup: BeautifulSoup) -> str:
    """Give all text outside attributes, shown or not: blocks on lines of their own, cells a tabulator apart, styles left out."""
    for tag in soup.find_all(_BREAKS.keys()):
        tag.append(_BREAKS[tag.name])
    for tag in soup.find_all("style"):
        tag.decompose()
    return re.sub(r"\n\s*\n+", "\n", soup.get_text())


def _hidden(soup: BeautifulSoup) -> str:
    """Give comments, and attribute values that carry words: a reader of the file sees them, a reader of the page does not."""
    comments = [str(text) for text in soup.find_all(string=lambda s: isinstance(s, Comment))]
    attributes = [str(value) for tag in soup.find_all(True) for key, value in tag.attrs.items() if _carries_words(key, str(value))]
    return "\n".join(comments + attributes)


def _carries_words(key: str, value: str) -> bool:
    return key in ("title", "alt", "value", "content", "placeholder", "label", "summary") or (
        key.startswith(("data-", "aria-")) and bool(value)
    )


def _rows(table: Tag) -> Iterator[tuple[str, ...]]:
    """Give the rows of a table; a cell that spans columns or rows stands in each."""
    carried: dict[int, tuple[str, int]] = {}
    for row in table.find_all("tr"):
        spanning: dict[int, tuple[str, int]] = {}
        cells: list[str] = []
        for cell in [c for c in row.find_all(["th", "td"]) if c.find_parent("tr") is row]:
            _fill(cells, carried, spanning)
            text, n_rows = " ".join(cell.get_text(" ").split()), _span(cell, "rowspan")
            for _ in range(_span(cell, "colspan")):
                if n_rows > 1:
                    spanning[len(cells)] = (text, n_rows - 1)
                cells.append(text)
        _fill(cells, carried, spanning)
        carried = spanning
        if cells:
            yield tuple(cells)


def _fill(cells: list[str], carried: dict[int, tuple[str, int]], spanning: dict[int, tuple[str, int]]) -> None:
    """Write the cells that reach down from the row above, and carry on those that reach further."""
    while len(cells) in carried:
        text, left = carried[len(cells)]
        if left > 1:
            spanning[len(cells)] = (text, left - 1)
        cells.append(text)


def _span(cell: Tag, attribute: str) -> int:
    text = str(cell.get(attribute, "1")).strip()
    return min(max(int(text), 1), 1000) if text.isdecimal() else 1


def _embedded(soup: BeautifulSoup) -> tuple[list[Picture], list[Reference]]:
    """Find what attributes and styles embed or load."""
    pictures: list[Picture] = []
    references: list[Reference] = []
    for tag in soup.find_all(True):
        for key, value in list(tag.attrs.items()):
            text = " ".join(value) if isinstance(value, list) else str(value)
            loads = key in _LOADING or (key == "href" and tag.name in ("link", "image", "use", "base"))
            _look(text, f"{tag.name} {key}", pictures, references)
            if (loads and not text.startswith(("data:", "#"))) or (key == "style" and _CSS_URL.search(text)):
                references.append(Reference(f"{tag.name} {key}", "loaded from elsewhere"))
        if tag.name in ("iframe", "object", "embed", "applet", "form", "audio", "video"):
            references.append(Reference(tag.name, "not read"))
    for number, style in enumerate(soup.find_all("style"), start=1):
        _look(style.get_text(), f"style {number}", pictures, references)
        if _CSS_URL.search(style.get_text()):
            references.append(Reference(f"style {number}", "loaded from elsewhere"))
    return pictures, references


def _look(text: str, place: str, pictures: list[Picture], references: list[Reference]) -> None:
    """Take the data: URIs out of a text; a picture is decoded, anything else is a reference that is not read."""
    for uri in _DATA_URI.finditer(text):
        kind = _PICTURES.get((uri[1] or "").lower())
        if kind is None:
            references.append(Reference(place, "not read"))
            continue
        pictures.append(Picture(f"{place} (picture {len(pictures) + 1})", kind, _decode(uri[3], base64_coded=";base64" in uri[2].lower())))


def _decode(text: str, *, base64_coded: bool) -> bytes:
    raw = urllib.parse.unquote_to_bytes(text.replace("\n", "") if base64_coded else text)  # coded text may be broken into lines
    if not base64_coded:
        return raw
    try:
        return base64.b64decode(raw, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable("an embedded picture cannot be decoded", "make the report again") from error
