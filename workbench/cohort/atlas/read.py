"""ATLAS cohort definitions (circe JSON) as our own.

The reader walks the JSON itself rather than circepy's model, because the model drops attributes that it does not know: here
each one is either translated or a loss. The meaning is that of the SQL that circe-be writes [1]_; what is easily overlooked:

- Every entry event must lie in an observation period, and so must every event that carries nested criteria.
- Unless ``IgnoreObservationPeriod`` is set, correlated events start in the observation period that holds the index date,
  and an open end of a window reaches to the end of that period.
- The end window looks at the event's end unless it says otherwise, the start window at its start.
- The qualifying limit does nothing where there are no additional criteria.
- A group without criteria is true, whatever its type; as nested criteria it asks nothing, not even observation.
- Rows are always merged into eras, with a padding of 0 days if none is given.

References
----------
.. [1] https://github.com/OHDSI/circe-be, ``CohortExpressionQueryBuilder``.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from workbench.cohort.atlas.losses import Loss, Losses
from workbench.cohort.atlas.mapping import CRITERIA, DISTINCT, OCCURRENCE_TYPES, Attribute, Kind
from workbench.cohort.atlas.parts import NoCounterpart, Part, concept_ids, expression_of, limit_of, range_of, whole
from workbench.cohort.query import (
    MAX_RULES,
    Age,
    AllOf,
    AnyOf,
    AtLeast,
    AtMost,
    CodeItem,
    Codelist,
    Cohort,
    Condition,
    Criterion,
    Entry,
    Events,
    Exit,
    IndexDate,
    Observed,
    Occurs,
    Person,
    Rule,
    Window,
)
from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

__all__ = ["Translation", "read_atlas"]

#: Parts of a definition that say nothing of who is in the cohort.
_SILENT = ("ConceptSets", "Title", "cdmVersionRange", "name", "id", "description", "expressionType")


@dataclass(frozen=True)
class Translation:
    """An ATLAS definition as ours.

    Parameters
    ----------
    cohort : Cohort or None
        What could be translated; None where not even an entry event could.
    losses : tuple of Loss
        What could not; with any, the cohort does not mean what the original means.
    """

    cohort: Cohort | None
    losses: tuple[Loss, ...]

    @property
    def exact(self) -> bool:
        """Whether the cohort means the same as the original in any data."""
        return self.cohort is not None and not self.losses


def read_atlas(text: str, *, name: str) -> Translation:
    """Translate an ATLAS cohort definition.

    Parameters
    ----------
    text : str
        Circe JSON as ATLAS or the OHDSI PhenotypeLibrary gives it.
    name : str
        Name of the cohort.

    Returns
    -------
    Translation
        Never raises for a part that has no counterpart: that part is a loss.

    Raises
    ------
    DefinitionError
        If the text is no JSON, or no cohort definition.
    """
    expression = expression_of(text)
    reader, cohort = _Reader(), None
    with reader.part(""):
        cohort = reader.cohort(Part(expression, ""), name)
    return Translation(cohort, tuple(reader.losses.found))


@dataclass
class _Reader:
    """One walk over one definition."""

    losses: Losses = field(default_factory=Losses)
    sets: dict[int, Codelist] = field(default_factory=dict)

    @contextmanager
    def part(self, path: str) -> Iterator[None]:
        """Turn what a part cannot say into a loss at its path."""
        try:
            yield
        except NoCounterpart as error:
            self.losses.add(path, error.reason, error.reason_zh)
        except DefinitionError as error:
            self.losses.add(path, error.message, error.message)
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            # A value of a kind that circe never writes, somewhere below: the part is lost, the walk goes on.
            self.losses.add(path, f"cannot be read ({type(error).__name__})", f"无法读取（{type(error).__name__}）")

    def finish(self, part: Part) -> None:
        """Record the attributes of a part that nobody read."""
        for name in part.untaken():
            self.losses.add(part.at(name), *_why_untaken(name))

    def cohort(self, part: Part, name: str) -> Cohort | None:
        for silent in _SILENT:
            part.take(silent)
        self._read_sets(part)
        entry = self._entry(part)
        rules = self._rules(part)
        exit_ = self._exit(part.take("EndStrategy"), part.at("EndStrategy"))
        censor = tuple(filter(None, (self._events(raw, path) for path, raw in part.items("CensoringCriteria"))))
        keep, gap, window = "all", 0, (None, None)
        with self.part(part.at("ExpressionLimit")):
            keep = limit_of(part.take("ExpressionLimit"))
        with self.part(part.at("CollapseSettings")):
            gap = self._gap(part.take("CollapseSettings"))
        with self.part(part.at("CensorWindow")):
            window = _period(part.take("CensorWindow"))
        self.finish(part)
        if entry is None:
            return None
        return Cohort(name, entry, rules, keep, exit_, censor, collapse_gap_days=gap, date_range=window)  # type: ignore[arg-type]

    def _read_sets(self, part: Part) -> None:
        for path, raw in part.items("ConceptSets"):
            with self.part(path):
                found = Part(raw, path)
                expression = Part(found.take("expression") or {}, f"{path}.expression")
                codes = _codelist(expression.items("items"), str(found.take("name") or ""))
                if codes is not None:
                    self.sets[whole(found.take("id"), "id")] = codes

    def _entry(self, part: Part) -> Entry | None:
        primary = Part(part.take("PrimaryCriteria"), part.at("PrimaryCriteria"))
        events = tuple(filter(None, (self._events(raw, path) for path, raw in primary.items("CriteriaList"))))
        observed, limit = Observed(), "all"
        with self.part(primary.at("ObservationWindow")):
            window = Part(primary.take("ObservationWindow"), primary.at("ObservationWindow"))
            observed = Observed(whole(window.take("PriorDays"), "PriorDays"), whole(window.take("PostDays"), "PostDays"))
        with self.part(primary.at("PrimaryCriteriaLimit")):
            limit = limit_of(primary.take("PrimaryCriteriaLimit"))
        self.finish(primary)
        qualifying, qualified_limit = None, "all"
        additional, qualified = part.take("AdditionalCriteria"), part.take("QualifiedLimit")
        if additional is not None:
            qualifying = self._group(additional, part.at("AdditionalCriteria"))
            with self.part(part.at("QualifiedLimit")):
                qualified_limit = limit_of(qualified)
        if not events:
            self.losses.add(primary.at("CriteriaList"), "names no entry event of ours", "没有可对应的入组事件")
            return None
        return Entry(events, limit, observed, qualifying, qualified_limit)  # type: ignore[arg-type]

    def _rules(self, part: Part) -> tuple[Rule, ...]:
        rules: list[Rule] = []
        for path, raw in part.items("InclusionRules"):
            with self.part(path):
                rule = Part(raw, path)
                rule.take("description")
                name = str(rule.take("name") or "").strip() or f"rule {len(rules) + 1}"
                criterion = self._group(rule.take("expression"), rule.at("expression"))
                self.finish(rule)
                if criterion is not None:
                    rules.append(Rule(_unused(name, {other.name for other in rules}), "require", criterion))
        return _at_most(rules, MAX_RULES)

    def _exit(self, raw: Any, path: str) -> Exit:
        with self.part(path):
            strategy = Part(raw or {}, path)
            offset, era = strategy.take("DateOffset"), strategy.take("CustomEra")
            self.finish(strategy)
            if offset is not None:
                return self._offset(Part(offset, strategy.at("DateOffset")))
            if era is not None:
                return self._era(Part(era, strategy.at("CustomEra")))
        return Exit()

    def _offset(self, part: Part) -> Exit:
        field_, days = part.take("DateField"), whole(part.take("Offset"), "Offset")
        self.finish(part)
        return Exit("offset", days=days, edge="end" if field_ == "EndDate" else "start")

    def _era(self, part: Part) -> Exit:
        codes = self._codes(part.take("DrugCodesetId"))
        supply = part.take("DaysSupplyOverride")
        gap, offset = whole(part.take("GapDays") or 0, "GapDays"), whole(part.take("Offset") or 0, "Offset")
        self.finish(part)
        # Two sets rather than one codelist for both columns: an exclusion on one column must not undo a match on the other.
        events = tuple(Events("medications", _on_column(codes, column)) for column in ("concept", "source_concept"))
        supply_days = None if supply is None else whole(supply, "DaysSupplyOverride")
        return Exit("era", days=offset, events=events, gap_days=gap, supply_days=supply_days)

    def _gap(self, raw: Any) -> int:
        if raw is None:
            return 0
        settings = Part(raw, "CollapseSettings")
        kind = settings.take("CollapseType") or "ERA"
        if str(kind).upper() != "ERA":
            raise NoCounterpart(f"rows are merged by {kind!r}", f"合并方式 {kind!r} 未知")
        return whole(settings.take("EraPad") or 0, "EraPad")

    def _codes(self, key: Any, column: str = "concept") -> Codelist:
        codes = self.sets.get(key) if isinstance(key, int) else None
        if codes is None:
            raise NoCounterpart(f"the concept set {key!r} is missing or includes nothing", f"概念集 {key!r} 不存在或为空")
        return _on_column(codes, column)

    def _events(self, raw: Any, path: str) -> Events | None:
        """Read ``{"ConditionOccurrence": {...}}``."""
        with self.part(path):
            names = list(raw) if isinstance(raw, dict) else []
            kind = CRITERIA.get(names[0]) if len(names) == 1 else None
            if kind is None:
                raise NoCounterpart(f"no domain answers {', '.join(names) or 'this'}", f"没有领域对应 {'、'.join(names) or '此项'}")
            part = Part(raw[names[0]] or {}, f"{path}.{names[0]}")
            codes = self._event_codes(part, kind)
            conditions = self._conditions(part, kind)
            first = bool(part.take("First")) if kind.first else False
            nested = part.take("CorrelatedCriteria")
            criterion = None
            if nested is not None and not _is_empty(nested):
                group = self._group(nested, part.at("CorrelatedCriteria"))
                criterion = _both(Observed(), group) if group is not None else None
            self.finish(part)
            return Events(kind.domain, codes, conditions, first, criterion)
        return None

    def _event_codes(self, part: Part, kind: Kind) -> Codelist | None:
        found = [
            (part.at(name), column, key)
            for name, column in ((kind.codes, "concept"), (kind.source, "source_concept"))
            if name and (key := part.take(name)) is not None
        ]
        if len(found) > 1:
            self.losses.add(part.path, "asks for a standard and a source concept set at once", "同时要求标准概念集与来源概念集")
        for path, column, key in found[:1]:
            with self.part(path):
                return self._codes(key, column)
        return None

    def _conditions(self, part: Part, kind: Kind) -> tuple[Condition, ...]:
        found = []
        for name, attribute in kind.attributes.items():
            value, exclude = part.take(name), bool(attribute.exclude and part.take(attribute.exclude))
            with self.part(part.at(name)):
                if value not in (None, []):
                    found.append(_condition(attribute, value, exclude=exclude))
        return tuple(found)

    def _group(self, raw: Any, path: str) -> Criterion | None:
        with self.part(path):
            group = Part(raw, path)
            kind, count = str(group.take("Type")).upper(), group.take("Count")
            lists = (
                ("CriteriaList", self._correlated),
                ("DemographicCriteriaList", self._demographic),
                ("Groups", self._group),
            )
            found = [read(item, at) for name, read in lists for at, item in group.items(name)]
            self.finish(group)
            return _joined(kind, count, tuple(criterion for criterion in found if criterion is not None)) if found else AllOf(())
        return None

    def _correlated(self, raw: Any, path: str) -> Criterion | None:
        with self.part(path):
            part = Part(raw, path)
            within = not part.take("IgnoreObservationPeriod")
            events = self._events(part.take("Criteria"), part.at("Criteria"))
            windows = (
                self._window(part.take("StartWindow"), part.at("StartWindow"), event_end=False, within=within),
                self._window(part.take("EndWindow"), part.at("EndWindow"), event_end=True, within=within),
            )
            operator, count, distinct = self._occurrence(part.take("Occurrence"), part.at("Occurrence"), events)
            same_visit = bool(part.take("RestrictVisit"))
            self.finish(part)
            if events is None:
                return None
            return Occurs((events,), tuple(filter(None, windows)), operator, count, distinct, same_visit, within)  # type: ignore[arg-type]
        return None

    def _window(self, raw: Any, path: str, *, event_end: bool, within: bool) -> Window | None:
        if raw is None:
            return None
        with self.part(path):
            part = Part(raw, path)
            start = _bound(part.take("Start"), outward=-1, within=within)
            end = _bound(part.take("End"), outward=1, within=within)
            at_end, index_end = part.take("UseEventEnd"), part.take("UseIndexEnd")
            self.finish(part)
            event = "end" if (event_end if at_end is None else at_end) else "start"
            if start is None and end is None and not (within and event == "end"):
                return None
            return Window(start, end, event=event, index="end" if index_end else "start")  # type: ignore[arg-type]
        return None

    def _occurrence(self, raw: Any, path: str, events: Events | None) -> tuple[str, int, str]:
        if raw is None:
            return "ge", 1, ""
        with self.part(path):
            part = Part(raw, path)
            operator, count = OCCURRENCE_TYPES.get(part.take("Type")), whole(part.take("Count"), "Count")
            column, distinct = str(part.take("CountColumn") or "DOMAIN_CONCEPT"), bool(part.take("IsDistinct"))
            if operator is None:
                raise NoCounterpart("the type of occurrence is unknown", "出现次数的类型未知")
            if distinct and column not in DISTINCT:
                raise NoCounterpart(f"different values of {column} cannot be counted", f"不能按 {column} 去重计数")
            if distinct and column == "DOMAIN_CONCEPT" and events is not None and events.domain == "deaths":
                raise NoCounterpart("circe counts a death without a cause as cause 0", "circe 将无死因的死亡计为死因 0")
            return operator, count, DISTINCT[column] if distinct else ""
        return "ge", 1, ""

    def _demographic(self, raw: Any, path: str) -> Criterion | None:
        with self.part(path):
            part = Part(raw, path)
            found: list[Criterion] = []
            for name, read in _DEMOGRAPHICS.items():
                value = part.take(name)
                with self.part(part.at(name)):
                    if value not in (None, []):
                        found.append(read(value))
            self.finish(part)
            return _joined("ALL", None, tuple(found)) if found else AllOf(())
        return None


_DEMOGRAPHICS = {
    "Age": lambda value: Age(*range_of(value, "integer"), calendar=True),
    "Gender": lambda value: Person("sex", "in", concept_ids(value)),
    "Race": lambda value: Person("race", "in", concept_ids(value)),
    "Ethnicity": lambda value: Person("ethnicity", "in", concept_ids(value)),
    "OccurrenceStartDate": lambda value: IndexDate(*range_of(value, "date")),
    "OccurrenceEndDate": lambda value: IndexDate(*range_of(value, "date"), edge="end"),
}


def _is_empty(group: Any) -> bool:
    """Whether a group asks nothing; circe then leaves the events as they are, observed or not."""
    part = Part(group, "")
    return not any(part.take(name) for name in ("CriteriaList", "DemographicCriteriaList", "Groups"))


def _why_untaken(name: str) -> tuple[str, str]:
    if name.casefold().endswith("cs"):
        return "a concept set on an attribute has no counterpart", "属性上的概念集没有对应"
    return "has no counterpart", "没有对应"


def _codelist(items: list[tuple[str, Any]], name: str) -> Codelist | None:
    include, exclude = [], []
    for path, raw in items:
        item = Part(raw, path)
        code = whole(Part(item.take("concept"), path).take("CONCEPT_ID"), "CONCEPT_ID")
        found = CodeItem(str(code), "concept", bool(item.take("includeDescendants")), bool(item.take("includeMapped")))
        (exclude if item.take("isExcluded") else include).append(found)
    return Codelist(tuple(dict.fromkeys(include)), tuple(dict.fromkeys(exclude)), name) if include else None


def _on_column(codes: Codelist, column: str) -> Codelist:
    include, exclude = (tuple(replace(item, system=column) for item in items) for items in (codes.include, codes.exclude))
    return Codelist(include, exclude, codes.name)


def _condition(attribute: Attribute, value: Any, *, exclude: bool) -> Condition:
    if attribute.type == "concepts":
        return Condition(attribute.field, "not_in" if exclude else "in", concept_ids(value))
    operator, values = range_of(value, attribute.type)
    return Condition(attribute.field, operator, values, attribute.of)


def _bound(raw: Any, *, outward: int, within: bool) -> int | None:
    """Return the days of a window's bound; None where it is open on its own side."""
    if raw is None and not within:
        return None
    bound = Part(raw, "")
    coefficient, days = whole(bound.take("Coeff"), "Coeff"), bound.take("Days")
    if days is not None:
        return coefficient * whole(days, "Days")
    if within and coefficient != outward:
        raise NoCounterpart("the window is bounded by the far end of observation", "窗口以观察期的另一端为界")
    return None


def _joined(kind: str, count: Any, criteria: tuple[Criterion, ...]) -> Criterion:
    if kind in ("ALL", "ANY"):
        return criteria[0] if len(criteria) == 1 else _JOINS[kind](criteria)
    if kind not in ("AT_LEAST", "AT_MOST"):
        raise NoCounterpart(f"the group type {kind!r} is unknown", f"未知的条件组类型 {kind!r}")
    number = whole(count, "Count")
    return AtLeast(number, criteria) if kind == "AT_LEAST" else AtMost(number, criteria)


_JOINS = {"ALL": AllOf, "ANY": AnyOf}


def _both(first: Criterion, second: Criterion) -> AllOf:
    return AllOf((first, *second.criteria)) if isinstance(second, AllOf) else AllOf((first, second))


def _period(raw: Any) -> tuple[date | None, date | None]:
    if raw is None:
        return None, None
    part = Part(raw, "")
    start, end = (
        range_of({"Op": "eq", "Value": value}, "date")[1][0] if value else None for value in (part.take("StartDate"), part.take("EndDate"))
    )
    return start, end


def _unused(name: str, used: set[str]) -> str:
    number, found = 2, name
    while found in used:
        found, number = f"{name} ({number})", number + 1
    return found


def _at_most(rules: list[Rule], limit: int) -> tuple[Rule, ...]:
    """Join the rules beyond the limit into one; a definition means the same, its attrition ends earlier."""
    if len(rules) <= limit:
        return tuple(rules)
    rest = rules[limit - 1 :]
    joined = Rule(f"{rest[0].name} … {rest[-1].name}", "require", AllOf(tuple(rule.criterion for rule in rest)))
    return (*rules[: limit - 1], joined)
