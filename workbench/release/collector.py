"""Collect requests from the outboxes: the airlock's side of a request, run outside every session.

The outboxes lie under one folder as ``PROJECT/USER/REQUEST``. Project and author come from that path, which the hub made and
the user cannot change, and never from anything written in the request.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import EnvironmentFault, Refusal
from workbench.release.checks import Scope, check_file
from workbench.release.findings import Finding, Severity
from workbench.release.form import FORM_NAME, LARGEST_FORM_BYTES, Form, read_form
from workbench.release.intake import list_folder, names_in, open_beneath, read_small
from workbench.release.names import is_account, is_request_id
from workbench.release.outgoing import as_supporting
from workbench.release.records import RequestFile
from workbench.release.states import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.release.records import Request
    from workbench.release.requests import Airlock

__all__ = ["collect", "write_answer"]

#: What a request that could not even be read is called in the airlock.
_UNREAD = "(not readable)"


def collect(outbox: Path, *, airlock: Airlock, answers: Path, canaries: frozenset[str] = frozenset()) -> list[Request]:
    """Take in every new request, and bring every answer up to date.

    Parameters
    ----------
    outbox : Path
        The folder of the outboxes.
    airlock : Airlock
        Where copies, findings and states are kept.
    answers : Path
        Where the sessions read how their requests stand, ``PROJECT/USER/REQUEST.json``.
    canaries : frozenset of str
        Planted tokens that must not leave.

    Returns
    -------
    list of Request
        Those taken in now.

    Raises
    ------
    EnvironmentFault
        If the outbox is not there, or the airlock cannot be written. Whatever a user put into an outbox raises nothing.
    """
    taken = []
    for project, author, identifier in _waiting(outbox, airlock):
        with _folder(outbox) as root:
            taken.append(
                _take(root, project, author, identifier, airlock=airlock, scope=Scope(policy=airlock.policy.disclosure, canaries=canaries))
            )
    for request in airlock.requests():
        write_answer(answers, request)
    return taken


def write_answer(answers: Path, request: Request) -> None:
    """Write how a request stands to where its author's session reads it; reviewers are not named."""
    path = answers / request.project / request.author / f"{request.id}.json"
    content = json.dumps(_answer(request), ensure_ascii=False, indent=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_text(encoding="utf-8") == content:
            return
        aside = path.with_suffix(".new")
        aside.write_text(content, encoding="utf-8")
        aside.chmod(0o644)
        aside.replace(path)
    except OSError as error:
        raise EnvironmentFault(
            f"the answer {path} cannot be written: {error.strerror}", hint="free space or mend its permissions"
        ) from error


def _answer(request: Request) -> dict[str, Any]:
    reasons = [vote.reason for vote in request.votes if vote.decision == Action.REJECT]
    findings = [finding.to_json() for finding in request.findings]
    return {"schema": 1, "request": request.id, "state": request.state.value, "findings": findings, "reasons": reasons}


def _waiting(outbox: Path, airlock: Airlock) -> list[tuple[str, str, str]]:
    """List requests not yet taken in; names that the hub would not have made are passed over."""
    found = []
    with _folder(outbox) as root:
        for project in filter(is_account, list_folder(root)):
            for author in filter(is_account, _below(root, project)):
                for identifier in filter(is_request_id, _below(root, f"{project}/{author}")):
                    if not airlock.knows(identifier):
                        found.append((project, author, identifier))
    return found


def _below(root: int, path: str) -> list[str]:
    try:
        with open_beneath(root, path, is_folder=True) as folder:
            return list_folder(folder)
    except Refusal:
        return []  # a link or a file where a folder belongs holds no request


@contextmanager
def _folder(outbox: Path) -> Iterator[int]:
    try:
        descriptor = os.open(outbox, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise EnvironmentFault(f"the outbox {outbox} cannot be opened: {error.strerror}", hint="give the folder of the outboxes") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(root: int, project: str, author: str, identifier: str, *, airlock: Airlock, scope: Scope) -> Request:
    """Copy one request, run the checks on the copy, record it. What cannot be taken is recorded too, and returned."""
    form, files = None, []
    try:
        with open_beneath(root, f"{project}/{author}/{identifier}", is_folder=True) as folder:
            form = read_form(read_small(folder, FORM_NAME, limit_bytes=LARGEST_FORM_BYTES))
            files = _copy(folder, form, airlock)
        findings = [finding for file in files for finding in _check(file, airlock, scope)]
    except Refusal as refusal:
        files = []
        findings = [
            Finding(
                check="intake",
                severity=Severity.BLOCK,
                file="",
                place="request",
                reason=refusal.message,
                advice=refusal.hint or "request again",
            )
        ]
    title, purpose = (form.title, form.purpose) if form else (_UNREAD, _UNREAD)
    return airlock.submit(
        identifier=identifier, project=project, author=author, title=title, purpose=purpose, files=files, findings=findings
    )


def _copy(folder: int, form: Form, airlock: Airlock) -> list[RequestFile]:
    policy = airlock.policy
    if len(form.files) > policy.most_files:
        raise Refusal(f"the request has {len(form.files)} files; the limit is {policy.most_files}", hint="release results, not data")
    with open_beneath(folder, "files", is_folder=True) as inside:
        unnamed = names_in(inside) - {name for name, _ in form.files}
        if unnamed:
            raise Refusal(
                f"{len(unnamed)} files of the request are not named in its form", hint="make requests with workbench.release.request"
            )
        left, files = policy.largest_request_bytes, []
        for name, kind in form.files:
            stored = airlock.objects.take(inside, name, limit_bytes=min(left, policy.largest_file_bytes))
            left -= stored.size_bytes
            files.append(RequestFile(name=name, kind=kind, stored=stored))
    return files


def _check(file: RequestFile, airlock: Airlock, scope: Scope) -> list[Finding]:
    findings = check_file(file.name, airlock.objects.read(file.stored), scope=scope)
    return as_supporting(findings) if file.kind == "supporting" else findings
