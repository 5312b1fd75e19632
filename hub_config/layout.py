"""Where everything lies under the state directory, and which account owns what. Pure: it only computes names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ACCOUNTS", "SESSION_IDS", "Folder", "Layout", "account_id", "session_id", "unix_url"]

# Offsets from settings.first_id. Each process that faces somebody has an account of its own; a group has its account's number.
ACCOUNTS: dict[str, int] = {"hub": 1, "proxy": 2, "guard": 3, "gate": 4, "airlock": 5, "broker": 6, "portal": 7}
SESSION_IDS = 1000  # sessions' accounts begin here


def account_id(first_id: int, account: str) -> int:
    """Return the uid (and gid) of a service account; root is 0."""
    return 0 if account == "root" else first_id + ACCOUNTS[account]


def session_id(user: str, project: str) -> str:
    """Name a session: one for each user and project, 16 hexadecimal digits, safe as a file and a cgroup name."""
    return hashlib.sha256(f"{user}/{project}".encode()).hexdigest()[:16]


def unix_url(path: Path) -> str:
    """Write a unix socket's path as a URL; the host part of a URL is lower-cased, so the path has to be lower-case."""
    text = str(path)
    if text != text.lower():
        message = f"the socket path {text} has capital letters, which a URL does not keep"
        raise ValueError(message)
    return "http+unix://" + quote(text, safe="").lower()


@dataclass(frozen=True)
class Folder:
    """A directory that has to exist with this owner and mode."""

    path: Path
    owner: int
    group: int
    mode: int


@dataclass(frozen=True)
class Layout:
    """Names below one state directory."""

    state: Path
    first_id: int

    @property
    def instance(self) -> str:
        """Prefix of this installation's cgroups, so that two on one machine never touch each other's."""
        return "cwb-" + hashlib.sha256(str(self.state).encode()).hexdigest()[:8]

    @property
    def run(self) -> Path:
        """Sockets and what lives only while the hub runs."""
        return self.state / "run"

    @property
    def hub_socket(self) -> Path:
        """The hub itself; the proxy and the gate connect to it."""
        return self.run / "hub" / "hub.sock"

    @property
    def proxy_api(self) -> Path:
        """The proxy's routing table; the hub connects to it."""
        return self.run / "proxy" / "api.sock"

    @property
    def guard_socket(self) -> Path:
        """The guard; the proxy and the hub connect to it."""
        return self.run / "guard" / "guard.sock"

    @property
    def gate_folder(self) -> Path:
        """Bound to /run/hub in sessions; a folder, because a bound socket file would pin the old inode over a restart."""
        return self.run / "gate"

    @property
    def gate_socket(self) -> Path:
        """The few hub calls a session may make."""
        return self.gate_folder / "gate.sock"

    @property
    def broker_socket(self) -> Path:
        """Whole-store feasibility counts; the gate alone connects to it, on behalf of whom the hub vouches for."""
        return self.state / "broker" / "broker.sock"

    @property
    def agent_socket(self) -> Path:
        """The agent; only the hub connects to it."""
        return self.run / "agent" / "agent.sock"

    @property
    def settings_copy(self) -> Path:
        """The settings without the sign-in options, readable by every service."""
        return self.run / "centre.toml"

    @property
    def hub_settings_copy(self) -> Path:
        """The whole settings, readable by the hub alone."""
        return self.run / "hub-centre.toml"

    @property
    def lock(self) -> Path:
        """Held by the running supervisor; holds its pid."""
        return self.state / "up.pid"

    @property
    def seats(self) -> Path:
        """Which uid each user and project got, kept for ever."""
        return self.state / "agent" / "seats.json"

    @property
    def audit(self) -> Path:
        """One line for everything that the guard let out or refused."""
        return self.state / "audit" / "guard.jsonl"

    @property
    def passwords(self) -> Path:
        """Hashes of the local passwords."""
        return self.state / "hub" / "passwords.toml"

    @property
    def first_passwords(self) -> Path:
        """Generated passwords, for whoever set the hub up (root only)."""
        return self.state / "first-passwords.toml"

    def session_socket(self, sid: str) -> Path:
        """Where a session listens; the guard connects to it."""
        return self.run / "s" / f"{sid}.sock"

    def session_files(self, sid: str) -> Path:
        """Root-owned files that a session sees: manifest, passwd, hosts."""
        return self.run / "sessions" / sid

    def session_log(self, sid: str) -> Path:
        """Return the file of what a session's server prints."""
        return self.state / "logs" / "sessions" / f"{sid}.log"

    def library(self, digest: str) -> Path:
        """Return the root-owned copy of our packages."""
        return self.state / "library" / digest

    def home(self, sid: str) -> Path:
        """Return a session's private home."""
        return self.state / "homes" / sid

    def outbox(self, project: str, user: str) -> Path:
        """Return what a session asks to release; the path says whose it is."""
        return self.state / "outbox" / project / user

    def shared(self, project: str) -> Path:
        """Return the folder that a project's sessions write to together."""
        return self.state / "shared" / project

    def airlock_status(self, project: str, user: str) -> Path:
        """Return what the airlock answers to a session."""
        return self.state / "airlock-status" / project / user

    def folders(self) -> tuple[Folder, ...]:
        """All directories of the installation, parents first, each with its owner and mode."""
        own = {name: account_id(self.first_id, name) for name in ACCOUNTS}
        rows = (
            (self.state, 0, 0, 0o711),
            (self.run, 0, 0, 0o711),
            (self.run / "hub", own["hub"], own["hub"], 0o2750),
            (self.run / "proxy", own["proxy"], own["proxy"], 0o2750),
            (self.run / "guard", own["guard"], own["guard"], 0o2750),
            (self.gate_folder, own["gate"], own["broker"], 0o1775),
            (self.run / "agent", 0, own["hub"], 0o750),
            (self.run / "s", 0, own["guard"], 0o750),
            (self.run / "sessions", 0, 0, 0o711),
            (self.state / "agent", 0, 0, 0o700),
            (self.state / "audit", own["guard"], own["guard"], 0o750),
            (self.state / "logs", 0, 0, 0o700),
            (self.state / "logs" / "sessions", 0, 0, 0o700),
            (self.state / "library", 0, 0, 0o755),
            (self.state / "homes", 0, 0, 0o711),
            (self.state / "shared", 0, 0, 0o711),
            (self.state / "outbox", 0, own["airlock"], 0o751),
            (self.state / "airlock-status", own["airlock"], own["airlock"], 0o711),
            *((self.state / name, own[name], own[name], 0o750) for name in ("hub", "airlock", "broker", "portal")),
        )
        return tuple(Folder(*row) for row in rows)
