"""Which columns of plain tables mean something to a study, so that they are no results of items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.risk.protocol.parts import NUMBERS

if TYPE_CHECKING:
    from workbench.risk.cleaning.items import Item
    from workbench.risk.extraction.columns import Columns
    from workbench.risk.protocol.protocol import Protocol

__all__ = ["belongs", "carried", "ending", "fact_columns", "known_at"]


def belongs(item: Item, source: str) -> bool:
    """Tell whether an item is one of all ``labs`` or ``vitals``."""
    if item.kind not in ("number", "grade", "yes_no") or item.group == "person":
        return False
    return source != "images" and (item.group == "vital") == (source == "vitals")


def carried(columns: Columns, study: Protocol) -> dict[str, str]:
    """Return sites and sub-groups that stand in a column, and the column; the others are predictors by results.

    Parameters
    ----------
    columns : Columns
        The tables.
    study : Protocol
        What is asked.

    Returns
    -------
    dict of str to str

    Raises
    ------
    DefinitionError
        If a word is neither.
    """
    sources = [predictor for predictor in study.predictors if predictor.source in NUMBERS]
    named = {word for predictor in sources for word in (predictor.name, *predictor.of)}
    every = [predictor.source for predictor in sources if predictor.of == ("all",)]

    def predicted(name: str) -> bool:
        item = columns.item_of(name)
        return name in named or bool(item and any(belongs(item, source) for source in every))

    names = dict.fromkeys(filter(None, [study.validation.site, *study.subgroups]))
    return {name: columns.column(_own_word(study, name)) for name in names if not predicted(name)}


def _own_word(study: Protocol, name: str) -> str:
    """Return the column of a predictor that has a name of its own."""
    own = [predictor.of[0] for predictor in study.predictors if predictor.name == name and len(predictor.of) == 1]
    return own[0] if own else name


def ending(columns: Columns, study: Protocol) -> frozenset[str]:
    """Return the columns that say how and when it ended."""
    return frozenset(map(columns.column, study.outcome.columns))


def known_at(columns: Columns, study: Protocol) -> dict[str, str]:
    """Return columns that became known at a time of their own, and the column of that time."""
    dated = [predictor for predictor in study.predictors if predictor.known_at]
    return {columns.column(name): columns.column(predictor.known_at) for predictor in dated for name in predictor.of}


def fact_columns(columns: Columns, study: Protocol) -> frozenset[str]:
    """Return the columns that are facts of a patient, or say who belongs to the study and how it ended."""
    asked = [name for predictor in study.predictors if predictor.source in ("column", "person") for name in predictor.of]
    asked += [study.index.at, *(rule.column for rule in study.rules)]
    found = {columns.column(name) for name in filter(None, asked)}
    return frozenset(found | ending(columns, study) | set(carried(columns, study).values()) | set(known_at(columns, study).values()))
