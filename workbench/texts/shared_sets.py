"""Sets of variables that the members of a project share: one file a version, in the project's folder."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from nlp.errors import VariableError
from nlp.review.folders import make_folder, open_to_members
from nlp.variables.reading import Loaded, load_set, save_set
from workbench.errors import DefinitionError
from workbench.session import current

if TYPE_CHECKING:
    from pathlib import Path

    from nlp.variables.sets import VariableSet

__all__ = ["PROJECT", "SharedSet", "open_shared", "share_variables", "shared_sets"]

#: What the name of a shared set begins with.
PROJECT = "project:"
_PLAIN = re.compile(r"[\w-][\w. -]*")


class SharedSet(NamedTuple):
    """A version of a set that lies in the project's folder."""

    name: str
    version: str
    shared: datetime
    path: Path


def share_variables(variables: VariableSet, *, folder: Path | None = None) -> Path:
    """Give a set to the members of the project, who open it as ``project:NAME``.

    Parameters
    ----------
    variables : VariableSet
        With a name and a version.
    folder : Path, optional
        Where the project's sets lie; the session knows.

    Returns
    -------
    Path
        Its file. The same set again changes nothing.

    Raises
    ------
    DefinitionError
        If name or version cannot name a file, or the version is shared already and is another set: what a colleague
        has run must not change under its name.
    EnvironmentFault
        If no folder is given and this is not a session.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from nlp.variables.ready import ready_set
    >>> with tempfile.TemporaryDirectory() as place:
    ...     _ = share_variables(ready_set("example"), folder=Path(place))
    ...     [(each.name, each.version) for each in shared_sets(folder=Path(place))]
    [('example', '1.0')]
    """
    for what, text in (("name", variables.name), ("version", variables.version)):
        if not _PLAIN.fullmatch(text):
            raise DefinitionError(
                f"the set's {what} {text!r} cannot name a file",
                hint="letters, digits, '.', '-', '_' and blanks; write it in the set's file",
            )
    path = _folder(folder) / f"{variables.name}@{variables.version}.yaml"
    if path.is_file():
        if load_set(path).set.hash == variables.hash:
            return path
        raise DefinitionError(
            f"version {variables.version} of {variables.name} is shared already, and is another set",
            hint="raise the version, then share it",
        )
    make_folder(path.parent)
    save_set(variables, path)
    open_to_members(path)
    return path


def shared_sets(*, folder: Path | None = None) -> list[SharedSet]:
    """Return the shared sets by name, the newest version of each first.

    Parameters
    ----------
    folder : Path, optional
        Where the project's sets lie; the session knows.
    """
    found = []
    for path in _folder(folder).glob("*@*.yaml"):
        name, _, version = path.name.removesuffix(".yaml").partition("@")
        found.append(SharedSet(name, version, datetime.fromtimestamp(path.stat().st_mtime), path))
    return sorted(sorted(found, key=_newest, reverse=True), key=lambda each: each.name)


def _newest(shared: SharedSet) -> list[tuple[int, str]]:
    """Order versions as people count: 1.10 comes after 1.9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", shared.version)]


def open_shared(name: str, *, folder: Path | None = None) -> Loaded:
    """Open a shared set.

    Parameters
    ----------
    name : str
        ``NAME`` for its newest version, or ``NAME@VERSION``.
    folder : Path, optional
        Where the project's sets lie; the session knows.

    Returns
    -------
    Loaded
        The set, and an error for each variable that could not be read.

    Raises
    ------
    VariableError
        If nobody has shared such a set.
    """
    wanted, _, version = name.partition("@")
    there = shared_sets(folder=folder)
    for each in there:
        if each.name == wanted and version in ("", each.version):
            return load_set(each.path)
    known = ", ".join(f"{PROJECT}{each.name}@{each.version}" for each in there)
    raise VariableError(f"the project has no set {name!r}", hint=f"shared: {known}" if known else "nobody has shared a set yet")


def _folder(folder: Path | None) -> Path:
    return folder if folder is not None else current().shared.path / "variables"
