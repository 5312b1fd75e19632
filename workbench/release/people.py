"""Who may review, and who belongs to which project: one TOML file of the centre.

::

    [roles]
    li = ["reviewer"]
    zhao = ["reviewer", "staff"]

    [projects]
    diabetes = ["wang", "chen"]
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from workbench.errors import PolicyError
from workbench.release.records import Person
from workbench.release.states import GRANTED, same_person

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
        The TOML file, with the tables ``[roles]`` and, if members are kept from voting, ``[projects]``; other tables are
        left aside, so that it can be the centre's own configuration.

    Returns
    -------
    Person
        With no role if the file names none.

    Raises
    ------
    PolicyError
        If the file cannot be read, or a list in it is not one of names.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(
            f"the reviewers' file {path} cannot be read: {error}", hint="it is a TOML file with [roles] and [projects]"
        ) from error
    roles = _lists(document, "roles", path)
    projects = _lists(document, "projects", path)
    mine = {role for account, granted in roles.items() if same_person(account, name) for role in granted}
    unknown = mine - {role.value for role in GRANTED} - {"researcher", "student"}
    if unknown:
        raise PolicyError(f"{path} gives {name} the unknown roles {sorted(unknown)}; known: researcher, student, staff, reviewer")
    member = {project for project, accounts in projects.items() if any(same_person(account, name) for account in accounts)}
    return Person(name=name, roles=frozenset(mine), projects=frozenset(member))


def _lists(document: dict, section: str, path: Path) -> dict[str, list[str]]:
    table = document.get(section, {})
    wellformed = isinstance(table, dict) and all(isinstance(v, list) and all(isinstance(n, str) for n in v) for v in table.values())
    if not wellformed:
        raise PolicyError(f"[{section}] of {path} is not a table of lists of names")
    return table
