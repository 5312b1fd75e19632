"""What the words of a study mean in its plain tables: facts of a patient, and items that are measured again and again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.risk.cleaning.steps import CleaningRules
from workbench.risk.extraction.facts import CATEGORIES, Fact, meaning_of, read_fact
from workbench.risk.extraction.readers import PlainTable, pairs, unknown, word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.risk.cleaning.items import Item
    from workbench.risk.protocol.parts import Rule, Tables

__all__ = ["Columns", "Part"]

_MEASURED = "what is measured again and again is asked as labs; an index and an outcome are one a patient"


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
            if len(found) == 1 and found[0].kind in CATEGORIES:
                codes[found[0].key] = {code: meaning_of(meaning, found[0]) for code, meaning in meanings.items()}
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
        """Read a column as numbers or words of the patients of a study; cleaning looks at no others.

        Parameters
        ----------
        column : str
            Its name.
        kind : str or None
            What the protocol says that it is; None: as its values say.
        persons : Index
            Whom it is read of.

        Returns
        -------
        Fact

        Raises
        ------
        DefinitionError
            If it holds what is no predictor, or cleaning cannot decide what it means.
        """
        if column in self._own:
            raise DefinitionError(f"column {column!r} says how the tables are read, so it is no predictor", hint="leave it out")
        raw = self.raw(column).reindex(persons)
        for table in self.tables:
            if column in table.cells:
                _refuse_late(table, column)
        return read_fact(raw, self.item_of(column), kind, codes=self.codes(column), rules=self.rules if self.layout.clean else None)

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

    def _refuse_units(self, key: str, parts: tuple[Part, ...]) -> None:
        """Refuse an item in several units where nothing converts them."""
        units = {part.unit for part in parts if part.key == key and part.unit and not (part.item and self.layout.clean)}
        if len(units) > 1:
            raise DefinitionError(
                f"{key!r} is in {len(units)} units, and nothing says how to convert them", hint="tables.names, clean: true"
            )

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
            self._refuse_units(keys[0], parts)
            return keys[0]
        if one := self.item_of(asked):
            raise DefinitionError(
                f"the tables have no {asked!r} ({one.zh}, {one.en})",
                hint="tables.names says what a column means: {column: " + one.key + "}",
            )
        raise unknown("item", asked, [*(part.name for part in parts), *(part.item.zh for part in parts if part.item)])


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
    if persons.is_unique:
        return 0
    found = values.notna().to_numpy()
    codes, _ = pd.factorize(values[found].map(word) if values.dtype == object else values[found])
    spread = pd.Series(codes).groupby(persons[found].to_numpy()).agg(["min", "max"])
    return int((spread["min"] != spread["max"]).sum())
