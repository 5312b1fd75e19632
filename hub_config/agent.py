"""The agent: the one part that stays root. It starts, stops and lists sessions for the hub, over a unix socket.

The hub is not trusted with what a session is: it names a user and a project and hands over the session's token, and the
agent makes the plan itself from the root-owned settings. So a hub that was taken over can open, as a member, a project
that the member belongs to, and nothing else: no mount, no command, no uid, no environment of its own choosing.

Protocol: one JSON object in a line each way. ``{"do": "start", "user": u, "project": p, "token": t}``,
``{"do": "stop" | "status", "user": u, "project": p}``, ``{"do": "list"}``. Answers carry ``ok``, and ``error`` when false.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from hub_config.cgroups import Hierarchy, detect
from hub_config.errors import HubError, Refused
from hub_config.isolation import Seat, plan
from hub_config.layout import SESSION_IDS, Layout, account_id, session_id
from hub_config.peers import peer_uid
from hub_config.sandbox import Sandbox, open_slice, start
from hub_config.settings import SLUG, Settings, load

__all__ = ["Agent", "Seats", "main"]

TOKEN = re.compile(r"[0-9A-Za-z_-]{16,128}")
LINE_LIMIT = 4096
SWEEP_S = 1.0


class Seats:
    """Which uid each user-and-project and which gid each project got; kept, so that files keep their owners.

    Parameters
    ----------
    path : Path
        JSON file, root's own.
    first : int
        The first number to give.
    """

    def __init__(self, path: Path, first: int) -> None:
        self.path = path
        self.first = first
        self.given: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def number(self, key: str) -> int:
        """Return the number of a key, giving the next free one the first time."""
        if key not in self.given:
            self.given[key] = max(self.given.values(), default=self.first - 1) + 1
            aside = self.path.with_suffix(".partial")
            aside.write_text(json.dumps(self.given, indent=1), encoding="utf-8")
            aside.replace(self.path)
        return self.given[key]


class Agent:
    """Starts, stops and lists sessions.

    Parameters
    ----------
    settings : Settings
        The centre's settings, read from a file that only root writes.
    library : str
        Digest of the library's copy that sessions get.
    hierarchy : Hierarchy
        Where control groups are made.
    """

    def __init__(self, settings: Settings, library: str, hierarchy: Hierarchy) -> None:
        self.settings = settings
        self.library = library
        self.hierarchy = hierarchy
        self.layout = Layout(settings.paths.state, settings.first_id)
        self.seats = Seats(self.layout.seats, settings.first_id + SESSION_IDS)
        self.sessions: dict[str, Sandbox] = {}
        self.actions = {"start": self.start, "stop": self.stop, "status": self.status, "list": self.list}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request; what is wrong with it comes back as text."""
        try:
            action = self.actions.get(request.get("do"))
            if action is None:
                message = f"unknown request {request.get('do')!r}"
                raise Refused(message)
            return {"ok": True, **action(request)}
        except (HubError, OSError) as error:
            return {"ok": False, "refused": isinstance(error, Refused), "error": str(error)}

    def start(self, request: dict[str, Any]) -> dict[str, Any]:
        """Start the session that the settings allow this user in this project."""
        user, project = _names(request)
        token = request.get("token")
        if not isinstance(token, str) or not TOKEN.fullmatch(token):
            message = "the token is not one"
            raise Refused(message)
        if not self.settings.is_member(user, project):
            message = f"{user!r} is not a member of project {project!r}"
            raise Refused(message)
        gid = self.seats.number(project)
        seat = Seat(uid=self.seats.number(f"{user}/{project}"), gid=gid, library=self.library, token=token)
        planned = plan(user, project, self.settings, seat=seat)
        self._end(planned.sid)
        open_slice(self.settings.paths.slices / project, gid)
        group = self.hierarchy.group(f"{self.layout.instance}-{planned.sid}")
        guard = account_id(self.settings.first_id, "guard")
        self.sessions[planned.sid] = start(planned, layout=self.layout, group=group, guard_id=guard)
        return {"sid": planned.sid}

    def stop(self, request: dict[str, Any]) -> dict[str, Any]:
        """End a session; one that does not run is no error."""
        self._end(session_id(*_names(request)))
        return {}

    def status(self, request: dict[str, Any]) -> dict[str, Any]:
        """Say whether a session runs."""
        sandbox = self.sessions.get(session_id(*_names(request)))
        running = sandbox is not None and sandbox.exit_code() is None
        return {"running": running, "exit_code": None if sandbox is None else sandbox.exit_code()}

    def list(self, _request: dict[str, Any]) -> dict[str, Any]:
        """List the sessions that run."""
        running = (sandbox for sandbox in self.sessions.values() if sandbox.exit_code() is None)
        return {"sessions": [{"sid": s.sid, "user": s.user, "project": s.project} for s in running]}

    def _end(self, sid: str) -> None:
        sandbox = self.sessions.pop(sid, None)
        if sandbox is not None:
            sandbox.stop()

    def remove_orphans(self) -> int:
        """Kill what an earlier agent left behind; return how many sessions that were."""
        names = self.hierarchy.names(f"{self.layout.instance}-")
        left = [name for name in names if not self.hierarchy.group(name).remove()]
        if left:
            message = f"control groups of an earlier run cannot be removed: {', '.join(sorted(left))}"
            raise HubError(message)
        for path in (self.layout.run / "s").glob("*.sock"):
            path.unlink()
        return len(names)

    def sweep(self) -> None:
        """Clear away sessions that ended by themselves, and keep logs small."""
        for sandbox in self.sessions.values():
            sandbox.trim_log()
            if sandbox.exit_code() is not None and sandbox.group.folders[0].exists():
                sandbox.stop()

    def end_all(self) -> None:
        """End every session."""
        for sid in list(self.sessions):
            self._end(sid)


def _names(request: dict[str, Any]) -> tuple[str, str]:
    names = tuple(request.get(key) for key in ("user", "project"))
    if not all(isinstance(name, str) and SLUG.fullmatch(name) for name in names):
        message = "user and project have to be names from the settings"
        raise Refused(message)
    return names


async def serve(agent: Agent) -> None:
    """Answer the hub until told to stop; then end all sessions."""
    path = agent.layout.agent_socket
    path.unlink(missing_ok=True)
    hub = account_id(agent.settings.first_id, "hub")
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if peer_uid(writer.get_extra_info("socket")) not in {0, hub}:
                return
            request = json.loads(await asyncio.wait_for(reader.readline(), 10))
            answer = agent.answer(request if isinstance(request, dict) else {})
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (ValueError, TimeoutError, ConnectionError) as error:
            _say(f"request dropped: {type(error).__name__}")
        finally:
            writer.close()

    os.umask(0o117)
    server = await asyncio.start_unix_server(connected, str(path), limit=LINE_LIMIT)
    os.umask(0o022)
    os.chown(path, 0, hub)
    _say(f"ready at {path}")
    while not ended.is_set():
        agent.sweep()
        try:
            await asyncio.wait_for(ended.wait(), SWEEP_S)
        except TimeoutError:
            continue
    server.close()
    agent.end_all()
    path.unlink(missing_ok=True)


def _say(text: str) -> None:
    sys.stderr.write(f"agent: {text}\n")
    sys.stderr.flush()


def main(settings_path: str, library: str) -> None:
    """Run the agent (``python -m hub_config.agent SETTINGS LIBRARY``); started by `hub_config.supervisor`."""
    os.umask(0o022)
    agent = Agent(load(Path(settings_path)), library, detect())
    _say(f"removed {agent.remove_orphans()} sessions of an earlier run")
    asyncio.run(serve(agent))


if __name__ == "__main__":
    main(*sys.argv[1:])
