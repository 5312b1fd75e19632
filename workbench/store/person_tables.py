"""The rows of one person, and as much vocabulary as they need, for the reference engine to find evidence in."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from workbench.cohort.query import CodeItem
from workbench.domains import DOMAINS
from workbench.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["concept_items", "person_tables"]


_ALWAYS = ("person", "observation_period", "visit_occurrence")
_CODED = {domain.table: (domain.concept, domain.source_concept) for domain in DOMAINS.values()}


def concept_items(node: object) -> Iterator[CodeItem]:
    """Walk the concept items of all codelists in a definition."""
    if isinstance(node, CodeItem):
        if node.is_concept:
            yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from concept_items(part)
    elif is_dataclass(node):
        for field in fields(node):
            yield from concept_items(getattr(node, field.name))


def person_tables(
    fetch: Callable[[str, str, Iterable[int]], pa.Table], tables: Iterable[str], person_id: int, items: Iterable[CodeItem]
) -> dict[str, pa.Table]:
    """Collect what the reference engine needs to judge one person.

    Parameters
    ----------
    fetch : callable
        Gives the rows of a table whose column holds one of some values: ``fetch(table, column, values)``.
    tables : iterable of str
        Tables that the definition reads.
    person_id : int
        Whose rows.
    items : iterable of CodeItem
        Concept items of the definition's codelists.

    Returns
    -------
    dict of str to pyarrow.Table
        By name; no table holds a row of another person.
    """
    wanted = {name for name in (*_ALWAYS, *tables) if TABLES[name].person}
    found = {name: fetch(name, "person_id", [person_id]) for name in sorted(wanted)}
    visits = found["visit_occurrence"]
    found["cost"] = fetch("cost", "cost_event_id", _values(visits, "visit_occurrence_id"))
    found["care_site"] = fetch("care_site", "care_site_id", _values(visits, "care_site_id"))
    providers = {value for table in found.values() if "provider_id" in table.column_names for value in _values(table, "provider_id")}
    found["provider"] = fetch("provider", "provider_id", sorted(providers))
    return found | _vocabulary(fetch, found, {int(item.code) for item in items})


def _vocabulary(fetch: Callable[[str, str, Iterable[int]], pa.Table], found: dict[str, pa.Table], asked: set[int]) -> dict[str, pa.Table]:
    """Take the vocabulary that links the person's concepts to the concepts asked for."""
    own = {value for name, table in found.items() for column in _CODED.get(name, ()) if column for value in _values(table, column)}
    links = fetch("concept_relationship", "concept_id_1", own)
    near = own | set(_values(links, "concept_id_2"))
    ancestry = fetch("concept_ancestor", "descendant_concept_id", near)
    ancestry = ancestry.filter(pc.is_in(ancestry["ancestor_concept_id"], value_set=pa.array(sorted(asked), pa.int64())))
    return {"concept_relationship": links, "concept_ancestor": ancestry, "concept": fetch("concept", "concept_id", near | asked)}


def _values(table: pa.Table, column: str) -> list[int]:
    return [value for value in pc.unique(table[column]).to_pylist() if value is not None]
