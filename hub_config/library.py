"""The root-owned copy of our packages that sessions and services run; never the checkout."""

from __future__ import annotations

import compileall
import hashlib
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PACKAGES", "copy", "digest", "sources"]

PACKAGES = ("workbench", "nlp", "imaging", "templates", "notebooks", "hub_config")
SKIPPED = ("__pycache__", ".ipynb_checkpoints")


def sources(root: Path) -> list[Path]:
    """List the files of our packages below a source folder, relative and sorted."""
    found = (
        path.relative_to(root)
        for package in PACKAGES
        for path in (root / package).rglob("*")
        if path.is_file() and not path.is_symlink() and not set(path.relative_to(root).parts) & set(SKIPPED)
    )
    return sorted(found)


def digest(root: Path) -> str:
    """Name the content of our packages: SHA-256 over sorted paths and bytes, first 16 digits."""
    total = hashlib.sha256()
    for relative in sources(root):
        total.update(f"{relative.as_posix()}\0".encode())
        total.update(hashlib.sha256((root / relative).read_bytes()).digest())
    return total.hexdigest()[:16]


def copy(root: Path, libraries: Path) -> str:
    """Copy our packages to ``libraries/<digest>`` and compile them there; older copies are removed.

    Parameters
    ----------
    root : Path
        The folder that holds our packages.
    libraries : Path
        Root-owned folder of the copies.

    Returns
    -------
    str
        The digest, which is the copy's name. A copy that is already there and whole is kept.
    """
    name = digest(root)
    target = libraries / name
    for other in libraries.iterdir():
        if other != target:
            shutil.rmtree(other)
    if target.exists() and digest(target) == name:
        return name
    shutil.rmtree(target, ignore_errors=True)
    aside = libraries / f"{name}.partial"
    for relative in sources(root):
        (aside / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / relative, aside / relative)
    compileall.compile_dir(str(aside), quiet=2, stripdir=str(aside))
    _readable_by_all(aside)
    aside.rename(target)
    return name


def _readable_by_all(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.chown(path, os.geteuid(), os.getegid())
