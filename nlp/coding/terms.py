"""A term as written -> the forms in which the coder looks it up: the whole, its parts, and parts with words left out or exchanged.

The rules are data: ``nlp/data/coding.yaml``, one set of rules for each domain (diagnosis, procedure, drug, lab).
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from nlp.errors import VariableError
from nlp.normal import fold, normalise
from nlp.reading import own_table

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

__all__ = ["DOMAINS", "Domain", "Unit", "domain_rules", "units_of"]

#: Kinds of things that have codes.
DOMAINS = ("diagnosis", "procedure", "drug", "lab")
_LONGEST = 400  # characters of a term that are looked at; more is a note, not a term
_MOST_PARTS = 40
_MOST_FORMS = 12  # of one part
_LONGEST_WORD = 8
_SHARED = 6  # characters that parts joined by 、 may share at their head or tail


class Domain(NamedTuple):
    """The rules of one domain; see ``nlp/data/coding.yaml``."""

    name: str
    version: str
    breaks: re.Pattern[str]
    leave: re.Pattern[str]
    alike: dict[str, tuple[str, ...]]


class Unit(NamedTuple):
    """One form of a term: what is looked up, where in the term it stands, and by which rule it came to be.

    `rule` is "" for text as it stands, "whole" for the whole term, "left out" or "shared", or ``a=b`` where b took the place of a.
    """

    start: int
    end: int
    text: str
    rule: str


@cache
def domain_rules(name: str) -> Domain:
    """Return the rules of a domain.

    Parameters
    ----------
    name : str
        One of :data:`DOMAINS`.

    Returns
    -------
    Domain
        The rules, compiled.

    Raises
    ------
    VariableError
        If there is no such domain.

    Examples
    --------
    >>> domain_rules("drug").leave.sub("", "盐酸二甲双胍缓释片0.5g")
    '二甲双胍'
    """
    if name not in DOMAINS:
        raise VariableError(f"there is no domain of codes {name!r}", hint=f"domains: {', '.join(DOMAINS)}")
    data = own_table("coding.yaml")
    rules = data[name]
    alike: dict[str, tuple[str, ...]] = {}
    for written, known in rules["alike"]:
        alike[written] = (*alike.get(written, ()), known)
    return Domain(name, data["version"], re.compile("|".join(rules["breaks"])), re.compile("|".join(rules["leave"])), alike)


def units_of(term: str, domain: Domain, *, aliases: Mapping[str, tuple[str, ...]] | None = None, known: Container[str] = ()) -> list[Unit]:
    """Return the forms in which a term is looked up, the whole term first.

    Parameters
    ----------
    term : str
        As written.
    domain : Domain
        Rules.
    aliases : mapping of str to tuple of str, optional
        What may stand for what; the domain's own list where left out.
    known : container of str
        Folded names; parts that share a head or a tail are completed where this makes such a name.

    Returns
    -------
    list of Unit
        Spans count in the term as written.

    Examples
    --------
    >>> units = units_of("1.冠心病 2.左、右肺炎", domain_rules("diagnosis"), known={"右肺炎", "左肺炎"})
    >>> [unit.text for unit in units if not unit.rule]
    ['冠心病', '右肺炎']
    >>> [(unit.start, unit.end, unit.text) for unit in units if unit.rule == "shared"]
    [(8, 13, '左肺炎')]
    """
    normal = normalise(term[:_LONGEST])
    text = fold(normal.text)
    spans = _parts(text, domain.breaks)
    found = [Unit(*normal.raw(0, len(text)), _tight(text), "whole")]
    pieces = [Unit(*normal.raw(start, end), _tight(text[start:end]), "") for start, end in spans]
    parts = [piece for piece in pieces if len(piece.text) >= 2]
    found += parts if len(parts) != 1 or parts[0].text != found[0].text else []
    found += _completed(pieces, known)
    found += [form for unit in (parts or found) for form in _forms(unit, domain, domain.alike if aliases is None else aliases)]
    return [unit for unit in dict.fromkeys(found) if unit.text] or found[:1]


def _tight(text: str) -> str:
    return "".join(text.split()).strip("\"“”'‘’ ")


def _parts(text: str, breaks: re.Pattern[str]) -> list[tuple[int, int]]:
    """Return the spans between breaks."""
    spans, start = [], 0
    for cut in breaks.finditer(text):
        spans.append((start, cut.start()))
        start = cut.end()
    spans.append((start, len(text)))
    return [_trimmed(text, *span) for span in spans if _tight(text[slice(*span)])][:_MOST_PARTS]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())


def _completed(parts: list[Unit], known: Container[str]) -> list[Unit]:
    """Return neighbours with the head or tail that they share: 胃、十二指肠溃疡 -> 胃溃疡."""
    found = []
    for left, right in pairwise(parts):
        for size in range(1, _SHARED + 1):
            if size < len(right.text) and (joined := left.text + right.text[-size:]) in known:
                found.append(Unit(left.start, right.end, joined, "shared"))
            if size < len(left.text) and (joined := left.text[:size] + right.text) in known:
                found.append(Unit(left.start, right.end, joined, "shared"))
    return found


def _forms(unit: Unit, domain: Domain, aliases: Mapping[str, tuple[str, ...]]) -> list[Unit]:
    """Return a part with words left out, and with each known exchange made."""
    texts = [unit]
    short = domain.leave.sub("", unit.text)
    if short != unit.text and len(short) >= 2:
        texts.append(unit._replace(text=short, rule="left out"))
    exchanged = [
        form._replace(text=form.text.replace(written, other), rule=f"{written}={other}")
        for form in texts
        for written in _words_of(form.text, aliases)
        for other in aliases[written]
    ]
    return texts[1:] + exchanged[:_MOST_FORMS]


def _words_of(text: str, table: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the words of a table in a text; a Latin word only as a whole word, and none inside a longer one that was found."""
    found: list[str] = []
    for size in range(min(_LONGEST_WORD, len(text)), 0, -1):
        for start in range(len(text) - size + 1):
            word = text[start : start + size]
            if (
                word in table
                and word not in found
                and not any(word in other for other in found)
                and _stands_alone(text, start, start + size)
            ):
                found.append(word)
    return found


def _stands_alone(text: str, start: int, end: int) -> bool:
    def latin(place: int) -> bool:
        return 0 <= place < len(text) and text[place].isascii() and text[place].isalnum()

    return not (latin(start) and latin(start - 1)) and not (latin(end - 1) and latin(end))
