"""What a check says: where, how grave, why and what to do; never the value itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Finding", "Severity", "blocks"]


class Severity(StrEnum):
    """How grave a finding is: a block returns the request, a warning is for the reviewer, a note is for the record."""

    BLOCK = "block"
    WARN = "warn"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found.

    Parameters
    ----------
    check : str
        Name of the check.
    severity : Severity
        How grave it is.
    file : str
        Name of the file within the request.
    place : str
        Where in the file: sheet, table, row, column, line; never a value.
    reason : str
        What was found and what was wanted.
    advice : str
        What to do.
    """

    check: str
    severity: Severity
    file: str
    place: str
    reason: str
    advice: str

    def to_json(self) -> dict[str, str]:
        """Give the finding as JSON values."""
        return {key: str(value) for key, value in asdict(self).items()}


def blocks(findings: Iterable[Finding]) -> bool:
    """Tell whether any finding returns the request."""
    return any(finding.severity is Severity.BLOCK for finding in findings)
