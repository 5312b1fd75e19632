"""Why a patient is in a cohort or is not: rows and words behind every rule. Person-level, for inside the session only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.compute as pc
from markupsafe import Markup, escape

from workbench.cohort.render import render
from workbench.domains import DOMAINS
from workbench.locale import get_language, tr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.cohort.engine import EventRow, RuleEvidence
    from workbench.cohort.extract import Tables

__all__ = ["PersonEvidence", "light", "read_notes"]

#: Characters shown on either side of the words that were found, and rows shown of each rule.
_AROUND, _MOST_ROWS = 28, 12


@dataclass(frozen=True)
class PersonEvidence:
    """The evidence of one person.

    Parameters
    ----------
    person_id : int
        The person.
    entries : tuple of tuple of RuleEvidence
        For each entry in order: the entry event, then every rule.
    notes : mapping of int to str
        Text of the notes that were named, by note id.
    """

    person_id: int
    entries: tuple[tuple[RuleEvidence, ...], ...] = field(repr=False)
    notes: Mapping[int, str] = field(default_factory=dict, repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each row of the store that was named, and one for each rule without any."""
        rows = [
            (number, rule.rule, rule.kind, rule.holds, *_plain(event, self.notes))
            for number, entry in enumerate(self.entries, start=1)
            for rule in entry
            for event in (rule.events or (None,))
        ]
        columns = ["entry", "rule", "kind", "holds", "table", "key", "start_date", "code", "label", "value", "unit", "words"]
        return pd.DataFrame(rows, columns=columns).astype({"key": "Int64"})  # wide keys must not pass through floats

    def _repr_html_(self) -> str:
        entries = [[_shown(rule, self.notes) for rule in entry] for entry in self.entries]
        return render("evidence.html.j2", person_id=self.person_id, entries=entries, styled=True)


def read_notes(entries: Sequence[Sequence[RuleEvidence]], tables: Tables) -> dict[int, str]:
    """Read the text of the notes in which words were found, by note id."""
    keys = sorted({event.key for entry in entries for rule in entry for event in rule.events if event.spans})
    if not keys:
        return {}
    found = tables.read("note", ["note_id", "note_text"], pc.field("note_id").isin(keys))
    return dict(zip(found.column("note_id").to_pylist(), found.column("note_text").to_pylist(), strict=True))


def light(text: str, spans: Sequence[tuple[int, int]], *, around: int = _AROUND) -> Markup:
    """Return the words at `spans` lit, with some text on either side; distant places are joined by an ellipsis.

    Parameters
    ----------
    text : str
        The whole note.
    spans : sequence of (start, end)
        Code points, end exclusive.
    around : int
        Characters kept on either side.

    Returns
    -------
    Markup
        HTML, escaped.

    Examples
    --------
    >>> light("患者否认高血压史。", [(4, 7)], around=2)
    Markup('…否认<mark class="wb-lit">高血压</mark>史。')
    """
    pieces: list[Markup] = []
    at = 0
    for start, end in _merged(spans):
        left = max(at, start - around)
        if left > at:
            pieces.append(Markup("…") if not pieces else Markup(" … "))
        pieces += [escape(text[left:start]), Markup('<mark class="wb-lit">{}</mark>').format(text[start:end])]
        at = end
        following = min((s for s, _ in spans if s >= end), default=len(text))
        right = min(at + around, following)
        pieces.append(escape(text[at:right]))
        at = right
    return Markup("").join(pieces) + ("…" if at < len(text) else "")


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _plain(event: EventRow | None, notes: Mapping[int, str]) -> tuple[object, ...]:
    if event is None:
        return ("", None, None, "", "", None, "", "")
    text = notes.get(event.key, "")
    words = "; ".join(text[start:end] for start, end in event.spans)
    return (event.table, event.key, event.start_date, event.code, event.label, event.value, event.unit, words)


def _shown(rule: RuleEvidence, notes: Mapping[int, str]) -> dict[str, object]:
    """Say what a rule's line and its rows show."""
    kinds = {"entry": tr("入组事件", "Entry event"), "require": tr("要求", "Require"), "exclude": tr("排除", "Exclude")}
    return {
        "name": rule.rule,
        "kind": kinds[rule.kind],
        "good": rule.holds == (rule.kind != "exclude"),
        "verdict": tr("成立", "holds") if rule.holds else tr("不成立", "does not hold"),
        "rows": [_row(event, notes) for event in rule.events[:_MOST_ROWS]],
        "more": max(0, len(rule.events) - _MOST_ROWS),
    }


def _row(event: EventRow, notes: Mapping[int, str]) -> dict[str, object]:
    domain = DOMAINS[event.domain]
    when = event.start_datetime.strftime("%Y-%m-%d %H:%M") if event.start_datetime else event.start_date.isoformat()
    return {
        "when": when,
        "domain": domain.word_zh if get_language() == "zh" else domain.word,
        "what": " ".join(filter(None, [event.code, event.label])),
        "value": "" if event.value is None else f"{event.value:g} {event.unit}".strip(),
        "where": f"{event.table} {event.key}",
        "words": light(notes[event.key], event.spans) if event.spans and event.key in notes else "",
    }
