"""A fact of each patient, as a column of plain tables has it: numbers or words, by the table of items or by what stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.cleaning.changes import Change
from workbench.risk.cleaning.clean import clean
from workbench.risk.cleaning.values import read_categories, read_dates, read_numbers
from workbench.risk.extraction.readers import word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workbench.risk.cleaning.items import Item
    from workbench.risk.cleaning.steps import CleaningRules

__all__ = ["CATEGORIES", "REFUSED", "Fact", "left_out", "meaning_of", "no_such_item", "read_fact", "unusable"]

#: Rules that set what is no result of an item to missing. Where they take most of a column, it holds something else under that name.
_LOSSES = ("unreadable", "qualitative", "uncoded", "outlier")

#: Rules by which nobody knows in which unit a column is.
_UNITS = ("unit_doubtful", "unit_unknown")

#: What cleaning could not decide, and what the study's author writes to decide it; values so doubtful are no predictor.
REFUSED = {
    "unit_doubtful": "the values are plainly in another unit: say it in tables.units",
    "unit_unknown": "the unit does not fit the item: correct it in tables.units",
    **dict.fromkeys(_LOSSES, 'most values are no result of this item: tables.names: {<column>: ""} leaves it as it is'),
}

#: Why an item is no predictor where a study asks for all: rule of cleaning -> what the log says.
LEFT_OUT = {
    "unknown_item": ("名称不在项目目录中，或对应多个项目", "the name is not in the catalogue, or means several items"),
    "unit_doubtful": ("数值明显属于另一单位", "the values are plainly in another unit"),
    "unit_unknown": ("单位不适用于该项目", "the unit does not fit the item"),
    **dict.fromkeys(_LOSSES, ("多数值不是该项目的结果", "most values are no result of the item")),
}

#: So many values at least are needed to say that a column is not what its name says.
_FEWEST = 3

#: So many different texts are a category in any case.
_MOST_WORDS = 20

#: Kinds of items that are words.
_WORDS = ("sex", "blood_type", "code")
#: Kinds of items whose codes have a meaning in the table of items.
CATEGORIES = ("sex", "blood_type", "yes_no")
_NO_PREDICTOR = {"id": "an identifier", "date": "a date"}


class Fact(NamedTuple):
    """A fact of each patient: numbers, or words.

    Parameters
    ----------
    values : Series
        By person; float64, or words with None for what is missing.
    kind : {"number", "category", "yes_no"}
        What they are.
    item : Item or None
        Of the table of items.
    changes : tuple of Change
        What cleaning did.
    """

    values: pd.Series
    kind: str
    item: Item | None
    changes: tuple[Change, ...]


def read_fact(raw: pd.Series, found: Item | None, kind: str | None, *, codes: Mapping[str, object], rules: CleaningRules | None) -> Fact:
    """Read what a column says of each patient.

    Parameters
    ----------
    raw : Series
        By person, as it stands.
    found : Item or None
        What its name means.
    kind : {"number", "category", "yes_no"} or None
        What the protocol says that it is.
    codes : mapping of str to scalar
        What its codes mean, by :func:`~workbench.risk.extraction.readers.word`.
    rules : CleaningRules or None
        How it is cleaned; None: not at all.

    Returns
    -------
    Fact
        A column that holds something else than its name means (``ca`` for cancer) is read as it stands, and told.

    Raises
    ------
    DefinitionError
        If it holds what is no predictor, or cleaning cannot decide what it means.
    """
    what = found.kind if found else "date" if _are_dates(raw) else ""
    if what in _NO_PREDICTOR:
        raise DefinitionError(f"column {str(raw.name)!r} is {_NO_PREDICTOR[what]}, which is no predictor", hint="leave it out")
    of_item = found and kind in (None, _kind(found)) and not (codes and _kind(found) == "number")
    if found and rules and of_item:
        return _cleaned(raw, found, codes, rules)
    return _plain(raw, kind, codes)


def _cleaned(raw: pd.Series, found: Item, codes: Mapping[str, object], rules: CleaningRules) -> Fact:
    cleaned, name = clean(raw.to_frame(), rules=rules), str(raw.name)
    if no_such_item(cleaned.changes):
        other = Change(name, "", "unknown_item", 0, int(raw.notna().sum()), tr(f"不是{found.zh}", f"not {found.key}"))
        fact = _plain(raw, None, codes)
        return fact._replace(changes=(other, *fact.changes))
    if change := unusable(cleaned.changes).get(found.key):
        raise DefinitionError(f"column {name!r} cannot be used ({change.note})", hint=REFUSED[change.rule])
    values, changes = cleaned.table.iloc[:, 0], tuple(change for change in cleaned.changes if change.rule != "renamed")
    doubtful = any(change.rule == "codes_doubtful" for change in changes)
    if doubtful or _kind(found) == "category":
        return Fact(_words(values, codes if found.kind == "code" else {}), "category", found, changes)
    return Fact(values.astype(float), _kind(found), found, changes)


def no_such_item(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes of columns that hold something else than the item that their name means.

    Examples
    --------
    >>> cleaned = clean(pd.DataFrame({"ca": ["no", "yes", "metastatic"]}))  # cancer, and not calcium
    >>> [(change.item, change.rule) for change in no_such_item(cleaned.changes)]
    [('calcium', 'unreadable')]
    """
    lost: dict[str, int] = {}
    for change in changes:
        if change.rule in _LOSSES:
            lost[change.column] = lost.get(change.column, 0) + change.count
    return tuple(change for change in changes if change.rule in _LOSSES and lost[change.column] >= max(_FEWEST, change.of / 2))


def unusable(changes: Iterable[Change]) -> dict[str, Change]:
    """Return the items that cleaning left undecided, and why: a key of :data:`REFUSED`."""
    changes = tuple(changes)
    undecided = (change for change in changes if change.rule in _UNITS)
    return {change.item: change for change in (*no_such_item(changes), *undecided)}


def left_out(name: str, why: str) -> Change:
    """Return the log's line of an item that was not asked for by name and is no predictor; `why` is a key of :data:`LEFT_OUT`."""
    return Change(name, "", "left_out", 0, 0, tr(*LEFT_OUT[why]))


def _refuse_words(values: pd.Series, name: str) -> None:
    """Refuse texts of which nearly each is another, and numbers with a unit: no category has so many words."""
    given, different = int(values.notna().sum()), values.nunique()
    if different <= _MOST_WORDS:
        return
    if 2 * different > given:
        raise DefinitionError(
            f"column {name!r} has {different} different texts in {given} values, so it is no category",
            hint="kind: number reads numbers in texts; kind: category takes them as they are",
        )
    if values.dropna().astype(str).str.match(r"\s*\d").mean() > 0.5:
        raise DefinitionError(
            f"column {name!r} has {different} different texts, most of which begin with a number, so it is no category",
            hint="leave the unit out of the values; kind: category takes them as they are",
        )


def _kind(of: Item) -> str:
    return "category" if of.kind in _WORDS else "yes_no" if of.kind == "yes_no" else "number"


def meaning_of(meaning: object, of: Item) -> object:
    """Return the catalogue's word for what a code means."""
    read = read_categories(pd.Series([meaning], dtype=object), of.kind, codes={})
    value = None if read is None else read.values[0]
    if pd.isna(value):
        raise DefinitionError(f"a code of {of.key} cannot mean {meaning!r}", hint="e.g. {0: 女, 1: 男}, {0: no, 1: yes}")
    return value


def _are_dates(raw: pd.Series) -> bool:
    """Tell whether a column holds dates; of texts the first distinct ones are looked at."""
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        return True
    some = pd.Series(raw.dropna().unique()[:50])
    return some.dtype == object and pd.to_numeric(some, errors="coerce").isna().all() and bool(pd.notna(read_dates(some).values).any())


def _plain(raw: pd.Series, kind: str | None, codes: Mapping[str, object]) -> Fact:
    """Read a column that the table of items does not know."""
    name, changes = str(raw.name), ()
    if codes:
        raw, changes = _decoded(raw, codes)
    readers = {"yes_no": lambda column: read_categories(column, "yes_no"), "category": lambda _: None}
    read = readers.get(kind or "", read_numbers)(raw)
    if read is None and kind == "yes_no":
        raise DefinitionError(f"column {name!r} is written 1 and 2: which is yes?", hint="tables.codes: {" + name + ": {1: yes, 2: no}}")
    if read is None or (kind is None and np.isfinite(read.values).sum() * 2 < raw.notna().sum()):
        if kind is None:
            _refuse_words(raw, name)
        return Fact(_words(raw), "category", None, changes)
    values = pd.Series(read.values, index=raw.index)
    changes += tuple(Change(name, "", rule, count, int(raw.notna().sum())) for rule, count in read.counts.items())
    if no_such_item(changes):
        raise DefinitionError(f"most values of column {name!r} are no {kind}", hint="tables.codes says what codes mean; or kind: category")
    yes_no = kind is None and set(values.dropna().unique()) == {0.0, 1.0}
    return Fact(values, "yes_no" if yes_no else kind or "number", None, changes)


def _decoded(raw: pd.Series, codes: Mapping[str, object]) -> tuple[pd.Series, tuple[Change, ...]]:
    """Put meanings in place of codes; what has none is missing, and counted."""
    meanings = {word(meaning): meaning for meaning in codes.values()} | dict(codes)
    texts = raw.map(word, na_action="ignore")
    without = int((texts.notna() & ~texts.isin(list(meanings))).sum())
    decoded = texts.map(meanings.get, na_action="ignore").astype(object).rename(raw.name)
    counted = (("coded", int(decoded.notna().sum())), ("uncoded", without))
    return decoded, tuple(Change(str(raw.name), "", rule, count, int(raw.notna().sum())) for rule, count in counted if count)


def _words(values: pd.Series, codes: Mapping[str, object] | None = None) -> pd.Series:
    """Return a category's words: 2.0 is "2"."""
    codes = codes or {}

    def read(value: object) -> str:
        if word(value) in codes:
            return str(codes[word(value)])
        return str(int(value)) if isinstance(value, float | np.floating) and float(value).is_integer() else str(value).strip()

    texts = {value: read(value) for value in values.dropna().unique()}
    return values.map(texts, na_action="ignore").astype(object)
