"""A project as its approved application describes it: who, what for, and which slice of the store."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import MISSING, dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any

from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Approval", "Project", "SliceRequest", "read_project"]

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class SliceRequest:
    """Which part of the store the project is granted.

    Parameters
    ----------
    cohort : Path or None
        A saved cohort definition; its persons are the slice. None grants every patient.
    tables : tuple of str
        Tables to hand over besides person; empty for all.
    shift_days : int
        Greatest date shift of a person, in days.
    """

    cohort: Path | None = None
    tables: tuple[str, ...] = ()
    shift_days: int = 182

    def __post_init__(self) -> None:
        if isinstance(self.shift_days, bool) or not (self.shift_days == 0 or 7 <= self.shift_days <= 3650):
            raise DefinitionError(f"slice.shift_days is {self.shift_days!r}; wanted 0 (no shift) or 7 to 3650: dates move by whole weeks")


@dataclass(frozen=True, kw_only=True)
class Approval:
    """Who granted the slice, when, and under which reference."""

    by: str
    on: date
    reference: str


@dataclass(frozen=True, kw_only=True)
class Project:
    """A granted project.

    Parameters
    ----------
    name : str
        Short name: lower-case letters, digits and hyphens; it names the slice, the session and the outbox.
    title : str
        As in the application.
    lead : str
        Account of the principal investigator.
    members : tuple of str
        Accounts that may open sessions, the lead among them.
    """

    name: str
    title: str
    lead: str
    members: tuple[str, ...]
    slice: SliceRequest
    approval: Approval

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DefinitionError(f"project name {self.name!r} is not 1 to 32 lower-case letters, digits and hyphens")
        if self.lead not in self.members:
            raise DefinitionError(f"the lead {self.lead!r} of project {self.name} is not among its members", hint="add the lead to members")


def read_project(path: Path) -> Project:
    """Read a project file (TOML with the sections ``project``, ``slice`` and ``approval``).

    Raises
    ------
    DefinitionError
        If a key is unknown, missing or of another type; the message names it.
    """
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DefinitionError(f"there is no project file {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{path} is not TOML: {error}") from error
    unknown = sorted(set(text) - {"project", "slice", "approval"})
    if unknown:
        raise DefinitionError(f"{path}: unknown section [{unknown[0]}]", hint="a project file has [project], [slice] and [approval]")
    parts = _section(path, text, "slice", SliceRequest)
    if "cohort" in parts:
        parts["cohort"] = (path.parent / parts["cohort"]).resolve()
    if "tables" in parts:
        parts["tables"] = tuple(parts["tables"])
    main = _section(path, text, "project", Project, leave=("slice", "approval"))
    main["members"] = tuple(main["members"])
    return Project(**main, slice=SliceRequest(**parts), approval=Approval(**_section(path, text, "approval", Approval)))


_TYPES: dict[str, type | tuple[type, ...]] = {"members": list, "tables": list, "shift_days": int, "on": date}


def _section(path: Path, text: dict[str, Any], name: str, kind: type, *, leave: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(text.get(name, {}), dict):
        raise DefinitionError(f"{path}: {name} is {type(text[name]).__name__}; wanted a section [{name}]")
    found = dict(text.get(name, {}))
    known = {item.name: item for item in fields(kind) if item.name not in leave}
    for key, value in found.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            raise DefinitionError(
                f"{path}: unknown key {name}.{key}", hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            )
        wanted = _TYPES.get(key, str)
        if not isinstance(value, wanted) or (wanted is list and not all(isinstance(item, str) for item in value)):
            raise DefinitionError(f"{path}: {name}.{key} is {value!r}; wanted {getattr(wanted, '__name__', wanted)}")
    required = [key for key, item in known.items() if item.default is MISSING]
    missing = [key for key in required if key not in found]
    if missing:
        raise DefinitionError(f"{path}: {name}.{missing[0]} is missing", hint=f"[{name}] needs {', '.join(required)}")
    return found
