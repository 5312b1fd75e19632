"""Codelists as conditions on a table: concept sets as circe-be resolves them, and codes of the source."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import ibis

from workbench.cohort.plan import source

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import ibis.expr.types as ir

    from workbench.cohort.plan import Plan
    from workbench.cohort.query import CodeItem, Codelist
    from workbench.domains import Domain

__all__ = ["code_columns", "holds_code"]

_LARGEST = 2**63 - 1


def code_columns(codes: Codelist, domain: Domain) -> tuple[str, ...]:
    """Return the columns of the domain's table that the codelist names codes of, those that it excludes too."""
    return tuple(dict.fromkeys(_column(item, domain) for item in (*codes.include, *codes.exclude)))


def holds_code(codes: Codelist, domain: Domain, table: ir.Table, plan: Plan) -> ir.BooleanValue:
    """Say of each row of `table` whether it matches an item that is included and none that is excluded."""
    columns = code_columns(codes, domain)
    if len(columns) == 1 and domain.source_value not in columns:
        return _among(table[columns[0]], codes.include, codes.exclude, plan)
    taken = _holds_any(codes.include, domain, table, plan)
    return taken & ~_holds_any(codes.exclude, domain, table, plan).fill_null(False) if codes.exclude else taken


def _column(item: CodeItem, domain: Domain) -> str:
    return {"concept": domain.concept, "source_concept": domain.source_concept}.get(item.system, domain.source_value)


def _holds_any(items: Sequence[CodeItem], domain: Domain, table: ir.Table, plan: Plan) -> ir.BooleanValue:
    """Say of each row whether it matches an item; columns are alternatives, and a missing code matches nothing."""
    tests = []
    for column in dict.fromkeys(_column(item, domain) for item in items):
        own = [item for item in items if _column(item, domain) == column]
        test = _matches_text(table[column], own) if column == domain.source_value else _among(table[column], own, (), plan)
        tests.append(test)
    return reduce(or_, (test.fill_null(False) for test in tests)) if len(tests) > 1 else tests[0]


def _matches_text(column: ir.StringColumn, items: Sequence[CodeItem]) -> ir.BooleanValue:
    whole = sorted({item.code for item in items if not item.descendants})
    tests = [column.startswith(item.code) for item in items if item.descendants]
    return reduce(or_, [*tests, *([column.isin(whole)] if whole else [])])


def _among(column: ir.IntegerColumn, include: Sequence[CodeItem], exclude: Sequence[CodeItem], plan: Plan) -> ir.BooleanValue:
    """Say whether a concept id is one that the items stand for, by a small table of ids."""
    asked = (tuple(include), tuple(exclude))
    if asked not in plan.concepts:
        wanted = _concepts(include, plan)
        if exclude:
            wanted = wanted.anti_join(_concepts(exclude, plan), "concept_id")
        plan.concepts[asked] = plan.keep(wanted, "codes")
    return column.isin(plan.concepts[asked].concept_id)


def _concepts(items: Sequence[CodeItem], plan: Plan) -> ir.Table:
    """Resolve concept items to the ids that they stand for, one column ``concept_id``."""
    parts = [_expanded(items, plan)]
    mapped = [item for item in items if item.mapped]
    if mapped:
        links = source("concept_relationship", ("concept_id_1", "concept_id_2", "relationship_id", "invalid_reason"))
        valid = links.filter(links.relationship_id == "Maps to", links.invalid_reason.isnull())
        targets = plan.keep(_expanded(mapped, plan), "codes")
        parts.append(valid.filter(valid.concept_id_2.isin(targets.concept_id)).select(concept_id="concept_id_1"))
    return ibis.union(*parts, distinct=True) if len(parts) > 1 else parts[0].distinct()


def _expanded(items: Sequence[CodeItem], plan: Plan) -> ir.Table:
    """Return the concepts themselves and, where asked, their valid descendants."""
    own = _ids(items)
    above = _ids(item for item in items if item.descendants)
    if not plan.vocabulary:
        return ibis.literal(own, type="array<int64>").unnest().name("concept_id").as_table()
    concept = source("concept", ("concept_id", "invalid_reason"))
    known = concept.filter(concept.concept_id.isin(own)).select("concept_id")
    if not above:
        return known
    ancestry = source("concept_ancestor", ("ancestor_concept_id", "descendant_concept_id"))
    below = ancestry.filter(ancestry.ancestor_concept_id.isin(above)).select(concept_id="descendant_concept_id")
    valid = concept.filter(concept.invalid_reason.isnull(), concept.concept_id.isin(below.concept_id)).select("concept_id")
    return ibis.union(known, valid, distinct=True)


def _ids(items: Iterable[CodeItem]) -> list[int]:
    """Return the concept ids of items; one beyond 64 bits stands in no table."""
    return sorted({concept for item in items if (concept := int(item.code)) <= _LARGEST})
