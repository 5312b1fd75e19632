"""The request machine: every combination of the table, and random histories in which nothing wrong is ever released."""

import itertools
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule, run_state_machine_as_test

from workbench.disclosure import DisclosurePolicy
from workbench.errors import IntegrityError, Refusal
from workbench.release.intake import StoredFile
from workbench.release.ledger import verify
from workbench.release.policy import ReleasePolicy
from workbench.release.records import Person, RequestFile
from workbench.release.requests import Airlock
from workbench.release.states import TRANSITIONS, Action, Condition, Role, State, diagram, permits, roles_of, step

# -- the table ----------------------------------------------------------------------------------------------------------

#: (state, state) -> roles that may take a request from the one to the other, written down once more by hand.
MOVES = {
    ("submitted", "in review"): {"system"},
    ("submitted", "returned"): {"system"},
    ("submitted", "withdrawn"): {"author"},
    ("in review", "in review"): {"reviewer"},
    ("in review", "approved"): {"reviewer"},
    ("in review", "void"): {"reviewer"},
    ("in review", "rejected"): {"reviewer"},
    ("in review", "withdrawn"): {"author"},
    ("approved", "rejected"): {"reviewer"},
    ("approved", "withdrawn"): {"author"},
    ("approved", "released"): {"reviewer", "staff"},
    ("approved", "void"): {"reviewer", "staff"},
}
CLOSED = {State.RETURNED, State.REJECTED, State.WITHDRAWN, State.VOID, State.RELEASED}


@pytest.mark.parametrize(("before", "after", "role"), list(itertools.product(State, State, Role)), ids=str)
def test_who_may_take_a_request_from_one_state_to_another(before, after, role):
    reached = {row.role for row in TRANSITIONS if (row.state, row.to) == (before, after)}
    assert (role in reached) == (role.value in MOVES.get((before.value, after.value), set()))


@pytest.mark.parametrize(("state", "action", "role"), list(itertools.product(State, Action, Role)), ids=str)
def test_every_action_of_every_role_in_every_state(state, action, role):
    rows = {row.condition: row.to for row in TRANSITIONS if (row.state, row.action, row.role) == (state, action, role)}
    assert permits(state, action, role) == bool(rows)
    for condition in Condition:
        if condition in rows:
            assert step(state, action, role, condition) is rows[condition]
        else:
            with pytest.raises(Refusal):
                step(state, action, role, condition)


def test_the_table_is_a_function():
    keys = [(row.state, row.action, row.role, row.condition) for row in TRANSITIONS]
    assert len(keys) == len(set(keys))


def test_closed_requests_stay_closed_and_the_others_do_not():
    assert {row.state for row in TRANSITIONS} == set(State) - CLOSED


def test_no_author_and_no_member_ever_decides():
    deciding = {Action.APPROVE, Action.REJECT, Action.RELEASE}
    assert not [row for row in TRANSITIONS if row.role in (Role.AUTHOR, Role.MEMBER) and row.action in deciding]


def test_a_release_is_reached_from_approved_only_and_approved_by_enough_approvals_only():
    assert {(row.state, row.condition) for row in TRANSITIONS if row.to is State.RELEASED} == {(State.APPROVED, Condition.SAME_BYTES)}
    assert {row.condition for row in TRANSITIONS if row.to is State.APPROVED} == {Condition.ENOUGH}


def test_the_diagram_shows_every_row():
    assert len([line for line in diagram().splitlines() if "-->" in line]) == len(TRANSITIONS) + len(CLOSED) + 1


@pytest.mark.parametrize(
    ("person", "granted", "is_member", "members_may_review", "roles"),
    [
        ("wang", {"reviewer", "staff"}, True, True, {"author"}),
        ("Wang ", {"reviewer"}, False, True, {"author"}),
        ("ｗａｎｇ", {"reviewer"}, False, True, {"author"}),
        ("li", {"reviewer"}, True, False, {"member"}),
        ("li", {"reviewer"}, True, True, {"member", "reviewer"}),
        ("li", {"reviewer", "staff"}, False, False, {"reviewer", "staff"}),
        ("li", {"system", "author", "researcher"}, False, False, set()),
    ],
    ids=["author", "case", "width", "member", "member allowed", "both", "relations are not granted"],
)
def test_as_what_a_person_acts(person, granted, is_member, members_may_review, roles):
    found = roles_of(person=person, granted=frozenset(granted), author="wang", is_member=is_member, members_may_review=members_may_review)
    assert {role.value for role in found} == roles


# -- random histories ---------------------------------------------------------------------------------------------------

#: A file system in memory, where there is one: each step is written through to the disk several times.
MEMORY = Path("/dev/shm")
PEOPLE = ("wang", "Wang", "li", "zhao", "sun", "chen")
ROLES = {
    "wang": {"reviewer", "staff"},
    "Wang": {"reviewer"},
    "li": {"reviewer"},
    "zhao": {"reviewer"},
    "sun": {"staff"},
    "chen": {"reviewer"},
}


class Machine(RuleBasedStateMachine):
    """An airlock under any sequence of acts, and a plain record of votes kept beside it."""

    requests = Bundle("requests")

    @initialize(target=requests, approvals=st.integers(1, 3))
    def open(self, approvals):
        self._folder = tempfile.TemporaryDirectory(prefix="airlock-", dir=MEMORY if MEMORY.is_dir() else None)
        self.root = Path(self._folder.name)
        ticks = itertools.count()
        self.policy = ReleasePolicy(disclosure=DisclosurePolicy(threshold=10, rounding=5), approvals=approvals)
        self.airlock = Airlock(
            self.root, policy=self.policy, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(ticks))
        )
        self.bytes: dict[str, bytes] = {}
        self.votes: dict[str, dict[str, str]] = {}
        self.tampered: set[str] = set()
        return self.submit_as("wang")

    def person(self, name):
        return Person(
            name=name, roles=frozenset(ROLES[name]), projects=frozenset({"diabetes"} if name.casefold() in ("wang", "chen") else ())
        )

    @rule(target=requests, author=st.sampled_from(["wang", "li"]))
    def submit(self, author):
        return self.submit_as(author)

    def submit_as(self, author):
        identifier = f"request-{len(self.bytes):04d}"
        content = f"content of {identifier}".encode()
        source = self.root / "source"
        source.mkdir(exist_ok=True)
        (source / identifier).write_bytes(content)
        stored = self._take(source, identifier)
        self.airlock.submit(
            identifier=identifier, project="diabetes", author=author, title="t", purpose="p", findings=(),
            files=[RequestFile(name="a.txt", kind="output", stored=stored)],
        )  # fmt: skip
        self.bytes[identifier], self.votes[identifier] = content, {}
        return identifier

    def _take(self, source, identifier) -> StoredFile:
        import os

        folder = os.open(source, os.O_RDONLY)
        try:
            return self.airlock.objects.take(folder, identifier, limit_bytes=1000)
        finally:
            os.close(folder)

    @rule(request=requests, name=st.sampled_from(PEOPLE), stale=st.sampled_from([False] * 5 + [True]))
    def approve(self, request, name, stale):
        manifest = "0" * 64 if stale else self.airlock.request(request).manifest
        try:
            self.airlock.approve(request, person=self.person(name), manifest=manifest)
        except (Refusal, IntegrityError):
            return
        assert not stale
        assert request not in self.tampered
        self.votes[request][name] = manifest

    @rule(request=requests, name=st.sampled_from(PEOPLE))
    def reject(self, request, name):
        self._try(
            lambda: self.airlock.reject(request, person=self.person(name), manifest=self.airlock.request(request).manifest, reason="r")
        )

    @rule(request=requests, name=st.sampled_from(PEOPLE))
    def withdraw(self, request, name):
        self._try(lambda: self.airlock.withdraw(request, person=self.person(name)))

    @rule(request=requests, name=st.sampled_from(PEOPLE))
    def release(self, request, name):
        self._try(lambda: self.airlock.release(request, person=self.person(name)))

    @rule(request=consumes(requests))
    def tamper(self, request):
        """Someone with the airlock's account changes stored bytes."""
        if self.airlock.request(request).state is State.RELEASED:
            return
        for file in self.airlock.request(request).files:
            path = self.airlock.objects.path(file.stored.sha256)
            path.chmod(0o644)
            path.write_bytes(b"other bytes")
        self.tampered.add(request)

    @rule(now=st.sampled_from([False] * 5 + [True]))
    def restart(self, now):
        if not now:
            return
        self.airlock.close()
        self.airlock = Airlock(self.root, policy=self.policy)

    def _try(self, act):
        try:
            act()
        except (Refusal, IntegrityError):
            return

    @invariant()
    def nothing_is_released_without_enough_distinct_approvals_of_exactly_those_bytes(self):
        if not hasattr(self, "airlock"):
            return
        released = {path.name for path in (self.root / "released").glob("request-*")}
        assert released == {request.id for request in self.airlock.requests(state=State.RELEASED)}
        for identifier in released:
            assert (self.root / "released" / identifier / "files" / "a.txt").read_bytes() == self.bytes[identifier]
        for request in (*self.airlock.requests(state=State.APPROVED), *self.airlock.requests(state=State.RELEASED)):
            identifier = request.id
            voters = {name.casefold() for name, manifest in self.votes[identifier].items() if manifest == request.manifest}
            assert len(voters) >= self.policy.approvals
            assert request.author not in voters
            assert "chen" not in voters  # a member of the project
            assert "wang" not in voters

    def teardown(self):
        if hasattr(self, "airlock"):
            assert verify(self.root / "ledger.jsonl").intact if (self.root / "ledger.jsonl").exists() else True
            self.airlock.close()
            self._folder.cleanup()


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def test_random_histories():
    run_state_machine_as_test(Machine, settings=settings(max_examples=200, stateful_step_count=12, **QUIET))


@pytest.mark.nightly
def test_ten_thousand_random_histories():
    run_state_machine_as_test(Machine, settings=settings(max_examples=10_000, stateful_step_count=20, **QUIET))


def test_a_history_that_ends_in_a_release_exists():
    machine = Machine()
    identifier = machine.open(approvals=2)
    for name in ("wang", "li", "chen", "zhao"):
        machine.approve(identifier, name, False)
    machine.release(identifier, "sun")
    assert machine.airlock.request(identifier).state is State.RELEASED
    machine.nothing_is_released_without_enough_distinct_approvals_of_exactly_those_bytes()
    machine.teardown()
