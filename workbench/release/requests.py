"""The airlock's one writer: every change of a request, with its audit row, in one transaction, then in the ledger.

The order of a release: the package is built aside from the reviewed bytes and proved; the state and its audit row are
committed; the ledger has its entry; only then is the package put where it is picked up. A kill between any two leaves a
request that :meth:`Airlock.recover` finishes, and never a package without its entry.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from workbench.errors import DataError, IntegrityError, Refusal
from workbench.release import package, schema
from workbench.release.findings import Finding, Severity, blocks
from workbench.release.intake import ObjectStore, StoredFile
from workbench.release.ledger import Ledger
from workbench.release.records import Person, Request, RequestFile, Vote
from workbench.release.states import Action, Condition, Role, State, permits, roles_of, same_person, step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from workbench.release.policy import ReleasePolicy

__all__ = ["Airlock"]

_SYSTEM = "airlock"


class Airlock:
    """Requests, their files and their packages under one folder.

    Parameters
    ----------
    root : Path
        The airlock's folder: ``airlock.db``, ``objects/``, ``released/`` and ``ledger.jsonl``; only its account writes to it.
    policy : ReleasePolicy
        The centre's rules.
    ledger : Ledger, optional
        If not the one in the folder.
    clock : callable, optional
        Gives the time; for tests.
    """

    def __init__(
        self, root: Path, *, policy: ReleasePolicy, ledger: Ledger | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.policy = policy
        self.objects = ObjectStore(root / "objects")
        self.ledger = ledger or Ledger(root / "ledger.jsonl", clock=clock)
        self._clock = clock
        self._engine = schema.open_engine(root / "airlock.db")
        self.recover()

    # -- reading ---------------------------------------------------------------------------------------------------------

    def requests(self, *, state: State | None = None) -> list[Request]:
        """Give all requests, oldest first, or those in one state."""
        query = sa.select(schema.request.c.id).order_by(schema.request.c.received, schema.request.c.id)
        query = query.where(schema.request.c.state == state.value) if state else query
        with self._engine.begin() as transaction:
            return [self._load(transaction, identifier) for identifier in transaction.scalars(query).all()]

    def request(self, identifier: str) -> Request:
        """Give one request.

        Raises
        ------
        DataError
            If there is none of that identifier.
        """
        with self._engine.begin() as transaction:
            return self._load(transaction, identifier)

    def knows(self, identifier: str) -> bool:
        """Tell whether a request of that identifier was ever received."""
        with self._engine.begin() as transaction:
            return transaction.scalar(sa.select(schema.request.c.id).where(schema.request.c.id == identifier)) is not None

    def package_path(self, identifier: str) -> Path:
        """Say where the released package of a request lies, once it is released."""
        return self.root / "released" / identifier

    # -- writing ---------------------------------------------------------------------------------------------------------

    def submit(
        self,
        *,
        identifier: str,
        project: str,
        author: str,
        title: str,
        purpose: str,
        files: Sequence[RequestFile],
        findings: Sequence[Finding],
    ) -> Request:
        """Record a received request with what the checks found, and send it to review or back.

        Raises
        ------
        Refusal
            If a request of that identifier was received before.
        """
        _, manifest = package.manifest_of(request=identifier, project=project, author=author, title=title, purpose=purpose, files=files)
        blocked = blocks(findings) or not any(f.kind == "output" for f in files)
        state = step(State.SUBMITTED, Action.CHECK, Role.SYSTEM, Condition.BLOCKED if blocked else Condition.CLEAN)
        head = {"id": identifier, "project": project, "author": author, "title": title, "purpose": purpose, "manifest": manifest}
        with self._engine.begin() as transaction:
            if transaction.scalar(sa.select(schema.request.c.id).where(schema.request.c.id == identifier)):
                raise Refusal(f"request {identifier} was received before", hint="make a new request")
            transaction.execute(schema.request.insert(), {**head, "state": state.value, "received": self._now()})
            for number, found in enumerate(findings):
                transaction.execute(schema.finding.insert(), {"request": identifier, "number": number, **found.to_json()})
            for f in files:
                transaction.execute(schema.file.insert(), {"request": identifier, "name": f.name, "kind": f.kind, **asdict(f.stored)})
            detail = {"manifest": manifest, "project": project, "files": len(files), "findings": _tally(findings)}
            self._audit(transaction, author, "request", identifier, {**detail, "state": state.value})
        self._tell_ledger()
        return self.request(identifier)

    def approve(self, identifier: str, *, person: Person, manifest: str, reason: str = "") -> Request:
        """Record an approval of exactly the bytes that `manifest` names.

        Parameters
        ----------
        identifier : str
            The request.
        person : Person
            Who approves.
        manifest : str
            The manifest's hash as the reviewer saw it.
        reason : str
            What the reviewer says.

        Raises
        ------
        Refusal
            If the person may not approve this request now, voted before, or saw other bytes.
        IntegrityError
            If the stored bytes are no longer those received; the request is then void.
        """
        return self._vote(identifier, Action.APPROVE, person=person, manifest=manifest, reason=reason)

    def reject(self, identifier: str, *, person: Person, manifest: str, reason: str) -> Request:
        """Record a rejection, which closes the request; a reason is needed.

        Raises
        ------
        Refusal
            As :meth:`approve`, or if there is no reason.
        """
        if not reason.strip():
            raise Refusal("a rejection needs a reason", hint="say what the author is to change")
        return self._vote(identifier, Action.REJECT, person=person, manifest=manifest, reason=reason)

    def withdraw(self, identifier: str, *, person: Person) -> Request:
        """Take back one's own request before it is released.

        Raises
        ------
        Refusal
            If the person is not its author, or it is closed.
        """
        with self._engine.begin() as transaction:
            request = self._load(transaction, identifier, lock=True)
            role = self._role(request, person, Action.WITHDRAW)
            self._move(transaction, request, Action.WITHDRAW, role, Condition.ALWAYS, actor=person.name)
        self._tell_ledger()
        return self.request(identifier)

    def release(self, identifier: str, *, person: Person) -> Path:
        """Put the reviewed bytes of an approved request where they are picked up.

        Returns
        -------
        Path
            The package's folder.

        Raises
        ------
        Refusal
            If the request is not approved by enough reviewers, or the person may not release.
        IntegrityError
            If the bytes are not those that were approved; the request is then void.
        """
        request = self.request(identifier)
        role = self._role(request, person, Action.RELEASE)
        step(request.state, Action.RELEASE, role, Condition.SAME_BYTES)
        try:
            aside = self._build(request)
        except IntegrityError:
            self._void(identifier, Action.RELEASE, role, person)
            raise
        try:
            self._record_release(request, role, person)
        except BaseException:
            package.discard(aside)
            raise
        self._tell_ledger()
        package.place(aside, self.package_path(identifier))
        return self.package_path(identifier)

    def recover(self) -> None:
        """Finish what a kill cut short: ledger entries not yet written, packages not yet in their place."""
        with self._engine.begin() as transaction:
            self._mark_told(transaction)
        self._tell_ledger()
        for request in self.requests(state=State.RELEASED):
            if not self.package_path(request.id).exists():
                package.place(self._build(request), self.package_path(request.id))

    def close(self) -> None:
        """Let go of the database file."""
        self._engine.dispose()

    # -- one transaction's parts -----------------------------------------------------------------------------------------

    def _vote(self, identifier: str, action: Action, *, person: Person, manifest: str, reason: str) -> Request:
        request = self.request(identifier)
        role = self._role(request, person, action)
        if not permits(request.state, action, role):
            step(request.state, action, role, Condition.ALWAYS)
        if action is Action.APPROVE and not self._bytes_are(request):
            self._void(identifier, action, role, person)
            raise IntegrityError(
                f"the files of request {identifier} are not those received", hint="the request is void; tell the data centre"
            )
        with self._engine.begin() as transaction:
            request = self._load(transaction, identifier, lock=True)
            if manifest != request.manifest:
                raise Refusal(
                    f"the reviewer saw other bytes than those of request {identifier}", hint="look at the request again, then vote"
                )
            if any(same_person(v.reviewer, person.name) for v in request.votes):
                raise Refusal(f"{person.name} voted on request {identifier} before", hint="another reviewer has to vote")
            cast = Vote(reviewer=person.name, decision=action.value, manifest=manifest, reason=reason, time=self._now())
            counted = replace(request, votes=(*request.votes, cast))
            condition = self._condition(action, counted)
            transaction.execute(schema.vote.insert(), {"request": identifier, **asdict(cast)})
            detail = {"manifest": manifest, "reason": reason, "approvals": counted.approvals(), "wanted": self.policy.approvals}
            self._move(transaction, request, action, role, condition, actor=person.name, detail=detail)
        self._tell_ledger()
        return self.request(identifier)

    def _condition(self, action: Action, counted: Request) -> Condition:
        if action is not Action.APPROVE:
            return Condition.ALWAYS
        return Condition.ENOUGH if counted.approvals() >= self.policy.approvals else Condition.MORE_NEEDED

    def _role(self, request: Request, person: Person, action: Action) -> Role:
        """Say as what the person does this; the first of their roles that the table permits, else the one that is refused."""
        mine = roles_of(
            person=person.name,
            granted=person.roles,
            author=request.author,
            is_member=request.project in person.projects,
            members_may_review=self.policy.members_may_review,
        )
        if not mine:
            raise Refusal(f"{person.name} has no part in request {request.id}", hint="ask the centre for the role of reviewer")
        fitting = sorted(role for role in mine if permits(request.state, action, role))
        return fitting[0] if fitting else min(mine)

    def _move(
        self,
        transaction: sa.Connection,
        request: Request,
        action: Action,
        role: Role,
        condition: Condition,
        *,
        actor: str,
        detail: dict | None = None,
    ) -> None:
        """Change the state as the table says, and write the audit row, in the caller's transaction."""
        to = step(request.state, action, role, condition)
        moved = transaction.execute(
            schema.request.update()
            .where(schema.request.c.id == request.id, schema.request.c.state == request.state.value)
            .values(state=to.value)
        )
        if moved.rowcount != 1:
            raise Refusal(f"request {request.id} was changed by someone else just now", hint="look at it again")
        self._audit(
            transaction,
            actor,
            action.value,
            request.id,
            {"role": role.value, "from": request.state.value, "to": to.value, **(detail or {})},
        )

    def _record_release(self, request: Request, role: Role, person: Person) -> None:
        """Commit the release of the request as it was read, if it still is what it was and has its approvals."""
        with self._engine.begin() as transaction:
            current = self._load(transaction, request.id, lock=True)
            if current.manifest != request.manifest or current.approvals() < self.policy.approvals:
                raise Refusal(f"request {request.id} has {current.approvals()} approvals of these bytes; wanted {self.policy.approvals}")
            detail = {"manifest": current.manifest, "approvals": current.approvals()}
            self._move(transaction, current, Action.RELEASE, role, Condition.SAME_BYTES, actor=person.name, detail=detail)

    def _void(self, identifier: str, action: Action, role: Role, person: Person) -> None:
        with self._engine.begin() as transaction:
            request = self._load(transaction, identifier, lock=True)
            self._move(transaction, request, action, role, Condition.OTHER_BYTES, actor=person.name)
        self._tell_ledger()

    def _audit(self, transaction: sa.Connection, actor: str, action: str, identifier: str, detail: dict[str, Any]) -> None:
        row = {"time": self._now(), "actor": actor, "action": action, "request": identifier, "detail": detail, "ledger_seq": None}
        transaction.execute(schema.audit.insert(), row)

    def _tell_ledger(self) -> None:
        """Write the audit rows that the ledger does not have yet, in order; the write lock keeps a second teller out."""
        with self._engine.begin() as transaction:
            waiting = sa.select(schema.audit).where(schema.audit.c.ledger_seq.is_(None)).order_by(schema.audit.c.id).with_for_update()
            for row in transaction.execute(waiting).all():
                entry = self.ledger.append(
                    row.actor, f"release {row.action}", f"request/{row.request}", {**row.detail, "audit": row.id, "at": row.time}
                )
                transaction.execute(schema.audit.update().where(schema.audit.c.id == row.id).values(ledger_seq=entry.seq))

    def _mark_told(self, transaction: sa.Connection) -> None:
        """Find entries that the ledger took just before a kill, so that none is written twice."""
        waiting = {row.id for row in transaction.execute(sa.select(schema.audit.c.id).where(schema.audit.c.ledger_seq.is_(None)))}
        if not waiting:
            return
        for entry in self.ledger.entries():
            if entry.action.startswith("release ") and entry.detail.get("audit") in waiting:
                transaction.execute(schema.audit.update().where(schema.audit.c.id == entry.detail["audit"]).values(ledger_seq=entry.seq))

    # -- bytes -----------------------------------------------------------------------------------------------------------

    def _bytes_are(self, request: Request) -> bool:
        """Read every stored byte again and compare with the manifest."""
        if _manifest(request)[1] != request.manifest:
            return False
        try:
            for f in request.files:
                self.objects.read(f.stored)
        except IntegrityError:
            return False
        return True

    def _build(self, request: Request) -> Path:
        manifest, digest = _manifest(request)
        if digest != request.manifest or not self._bytes_are(request):
            raise IntegrityError(
                f"the files of request {request.id} are not those approved", hint="the request is void; tell the data centre"
            )
        decision = {
            "schema": 1,
            "request": request.id,
            "manifest": request.manifest,
            "decision": "release",
            "approvals": request.approvals(),
            "approvals_wanted": self.policy.approvals,
            "policy": asdict(self.policy.disclosure),
            "findings": [found.to_json() for found in request.findings],
        }
        return package.build(self.root / "released", objects=self.objects, files=request.files, manifest=manifest, decision=decision)

    def _load(self, transaction: sa.Connection, identifier: str, *, lock: bool = False) -> Request:
        query = sa.select(schema.request).where(schema.request.c.id == identifier)
        row = transaction.execute(query.with_for_update() if lock else query).first()
        if row is None:
            raise DataError(f"there is no request {identifier}", hint="see: workbench release list")
        files = transaction.execute(sa.select(schema.file).where(schema.file.c.request == identifier).order_by(schema.file.c.name))
        found = transaction.execute(
            sa.select(schema.finding).where(schema.finding.c.request == identifier).order_by(schema.finding.c.number)
        )
        votes = transaction.execute(sa.select(schema.vote).where(schema.vote.c.request == identifier).order_by(schema.vote.c.time))
        return Request(
            **{**row._mapping, "state": State(row.state)},
            files=tuple(RequestFile(name=f.name, kind=f.kind, stored=StoredFile(sha256=f.sha256, size_bytes=f.size_bytes)) for f in files),
            findings=tuple(_finding(f._mapping) for f in found),
            votes=tuple(Vote(**{key: v._mapping[key] for key in Vote.__dataclass_fields__}) for v in votes),
        )

    def _now(self) -> str:
        return self._clock().isoformat(timespec="microseconds")


def _manifest(request: Request) -> tuple[dict[str, Any], str]:
    return package.manifest_of(
        request=request.id,
        project=request.project,
        author=request.author,
        title=request.title,
        purpose=request.purpose,
        files=request.files,
    )


def _finding(row: Any) -> Finding:
    return Finding(**{**{key: row[key] for key in Finding.__dataclass_fields__}, "severity": Severity(row["severity"])})


def _tally(findings: Sequence[Finding]) -> dict[str, int]:
    return {severity.value: sum(f.severity is severity for f in findings) for severity in Severity}
