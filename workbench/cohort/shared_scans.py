"""One read of a table for all the event sets of a cohort that ask it for codes."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from workbench.cohort.codes import code_columns, holds_code
from workbench.cohort.compile_criteria import leaves
from workbench.cohort.compile_events import columns_read
from workbench.cohort.plan import BY_CONCEPT, source
from workbench.cohort.query import Codelist, Occurs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    import ibis.expr.types as ir

    from workbench.cohort.plan import Plan
    from workbench.cohort.query import Criterion, Events

__all__ = ["read_events", "share_scans"]


def share_scans(events: Iterable[Events], plan: Plan, *, tables: Collection[str] | None = None, persons: ir.Table | None = None) -> None:
    """Have each table that several event sets ask for codes read once.

    Parameters
    ----------
    events : iterable of Events
        Event sets that are read, as often as they are read (:func:`read_events`).
    plan : Plan
        Takes the steps, and the shared tables in ``plan.shared``; sets that are there already are left alone.
    tables : collection of str, optional
        Only these tables; all by default.
    persons : ibis Table, optional
        Only rows of these persons are wanted (column person_id).
    """
    wanted = (one for one in events if one.codes is not None and not one.place.via and one not in plan.shared)
    for table, group in groupby(sorted(wanted, key=_table), key=_table):
        together = list(group)
        if len(together) > 1 and (tables is None or table in tables):
            shared = plan.keep(_read(table, together, plan, persons), "shared")
            plan.shared.update(dict.fromkeys(together, shared))


def read_events(events: Iterable[Events], criteria: Iterable[Criterion]) -> list[Events]:
    """List the event sets that are read for some event sets and criteria, to any depth, but not inside other cohorts."""
    return [*_walk(events), *_inside(criteria)]


def _table(events: Events) -> str:
    return events.place.table


def _walk(events: Iterable[Events]) -> Iterator[Events]:
    for one in events:
        yield one
        if one.nested is not None:
            yield from _inside([one.nested])


def _inside(criteria: Iterable[Criterion]) -> Iterator[Events]:
    for criterion in criteria:
        for leaf in leaves(criterion):
            if isinstance(leaf, Occurs):
                yield from _walk(leaf.events)


def _read(name: str, together: Sequence[Events], plan: Plan, persons: ir.Table | None) -> ir.Table:
    """Select the rows that any of the event sets may want; excluded codes are each set's own affair."""
    domain = together[0].place
    items = dict.fromkeys(item for one in together for item in one.codes.include)
    every = Codelist(tuple(items))
    by_concept = code_columns(every, domain) == (domain.concept,)
    columns = tuple(dict.fromkeys(column for one in together for column in columns_read(one)))
    table = source(BY_CONCEPT.get(name, name) if by_concept else name, columns)
    rows = table.filter(holds_code(every, domain, table, plan))
    return rows if persons is None else rows.filter(rows.person_id.isin(persons.person_id))
