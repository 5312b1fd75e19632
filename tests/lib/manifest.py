"""A session's manifest, as the hub would write it, with the parts that a test wants to differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tomli_w

from workbench import session

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def in_a_session(
    monkeypatch: pytest.MonkeyPatch,
    file: Path,
    *,
    user: str = "wang",
    project: str = "p",
    language: str = "zh",
    bytes_per_hour: int = 1 << 25,
    **paths: Path,
) -> None:
    """Write a manifest to `file` and make it this process's; `paths` are any of store, home, shared, outbox, status."""
    at = {name: str(paths.get(name, f"/{name}")) for name in ("store", "home", "shared", "outbox", "status")}
    manifest = {
        "schema": 1,
        "user": user,
        "project": project,
        "session": "s",
        "language": language,
        "data": {"store": at["store"]},
        "home": {"path": at["home"]},
        "shared": {"path": at["shared"]},
        "disclosure": {"threshold": 10, "rounding": 5},
        "display": {"bytes_per_hour": bytes_per_hour},
        "release": {"outbox": at["outbox"], "status": at["status"]},
        "broker": {"socket": "/b"},
    }
    file.write_text(tomli_w.dumps(manifest), encoding="utf-8")
    monkeypatch.setenv(session.MANIFEST_VARIABLE, str(file))
