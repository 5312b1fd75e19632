"""Frozen nodes of a codelist."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.errors import DefinitionError

__all__ = ["CodeItem", "Codelist"]


@dataclass(frozen=True)
class CodeItem:
    """One line of a codelist.

    Parameters
    ----------
    code : str
        A source code (``E11``), or a concept id written as digits.
    system : str
        ``concept`` (standard concept column) or ``source_concept`` (source concept column) for concept ids; any other
        name (``ICD10CN``, ``ICD9CM3CN``, ``LOCAL_LAB`` ...) says that `code` is compared with the source value.
    descendants : bool
        For a source code: every source value that starts with it. For a concept: its descendants in
        ``concept_ancestor`` that ``concept`` holds without an ``invalid_reason``, and the concept itself.
    mapped : bool
        For a concept: also the concepts that "Maps to" it or, with `descendants`, to its descendants, by rows of
        ``concept_relationship`` without an ``invalid_reason``.

    Notes
    -----
    As in circe-be the concept itself counts, valid or not, only where ``concept`` holds it; a store whose ``concept``
    is missing or empty takes the id as it stands.
    """

    code: str
    system: str
    descendants: bool = False
    mapped: bool = False

    def __post_init__(self) -> None:
        if not self.code or self.code != self.code.strip():
            raise DefinitionError(f"code {self.code!r} is empty or has blanks around it")
        if not self.system:
            raise DefinitionError(f"code {self.code!r} names no code system", hint="give one, as in ICD10CN")
        if self.is_concept and not (self.code.isascii() and self.code.isdigit()):
            raise DefinitionError(f"concept id {self.code!r} is not a whole number")
        if self.mapped and not self.is_concept:
            raise DefinitionError(f"code {self.code!r} of {self.system}: only concepts have mappings")

    @property
    def is_concept(self) -> bool:
        """Whether the item is a concept id rather than a source code."""
        return self.system in ("concept", "source_concept")


@dataclass(frozen=True)
class Codelist:
    """Codes that mean the same thing: rows match an item of `include` and none of `exclude`.

    Items for different columns (standard concept, source concept, source value) are alternatives; an excluded item
    takes away only on its own column.
    """

    include: tuple[CodeItem, ...]
    exclude: tuple[CodeItem, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        if not self.include:
            raise DefinitionError(f"codelist {self.name or '(without name)'} is empty", hint="add at least one code")
