"""Notes for tests of variables, structured by hand: no component but the variables' own is tried."""

from __future__ import annotations

import re

from nlp.annotations import Clause, ClinicalText, Mention, Note, Quantity, Section, Sentence
from nlp.normal import normalise

_VALUE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:(?:mm|cm)?[×*]([0-9]+(?:\.[0-9]+)?))?\s?(mm|cm|mg|g/L)")
_TITLE = re.compile(r"(检查所见|检查结论|现病史|既往史)[：:]")


def by_hand(raw: str, *, absent: tuple[str, ...] = (), finished: bool = True, **note) -> ClinicalText:
    """Return a structured note: sentences, clauses, titled sections, lengths and masses; the words named absent as mentions."""
    text = ClinicalText(Note(raw, **note), normalise(raw), document_type=note.get("document_type", ""))
    body = text.text
    text.sections = _sections(body)
    for match in re.finditer(r"[^。\n]+[。\n]?", body):
        for clause in re.finditer(r"[^，,]+[，,]?", match.group()):
            text.clauses.append(Clause(match.start() + clause.start(), match.start() + clause.end(), len(text.sentences)))
        text.sentences.append(Sentence(*match.span()))
    for match in _VALUE.finditer(body):
        sides = tuple(float(side) for side in match.groups()[:2] if side)
        text.quantities.append(Quantity(*match.span(), "size" if len(sides) > 1 else "scalar", sides, match[3]))
    for word in absent:
        text.mentions += [Mention(*match.span(), "finding", assertion="absent") for match in re.finditer(re.escape(word), body)]
    if finished:
        _finish(text)
    return text


def _finish(text: ClinicalText) -> None:
    from nlp.pipeline import finish

    finish(text)


def _sections(body: str) -> list[Section]:
    starts = [(match.start(), match.end(), match[1]) for match in _TITLE.finditer(body)]
    if not starts or starts[0][0]:
        starts.insert(0, (0, 0, ""))
    ends = [start for start, _, _ in starts[1:]] + [len(body)]
    return [Section(start, end, begin, name, name) for (start, begin, name), end in zip(starts, ends, strict=True)]
