"""Who may review, and who belongs to which project: read from the centre's configuration, or a file with the same two lists.

::

    [[users]]
    name = "li"
    role = "reviewer"

    [[projects]]
    name = "diabetes"
    members = ["wang", "chen"]
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from workbench.errors import PolicyError
from workbench.release.records import Person
from workbench.release.states import same_person

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_person"]


def read_person(name: str, path: Path) -> Person:
    """Find what the centre's file says of one account.

    Parameters
    ----------
    name : str
        The account.
    path : Path
        The TOML file; what it holds besides ``[[users]]`` and ``[[projects]]`` is left aside.

    Returns
    -------
    Person
        With no role if the file names none.

    Raises
    ------
    PolicyError
        If the file cannot be read, or an entry lacks its name, role or members.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"the reviewers' file {path} cannot be read: {error}", hint="give centre.toml") from error
    users = _entries(document, "users", {"name": str, "role": str}, path)
    projects = _entries(document, "projects", {"name": str, "members": list}, path)
    roles = frozenset(user["role"] for user in users if same_person(user["name"], name))
    member_of = frozenset(project["name"] for project in projects if any(same_person(str(member), name) for member in project["members"]))
    return Person(name=name, roles=roles, projects=member_of)


def _entries(document: dict[str, Any], section: str, wanted: dict[str, type], path: Path) -> list[dict[str, Any]]:
    """Give the entries of a list of tables, each with the keys that are needed; other keys belong to the hub."""
    entries = document.get(section, [])
    wellformed = isinstance(entries, list) and all(
        isinstance(entry, dict) and all(isinstance(entry.get(key), kind) for key, kind in wanted.items()) for entry in entries
    )
    if not wellformed:
        raise PolicyError(f"an entry of [[{section}]] in {path} lacks one of {', '.join(wanted)}", hint="give centre.toml")
    return entries
