"""Criteria as a researcher writes them: ``wb.age >= 18``, ``wb.observed(before_days=365)``, ``a & ~b``.

A criterion holds what was asked and becomes a node of :mod:`workbench.cohort.query` only when it is placed in a rule, so
that an error can name the rule.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from workbench.cohort import query
from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AgeField",
    "Criterion",
    "Defined",
    "IndexDateField",
    "PersonField",
    "age",
    "all_of",
    "any_of",
    "as_criterion",
    "at_least_of",
    "at_most_of",
    "calendar_age",
    "ethnicity",
    "in_cohort",
    "index_date",
    "not_",
    "observed",
    "plain",
    "race",
    "sex",
    "window",
]


class Defined(Protocol):
    """Whatever stands for a cohort: a builder, a combination."""

    @property
    def definition(self) -> query.Definition:
        """The frozen definition."""


class Criterion(ABC):
    """Something that holds or does not hold around an index date; join with ``&``, ``|`` and ``~``."""

    @property
    @abstractmethod
    def node(self) -> query.Criterion:
        """The frozen node.

        Raises
        ------
        DefinitionError
            If what was asked cannot mean anything.
        """

    def __and__(self, other: Criterion) -> Criterion:
        return all_of(self, other)

    def __or__(self, other: Criterion) -> Criterion:
        return any_of(self, other)

    def __invert__(self) -> Criterion:
        return not_(self)

    def __bool__(self) -> bool:
        raise DefinitionError(
            "a criterion is neither true nor false before it is run: `and`, `or`, `not`, `if` and chained comparisons do not work on it",
            hint="write a & b, a | b, ~a, or wb.age.between(18, 80)",
        )


@dataclass(frozen=True)
class Fact(Criterion):
    """A node and what it is made of."""

    kind: type
    arguments: tuple[Any, ...]

    @property
    def node(self) -> query.Criterion:
        """The frozen node."""
        return self.kind(*self.arguments)


@dataclass(frozen=True)
class DateFact(Criterion):
    """A comparison of the index date; its days are read when it is placed."""

    operator: str
    values: tuple[Any, ...]
    edge: str

    @property
    def node(self) -> query.Criterion:
        """The frozen node."""
        return query.IndexDate(self.operator, tuple(day(value) for value in self.values), self.edge)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Joined(Criterion):
    """Criteria joined by a logical word."""

    kind: type
    criteria: tuple[object, ...]
    count: int | None = None

    @property
    def node(self) -> query.Criterion:
        """The frozen node."""
        nodes = tuple(as_criterion(each).node for each in self.criteria)
        if self.kind is query.Not:
            return query.Not(nodes[0])
        return self.kind(nodes) if self.count is None else self.kind(self.count, nodes)


def as_criterion(found: object) -> Criterion:
    """Return what was given where a criterion is wanted.

    Raises
    ------
    DefinitionError
        If it is none.
    """
    if not isinstance(found, Criterion):
        raise DefinitionError(f"found {_named(found)} where a criterion is wanted", hint=_HINTS.get(type(found).__name__, _HINT))
    return found


_HINT = "a criterion is written as wb.age >= 18, or as events: wb.labs('HbA1c').where(value_ge=6.5)"
_HINTS = {
    "Codelist": "say whose codes they are: wb.diagnoses(codes)",
    "CohortBuilder": "write wb.in_cohort(other)",
    "CombinationBuilder": "write wb.in_cohort(other)",
    "AgeField": "compare it: wb.age >= 18",
    "PersonField": "compare it: wb.sex == 'female'",
    "bool": "join criteria with &, | and ~ rather than with `and`, `or` and `not`",
}


def _named(found: object) -> str:
    name = type(found).__name__
    return name if name in _HINTS and name != "bool" else repr(found)[:60]


# ------------------------------------------------------------------------------------------------------------- fields


@dataclass(frozen=True, eq=False)
class _Compared:
    """A quantity that is compared with values."""

    def _fact(self, operator: str, values: tuple[Any, ...]) -> Criterion:
        raise NotImplementedError

    def __ge__(self, value: Any) -> Criterion:
        return self._fact("ge", (value,))

    def __gt__(self, value: Any) -> Criterion:
        return self._fact("gt", (value,))

    def __le__(self, value: Any) -> Criterion:
        return self._fact("le", (value,))

    def __lt__(self, value: Any) -> Criterion:
        return self._fact("lt", (value,))

    def __eq__(self, value: object) -> Criterion:  # type: ignore[override]
        return self._fact("eq", (value,))

    def __ne__(self, value: object) -> Criterion:  # type: ignore[override]
        return self._fact("ne", (value,))

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def between(self, low: Any, high: Any) -> Criterion:
        """Say that the quantity lies between two values, both inside."""
        return self._fact("between", (low, high))


@dataclass(frozen=True, eq=False)
class AgeField(_Compared):
    """Age at the index date in whole years.

    Parameters
    ----------
    calendar : bool
        Whether only the calendar years are subtracted; else the birthday counts.
    """

    calendar: bool = False

    def _fact(self, operator: str, values: tuple[Any, ...]) -> Criterion:
        return Fact(query.Age, (operator, tuple(plain(value) for value in values), self.calendar))


@dataclass(frozen=True, eq=False)
class IndexDateField(_Compared):
    """The index date in the calendar.

    Parameters
    ----------
    edge : {"start", "end"}
        Which day of the index event.
    """

    edge: str = "start"

    def _fact(self, operator: str, values: tuple[Any, ...]) -> Criterion:
        return DateFact(operator, values, self.edge)


@dataclass(frozen=True, eq=False)
class PersonField:
    """A fact of the person: sex, race or ethnicity.

    Parameters
    ----------
    field : str
        Which one.
    """

    field: str

    def __eq__(self, value: object) -> Criterion:  # type: ignore[override]
        return self.is_in(value)

    def __ne__(self, value: object) -> Criterion:  # type: ignore[override]
        return Fact(query.Person, (self.field, "not_in", (plain(value),)))

    __hash__: ClassVar[None]  # type: ignore[assignment]

    def is_in(self, *values: object) -> Criterion:
        """Say that the fact is one of several: words (``female``, ``male``) or concept ids."""
        return Fact(query.Person, (self.field, "in", tuple(plain(value) for value in values)))


#: Age at the index date by the birthday: ``wb.age >= 18``, ``wb.age.between(18, 80)``.
age = AgeField()

#: Age by calendar years alone, as ATLAS counts it.
calendar_age = AgeField(calendar=True)

#: Sex: ``wb.sex == "female"``.
sex = PersonField("sex")

#: Race, as a concept id.
race = PersonField("race")

#: Ethnicity, as a concept id.
ethnicity = PersonField("ethnicity")

#: The index date: ``wb.index_date >= "2020-01-01"``.
index_date = IndexDateField()


# ---------------------------------------------------------------------------------------------------------- functions


def observed(*, before_days: int = 0, after_days: int = 0) -> Criterion:
    """Ask that one observation period holds the index date with so many days around it.

    Parameters
    ----------
    before_days, after_days : int
        Days that must be observed before and after the index date.

    Examples
    --------
    >>> observed(before_days=365).node
    Observed(before_days=365, after_days=0)
    """
    return Fact(query.Observed, (before_days, after_days))


@dataclass(frozen=True)
class Member(Criterion):
    """Membership of another cohort."""

    cohort: Defined
    days: tuple[int | None, int | None] | None
    event: str
    index: str

    @property
    def node(self) -> query.Criterion:
        """The frozen node."""
        if not hasattr(self.cohort, "definition"):
            raise DefinitionError(f"found {_named(self.cohort)} where a cohort is wanted", hint="write wb.in_cohort(wb.cohort(...))")
        placed = None if self.days is None else window(days=self.days, hours=None, event=self.event, index=self.index)
        return query.InCohort(self.cohort.definition, placed)


def in_cohort(
    other: Defined, *, days: tuple[int | None, int | None] | None = None, event: str = "start", index: str = "start"
) -> Criterion:
    """Ask that the person is in another cohort.

    Parameters
    ----------
    other : cohort
        A cohort or a combination of cohorts.
    days : (int or None, int or None), optional
        Window around the index in which a row of the other cohort must lie; at any time where not given.
    event, index : {"start", "end"}
        Which day of the other cohort's row is placed, and from which day of the index event it is counted.

    Examples
    --------
    >>> from workbench.cohort.language import cohort, deaths
    >>> died = cohort("死亡").enter(deaths())
    >>> in_cohort(died, days=(0, 30)).node.window
    Window(start=0, end=30, unit='days', event='start', index='start')
    """
    return Member(other, days, event, index)


def all_of(*criteria: Criterion) -> Criterion:
    """Ask that every criterion holds; ``a & b`` says it of two.

    Examples
    --------
    >>> len(all_of(age >= 18, sex == "female").node.criteria)
    2
    """
    return Joined(query.AllOf, criteria)


def any_of(*criteria: Criterion) -> Criterion:
    """Ask that at least one criterion holds; ``a | b`` says it of two.

    Examples
    --------
    >>> len(any_of(age < 18, age > 80).node.criteria)
    2
    """
    return Joined(query.AnyOf, criteria)


def at_least_of(count: int, *criteria: Criterion) -> Criterion:
    """Ask that at least `count` of the criteria hold.

    Examples
    --------
    >>> at_least_of(1, age < 18, age > 80).node.count
    1
    """
    return Joined(query.AtLeast, criteria, count)


def at_most_of(count: int, *criteria: Criterion) -> Criterion:
    """Ask that at most `count` of the criteria hold.

    Examples
    --------
    >>> at_most_of(1, age < 18, age > 80).node.count
    1
    """
    return Joined(query.AtMost, criteria, count)


def not_(criterion: Criterion) -> Criterion:
    """Ask that a criterion does not hold; ``~a`` says the same.

    Examples
    --------
    >>> not_(sex == "male").node
    Not(criterion=Person(field='sex', operator='in', values=('male',)))
    """
    return Joined(query.Not, (criterion,))


# ------------------------------------------------------------------------------------------------------------- values


def plain(value: Any) -> Any:
    """Return a numpy scalar as Python's own, anything else as it is."""
    return value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value


def day(value: Any) -> Any:
    """Return a date from a date, a time at midnight or a text such as ``2024-01-31``.

    Raises
    ------
    DefinitionError
        If it is none of these.
    """
    if isinstance(value, datetime) and not (value.hour or value.minute or value.second or value.microsecond):
        return value.date()
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"found {value!r} where a day is wanted", hint="write date(2024, 1, 31) or '2024-01-31'") from error


def window(
    *, days: Iterable[int | None] | None, hours: Iterable[int | None] | None, event: str = "start", index: str = "start"
) -> query.Window:
    """Build a window from a pair of days or a pair of hours.

    Raises
    ------
    DefinitionError
        If not exactly one pair of whole numbers (or None for an open side) is given.
    """
    if (days is None) == (hours is None):
        raise DefinitionError("a window is given in days or in hours, one of them", hint="write .within(days=(-90, 90))")
    unit, given = ("days", days) if hours is None else ("hours", hours)
    pair = tuple(plain(side) for side in given) if isinstance(given, tuple | list) else (given,)
    if len(pair) != 2 or not all(side is None or (isinstance(side, int) and not isinstance(side, bool)) for side in pair):
        raise DefinitionError(
            f"a window of {unit} is {given!r}; wanted two whole numbers", hint="write for example (-90, 90); None leaves a side open"
        )
    return query.Window(pair[0], pair[1], unit, event, index)  # type: ignore[arg-type]
