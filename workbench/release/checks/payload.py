"""Text that nobody can read: long runs of coded characters, in which whole tables fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workbench.release.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.release.checks.parts import Document, Scope

__all__ = ["find"]

#: A run of base64, hexadecimal or the like this long is not a word.
_CODED = re.compile(r"[A-Za-z0-9+/=_\-]{200,}")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f\ufe00-\ufe0f]")
#: More invisible characters than this in one file carry something.
_MOST_INVISIBLE = 50


def find(document: Document, _scope: Scope) -> Iterator[Finding]:
    """Find long coded runs and crowds of invisible characters in text."""
    for text in document.texts:
        if any(not set(run.group()) <= set("-=_") for run in _CODED.finditer(text.text)):
            yield document.finding(
                "payload", Severity.BLOCK, text.place, "coded text of 200 characters or more", "write it out, or leave it out"
            )
    invisible = sum(len(_INVISIBLE.findall(text.text)) for text in document.texts)
    if invisible > _MOST_INVISIBLE:
        yield document.finding("payload", Severity.BLOCK, "text", f"{invisible} invisible characters", "remove them")
