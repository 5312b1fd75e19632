"""The markup of sentence templates: mentions in brackets, slots in braces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from workbench.synthetic.notes.terms import Term, term

__all__ = ["Mention", "Slot", "Template", "parse", "templates"]

_ASSERTIONS = {"": "present", "-": "absent", "?": "possible", "h": "historical", "~": "hypothetical"}
_PIECE = re.compile(r"\[([^\[\]{}]+)\]|\{([a-z_0-9]+)\}")


@dataclass(frozen=True)
class Mention:
    """Words of a template that mention a term."""

    surface: str
    term: Term
    assertion: str
    experiencer: str


@dataclass(frozen=True)
class Slot:
    """A place to be filled from the patient's facts."""

    name: str


@dataclass(frozen=True)
class Template:
    """One way of saying something.

    Parameters
    ----------
    pieces : tuple of str, Mention or Slot
        In order.
    denied : frozenset of str
        Terms that the template says the patient does not have.
    """

    pieces: tuple[str | Mention | Slot, ...]
    denied: frozenset[str]


def parse(text: str) -> Template:
    """Read a template.

    Raises
    ------
    ValueError
        If a bracket is not closed or a flag is unknown.
    KeyError
        If a mention is of no declared term.

    Examples
    --------
    >>> [type(piece).__name__ for piece in parse("无[发热|-]，{vitals}").pieces]
    ['str', 'Mention', 'str', 'Slot']
    """
    pieces: list[str | Mention | Slot] = []
    place = 0
    for match in _PIECE.finditer(text):
        pieces.append(text[place : match.start()])
        pieces.append(_mention(match.group(1)) if match.group(1) else Slot(match.group(2)))
        place = match.end()
    pieces.append(text[place:])
    kept = tuple(piece for piece in pieces if piece != "")
    if any(isinstance(piece, str) and re.search(r"[\[\]{}]", piece) for piece in kept):
        raise ValueError(f"template with a bracket that does not close: {text!r}")
    denied = {
        piece.term.name for piece in kept if isinstance(piece, Mention) and piece.assertion == "absent" and piece.experiencer == "patient"
    }
    return Template(kept, frozenset(denied))


def _mention(words: str) -> Mention:
    named, _, flags = words.partition("|")
    surface, _, name = named.partition("=")
    family = flags.endswith("f")
    flag = flags.removesuffix("f")
    if flag not in _ASSERTIONS:
        raise ValueError(f"unknown flag {flags!r} in [{words}]; wanted one of {sorted(_ASSERTIONS)} with or without f")
    return Mention(surface, term(name or surface), _ASSERTIONS[flag], "family" if family else "patient")


@cache
def templates(file: str) -> Any:
    """Read ``data/<file>.yaml`` with every sentence parsed; keys and plain values stay as they are."""
    text = resources.files("workbench.synthetic").joinpath("data", f"{file}.yaml").read_text(encoding="utf-8")
    return _parsed(yaml.safe_load(text), "")


def _parsed(node: Any, key: str) -> Any:
    if isinstance(node, dict):
        return {name: _parsed(value, name) for name, value in node.items()}
    if isinstance(node, list) and key != "when":
        return tuple(_parsed(value, "sentence") for value in node)
    return parse(node) if key == "sentence" else node
