"""Folders that several accounts of a machine use together.

A folder of a group has the set-group-ID bit and lets its group write (``chgrp project DIR; chmod 2770 DIR``): what is made in it belongs to
the group, whoever makes it. What a member makes there has to be open to the others too, whatever the member's umask; elsewhere nothing is.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_folder", "open_to_members"]


def make_folder(path: Path) -> None:
    """Make a folder where there is none; in a group's folder it is the group's as well.

    Parameters
    ----------
    path : Path
        Folders above it are made in the same way.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    mode = path.parent.stat().st_mode
    if mode & stat.S_ISGID:
        path.chmod(stat.S_IMODE(mode))


def open_to_members(path: Path) -> None:
    """Let a group read a file of one's own that lies in the group's folder.

    Parameters
    ----------
    path : Path
        The file.
    """
    if path.parent.stat().st_mode & stat.S_ISGID:
        path.chmod(0o640)
