"""A compiled definition as data: the SQL statements that answer it, in order, and how they are collected.

Deep definitions compile to tens of thousands of characters when they stay one statement, so every event set that is read
twice, every entry table and every counted criterion becomes a temporary table of its own. A statement is written once: what
compiles to the same text shares the table.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import ibis
from ibis.backends.sql.compilers.duckdb import compiler
from ibis.expr.operations import UnboundTable

from workbench.tables import table as declared_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import ibis.expr.types as ir

    from workbench.cohort.query import CodeItem, Definition, Events

__all__ = ["BY_CONCEPT", "Output", "Plan", "Script", "SqlStep", "TextStep", "base_table", "source", "sources", "to_sql"]

#: Table -> the name under which an engine offers the same rows ordered by concept; where a store keeps no such projection,
#: the name stands for the table itself.
BY_CONCEPT: dict[str, str] = {
    "condition_occurrence": "condition_by_concept",
    "drug_exposure": "drug_by_concept",
    "measurement": "measurement_by_concept",
}

_TYPES = {"integer": "int64", "number": "float64", "text": "string", "date": "date", "datetime": "timestamp(6)"}


@dataclass(frozen=True)
class SqlStep:
    """Make the temporary table `name` of what `sql` selects."""

    name: str
    sql: str


@dataclass(frozen=True)
class TextStep:
    """Make the temporary table `name`, one column ``key``: rows of `table` whose `column` holds one of `needles`.

    `needles` are normalised already (:func:`workbench.cohort.words.normalise`).
    """

    name: str
    table: str
    key: str
    column: str
    needles: tuple[str, ...]


@dataclass(frozen=True)
class Output:
    """The statements that select an answer; `parts` are those of a combination's cohorts."""

    rows: str
    entries: str = ""
    parts: tuple[Output, ...] = ()


@dataclass(frozen=True)
class Script:
    """All statements of a definition.

    Parameters
    ----------
    steps : tuple of SqlStep or TextStep
        To be carried out in order, on one connection.
    output : Output
        What to select then.
    tables : frozenset of str
        Tables and projections of the store that the statements read.
    """

    steps: tuple[SqlStep | TextStep, ...]
    output: Output
    tables: frozenset[str]

    def text(self) -> str:
        """Return the statements as one SQL script, for reading."""
        made = [_statement(step) for step in self.steps]
        return "\n\n".join([*made, *_selects(self.output)]) + "\n"


@dataclass
class Plan:
    """Steps collected while a definition is compiled.

    Parameters
    ----------
    vocabulary : bool
        Whether the store's ``concept`` has rows.
    rows_of : callable
        Compiles a definition inside this plan to its rows (person_id, start_date, end_date).
    cohorts : dict of definition to (rows, output)
        What is compiled already.
    shared : dict of Events to table
        Event sets whose table is read once for several of them; valid inside :meth:`scope`.
    concepts : dict of (included, excluded) items to table
        Concept sets that are resolved already, one column ``concept_id``.
    tables : set of str
        Tables of the store that the steps read.
    """

    vocabulary: bool
    rows_of: Callable[[Definition], ir.Table]
    steps: list[SqlStep | TextStep] = field(default_factory=list)
    cohorts: dict[Definition, tuple[ir.Table, Output]] = field(default_factory=dict)
    shared: dict[Events, ir.Table] = field(default_factory=dict)
    concepts: dict[tuple[tuple[CodeItem, ...], ...], ir.Table] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    _known: dict[object, str] = field(default_factory=dict)

    def keep(self, expression: ir.Table, stem: str) -> ir.Table:
        """Make a temporary table of `expression`, or find the one that holds it already."""
        sql = to_sql(expression)
        if sql not in self._known:
            self._known[sql] = self._name(stem)
            self.steps.append(SqlStep(self._known[sql], sql))
            self.tables |= sources(expression)
        return ibis.table(expression.schema(), name=self._known[sql])

    def text(self, table: str, key: str, column: str, needles: tuple[str, ...]) -> ir.Table:
        """Have the rows found whose text holds one of `needles`; a table with the column ``key``."""
        wanted = (table, key, column, tuple(sorted(set(needles))))
        if wanted not in self._known:
            self._known[wanted] = self._name("text")
            self.steps.append(TextStep(self._known[wanted], *wanted))
        return ibis.table({"key": "int64"}, name=self._known[wanted])

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Forget shared reads on leaving, and start without any: they hold the rows of one cohort's persons only."""
        outer, self.shared = self.shared, {}
        try:
            yield
        finally:
            self.shared = outer

    def _name(self, stem: str) -> str:
        return f"_{stem}_{len(self.steps) + 1}"


def base_table(name: str) -> str:
    """Return the table that a name stands for: itself, or that of a projection."""
    return next((table for table, projection in BY_CONCEPT.items() if projection == name), name)


@cache
def source(name: str, columns: tuple[str, ...]) -> ir.Table:
    """Return columns of a table of the store, unbound; their types come from the data contract.

    The columns are selected by name at once: what is not read costs neither time to compile nor bytes to scan, and
    ``SELECT *`` over a table would read it whole.
    """
    declared = declared_table(base_table(name))
    return ibis.table({column.name: _TYPES[column.type] for column in declared.columns}, name=name).select(*columns)


def sources(expression: ir.Table) -> set[str]:
    """Name the tables of the store that an expression reads."""
    return {table.name for table in expression.op().find(UnboundTable) if not table.name.startswith("_")}


def to_sql(expression: ir.Table) -> str:
    """Compile an expression to one line of DuckDB SQL; every literal is escaped by the compiler."""
    return compiler.to_sqlglot(expression).sql("duckdb")


def _statement(step: SqlStep | TextStep) -> str:
    if isinstance(step, SqlStep):
        return f'CREATE TEMP TABLE "{step.name}" AS\n{_pretty(step.sql)};'
    return f"-- {step.name}: {step.key} of {step.table} whose {step.column} holds one of {len(step.needles)} texts (index or scan)"


def _selects(output: Output) -> list[str]:
    inner = [text for part in output.parts for text in _selects(part)]
    return [*inner, *(f"{_pretty(sql)};" for sql in (output.entries, output.rows) if sql)]


def _pretty(sql: str) -> str:
    import sqlglot

    return sqlglot.transpile(sql, read="duckdb", write="duckdb", pretty=True)[0]
