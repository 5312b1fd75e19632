"""What a document carries besides text and tables: pictures (their structure), scripts, and what it loads from elsewhere."""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING

from workbench.release.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.release.checks.parts import Document, Picture, Scope, Script

__all__ = ["find"]

_NAME = "embedded"
#: Chunks of a PNG that make its picture; any other carries text, times or anything at all (PNG specification, section 11).
_PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"pHYs", b"sRGB", b"gAMA", b"cHRM", b"sBIT", b"bKGD"})
#: The note that plotting libraries leave of themselves.
_HARMLESS_TEXT = re.compile(rb"Software\x00[\x20-\x7e]{0,80}")
#: A script longer than this, or with a list of numbers, can hold a table (characters).
_LONGEST_SCRIPT = 4000
_NUMBERS = re.compile(r"(?:-?\d+(?:\.\d+)?\s*,\s*){15,}")


def find(document: Document, _scope: Scope) -> Iterator[Finding]:
    """Look at pictures, scripts and references."""
    for picture in document.pictures:
        yield from _of_picture(document, picture)
    if document.pictures:
        reason = f"{len(document.pictures)} pictures: a machine does not read what they show"
        yield document.finding(_NAME, Severity.NOTE, "pictures", reason, "reviewer: look for single points, extremes and small groups")
    for script in document.scripts:
        yield _of_script(document, script)
    for place in sorted({reference.place for reference in document.references if reference.kind == "not read"}):
        yield document.finding(_NAME, Severity.BLOCK, place, "something embedded that is not read", "embed PNG or SVG pictures only")
    for place in sorted({reference.place for reference in document.references if reference.kind != "not read"}):
        yield document.finding(_NAME, Severity.WARN, place, "loads something from elsewhere when opened", "make the file self-contained")


def _of_script(document: Document, script: Script) -> Finding:
    if len(script.text) > _LONGEST_SCRIPT or _NUMBERS.search(script.text):
        return document.finding(_NAME, Severity.BLOCK, script.place, "a script that can hold data", "make the report without scripts")
    return document.finding(_NAME, Severity.WARN, script.place, "a script", "make the report without scripts")


def _of_picture(document: Document, picture: Picture) -> Iterator[Finding]:
    fault = _png_fault(picture.content)
    if fault:
        yield document.finding(_NAME, Severity.BLOCK, picture.place, fault, "save the picture again, without metadata")


def _png_fault(content: bytes) -> str:
    """Walk the chunks of a PNG; "" if it is whole and carries nothing but its picture."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "a picture that is not the PNG it says it is"
    at = 8
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        if (
            len(content) < at + 12 + length
            or zlib.crc32(kind + body) != struct.unpack(">I", content[at + 8 + length : at + 12 + length])[0]
        ):
            return "a broken picture"
        if kind not in _PNG_CHUNKS and not (kind == b"tEXt" and _HARMLESS_TEXT.fullmatch(body)):
            return "a picture that carries metadata or other data"
        at += 12 + length
        if kind == b"IEND":
            return "" if at == len(content) else "bytes after the end of a picture"
    return "a broken picture"
