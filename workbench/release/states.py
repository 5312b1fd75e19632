"""The life of a release request: one table of transitions, from which the code, the tests and the diagram are made.

A person acts on a request in one role. An author is only ever the author of their own request, whatever other roles the
person has; a member of the project acts as a member where the policy keeps members from voting. So "not the author" is not a
condition that could be forgotten: the table has no row in which an author approves.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from workbench.errors import Refusal

__all__ = ["TRANSITIONS", "Action", "Condition", "Role", "State", "Transition", "account_key", "diagram", "roles_of", "same_person", "step"]


class State(StrEnum):
    """Where a request stands."""

    SUBMITTED = "submitted"
    RETURNED = "returned"
    IN_REVIEW = "in review"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    VOID = "void"
    RELEASED = "released"


class Action(StrEnum):
    """What can be done to a request."""

    CHECK = "check"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    RELEASE = "release"


class Role(StrEnum):
    """As what a person, or the airlock itself, acts on one request."""

    AUTHOR = "author"
    MEMBER = "member"
    REVIEWER = "reviewer"
    STAFF = "staff"
    SYSTEM = "system"


class Condition(StrEnum):
    """What must hold for a transition, found out by the caller from the stored facts."""

    ALWAYS = "always"
    CLEAN = "no check blocks"
    BLOCKED = "a check blocks"
    MORE_NEEDED = "more approvals needed"
    ENOUGH = "approvals enough"
    SAME_BYTES = "bytes as approved"
    OTHER_BYTES = "bytes changed"


@dataclass(frozen=True)
class Transition:
    """One row of the table: in `state`, `role` may do `action`; under `condition` the request goes to `to`."""

    state: State
    action: Action
    role: Role
    condition: Condition
    to: State


TRANSITIONS: tuple[Transition, ...] = (
    Transition(State.SUBMITTED, Action.CHECK, Role.SYSTEM, Condition.CLEAN, State.IN_REVIEW),
    Transition(State.SUBMITTED, Action.CHECK, Role.SYSTEM, Condition.BLOCKED, State.RETURNED),
    Transition(State.SUBMITTED, Action.WITHDRAW, Role.AUTHOR, Condition.ALWAYS, State.WITHDRAWN),
    Transition(State.IN_REVIEW, Action.APPROVE, Role.REVIEWER, Condition.MORE_NEEDED, State.IN_REVIEW),
    Transition(State.IN_REVIEW, Action.APPROVE, Role.REVIEWER, Condition.ENOUGH, State.APPROVED),
    Transition(State.IN_REVIEW, Action.APPROVE, Role.REVIEWER, Condition.OTHER_BYTES, State.VOID),
    Transition(State.IN_REVIEW, Action.REJECT, Role.REVIEWER, Condition.ALWAYS, State.REJECTED),
    Transition(State.IN_REVIEW, Action.WITHDRAW, Role.AUTHOR, Condition.ALWAYS, State.WITHDRAWN),
    Transition(State.APPROVED, Action.REJECT, Role.REVIEWER, Condition.ALWAYS, State.REJECTED),
    Transition(State.APPROVED, Action.WITHDRAW, Role.AUTHOR, Condition.ALWAYS, State.WITHDRAWN),
    Transition(State.APPROVED, Action.RELEASE, Role.REVIEWER, Condition.SAME_BYTES, State.RELEASED),
    Transition(State.APPROVED, Action.RELEASE, Role.STAFF, Condition.SAME_BYTES, State.RELEASED),
    Transition(State.APPROVED, Action.RELEASE, Role.REVIEWER, Condition.OTHER_BYTES, State.VOID),
    Transition(State.APPROVED, Action.RELEASE, Role.STAFF, Condition.OTHER_BYTES, State.VOID),
)

#: Roles that a person brings along; the others are relations to one request.
GRANTED = frozenset({Role.REVIEWER, Role.STAFF})

_TABLE = {(row.state, row.action, row.role, row.condition): row.to for row in TRANSITIONS}


def step(state: State, action: Action, role: Role, condition: Condition) -> State:
    """Return the state that the table gives.

    Raises
    ------
    Refusal
        If the table has no such row; the message says who may act in this state.
    """
    try:
        return _TABLE[state, action, role, condition]
    except KeyError:
        allowed = sorted({f"{row.action} as {row.role}" for row in TRANSITIONS if row.state == state})
        raise Refusal(
            f"{role} may not {action} a request that is {state} ({condition})",
            hint=f"possible now: {', '.join(allowed) if allowed else 'nothing, the request is closed'}",
        ) from None


def permits(state: State, action: Action, role: Role) -> bool:
    """Tell whether the table has any row for the three."""
    return any((row.state, row.action, row.role) == (state, action, role) for row in TRANSITIONS)


def roles_of(*, person: str, granted: frozenset[str], author: str, is_member: bool, members_may_review: bool) -> frozenset[Role]:
    """Say as what a person acts on one request.

    Parameters
    ----------
    person : str
        Name of the account that acts.
    granted : frozenset of str
        Roles the centre gave the person; those that have no part in a release are left aside.
    author : str
        Name of the account that asked.
    is_member : bool
        Whether the person belongs to the request's project.
    members_may_review : bool
        The centre's policy.

    Returns
    -------
    frozenset of Role
        Exactly ``{AUTHOR}`` for the author.
    """
    if same_person(person, author):
        return frozenset({Role.AUTHOR})
    if is_member and not members_may_review:
        return frozenset({Role.MEMBER})
    return frozenset(role for role in GRANTED if role in granted) | ({Role.MEMBER} if is_member else set())


def same_person(one: str, other: str) -> bool:
    """Compare two account names as a person would: width, case and surrounding blanks make no other person."""
    return account_key(one) == account_key(other)


def account_key(name: str) -> str:
    """Give what all spellings of one account name have in common."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def diagram() -> str:
    """Draw the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {_node(State.SUBMITTED)}"]
    lines += [f"    {_node(row.state)} --> {_node(row.to)}: {row.role} {row.action} ({row.condition})" for row in TRANSITIONS]
    leaving = {row.state for row in TRANSITIONS}
    lines += [f"    {_node(state)} --> [*]" for state in State if state not in leaving]
    return "\n".join(lines) + "\n"


def _node(state: State) -> str:
    return state.value.replace(" ", "_")


__doc__ = f"{__doc__}\n::\n\n    {diagram().replace(chr(10), chr(10) + '    ').rstrip()}\n"
