"""The airlock's writer: one transaction a change, the ledger before the package, and nothing lost by a kill."""

import json
import os

import pytest
import sqlalchemy as sa

from workbench.disclosure import DisclosurePolicy
from workbench.errors import DataError, IntegrityError, Refusal
from workbench.release import package, schema
from workbench.release.ledger import verify
from workbench.release.policy import ReleasePolicy
from workbench.release.records import Person, RequestFile
from workbench.release.requests import Airlock
from workbench.release.states import State

POLICY = ReleasePolicy(disclosure=DisclosurePolicy(threshold=10, rounding=5), approvals=1)
LI = Person(name="li", roles=frozenset({"reviewer"}))
ZHAO = Person(name="zhao", roles=frozenset({"reviewer"}))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "airlock"


@pytest.fixture
def airlock(root):
    opened = Airlock(root, policy=POLICY)
    yield opened
    opened.close()


@pytest.fixture
def approved(airlock, tmp_path) -> str:
    identifier = submit(airlock, tmp_path)
    airlock.approve(identifier, person=LI, manifest=airlock.request(identifier).manifest)
    return identifier


def submit(airlock, tmp_path, identifier="request-1", author="wang") -> str:
    (tmp_path / "a.txt").write_text("safe", encoding="utf-8")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        stored = airlock.objects.take(folder, "a.txt", limit_bytes=100)
    finally:
        os.close(folder)
    files = [RequestFile(name="a.txt", kind="output", stored=stored)]
    airlock.submit(identifier=identifier, project="p", author=author, title="t", purpose="p", files=files, findings=())
    return identifier


def audit_rows(airlock):
    with airlock._engine.begin() as transaction:
        return transaction.execute(sa.select(schema.audit).order_by(schema.audit.c.id)).all()


def test_every_change_has_its_audit_row_and_its_ledger_entry(airlock, root, approved):
    airlock.release(approved, person=LI)
    rows = audit_rows(airlock)
    assert [row.action for row in rows] == ["request", "approve", "release"]
    entries = list(airlock.ledger.entries())
    assert [entry.seq for entry in entries] == [row.ledger_seq for row in rows]
    assert [entry.detail["audit"] for entry in entries] == [row.id for row in rows]


def test_a_refused_act_leaves_no_trace(airlock, tmp_path):
    identifier = submit(airlock, tmp_path)
    with pytest.raises(Refusal, match="author may not approve"):
        airlock.approve(
            identifier, person=Person(name="wang", roles=frozenset({"reviewer"})), manifest=airlock.request(identifier).manifest
        )
    with pytest.raises(Refusal, match="has no part"):
        airlock.approve(identifier, person=Person(name="sun"), manifest=airlock.request(identifier).manifest)
    assert len(audit_rows(airlock)) == 1
    assert airlock.request(identifier).votes == ()


def test_state_and_audit_stand_or_fall_together(airlock, tmp_path, monkeypatch):
    identifier = submit(airlock, tmp_path)

    def broken(*_, **__):
        raise OSError("no audit")

    monkeypatch.setattr(airlock, "_audit", broken)
    with pytest.raises(OSError, match="no audit"):
        airlock.approve(identifier, person=LI, manifest=airlock.request(identifier).manifest)
    assert (airlock.request(identifier).state, airlock.request(identifier).votes) == (State.IN_REVIEW, ())


def test_without_its_ledger_entry_no_package_leaves(airlock, root, approved):
    ledger = root / "ledger.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.raises(IntegrityError, match="not what its head says"):
        airlock.release(approved, person=LI)
    assert not airlock.package_path(approved).exists()
    with pytest.raises(IntegrityError):
        Airlock(root, policy=POLICY)
    ledger.write_bytes(whole)
    again = Airlock(root, policy=POLICY)
    assert again.package_path(approved).exists()
    assert verify(ledger).intact
    again.close()


@pytest.mark.parametrize("moment", ["before the ledger", "between ledger and mark", "before the package"])
def test_a_kill_in_a_release_is_made_good(airlock, root, approved, monkeypatch, moment):
    class Kill(BaseException):
        pass

    def kill(*_, **__):
        raise Kill

    append = airlock.ledger.append
    target = {
        "before the ledger": (airlock, "_tell_ledger"),
        "between ledger and mark": (airlock.ledger, "append"),
        "before the package": (package, "place"),
    }
    owner, name = target[moment]
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, (lambda *a: (append(*a), kill())) if name == "append" else kill)
        with pytest.raises(Kill):
            airlock.release(approved, person=LI)
    assert not airlock.package_path(approved).exists()
    again = Airlock(root, policy=POLICY)
    assert (again.package_path(approved) / "files" / "a.txt").read_text(encoding="utf-8") == "safe"
    assert [entry.action for entry in again.ledger.entries()] == ["release request", "release approve", "release release"]
    again.close()


def test_the_same_request_gives_the_same_package(airlock, root, approved):
    path = airlock.release(approved, person=LI)
    first = {file.relative_to(path): (file.read_bytes(), file.stat().st_mtime) for file in path.rglob("*") if file.is_file()}
    for folder in (path / "files", path):
        for file in folder.iterdir():
            file.rmdir() if file.is_dir() else file.unlink()
    path.rmdir()
    airlock.recover()
    assert first == {file.relative_to(path): (file.read_bytes(), file.stat().st_mtime) for file in path.rglob("*") if file.is_file()}
    assert set(json.loads((path / "decision.json").read_text(encoding="utf-8"))) >= {"manifest", "policy", "findings", "approvals"}


def test_a_stale_manifest_is_no_vote(airlock, tmp_path):
    identifier = submit(airlock, tmp_path)
    with pytest.raises(Refusal, match="saw other bytes"):
        airlock.approve(identifier, person=LI, manifest="0" * 64)


def test_rows_changed_in_the_database_void_the_request(airlock, approved):
    with airlock._engine.begin() as transaction:
        transaction.execute(schema.request.update().values(title="another"))
    with pytest.raises(IntegrityError):
        airlock.release(approved, person=LI)
    assert airlock.request(approved).state is State.VOID


@pytest.mark.parametrize("again", ["li", "Li", "ｌｉ", " li"])
def test_one_person_has_one_vote_however_the_name_is_written(root, tmp_path, again):
    airlock = Airlock(root, policy=ReleasePolicy(disclosure=POLICY.disclosure, approvals=2))
    identifier = submit(airlock, tmp_path)
    manifest = airlock.request(identifier).manifest
    airlock.approve(identifier, person=LI, manifest=manifest)
    with pytest.raises(Refusal, match="voted on request"):
        airlock.approve(identifier, person=Person(name=again, roles=LI.roles), manifest=manifest)
    assert airlock.request(identifier).approvals() == 1
    airlock.close()


def test_a_rejection_needs_a_reason_and_closes(airlock, approved):
    with pytest.raises(Refusal, match="reason"):
        airlock.reject(approved, person=ZHAO, manifest=airlock.request(approved).manifest, reason=" ")
    airlock.reject(approved, person=ZHAO, manifest=airlock.request(approved).manifest, reason="x")
    with pytest.raises(Refusal, match="closed"):
        airlock.release(approved, person=LI)


def test_an_identifier_is_taken_once(airlock, tmp_path):
    submit(airlock, tmp_path)
    with pytest.raises(Refusal, match="received before"):
        submit(airlock, tmp_path, author="li")


def test_no_such_request(airlock):
    with pytest.raises(DataError, match="there is no request"):
        airlock.request("nothing-here")
    assert not airlock.knows("nothing-here")
