"""What the airlock keeps of a request: plain values, read from its tables and never changed in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.release.states import Action, State, account_key

if TYPE_CHECKING:
    from workbench.release.findings import Finding
    from workbench.release.intake import StoredFile

__all__ = ["Person", "Request", "RequestFile", "Vote"]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Someone who acts: the account's name, the roles the centre gave it, the projects it is a member of."""

    name: str
    roles: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class RequestFile:
    """One file of a request: ``output`` leaves if released, ``supporting`` is for the reviewer only."""

    name: str
    kind: str
    stored: StoredFile


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One reviewer's opinion, on the manifest that the reviewer saw."""

    reviewer: str
    decision: str
    manifest: str
    reason: str
    time: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """A release request as it stands."""

    id: str
    project: str
    author: str
    title: str
    purpose: str
    state: State
    manifest: str
    received: str
    files: tuple[RequestFile, ...]
    findings: tuple[Finding, ...]
    votes: tuple[Vote, ...]

    def approvals(self) -> int:
        """Count the distinct approvals of exactly these bytes by others than the author."""
        approving = {account_key(v.reviewer) for v in self.votes if v.decision == Action.APPROVE and v.manifest == self.manifest}
        return len(approving - {account_key(self.author)})
