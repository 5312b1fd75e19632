"""Numbers of a row that share the unit of its last: AST、ALT分别为40、50U/L."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nlp.quantities.context import comparator_before, record_of
from nlp.quantities.terms import NUMBER, chain

if TYPE_CHECKING:
    from nlp.annotations import Quantity

__all__ = ["rows"]

_ROW = re.compile(r"分别[约为是达在有:]{0,3} ?(?P<first>(?:[0-9]+(?:\.[0-9]+)? ?[、,，和及] ?){1,9})(?=[0-9])")
_ONE = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def rows(text: str) -> list[Quantity]:
    """Return the numbers before the last of each row that 分别 opens and that has one unit.

    Parameters
    ----------
    text : str
        A normalised text.

    Returns
    -------
    list of Quantity
        By place.

    Examples
    --------
    >>> [(one.values, one.unit) for one in rows("AST、ALT分别为40、50U/L")]
    [((40.0,), 'U/L')]
    """
    found = []
    for row in _ROW.finditer(text):
        terms, ops = chain(text, NUMBER.match(text, row.end()))
        unit = terms[0].unit
        if unit and not ops:
            for one in _ONE.finditer(text, row.start("first"), row.end("first")):
                start, sign = comparator_before(text, one.start())
                found.append(record_of("scalar", (float(one[0]),), unit, start, one.end(), sign, None))
    return found
