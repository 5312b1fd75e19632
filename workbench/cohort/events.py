"""Sets of events as a researcher writes them: ``wb.labs("HbA1c").where(value_ge=6.5).within(days=(-90, 90))``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from workbench.codelists import codelist_union
from workbench.cohort import query
from workbench.cohort.criteria import Criterion, as_criterion, day, plain, window
from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Codes", "EventSet", "any_event", "event_nodes", "events"]

#: What may be given as codes: a codelist, one source value, or several of either.
Codes = query.Codelist | query.CodeItem | str | None

Pair = tuple[int | None, int | None]

# Endings of a keyword of `where`, the longer first; a keyword without one asks for equality.
_ENDINGS = ("not_between", "is_missing", "is_present", "contains", "between", "not_in", "in", "eq", "ne", "lt", "le", "gt", "ge")

#: Code system of a bare text: it is compared with the source value as it stands.
BARE = "source"


@dataclass(frozen=True)
class OneSet:
    """Rows of one domain, as asked; checked when built."""

    domain: str
    codes: object = None
    asked: tuple[tuple[str, object], ...] = ()
    first: bool = False
    having: tuple[Criterion, ...] = ()

    def build(self) -> query.Events:
        """Return the frozen node."""
        base = query.Events(self.domain, as_codelist(self.codes))
        conditions = tuple(_condition(base, keyword, value) for keyword, value in self.asked)
        nested = tuple(as_criterion(each).node for each in self.having)
        joined = None if not nested else nested[0] if len(nested) == 1 else query.AllOf(nested)
        return replace(base, conditions=conditions, first=self.first, nested=joined)


@dataclass(frozen=True)
class EventSet(Criterion):
    """Events of one or several domains, and where they must lie around the index.

    Every method returns a new set. Given where a criterion is wanted, a set asks for at least one event.
    Build one with a domain's word (:func:`workbench.cohort.language.labs` and its like).
    """

    sets: tuple[OneSet, ...]
    windows: tuple[tuple[tuple[str, object], ...], ...] = ()
    operator: str = "ge"
    count: int = 1
    distinct: str = ""
    in_same_visit: bool = False
    in_observation: bool = False

    # ---------------------------------------------------------------------------------------------------- which rows

    def where(self, **asked: object) -> EventSet:
        """Keep the events that meet every condition.

        Parameters
        ----------
        **asked
            ``field=value`` for equality (one of several values where a list is given; for the text of a note: contains),
            or a field with an ending: ``_ge _gt _le _lt _eq _ne _in _not_in _between _not_between _contains _is_missing
            _is_present``. ``value_per_range_high_gt=3`` divides one field by another first. A missing value meets no
            condition but ``_is_missing``.

        Returns
        -------
        EventSet
            A new set. An unknown field is reported by the rule that uses it.

        Examples
        --------
        >>> from workbench.cohort.language import labs
        >>> labs("HbA1c").where(value_ge=6.5, unit="%").node.events[0].conditions[0]
        Condition(field='value', operator='ge', values=(6.5,), of='')
        """
        added = tuple((keyword, _frozen(value)) for keyword, value in asked.items())
        return replace(self, sets=tuple(replace(each, asked=each.asked + added) for each in self.sets))

    def having(self, *criteria: Criterion) -> EventSet:
        """Keep the events around which every criterion holds, each event taken as its own index.

        Examples
        --------
        >>> from workbench.cohort.language import age, diagnoses
        >>> diagnoses("E11.9").having(age >= 18).node.events[0].nested
        Age(operator='ge', values=(18,), calendar=False)
        """
        return replace(self, sets=tuple(replace(each, having=each.having + criteria) for each in self.sets))

    def first(self) -> EventSet:
        """Keep each person's earliest event: of those with these codes, before any later ``where``.

        After ``where`` or ``having``, or for a union of domains, the events of the earliest day on which one meets them.

        Examples
        --------
        >>> from workbench.cohort.language import diagnoses
        >>> diagnoses("E11.9").first().node.events[0].first
        True
        """
        if len(self.sets) == 1 and not self.sets[0].asked and not self.sets[0].having:
            return replace(self, sets=(replace(self.sets[0], first=True),))
        return self.having(EventSet(self.sets).within(days=(None, -1)).none())

    def last(self) -> EventSet:
        """Keep the events of each person's latest day.

        Examples
        --------
        >>> from workbench.cohort.language import labs
        >>> labs("LDH").last().node.events[0].nested.operator
        'eq'
        """
        return self.having(EventSet(self.sets).within(days=(1, None)).none())

    def followed_by(self, later: EventSet, *, within_days: int | None = None, from_days: int = 1) -> EventSet:
        """Keep the events that another event follows.

        Parameters
        ----------
        later : EventSet
            What must follow; its own counts and windows are kept and counted from each event of this set.
        within_days : int, optional
            Latest day after the event's start on which it may start; any later day where not given.
        from_days : int
            Earliest such day; 1 is the next day, 0 lets both fall on one day.

        Examples
        --------
        >>> from workbench.cohort.language import encounters, procedures
        >>> again = encounters(setting="inpatient").followed_by(encounters(setting="inpatient"), within_days=30)
        >>> again.node.events[0].nested.windows[0]
        Window(start=1, end=30, unit='days', event='start', index='start')
        """
        return self.having(_wanted(later).within(days=(from_days, within_days)))

    def preceded_by(self, earlier: EventSet, *, within_days: int | None = None, from_days: int = 1) -> EventSet:
        """Keep the events that another event comes before; as :meth:`followed_by`, backwards.

        Examples
        --------
        >>> from workbench.cohort.language import medications, procedures
        >>> procedures("36.06").preceded_by(medications("阿司匹林"), within_days=7).node.events[0].nested.windows[0].start
        -7
        """
        return self.having(_wanted(earlier).within(days=(_back(within_days), _back(from_days))))

    def during(self, encounters: EventSet) -> EventSet:
        """Keep the events that start between the first and the last day of one of the other events.

        Examples
        --------
        >>> from workbench.cohort.language import encounters, labs
        >>> len(labs("LDH").during(encounters(setting="icu")).node.events[0].nested.windows)
        2
        """
        return self.having(_wanted(encounters).within(days=(None, 0)).within(days=(0, None), event="end"))

    # ---------------------------------------------------------------------------------------- where around the index

    def within(
        self,
        *,
        days: Pair | None = None,
        hours: Pair | None = None,
        event: Literal["start", "end"] = "start",
        index: Literal["start", "end"] = "start",
    ) -> EventSet:
        """Ask for events in a window around the index; several windows must all hold.

        Parameters
        ----------
        days, hours : (int or None, int or None)
            First and last day or hour, counted from the index; negative is before, None open. Both ends belong to it.
            Hours need times on both sides: events that have a date only never lie in such a window.
        event, index : {"start", "end"}
            Which day of the event is placed, and from which day of the index event it is counted.

        Examples
        --------
        >>> from workbench.cohort.language import labs
        >>> labs("LDH").within(hours=(0, 24)).node.windows[0].unit
        'hours'
        """
        return replace(
            self, windows=(*self.windows, (("days", _frozen(days)), ("hours", _frozen(hours)), ("event", event), ("index", index)))
        )

    def before(self, *, days: int = 0) -> EventSet:
        """Ask for events that start before the index date, at least so many days before; never on the day itself.

        Examples
        --------
        >>> from workbench.cohort.language import medications
        >>> medications("胰岛素").before(days=0).node.windows[0].end
        -1
        """
        return self.within(days=(None, _back(days or 1)))

    def after(self, *, days: int = 0) -> EventSet:
        """Ask for events that start after the index date, at least so many days after; never on the day itself.

        Examples
        --------
        >>> from workbench.cohort.language import deaths
        >>> deaths().after(days=30).node.windows[0].start
        30
        """
        return self.within(days=(days or 1, None))

    def on_index(self) -> EventSet:
        """Ask for events that start on the index date.

        Examples
        --------
        >>> from workbench.cohort.language import procedures
        >>> procedures("36.06").on_index().node.windows[0]
        Window(start=0, end=0, unit='days', event='start', index='start')
        """
        return self.within(days=(0, 0))

    def same_visit(self) -> EventSet:
        """Ask for events of the index event's own visit.

        Examples
        --------
        >>> from workbench.cohort.language import labs
        >>> labs("LDH").same_visit().node.same_visit
        True
        """
        return replace(self, in_same_visit=True)

    def within_observation(self) -> EventSet:
        """Ask for events in the observation period that holds the index date.

        Examples
        --------
        >>> from workbench.cohort.language import labs
        >>> labs("LDH").within_observation().node.within_observation
        True
        """
        return replace(self, in_observation=True)

    # ------------------------------------------------------------------------------------------------------ how many

    def at_least(self, count: int, *, within_days: int | None = None, distinct: str = "") -> EventSet:
        """Ask for at least so many events.

        Parameters
        ----------
        count : int
            How many.
        within_days : int, optional
            They must fall into one span of so many days: the first, and the others at most so many days after it. Windows
            then place the first of them.
        distinct : {"", "day", "concept", "visit"}
            Count different days, concepts or visits rather than rows.

        Examples
        --------
        >>> from workbench.cohort.language import diagnoses
        >>> diagnoses("E11.9").at_least(2, within_days=365).node.events[0].nested.count
        2
        """
        if within_days is None:
            return replace(self, operator="ge", count=count, distinct=distinct)
        return self.having(EventSet(self.sets).within(days=(0, within_days)).at_least(count, distinct=distinct))

    def at_most(self, count: int, *, distinct: str = "") -> EventSet:
        """Ask for at most so many events; see :meth:`at_least`.

        Examples
        --------
        >>> from workbench.cohort.language import diagnoses
        >>> diagnoses("E11.9").at_most(2).node.operator
        'le'
        """
        return replace(self, operator="le", count=count, distinct=distinct)

    def exactly(self, count: int, *, distinct: str = "") -> EventSet:
        """Ask for exactly so many events; see :meth:`at_least`.

        Examples
        --------
        >>> from workbench.cohort.language import diagnoses
        >>> diagnoses("E11.9").exactly(2).node.operator
        'eq'
        """
        return replace(self, operator="eq", count=count, distinct=distinct)

    def none(self) -> EventSet:
        """Ask that there is no such event.

        Examples
        --------
        >>> from workbench.cohort.language import diagnoses
        >>> diagnoses("E10.9").none().node.count
        0
        """
        return self.exactly(0)

    @property
    def node(self) -> query.Occurs:
        """The frozen node of the criterion."""
        return query.Occurs(
            tuple(each.build() for each in self.sets),
            tuple(window(**dict(each)) for each in self.windows),  # type: ignore[arg-type]
            self.operator,  # type: ignore[arg-type]
            self.count,
            self.distinct,  # type: ignore[arg-type]
            self.in_same_visit,
            self.in_observation,
        )


def events(domain: str, codes: Codes | Iterable[Codes] = None, **asked: object) -> EventSet:
    """Ask for the events of any domain by its English word.

    Parameters
    ----------
    domain : str
        A word of :data:`workbench.domains.DOMAINS`.
    codes : Codelist, str or several of them, optional
        A text is one source value, compared exactly; any code where not given.
    **asked
        Conditions as in :meth:`EventSet.where`.

    Examples
    --------
    >>> events("devices", "起搏器").node.events[0].domain
    'devices'
    """
    given = codes if codes is None or isinstance(codes, str | query.Codelist | query.CodeItem) else _frozen(codes)
    return EventSet((OneSet(domain, given),)).where(**{keyword: value for keyword, value in asked.items() if value is not None})


def any_event(*sets: EventSet) -> EventSet:
    """Join sets of events into one: a row counts once for each set that holds it.

    Raises
    ------
    DefinitionError
        If a set already has windows or counts, which belong on the union.

    Examples
    --------
    >>> from workbench.cohort.language import labs, vitals
    >>> len(any_event(labs("SpO2"), vitals("SpO2")).node.events)
    2
    """
    return EventSet(tuple(one for each in sets for one in _bare(each).sets))


def event_nodes(sets: Iterable[object]) -> tuple[query.Events, ...]:
    """Return the frozen event sets of entry, exit or censoring events, which have no index to be counted from.

    Raises
    ------
    DefinitionError
        If something is no set of events, or has windows or counts.
    """
    return tuple(one.build() for each in sets for one in _bare(each).sets)


def as_codelist(codes: Any) -> query.Codelist | None:
    """Return what was given as codes as one codelist.

    Raises
    ------
    DefinitionError
        If it is no code.
    """
    if codes is None or isinstance(codes, query.Codelist):
        return codes
    if isinstance(codes, query.CodeItem):
        return query.Codelist((codes,))
    if isinstance(codes, str):
        return query.Codelist((query.CodeItem(codes, BARE),))
    if not isinstance(codes, tuple) or not codes:
        raise DefinitionError(
            f"found {codes!r} where codes are wanted", hint="write a codelist, a source code in quotes, or wb.concepts(201826)"
        )
    first, *others = (as_codelist(each) for each in codes)
    return codelist_union(first, *others) if others else first  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------------------------- conditions


def _condition(base: query.Events, keyword: str, value: object) -> query.Condition:
    field, operator, of = _parsed(base, keyword)
    kind = base.kind(field)
    operator = operator or _default_operator(kind, value)
    if operator in ("is_missing", "is_present"):
        return query.Condition(field, operator if value else _OPPOSITE[operator], (), of)
    return query.Condition(field, operator, tuple(_scalar(each, kind) for each in _several(value)), of)


_OPPOSITE = {"is_missing": "is_present", "is_present": "is_missing"}


def _parsed(base: query.Events, keyword: str) -> tuple[str, str, str]:
    """Split a keyword into field, operator ("" for the default) and divisor ("" for none)."""
    known = {*base.place.fields, *query.COMMON_FIELDS}
    name, operator = keyword, ""
    ending = next((ending for ending in _ENDINGS if keyword.endswith(f"_{ending}")), "")
    if keyword not in known and ending:
        name, operator = keyword.removesuffix(f"_{ending}"), ending
    field, _, of = name.partition("_per_") if name not in known else (name, "", "")
    return field, operator, of


def _default_operator(kind: str, value: object) -> str:
    if kind == "words":
        return "contains"
    return "in" if isinstance(value, tuple) else "eq"


def _several(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


def _scalar(value: object, kind: str) -> Any:
    own = plain(value)
    if kind == "date":
        return day(own)
    return float(own) if isinstance(own, Decimal) else own


def _frozen(value: Any) -> Any:
    """Return several values as a tuple, so that nothing that was given can change later."""
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__") or isinstance(value, query.Codelist):
        return value
    return tuple(sorted(value, key=repr)) if isinstance(value, set | frozenset) else tuple(value)


def _wanted(found: object) -> EventSet:
    if not isinstance(found, EventSet):
        raise DefinitionError(f"found {type(found).__name__} where events are wanted", hint="write for example wb.diagnoses('E11.9')")
    return found


def _back(days: Any) -> Any:
    """Count days backwards; anything but a number is left for the window to refuse."""
    return -days if isinstance(days, int) else days


def _bare(found: object) -> EventSet:
    """Return a set that has neither windows nor counts."""
    wanted = _wanted(found)
    if wanted != EventSet(wanted.sets):
        raise DefinitionError(
            "these events start the clock, end it or are joined: they have no index to be counted or placed from",
            hint="use .where(...), .having(...), .followed_by(...) or .at_least(n, within_days=...) here; windows and counts go into rules",
        )
    return wanted
