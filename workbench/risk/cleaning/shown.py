"""How cleaned words are shown: data and equations keep one word a meaning, people read their own language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.locale import tr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["shown_levels", "shown_unit", "shown_word"]

#: Words that cleaning writes, and what people read.
_WORDS = {"male": ("男", "male"), "female": ("女", "female")}


def shown_word(word: object) -> str:
    """Return what is shown for a level of a category.

    Examples
    --------
    >>> shown_word("female"), shown_word("II")
    ('女', 'II')
    """
    return tr(*_WORDS[str(word)]) if str(word) in _WORDS else str(word)


def shown_unit(unit: str) -> str:
    """Return what is shown for a unit; all but years are written alike everywhere."""
    return tr("岁", "years") if unit == "yr" else unit


def shown_levels(column: pd.Series) -> pd.Series:
    """Return a category with its levels as they are shown; any other column as it is."""
    if column.dtype != "category" or not set(map(str, column.cat.categories)) & _WORDS.keys():
        return column
    return column.cat.rename_categories([shown_word(level) for level in column.cat.categories])
