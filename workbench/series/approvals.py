"""Models from elsewhere that the data centre approved: a list of hashes that sessions can read and not write.

The form is that of ``sha256sum``: a hash, two spaces, a name. Lines that begin with # say what people want to say.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from workbench import session
from workbench.errors import DataError, EnvironmentFault, PolicyError, Refusal
from workbench.locale import tr
from workbench.outfile import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from imaging.models.foreign import Found

__all__ = ["LIST", "add_approval", "known_hash", "read_approvals"]

#: The list's name in the folder of a project's slice.
LIST = "approved-models.txt"

_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def read_approvals(path: Path) -> dict[str, str]:
    """Return the names of approved models by their hash.

    Parameters
    ----------
    path : Path
        The list.

    Raises
    ------
    PolicyError
        If it cannot be read, or a line is neither an approval nor a remark: nothing of it then holds.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"the list of approved models {path} cannot be read ({type(error).__name__})") from error
    found = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        matched = _LINE.fullmatch(line.rstrip())
        if not matched:
            raise PolicyError(f"{path}, line {number}: wanted a SHA-256, two spaces and a name", hint="workbench imaging approve writes it")
        found[matched[1]] = matched[2]
    return found


def add_approval(path: Path, found: Found) -> bool:
    """Put a model on a list, which is made where it is not there.

    Parameters
    ----------
    path : Path
        The list.
    found : Found
        The model, audited.

    Returns
    -------
    bool
        Whether it was not on it before.

    Raises
    ------
    PolicyError
        If the list cannot be read.
    EnvironmentFault
        If it cannot be written.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before and found.sha256 in read_approvals(path):
        return False
    mode = path.stat().st_mode if path.exists() else 0o644  # sessions have to read it
    try:
        write_whole(path, f"{before}{'' if not before or before.endswith(chr(10)) else chr(10)}{found.sha256}  {found.name}\n")
        path.chmod(mode & 0o777)
    except OSError as error:
        raise EnvironmentFault(f"{path}: {os.strerror(error.errno or 0)}") from error
    return True


def known_hash(found: Found, given: str | None) -> str:
    """Return the hash by which a model may be brought in: the data centre's in a session, the user's elsewhere.

    Parameters
    ----------
    found : Found
        The model, audited.
    given : str or None
        Its hash as the user knows it.

    Raises
    ------
    DataError
        If the user's hash is another.
    Refusal
        If it is not approved, or outside a session no hash is given.
    PolicyError
        If the list cannot be read.
    """
    if given is not None and given.strip().lower() != found.sha256:
        raise DataError(
            tr(f"文件的 SHA-256 为 {found.sha256}，与所给的不同", f"the bundle's SHA-256 is {found.sha256}, not the one given"),
            hint=tr("重新获取，并与来源核对", "fetch it again and compare it with its source"),
        )
    if session.in_session():
        listed = session.current().data.store / LIST
        if not listed.is_file() or found.sha256 not in read_approvals(listed):
            raise Refusal(
                tr(
                    f"数据中心没有批准此模型（SHA-256 {found.sha256}）",
                    f"the data centre has not approved this model (SHA-256 {found.sha256})",
                ),
                hint=tr("请把这个值告诉数据中心：workbench imaging approve", "tell the data centre this hash: workbench imaging approve"),
            )
    elif given is None:
        raise Refusal(
            tr(f"需要事先知道 SHA-256；此文件的为 {found.sha256}", f"its SHA-256 has to be known beforehand; found {found.sha256}"),
            hint=tr("与来源核对后用 --sha256 给出", "compare it with its source, then give it with --sha256"),
        )
    return found.sha256
