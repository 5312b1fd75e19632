"""Find Chinese identity and mobile numbers in text by their form, check digit, date and province."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Hit", "is_identity_number", "scan"]

#: GB/T 2260: the first two digits of an identity number name a province.
PROVINCES = frozenset({*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 91})
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"
_DIGITS = re.compile(r"(?<![0-9])[0-9](?:[\s\-.·]?[0-9]){9,16}(?:[\s\-.·]?[0-9X])?(?![0-9])")


@dataclass(frozen=True)
class Hit:
    """A number found: code points `start` to `end` of the text, and what it is."""

    start: int
    end: int
    kind: str
    kind_zh: str


def is_identity_number(digits: str) -> bool:
    """Return whether 18 characters are a resident identity number (GB 11643-1999): province, date and check character."""
    if len(digits) != 18 or not digits[:17].isdigit() or int(digits[:2]) not in PROVINCES:
        return False
    try:
        born = date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    except ValueError:
        return False
    weighted = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, digits[:17], strict=True))
    return 1900 <= born.year <= 2100 and digits[17].upper() == _CHECK[weighted % 11]


def scan(text: str) -> Iterator[Hit]:
    """Find identity numbers (18 characters) and mobile numbers (11 digits), full width and spaced ones included."""
    folded = "".join(_fold(character) for character in text)
    for match in _DIGITS.finditer(folded):
        digits = re.sub(r"[^0-9X]", "", match.group())
        if is_identity_number(digits):
            yield Hit(match.start(), match.end(), "identity_number", "身份证号")
        elif len(digits) == 11 and re.fullmatch(r"1[3-9]\d{9}", digits):
            yield Hit(match.start(), match.end(), "mobile_number", "手机号")


def _fold(character: str) -> str:
    """Fold one character to half width and upper case, never changing its length."""
    folded = unicodedata.normalize("NFKC", character).upper()
    return folded if len(folded) == 1 else character
