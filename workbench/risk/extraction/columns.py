"""What the words of a study mean in its plain tables: facts of a patient, and items that are measured again and again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.risk.cleaning.changes import Change
from workbench.risk.cleaning.clean import clean
from workbench.risk.cleaning.steps import CleaningRules
from workbench.risk.cleaning.values import read_categories, read_dates, read_numbers
from workbench.risk.extraction.readers import PlainTable, pairs, unknown, word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workbench.risk.cleaning.items import Item
    from workbench.risk.protocol.parts import Rule, Tables

__all__ = ["REFUSED", "Columns", "Fact", "Part", "no_such_item"]

#: Rules that set what is no result of an item to missing. Where they take most of a column, it holds something else under that name.
_LOSSES = ("unreadable", "qualitative", "uncoded", "outlier")

#: What cleaning could not decide, and what the study's author writes to decide it; values so doubtful are no predictor.
REFUSED = {
    "unit_doubtful": "the values are plainly in another unit: say it in tables.units",
    "unit_unknown": "the unit does not fit the item: correct it in tables.units",
    **dict.fromkeys(_LOSSES, 'most values are no result of this item: tables.names: {<column>: ""} leaves it as it is'),
}

_MEASURED = "what is measured again and again is asked as labs; an index and an outcome are one a patient"

#: So many values at least are needed to say that a column is not what its name says.
_FEWEST = 3

#: Kinds of items that are words.
_WORDS = ("sex", "blood_type", "code")
_CATEGORIES = ("sex", "blood_type", "yes_no")
_NO_PREDICTOR = {"id": "an identifier", "date": "a date"}


class Part(NamedTuple):
    """Where values of an item stand: a column of a table, or the rows of a table that give it by a name and a unit."""

    table: int
    name: str
    unit: str
    item: Item | None

    @property
    def key(self) -> str:
        """Key of the item, or the name that the table has."""
        return self.item.key if self.item else self.name


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


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of plain tables, by what they mean.

    Parameters
    ----------
    tables : sequence of PlainTable
        The tables.
    layout : Tables
        What the protocol says of them.
    """

    tables: tuple[PlainTable, ...]
    layout: Tables

    @cached_property
    def rules(self) -> CleaningRules:
        """The protocol's words for cleaning; codes by the key of their item."""
        plain = CleaningRules(names=self.layout.names, units=self.layout.units)
        codes = {}
        for column, meanings in self.layout.codes.items():
            found = plain.find(column).items
            if len(found) == 1 and found[0].kind in _CATEGORIES:
                codes[found[0].key] = {code: _meaning(meaning, found[0]) for code, meaning in meanings.items()}
        return CleaningRules(names=self.layout.names, units=self.layout.units, codes=codes)

    def item_of(self, name: str, unit: str = "") -> Item | None:
        """Return the one item that a name means, if it is one."""
        found = self.rules.find(name, unit).items
        return found[0] if len(found) == 1 else None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, in order, each once."""
        return tuple(dict.fromkeys(str(name) for table in self.tables for name in table.cells.columns))

    @cached_property
    def _own(self) -> frozenset[str]:
        """Columns that say how a table is to be read."""
        layout = self.layout
        return frozenset({layout.patient, layout.time, layout.available, layout.item, layout.value, layout.unit})

    # facts of a patient ------------------------------------------------------------------------------------------------

    def column(self, asked: str) -> str:
        """Find the column that a word of the protocol means: by its own name, else by the item.

        Raises
        ------
        DefinitionError
            If there is none, or several.
        """
        if asked in self.names:
            return asked
        wanted = self.item_of(asked)
        found = [name for name in self.names if wanted and self.item_of(name) == wanted]
        if len(found) > 1:
            raise DefinitionError(f"{asked!r} may be {' or '.join(found)}", hint="write the name of the column")
        if not found:
            raise unknown("column", asked, self.names)
        return found[0]

    def raw(self, column: str) -> pd.Series:
        """Return what a column says of each patient, as it stands.

        Raises
        ------
        DataError
            If a table of one row a patient has patients more than once.
        DefinitionError
            If there is no such column, or its values change within a patient.
        """
        holders = [table for table in self.tables if column in table.cells]
        if not holders:
            raise unknown("column", column, self.names)
        found = pd.concat([_once(table, column) for table in holders])
        if varying := _varying(found.index, found):
            raise DefinitionError(
                f"column {column!r} differs between tables for {varying} patients", hint="keep it in one table, or rename one of them"
            )
        return found[~found.index.duplicated()].rename(column)

    def codes(self, column: str) -> dict[str, object]:
        """Return what the codes of a column mean, by the code as it is compared."""
        return {word(code): meaning for code, meaning in self.layout.codes.get(column, {}).items()}

    def matches(self, column: str, raw: pd.Series, wanted: Iterable[object]) -> pd.Series:
        """Tell which values are among those wanted, as the column writes them or by the meaning of their code."""
        wanted, codes = {word(one) for one in wanted}, self.codes(column)
        texts = raw.map(word, na_action="ignore")
        return texts.isin(wanted) | texts.map(lambda text: word(codes[text]) if text in codes else text, na_action="ignore").isin(wanted)

    def fact(self, column: str, kind: str | None, persons: pd.Index) -> Fact:
        """Read a column as numbers or words of the patients of a study.

        Parameters
        ----------
        column : str
            Its name.
        kind : str or None
            What the protocol says that it is; None: as its values say.
        persons : Index
            Whom it is read of; cleaning looks at no others.

        Returns
        -------
        Fact

        Raises
        ------
        DefinitionError
            If it holds what is no predictor, or cleaning cannot decide what it means.
        """
        raw, found = self.raw(column).reindex(persons), self.item_of(column)
        kept = "id" if column in self._own else found.kind if found else "date" if _are_dates(raw) else ""
        if kept in _NO_PREDICTOR:
            raise DefinitionError(f"column {column!r} is {_NO_PREDICTOR[kept]}, which is no predictor", hint="leave it out")
        for table in self.tables:
            if column in table.cells:
                _refuse_late(table, column)
        if found and self.layout.clean and kind in (None, _kind(found)):
            return self._cleaned(raw, found)
        return _plain(raw, kind, self.codes(column))

    def _cleaned(self, raw: pd.Series, found: Item) -> Fact:
        name = str(raw.name)
        cleaned = clean(raw.to_frame(), rules=self.rules)
        if no_such_item(cleaned.changes):
            other = Change(name, "", "unknown_item", 0, int(raw.notna().sum()), f"not {found.key}")
            fact = _plain(raw, None, self.codes(name))
            return fact._replace(changes=(other, *fact.changes))
        for change in cleaned.changes:
            if change.rule in ("unit_doubtful", "unit_unknown"):
                raise DefinitionError(f"column {name!r} cannot be used ({change.note})", hint=REFUSED[change.rule])
        values = cleaned.table.iloc[:, 0]
        if any(change.rule == "codes_doubtful" for change in cleaned.changes):
            return Fact(_words(values), "category", found, cleaned.changes)
        if _kind(found) == "category":
            return Fact(_words(values, self.codes(name) if found.kind == "code" else {}), "category", found, cleaned.changes)
        return Fact(values.astype(float), _kind(found), found, cleaned.changes)

    def select(self, rule: Rule) -> Columns:
        """Keep who a rule asks for: rows of the tables of patients that have its column, and everything of the patients that are left."""
        tables = list(self.tables)
        holders = [place for place, table in enumerate(tables) if rule.column in table.cells]
        if not holders:
            raise unknown(f"column (rule {rule.name})", rule.column, self.names)
        for place in holders:
            if tables[place].form == "patients":
                kept = self._fulfils(rule, tables[place].cells[rule.column])
                tables[place] = tables[place].rows(kept.to_numpy())
                left = set(tables[place].person)
            else:
                kept = self._fulfils(rule, self.raw(rule.column))
                left = set(kept.index[kept])
            tables = [table.rows(table.person.isin(left).to_numpy()) for table in tables]
        return Columns(tuple(tables), self.layout)

    def _fulfils(self, rule: Rule, raw: pd.Series) -> pd.Series:
        if rule.at_least is None and rule.at_most is None and not rule.one_of:
            raise DefinitionError(f"rule {rule.name!r} asks nothing", hint="at_least, at_most or one_of")
        kept = raw.notna()
        if rule.one_of:
            kept &= self.matches(rule.column, raw, rule.one_of)
        if rule.at_least is not None or rule.at_most is not None:
            numbers = pd.to_numeric(raw, errors="coerce")
            if unread := int((raw.notna() & numbers.isna()).sum()):
                raise DataError(f"{unread} values of column {rule.column!r} are no numbers, which rule {rule.name!r} wants")
            low, high = (default if limit is None else limit for limit, default in ((rule.at_least, -np.inf), (rule.at_most, np.inf)))
            kept &= numbers.between(low, high)
        return kept

    # items ---------------------------------------------------------------------------------------------------------------

    def parts(self, without: frozenset[str] = frozenset(), *, left: bool = False) -> tuple[Part, ...]:
        """List where items stand.

        Parameters
        ----------
        without : frozenset of str
            Columns that mean something else to the study.
        left : bool
            Only those of which there is a row, not all that the files have.

        Returns
        -------
        tuple of Part
        """
        parts: list[Part] = []
        for place, table in enumerate(self.tables):
            if table.form == "results":
                listed = pairs(table.cells, self.layout) if left else table.listed
                parts += [Part(place, name, unit, self.item_of(name, unit)) for name, unit in listed]
            else:
                names = [str(name) for name in table.cells.columns if str(name) not in self._own | without]
                parts += [Part(place, name, "", self.item_of(name)) for name in names]
        return tuple(parts)

    def find(self, asked: str, parts: tuple[Part, ...]) -> str:
        """Find the key of the item that a word of the protocol means.

        Raises
        ------
        DefinitionError
            If nothing has that name, or several items.
        """
        there = {part.key for part in parts}
        named = sorted({part.key for part in parts if part.name == asked})
        keys = named or [one.key for one in self.rules.find(asked).items if one.key in there]
        if len(keys) > 1:
            raise DefinitionError(f"{asked!r} may be {' or '.join(keys)}", hint="write one of them")
        if keys:
            return keys[0]
        if one := self.item_of(asked):
            raise DefinitionError(
                f"the tables have no {asked!r} ({one.zh}, {one.en})",
                hint="tables.names says what a column means: {column: " + one.key + "}",
            )
        raise unknown("item", asked, [*(part.name for part in parts), *(part.item.zh for part in parts if part.item)])


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


def _kind(of: Item) -> str:
    return "category" if of.kind in _WORDS else "yes_no" if of.kind == "yes_no" else "number"


def _meaning(meaning: object, of: Item) -> object:
    """Return the catalogue's word for what a code means."""
    read = read_categories(pd.Series([meaning], dtype=object), of.kind, codes={})
    value = None if read is None else read.values[0]
    if pd.isna(value):
        raise DefinitionError(f"a code of {of.key} cannot mean {meaning!r}", hint="e.g. {0: 女, 1: 男}, {0: no, 1: yes}")
    return value


def _once(table: PlainTable, column: str) -> pd.Series:
    """Return the one value of each patient of a table; patients without one are left out."""
    values = pd.Series(table.cells[column].to_numpy(), index=table.person.to_numpy())
    if table.form == "patients":
        if twice := int(values.index.duplicated().sum()):
            raise DataError(
                f"{table.name} has {twice} rows more than patients, and no time",
                hint="one row a patient; or tables.time names when a row was taken; or a rule keeps one row of each",
            )
        return values.dropna()
    if varying := _varying(values.index, values):
        raise DefinitionError(f"column {column!r} changes within {varying} patients, so it is no fact of a patient", hint=_MEASURED)
    found = values.dropna()
    return found[~found.index.duplicated()]


def _refuse_late(table: PlainTable, column: str) -> None:
    """Refuse a fact that a patient's first row does not have: it was learnt later, and nobody says when."""
    if table.taken is None:
        return
    given = table.cells[column].notna()
    first = (table.taken == table.taken.groupby(table.person).transform("min")) | table.taken.isna()
    if late := len(set(table.person[given]) - set(table.person[given & first])):
        raise DefinitionError(
            f"column {column!r} is filled only later than the first row of {late} patients, so it is no fact of a patient", hint=_MEASURED
        )


def _varying(persons: pd.Index, values: pd.Series) -> int:
    """Count patients with more than one value."""
    found = values.notna().to_numpy()
    codes, _ = pd.factorize(values[found].map(word) if values.dtype == object else values[found])
    spread = pd.Series(codes).groupby(persons[found].to_numpy()).agg(["min", "max"])
    return int((spread["min"] != spread["max"]).sum())


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
    if read is None or (kind is None and np.isfinite(read.values).sum() * 2 < raw.notna().sum()):
        return Fact(_words(raw), "category", None, changes)
    values = pd.Series(read.values, index=raw.index)
    changes += tuple(Change(name, "", rule, count, int(raw.notna().sum())) for rule, count in read.counts.items())
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
