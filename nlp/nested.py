"""Headings inside a section: which titles begin a section of their own, and which only a part of the section that they stand in.

The text of a day has its "查体:", the features of a case have "3.查体:" below "一、病例特点". Which sections hold which parts is
data (``holds`` and ``holds_lower`` in ``nlp/data/sections.yaml``); how a heading is written tells its weight: number, brackets, line,
indentation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from nlp.labels import DECORATIONS
from nlp.titles import JOINED, Titled, section_names

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["outer_titles"]

# What stands before the first title.
_NOTHING = Titled(0, 0, "", "")
# The levels of numbers, the highest first.
_NUMBER = re.compile(
    r"(?:([一二三四五六七八九十]{1,3}[.、,: ])|(\([一二三四五六七八九十]{1,3}\))|([0-9]{1,2} ?[.、,)])|(\([0-9]{1,2}\))|([①-⑳]))"
)
_OPEN = frozenset("【[<「《〖『" + DECORATIONS)


class _Form(NamedTuple):
    """How a heading is written: at a line's start, level of its number (0 for none), in brackets, alone without a colon, how far in."""

    at_line: bool
    number: int
    bracket: bool
    alone: bool
    indent: int


def _form(text: str, title: Titled) -> _Form:
    line = text.rfind("\n", 0, title.start) + 1
    number = _NUMBER.match(text, title.start)
    opening = text[number.end() if number else title.start :][:1]
    alone = text[title.body : title.body + 1] in {"\n", ""} and text[title.body - 1 : title.body] != ":"
    return _Form(not text[line : title.start].strip(), number.lastindex if number else 0, opening in _OPEN, alone, title.start - line)


def _is_lower(inner: _Form, outer: _Form) -> bool:
    """Tell whether a heading weighs less than the one before it."""
    if inner.bracket or not inner.at_line:
        return outer.at_line and not inner.bracket
    if inner.number or outer.number:
        return inner.number > outer.number or not inner.number
    return outer.bracket or outer.alone > inner.alone or (inner.indent > outer.indent and not inner.alone)


def outer_titles(text: str, titled: Sequence[Titled]) -> list[Titled]:
    r"""Return the titles that begin a section of their own.

    Parameters
    ----------
    text : str
        The normalised text.
    titled : sequence of Titled
        Titles and untitled beginnings, in order.

    Returns
    -------
    list of Titled
        Those that are left, in order.

    Examples
    --------
    >>> titled = [Titled(0, 7, "病例特点", "病例特点"), Titled(7, 12, "体格检查", "查体")]
    >>> [title.name for title in outer_titles("一、病例特点\n2.查体:腹软", titled)]
    ['病例特点']
    """
    outer, part = [_NOTHING], None
    for title in titled:
        form = _part_form(text, title, outer[-1], part)
        if form is None and not _is_joined(title, outer[-1]):
            outer.append(title)
        part = form
    return outer[1:]


def _is_joined(title: Titled, last: Titled) -> bool:
    return title.name == last.name and (title.name in JOINED or not title.name)


def _part_form(text: str, title: Titled, outer: Titled, part: _Form | None) -> _Form | None:
    """Return how the heading of a part is written, None where it begins a section; one written as the part before it is a part too."""
    holder, names = section_names().get(outer.name), {title.name, title.title}
    if holder is None or (holder.holds.isdisjoint(names) and holder.holds_lower.isdisjoint(names)):
        return None
    form, outer_form = _form(text, title), _form(text, outer)
    if form == part or (not form.at_line and not form.bracket and not holder.holds.isdisjoint(names)):
        return form
    if not outer.title:
        return form if 0 < form.number == outer_form.number else None
    follows_at_once = not text[outer.body : title.start].strip()
    return form if follows_at_once or _is_lower(form, outer_form) else None
