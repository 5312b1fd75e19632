"""From plain mappings to the records of a variable: which fields there are and what each may hold.

A table names every field of the form with the function that reads it. A problem carries the path of the field, what was found and what
was wanted; :mod:`nlp.variables.reading` adds the file, the line and the variable.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from nlp.variables import definition as d
from nlp.variables.vocabulary import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["Problem", "read_title", "read_variable"]

_NAME = re.compile(r"[a-z一-鿿][a-z0-9_一-鿿]{0,63}")
_AGGREGATES = ("encounter", "patient")
_WHERE = ("after", "before", "near", "inside")
_TAKE = ("max", "min", "first", "last", "mean")
_TEXT_SCOPES = ("match", "after", "clause", "sentence", "section")


class Problem(Exception):
    """A field that cannot mean anything.

    Parameters
    ----------
    path : str
        Such as ``value.unit``.
    message : str
        What was found and what was wanted.
    hint : str
        What to do.
    """

    def __init__(self, path: str, message: str, hint: str = "") -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message
        self.hint = hint

    def below(self, parent: str) -> Problem:
        """Return the problem as seen from the field that holds it."""
        joined = parent + self.path if self.path.startswith("[") else ".".join(filter(None, (parent, self.path)))
        return Problem(joined, self.message, self.hint)


def read_variable(raw: Any) -> d.Variable:
    """Make a variable of a plain mapping.

    Parameters
    ----------
    raw : Any
        What stands in the file.

    Returns
    -------
    Variable
        Its shape is right; whether its names are known is checked apart.

    Raises
    ------
    Problem
        At the first field that is wrong.

    Examples
    --------
    >>> read_variable({"name": "cough", "target": ["咳嗽"], "value": "presence"}).target.terms
    ('咳嗽',)
    """
    return _record(d.Variable, _VARIABLE, ("name", "target"), raw)


def _record(kind: type, table: Mapping[str, Callable[[Any], Any]], needed: Collection[str], raw: Any) -> Any:
    if not isinstance(raw, dict):
        raise Problem("", f"found {_shown(raw)}, wanted a mapping with {', '.join(needed) or ', '.join(table)}")
    for key in raw:
        if key not in table:
            raise Problem(str(key), "no such field", nearest(str(key), table))
    for key in needed:
        if raw.get(key) is None:
            raise Problem(key, "is missing")
    values = {}
    for key, value in raw.items():
        if value is None and key != "expect":
            continue
        try:
            values["with_any" if key == "with" else key] = table[key](value)
        except Problem as problem:
            raise problem.below(key) from None
    return kind(**values)


def _shown(value: Any) -> str:
    """Say what was found; long text is not shown, for it may come from a note."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 40 else f"a text of {len(value)} characters"
    if isinstance(value, bool | int | float):
        return repr(value)
    return {dict: "a mapping", list: "a list", type(None): "nothing"}.get(type(value), type(value).__name__)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Problem("", f"found {_shown(value)}, wanted a text", "put quotes round it" if isinstance(value, bool | float) else "")
    return str(value)


def _word(value: Any) -> str:
    text = _text(value).strip()
    if not text:
        raise Problem("", "found an empty text, wanted a word")
    return text


def _words(value: Any) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise Problem("", f"found {_shown(value)}, wanted a list of words")
    return tuple(dict.fromkeys(_each(_word, items)))


def _each(reader: Callable[[Any], Any], items: list) -> list:
    out = []
    for place, item in enumerate(items):
        try:
            out.append(reader(item))
        except Problem as problem:
            raise problem.below(f"[{place}]") from None
    return out


def _choice(known: Collection[str], value: Any) -> str:
    if not isinstance(value, str) or value not in known:
        raise Problem("", f"found {_shown(value)}, wanted one of {', '.join(known)}", nearest(str(value), known))
    return value


def _choices(known: Collection[str], value: Any) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise Problem("", f"found {_shown(value)}, wanted some of {', '.join(known)}")
    return tuple(dict.fromkeys(_each(partial(_choice, known), items)))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Problem("", f"found {_shown(value)}, wanted a number")
    return value


def _bounds(value: Any) -> tuple[float | None, float | None]:
    if not isinstance(value, list) or len(value) != 2:
        raise Problem("", f"found {_shown(value)}, wanted two numbers: [lowest, highest], null for open")
    low, high = _each(lambda item: None if item is None else _number(item), value)
    if low is not None and high is not None and low > high:
        raise Problem("", f"lowest {low} is above highest {high}")
    return low, high


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Problem("", f"found {_shown(value)}, wanted true or false")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10_000:
        raise Problem("", f"found {_shown(value)}, wanted a whole number from 0 to 10000")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Problem("", f"found {_shown(value)}, wanted small letters, digits, underscores or Chinese, at most 64, a letter first")
    return value


def read_title(value: Any) -> d.Bilingual:
    """Read a text in two languages: a mapping with zh and en, or a text alone, which is Chinese.

    Parameters
    ----------
    value : Any
        What stands in the file.

    Returns
    -------
    Bilingual
        Both.

    Raises
    ------
    Problem
        If it is neither.
    """
    if isinstance(value, str):
        return d.Bilingual(value)
    if not isinstance(value, dict) or not set(value) <= {"zh", "en"}:
        raise Problem("", "wanted a text, or a mapping with zh and en")
    return d.Bilingual(**{key: _text(item) for key, item in value.items()})


def _frozen(value: Any) -> Any:
    """Return lists as tuples, all the way down."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    raise Problem("", f"found {_shown(value)}, wanted a text, a number, true, false, or a list of these")


def _parameters(value: Any) -> tuple[tuple[str, Any], ...]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise Problem("", f"found {_shown(value)}, wanted a mapping of names to values")
    return tuple(sorted((key, _frozen(item)) for key, item in value.items()))


def _target(value: Any) -> d.Target:
    """Read a target; a list of words is one of terms."""
    return _record(d.Target, _TARGET, (), {"terms": value} if isinstance(value, str | list) else value)


def _value(value: Any) -> d.Value:
    return _record(d.Value, _VALUE, (), {"kind": value} if isinstance(value, str) else value)


def _categories(value: Any) -> tuple[d.Category, ...]:
    """Read categories: a mapping of names to words, or to mappings with words and assertion; its order counts."""
    if not isinstance(value, dict) or not value:
        raise Problem("", f"found {_shown(value)}, wanted a mapping of category names to lists of words")
    out = []
    for name, item in value.items():
        body = item if isinstance(item, dict) else {"words": item}
        try:
            out.append(_record(d.Category, _CATEGORY, ("name", "words"), {"name": name, **body}))
        except Problem as problem:
            raise problem.below(str(name)) from None
    return tuple(out)


def _tests(value: Any) -> tuple[d.Test, ...]:
    if not isinstance(value, list):
        raise Problem("", f"found {_shown(value)}, wanted a list of tests")
    return tuple(_each(_test, value))


def _test(value: Any) -> d.Test:
    if isinstance(value, dict) and "expect" not in value:
        raise Problem("expect", "is missing", "null where nothing is to be found")
    return _record(d.Test, _TEST, ("text",), value)


def _moment(value: Any) -> str:
    text = _text(value)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise Problem("", f"found {_shown(value)}, wanted a date such as 2024-03-05 or 2024-03-05T08:30") from None
    return text


_CATEGORY = {"name": _word, "words": _words, "assertion": partial(_choices, d.ASSERTIONS)}
_TARGET = dict.fromkeys(("terms", "regex", "labels", "codes", "not_in", "section"), _words) | {
    "synonyms": _boolean,
    "system": _word,
    "function": _word,
    "parameters": _parameters,
}
_NEAR = {
    "with": _words,
    "without": _words,
    "within": partial(_choice, d.SCOPES),
    "laterality": partial(_choices, d.SIDES),
    "site": _words,
}
_VALUE = {
    "kind": partial(_choice, d.VALUE_KINDS),
    "unit": _text,
    "analyte": _word,
    "range": _bounds,
    "take": partial(_choice, _TAKE),
    "where": partial(_choice, _WHERE),
    "within": partial(_choice, d.SCOPES),
    "gap": _whole,
    "bare": _boolean,
    "scope": partial(_choice, _TEXT_SCOPES),
    "categories": _categories,
}
_WINDOW = {"anchor": partial(_choice, d.ANCHORS), "days": _bounds}
_AGGREGATE = {"per": partial(_choice, _AGGREGATES), "rule": partial(_choice, d.RULES)}
_TEST = {
    "text": _text,
    "expect": _frozen,
    "document": _text,
    "section": _text,
    "written": _moment,
    "admitted": _moment,
    "operated": _moment,
    "index": _moment,
}
_VARIABLE: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "title": read_title,
    "description": read_title,
    "documents": _words,
    "sections": _words,
    "target": _target,
    "near": partial(_record, d.Near, _NEAR, ()),
    "value": _value,
    "assertion": partial(_choices, d.ASSERTIONS),
    "experiencer": partial(_choices, d.EXPERIENCERS),
    "window": partial(_record, d.Window, _WINDOW, ("anchor",)),
    "aggregate": partial(_record, d.Aggregate, _AGGREGATE, ()),
    "tests": _tests,
}
