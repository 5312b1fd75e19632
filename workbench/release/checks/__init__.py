"""Checks of files that are to leave: each a module of its own, listed as data, run over what :mod:`.reading` could read.

A file that cannot be read whole is a finding that blocks, so that no check passes for want of something to look at. Findings
name the place and never the value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.release.checks import canaries, embedded, identity, payload, phones, row_level, small_cells
from workbench.release.checks.parts import Document, Scope, Unreadable
from workbench.release.checks.reading import read_document
from workbench.release.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["CHECKS", "Check", "Scope", "check_file"]

#: Findings of one check in one file that are listed.
MOST_FINDINGS = 50


@dataclass(frozen=True)
class Check:
    """A check: its name, the sentence that the documentation gives, and the function that finds."""

    name: str
    sentence: str
    find: Callable[[Document, Scope], Iterator[Finding]]


CHECKS: tuple[Check, ...] = (
    Check(
        "small cells",
        "Counts below the threshold, unrounded counts, percentages and totals that give a small count away.",
        small_cells.find,
    ),
    Check(
        "row level",
        "Tables in which a row may be one person: identifiers, dates, unique measurements, words of notes, many rows.",
        row_level.find,
    ),
    Check("identity number", "Chinese identity numbers of 18 and 15 digits, however they are written.", identity.find),
    Check("mobile phone", "Chinese mobile phone numbers, however they are written.", phones.find),
    Check("canary", "Tokens planted in data that must never leave.", canaries.find),
    Check("embedded", "Pictures, scripts and outside references inside a file.", embedded.find),
    Check("payload", "Long coded text that nobody can read.", payload.find),
)


def check_file(name: str, content: bytes, *, scope: Scope) -> list[Finding]:
    """Run every check over one file.

    Parameters
    ----------
    name : str
        The file's name in the request.
    content : bytes
        Its bytes.
    scope : Scope
        Threshold, rounding and planted tokens.

    Returns
    -------
    list of Finding
        In the order of :data:`CHECKS`. A file that cannot be read, or that makes a check fail, gives a finding that blocks.
    """
    try:
        document = read_document(name, content)
    except Unreadable as fault:
        return [
            Finding(check="file type", severity=Severity.BLOCK, file=name, place="whole file", reason=fault.reason, advice=fault.advice)
        ]
    findings: list[Finding] = []
    for check in CHECKS:
        findings += _run(check, document, scope)
    return findings


def _run(check: Check, document: Document, scope: Scope) -> list[Finding]:
    """Run one check; one that breaks blocks the file, for nobody has then looked."""
    try:
        return _shortened(check, document, list(check.find(document, scope)))
    except Exception as error:
        reason = f"the check could not finish ({type(error).__name__})"
        return [
            Finding(
                check=check.name, severity=Severity.BLOCK, file=document.name, place="whole file", reason=reason, advice="simplify the file"
            )
        ]


def _shortened(check: Check, document: Document, findings: list[Finding]) -> list[Finding]:
    """Keep the first findings, blocking ones before the others, and say how many there were."""
    if len(findings) <= MOST_FINDINGS:
        return findings
    graver_first = sorted(findings, key=lambda finding: finding.severity is not Severity.BLOCK)[:MOST_FINDINGS]
    rest = document.finding(
        check.name, Severity.NOTE, "whole file", f"{len(findings) - MOST_FINDINGS} more findings of this check", "mend these first"
    )
    return [*graver_first, rest]
