"""Codelists read from CSV files."""

from __future__ import annotations

import csv
import difflib
import io
from typing import TYPE_CHECKING

from workbench.codelists.build import clean_code, once
from workbench.codelists.nodes import CodeItem, Codelist
from workbench.errors import DataError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["codelist_from_csv"]

_TRUE = ("true", "1", "yes", "y", "是")
_FALSE = ("false", "0", "no", "n", "否", "")
_COLUMNS = ("code", "system", "descendants", "exclude")


def codelist_from_csv(path: Path, *, system: str = "", descendants: bool = False, name: str = "") -> Codelist:
    """Read a codelist from a CSV file.

    Parameters
    ----------
    path : Path
        UTF-8 (or GB 18030, as Chinese spreadsheets write it) with the column ``code`` and, where wanted, ``system``,
        ``descendants`` and ``exclude`` (true/false, 1/0, yes/no, 是/否). Other columns, such as a term, are not read.
    system, descendants
        Taken where the file has no such column.
    name : str
        Shown on screen; the file's name where empty.

    Returns
    -------
    Codelist
        The codes in the file's order.

    Raises
    ------
    DataError
        If the file cannot be read.
    DefinitionError
        If a column is missing or mistyped, or a line is wrong; the message names the line.
    """
    lines = csv.DictReader(io.StringIO(_read_text(path)), skipinitialspace=True)
    _check_columns(path, lines.fieldnames or ())
    items: dict[bool, list[CodeItem]] = {False: [], True: []}
    for number, line in enumerate(lines, start=2):
        try:
            excluded = _flag(line, "exclude", default=False)
            items[excluded].append(_item(line, system, descendants))
        except DefinitionError as error:
            raise DefinitionError(f"{path.name}, line {number}: {error.message}", hint=error.hint) from error
    both = sorted({item.code for item in items[True]} & {item.code for item in items[False]})
    if both:
        raise DefinitionError(f"{path.name} both includes and excludes {', '.join(both)}")
    return Codelist(once(items[False]), once(items[True]), name or path.stem)


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"codelist {path} cannot be read: {error.strerror}") from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(f"codelist {path} is neither UTF-8 nor GB 18030", hint="save it as CSV UTF-8")


def _check_columns(path: Path, found: Iterable[str]) -> None:
    names = list(found)
    for name in names:
        close = difflib.get_close_matches(name or "", [column for column in _COLUMNS if column not in names], n=1, cutoff=0.75)
        if close and name not in _COLUMNS:
            raise DefinitionError(f"{path.name} has a column {name!r}", hint=f"did you mean {close[0]!r}?")
    if "code" not in names:
        raise DefinitionError(f"{path.name} has no column 'code'; it has {', '.join(map(repr, names)) or 'none'}")


def _item(line: Mapping[str, str | None], system: str, descendants: bool) -> CodeItem:
    named = (line.get("system") or "").strip() or system
    if not named:
        raise DefinitionError("no code system is named", hint="add a column 'system' or give system=")
    return CodeItem(clean_code(line.get("code") or "", named), named, _flag(line, "descendants", default=descendants))


def _flag(line: Mapping[str, str | None], column: str, *, default: bool) -> bool:
    word = (line.get(column) or "").strip().lower()
    if column not in line or (not word and default):
        return default
    if word not in (*_TRUE, *_FALSE):
        raise DefinitionError(f"{column} is {word!r}; wanted true or false")
    return word in _TRUE
