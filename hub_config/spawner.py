"""SealedSpawner: one sealed session for each user and project, run by an engine, reached through the guard only."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyterhub.httpclient import fetch
from jupyterhub.spawner import Spawner
from tornado.web import HTTPError
from traitlets import Instance, Unicode

from hub_config.engines.local import LocalEngine
from hub_config.errors import Refused
from hub_config.layout import unix_url
from hub_config.pages.texts import text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["SealedSpawner"]

CHECK_S = 0.5  # how soon a session that ends at its start is noticed


class SealedSpawner(Spawner):
    """Hands the session to an engine and tells the hub to route its traffic to the guard.

    The server's name is the project's; there is no session without a project.
    """

    engine = Instance(LocalEngine, help="Where sessions run.")
    agent_socket = Unicode(config=True, help="The agent's unix socket.")
    guard_socket = Unicode(config=True, help="The guard's unix socket, the only way into a session.")
    language = Unicode("zh", config=True, help="Language of what is shown while a session starts: zh or en.")

    def _engine_default(self) -> LocalEngine:
        return LocalEngine(Path(self.agent_socket))

    async def start(self) -> str:
        """Start the session; return the guard's address."""
        if not self.name:
            raise HTTPError(403, text(self.language, "no_project"))
        try:
            await self.engine.start(self.user.name, self.name, self.api_token)
        except Refused as error:
            self.log.warning("refused: %s", error.message)
            raise HTTPError(403, text(self.language, "not_a_member").format(project=self.name)) from error
        self._point_at_guard()
        await self._until_it_answers()
        return f"{unix_url(Path(self.guard_socket))}:80"

    async def _until_it_answers(self) -> None:
        """Wait for the session's server, and no longer than the session lives."""
        answer = asyncio.create_task(fetch(f"{self.server.url}api", raise_for_status=False))
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=CHECK_S)
                if not await self.engine.running(self.user.name, self.name):
                    self.log.error("the session of %s in %s ended at its start; see logs/sessions", self.user.name, self.name)
                    raise HTTPError(500, text(self.language, "session_failed"))
        finally:
            answer.cancel()

    async def poll(self) -> int | None:
        """Return None while the session runs."""
        if not self.name or not await self.engine.running(self.user.name, self.name):
            return 0
        self._point_at_guard()
        return None

    async def stop(self, now: bool = False) -> None:  # noqa: ARG002  (the base class's signature)
        """End the session at once: what is in it is on disk or lost."""
        if self.name:
            await self.engine.stop(self.user.name, self.name)

    async def get_url(self) -> str:
        """Return the guard's address also for a session that outlived a hub."""
        self._point_at_guard()
        return self.server.url

    def _point_at_guard(self) -> None:
        """Pin the URL: the hub stores it as host and port, and the proxy would take ``:80`` for a part of the socket's path."""
        if self.server and not self.server.connect_url:
            self.server.bind_url = unix_url(Path(self.guard_socket)) + self.server.base_url

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """Say what happens while a session starts."""
        for percent, key in ((10, "step_sandbox"), (40, "step_server"), (70, "step_guard")):
            yield {"progress": percent, "message": text(self.language, key)}
