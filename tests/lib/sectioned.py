"""Documents of ``tests/corpus/sections.txt``: drawn with a seed, the section of every line known."""

import random
import re
from typing import NamedTuple

from tests.lib.paths import REPOSITORY


class Document(NamedTuple):
    """A document: its kind, its lines, the section of each."""

    kind: str
    lines: tuple[str, ...]
    sections: tuple[str, ...]


def templates() -> list[tuple[str, list[str]]]:
    """Return (kind, lines as written) of every document of the file; a line without a section is an error."""
    found: list[tuple[str, list[str]]] = []
    path = REPOSITORY / "tests" / "corpus" / "sections.txt"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("@ "):
            found.append((line[2:].strip(), []))
        elif line and not line.startswith("#"):
            if "\t" not in line or line.count("{") != line.count("}") or not found:
                raise ValueError(f"sections.txt line {number}: no section, or braces that do not close")
            found[-1][1].append(line)
    return found


_INNERMOST = re.compile(r"\{([^{}]*)\}")


def _parts(choice: str) -> list[str]:
    """Return the alternatives of `{a|b}`, braces inside them left whole."""
    parts, depth, now = [], 0, ""
    for character in choice:
        depth += (character == "{") - (character == "}")
        if character == "|" and not depth:
            parts.append(now)
            now = ""
        else:
            now += character
    return [*parts, now]


def _drawn(line: str, dice: random.Random) -> tuple[str, str]:
    """Draw one form of a line. Where the section has alternatives, the text's first braces hold one for each, in the same order."""
    section, _, text = line.partition("\t")
    if section.startswith("{"):
        names = section[1:-1].split("|")
        end = _closing(text)
        forms = _parts(text[1:end])
        if len(forms) != len(names):
            raise ValueError(f"{section}: {len(names)} sections, {len(forms)} forms")
        place = dice.randrange(len(names))
        section, text = names[place], forms[place] + text[end + 1 :]
    while match := _INNERMOST.search(text):
        text = text[: match.start()] + dice.choice(match.group(1).split("|")) + text[match.end() :]
    return "" if section == "-" else section, text


def _closing(text: str) -> int:
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if not depth:
            return place
    raise ValueError("braces do not close")


def draw(count: int, seed: int) -> list[Document]:
    """Draw documents, the templates in turn."""
    dice = random.Random(seed)
    rows = templates()
    documents = []
    for number in range(count):
        kind, lines = rows[number % len(rows)]
        drawn = [_drawn(line, dice) for line in lines]
        documents.append(Document(kind, tuple(text for _, text in drawn), tuple(section for section, _ in drawn)))
    return documents
