"""The form that goes with a request: what the session writes beside the files and the airlock reads, key by key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from workbench.errors import Refusal
from workbench.release.names import check_file_names

__all__ = ["FORM_NAME", "LARGEST_FORM_BYTES", "Form", "read_form"]

FORM_NAME = "request.json"
LARGEST_FORM_BYTES = 256 * 1024
SCHEMA = 1
_KINDS = ("output", "supporting")
_KEYS = frozenset({"schema", "title", "purpose", "files"})
_LONGEST_TEXT = 4000


@dataclass(frozen=True, kw_only=True)
class Form:
    """What an author says of a request.

    Parameters
    ----------
    title, purpose : str
        Neither empty.
    outputs, supporting : tuple of str
        Names of the files that are to leave, and of those that only help the reviewer.
    """

    title: str
    purpose: str
    outputs: tuple[str, ...]
    supporting: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a form that asks for nothing or says nothing.

        Raises
        ------
        Refusal
            If there is no output, a text is empty or too long, or a file name cannot be released.
        """
        for key, text in (("title", self.title), ("purpose", self.purpose)):
            if not isinstance(text, str) or not text.strip() or len(text) > _LONGEST_TEXT:
                raise Refusal(
                    f"the {key} of the request is empty or longer than {_LONGEST_TEXT} characters", hint=f"say the {key} in a sentence"
                )
        if not self.outputs:
            raise Refusal("the request names no file that is to leave", hint="give at least one file")
        check_file_names((*self.outputs, *self.supporting))

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """All files as (name, kind)."""
        return tuple((name, "output") for name in self.outputs) + tuple((name, "supporting") for name in self.supporting)

    def to_json(self) -> bytes:
        """Write the form."""
        files = [{"name": name, "kind": kind} for name, kind in self.files]
        document = {"schema": SCHEMA, "title": self.title, "purpose": self.purpose, "files": files}
        return json.dumps(document, ensure_ascii=False, indent=2).encode("utf-8")


def read_form(content: bytes) -> Form:
    """Read a form that its author may have written by hand.

    Raises
    ------
    Refusal
        If it is not exactly a form.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{FORM_NAME} is not JSON", hint="make requests with workbench.release.request") from error
    if (
        not isinstance(document, dict)
        or document.keys() != _KEYS
        or document["schema"] != SCHEMA
        or not isinstance(document["files"], list)
    ):
        raise Refusal(
            f"{FORM_NAME} does not hold exactly {sorted(_KEYS)} of schema {SCHEMA}", hint="make requests with workbench.release.request"
        )
    files = [_file(entry) for entry in document["files"]]
    named = {kind: tuple(name for name, its in files if its == kind) for kind in _KINDS}
    return Form(title=document["title"], purpose=document["purpose"], outputs=named["output"], supporting=named["supporting"])


def _file(entry: Any) -> tuple[str, str]:
    if not isinstance(entry, dict) or entry.keys() != {"name", "kind"} or not isinstance(entry["name"], str) or entry["kind"] not in _KINDS:
        raise Refusal(f"a file in {FORM_NAME} is not exactly a name and a kind of {_KINDS}")
    return entry["name"], entry["kind"]
