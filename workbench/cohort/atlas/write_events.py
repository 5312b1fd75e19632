"""Event sets of ours as circe criteria."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from workbench.cohort.atlas.concepts import ConceptSets, of_system
from workbench.cohort.atlas.mapping import NUMBER_OPERATORS, Attribute, Kind, kind_of
from workbench.cohort.query import AllOf, CodeItem, Codelist, Condition, Events, Observed
from workbench.domains import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.cohort.atlas.losses import Losses
    from workbench.cohort.query import Criterion

__all__ = ["EventWriter"]

_OPERATORS = {ours: theirs for theirs, ours in NUMBER_OPERATORS.items()}
#: Vocabulary of units in OMOP.
_UNITS = "UCUM"


@dataclass
class EventWriter:
    """Writes event sets.

    Parameters
    ----------
    sets : ConceptSets
        Collects the codelists.
    losses : Losses
        Collects what circe cannot say.
    group : callable
        Writes a criterion as a circe group; called with the criterion and its path.
    """

    sets: ConceptSets
    losses: Losses
    group: Callable[[Criterion, str], dict[str, Any]]

    def write(self, events: Events, path: str) -> list[dict[str, Any]]:
        """Write an event set as circe criteria, whose union it is: one for each column that its codes are asked on.

        Parameters
        ----------
        events : Events
            What to write.
        path : str
            Where it stands, for the report.

        Returns
        -------
        list of dict
            Empty where circe has no such criterion.
        """
        found = kind_of(events.domain)
        if found is None:
            self.losses.add(path, f"ATLAS has no criterion for {events.domain}", f"ATLAS 没有 {events.place.word_zh} 条件")
            return []
        name, kind = found
        events = _visit_kind_as_codes(events)
        body = self._conditions(events, kind, path)
        if events.first:
            body["First"] = True
            if not kind.first:
                self.losses.add(path, f"ATLAS cannot ask for the first of {name}", f"ATLAS 不能取 {name} 的首次")
        if events.nested is not None:
            body["CorrelatedCriteria"] = self._nested(events.nested, path)
        return [{name: codes | body} for codes in self._codes(events, kind, path)]

    def _nested(self, criterion: Criterion, path: str) -> dict[str, Any]:
        """Circe looks at nested criteria only for events inside an observation period, as the reader writes them."""
        observed = Observed()
        if isinstance(criterion, AllOf) and observed in criterion.criteria:
            rest = tuple(part for part in criterion.criteria if part != observed)
            return self.group(rest[0] if len(rest) == 1 else AllOf(rest), path)
        self.losses.add(path, "ATLAS keeps nested criteria inside an observation period", "ATLAS 的嵌套条件限于观察期内")
        return self.group(criterion, path)

    def _codes(self, events: Events, kind: Kind, path: str) -> list[dict[str, Any]]:
        if events.codes is None:
            return [{}]
        systems = dict.fromkeys(item.system for item in events.codes.include)
        if events.first and len(systems) > 1:
            self.losses.add(path, "the first event over several code columns", "跨多个编码列取首次")
        return [written for system in systems for written in self._codes_of(events.codes, system, kind, path)]

    def _codes_of(self, codes: Codelist, system: str, kind: Kind, path: str) -> list[dict[str, Any]]:
        concepts: Codelist | None = of_system(codes, system)
        attribute = kind.codes if system == "concept" else kind.source
        if system not in ("concept", "source_concept"):
            concepts, unknown = self.sets.on_source(codes, system)
            if unknown:
                shown = ", ".join(unknown[:5]) + (" …" if len(unknown) > 5 else "")
                self.losses.add(path, f"{system} codes without a concept: {shown}", f"{system} 编码没有对应概念：{shown}")
        if not attribute:
            self.losses.add(path, f"ATLAS cannot ask this criterion for {system} codes", f"ATLAS 的该条件不支持 {system} 编码")
        if concepts is None or not attribute:
            return []
        return [{attribute: self.sets.number(concepts)}]

    def _conditions(self, events: Events, kind: Kind, path: str) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for condition in _merged(events.conditions):
            written = self._condition(events, condition, kind)
            if written is None or any(name in body for name in written):
                words = f"{condition.field} {condition.operator}"
                self.losses.add(path, f"ATLAS cannot ask {events.domain} for {words}", f"ATLAS 不能对{events.place.word_zh}要求 {words}")
            else:
                body |= written
        return body

    def _condition(self, events: Events, condition: Condition, kind: Kind) -> dict[str, Any] | None:
        condition = self._unit_as_concept(condition)
        for name, attribute in kind.attributes.items():
            if (attribute.field, attribute.of) == (condition.field, condition.of):
                if attribute.type == "concepts":
                    return self._concepts(events, condition, name, attribute)
                written = _range(condition, attribute.type)
                return None if written is None else {name: written}
        return None

    def _concepts(self, events: Events, condition: Condition, name: str, attribute: Attribute) -> dict[str, Any] | None:
        wanted = condition.operator in ("in", "eq")
        if not wanted and not (attribute.exclude and condition.operator in ("not_in", "ne")):
            return None
        words = events.words(condition.field)
        ids = [concept for value in condition.values for concept in (words[value] if isinstance(value, str) else (int(value),))]  # type: ignore[call-overload]
        written: dict[str, Any] = {name: self.sets.concepts(ids)}
        return written if wanted else written | {attribute.exclude: True}

    def _unit_as_concept(self, condition: Condition) -> Condition:
        """Ask for a unit by its concept where the vocabulary knows each of the words."""
        if condition.field != "unit" or condition.operator not in ("eq", "in"):
            return condition
        found = [self.sets.vocabulary.find(_UNITS, str(unit), prefix=False) for unit in condition.values]
        return Condition("unit_concept", "in", tuple(concept for ids in found for concept in ids)) if all(found) else condition


def _visit_kind_as_codes(events: Events) -> Events:
    """Ask encounters for their kind as circe does: by a concept set rather than by a condition."""
    asked = [condition for condition in events.conditions if condition.field == "setting" and condition.operator in ("eq", "in")]
    if events.domain != "encounters" or events.codes is not None or len(asked) != 1:
        return events
    ids = [concept for value in asked[0].values for concept in (SETTINGS[value] if isinstance(value, str) else (value,))]
    codes = Codelist(tuple(CodeItem(str(concept), "concept") for concept in dict.fromkeys(ids)), name="visit")
    return replace(events, codes=codes, conditions=tuple(other for other in events.conditions if other is not asked[0]))


def _merged(conditions: tuple[Condition, ...]) -> list[Condition]:
    """Join `ge` and `le` on one field, which circe writes as one range."""
    merged: list[Condition] = []
    for condition in conditions:
        wanted = {"ge": "le", "le": "ge"}.get(condition.operator)
        other = next((c for c in merged if (c.field, c.of, c.operator) == (condition.field, condition.of, wanted)), None)
        if other is None:
            merged.append(condition)
            continue
        low, high = (condition, other) if condition.operator == "ge" else (other, condition)
        merged[merged.index(other)] = Condition(condition.field, "between", (low.values[0], high.values[0]), condition.of)
    return merged


def _range(condition: Condition, kind: str) -> dict[str, Any] | None:
    """Write a range; None where circe cannot write the operator or would round the values."""
    if kind == "text":
        operator = {"eq": "eq", "ne": "!eq"}.get(condition.operator)
        return None if operator is None else {"Op": operator, "Text": condition.values[0]}
    operator = _OPERATORS.get(condition.operator)
    if operator is None or not all(_writable(value, kind) for value in condition.values):
        return None
    values = [value.isoformat() if isinstance(value, date) else value for value in condition.values]
    return {"Op": operator} | dict(zip(("Value", "Extent"), values, strict=False))


def _writable(value: Any, kind: str) -> bool:
    if kind == "date":
        return isinstance(value, date)
    return value == (int(value) if kind == "integer" else round(value, 4))
