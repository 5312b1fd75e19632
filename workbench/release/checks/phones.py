"""Chinese mobile phone numbers: 11 digits from 13 to 19, with or without the country's code, in the groupings people write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workbench.release.checks.writing import numbers_in
from workbench.release.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.release.checks.parts import Document, Scope
    from workbench.release.checks.writing import Run

__all__ = ["find"]

_NAME = "mobile phone"
_MOBILE = re.compile(r"1[3-9]\d{9}")
_ADVICE = "remove the column or the text; results need no telephone numbers"
#: How people group the 11 digits; other groupings are neighbouring figures of a table.
_GROUPINGS = frozenset({(11,), (3, 4, 4), (3, 8), (7, 4), (4, 3, 4), (4, 4, 3), (3, 3, 5), (3, 3, 3, 2), (1,) * 11})
#: Between groups: blanks, dashes and dots; a comma, a tabulator or a bar parts figures.
_BETWEEN = re.compile(r"[ \-_.·]{1,3}")
#: What may stand before the number proper as a piece of its own or glued to it.
_COUNTRY = ("0086", "86")


def find(document: Document, _scope: Scope) -> Iterator[Finding]:
    """Find mobile numbers in all text of a document, one finding a line."""
    for text in document.texts:
        lines = {run.line for run in numbers_in(text.text) if _holds_number(run)}
        for line in sorted(lines):
            yield document.finding(_NAME, Severity.BLOCK, f"{text.place}, line {line}", "the form of a mobile phone number", _ADVICE)


def _holds_number(run: Run) -> bool:
    bare = tuple(_without_country(piece) for piece in run.pieces)
    return any(_is_number(run, bare, first) for first in range(len(bare)))


def _without_country(piece: str) -> str:
    for code in _COUNTRY:
        if piece.startswith(code) and len(piece) == len(code) + 11:
            return piece.removeprefix(code)
    return piece


def _is_number(run: Run, pieces: tuple[str, ...], first: int) -> bool:
    """Tell whether a number begins at the piece `first`, in one of the groupings, alike between its groups."""
    if (first > 0 and run.between[first - 1] == ".") or (first == 0 and run.before == "."):
        return False  # the digits after a decimal point
    lengths: tuple[int, ...] = ()
    for last in range(first, min(len(pieces), first + 11)):
        lengths += (len(pieces[last]),)
        if sum(lengths) >= 11:
            break
    between = run.between[first : first + len(lengths) - 1]
    alike = len(set(between)) <= 1 and all(_BETWEEN.fullmatch(part) for part in between)
    return lengths in _GROUPINGS and alike and _MOBILE.fullmatch("".join(pieces[first : first + len(lengths)])) is not None
