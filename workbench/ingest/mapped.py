"""Carrying out a mapping: source files become relations, targets become SQL over them with the columns of the contract."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workbench.errors import DefinitionError
from workbench.ingest.mapping import Mapping, SourceFile, Target, Value, near, source_value_column
from workbench.ingest.omop import Prepared, cast_sql
from workbench.ingest.sources import SourceTable, identifier, open_source, read_file
from workbench.store.arrange import parquet_relation, quoted
from workbench.tables import TABLES, Column

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from workbench.ingest.report import ImportReport

__all__ = ["Preview", "map_sources", "preview"]

_EHR = 32817  # OMOP type concept: from a hospital's records
_UNPIVOTED = ("_item", "_value")
_NUMBER = r"^\s*(?:[<>]=?|≤|≥|＜|＞)?\s*([+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*$"
# Beginning of a result -> OMOP operator concept; the longer ones first.
_OPERATORS = (
    ("<=", 4171754),
    ("≤", 4171754),
    (">=", 4171755),
    ("≥", 4171755),
    ("<", 4171756),
    ("＜", 4171756),
    (">", 4172704),
    ("＞", 4172704),
)


@dataclass(frozen=True)
class Preview:
    """What a target would give: its table, number of rows, and the first rows of the columns that are set."""

    table: str
    rows: int
    columns: tuple[str, ...]
    first: tuple[tuple[object, ...], ...]


def map_sources(connection: duckdb.DuckDBPyConnection, mapping: Mapping, path: Path, work: Path, report: ImportReport) -> list[Prepared]:
    """Open what a mapping names and give its targets as tables of the contract.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where relations live.
    mapping : Mapping
        The mapping.
    path : Path
        Folder or file that the mapping's files lie in.
    work : Path
        Folder for copies.
    report : ImportReport
        Hears of values that a lookup does not have and of persons described in more than one way.

    Returns
    -------
    list of Prepared
        One a table; several targets of one table are put together.

    Raises
    ------
    DataError
        If a file is not there or cannot be read.
    DefinitionError
        If the mapping names a column that its source does not have.
    """
    sources = {name: _open(connection, name, file, path, work) for name, file in mapping.tables.items()}
    relations: dict[str, list[tuple[Target, str, list[str]]]] = {}
    for target in mapping.targets:
        plan = _Plan(target, sources[target.source])
        plan.count_surprises(connection, report)
        relations.setdefault(target.table, []).append((target, plan.sql(), plan.columns))
    return [_together(table, parts, path.name) for table, parts in relations.items()]


def preview(connection: duckdb.DuckDBPyConnection, prepared: list[Prepared], rows: int = 5) -> list[Preview]:
    """Give the number of rows and the first ones of each table, as mapped and not yet judged."""
    shown = []
    for each in prepared:
        columns = ", ".join(map(identifier, each.columns))
        ((count,),) = connection.execute(f"SELECT count(*) FROM {each.source.relation}").fetchall()
        first = connection.execute(f"SELECT {columns} FROM {each.source.relation} LIMIT {int(rows)}").fetchall()
        shown.append(Preview(each.declared.name, count, tuple(each.columns), tuple(first)))
    return shown


def _together(table: str, parts: list[tuple[Target, str, list[str]]], origin: str) -> Prepared:
    union = " UNION ALL BY NAME ".join(f"({sql})" for _, sql, _ in parts)
    names = dict.fromkeys(name for _, _, columns in parts for name in columns)
    source = SourceTable(table, f"({union})", dict.fromkeys(names, "VARCHAR"), origin)
    return Prepared(TABLES[table], source, {name: name for name in names})


# Sources ---------------------------------------------------------------------------------------------------------------


def _open(connection: duckdb.DuckDBPyConnection, name: str, file: SourceFile, path: Path, work: Path) -> SourceTable:
    """Open a source table as text columns with the number of each row, gaps filled and codes for "missing" removed."""
    place = f"tables.{name}"
    found = _find(connection, name, file, path, work)
    _known(found, (*file.fill_down, *file.missing), place)
    kept = [column for column in found.columns if column != "_row"]
    row = "_row" if "_row" in found.columns else "row_number() OVER ()"
    target = work / "mapped" / f"{name}.parquet"
    target.parent.mkdir(exist_ok=True)
    cleaned = ", ".join(f"{_cleaned(column, found.columns[column], file)} AS {identifier(column)}" for column in kept)
    filled = ", ".join(
        f"last_value({identifier(column)} IGNORE NULLS) OVER (ORDER BY _row) AS {identifier(column)}"
        if column in file.fill_down
        else identifier(column)
        for column in kept
    )
    connection.execute(
        f"COPY (SELECT _row, {filled} FROM (SELECT {row} AS _row, {cleaned} FROM {found.relation})) TO {quoted(target)} (FORMAT parquet)"
    )
    return replace(found, relation=parquet_relation(target), columns=dict.fromkeys(kept, "VARCHAR"))


def _cleaned(column: str, kind: str, file: SourceFile) -> str:
    text = f"nullif(trim(CAST({identifier(column)} AS VARCHAR)), '')" if kind != "VARCHAR" else f"nullif(trim({identifier(column)}), '')"
    codes = file.missing.get(column, ())
    return f"CASE WHEN {text} NOT IN ({', '.join(map(quoted, codes))}) THEN {text} END" if codes else text


def _find(connection: duckdb.DuckDBPyConnection, name: str, file: SourceFile, path: Path, work: Path) -> SourceTable:
    if file.table:
        tables = {table.name: table for table in open_source(connection, path, work)}
        if file.table.lower() not in tables:
            raise DefinitionError(f"tables.{name}.table is {file.table!r}, which {path.name} does not have", hint=near(file.table, tables))
        return tables[file.table.lower()]
    files = [path] if path.is_file() else sorted(path.glob(file.file))
    if not files:
        raise DefinitionError(
            f"tables.{name}.file is {file.file!r}, which is not in {path}", hint=near(file.file, [each.name for each in path.iterdir()])
        )
    if len(files) > 1:
        raise DefinitionError(
            f"tables.{name}.file is {file.file!r}, which fits {len(files)} files", hint="name one file; give each its own entry"
        )
    return read_file(connection, name, files[0], work, sheet=file.sheet, header_row=file.header_row)


def _known(source: SourceTable, columns: tuple[str, ...], place: str) -> None:
    for column in columns:
        if column not in source.columns:
            raise DefinitionError(
                f"{place}: {source.origin} has no column {column!r}", hint=near(column, [name for name in source.columns if name != "_row"])
            )


# Targets ---------------------------------------------------------------------------------------------------------------


class _Plan:
    """One target as SQL."""

    def __init__(self, target: Target, source: SourceTable) -> None:
        self.target = target
        self.source = source
        self.declared = TABLES[target.table]
        self.items = self._items()
        self._check_columns()
        self.values = self._values()

    @property
    def columns(self) -> list[str]:
        """Columns of the contract that the target sets."""
        return list(self.values)

    def _check_columns(self) -> None:
        target = self.target
        named: dict[str, tuple[str, ...]] = {"key": target.key, "where": tuple(target.condition), "visit": target.visit}
        if self.declared.person:
            named["person"] = target.person
        for word in ("start", "end", "code", "value", "unit"):
            value = getattr(target, word)
            named[word] = value.columns if value else ()
        named |= {f"columns.{name}": value.columns for name, value in target.columns.items()}
        for word, columns in named.items():
            _known(self.source, columns, f"{target.where}.{word}")

    def _items(self) -> tuple[str, ...]:
        melt = self.target.melt
        if melt is None:
            return ()
        place = f"{self.target.where}.melt"
        for word, columns in {
            "columns": melt.columns,
            "except": melt.others,
            "units": tuple(melt.units),
            "names": tuple(melt.names),
        }.items():
            _known(self.source, columns, f"{place}.{word}")
        items = melt.columns or tuple(column for column in self.source.columns if column not in melt.others)
        strays = [column for column in (*melt.units, *melt.names) if column not in items]
        if strays:
            raise DefinitionError(
                f"{place}: {strays[0]!r} has a unit or a name and is no item", hint="take it out of except, or drop the unit"
            )
        return items

    def _values(self) -> dict[str, str]:
        """Write the SQL of every column of the contract that is set, over a row of the source (melted where asked)."""
        target, declared = self.target, self.declared
        values: dict[str, str] = {}
        if declared.key and declared.key != ("person_id",) and declared[declared.key[0]].type == "integer":
            values[declared.key[0]] = _key_sql(declared.name, target.key) if target.key else self._row_key()
        if declared.person:
            values[declared.person] = _key_sql("person", target.person)
        if target.visit:
            values["visit_occurrence_id"] = _key_sql("visit_occurrence", target.visit)
        if declared.name == "person":
            values["person_id"] = _key_sql("person", target.key)
            values["person_source_value"] = _joined(target.key, "|")
        values |= {column.name: str(_EHR) for column in declared.columns if column.required and column.name.endswith("_type_concept_id")}
        values |= self._times() | self._coded() | self._melted()
        values |= {name: self._value(value, declared[name]) for name, value in target.columns.items()}
        return {name: sql for name, sql in values.items() if name in declared.names}

    def _row_key(self) -> str:
        parts = [quoted(self.target.where), "CAST(_row AS VARCHAR)", *(["_item"] if self.items else [])]
        return _hash_sql([quoted(self.declared.name), *parts])

    def _times(self) -> dict[str, str]:
        """Fill the column of the day and, where the source gives an hour, that of the time."""
        filled = {}
        for value, day in ((self.target.start, self.declared.start), (self.target.end, self.declared.end)):
            if value is None:
                continue
            if not day:
                raise DefinitionError(
                    f"{self.target.where}: table {self.declared.name} has no column for that time", hint="set it under columns"
                )
            text = self._text(value)
            filled[day] = text
            filled[f"{day}time"] = f"CASE WHEN contains({text}, ':') THEN {text} END"
        return filled

    def _coded(self) -> dict[str, str]:
        target, filled = self.target, {}
        if target.code is not None:
            column = source_value_column(target.table)
            if not column:
                raise DefinitionError(
                    f"{target.where}.code: table {target.table} has no column for a code", hint="set the column under columns"
                )
            filled[column] = self._text(target.code)
        if target.value is not None:
            filled |= _result(self._text(target.value), target.value.scale)
        if target.unit is not None:
            filled["unit_source_value"] = self._text(target.unit)
        return filled

    def _melted(self) -> dict[str, str]:
        melt = self.target.melt
        if melt is None:
            return {}
        column = source_value_column(self.target.table)
        named = {item: melt.names.get(item, item) for item in self.items}
        return {column: _lookup("_item", named, None), "unit_source_value": _lookup("_item", melt.units, None), **_result("_value", 1.0)}

    def _text(self, value: Value) -> str:
        """Write a value as text."""
        if value.kind == "const":
            return quoted(value.const)
        if value.kind == "join":
            return f"nullif({_joined(value.columns, value.between)}, '')"
        column = identifier(value.columns[0])
        if value.format:
            column = f"CAST(try_strptime({column}, {quoted(value.format)}) AS VARCHAR)"
        return _lookup(column, value.lookup, value.default) if value.lookup or value.default is not None else column

    def _value(self, value: Value, column: Column) -> str:
        if value.kind == "birth_year":
            age, day = (identifier(name) for name in value.columns)
            return _birth_year(cast_sql(day, "VARCHAR", _DAY), cast_sql(age, "VARCHAR", _AGE))
        if value.kind == "id":
            if not column.references:
                raise DefinitionError(
                    f"{self.target.where}.columns.{column.name}: id is for columns that refer to a table; this one refers to none"
                )
            return _key_sql(column.references, value.columns)
        text = self._text(value)
        return text if value.scale == 1.0 else f"CAST(TRY_CAST({text} AS DOUBLE) * {value.scale!r} AS VARCHAR)"

    def sql(self) -> str:
        """Write the query of the target; every column is text, to be cast and judged like any other source."""
        rows = self._rows()
        if not self.target.key:
            return f"SELECT {', '.join(f'CAST({sql} AS VARCHAR) AS {identifier(name)}' for name, sql in self.values.items())} FROM {rows}"
        keys = ", ".join(map(identifier, self.target.key))
        known = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in self.target.key)
        first = ", ".join(f"arg_min(CAST({sql} AS VARCHAR), _row) AS {identifier(name)}" for name, sql in self.values.items())
        return f"SELECT {first} FROM {rows} WHERE {known} GROUP BY {keys}"

    def _rows(self) -> str:
        condition = (
            " AND ".join(f"{identifier(name)} IN ({', '.join(map(quoted, values))})" for name, values in self.target.condition.items())
            or "true"
        )
        rows = f"(SELECT * FROM {self.source.relation} WHERE {condition})"
        if not self.items:
            return rows
        name, value = _UNPIVOTED
        return f"(UNPIVOT {rows} ON {', '.join(map(identifier, self.items))} INTO NAME {name} VALUE {value})"

    def count_surprises(self, connection: duckdb.DuckDBPyConnection, report: ImportReport) -> None:
        """Count values that a lookup does not have, and rows of one key that say different things."""
        for name, value in self.target.columns.items():
            if value.lookup and value.default is None:
                column = identifier(value.columns[0])
                strange = f"{column} NOT IN ({', '.join(map(quoted, value.lookup))})"
                ((rows,),) = connection.execute(f"SELECT count(*) FROM {self._rows()} WHERE {strange}").fetchall()
                report.add("noted", self.declared.name, name, "value is not in the lookup: left empty", rows)
        if self.target.key:
            self._count_contradictions(connection, report)

    def _count_contradictions(self, connection: duckdb.DuckDBPyConnection, report: ImportReport) -> None:
        keys = ", ".join(map(identifier, self.target.key))
        counts = ", ".join(f"count(DISTINCT {sql}) > 1 AS {identifier(name)}" for name, sql in self.values.items())
        sums = ", ".join(f"count(*) FILTER ({identifier(name)})" for name in self.values)
        [found] = connection.execute(f"SELECT {sums} FROM (SELECT {counts} FROM {self._rows()} GROUP BY {keys})").fetchall()
        for name, rows in zip(self.values, found, strict=True):
            report.add("noted", self.declared.name, name, "source rows of one key differ: the first was taken", rows)


_DAY = Column("day", "date")
_AGE = Column("age", "number")


def _lookup(column: str, values: dict[str, object], default: object) -> str:
    if not values:
        return f"coalesce({column}, {quoted(default)})" if default is not None else "CAST(NULL AS VARCHAR)"
    cases = " ".join(f"WHEN {quoted(key)} THEN {quoted(value)}" for key, value in values.items())
    other = quoted(default) if default is not None else "NULL"
    return f"CASE {column} {cases} ELSE {other} END"


def _birth_year(day: str, age: str) -> str:
    """Write the year in the middle of the birthdays that an age in whole years allows, so that it gives that age back."""
    return f"CAST(year({day} - to_years(CAST(floor({age}) AS INTEGER)) - INTERVAL 183 DAYS) AS VARCHAR)"


def _joined(columns: tuple[str, ...], between: str) -> str:
    return f"concat_ws({quoted(between)}, {', '.join(map(identifier, columns))})"


def _hash_sql(parts: list[str]) -> str:
    """Write a key of 62 bits from the MD5 of its parts: the same in every import, and no counter to keep."""
    return f"CAST(CAST(md5_number_lower(concat_ws(chr(31), {', '.join(parts)})) >> 2 AS BIGINT) AS VARCHAR)"


def _key_sql(table: str, columns: tuple[str, ...]) -> str:
    """Write the key of a row that source columns name; NULL where one of them is empty."""
    known = " AND ".join(f"{identifier(column)} IS NOT NULL" for column in columns)
    return f"CASE WHEN {known} THEN {_hash_sql([quoted(table), *map(identifier, columns)])} END"


def _result(text: str, scale: float) -> dict[str, str]:
    """Split a result into number and operator; what is no number stays in value_source_value."""
    operators = " ".join(f"WHEN starts_with(trim({text}), {quoted(sign)}) THEN '{concept}'" for sign, concept in _OPERATORS)
    number = f"TRY_CAST(regexp_extract({text}, {quoted(_NUMBER)}, 1) AS DOUBLE)"
    return {
        "value_as_number": number if scale == 1.0 else f"{number} * {scale!r}",
        "operator_concept_id": f"CASE {operators} END",
        "value_source_value": text,
    }
