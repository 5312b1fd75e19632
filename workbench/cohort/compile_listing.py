"""Events as people read them: code, label, value and unit beside the dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis

from workbench.cohort.compile_criteria import union_of
from workbench.cohort.engine import EVENT_SCHEMA, VALUE_FIELDS
from workbench.cohort.plan import source

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from workbench.cohort.plan import Plan
    from workbench.cohort.query import Events
    from workbench.domains import Domain

__all__ = ["listed_events"]


def listed_events(events: Events, plan: Plan, *, asked: ir.Table | None) -> ir.Table:
    """Compile an event set with what is shown of each row; the columns are those of ``EVENT_SCHEMA``.

    `asked` (one column, ``person_id``) keeps only those persons' events.
    """
    place = events.place
    found = union_of((events,), plan).drop("event_set").rename(key="event_key")
    table = source(place.table, _columns(place))
    if asked is not None:
        found = found.semi_join(asked, "person_id")
        table = table if place.via else table.semi_join(asked, "person_id")
    shown = table.select(_shown_key=place.key, **_shown(place, table))
    concept = source("concept", ("concept_id", "concept_name")).select(_named="concept_id", _name="concept_name")
    rows = found.left_join(shown, found.key == shown._shown_key)
    rows = rows.left_join(concept, rows.concept_id == concept._named)
    number = ibis.ifelse(rows.concept_id != 0, rows.concept_id.cast("string"), "")
    return rows.select(
        "person_id",
        "key",
        "start_date",
        "start_datetime",
        "end_date",
        "visit_occurrence_id",
        "unit",
        domain=ibis.literal(place.word),
        code=ibis.coalesce(rows._code.nullif(""), number, ""),
        label=ibis.coalesce(rows._title if "title" in place.fields else rows._name, ""),
        value=ibis.ifelse(rows.value.isnan(), ibis.null("float64"), rows.value),
    ).select(*EVENT_SCHEMA.names)


def _columns(place: Domain) -> tuple[str, ...]:
    own = [place.fields[name].column for name in (*VALUE_FIELDS, "title", "unit") if name in place.fields and not place.fields[name].via]
    person = "" if place.via else "person_id"
    return tuple(dict.fromkeys(name for name in (place.key, person, place.source_value, *own) if name))


def _shown(place: Domain, table: ir.Table) -> dict[str, ir.Value]:
    """Return the columns of the domain's own table that are shown: code, title, value, unit."""
    own = {name: table[field.column] for name, field in place.fields.items() if not field.via and field.column in table.columns}
    value = next((own[name] for name in VALUE_FIELDS if name in own), ibis.null("float64"))
    return {
        "_code": table[place.source_value] if place.source_value else ibis.null("string"),
        "_title": own.get("title", ibis.null("string")),
        "value": value.cast("float64"),
        "unit": ibis.coalesce(own.get("unit", ibis.null("string")), ""),
    }
