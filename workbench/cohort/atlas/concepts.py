"""Codelists as the concept sets of an ATLAS definition."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from workbench.cohort.query import CodeItem, Codelist

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

__all__ = ["ConceptSets", "NoVocabulary", "StoreVocabulary", "Vocabulary", "of_system", "without_column"]


def of_system(codes: Codelist, system: str) -> Codelist:
    """Return the items of one code system."""
    include, exclude = (tuple(item for item in items if item.system == system) for items in (codes.include, codes.exclude))
    return Codelist(include, exclude, codes.name)


def without_column(codes: Codelist) -> Codelist:
    """Return concepts as a concept set knows them, which is not bound to the standard or the source column."""
    include, exclude = (tuple(replace(item, system="concept") for item in items) for items in (codes.include, codes.exclude))
    return Codelist(include, exclude, codes.name)


class Vocabulary(Protocol):
    """What the export asks of a vocabulary."""

    def find(self, system: str, code: str, *, prefix: bool) -> tuple[int, ...]:
        """Return the ids of the concepts with a code, or whose code starts with it, in a vocabulary such as ``ICD10CN``."""

    def describe(self, ids: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:
        """Return what ATLAS shows of concepts, by id: ``CONCEPT_NAME``, ``CONCEPT_CODE``, ``VOCABULARY_ID``, ``DOMAIN_ID``."""


class NoVocabulary:
    """Knows no concept: source codes cannot be exported."""

    def find(self, system: str, code: str, *, prefix: bool) -> tuple[int, ...]:  # noqa: ARG002  (the protocol's signature)
        """Find nothing."""
        return ()

    def describe(self, ids: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:  # noqa: ARG002  (the protocol's signature)
        """Describe nothing."""
        return {}


@dataclass(frozen=True)
class StoreVocabulary:
    """The ``concept`` table of a store.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds the table, or a view of it, as ``concept``.
    """

    connection: duckdb.DuckDBPyConnection

    def find(self, system: str, code: str, *, prefix: bool) -> tuple[int, ...]:
        """Look up codes by ``vocabulary_id`` and ``concept_code``."""
        matches = "starts_with(concept_code, $code)" if prefix else "concept_code = $code"
        rows = self.connection.execute(
            f"SELECT concept_id FROM concept WHERE vocabulary_id = $system AND {matches} ORDER BY concept_id",
            {"system": system, "code": code},
        ).fetchall()
        return tuple(row[0] for row in rows)

    def describe(self, ids: Sequence[int]) -> Mapping[int, Mapping[str, Any]]:
        """Read names and codes."""
        rows = self.connection.execute(
            "SELECT concept_id, concept_name, concept_code, vocabulary_id, domain_id FROM concept WHERE list_contains($ids, concept_id)",
            {"ids": list(ids)},
        ).fetchall()
        names = ("CONCEPT_NAME", "CONCEPT_CODE", "VOCABULARY_ID", "DOMAIN_ID")
        return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


@dataclass
class ConceptSets:
    """Numbers codelists in the order in which they are first asked for; equal ones share a number."""

    vocabulary: Vocabulary
    _numbers: dict[Codelist, int] = field(default_factory=dict)

    def number(self, codes: Codelist) -> int:
        """Return the id of the concept set for a codelist of concepts, on whichever column it is asked."""
        return self._numbers.setdefault(without_column(codes), len(self._numbers))

    def on_source(self, codes: Codelist, system: str) -> tuple[Codelist | None, tuple[str, ...]]:
        """Translate the items of one code system to source concepts.

        Returns
        -------
        Codelist or None
            Source concepts; None where no code is known.
        tuple of str
            Codes that the vocabulary does not hold.
        """
        unknown: list[str] = []
        include, exclude = (
            tuple(found for item in items if item.system == system for found in self._concepts(item, unknown))
            for items in (codes.include, codes.exclude)
        )
        return (Codelist(include, exclude, codes.name) if include else None), tuple(unknown)

    def concepts(self, ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return concepts as ATLAS writes them."""
        known = self.vocabulary.describe(ids)
        return [{"CONCEPT_ID": concept, "CONCEPT_NAME": ""} | dict(known.get(concept, {})) for concept in ids]

    def written(self) -> list[dict[str, Any]]:
        """Return every concept set as ATLAS writes them."""
        return [
            {"id": number, "name": codes.name or f"concept set {number + 1}", "expression": {"items": self._items(codes)}}
            for codes, number in self._numbers.items()
        ]

    def _concepts(self, item: CodeItem, unknown: list[str]) -> tuple[CodeItem, ...]:
        ids = self.vocabulary.find(item.system, item.code, prefix=item.descendants)
        if not ids:
            unknown.append(item.code)
        return tuple(CodeItem(str(concept), "source_concept") for concept in ids)

    def _items(self, codes: Codelist) -> list[dict[str, Any]]:
        flagged = [(item, False) for item in codes.include] + [(item, True) for item in codes.exclude]
        concepts = self.concepts([int(item.code) for item, _ in flagged])
        return [
            {
                "concept": concept,
                "isExcluded": excluded,
                "includeDescendants": item.descendants,
                "includeMapped": item.mapped,
            }
            for (item, excluded), concept in zip(flagged, concepts, strict=True)
        ]
