"""Our own cohort definitions as ATLAS's (circe JSON).

What ATLAS cannot say is a loss: text of notes, findings, images, windows in hours, exact birthdays, other cohorts. What it
says in other words is written in those words: an excluding rule is a group of which at most 0 hold, a union of events
is several criteria, observation before the index is a criterion on observation periods.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from workbench.cohort.atlas.concepts import ConceptSets, NoVocabulary, of_system, without_column
from workbench.cohort.atlas.losses import Loss, Losses
from workbench.cohort.atlas.mapping import DISTINCT, NUMBER_OPERATORS
from workbench.cohort.atlas.write_events import EventWriter
from workbench.cohort.query import (
    Age,
    AllOf,
    AnyOf,
    AtLeast,
    AtMost,
    Cohort,
    Combination,
    Criterion,
    Entry,
    Events,
    Exit,
    IndexDate,
    Not,
    Observed,
    Occurs,
    Person,
    Window,
)
from workbench.domains import SEXES

if TYPE_CHECKING:
    from workbench.cohort.atlas.concepts import Vocabulary
    from workbench.cohort.query import Codelist, Definition

__all__ = ["Export", "write_atlas"]

_OPERATORS = {ours: theirs for theirs, ours in NUMBER_OPERATORS.items()}
_COUNT_COLUMNS = {ours: theirs for theirs, ours in DISTINCT.items()}
_LIMITS = {"all": "All", "first": "First", "last": "Last"}
_OPEN = {"Start": {"Coeff": -1}, "End": {"Coeff": 1}, "UseIndexEnd": False, "UseEventEnd": False}


@dataclass(frozen=True)
class Export:
    """A definition of ours as ATLAS's.

    Parameters
    ----------
    expression : dict or None
        Circe JSON; None where nothing could be written.
    losses : tuple of Loss
        What ATLAS cannot say; with any, the expression does not mean what the original means.
    """

    expression: dict[str, Any] | None
    losses: tuple[Loss, ...]


def write_atlas(definition: Definition, *, vocabulary: Vocabulary | None = None) -> Export:
    """Write a cohort definition as circe JSON.

    Parameters
    ----------
    definition : Cohort or Combination
        What to write.
    vocabulary : Vocabulary, optional
        Finds the concepts of source codes and of units, and their names; without it source codes are losses.

    Returns
    -------
    Export

    Examples
    --------
    >>> from workbench.cohort.query import Cohort, Entry, Events, Observed
    >>> cohort = Cohort("any visit", Entry((Events("encounters"),), "first", Observed(before_days=365)))
    >>> write_atlas(cohort).expression["PrimaryCriteria"]["ObservationWindow"]
    {'PriorDays': 365, 'PostDays': 0}
    """
    writer = _Writer(ConceptSets(vocabulary or NoVocabulary()))
    if isinstance(definition, Combination):
        writer.losses.add(definition.name, "ATLAS cannot combine cohorts", "ATLAS 不能组合队列")
        return Export(None, tuple(writer.losses.found))
    return Export(writer.cohort(definition), tuple(writer.losses.found))


@dataclass
class _Writer:
    sets: ConceptSets
    losses: Losses = field(default_factory=Losses)

    def __post_init__(self) -> None:
        self.events = EventWriter(self.sets, self.losses, self.group)

    def cohort(self, cohort: Cohort) -> dict[str, Any]:
        self._check_merging(cohort)
        written = {
            "Title": cohort.name,
            "PrimaryCriteria": self._primary(cohort.entry),
            "QualifiedLimit": {"Type": _LIMITS[cohort.entry.qualified_limit]},
            "ExpressionLimit": {"Type": _LIMITS[cohort.keep]},
            "InclusionRules": [
                {
                    "name": rule.name,
                    "expression": self.group(
                        rule.criterion if rule.kind == "require" else AtMost(0, (rule.criterion,)), f"rule {rule.name}"
                    ),
                }
                for rule in cohort.rules
            ],
            "CensoringCriteria": [found for events in cohort.censor for found in self.events.write(events, "censor")],
            "CollapseSettings": {"CollapseType": "ERA", "EraPad": cohort.collapse_gap_days or 0},
            "CensorWindow": {
                name: day.isoformat() for name, day in zip(("StartDate", "EndDate"), cohort.date_range, strict=True) if day is not None
            },
        }
        if cohort.entry.qualifying is not None or cohort.entry.qualified_limit != "all":
            written["AdditionalCriteria"] = self.group(cohort.entry.qualifying or AllOf(()), "entry.qualifying")
        strategy = self._exit(cohort.exit)
        if strategy is not None:
            written["EndStrategy"] = strategy
        return {"ConceptSets": self.sets.written()} | written

    def _check_merging(self, cohort: Cohort) -> None:
        one_row = cohort.keep != "all" or cohort.entry.limit != "all"
        if cohort.collapse_gap_days is None and not one_row:
            self.losses.add("collapse_gap_days", "ATLAS merges rows of a person that overlap", "ATLAS 会合并同一患者重叠的记录")

    def _primary(self, entry: Entry) -> dict[str, Any]:
        if entry.observed is None:
            self.losses.add("entry", "ATLAS takes only events inside an observation period", "ATLAS 只取观察期内的事件")
        observed = entry.observed or Observed()
        return {
            "CriteriaList": [
                found for position, events in enumerate(entry.events) for found in self.events.write(events, f"entry.events[{position}]")
            ],
            "ObservationWindow": {"PriorDays": observed.before_days, "PostDays": observed.after_days},
            "PrimaryCriteriaLimit": {"Type": _LIMITS[entry.limit]},
        }

    def _exit(self, exit_: Exit) -> dict[str, Any] | None:
        if exit_.kind == "observation":
            return None
        if exit_.kind == "offset":
            return {"DateOffset": {"DateField": "StartDate" if exit_.edge == "start" else "EndDate", "Offset": exit_.days}}
        codes = _era_codes(exit_.events)
        if codes is None:
            reason = "ATLAS's era is of drugs, by one concept set on the standard and the source concept"
            self.losses.add("exit", reason, "ATLAS 的延续期只能是用药，且同一概念集同时用于标准与来源概念")
            return None
        era = {"DrugCodesetId": self.sets.number(codes), "GapDays": exit_.gap_days, "Offset": exit_.days}
        return {"CustomEra": era if exit_.supply_days is None else era | {"DaysSupplyOverride": exit_.supply_days}}

    # ------------------------------------------------------------------------------------------------------- criteria

    def group(self, criterion: Criterion, path: str) -> dict[str, Any]:
        """Write a criterion as a group."""
        kind, count, criteria = _as_group(criterion)
        found: dict[str, Any] = {"Type": kind, "CriteriaList": [], "DemographicCriteriaList": [], "Groups": []}
        if count is not None:
            found["Count"] = count
        if not criteria and (kind == "ANY" or (kind == "AT_LEAST" and count)):
            self.losses.add(path, "ATLAS takes a group without criteria as true", "ATLAS 视空条件组为真")
        for part in criteria:
            place, written = self._part(part, path)
            if written is not None:
                found[place].append(written)
        return found

    def _part(self, criterion: Criterion, path: str) -> tuple[str, dict[str, Any] | None]:
        if isinstance(criterion, Occurs):
            return self._occurs(criterion, path)
        if isinstance(criterion, Observed):
            return "CriteriaList", self._observed(criterion)
        if isinstance(criterion, Age | IndexDate) or (isinstance(criterion, Person) and criterion.operator == "in"):
            return "DemographicCriteriaList", self._demographic(criterion, path)
        if isinstance(criterion, Person):
            return "Groups", self.group(Not(Person(criterion.field, "in", criterion.values)), path)
        if isinstance(criterion, AllOf | AnyOf | AtLeast | AtMost | Not):
            return "Groups", self.group(criterion, path)
        self.losses.add(path, "ATLAS cannot ask for another cohort", "ATLAS 不能引用其他队列")
        return "Groups", None

    def _demographic(self, criterion: Age | IndexDate | Person, path: str) -> dict[str, Any] | None:
        if isinstance(criterion, Person):
            ids = [concept for value in criterion.values for concept in (SEXES[value] if isinstance(value, str) else (value,))]
            return {criterion.field.replace("sex", "gender").capitalize(): self.sets.concepts(ids)}
        operator = _OPERATORS.get(criterion.operator)
        if isinstance(criterion, Age) and not criterion.calendar:
            self.losses.add(path, "ATLAS's age is the difference of years, not of birthdays", "ATLAS 的年龄为年份之差，而非周岁")
            return None
        if operator is None or (isinstance(criterion, Age) and any(value != int(value) for value in criterion.values)):
            self.losses.add(path, f"ATLAS cannot compare by {criterion.operator}", f"ATLAS 不支持比较 {criterion.operator}")
            return None
        values = [int(value) if isinstance(criterion, Age) else value.isoformat() for value in criterion.values]  # type: ignore[union-attr,arg-type]
        written = {"Op": operator} | dict(zip(("Value", "Extent"), values, strict=False))
        if isinstance(criterion, Age):
            return {"Age": written}
        return {"OccurrenceStartDate" if criterion.edge == "start" else "OccurrenceEndDate": written}

    def _observed(self, criterion: Observed) -> dict[str, Any]:
        """Write that one period starts so long before and ends so long after the index date."""
        start, end = -criterion.before_days, criterion.after_days
        return {
            "Criteria": {"ObservationPeriod": {}},
            "StartWindow": _window(Window(end=start)),
            "EndWindow": _window(Window(start=end, event="end")),
            "Occurrence": {"Type": 2, "Count": 1, "IsDistinct": False},
            "RestrictVisit": False,
            "IgnoreObservationPeriod": True,
        }

    def _occurs(self, criterion: Occurs, path: str) -> tuple[str, dict[str, Any] | None]:
        if criterion.operator == "ne":
            return "Groups", self.group(Not(replace(criterion, operator="eq")), path)
        sets = [found for events in criterion.events for found in self.events.write(events, path)]
        occurrence = self._occurrence(criterion, path)
        windows = self._windows(criterion.windows, path)
        written = [
            {
                "Criteria": found,
                **windows,
                "Occurrence": occurrence,
                "RestrictVisit": criterion.same_visit,
                "IgnoreObservationPeriod": not criterion.within_observation,
            }
            for found in sets
        ]
        if len(written) == 1:
            return "CriteriaList", written[0]
        if not written:
            return "CriteriaList", None
        return "Groups", self._union(criterion, written, path)

    def _union(self, criterion: Occurs, written: list[dict[str, Any]], path: str) -> dict[str, Any]:
        """Circe counts one kind of event at a time: a union can be asked for any and for none, not for a number."""
        kind = _UNIONS.get(_at_least_or_none(criterion.operator, criterion.count), "")
        if not kind:
            self.losses.add(path, "ATLAS cannot count several kinds of events together", "ATLAS 不能合并计数多种事件")
        return {"Type": kind or "ANY", "CriteriaList": written, "DemographicCriteriaList": [], "Groups": []}

    def _occurrence(self, criterion: Occurs, path: str) -> dict[str, Any]:
        kind, count = _counted(criterion.operator, criterion.count)
        if count < 0:
            self.losses.add(path, "ATLAS cannot ask for fewer than no event", "ATLAS 不能要求少于 0 次")
        written: dict[str, Any] = {"Type": kind, "Count": max(count, 0), "IsDistinct": bool(criterion.distinct)}
        if criterion.distinct:
            written["CountColumn"] = _COUNT_COLUMNS[criterion.distinct]
            if criterion.distinct == "concept" and any(events.domain == "deaths" for events in criterion.events):
                self.losses.add(path, "ATLAS counts a death without a cause as cause 0", "ATLAS 将无死因的死亡计为死因 0")
        return written

    def _windows(self, windows: tuple[Window, ...], path: str) -> dict[str, Any]:
        if any(window.unit == "hours" for window in windows):
            self.losses.add(path, "ATLAS's windows are in days", "ATLAS 的时间窗以天为单位")
        if len(windows) > 2:
            self.losses.add(path, f"ATLAS has two windows, not {len(windows)}", f"ATLAS 只有两个时间窗，而非 {len(windows)} 个")
        days = [_window(window) for window in windows if window.unit == "days"][:2]
        return dict(zip(("StartWindow", "EndWindow"), days or [dict(_OPEN)], strict=False))


#: How a union is asked: at least one of any kind, or none of every kind.
_UNIONS = {"any": "ANY", "none": "ALL"}


def _as_group(criterion: Criterion) -> tuple[str, int | None, tuple[Criterion, ...]]:
    if isinstance(criterion, AllOf):
        return "ALL", None, criterion.criteria
    if isinstance(criterion, AnyOf):
        return "ANY", None, criterion.criteria
    if isinstance(criterion, AtLeast):
        return "AT_LEAST", criterion.count, criterion.criteria
    if isinstance(criterion, AtMost):
        return "AT_MOST", criterion.count, criterion.criteria
    if isinstance(criterion, Not):
        return "AT_MOST", 0, (criterion.criterion,)
    return "ALL", None, (criterion,)


def _counted(operator: str, count: int) -> tuple[int, int]:
    return {"eq": (0, count), "le": (1, count), "ge": (2, count), "lt": (1, count - 1), "gt": (2, count + 1)}[operator]


def _at_least_or_none(operator: str, count: int) -> str:
    kind, number = _counted(operator, count)
    if (kind, number) == (2, 1):
        return "any"
    return "none" if number == 0 and kind in (0, 1) else ""


def _window(window: Window) -> dict[str, Any]:
    return {
        "Start": _bound(window.start, outward=-1),
        "End": _bound(window.end, outward=1),
        "UseIndexEnd": window.index == "end",
        "UseEventEnd": window.event == "end",
    }


def _bound(days: int | None, *, outward: int) -> dict[str, int]:
    return {"Coeff": outward} if days is None else {"Days": abs(days), "Coeff": -1 if days < 0 else 1}


def _era_codes(events: tuple[Events, ...]) -> Codelist | None:
    """Return the codelist that keeps a drug era alive, where it is asked on both columns as circe does."""
    if any(found.domain != "medications" or found.codes is None or found.conditions or found.first or found.nested for found in events):
        return None
    by_system = {
        system: without_column(of_system(found.codes, system))
        for found in events
        if found.codes is not None
        for system in dict.fromkeys(item.system for item in found.codes.include)
    }
    same = len(set(by_system.values())) == 1 and set(by_system) == {"concept", "source_concept"}
    return by_system["concept"] if same else None
