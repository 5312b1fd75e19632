"""Definitions as canonical JSON: the saved version of a cohort, and its hash.

A node is an object ``{"node": "Occurs", ...}`` with one key a field; fields that equal their default are left out, keys are
sorted, there are no blanks, and text is UTF-8 as it is. A whole number is written without a fraction (``6.0`` as ``6``,
after RFC 8785), so that equal definitions give equal bytes. A date is ``{"date": "2024-01-31"}``. The reader follows the
type of each field and refuses whatever it does not know, with the path of the offending value.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import types
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from workbench.cohort import query
from workbench.cohort.query import Cohort, Combination, Definition
from workbench.errors import DataError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["MAX_BYTES", "MAX_DEPTH", "SCHEMA", "definition_hash", "load", "read_definition", "write_definition"]

#: Name and version of the format; a reader refuses any other.
SCHEMA = "workbench-cohort/1"

#: Largest file that is read: codelists of 100,000 codes fit.
MAX_BYTES = 16 * 2**20

#: Deepest nesting of nodes that is read or written.
MAX_DEPTH = 60

_NODES: dict[str, type] = {name: kind for name, kind in vars(query).items() if isinstance(kind, type) and dataclasses.is_dataclass(kind)}
_LARGEST = 2**63 - 1
_EXACT = 2**53


def write_definition(definition: Definition) -> str:
    """Return the canonical JSON of a definition.

    Parameters
    ----------
    definition : Cohort or Combination
        What to write.

    Returns
    -------
    str
        One line; equal definitions give equal text.

    Raises
    ------
    DefinitionError
        If a value cannot be written: a number that is not finite, broken Unicode, nesting deeper than `MAX_DEPTH`.

    Examples
    --------
    >>> from workbench.cohort.query import Cohort, Entry, Events
    >>> write_definition(Cohort("死亡", Entry((Events("deaths"),))))
    '{"definition":{"entry":{"events":[{"domain":"deaths","node":"Events"}],"node":"Entry"},"name":"死亡","node":"Cohort"},"schema":"workbench-cohort/1"}'
    """
    plain = {"schema": SCHEMA, "definition": _plain(definition, "$.definition", 0)}
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def read_definition(text: str | bytes) -> Definition:
    """Read a definition from JSON; the reverse of :func:`write_definition`.

    Parameters
    ----------
    text : str or bytes
        JSON text; bytes are UTF-8. Blanks and the order of keys do not matter.

    Returns
    -------
    Cohort or Combination
        The definition, checked node by node.

    Raises
    ------
    DefinitionError
        If the text is no JSON, too large or too deep, of another schema, or holds an unknown node, field or type; the
        message gives the JSON path and the nearest valid name.

    Examples
    --------
    >>> from workbench.cohort.query import Cohort, Entry, Events
    >>> cohort = Cohort("死亡", Entry((Events("deaths"),)))
    >>> read_definition(write_definition(cohort)) == cohort
    True
    """
    found = _parse(_decode(text))
    if not isinstance(found, dict):
        raise _wrong("$", found, "an object with the keys schema and definition")
    _known_keys("$", found, ("schema", "definition"))
    if found.get("schema") != SCHEMA:
        raise DefinitionError(f"$.schema is {_shown(found.get('schema'))}; wanted {SCHEMA!r}", hint="this version reads no other format")
    if "definition" not in found:
        raise DefinitionError("$ has no key 'definition'")
    return cast("Definition", _read(Cohort | Combination, found["definition"], "$.definition", 0))


def definition_hash(definition: Definition) -> str:
    """Return the SHA-256 (64 hexadecimal digits) of the canonical JSON: the version of a definition.

    Examples
    --------
    >>> from workbench.cohort.query import Cohort, Entry, Events
    >>> definition_hash(Cohort("死亡", Entry((Events("deaths"),))))[:8]
    '766b8cc3'
    """
    return hashlib.sha256(write_definition(definition).encode()).hexdigest()


def load(path: Path) -> Definition:
    """Read a definition from a JSON file.

    Parameters
    ----------
    path : Path
        File that holds what :func:`write_definition` wrote.

    Returns
    -------
    Cohort or Combination
        The definition.

    Raises
    ------
    DataError
        If the file cannot be read.
    DefinitionError
        If what it holds is no definition, see :func:`read_definition`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"definition {path} cannot be read: {error.strerror}") from error
    return read_definition(content)


# ---------------------------------------------------------------------------------------------------------- writing


def _plain(value: Any, path: str, depth: int) -> Any:
    if dataclasses.is_dataclass(value):
        return _plain_node(value, path, depth)
    if isinstance(value, tuple):
        return [_plain(item, f"{path}[{position}]", depth) for position, item in enumerate(value)]
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, float):
        return _plain_number(value, path)
    if isinstance(value, str):
        return _text(value, path)
    return value


def _plain_node(node: Any, path: str, depth: int) -> dict[str, Any]:
    _shallow(depth, path)
    written = {"node": type(node).__name__}
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if field.default is dataclasses.MISSING or value != field.default:
            written[field.name] = _plain(value, f"{path}.{field.name}", depth + 1)
    return written


def _plain_number(value: float, path: str) -> int | float:
    if not math.isfinite(value):
        raise DefinitionError(f"{path} is {value}; wanted a finite number")
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


# ---------------------------------------------------------------------------------------------------------- reading


def _decode(text: str | bytes) -> str:
    size = len(text)
    if size > MAX_BYTES:
        raise DefinitionError(f"the definition has more than {MAX_BYTES // 2**20} MiB")
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DefinitionError(f"the definition is not UTF-8: byte {error.start} cannot be read") from error


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise DefinitionError(f"the definition is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise DefinitionError(f"the definition is nested deeper than {MAX_DEPTH} nodes") from error
    except ValueError as error:  # Python refuses whole numbers of thousands of digits
        raise DefinitionError("the definition holds a number that is too long to read") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise DefinitionError(f"the key {_shown(twice)} occurs twice in one object")
    return found


def _no_constant(word: str) -> Any:
    raise DefinitionError(f"the definition holds {word}; wanted a finite number")


def _read(wanted: Any, value: Any, path: str, depth: int) -> Any:
    """Read a value as the type that a field declares."""
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType):
        return _read_union(get_args(wanted), value, path, depth)
    if origin is tuple:
        return _read_tuple(get_args(wanted), value, path, depth)
    if origin is Literal:
        return _read_literal(get_args(wanted), value, path)
    if dataclasses.is_dataclass(wanted):
        return _read_node((cast("type", wanted),), value, path, depth)
    return _read_scalar((wanted,), value, path)


def _read_union(choices: tuple[Any, ...], value: Any, path: str, depth: int) -> Any:
    if value is None and types.NoneType in choices:
        return None
    nodes = tuple(choice for choice in choices if dataclasses.is_dataclass(choice))
    if nodes:
        return _read_node(cast("tuple[type, ...]", nodes), value, path, depth)
    return _read_scalar(tuple(choice for choice in choices if choice is not types.NoneType), value, path)


def _read_tuple(items: tuple[Any, ...], value: Any, path: str, depth: int) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _wrong(path, value, "a list")
    each = [items[0]] * len(value) if items[-1] is ... else list(items)
    if len(each) != len(value):
        raise DefinitionError(f"{path} has {len(value)} values; wanted {len(each)}")
    return tuple(_read(kind, item, f"{path}[{position}]", depth) for position, (kind, item) in enumerate(zip(each, value, strict=True)))


def _read_literal(choices: tuple[Any, ...], value: Any, path: str) -> Any:
    if value not in choices or not isinstance(value, str):
        raise DefinitionError(f"{path} is {_shown(value)}; wanted one of {', '.join(map(repr, choices))}", hint=_nearest(value, choices))
    return value


def _read_node(allowed: tuple[type, ...], value: Any, path: str, depth: int) -> Any:
    _shallow(depth, path)
    kind = _kind(allowed, value, path)
    hints = _types(kind)
    _known_keys(path, value, ("node", *hints))
    given = {name: _read(hints[name], item, f"{path}.{name}", depth + 1) for name, item in value.items() if name != "node"}
    missing = [field.name for field in dataclasses.fields(kind) if field.name not in given and field.default is dataclasses.MISSING]
    if missing:
        raise DefinitionError(f"{path} ({kind.__name__}) lacks {', '.join(map(repr, missing))}")
    try:
        return kind(**given)
    except DefinitionError as error:
        raise DefinitionError(f"{path}: {error.message}", hint=error.hint) from error


def _kind(allowed: tuple[type, ...], value: Any, path: str) -> type:
    names = [kind.__name__ for kind in allowed]
    if not isinstance(value, dict):
        raise _wrong(path, value, f"an object with the key node, one of {', '.join(names)}")
    name = value.get("node")
    if name not in names or not isinstance(name, str):
        found = "is missing" if name is None else f"is {_shown(name)}"
        raise DefinitionError(f"{path}.node {found}; wanted one of {', '.join(names)}", hint=_nearest(name, names))
    return _NODES[name]


def _read_scalar(wanted: tuple[Any, ...], value: Any, path: str) -> Any:
    kind = date if isinstance(value, dict) and set(value) == {"date"} else type(value)
    if kind not in wanted and not (kind is int and float in wanted):
        raise _wrong(path, value, " or ".join(_SCALARS[each][0] for each in wanted if each in _SCALARS))
    return _SCALARS[kind][1](value, path)


def _whole(value: int, path: str) -> int:
    if abs(value) > _LARGEST:
        raise DefinitionError(f"{path} is a whole number of more than 64 bits")
    return value


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DefinitionError(f"{path} holds broken Unicode (half of a surrogate pair)") from error
    return value


def _date(value: dict[str, Any], path: str) -> date:
    try:
        return date.fromisoformat(value["date"])
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{path}.date is {_shown(value['date'])}; wanted a day such as '2024-01-31'") from error


_SCALARS: Mapping[type, tuple[str, Callable[[Any, str], Any]]] = {
    int: ("a whole number", _whole),
    float: ("a number", _plain_number),
    str: ("a text", _text),
    bool: ("true or false", lambda value, _: value),
    date: ('a date such as {"date": "2024-01-31"}', _date),
}


# ------------------------------------------------------------------------------------------------------------ checks


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, vars(query))


def _shallow(depth: int, path: str) -> None:
    if depth > MAX_DEPTH:
        raise DefinitionError(f"the definition is nested deeper than {MAX_DEPTH} nodes, at {path[:80]}...")


def _known_keys(path: str, found: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in found:
        if key not in known:
            raise DefinitionError(f"{path} has no field {_shown(key)}; it has {', '.join(known)}", hint=_nearest(key, known))


def _nearest(word: object, known: tuple[Any, ...] | list[str]) -> str:
    close = difflib.get_close_matches(word[:80], [str(name) for name in known], n=1) if isinstance(word, str) else []
    return f"did you mean {close[0]!r}?" if close else ""


def _wrong(path: str, value: object, wanted: str) -> DefinitionError:
    return DefinitionError(f"{path} is {_shown(value)}; wanted {wanted}")


def _shown(value: object) -> str:
    """Show a found value briefly, so that a hostile one cannot flood a screen."""
    names = {dict: "an object", list: "a list", type(None): "null"}
    if type(value) in names:
        return names[type(value)]
    if isinstance(value, bool):
        return str(value).lower()
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
