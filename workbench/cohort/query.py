"""Frozen nodes of a cohort definition: what a definition *means*, apart from how it is written or run.

The language (:mod:`workbench.cohort.language`) builds these nodes, :mod:`workbench.cohort.serial` writes them as
canonical JSON whose hash is the saved version, and every engine answers them alike. The docstring of a node is its
specification; ``tests/spec`` tries each sentence on every engine.

How a cohort is answered
------------------------
1. *Entries*: the rows of ``entry.events`` (a union), each with an index date, index time, end date and visit.
   Where ``entry.observed`` is given, rows without a fitting observation period fall out. ``entry.limit`` then keeps the
   first, last or all rows of a person; ``entry.qualifying`` filters them; ``entry.qualified_limit`` limits again.
   Order within a person: index date, then event key, then position of the event set in the union. ``last`` takes the
   latest index date and, of several rows on that day, the one that stands first in this order (circe-be).
2. *Rules*: each rule is tried on each entry (never only on survivors), which gives one bit an entry. An entry is kept
   when every ``require`` rule is true and every ``exclude`` rule is false. ``keep`` limits the kept entries of a person.
3. *Exit*: ``exit`` gives each kept entry an end date; the end of observation and ``censor`` events on or after the index
   date cut it; an entry that would end before its index date gives no row.
   ``collapse_gap_days`` merges rows of a person, then ``date_range`` clips rows to calendar dates.

Conventions
-----------
Dates are compared as dates; windows in hours compare date-times, and a row without a date-time never lies in a window
of hours. Both ends of a window belong to it. An event without an end date ends the day after it starts (circe-be).
A missing value satisfies no condition on it, neither ``eq`` nor ``ne``. A row without a person or a start date is no
event. Text is searched as a substring of the note after :func:`workbench.cohort.words.normalise` on both sides.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from workbench.codelists import CodeItem, Codelist
from workbench.cohort.words import normalise
from workbench.domains import DOMAINS, SEXES, Domain
from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "COMMON_FIELDS",
    "LARGEST",
    "MAX_RULES",
    "Age",
    "AllOf",
    "AnyOf",
    "AtLeast",
    "AtMost",
    "CodeItem",
    "Codelist",
    "Cohort",
    "Combination",
    "Condition",
    "Criterion",
    "Definition",
    "Entry",
    "Events",
    "Exit",
    "InCohort",
    "IndexDate",
    "Not",
    "Observed",
    "Occurs",
    "Person",
    "Rule",
    "Scalar",
    "Window",
]

#: A rule is one bit of a signed 64-bit mask.
MAX_RULES = 62

Scalar: TypeAlias = int | float | str | date | bool
Compare: TypeAlias = Literal["eq", "ne", "lt", "le", "gt", "ge"]
Edge: TypeAlias = Literal["start", "end"]
Limit: TypeAlias = Literal["all", "first", "last"]

_COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
_OPERATORS = (*_COMPARE, "in", "not_in", "between", "not_between", "contains", "is_missing", "is_present")

# What may be asked of a kind of field.
_ORDERED = (*_COMPARE, "in", "not_in", "between", "not_between")
_EQUAL = ("eq", "ne", "in", "not_in")
_ASKED = {"number": _ORDERED, "date": _ORDERED, "string": _EQUAL, "concept": _EQUAL, "words": ("contains",)}

#: Largest number of days, hours or events that a definition may name.
LARGEST = 1_000_000

#: Fields that every domain answers: dates of the event, its length, and the patient's age (whole years) and sex then.
COMMON_FIELDS: dict[str, str] = {
    "start": "date",
    "end": "date",
    "duration_days": "number",
    "age": "number",
    "calendar_age": "number",
    "sex": "concept",
}


def _require(condition: bool, message: str, hint: str = "") -> None:
    if not condition:
        raise DefinitionError(message, hint=hint)


def _check_whole(what: str, value: object, smallest: int = 0) -> None:
    """Check a count or a number of days; within `LARGEST` every date that it is added to stays a date."""
    fits = isinstance(value, int) and not isinstance(value, bool) and smallest <= value <= LARGEST
    _require(fits, f"{what} is {value!r}; wanted a whole number from {smallest} to {LARGEST}")


def _check_name(what: str, name: object) -> None:
    _require(isinstance(name, str) and bool(name.strip()), f"{what} has no name", "it is shown on screen")


def _one_of(what: str, value: object, allowed: tuple[str, ...]) -> None:
    _require(
        value in allowed, f"{what} is {value!r}; wanted one of {', '.join(each or 'nothing' for each in allowed)}", _nearest(value, allowed)
    )


def _nearest(value: object, allowed: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(value, allowed, n=1) if isinstance(value, str) else []
    return f"did you mean {close[0]!r}?" if close else ""


def _check_values(what: str, kind: str, values: tuple[Scalar, ...], words: Mapping[str, object]) -> None:
    """Check that a field of this kind can be compared with the values."""
    for value in values:
        if kind == "concept" and isinstance(value, str):
            _one_of(f"{what} (a concept id or a word)", value, tuple(words))
        else:
            _require(_FITS[kind][0](value), f"{what} is compared with {value!r}; wanted {_FITS[kind][1]}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


# kind -> whether a value fits it, and what was wanted.
_FITS = {
    "number": (_is_number, "a finite number"),
    "string": (lambda value: isinstance(value, str), "a text"),
    "concept": (lambda value: isinstance(value, int) and not isinstance(value, bool), "a concept id"),
    "date": (lambda value: isinstance(value, date) and not isinstance(value, datetime), "a date without a time"),
    "words": (lambda value: isinstance(value, str) and bool(normalise(value)), "a text that is not blank"),
}


@dataclass(frozen=True)
class Condition:
    """A condition on one field of an event.

    Parameters
    ----------
    field : str
        A field of the event's domain (:data:`workbench.domains.DOMAINS`) or one of :data:`COMMON_FIELDS`.
    operator : str
        ``eq ne lt le gt ge`` take one value, ``between`` and ``not_between`` two (both ends inside), ``in`` and
        ``not_in`` one or more, ``contains`` one or more texts of which one must occur, ``is_missing`` and
        ``is_present`` none.
    values : tuple of scalars
        Numbers, texts, dates, concept ids, or words that the field declares (``inpatient``, ``female``).
    of : str
        Another number field; the event's field is divided by it before the comparison (ratio to ``range_high``). A
        division by zero is a missing value.
    """

    field: str
    operator: str
    values: tuple[Scalar, ...] = ()
    of: str = ""

    def __post_init__(self) -> None:
        _one_of(f"operator on {self.field}", self.operator, _OPERATORS)
        wanted = {"between": 2, "not_between": 2, "is_missing": 0, "is_present": 0}.get(self.operator)
        if wanted is None and self.operator in _COMPARE:
            wanted = 1
        found = len(self.values)
        _require(
            found == wanted if wanted is not None else found > 0,
            f"{self.field} {self.operator} has {found} values; wanted {wanted if wanted is not None else 'at least 1'}",
        )


@dataclass(frozen=True)
class Window:
    """Days or hours around the index in which an event's edge must lie; both ends belong to it.

    Parameters
    ----------
    start, end : int or None
        Offset from the index edge; negative is before, None is unbounded.
    unit : {"days", "hours"}
        Hours need date-times on both sides and go with start edges only.
    event, index : {"start", "end"}
        Which edge of the event is placed, and from which edge of the index event it is counted.
    """

    start: int | None = None
    end: int | None = None
    unit: Literal["days", "hours"] = "days"
    event: Edge = "start"
    index: Edge = "start"

    def __post_init__(self) -> None:
        _one_of("window unit", self.unit, ("days", "hours"))
        _one_of("window event edge", self.event, ("start", "end"))
        _one_of("window index edge", self.index, ("start", "end"))
        for offset in (self.start, self.end):
            _check_whole(f"window of {self.unit}", 0 if offset is None else offset, -LARGEST)
        if self.start is not None and self.end is not None:
            _require(self.start <= self.end, f"window starts at {self.start} {self.unit}, after it ends at {self.end}", "swap the two")
        _require(self.unit == "days" or (self.event, self.index) == ("start", "start"), "a window in hours is counted from start to start")


@dataclass(frozen=True)
class Events:
    """Rows of one domain.

    Parameters
    ----------
    domain : str
        A word of :data:`workbench.domains.DOMAINS`.
    codes : Codelist, optional
        None takes rows with any code.
    first : bool
        Keep only the earliest row of each person among those whose codes match, before `conditions` (circe's "first").
    conditions : tuple of Condition
        All must hold.
    nested : Criterion, optional
        A criterion for which each row is itself the index (a sequence: this, then that).
    """

    domain: str
    codes: Codelist | None = None
    conditions: tuple[Condition, ...] = ()
    first: bool = False
    nested: Criterion | None = None

    def __post_init__(self) -> None:
        _one_of("domain", self.domain, tuple(DOMAINS))
        for condition in self.conditions:
            self._check(condition)
        for item in (*self.codes.include, *self.codes.exclude) if self.codes else ():
            column = {"concept": self.place.concept, "source_concept": self.place.source_concept}.get(item.system, self.place.source_value)
            _require(bool(column), f"{self.domain} cannot be asked for {item.system} codes: its table has no such column")

    def _check(self, condition: Condition) -> None:
        kind = self.kind(condition.field)
        allowed = (*_ASKED[kind], "is_missing", "is_present")
        _require(
            condition.operator in allowed,
            f"{self.domain}: {condition.field} is a {kind} field and cannot be asked {condition.operator!r}",
            f"it can be asked {', '.join(allowed)}",
        )
        _check_values(f"{self.domain}: {condition.field}", kind, condition.values, self.words(condition.field))
        _require(
            not condition.of or (kind == "number" and self.kind(condition.of) == "number"),
            f"{condition.field} / {condition.of}: both must be numbers",
        )

    def kind(self, name: str) -> str:
        """Return the kind of a field: number, string, concept, date or words.

        Raises
        ------
        DefinitionError
            If the domain has no such field; the message names those it has.
        """
        if name in COMMON_FIELDS:
            return COMMON_FIELDS[name]
        known = self.place.fields
        if name not in known:
            names = tuple(sorted({*known, *COMMON_FIELDS}))
            _require(False, f"{self.domain} has no field {name!r}; it has {', '.join(names)}", _nearest(name, names))
        return known[name].kind

    def words(self, name: str) -> Mapping[str, tuple[int, ...]]:
        """Return the words that stand for concept ids in a field (``inpatient``, ``female``)."""
        return SEXES if name == "sex" else self.place.fields[name].words if name in self.place.fields else {}

    @property
    def place(self) -> Domain:
        """The declaration of the table behind the domain."""
        return DOMAINS[self.domain]


@dataclass(frozen=True)
class Occurs:
    """How many events of a union lie around the index.

    Parameters
    ----------
    events : tuple of Events
        A union; an event counts once for each set that holds it.
    windows : tuple of Window
        All must hold for an event to count; none means at any time.
    operator, count : str, int
        The number of events is compared with `count`; ``ge 1`` asks for at least one, ``eq 0`` for none.
    distinct : {"", "day", "concept", "visit"}
        Count different start dates, standard concepts or visits rather than rows; a missing one is not counted.
    same_visit : bool
        Only events of the index event's own visit.
    within_observation : bool
        Only events that start in the observation period that holds the index date. With no such period, none does. An
        open side of a window then reaches to the end of that period on that side, which matters for a window on the
        event's end: an event that ends after the period is outside ``Window(start=0, event="end")`` (circe-be).
    """

    events: tuple[Events, ...]
    windows: tuple[Window, ...] = ()
    operator: Compare = "ge"
    count: int = 1
    distinct: Literal["", "day", "concept", "visit"] = ""
    same_visit: bool = False
    within_observation: bool = False

    def __post_init__(self) -> None:
        _require(bool(self.events), "a criterion names no events")
        _one_of("count operator", self.operator, _COMPARE)
        _one_of("what to count differently", self.distinct, ("", "day", "concept", "visit"))
        _check_whole("number of events", self.count)


@dataclass(frozen=True)
class Age:
    """Age at the index in whole years; `between` takes two values.

    ``calendar`` subtracts years (circe's way); otherwise the birthday counts, with a missing month read as July and a
    missing day as the 1st.
    """

    operator: str
    values: tuple[float, ...]
    calendar: bool = False

    def __post_init__(self) -> None:
        _one_of("operator on age", self.operator, _ORDERED)
        Condition("age", self.operator, self.values)
        _check_values("age", "number", self.values, {})


@dataclass(frozen=True)
class Person:
    """A fact of the person row: ``sex``, ``race``, ``ethnicity`` (concept ids or the words female, male)."""

    field: Literal["sex", "race", "ethnicity"]
    operator: Literal["in", "not_in"]
    values: tuple[int | str, ...]

    def __post_init__(self) -> None:
        _one_of("person field", self.field, ("sex", "race", "ethnicity"))
        _one_of(f"operator on {self.field}", self.operator, ("in", "not_in"))
        _require(bool(self.values), f"{self.field} is compared with nothing")
        _check_values(self.field, "concept", self.values, SEXES if self.field == "sex" else {})


@dataclass(frozen=True)
class IndexDate:
    """The index event's own date lies so in the calendar."""

    operator: str
    values: tuple[date, ...]
    edge: Edge = "start"

    def __post_init__(self) -> None:
        _one_of("operator on the index date", self.operator, _ORDERED)
        Condition("start", self.operator, self.values)
        _check_values("the index date", "date", self.values, {})
        _one_of("edge", self.edge, ("start", "end"))


@dataclass(frozen=True)
class Observed:
    """One observation period holds the index date, with so many days before and after it."""

    before_days: int = 0
    after_days: int = 0

    def __post_init__(self) -> None:
        _check_whole("days observed before", self.before_days)
        _check_whole("days observed after", self.after_days)


@dataclass(frozen=True)
class InCohort:
    """The person is in another cohort, with a row whose start lies in `window` around the index (None: at any time)."""

    cohort: Definition
    window: Window | None = None


@dataclass(frozen=True)
class AllOf:
    """Every criterion holds; with none, true."""

    criteria: tuple[Criterion, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one criterion holds; with none, false."""

    criteria: tuple[Criterion, ...]


@dataclass(frozen=True)
class AtLeast:
    """At least `count` of the criteria hold."""

    count: int
    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        _check_whole("number of criteria", self.count)


@dataclass(frozen=True)
class AtMost:
    """At most `count` of the criteria hold."""

    count: int
    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        _check_whole("number of criteria", self.count)


@dataclass(frozen=True)
class Not:
    """The criterion does not hold."""

    criterion: Criterion


Criterion: TypeAlias = Occurs | Age | Person | IndexDate | Observed | InCohort | AllOf | AnyOf | AtLeast | AtMost | Not


@dataclass(frozen=True)
class Rule:
    """A named step of the attrition: require it, or exclude those for whom it holds."""

    name: str
    kind: Literal["require", "exclude"]
    criterion: Criterion

    def __post_init__(self) -> None:
        _check_name("a rule", self.name)
        _one_of(f"kind of rule {self.name!r}", self.kind, ("require", "exclude"))


@dataclass(frozen=True)
class Entry:
    """The events that start a patient's clock; see the module's text for the order of steps."""

    events: tuple[Events, ...]
    limit: Limit = "all"
    observed: Observed | None = None
    qualifying: Criterion | None = None
    qualified_limit: Limit = "all"

    def __post_init__(self) -> None:
        _require(bool(self.events), "the cohort has no entry event", "name one with .enter(...)")
        for limit in (self.limit, self.qualified_limit):
            _one_of("limit", limit, ("all", "first", "last"))


@dataclass(frozen=True)
class Exit:
    """When follow-up ends; never after the observation period that holds the index date, where there is one.

    Where several periods hold it (the data contract forbids that), the one that ends last counts.

    Parameters
    ----------
    kind : {"observation", "offset", "era"}
        ``observation``: the end of the observation period that holds the index date, or the index event's own end
        where no period does. ``offset``: `days` after `edge` of the index event. ``era``: the end of the unbroken run
        of `events` that holds the index date (circe's custom drug era): each event lasts until its end (`supply_days`
        after its start, if given) plus `days`; runs at most `gap_days` apart are one. Without such a run, as
        ``observation``.
    """

    kind: Literal["observation", "offset", "era"] = "observation"
    days: int = 0
    edge: Edge = "start"
    events: tuple[Events, ...] = ()
    gap_days: int = 0
    supply_days: int | None = None

    def __post_init__(self) -> None:
        _one_of("exit", self.kind, ("observation", "offset", "era"))
        _one_of("exit edge", self.edge, ("start", "end"))
        _require(bool(self.events) == (self.kind == "era"), "an exit by era, and no other, names the events that keep it alive")
        for what, days in (("exit days", self.days), ("exit gap_days", self.gap_days), ("exit supply_days", self.supply_days or 0)):
            _check_whole(what, days)


@dataclass(frozen=True)
class Cohort:
    """Persons with an index date and an end date, and the rules that chose them.

    Parameters
    ----------
    name : str
        Shown on screen.
    entry, rules, keep, exit, censor, collapse_gap_days, date_range
        See the module's text. `collapse_gap_days` None leaves one row an entry; n merges a row that starts at most n days
        after the latest end before it, so that 0 merges rows that overlap or share a day.
        `date_range` clips starts and ends; rows outside it fall out.
    """

    name: str
    entry: Entry
    rules: tuple[Rule, ...] = ()
    keep: Limit = "all"
    exit: Exit = Exit()
    censor: tuple[Events, ...] = ()
    collapse_gap_days: int | None = None
    date_range: tuple[date | None, date | None] = (None, None)

    def __post_init__(self) -> None:
        _check_name("a cohort", self.name)
        _one_of("keep", self.keep, ("all", "first", "last"))
        _require(len(self.rules) <= MAX_RULES, f"{len(self.rules)} rules; at most {MAX_RULES} fit", "join some with wb.all_of(...)")
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        _require(not twice, f"rule names occur twice: {', '.join(twice)}", "give each rule a name of its own")
        _check_whole("collapse_gap_days", self.collapse_gap_days or 0)


@dataclass(frozen=True)
class Combination:
    """Cohorts joined as sets of persons.

    ``union`` takes the rows of all, and of rows with the same person and index date those of the cohort named first;
    ``intersection`` takes the rows of the first whose person is in every other; ``difference`` those whose person is in
    no other.
    """

    name: str
    operator: Literal["union", "intersection", "difference"]
    cohorts: tuple[Definition, ...]

    def __post_init__(self) -> None:
        _check_name("a combination of cohorts", self.name)
        _one_of("combination", self.operator, ("union", "intersection", "difference"))
        _require(len(self.cohorts) >= 2, f"{self.operator} of {len(self.cohorts)} cohort; wanted two or more")


Definition: TypeAlias = Cohort | Combination
