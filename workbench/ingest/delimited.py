"""Delimited text files as they come from hospitals: any of the usual encodings, packed or not, and nothing else guessed."""

from __future__ import annotations

import codecs
import csv
import glob
import gzip
import shutil
from typing import TYPE_CHECKING, Any

from workbench.errors import DataError
from workbench.ingest.rows import checked_header
from workbench.store.arrange import quoted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["as_utf8", "reader_sql"]

_BLOCK_BYTES = 1 << 22
_HEADER_CHARACTERS = 1 << 20
_MAX_LINE_BYTES = 1 << 22  # DuckDB holds 16 of these
_DELIMITERS = ("\t", ",", ";", "|")


def _opener(path: Path) -> Callable[..., Any]:
    return gzip.open if path.suffix.lower() == ".gz" else open


def _encoding(path: Path) -> str:
    """Find the encoding of a text file by decoding all of it: UTF-8, UTF-16 with a mark, else GB18030."""
    with _opener(path)(path, "rb") as stream:
        head = stream.read(len(codecs.BOM_UTF16_LE))
    if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    encodings = (encoding for encoding in ("utf-8", "gb18030") if _decodes(path, encoding))
    found = next(encodings, None)
    if found is None:
        raise DataError(f"{path.name} is neither UTF-8 nor GB18030 text", hint="save it as UTF-8")
    return found


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with _opener(path)(path, "rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def as_utf8(path: Path, work: Path) -> Path:
    """Give a file as UTF-8: itself where it is, else a copy in the folder `work`.

    Raises
    ------
    DataError
        If the file is in no encoding that is known here, or cannot be unpacked.
    """
    try:
        encoding = _encoding(path)
        if encoding == "utf-8":
            return path
        target = work / f"{path.name.split('.', maxsplit=1)[0]}.csv"
        target.parent.mkdir(parents=True, exist_ok=True)
        with _opener(path)(path, "rt", encoding=encoding, newline="") as source, target.open("w", encoding="utf-8", newline="") as sink:
            shutil.copyfileobj(source, sink, _BLOCK_BYTES)
    except (gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path.name} cannot be unpacked: {error}", hint="is the file whole?") from error
    return target


def reader_sql(path: Path) -> str:
    """Write the call that reads a CSV file as text columns; nothing is guessed but the delimiter, from the header line.

    Tab-separated files (Athena's) know no quotes.
    """
    with _opener(path)(path, "rt", encoding="utf-8-sig", newline="") as stream:
        line = stream.readline(_HEADER_CHARACTERS)
    delimiter = max(_DELIMITERS, key=line.count)
    quote = "" if delimiter == "\t" else '"'
    cells = next(csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE), [])
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in checked_header(cells, path))
    name = quoted(glob.escape(str(path)))
    return (
        f"read_csv({name}, delim = {quoted(delimiter)}, quote = {quoted(quote)}, escape = {quoted(quote)}, header = true, "
        f"auto_detect = false, columns = {{{columns}}}, nullstr = '', max_line_size = {_MAX_LINE_BYTES}, strict_mode = false, "
        "store_rejects = true)"
    )
