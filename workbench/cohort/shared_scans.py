"""One read of a table for all the event sets of a cohort that ask it for codes."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from workbench.cohort.codes import code_columns, holds_code
from workbench.cohort.compile_criteria import leaves
from workbench.cohort.plan import BY_CONCEPT, source
from workbench.cohort.query import Codelist, Occurs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import ibis.expr.types as ir

    from workbench.cohort.plan import Plan
    from workbench.cohort.query import Criterion, Events
    from workbench.domains import Domain

__all__ = ["share_scans"]


def share_scans(events: Sequence[Events], criteria: Sequence[Criterion], plan: Plan, *, persons: ir.Table | None) -> None:
    """Have each table that several event sets ask for codes read once.

    Parameters
    ----------
    events : sequence of Events
        Event sets that are read.
    criteria : sequence of Criterion
        Their event sets count too, to any depth; definitions inside them do not.
    plan : Plan
        Takes the steps, and the shared tables in ``plan.shared``.
    persons : ibis Table, optional
        Only rows of these persons are wanted (column person_id).
    """
    found = dict.fromkeys([*_walk(events), *_inside(criteria)])
    coded = sorted((one for one in found if one.codes is not None and not one.place.via), key=lambda one: one.place.table)
    for table, group in groupby(coded, key=lambda one: one.place.table):
        together = list(group)
        if len({one.codes for one in together}) > 1:
            shared = plan.keep(_read(table, together, plan, persons), "shared")
            plan.shared.update(dict.fromkeys(together, shared))


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
    table = source(BY_CONCEPT.get(name, name) if by_concept else name)
    rows = table.filter(holds_code(every, domain, table, plan))
    if persons is not None:
        rows = rows.filter(rows.person_id.isin(persons.person_id))
    return rows.select(*_columns(together, table))


def _columns(together: Sequence[Events], table: ir.Table) -> list[str]:
    """Name the columns that any of the event sets reads, in the table's order."""
    wanted = {name for one in together for name in (*_identity(one.place), *_asked(one))}
    return [name for name in table.columns if name in wanted]


def _identity(domain: Domain) -> tuple[str, ...]:
    dates = (domain.start, domain.start_time, domain.end, domain.supply)
    return ("person_id", "provider_id", domain.key, *dates, domain.visit, domain.concept, domain.source_concept, domain.source_value)


def _asked(events: Events) -> Iterator[str]:
    fields = events.place.fields
    names = {name for condition in events.conditions if condition.operator != "contains" for name in (condition.field, condition.of)}
    return (fields[name].column for name in names if name in fields)
