"""Which names the airlock takes for projects, accounts, requests and files: what a path or a screen could misread is refused."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from workbench.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_file_names", "is_account", "is_request_id"]

_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_REQUEST = re.compile(r"[a-z0-9][a-z0-9-]{7,63}")
_LONGEST_BYTES = 200
_NOT_IN_NAMES = frozenset('/\\<>:"|?*')


def is_account(name: str) -> bool:
    """Tell whether a project or account name is one: lower-case letters, digits, dot, dash, underscore."""
    return _ACCOUNT.fullmatch(name) is not None


def is_request_id(name: str) -> bool:
    """Tell whether this can be the identifier of a request."""
    return _REQUEST.fullmatch(name) is not None


def check_file_names(names: Iterable[str]) -> None:
    """Refuse file names that are not plain, or that two systems would take for one.

    Raises
    ------
    Refusal
        If a name is empty, hidden, too long, not NFC, has a separator, a control or an invisible character, or differs from
        another in case only.
    """
    seen: set[str] = set()
    for name in names:
        if not _plain(name):
            raise Refusal(
                f"the file name {name!a} cannot be released", hint="use letters, digits, Chinese characters, dot, dash, underscore"
            )
        if name.casefold() in seen:
            raise Refusal(f"two files are named {name!a}, but for case", hint="give each file a name of its own")
        seen.add(name.casefold())


def _plain(name: str) -> bool:
    visible = all(unicodedata.category(character)[0] not in "CZ" or character == " " for character in name)
    safe = not (_NOT_IN_NAMES & set(name)) and name == name.strip(" .") and unicodedata.is_normalized("NFC", name)
    return bool(name) and visible and safe and len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_BYTES
