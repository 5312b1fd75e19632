"""What a session knows about itself: a read-only view of the session manifest.

The manifest is a TOML file, owned by root and mounted read-only, that the hub writes and the workbench reads. It is the
only thing the two share, so every key is declared here once, and a key that is unknown, missing or of another type is an
error that names it.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from workbench.errors import DefinitionError, EnvironmentFault, PolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MANIFEST_VARIABLE",
    "SCHEMA",
    "BrokerSection",
    "DataSection",
    "DisclosureSection",
    "DisplaySection",
    "HomeSection",
    "ReleaseSection",
    "Session",
    "current",
    "in_session",
    "read_manifest",
]

#: Environment variable that names the manifest, and where the hub puts it otherwise.
MANIFEST_VARIABLE = "WORKBENCH_SESSION"
DEFAULT_MANIFEST = Path("/run/workbench/session.toml")
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class DataSection:
    """Where the project's slice lies."""

    store: Path


@dataclass(frozen=True, kw_only=True)
class HomeSection:
    """The one folder a user may write to and keep."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class SharedSection:
    """The folder that the members of the project write to together."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class DisclosureSection:
    """The centre's disclosure policy, as :class:`workbench.disclosure.DisclosurePolicy` checks it."""

    threshold: int
    rounding: int


@dataclass(frozen=True, kw_only=True)
class DisplaySection:
    """How much the guard lets this session show in a browser: a viewer keeps to it, so that a notebook is not cut off."""

    bytes_per_hour: int


@dataclass(frozen=True, kw_only=True)
class ReleaseSection:
    """Where release requests are left and where their answers are read."""

    outbox: Path
    status: Path


@dataclass(frozen=True, kw_only=True)
class BrokerSection:
    """The socket on which whole-store questions are asked."""

    socket: Path


@dataclass(frozen=True, kw_only=True)
class Session:
    """One user's session in one project, as the manifest describes it.

    Parameters
    ----------
    user, project, session : str
        Who works, in which project, and the session's own identifier.
    language : str
        On-screen language, ``"zh"`` or ``"en"``.
    data, home, shared, disclosure, display, release, broker
        The sections of the manifest, one small frozen class each.
    """

    user: str
    project: str
    session: str
    language: str
    data: DataSection
    home: HomeSection
    shared: SharedSection
    disclosure: DisclosureSection
    display: DisplaySection
    release: ReleaseSection
    broker: BrokerSection


def current() -> Session:
    """Return the session that this process runs in.

    Raises
    ------
    EnvironmentFault
        If there is no manifest: the process does not run in a session.
    DefinitionError
        If a key of the manifest is unknown, missing or of another type.
    PolicyError
        If the manifest holds no disclosure policy.
    """
    path = _manifest_path()
    if not path.is_file():
        raise EnvironmentFault(
            f"this is not a session: no session manifest at {path}",
            hint=f"work in a session that the hub opened, or name a manifest in {MANIFEST_VARIABLE}",
        )
    return read_manifest(path)


def in_session() -> bool:
    """Tell whether this process has a session manifest."""
    return _manifest_path().is_file()


def read_manifest(path: Path) -> Session:
    """Read and check one session manifest.

    Parameters
    ----------
    path : Path
        The TOML file.

    Returns
    -------
    Session
        The manifest, checked.

    Raises
    ------
    DefinitionError, PolicyError
        As :func:`current`.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DefinitionError(
            f"the session manifest {path} cannot be read: {error}", hint="ask the data centre: the hub writes this file"
        ) from error
    schema = document.pop("schema", None)
    if schema != SCHEMA or isinstance(schema, bool):
        raise DefinitionError(
            f"schema is {schema!r} in the session manifest {path}; wanted {SCHEMA}", hint="hub and workbench differ in version"
        )
    if "disclosure" not in document:
        raise PolicyError(
            f"the session manifest {path} has no [disclosure] section", hint="the centre sets threshold and rounding in centre.toml"
        )
    return _build(Session, document, where=path, prefix="")


def _manifest_path() -> Path:
    return Path(os.environ.get(MANIFEST_VARIABLE) or DEFAULT_MANIFEST)


def _build(kind: type, values: Mapping[str, Any], *, where: Path, prefix: str) -> Any:
    """Make the dataclass `kind` of the table `values`, naming the first key that does not fit."""
    wanted = get_type_hints(kind)
    for key in sorted(values.keys() - wanted.keys()):
        raise _kind(prefix)(f"unknown key {prefix}{key} in the session manifest {where}; known here: {', '.join(wanted)}")
    for field in fields(kind):
        if field.name not in values:
            raise _kind(prefix)(f"key {prefix}{field.name} is missing in the session manifest {where}")
    return kind(**{name: _value(wanted[name], values[name], where=where, key=prefix + name) for name in wanted})


def _value(wanted: type, found: object, *, where: Path, key: str) -> object:
    """Check one value against its declared type; a path is an absolute path, a section is a table."""
    raw = {Path: str, str: str, int: int}.get(wanted, dict)
    if not isinstance(found, raw) or isinstance(found, bool) or found == "":
        raise _kind(key)(f"key {key} in the session manifest {where} is {found!r}; wanted a {raw.__name__} that is not empty")
    if raw is dict:
        return _build(wanted, found, where=where, prefix=f"{key}.")
    if wanted is Path and not found.startswith("/"):
        raise DefinitionError(f"key {key} in the session manifest {where} is {found!r}; wanted an absolute path")
    return wanted(found)


def _kind(key: str) -> type[DefinitionError | PolicyError]:
    """Say which error a faulty key is: the disclosure section is policy, the rest is definition."""
    return PolicyError if key.startswith("disclosure") else DefinitionError
