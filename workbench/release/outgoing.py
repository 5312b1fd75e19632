"""The session's side of a release: check, write the request into the outbox in one step, and read the airlock's answer."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import session
from workbench.disclosure import load_policy
from workbench.errors import DataError, EnvironmentFault, Refusal
from workbench.locale import tr
from workbench.release.checks import Scope, check_file
from workbench.release.findings import Finding, Severity, blocks
from workbench.release.form import FORM_NAME, Form

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Handle", "Status", "precheck", "request"]


@dataclass(frozen=True, kw_only=True)
class Status:
    """The airlock's answer: the state in a word, and what it found; ``waiting`` until the airlock has taken the copy."""

    state: str
    findings: tuple[dict[str, str], ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Handle:
    """A request that was made: its identifier, the findings of the pre-check, and where the answer will lie."""

    id: str
    findings: tuple[Finding, ...]
    answer: Path

    def status(self) -> Status:
        """Read the airlock's answer.

        Raises
        ------
        DataError
            If the answer cannot be read.
        """
        if not self.answer.exists():
            return Status(state="waiting")
        try:
            found = json.loads(self.answer.read_text(encoding="utf-8"))
            return Status(state=found["state"], findings=tuple(found["findings"]), reasons=tuple(found["reasons"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"the airlock's answer {self.answer} cannot be read", hint="ask the data centre") from error

    def __str__(self) -> str:
        """Say what happened and what to do next."""
        warned = sum(finding.severity is Severity.WARN for finding in self.findings)
        return tr(
            f"出域申请 {self.id} 已提交，预检提示 {warned} 条；用 .status() 查看审查结果。",
            f"release request {self.id} was made, {warned} warnings; .status() tells how it stands.",
        )


def request(
    files: Iterable[str | Path], *, title: str, purpose: str, supporting: Iterable[str | Path] = (), anyway: bool = False
) -> Handle:
    """Ask for files to be released from this session.

    Parameters
    ----------
    files : iterable of path
        The files that are to leave.
    title, purpose : str
        What they are, and what for.
    supporting : iterable of path
        Files that help the reviewer (the counts behind a figure) and do not leave.
    anyway : bool
        Send the request although a check blocks it; the airlock will return it.

    Returns
    -------
    Handle
        With the findings of the pre-check, which are what the airlock's own checks will find.

    Raises
    ------
    Refusal
        If a check finds what a reviewer would reject (each finding is listed), or a name or text is unfit.
    DataError
        If a file is missing or is not a file.
    EnvironmentFault
        If this is not a session, or the outbox cannot be written.

    Examples
    --------
    >>> handle = request(["report.html"], title="基线特征表", purpose="论文表1")  # doctest: +SKIP
    >>> handle.status().state  # doctest: +SKIP
    'in review'
    """
    here = session.current()
    outputs, helping = [Path(path) for path in files], [Path(path) for path in supporting]
    form = Form(title=title, purpose=purpose, outputs=tuple(p.name for p in outputs), supporting=tuple(p.name for p in helping))
    findings = tuple(precheck(outputs, supporting=helping))
    if blocks(findings) and not anyway:
        listed = "\n".join(f"  - {f.file}: {f.place}: {f.reason}; {f.advice}" for f in findings if f.severity is Severity.BLOCK)
        raise Refusal(f"a reviewer would reject this:\n{listed}", hint="mend the files, then request again")
    identifier = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(8)}"
    _write(here.release.outbox, identifier, form, [*outputs, *helping])
    return Handle(id=identifier, findings=findings, answer=here.release.status / f"{identifier}.json")


def precheck(files: Iterable[str | Path], *, supporting: Iterable[str | Path] = ()) -> list[Finding]:
    """Run the airlock's checks here, without asking for anything.

    Returns
    -------
    list of Finding
        What a reviewer would be told.
    """
    scope = Scope(policy=load_policy())
    found = [finding for path in files for finding in check_file(Path(path).name, _read(Path(path)), scope=scope)]
    for path in supporting:
        found += as_supporting(check_file(Path(path).name, _read(Path(path)), scope=scope))
    return found


def as_supporting(findings: Iterable[Finding]) -> list[Finding]:
    """Make findings of a file that does not leave notes for the reviewer."""
    return [replace(finding, severity=Severity.NOTE) for finding in findings]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", hint="name an existing file") from error


def _write(outbox: Path, identifier: str, form: Form, paths: list[Path]) -> None:
    """Write the request beside its place, then move it there in one step: the airlock never sees half of one."""
    aside, target = outbox / f".new-{identifier}", outbox / identifier
    try:
        (aside / "files").mkdir(parents=True)
        for path in paths:
            (aside / "files" / path.name).write_bytes(path.read_bytes())
        (aside / FORM_NAME).write_bytes(form.to_json())
        for path in (*(aside / "files").iterdir(), aside / FORM_NAME, aside / "files", aside):
            _to_disk(path)
        aside.rename(target)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise EnvironmentFault(
            f"the request cannot be written to the outbox {outbox}: {error.strerror}", hint="ask the data centre"
        ) from error


def _to_disk(path: Path) -> None:
    """Write a file or folder through, readable for the airlock's account whatever the session's umask is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o755 if path.is_dir() else 0o644)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
