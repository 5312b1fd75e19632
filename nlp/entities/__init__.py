"""What named-entity models learn from and what they answer: the protocol that every tagger keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Entity", "Example", "Tagger"]


class Entity(NamedTuple):
    """A labelled span in code points of its text, end exclusive; `score` is the model's probability, 1 for gold."""

    start: int
    end: int
    label: str
    score: float = 1.0


class Example(NamedTuple):
    """A text with all its entities, nested ones included; `group` (a patient) is never cut by a split."""

    text: str
    entities: tuple[Entity, ...] = ()
    group: str = ""


class Tagger(Protocol):
    """A model that finds entities."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it can give, sorted."""

    @property
    def version(self) -> str:
        """Name and hash, as written into results."""

    def tag(self, texts: Sequence[str]) -> list[tuple[Entity, ...]]:
        """Find the entities of each text, in order of (start, -end, label); pure."""
