"""Bringing tables of OMOP 5.3 or 5.4 into the data contract: names, types, and values that can be filled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.ingest.sources import SourceTable, identifier
from workbench.tables import TABLES, Column, Table

if TYPE_CHECKING:
    import duckdb

    from workbench.ingest.report import ImportReport

__all__ = ["Prepared", "cast_sql", "fill_sql", "prepare"]

_SQL_TYPES = {"integer": "BIGINT", "number": "DOUBLE", "text": "VARCHAR", "date": "DATE", "datetime": "TIMESTAMP"}
_INTEGERS = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT", "HUGEINT", "BOOLEAN")
_REALS = ("DOUBLE", "FLOAT", "REAL", "DECIMAL")
_TIMES = (
    *("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y%m%d", "%Y%m%d%H%M%S", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d"),
    *("%Y年%m月%d日", "%Y年%m月%d日 %H:%M:%S", "%Y.%m.%d"),
)
# Words that stand for "no value" in columns that are not text.
_NOTHING = ("", "na", "n/a", "nan", "null", "none", "nil", "\\n", "-", "--", "无")

# Columns of OMOP 5.3 (and misspellings in wide use) -> 5.4.
_VISIT_RENAMES = {
    "admitting_source_concept_id": "admitted_from_concept_id",
    "admitting_source_value": "admitted_from_source_value",
    "discharge_to_concept_id": "discharged_to_concept_id",
    "discharge_to_source_value": "discharged_to_source_value",
}
_RENAMED: dict[str, dict[str, str]] = {
    "visit_occurrence": _VISIT_RENAMES,
    "visit_detail": _VISIT_RENAMES | {"visit_detail_parent_id": "parent_visit_detail_id"},
    "cost": {"reveue_code_source_value": "revenue_code_source_value"},
    "note_nlp": {'"offset"': "offset"},
}

_SEX_WORDS = {8507: ("m", "male", "man", "男", "男性"), 8532: ("f", "female", "woman", "女", "女性")}


@dataclass(frozen=True)
class Prepared:
    """A source table under the name of a table of the contract.

    Parameters
    ----------
    declared : Table
        The table of the contract.
    source : SourceTable
        Where rows come from.
    columns : dict of str to str
        Source column by contract column; contract columns that are not there are absent.
    """

    declared: Table
    source: SourceTable
    columns: dict[str, str]


def prepare(connection: duckdb.DuckDBPyConnection, tables: list[SourceTable], report: ImportReport) -> list[Prepared]:
    """Match the tables of a source with the contract; what has no place in it is reported as ignored."""
    prepared = []
    for source in tables:
        if source.name not in TABLES:
            report.add("ignored", source.name, "", "not a table of OMOP 5.4", 1)
            continue
        prepared.append(_match(TABLES[source.name], _mend_header(connection, source, report), report))
    return prepared


def _match(declared: Table, source: SourceTable, report: ImportReport) -> Prepared:
    renamed = _RENAMED.get(declared.name, {})
    columns: dict[str, str] = {}
    for found in source.columns:
        plain = found.strip().lower()
        name = renamed.get(plain, plain)
        if name not in declared.names:
            if name != "_row":
                report.add("ignored", declared.name, found, "not a column of OMOP 5.4", 1)
            continue
        if name != plain:
            report.add("mended", declared.name, name, f"OMOP 5.3 name {plain}", 1)
        columns.setdefault(name, found)
    return Prepared(declared, source, columns)


def _mend_header(connection: duckdb.DuckDBPyConnection, source: SourceTable, report: ImportReport) -> SourceTable:
    """Read the header back where a loader took the header line for a row (``column0``, ``column1`` ...)."""
    if not all(re.fullmatch(r"column\d+", name) for name in source.columns if name != "_row"):
        return source
    names = [name for name in source.columns if name != "_row"]
    rows = connection.execute(f"SELECT {', '.join(map(identifier, names))} FROM {source.relation} LIMIT 1").fetchall()
    header = [str(value).lower() for value in rows[0]] if rows else []
    if not header or header[0] not in TABLES[source.name].names:
        return source
    renamed = ", ".join(f"{identifier(old)} AS {identifier(new)}" for old, new in zip(names, header, strict=True))
    first = identifier(names[0])
    relation = f"(SELECT {renamed} FROM {source.relation} WHERE lower(CAST({first} AS VARCHAR)) IS DISTINCT FROM '{header[0]}')"
    report.add("mended", source.name, "", "header line was stored as a row", 1)
    return SourceTable(source.name, relation, dict.fromkeys(header, "VARCHAR"), source.origin, source.unreadable)


def cast_sql(column: str, found: str, wanted: Column) -> str:
    """Write the SQL that gives a source column the type of the contract, NULL where a value does not fit.

    Parameters
    ----------
    column : str
        SQL of the source column.
    found : str
        Its DuckDB type.
    wanted : Column
        Column of the contract.

    Returns
    -------
    str
        SQL of type BIGINT, DOUBLE, VARCHAR, DATE or TIMESTAMP.
    """
    return _CASTS[wanted.type](column, found)


def _text(column: str, found: str) -> str:
    return f"nullif({column}, '')" if found == "VARCHAR" else f"CAST({column} AS VARCHAR)"


def _trimmed(column: str, found: str) -> str:
    text = f"trim({column})" if found == "VARCHAR" else f"CAST({column} AS VARCHAR)"
    return f"CASE WHEN lower({text}) NOT IN {_NOTHING} THEN {text} END"


def _integer(column: str, found: str) -> str:
    if found in _INTEGERS:
        return f"TRY_CAST({column} AS BIGINT)"
    if found.startswith(_REALS):
        return f"CASE WHEN {column} = floor({column}) THEN TRY_CAST({column} AS BIGINT) END"
    return f"TRY_CAST(regexp_extract({_trimmed(column, found)}, '^([+-]?[0-9]+)(\\.0*)?$', 1) AS BIGINT)"


def _number(column: str, found: str) -> str:
    if found in _INTEGERS:
        return f"TRY_CAST({column} AS DOUBLE)"
    value = f"TRY_CAST({column} AS DOUBLE)" if found.startswith(_REALS) else f"TRY_CAST({_trimmed(column, found)} AS DOUBLE)"
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def _datetime(column: str, found: str) -> str:
    if found in ("DATE", "TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"):
        return f"TRY_CAST({column} AS TIMESTAMP)"
    if found == "TIMESTAMP WITH TIME ZONE":
        return f"({column} AT TIME ZONE 'UTC')"
    text = _trimmed(column, found)
    return f"coalesce(try_strptime({text}, {list(_TIMES)}), TRY_CAST({text} AS TIMESTAMP))"


def _date(column: str, found: str) -> str:
    return f"CAST({_datetime(column, found)} AS DATE)"


_CASTS = {"integer": _integer, "number": _number, "text": _text, "date": _date, "datetime": _datetime}


def missing_sql(column: str, found: str, wanted: Column) -> str:
    """Write the SQL that tells whether a source value says nothing (NULL, empty, or a word for it)."""
    if wanted.type != "text" and found.startswith(("DOUBLE", "FLOAT")):
        return f"({column} IS NULL OR isnan({column}))"
    if found != "VARCHAR" or wanted.type == "text":
        return f"({column} IS NULL)"
    return f"({column} IS NULL OR lower(trim({column})) IN {_NOTHING})"


def null_sql(wanted: Column) -> str:
    """Write a NULL of the column's type."""
    return f"CAST(NULL AS {_SQL_TYPES[wanted.type]})"


def fill_sql(declared: Table, column: Column, *, absent: bool) -> tuple[str, str] | None:
    """Say how an empty required value is filled.

    Parameters
    ----------
    declared : Table
        The table.
    column : Column
        A required column of it.
    absent : bool
        Whether the source has no such column at all.

    Returns
    -------
    (str, str) or None
        SQL of the value and the name of the rule; None where nothing can stand in.
    """
    name = column.name
    if name == "gender_concept_id":
        words = " ".join(f"WHEN lower(gender_source_value) IN {words} THEN {concept}" for concept, words in _SEX_WORDS.items())
        return f"CASE {words} ELSE 0 END", "sex read from gender_source_value, else 0"
    if name == "year_of_birth":
        return "year(birth_datetime)", "year taken from birth_datetime"
    if name.endswith("_concept_id") and name not in declared.key:
        return "0", "no concept: 0"
    if column.type == "date" and f"{name}time" in declared.names:
        return f"CAST({name}time AS DATE)", f"day taken from {name}time"
    if absent and declared.key == (name,) and name != "person_id":
        return "row_number() OVER ()", "key was absent: rows numbered"
    return _VALIDITY.get(name)


_VALIDITY = {
    "valid_start_date": ("DATE '1970-01-01'", "OMOP's date for always"),
    "valid_end_date": ("DATE '2099-12-31'", "OMOP's date for always"),
}
