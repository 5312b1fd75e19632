"""Reading circe JSON piece by piece, with a record of what was read: an attribute that nobody took is a loss."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from workbench.cohort.atlas.mapping import NUMBER_OPERATORS
from workbench.errors import DefinitionError

__all__ = ["NoCounterpart", "Part", "concept_ids", "expression_of", "limit_of", "range_of", "whole"]


class NoCounterpart(Exception):
    """A part that our query cannot say; caught where the part stands and turned into a loss."""

    def __init__(self, reason: str, reason_zh: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.reason_zh = reason_zh


@dataclass
class Part:
    """A JSON object with its path; names are read in any case (ATLAS writes ``Type``, older tools ``type``)."""

    raw: Mapping[str, Any]
    path: str
    taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not isinstance(self.raw, Mapping):
            raise NoCounterpart("is no JSON object", "不是 JSON 对象")

    def take(self, name: str) -> Any:
        """Return an attribute's value, None where it is absent, and note that it was read."""
        self.taken.add(name.casefold())
        return next((value for key, value in self.raw.items() if key.casefold() == name.casefold()), None)

    def items(self, name: str) -> list[tuple[str, Any]]:
        """Return the elements of a list attribute, each with its path."""
        found = self.take(name)
        if found is not None and not isinstance(found, list):
            raise NoCounterpart(f"{name} is no list", f"{name} 不是列表")
        return [(f"{self.at(name)}[{position}]", element) for position, element in enumerate(found or ())]

    def at(self, name: str) -> str:
        """Return the path of an attribute."""
        return f"{self.path}.{name}" if self.path else name

    def untaken(self) -> list[str]:
        """Return the attributes that say something and were never read."""
        return [key for key, value in self.raw.items() if key.casefold() not in self.taken and not _says_nothing(value)]


def expression_of(text: str) -> dict[str, Any]:
    """Parse circe JSON, also where WebAPI wrapped it (``{"name": ..., "expression": ...}``).

    Raises
    ------
    DefinitionError
        If the text is no JSON object, or holds no ``PrimaryCriteria``.
    """
    try:
        found = json.loads(text)
        wrapped = found.get("expression") if isinstance(found, dict) and "PrimaryCriteria" not in found else None
        found = json.loads(wrapped) if isinstance(wrapped, str) else wrapped or found
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"not a JSON document ({error})", hint="export the cohort definition as JSON from ATLAS") from error
    if not isinstance(found, dict) or not any(key.casefold() == "primarycriteria" for key in found):
        raise DefinitionError("the JSON has no PrimaryCriteria", hint="wanted a cohort definition as ATLAS exports it")
    return found


def whole(value: Any, what: str) -> int:
    """Return a whole number, or say that there is none."""
    if not _is_number(value) or value != int(value):
        raise NoCounterpart(f"{what} is no whole number", f"{what} 不是整数")
    return int(value)


def concept_ids(value: Any) -> tuple[int, ...]:
    """Return the ids of a list of concepts."""
    if not isinstance(value, list):
        raise NoCounterpart("is no list of concepts", "不是概念列表")
    return tuple(whole(Part(concept, "").take("CONCEPT_ID"), "CONCEPT_ID") for concept in value)


def range_of(value: Any, kind: str) -> tuple[str, tuple[Any, ...]]:
    """Return the operator and the values of a circe range.

    Parameters
    ----------
    value : dict
        ``{"Op": ..., "Value": ..., "Extent": ...}``; for texts ``{"Op": ..., "Text": ...}``.
    kind : {"integer", "decimal", "date", "text"}
        How circe writes the values into its SQL.
    """
    part = Part(value, "")
    found = part.take("Op")
    if kind == "text":
        return _text(found, part.take("Text"))
    operator = NUMBER_OPERATORS.get(str(found).lower())
    if operator is None:
        raise NoCounterpart(f"the operator {found!r} is unknown", f"未知运算符 {found!r}")
    names = ("Value", "Extent") if operator.endswith("between") else ("Value",)
    return operator, tuple(_CONVERT[kind](part.take(name)) for name in names)


def limit_of(value: Any) -> Any:
    """Return ``all``, ``first`` or ``last`` from ``{"Type": ...}``; circe-be takes any other word, or none, as first."""
    found = "first" if value is None else Part(value, "").take("Type") or "first"
    if not isinstance(found, str):
        raise NoCounterpart("is no limit (All, First, Last)", "不是限制（All、First、Last）")
    return {"all": "all", "last": "last"}.get(found.lower(), "first")


def _text(operator: Any, text: Any) -> tuple[str, tuple[str]]:
    ours = {"eq": "eq", "!eq": "ne"}.get(str(operator))
    if ours is None or not isinstance(text, str):
        raise NoCounterpart("part of a text cannot be asked of this field", "该字段不支持文本片段匹配")
    return ours, (text,)


def _integer(value: Any) -> int:
    return int(_number(value))


def _decimal(value: Any) -> int | float:
    rounded = round(float(_number(value)), 4)
    return int(rounded) if rounded == int(rounded) else rounded


def _number(value: Any) -> int | float:
    if not _is_number(value):
        raise NoCounterpart("a bound is no number", "界值不是数字")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _says_nothing(value: Any) -> bool:
    """Whether an attribute may be left unread; 0 may be the id of a concept set, so it says something."""
    return value is None or value is False or value in ([], {}, "")


def _date(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise NoCounterpart("a bound is no date (wanted YYYY-MM-DD)", "界值不是日期（YYYY-MM-DD）") from None


_CONVERT = {"integer": _integer, "decimal": _decimal, "date": _date}
