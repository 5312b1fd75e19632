"""The released package: the reviewed bytes, their manifest and the record of the decision, the same for the same request.

``files/`` holds the outputs, ``manifest.json`` their hashes, ``decision.json`` the machine-readable disclosure record: policy,
checks, number of approvals. Names of reviewers, machine paths and times of files are left out. Supporting files do not leave.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import EnvironmentFault, IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.release.intake import ObjectStore
    from workbench.release.records import RequestFile

__all__ = ["build", "discard", "manifest_of", "place"]


def manifest_of(
    *, request: str, project: str, author: str, title: str, purpose: str, files: Sequence[RequestFile]
) -> tuple[dict[str, Any], str]:
    """Describe a request by the hashes of its files, and give the hash of that description, which votes carry.

    Returns
    -------
    (dict, str)
        The manifest and the SHA-256 of its canonical JSON.
    """
    listed = [
        {"name": f.name, "kind": f.kind, "sha256": f.stored.sha256, "bytes": f.stored.size_bytes}
        for f in sorted(files, key=lambda f: f.name)
    ]
    manifest = {"schema": 1, "request": request, "project": project, "author": author, "title": title, "purpose": purpose, "files": listed}
    return manifest, hashlib.sha256(_canonical(manifest)).hexdigest()


def build(
    folder: Path, *, objects: ObjectStore, files: Sequence[RequestFile], manifest: Mapping[str, Any], decision: Mapping[str, Any]
) -> Path:
    """Write a package aside and prove each byte of it.

    Parameters
    ----------
    folder : Path
        Where released packages lie; the package is written beside them under a hidden name.
    objects : ObjectStore
        Where the reviewed bytes lie.
    files : sequence of RequestFile
        All files of the request; the outputs go into the package.
    manifest, decision : mapping
        What goes into ``manifest.json`` and ``decision.json``.

    Returns
    -------
    Path
        The hidden folder; :func:`place` puts it in its place.

    Raises
    ------
    IntegrityError
        If any byte is not the reviewed one.
    EnvironmentFault
        If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder, prefix=".new-"))
        (aside / "files").mkdir()
        for output in (f for f in files if f.kind == "output"):
            _write(aside / "files" / output.name, objects.read(output.stored))
            if hashlib.sha256((aside / "files" / output.name).read_bytes()).hexdigest() != output.stored.sha256:
                raise IntegrityError(f"the package's copy of {output.name!a} is not the reviewed one")
        _write(aside / "manifest.json", _readable(manifest))
        _write(aside / "decision.json", _readable(decision))
    except OSError as error:
        raise EnvironmentFault(
            f"the package cannot be written: {error.strerror}", hint="free space in the airlock, then release again"
        ) from error
    return aside


def place(aside: Path, target: Path) -> None:
    """Move a built package to where it is picked up; a package that is there already stays."""
    if target.exists():
        discard(aside)
        return
    aside.chmod(0o755)
    aside.replace(target)


def discard(aside: Path) -> None:
    """Throw away a package that was built and is not to leave."""
    shutil.rmtree(aside)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o444)
    os.utime(path, (0, 0))


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def _readable(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
