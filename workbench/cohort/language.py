"""What a researcher writes: cohorts in words, each step a new object, read like a protocol.

``import workbench as wb`` gives all of it. A cohort becomes a frozen definition (:mod:`workbench.cohort.query`) that is
saved as canonical JSON and answered alike by every engine.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from workbench.cohort import prose, query, serial
from workbench.cohort.criteria import (
    Criterion,
    Defined,
    age,
    all_of,
    any_of,
    as_criterion,
    at_least_of,
    at_most_of,
    calendar_age,
    day,
    ethnicity,
    in_cohort,
    index_date,
    not_,
    observed,
    race,
    sex,
)
from workbench.cohort.events import EventSet, any_event, event_nodes, events
from workbench.cohort.vocabulary import (
    costs,
    deaths,
    devices,
    diagnoses,
    encounters,
    findings,
    images,
    labs,
    medications,
    notes,
    observations,
    orders,
    procedures,
    reports,
    vitals,
)
from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from workbench.cohort.engine import Engine
    from workbench.cohort.result import CohortResult

__all__ = [
    "CohortBuilder",
    "CombinationBuilder",
    "Criterion",
    "EventSet",
    "age",
    "all_of",
    "any_event",
    "any_of",
    "at_least_of",
    "at_most_of",
    "calendar_age",
    "cohort",
    "costs",
    "deaths",
    "devices",
    "diagnoses",
    "difference",
    "encounters",
    "ethnicity",
    "events",
    "findings",
    "images",
    "in_cohort",
    "index_date",
    "intersection",
    "labs",
    "load",
    "medications",
    "not_",
    "notes",
    "observations",
    "observed",
    "orders",
    "procedures",
    "race",
    "reports",
    "sex",
    "union",
    "vitals",
]

Limit = Literal["all", "first", "last"]

#: Where nothing is said of the exit.
AT_END_OF_OBSERVATION = query.Exit()


class SnapshotLike(Protocol):
    """A snapshot of the store, which knows its engine."""

    def engine(self) -> Engine:
        """Return the engine that answers definitions on the snapshot."""


class _Runnable:
    """What cohorts and combinations have in common."""

    @property
    def definition(self) -> query.Definition:
        """The frozen definition."""
        raise NotImplementedError

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON: the version of the definition."""
        return serial.definition_hash(self.definition)

    def to_json(self) -> str:
        """Return the canonical JSON, which :func:`load` reads from a file."""
        return serial.write_definition(self.definition)

    def in_words(self) -> str:
        """Return the definition in plain words, one line a step; see :func:`workbench.cohort.prose.in_words`."""
        return prose.in_words(self.definition)

    def save(self, path: str | Path) -> Path:
        """Write the canonical JSON to a file and return its path."""
        target = Path(path)
        target.write_text(self.to_json() + "\n", encoding="utf-8")
        return target

    def run(self, snapshot: SnapshotLike) -> CohortResult:
        """Answer the definition on a snapshot.

        Parameters
        ----------
        snapshot : Snapshot
            As :func:`workbench.open_store` gives it.

        Returns
        -------
        CohortResult
            Rows, attrition, description, timeline and evidence.

        Raises
        ------
        DefinitionError
            If the definition is not complete.
        DataError
            If the snapshot lacks a column that the definition asks for.
        """
        from workbench.cohort.result import CohortResult  # pulls in pandas, which writing a definition does not need

        definition = self.definition
        engine = snapshot.engine()
        return CohortResult(definition, engine.run(definition), engine, snapshot)

    def __bool__(self) -> bool:
        raise DefinitionError("`and`, `or` and `not` do not join cohorts", hint="write a & b, a | b or a - b")

    def __or__(self, other: Defined) -> CombinationBuilder:
        return union(self, other)

    def __and__(self, other: Defined) -> CombinationBuilder:
        return intersection(self, other)

    def __sub__(self, other: Defined) -> CombinationBuilder:
        return difference(self, other)


@dataclass(frozen=True)
class CohortBuilder(_Runnable):
    """A cohort in the making; every method returns a new one. Begin with :func:`cohort`."""

    name: str
    entry: query.Entry | None = None
    rules: tuple[query.Rule, ...] = ()
    kept: Limit = "all"
    ends: query.Exit = AT_END_OF_OBSERVATION
    censored: tuple[query.Events, ...] = ()
    gap_days: int | None = None
    dates: tuple[date | None, date | None] = (None, None)

    @property
    def definition(self) -> query.Cohort:
        """The frozen definition.

        Raises
        ------
        DefinitionError
            If no entry event is named.
        """
        if self.entry is None:
            raise DefinitionError(f"cohort {self.name!r} has no entry event", hint="name one with .enter(...)")
        return query.Cohort(self.name, self.entry, self.rules, self.kept, self.ends, self.censored, self.gap_days, self.dates)

    def enter(
        self,
        *events: EventSet,
        limit: Limit = "all",
        observed: Criterion | None = None,
        qualifying: Criterion | None = None,
        qualified_limit: Limit = "all",
    ) -> CohortBuilder:
        """Name the events that start a patient's clock; the start of each is an index date.

        Parameters
        ----------
        *events : EventSet
            Any of these events counts.
        limit : {"all", "first", "last"}
            Which of a patient's events to keep.
        observed : Criterion, optional
            ``wb.observed(...)``: events outside such observation fall out before the limit.
        qualifying : Criterion, optional
            Events for which it does not hold fall out after the limit, before any rule is counted.
        qualified_limit : {"all", "first", "last"}
            Which of the events to keep after that.

        Raises
        ------
        DefinitionError
            If there is an entry event already, or an event is placed or counted although it has no index.

        Examples
        --------
        >>> cohort("糖尿病").enter(diagnoses("E11.900"), limit="first").definition.entry.limit
        'first'
        """
        if self.entry is not None:
            raise DefinitionError(f"cohort {self.name!r} has an entry event already", hint="give several in one call: .enter(a, b)")
        with _naming(f"entry of {self.name!r}"):
            qualifier = None if qualifying is None else as_criterion(qualifying).node
            entry = query.Entry(event_nodes(events), limit, _observed(observed), qualifier, qualified_limit)
        return replace(self, entry=entry)

    def require(self, name: str, criterion: Criterion) -> CohortBuilder:
        """Keep the index dates for which a criterion holds.

        Parameters
        ----------
        name : str
            Of the rule, as the flow chart shows it.
        criterion : Criterion or EventSet
            Events ask for at least one of them, at any time unless they are placed.

        Raises
        ------
        DefinitionError
            If the name is taken or the criterion cannot mean anything; the message names the rule.

        Examples
        --------
        >>> cohort("c").enter(deaths()).require("成年", age >= 18).definition.rules[0].kind
        'require'
        """
        return self._rule(name, "require", criterion)

    def exclude(self, name: str, criterion: Criterion) -> CohortBuilder:
        """Drop the index dates for which a criterion holds; see :meth:`require`.

        Examples
        --------
        >>> cohort("c").enter(deaths()).exclude("未成年", age < 18).definition.rules[0].kind
        'exclude'
        """
        return self._rule(name, "exclude", criterion)

    def keep(self, limit: Limit) -> CohortBuilder:
        """Keep all, the first or the last of a patient's index dates that meet every rule.

        Examples
        --------
        >>> cohort("c").enter(deaths()).keep("first").definition.keep
        'first'
        """
        return self._checked(replace(self, kept=limit))

    def exit_at(
        self,
        *,
        days: int | None = None,
        after: Literal["start", "end"] = "start",
        while_on: EventSet | None = None,
        gap_days: int = 0,
        extra_days: int = 0,
        supply_days: int | None = None,
    ) -> CohortBuilder:
        """Say when follow-up ends; with nothing said, at the end of observation, which also cuts any other end.

        Parameters
        ----------
        days : int, optional
            So many days after the index event.
        after : {"start", "end"}
            From which of its days they are counted.
        while_on : EventSet, optional
            When an unbroken run of these events ends, such as a treatment.
        gap_days : int
            Longest gap that does not break the run.
        extra_days : int
            Days by which each event of the run outlasts its end.
        supply_days : int, optional
            Days that each event lasts from its start, in place of its recorded end.

        Raises
        ------
        DefinitionError
            If both `days` and `while_on` are given.

        Examples
        --------
        >>> cohort("c").enter(deaths()).exit_at(days=30).definition.exit
        Exit(kind='offset', days=30, edge='start', events=(), gap_days=0, supply_days=None)
        """
        if days is not None and while_on is not None:
            raise DefinitionError(f"cohort {self.name!r} ends both after {days} days and with a run of events", hint="give one of the two")
        with _naming(f"exit of {self.name!r}"):
            if while_on is not None:
                ends = query.Exit("era", extra_days, "start", event_nodes((while_on,)), gap_days, supply_days)
            else:
                ends = AT_END_OF_OBSERVATION if days is None else query.Exit("offset", days, after)
        return replace(self, ends=ends)

    def censor(self, *events: EventSet) -> CohortBuilder:
        """End follow-up at any of these events on or after the index date.

        Examples
        --------
        >>> cohort("c").enter(diagnoses("I50")).censor(deaths()).definition.censor[0].domain
        'deaths'
        """
        with _naming(f"censoring of {self.name!r}"):
            added = event_nodes(events)
        return replace(self, censored=self.censored + added)

    def collapse(self, *, gap_days: int = 0) -> CohortBuilder:
        """Merge rows of a patient that overlap or lie at most `gap_days` apart.

        Examples
        --------
        >>> cohort("c").enter(deaths()).collapse(gap_days=30).definition.collapse_gap_days
        30
        """
        return self._checked(replace(self, gap_days=gap_days))

    def between_dates(self, first: date | str | None, last: date | str | None) -> CohortBuilder:
        """Clip the cohort's rows to calendar dates, both inside; rows outside fall out.

        Examples
        --------
        >>> cohort("c").enter(deaths()).between_dates("2020-01-01", None).definition.date_range
        (datetime.date(2020, 1, 1), None)
        """
        dates = tuple(None if each is None else day(each) for each in (first, last))
        return replace(self, dates=dates)  # type: ignore[arg-type]

    def _rule(self, name: str, kind: Literal["require", "exclude"], criterion: Criterion) -> CohortBuilder:
        with _naming(f'rule "{name}"'):
            rule = query.Rule(name, kind, as_criterion(criterion).node)
        return self._checked(replace(self, rules=(*self.rules, rule)))

    def _checked(self, changed: CohortBuilder) -> CohortBuilder:
        """Return the changed cohort once its definition, as far as it goes, has been checked."""
        if changed.entry is not None:
            changed.definition  # noqa: B018 - building it runs the checks of the nodes
        return changed


@dataclass(frozen=True)
class CombinationBuilder(_Runnable):
    """Cohorts joined as sets of persons; see :func:`union`, :func:`intersection`, :func:`difference`."""

    name: str
    operator: Literal["union", "intersection", "difference"]
    cohorts: tuple[query.Definition, ...]

    @property
    def definition(self) -> query.Combination:
        """The frozen definition."""
        return query.Combination(self.name, self.operator, self.cohorts)

    def named(self, name: str) -> CombinationBuilder:
        """Return the combination under another name."""
        return replace(self, name=name)


def cohort(name: str) -> CohortBuilder:
    """Begin a cohort.

    Parameters
    ----------
    name : str
        Shown on screen and kept in the definition.

    Examples
    --------
    >>> died = (
    ...     cohort("住院死亡")
    ...     .enter(encounters(setting="inpatient"), limit="first")
    ...     .require("成年", age >= 18)
    ...     .require("30天内死亡", deaths().within(days=(0, 30)))
    ... )
    >>> [rule.name for rule in died.definition.rules]
    ['成年', '30天内死亡']
    """
    return CohortBuilder(name)


def union(*cohorts: Defined, name: str = "") -> CombinationBuilder:
    """Join cohorts: the rows of all; of rows with the same person and start, those of the cohort named first.

    Raises
    ------
    DefinitionError
        If fewer than two cohorts are given.

    Examples
    --------
    >>> union(cohort("a").enter(deaths()), cohort("b").enter(labs("LDH"))).name
    'a | b'
    """
    return _combined("union", " | ", cohorts, name)


def intersection(*cohorts: Defined, name: str = "") -> CombinationBuilder:
    """Keep the rows of the first cohort whose person is in every other.

    Raises
    ------
    DefinitionError
        If fewer than two cohorts are given.

    Examples
    --------
    >>> (cohort("a").enter(deaths()) & cohort("b").enter(labs("LDH"))).definition.operator
    'intersection'
    """
    return _combined("intersection", " & ", cohorts, name)


def difference(*cohorts: Defined, name: str = "") -> CombinationBuilder:
    """Keep the rows of the first cohort whose person is in no other.

    Raises
    ------
    DefinitionError
        If fewer than two cohorts are given.

    Examples
    --------
    >>> (cohort("a").enter(deaths()) - cohort("b").enter(labs("LDH"))).definition.operator
    'difference'
    """
    return _combined("difference", " - ", cohorts, name)


def load(path: str | Path) -> CohortBuilder | CombinationBuilder:
    """Read a saved definition, to run it or to go on from it.

    Parameters
    ----------
    path : str or Path
        A file that ``save`` wrote.

    Raises
    ------
    DataError
        If the file cannot be read.
    DefinitionError
        If what it holds is no definition.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> load(cohort("a").enter(deaths()).save(f"{folder}/a.json")).name
    'a'
    """
    definition = serial.load(Path(path))
    return _BUILDERS[type(definition)](*(getattr(definition, field.name) for field in fields(definition)))


_BUILDERS: dict[type, Any] = {query.Cohort: CohortBuilder, query.Combination: CombinationBuilder}


def _combined(
    operator: Literal["union", "intersection", "difference"], sign: str, cohorts: tuple[Defined, ...], name: str
) -> CombinationBuilder:
    for each in cohorts:
        if not hasattr(each, "definition"):
            raise DefinitionError(f"{operator} joins cohorts; found {type(each).__name__}", hint="write wb.cohort(...).enter(...)")
    built = tuple(each.definition for each in cohorts)
    named = name or sign.join(each.name for each in built)
    return CombinationBuilder(named, operator, query.Combination(named, operator, built).cohorts)


def _observed(criterion: Criterion | None) -> query.Observed | None:
    node = None if criterion is None else as_criterion(criterion).node
    if node is not None and not isinstance(node, query.Observed):
        raise DefinitionError("observed= takes wb.observed(...) only", hint="any other criterion goes into qualifying=")
    return node


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Say in an error which part of the cohort is wrong."""
    try:
        yield
    except DefinitionError as error:
        raise DefinitionError(f"{place}: {error.message}", hint=error.hint) from error
