"""Sessions on this machine: a client of the agent's unix socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub_config.errors import HubError, Refused

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LocalEngine"]


@dataclass(frozen=True)
class LocalEngine:
    """Asks the agent of this machine.

    Parameters
    ----------
    socket : Path
        The agent's unix socket.
    """

    socket: Path

    async def start(self, user: str, project: str, token: str) -> None:
        """Start a session.

        Raises
        ------
        Refused
            If the settings do not allow this user in this project.
        HubError
            If the agent is not there or the sandbox does not start.
        """
        await self._ask({"do": "start", "user": user, "project": project, "token": token})

    async def stop(self, user: str, project: str) -> None:
        """End a session; one that does not run is no error."""
        await self._ask({"do": "stop", "user": user, "project": project})

    async def running(self, user: str, project: str) -> bool:
        """Say whether a session runs."""
        answer = await self._ask({"do": "status", "user": user, "project": project})
        return bool(answer["running"])

    async def sessions(self) -> list[dict[str, str]]:
        """List the sessions that run."""
        return (await self._ask({"do": "list"}))["sessions"]

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
        except OSError as error:
            message = f"the session agent does not answer at {self.socket}: {error.strerror}"
            raise HubError(message, hint="see logs/agent.log in the state directory") from error
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            await writer.drain()
            line = await reader.readline()
        finally:
            writer.close()
        if not line:
            message = "the session agent closed the connection without an answer"
            raise HubError(message)
        answer = json.loads(line)
        if not answer["ok"]:
            raise (Refused if answer["refused"] else HubError)(answer["error"])
        return answer
