"""What a reader makes of a file, for the checks to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.release.findings import Finding, Severity

if TYPE_CHECKING:
    from workbench.disclosure import DisclosurePolicy

__all__ = ["MOST_ROWS", "Document", "Picture", "Reference", "Scope", "Script", "Table", "Text", "Unreadable"]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What the checks look for: the centre's policy, and tokens planted in data that must never leave."""

    policy: DisclosurePolicy
    canaries: frozenset[str] = frozenset()


class Unreadable(Exception):
    """A file that cannot be read whole, so that nobody could check it."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


#: A table of results is not longer than this (rows).
MOST_ROWS = 1000


@dataclass(frozen=True)
class Table:
    """A table: where it stands, and its rows of cell texts, of any lengths."""

    place: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def is_too_long(self) -> bool:
        """Whether it has more rows than a table of results; it is then refused as a whole and not looked at further."""
        return len(self.rows) > MOST_ROWS


@dataclass(frozen=True)
class Text:
    """A stretch of text and where it stands."""

    place: str
    text: str


@dataclass(frozen=True)
class Picture:
    """A picture: where it stands, its type, its bytes."""

    place: str
    kind: str
    content: bytes


@dataclass(frozen=True)
class Script:
    """Program text inside a document."""

    place: str
    text: str


@dataclass(frozen=True)
class Reference:
    """Something that a document loads when it is opened, or carries in a form that is not read."""

    place: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Document:
    """All that was read of one file."""

    name: str
    tables: tuple[Table, ...] = ()
    texts: tuple[Text, ...] = ()
    pictures: tuple[Picture, ...] = ()
    scripts: tuple[Script, ...] = ()
    references: tuple[Reference, ...] = ()

    def finding(self, check: str, severity: Severity, place: str, reason: str, advice: str) -> Finding:
        """Make a finding in this file."""
        return Finding(check=check, severity=severity, file=self.name, place=place, reason=reason, advice=advice)
