"""Tokens that the centre planted in data that must never leave: one of them in a file proves a copy of the data."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from workbench.release.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.release.checks.parts import Document, Scope

__all__ = ["find"]


def find(document: Document, scope: Scope) -> Iterator[Finding]:
    """Find planted tokens in all text and scripts, however spaced or cased."""
    planted = [compact for token in scope.canaries if (compact := _compact(token))]
    for part in (*document.texts, *document.scripts) if planted else ():
        text = _compact(part.text)
        if any(token in text for token in planted):
            yield document.finding(
                "canary", Severity.BLOCK, part.place, "a planted token of data that must never leave", "tell the data centre"
            )


def _compact(text: str) -> str:
    """Drop everything but letters and digits, fold width and case."""
    return "".join(character for character in unicodedata.normalize("NFKC", text).casefold() if character.isalnum())
