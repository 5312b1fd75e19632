"""The review in a notebook: one item at a time, its source with the span lit, keys for each verdict.

Everything that is shown comes from the kernel and every decision is made there; the page only draws ``state`` and sends what was pressed.
Offsets are code points of the note on both sides.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from nlp.errors import TextDataError
from nlp.review.decisions import Decision, check, disagreements
from nlp.variables.definition import ASSERTIONS
from workbench.locale import get_language
from workbench.texts.review_words import words

if TYPE_CHECKING:
    from nlp.annotations import ClinicalText
    from nlp.review.items import Item
    from nlp.review.metrics import Interval
    from nlp.variables.definition import Variable
    from workbench.texts.review import Review

__all__ = ["ReviewWidget"]

_HERE = Path(__file__).parent
_VERDICTS = ("accept", "correct", "reject", "unsure", "missed")


class ReviewWidget(anywidget.AnyWidget):
    """Widget of a review.

    Parameters
    ----------
    review : Review
        What is judged.
    """

    _esm = _HERE / "review_widget.js"
    _css = _HERE / "review_widget.css"
    state = traitlets.Dict().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    language = traitlets.Unicode("zh").tag(sync=True)

    def __init__(self, review: Review) -> None:
        super().__init__(words=words(), language=get_language())
        self._review = review
        self._own = {each.item: each for each in self._standing()}
        self._made: list[str] = [each.item for each in self._standing()]
        self._place = self._first_open(0)
        self.on_msg(lambda _, content, __: self.handle(content))
        self._show()

    def handle(self, message: dict[str, Any]) -> None:
        """Do what was pressed.

        Parameters
        ----------
        message : dict
            ``do`` is decide (with verdict, value, assertion, start, end), go (with `by`) or undo.
        """
        action = {"decide": self._decide, "go": self._go, "undo": self._undo}.get(message.get("do"))
        if action is None or not self._review.items:
            return
        try:
            fault = action(message)
        except OSError:
            fault = "disk"
        self._show(fault or "")

    # --------------------------------------------------------------------------------------------------------- actions

    def _decide(self, message: dict[str, Any]) -> str | None:
        item = self._item
        variable = self._review.variables[item.variable]
        verdict = message.get("verdict")
        if verdict not in _VERDICTS:
            return None
        decision = Decision(item.key, self._review.reviewer, verdict, adjudicator=self._review.adjudicator)
        if verdict in ("correct", "missed"):
            filled = _filled(decision, message, variable, item, len(self._review.notes[item.note_id].note.text))
            if isinstance(filled, str):
                return filled
            decision = filled
        try:
            check(decision, item)
        except TextDataError:
            return "nothing" if not item.found else "unchanged" if decision.start in (-1, item.start) else "span"
        self._own[item.key] = self._review.log.append(decision)
        self._made.append(item.key)
        self._place = self._first_open(self._place + 1)
        return None

    def _go(self, message: dict[str, Any]) -> None:
        self._place = max(0, min(len(self._review.items) - 1, self._place + (1 if message.get("by", 1) > 0 else -1)))

    def _undo(self, _: dict[str, Any]) -> str | None:
        if not self._made:
            return "undo"
        key = self._made.pop()
        self._review.log.append(Decision(key, self._review.reviewer, "withdrawn", adjudicator=self._review.adjudicator))
        self._own.pop(key, None)
        self._made = [each for each in self._made if each != key]
        self._place = next(place for place, item in enumerate(self._review.items) if item.key == key)
        return None

    def _standing(self) -> list[Decision]:
        from nlp.review.decisions import latest

        return list(latest(self._review.decisions(own=True)).values())

    def _first_open(self, start: int) -> int:
        """Return the next item without a decision, from `start` on and then from the front; the last one where all have one."""
        items = self._review.items
        order = [*range(start, len(items)), *range(min(start, len(items)))]
        return next((place for place in order if items[place].key not in self._own), max(0, min(start, len(items) - 1)))

    # ------------------------------------------------------------------------------------------------------------ show

    @property
    def _item(self) -> Item:
        return self._review.items[self._place]

    def _show(self, fault: str = "") -> None:
        review = self._review
        self.state = {
            "adjudication": review.adjudicator,
            "reviewer": review.reviewer,
            "place": self._place,
            "total": len(review.items),
            "done": sum(item.key in self._own for item in review.items),
            "fault": fault,
            "item": self._shown() if review.items else None,
            "metrics": self._metrics() if review.items else [],
            "strata": self._strata(),
        }

    def _metrics(self) -> list[dict[str, Any]]:
        """Return a row for each variable, that of the item on screen first."""
        current = self._item.variable
        measured = self._review.measured(own=not self._review.adjudicator)
        rows = [_row(each, self._review.variables) | {"current": each.variable == current} for each in measured]
        return sorted(rows, key=lambda row: not row["current"])

    def _shown(self) -> dict[str, Any]:
        item, review = self._item, self._review
        text, variable = review.framed(item), review.variables[item.variable]
        section = text.section_at(item.start) if item.found else None
        return {
            "key": item.key,
            "text": text.raw.encode("utf-16", "replace").decode("utf-16"),  # a lone surrogate cannot be sent
            "found": item.found,
            "start": item.start,
            "end": item.end,
            "others": [list(span) for span in item.others],
            "sections": _titles(text),
            "variable": {"zh": variable.title.zh or variable.name, "en": variable.title.en or variable.name},
            "description": {"zh": variable.description.zh, "en": variable.description.en or variable.description.zh},
            "kind": variable.value.kind,
            "unit": variable.value.unit,
            "choices": list(ASSERTIONS) if variable.value.kind == "presence" else [each.name for each in variable.value.categories],
            "assertions": list(ASSERTIONS),
            "value": item.value,
            "value_unit": item.unit,
            "assertion": item.assertion,
            "confidence": item.confidence,
            "section": section.name if section else "",
            "about": [part for part in (text.document_type or text.note.document_type, text.note.department, _day(text)) if part],
            "decision": _said(self._own.get(item.key)),
            "others_said": self._others_said(item) if review.adjudicator else [],
        }

    def _others_said(self, item: Item) -> list[dict[str, Any]]:
        return [_said(each) for key, made in disagreements(self._review.decisions()) if key == item.key for each in made]

    def _strata(self) -> list[list[Any]]:
        counts: dict[tuple[str, bool, str], list] = {}
        for item in self._review.items:
            row = counts.setdefault((item.variable, item.found, item.stratum), [0, 0, 0.0])
            row[0] += item.key in self._own
            row[1] += 1
            row[2] += item.weight
        current = self._item.variable if self._review.items else ""
        return [[found, stratum, *row[:2], round(row[2])] for (name, found, stratum), row in counts.items() if name == current]


def _filled(decision: Decision, message: dict[str, Any], variable: Variable, item: Item, length: int) -> Decision | str:
    """Return a correction with what was typed, or the fault."""
    start, end = message.get("start", -1), message.get("end", -1)
    if not (start == -1 or (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= length)):
        return "span"
    assertion = message.get("assertion") if message.get("assertion") in ASSERTIONS else item.assertion or "present"
    value: Any = str(message.get("value") if message.get("value") is not None else "").strip()
    kind = variable.value.kind
    if kind == "presence":
        value = assertion
    elif kind == "quantity":
        try:
            value = float(value)
        except ValueError:
            return "number"
        if value != value or value in (float("inf"), float("-inf")):
            return "number"
    elif kind == "category" and value not in {each.name for each in variable.value.categories}:
        return "category"
    return decision._replace(value=value, assertion=assertion, start=start, end=end if start >= 0 else -1)


def _titles(text: ClinicalText) -> list[list[Any]]:
    """Return (start, end, standard name) of each section's title."""
    return [[section.start, section.body, section.name] for section in text.sections if section.body > section.start]


def _day(text: ClinicalText) -> str:
    return text.note.written.date().isoformat() if text.note.written else ""


def _said(decision: Decision | None) -> dict[str, Any] | None:
    return decision and {name: getattr(decision, name) for name in ("reviewer", "verdict", "value", "assertion", "start", "end")}


def _row(metrics: Any, variables: dict[str, Variable]) -> dict[str, Any]:
    title = variables[metrics.variable].title
    bounds = {name: _bound(getattr(metrics, name)) for name in ("precision", "recall", "f1")}
    known = [bound["more"] for bound in bounds.values() if bound["more"] is not None]
    return bounds | {
        "variable": {"zh": title.zh or metrics.variable, "en": title.en or metrics.variable},
        "judged": metrics.found + metrics.not_found + metrics.unsure,
        "items": metrics.items,
        "more": max(known) if len(known) == len(bounds) else None,
    }


def _bound(interval: Interval) -> dict[str, Any]:
    return interval._asdict()
