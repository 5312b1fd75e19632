"""Chinese identity numbers: 18 characters with province, date and check character (GB 11643-1999), and the 15 digits before 1999.

The check character alone would pass 1 random number in 11; with a possible date and a province, about 1.5 in 100,000.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from workbench.identifiers import PROVINCES, is_identity_number
from workbench.release.checks.writing import numbers_in
from workbench.release.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.release.checks.parts import Document, Scope
    from workbench.release.checks.writing import Run

__all__ = ["find", "is_old_identity_number"]

_NAME = "identity number"
_ADVICE = "remove the column or the text; results need no identity numbers"
#: Most pieces in which a number may be written, such as province-county-date-rest in neighbouring cells.
_MOST_PIECES = 6


def find(document: Document, _scope: Scope) -> Iterator[Finding]:
    """Find identity numbers in all text of a document, one finding a line."""
    for text in document.texts:
        lines = {run.line for run in numbers_in(text.text) if _holds_number(run)}
        for line in sorted(lines):
            yield document.finding(_NAME, Severity.BLOCK, f"{text.place}, line {line}", "the form of a Chinese identity number", _ADVICE)


def is_old_identity_number(digits: str) -> bool:
    """Tell whether 15 digits are an identity number of the old form: province and a date of the twentieth century.

    >>> is_old_identity_number("110101900307123"), is_old_identity_number("990101900307123")
    (True, False)
    """
    if len(digits) != 15 or not digits.isdigit() or int(digits[:2]) not in PROVINCES:
        return False
    try:
        date(1900 + int(digits[6:8]), int(digits[8:10]), int(digits[10:12]))
    except ValueError:
        return False
    return digits[2:4] != "00"


def _holds_number(run: Run) -> bool:
    if any(is_identity_number(digits.upper()) for digits, _, _ in run.windows(18, most_pieces=_MOST_PIECES)):
        return True
    # Without a check digit a number in pieces would be found by chance, and a decimal fraction is not one.
    whole = (digits for digits, between, first in run.windows(15, most_pieces=1) if not between and not _is_fraction(run, first))
    return any(is_old_identity_number(digits) for digits in whole)


def _is_fraction(run: Run, first: int) -> bool:
    return (first > 0 and run.between[first - 1] == ".") or (first == 0 and run.before == ".")
