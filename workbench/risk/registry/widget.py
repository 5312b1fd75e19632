"""The registry in a notebook: a patient's form, the source of each value a click away, corrections, and what is due.

Everything that is shown comes from the kernel and every entry is made there; the page only draws ``state`` and sends what was pressed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from workbench.errors import WorkbenchError
from workbench.locale import get_language, set_language
from workbench.risk.cleaning.shown import shown_word

if TYPE_CHECKING:
    from workbench.risk.registry.registry import Filled, Registry

__all__ = ["RegistryWidget"]

_HERE = Path(__file__).parent

#: Patients and entries that are sent at a time.
_PAGE = 200

_WORDS = {
    "title": ("专病库", "Registry"),
    "patients": ("患者", "Patients"),
    "search": ("按编号查找", "Find by number"),
    "form": ("表单", "Form"),
    "due": ("到期随访", "Due"),
    "journal": ("更正记录", "Journal"),
    "source": ("来源", "Source"),
    "nosource": ("没有来源记录：手工录入，或原始表无时间", "No source record: typed by hand, or from a table without times"),
    "outcome": ("结局", "Outcome"),
    "was": ("原值", "Source value"),
    "corrected": ("已更正", "Corrected"),
    "correct": ("更正", "Correct"),
    "enter": ("录入", "Enter"),
    "value": ("新值", "New value"),
    "reason": ("理由", "Reason"),
    "save": ("保存", "Save"),
    "withdraw": ("撤回更正", "Take back"),
    "visits": ("随访", "Follow-up"),
    "day": ("第 {} 天", "Day {}"),
    "date": ("日期", "Date"),
    "state": ("状态", "State"),
    "done": ("完成", "Done"),
    "lost": ("失访", "Lost"),
    "died": ("死亡", "Died"),
    "none": ("（缺失）", "(missing)"),
    "yes": ("是", "Yes"),
    "no": ("否", "No"),
    "pick": ("点击任一项目查看来源或更正", "Click an item to see its source or to correct it"),
    "nothing": ("没有到期的随访", "No visit is due"),
    "empty": ("还没有更正或录入", "Nothing has been corrected or entered"),
    "more": ("只列出前 {} 名，请用编号查找", "The first {}: find others by number"),
    "switch": ("English", "中文"),
    "patient": ("患者", "Patient"),
    "by": ("操作人", "By"),
    "item": ("项目", "Item"),
    "at": ("时间", "At"),
    "index": ("索引日期", "Index date"),
    "editor": ("操作人：", "Editor: "),
}


class RegistryWidget(anywidget.AnyWidget):
    """Widget of a registry.

    Parameters
    ----------
    registry : Registry
        What is shown and written to.
    """

    _esm = _HERE / "widget.js"
    _css = _HERE / "widget.css"
    state = traitlets.Dict().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    language = traitlets.Unicode("zh").tag(sync=True)

    def __init__(self, registry: Registry) -> None:
        words = {language: {key: pair[place] for key, pair in _WORDS.items()} for place, language in enumerate(("zh", "en"))}
        super().__init__(words=words, language=get_language())
        self._registry, self._person, self._item, self._search = registry, registry.persons[0], None, ""
        self.on_msg(lambda _, content, __: self.handle(content))
        self._show()

    def handle(self, message: dict[str, Any]) -> None:
        """Do what was pressed; a fault is shown and nothing is lost.

        Parameters
        ----------
        message : dict
            ``do`` is open (`person`), item (`item`), search (`text`), language (`to`), correct (`item`, `value`, `reason`, `day`),
            withdraw (`item`, `day`) or visit (`day`, `state`, `made`).
        """
        action = {
            "open": self._open,
            "item": self._choose,
            "search": self._find,
            "language": self._speak,
            "correct": self._correct,
            "withdraw": self._withdraw,
            "visit": self._visit,
        }.get(message.get("do"))
        if action is None:
            return
        try:
            action(message)
        except (WorkbenchError, ValueError, TypeError) as error:
            self._show(str(error))
        else:
            self._show()

    # --------------------------------------------------------------------------------------------------------- actions

    def _open(self, message: dict[str, Any]) -> None:
        self._person, self._item = self._known(message.get("person")), None

    def _choose(self, message: dict[str, Any]) -> None:
        self._item = message.get("item") if message.get("item") in self._registry.form.by_name else None

    def _find(self, message: dict[str, Any]) -> None:
        self._search = str(message.get("text", "")).strip()

    def _speak(self, message: dict[str, Any]) -> None:
        set_language(str(message.get("to")))
        self.language = get_language()

    def _correct(self, message: dict[str, Any]) -> None:
        day = message.get("day")
        self._registry.correct(self._person, message.get("item"), message.get("value"), reason=str(message.get("reason") or ""), day=day)

    def _withdraw(self, message: dict[str, Any]) -> None:
        self._registry.withdraw(self._person, message.get("item"), day=message.get("day"))

    def _visit(self, message: dict[str, Any]) -> None:
        self._registry.visit(self._person, message.get("day"), state=str(message.get("state")), made=str(message.get("made") or ""))

    def _known(self, shown: Any) -> Any:
        return next((person for person in self._registry.persons if str(person) == str(shown)), self._person)

    # ------------------------------------------------------------------------------------------------------------ show

    def _show(self, fault: str = "") -> None:
        registry = self._registry
        found = [str(person) for person in registry.persons if self._search in str(person)]
        due = registry.due()
        filled = {each.item.name: each for each in registry.filled(self._person)}
        groups = [(name, [filled[item.name] for item in items]) for name, items in registry.form.groups().items()]
        index = registry.index_of(self._person)
        self.state = {
            "fault": fault,
            "editor": registry.editor,
            "title": registry.data.protocol.title,
            "person": str(self._person),
            "index": "" if index is None else index.isoformat(),
            "search": self._search,
            "persons": found[:_PAGE],
            "total": len(found),
            "late": sorted({str(person) for person in due["person"]}),
            "groups": [[name, [_shown(each) for each in items]] for name, items in groups if items[0].item.group != "visit"],
            "ending": self._ending(),
            "item": self._item,
            "evidence": [list(each) for each in registry.evidence(self._person, self._item)] if self._item else [],
            "visits": self._visits(),
            "due": [[str(row.person), row.day, row.date.isoformat(), row.state] for row in due.head(_PAGE).itertuples()],
            "journal": registry.corrections().tail(_PAGE).iloc[::-1].astype(object).where(lambda t: t.notna(), None).to_numpy().tolist(),
        }

    def _ending(self) -> list[str]:
        """Return what is shown of the outcome: its label, what happened, and when."""
        ending = self._registry.ending(self._person)
        return [self._registry.data.cohort.causes[0], ending.state, "" if ending.date is None else ending.date.isoformat()]

    def _visits(self) -> list[dict[str, Any]]:
        registry = self._registry
        asked = [item for item in registry.form.items if item.group == "visit"]
        entered = registry.entered(self._person)
        return [
            {
                "day": visit.day,
                "date": visit.date.isoformat(),
                "state": visit.state,
                "label": visit.label,
                "made": visit.made.isoformat() if visit.made else "",
                "items": [_field(item) | {"value": entered.get((item.name, visit.day), {}).get("value")} for item in asked],
            }
            for visit in registry.visits(self._person)
        ]


def _field(item: Any) -> dict[str, Any]:
    return {
        "name": item.name,
        "label": item.label,
        "unit": item.unit,
        "kind": item.kind,
        "choices": [[choice, shown_word(choice)] for choice in item.choices],
    }


def _shown(filled: Filled) -> dict[str, Any]:
    return _field(filled.item) | {
        "group": filled.item.group,
        "source": filled.source,
        "value": filled.value,
        "corrected": filled.entry is not None,
        "reason": (filled.entry or {}).get("reason", ""),
        "by": (filled.entry or {}).get("by", ""),
        "at": (filled.entry or {}).get("at", "")[:10],
        "hint": f"{filled.item.low:g}–{filled.item.high:g}" if filled.item.low is not None else "",
    }
