"""Read a JSON file, such as a model card: every list of objects as a table, every other value as a line of text and a cell."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from workbench.release.checks.parts import Document, Table, Text, Unreadable

__all__ = ["read_json"]

#: Deepest nesting that is followed.
_DEEPEST = 12


class _Found(NamedTuple):
    """A value at the end of a path; steps into a list are left out of it."""

    path: str
    key: str
    value: str


def read_json(name: str, content: bytes) -> Document:
    """Read a JSON file.

    Raises
    ------
    Unreadable
        If it is no JSON, a key stands twice, a number is none, or it is nested too deep.
    """
    text = content.decode("utf-8-sig")
    try:
        given = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Unreadable("the JSON cannot be parsed", "write it with a common tool, as UTF-8, without NaN") from error
    tables: list[Table] = []
    found = list(_walk(given, "", tables, _DEEPEST))
    facts = Table("values", (("", "value"), *((f"{each.path}.{each.key}".strip("."), each.value) for each in found)))
    return Document(name=name, tables=(*tables, facts), texts=(Text("text", text),))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _walk(given: Any, path: str, tables: list[Table], deepest: int) -> list[_Found]:
    """Give the single values of a tree, and add each list of it as a table."""
    if deepest == 0:
        raise Unreadable("the JSON is nested too deep", "write it flat")
    if isinstance(given, dict):
        return [each for key, value in given.items() for each in _walk_key(key, value, path, tables, deepest)]
    if isinstance(given, list):
        _add_table(given, path, tables, deepest)
        return []
    return [_Found(path.rpartition(".")[0], path.rpartition(".")[2], _text(given))]


def _walk_key(key: str, value: Any, path: str, tables: list[Table], deepest: int) -> list[_Found]:
    if isinstance(value, dict | list):
        return _walk(value, f"{path}.{key}".strip("."), tables, deepest - 1)
    return [_Found(path, key, _text(value))]


def _add_table(given: list[Any], path: str, tables: list[Table], deepest: int) -> None:
    """Read a list as a table: objects and lists are rows, anything else one column under the list's own name."""
    if not given:
        return
    place = f"list {path or 'of the file'}"
    if all(isinstance(row, dict) for row in given):
        rows = [{each.key: each.value for each in _walk(row, path, tables, deepest - 1)} for row in given]
        heads = tuple(dict.fromkeys(key for row in rows for key in row))
        tables.append(Table(place, (heads, *(tuple(row.get(head, "") for head in heads) for row in rows))))
        return
    rows = [row if isinstance(row, list) else [row] for row in given]
    width = max(map(len, rows))
    head = path.rpartition(".")[2]
    cells = tuple(tuple(_cell(value, f"{path}.{head}", tables, deepest) for value in row) for row in rows)
    own_head = isinstance(given[0], list) and all(isinstance(value, str) for value in given[0])
    tables.append(Table(place, cells if own_head else ((head,) * width, *cells)))


def _cell(value: Any, path: str, tables: list[Table], deepest: int) -> str:
    if isinstance(value, dict | list):
        return "; ".join(f"{each.key} {each.value}" for each in _walk(value, path, tables, deepest - 1))
    return _text(value)


def _text(value: object) -> str:
    return "" if value is None else str(value)
