"""The mapping file: how tables of any form become those of the contract, as YAML, fully checked before a row is read.

``templates/mappings/README.md`` lists the keys; ``tongji.yaml`` beside it is a whole one. Every error names the place in the file
(``events[2].melt.units``) and, for a misspelt name, the nearest one that would do.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from workbench.domains import DOMAINS, SETTINGS, SEXES
from workbench.errors import DefinitionError
from workbench.tables import TABLES, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["Mapping", "Melt", "SourceFile", "Target", "Value", "parse_mapping", "read_mapping"]

Scalar = str | int | float | bool


@dataclass(frozen=True)
class SourceFile:
    """A table of the source: a file (or several by a glob), or a table of a database file."""

    file: str = ""
    table: str = ""
    sheet: str | None = None
    header_row: int = 1
    fill_down: tuple[str, ...] = ()
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Value:
    """Where the value of a column comes from.

    Parameters
    ----------
    kind : {"column", "const", "birth_year", "id", "join"}
        A source column; the same for all rows; year of birth of who has the age `columns[0]` on the day `columns[1]`; the key,
        made from source columns, of the table that the target column refers to; columns put together.
    columns : tuple of str
        Source columns.
    const : scalar or None
        The value, for ``const``.
    lookup : dict of str to scalar
        What each source value becomes; one that is not here becomes `default`.
    default : scalar or None
        For values that `lookup` does not have.
    format : str
        How times are written, as strptime takes it; empty for the usual forms.
    scale : float
        What numbers are multiplied by.
    between : str
        What stands between the parts, for ``join``.
    """

    kind: str
    columns: tuple[str, ...] = ()
    const: Scalar | None = None
    lookup: dict[str, Scalar] = field(default_factory=dict)
    default: Scalar | None = None
    format: str = ""
    scale: float = 1.0
    between: str = " "


@dataclass(frozen=True)
class Melt:
    """Source columns that each hold one item's value: one row an item and value.

    Parameters
    ----------
    columns : tuple of str
        Columns to melt; empty for all but `others`.
    others : tuple of str
        Columns that are no items.
    units : dict of str to str
        Unit by source column.
    names : dict of str to str
        What an item is to be called, where not as its column.
    """

    columns: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """Rows of one table of the contract, made from one table of the source.

    Parameters
    ----------
    table, source : str
        Table of the contract, table of the source.
    where : str
        Place in the mapping file, for messages.
    key : tuple of str
        Source columns that name a row; empty for one row a source row.
    person, visit : tuple of str
        Source columns that name the person and the visit.
    start, end, code, value, unit : Value or None
        First and last time, source code, result, unit: each fills the columns that the table has for it.
    columns : dict of str to Value
        Any other column of the table.
    condition : dict of str to tuple of str
        Values that a source column must have for a row to count.
    melt : Melt or None
        For tables with one column an item.
    """

    table: str
    source: str
    where: str
    key: tuple[str, ...] = ()
    person: tuple[str, ...] = ()
    visit: tuple[str, ...] = ()
    start: Value | None = None
    end: Value | None = None
    code: Value | None = None
    value: Value | None = None
    unit: Value | None = None
    columns: dict[str, Value] = field(default_factory=dict)
    condition: dict[str, tuple[str, ...]] = field(default_factory=dict)
    melt: Melt | None = None


@dataclass(frozen=True)
class Mapping:
    """A whole mapping file."""

    source: str
    tables: dict[str, SourceFile]
    targets: tuple[Target, ...]


#: Columns whose values may be given as the researcher's words.
WORDS: dict[str, dict[str, int]] = {
    "visit_concept_id": {word: concepts[0] for word, concepts in SETTINGS.items()},
    "gender_concept_id": {word: concepts[0] for word, concepts in SEXES.items()},
}

_FILE_KEYS = ("file", "table", "sheet", "header_row", "fill_down", "missing")
_VALUE_KINDS = ("column", "const", "birth_year", "id", "join")
_VALUE_KEYS = (*_VALUE_KINDS, "at", "lookup", "default", "format", "scale", "between")
_MELT_KEYS = ("columns", "except", "units", "names")
_TARGET_KEYS = (
    "table",
    "from",
    "key",
    "person",
    "visit",
    "start",
    "end",
    "code",
    "value",
    "unit",
    "setting",
    "sex",
    "columns",
    "where",
    "melt",
)
_ALIASES = {"setting": "visit_concept_id", "sex": "gender_concept_id"}
_TOP_KEYS = ("source", "tables", "person", "visits", "events")


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key given twice is an error, not a silent loss of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = [key for key in keys if keys.count(key) > 1]
        if repeated:
            raise DefinitionError(f"key {repeated[0]!r} is given twice (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises
    ------
    DefinitionError
        If the file is not YAML or anything in it cannot mean something.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506  (a SafeLoader)
    except OSError as error:
        raise DefinitionError(f"the mapping {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DefinitionError(
            f"the mapping {path} is not YAML: {str(error).splitlines()[0]}", hint="save it as UTF-8; indent with blanks"
        ) from error
    return parse_mapping(document)


def parse_mapping(document: object) -> Mapping:
    """Check a mapping that was read from YAML.

    Parameters
    ----------
    document : object
        What the YAML holds.

    Returns
    -------
    Mapping

    Raises
    ------
    DefinitionError
        Naming the place in the file and what was wanted there.
    """
    top = _fields(document, "", _TOP_KEYS, needed=("tables", "person"))
    tables = {_table_name(name): _source_file(entry, f"tables.{name}") for name, entry in _mapping(top["tables"], "tables").items()}
    person = _target(top["person"], "person", tables, table="person")
    if not person.key:
        raise DefinitionError("person.key is missing", hint="name the source column that tells persons apart")
    visits = [
        _target(entry, f"visits[{at}]", tables, table="visit_occurrence", person=person.key)
        for at, entry in _items(top.get("visits"), "visits")
    ]
    events = [_target(entry, f"events[{at}]", tables, person=person.key) for at, entry in _items(top.get("events"), "events")]
    return Mapping(_text(top.get("source", "tables by a mapping"), "source"), tables, (person, *visits, *events))


# Checks: each takes a value and its place in the file. -----------------------------------------------------------------


def near(name: object, known: Iterable[str]) -> str:
    """Say which known name is nearest, or which there are."""
    names = [str(each) for each in known]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(names[:40])}"


def _mapping(value: object, place: str) -> dict[Any, Any]:
    if not isinstance(value, dict) or not value:
        raise DefinitionError(f"{place or 'the mapping'} is {_kind(value)}; wanted keys with values")
    return value


def _kind(value: object) -> str:
    return "empty" if value in (None, {}, []) else f"a {type(value).__name__}"


def _fields(value: object, place: str, known: tuple[str, ...], *, needed: tuple[str, ...] = ()) -> dict[str, Any]:
    entry = _mapping(value, place)
    inside = f"{place}." if place else ""
    for key in entry:
        if key not in known:
            raise DefinitionError(f"{inside}{key} is no key of a mapping file", hint=near(key, known))
    for key in needed:
        if key not in entry:
            raise DefinitionError(f"{inside}{key} is missing")
    return entry


def _table_name(name: object) -> str:
    if "/" in str(name) or str(name).startswith("."):
        raise DefinitionError(f"tables.{name}: the name of a table is a word of your choice, not a path", hint="the path goes under file")
    return str(name)


def _items(value: object, place: str) -> list[tuple[int, object]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise DefinitionError(f"{place} is {_kind(value)}; wanted a list, each entry behind a dash")
    return list(enumerate(value))


def _text(value: object, place: str) -> str:
    if not isinstance(value, str) or not value:
        raise DefinitionError(f"{place} is {_kind(value)}; wanted text")
    return value


def _names(value: object, place: str) -> tuple[str, ...]:
    """One column name, or a list of them."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise DefinitionError(f"{place} is empty; wanted a column, or a list of columns")
    return tuple(_text(each, place) for each in values)


def _scalars(value: object, place: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    for each in values:
        _scalar(each, place)
    return tuple(str(each) for each in values)


def _scalar(value: object, place: str) -> Scalar:
    if not isinstance(value, Scalar):
        raise DefinitionError(f"{place} is {_kind(value)}; wanted text or a number")
    return value


def _by_name(value: object, place: str, check: Callable[[object, str], Any]) -> dict[str, Any]:
    return {str(key): check(each, f"{place}.{key}") for key, each in _mapping(value, place).items()} if value is not None else {}


def _source_file(value: object, place: str) -> SourceFile:
    entry = _fields(value, place, _FILE_KEYS)
    if ("file" in entry) == ("table" in entry):
        raise DefinitionError(f"{place} has {'both file and table' if 'file' in entry else 'neither file nor table'}; wanted one of them")
    header_row = entry.get("header_row", 1)
    if not isinstance(header_row, int) or header_row < 1:
        raise DefinitionError(f"{place}.header_row is {header_row!r}; wanted a row number from 1")
    return SourceFile(
        file=_text(entry["file"], f"{place}.file") if "file" in entry else "",
        table=_text(entry["table"], f"{place}.table") if "table" in entry else "",
        sheet=_text(entry["sheet"], f"{place}.sheet") if "sheet" in entry else None,
        header_row=header_row,
        fill_down=_names(entry["fill_down"], f"{place}.fill_down") if "fill_down" in entry else (),
        missing=_by_name(entry.get("missing"), f"{place}.missing", _scalars),
    )


def _value(value: object, place: str, column: str = "") -> Value:
    """Read a value: a bare word is a source column (or, where the target has words, one of these); the rest is spelt out."""
    words = WORDS.get(column, {})
    if not isinstance(value, dict):
        if isinstance(value, str) and value in words:
            return Value("const", const=words[value])
        if words and isinstance(value, str):
            raise DefinitionError(f"{place} is {value!r}", hint=near(value, words) + " or {column: NAME, lookup: {VALUE: WORD}}")
        return Value("column", (_text(value, place),))
    entry = _fields(value, place, _VALUE_KEYS)
    kinds = [kind for kind in _VALUE_KINDS if kind in entry]
    if len(kinds) != 1:
        raise DefinitionError(f"{place} has {' and '.join(kinds) or 'none'} of {', '.join(_VALUE_KINDS)}; wanted one of them")
    kind = kinds[0]
    lookup = _by_name(entry.get("lookup"), f"{place}.lookup", lambda each, at: _word(each, at, words))
    return Value(
        kind,
        columns=() if kind == "const" else _value_columns(entry, kind, place),
        const=_word(entry["const"], f"{place}.const", words) if kind == "const" else None,
        lookup=lookup,
        default=_word(entry["default"], f"{place}.default", words) if "default" in entry else None,
        format=_text(entry["format"], f"{place}.format") if "format" in entry else "",
        scale=_number(entry.get("scale", 1.0), f"{place}.scale"),
        between=str(entry.get("between", " ")),
    )


def _value_columns(entry: dict[str, Any], kind: str, place: str) -> tuple[str, ...]:
    columns = _names(entry[kind], f"{place}.{kind}")
    if kind == "birth_year":
        if "at" not in entry:
            raise DefinitionError(f"{place}.at is missing", hint="the column with the day on which the person had that age")
        return (*columns[:1], _text(entry["at"], f"{place}.at"))
    if kind == "column" and len(columns) > 1:
        raise DefinitionError(f"{place}.column has {len(columns)} columns; wanted one", hint="put several together with join")
    return columns


def _word(value: object, place: str, words: dict[str, int]) -> Scalar:
    scalar = _scalar(value, place)
    if words and isinstance(scalar, str):
        if scalar not in words:
            raise DefinitionError(f"{place} is {scalar!r}", hint=near(scalar, words))
        return words[scalar]
    return scalar


def _number(value: object, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DefinitionError(f"{place} is {_kind(value)}; wanted a number")
    return float(value)


def _melt(value: object, place: str) -> Melt:
    entry = _fields(value, place, _MELT_KEYS)
    if ("columns" in entry) == ("except" in entry):
        raise DefinitionError(f"{place} wants either columns (the items) or except (the columns that are no items)")
    return Melt(
        columns=_names(entry["columns"], f"{place}.columns") if "columns" in entry else (),
        others=_names(entry["except"], f"{place}.except") if "except" in entry else (),
        units=_by_name(entry.get("units"), f"{place}.units", _text),
        names=_by_name(entry.get("names"), f"{place}.names", _text),
    )


def _target(value: object, place: str, tables: dict[str, SourceFile], *, table: str = "", person: tuple[str, ...] = ()) -> Target:
    entry = _fields(value, place, _TARGET_KEYS, needed=("from",) if table else ("from", "table"))
    name = _text(entry.get("table", table), f"{place}.table")
    if name not in TABLES:
        raise DefinitionError(f"{place}.table is {name!r}", hint=near(name, TABLES))
    source = _text(entry["from"], f"{place}.from")
    if source not in tables:
        raise DefinitionError(f"{place}.from is {source!r}, which tables does not have", hint=near(source, tables))
    declared = TABLES[name]
    return Target(
        name,
        source,
        place,
        key=_names(entry["key"], f"{place}.key") if "key" in entry else (),
        person=_names(entry["person"], f"{place}.person") if "person" in entry else person,
        visit=_names(entry["visit"], f"{place}.visit") if "visit" in entry else (),
        **{word: _value(entry[word], f"{place}.{word}") for word in ("start", "end", "code", "value", "unit") if word in entry},
        columns=_columns(entry, place, declared),
        condition=_by_name(entry.get("where"), f"{place}.where", _scalars),
        melt=_melt(entry["melt"], f"{place}.melt") if "melt" in entry else None,
    )


def _columns(entry: dict[str, Any], place: str, declared: Table) -> dict[str, Value]:
    columns = {}
    for name, value in _by_name(entry.get("columns"), f"{place}.columns", lambda each, _at: each).items():
        if name not in declared.names:
            raise DefinitionError(f"{place}.columns.{name}: table {declared.name} has no such column", hint=near(name, declared.names))
        columns[name] = _value(value, f"{place}.columns.{name}", name)
    for word, name in _ALIASES.items():
        if word in entry:
            if name not in declared.names:
                raise DefinitionError(f"{place}.{word}: table {declared.name} has no {name}")
            columns[name] = _value(entry[word], f"{place}.{word}", name)
    return columns


def source_value_column(table: str) -> str:
    """Name the column of a table that holds the source code; empty where it has none."""
    return next((domain.source_value for domain in DOMAINS.values() if domain.table == table), "")
