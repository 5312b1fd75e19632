"""What the centre demands of a release: read from one TOML file, every key named, nothing assumed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from workbench.disclosure import DisclosurePolicy
from workbench.errors import PolicyError

__all__ = ["ReleasePolicy", "load_release_policy"]


@dataclass(frozen=True, kw_only=True)
class ReleasePolicy:
    """The centre's rules for release requests.

    Parameters
    ----------
    disclosure : DisclosurePolicy
        Threshold and rounding that released counts keep.
    approvals : int
        Distinct approvals that a release needs; at least 1.
    members_may_review : bool
        Whether a member of the project, not the author, may vote.
    largest_file_bytes, largest_request_bytes : int
        Size limits of one file and of all files of one request.
    most_files : int
        Most files in one request.
    """

    disclosure: DisclosurePolicy
    approvals: int
    members_may_review: bool = False
    largest_file_bytes: int = 16 * 2**20
    largest_request_bytes: int = 64 * 2**20
    most_files: int = 100

    def __post_init__(self) -> None:
        """Refuse a policy under which nobody would have to look."""
        for field in fields(self):
            value = getattr(self, field.name)
            wanted = {"disclosure": DisclosurePolicy, "members_may_review": bool}.get(field.name, int)
            if not isinstance(value, wanted) or (wanted is int and (isinstance(value, bool) or value < 1)):
                raise PolicyError(
                    f"release.{field.name} is {value!r}; wanted {'a whole number of 1 or more' if wanted is int else wanted.__name__}"
                )


def load_release_policy(path: Path) -> ReleasePolicy:
    """Read ``[disclosure]`` and ``[release]`` of a policy file.

    Parameters
    ----------
    path : Path
        TOML. ``[release]`` needs ``approvals``; the other keys of :class:`ReleasePolicy` may be left to their defaults.

    Raises
    ------
    PolicyError
        If the file, a section or a needed key is missing, or a key is unknown.
    """
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"the policy {path} cannot be read: {error}", hint="give --policy FILE, a TOML file") from error
    release = _section(
        document, "release", known={field.name for field in fields(ReleasePolicy)} - {"disclosure"}, needed={"approvals"}, path=path
    )
    disclosure = _section(document, "disclosure", known={"threshold", "rounding"}, needed={"threshold", "rounding"}, path=path)
    return ReleasePolicy(disclosure=DisclosurePolicy(**disclosure), **release)


def _section(document: dict[str, Any], name: str, *, known: set[str], needed: set[str], path: Path) -> dict[str, Any]:
    section = document.get(name)
    if not isinstance(section, dict):
        raise PolicyError(f"the policy {path} has no [{name}] section", hint="the centre sets it; there is no default")
    for key in sorted(needed - section.keys()):
        raise PolicyError(f"key {name}.{key} is missing in the policy {path}")
    for key in sorted(section.keys() - known):
        raise PolicyError(f"unknown key {name}.{key} in the policy {path}; known: {', '.join(sorted(known))}")
    return section
