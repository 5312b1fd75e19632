"""The hub gate: the few calls that a session may make, on a unix socket that sessions see read-only.

The session's token says who calls; the gate says what may be called. It forwards nothing else, follows no redirect, and
lets each session (known by its uid, as the kernel reports it) make a limited number of calls. Questions about the whole
store go to the broker, under the user and project that the hub names for the token and never under what the caller says.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from hub_config.guard_rules import TokenBucket
from hub_config.layout import Layout
from hub_config.peers import peer_uid
from hub_config.settings import SLUG, Settings, load

__all__ = ["CALLS", "Gate", "allowed", "main"]

# What jupyterhub-singleuser needs: the hub's version, who a token belongs to, the end of the sign-in, and "still in use".
CALLS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("GET", re.compile(r"/hub/api/?")),
    ("GET", re.compile(r"/hub/api/user")),
    ("POST", re.compile(r"/hub/api/oauth2/token")),
    ("POST", re.compile(rf"/hub/api/users/{SLUG.pattern}/activity")),
)
FEASIBILITY = ("POST", "/workbench/feasibility")
SERVER_SCOPE = re.compile(rf"access:servers!server=({SLUG.pattern})/({SLUG.pattern})")
TO_HUB = ("Authorization", "Content-Type", "Accept")
TO_SESSION = ("Content-Type", "X-JupyterHub-Version")
BODY_LIMIT, QUESTION_LIMIT = 64 << 10, 1 << 20
BROKER_S = 600
BURST_CALLS, CALLS_PER_SECOND = 100, 10


def allowed(method: str, raw_path: str) -> bool:
    """Say whether a session may make this call; the path is taken as it stands in the request line."""
    return any(method == wanted and pattern.fullmatch(raw_path) for wanted, pattern in CALLS)


@dataclass
class Gate:
    """Forwards the allowed calls.

    Parameters
    ----------
    hub : aiohttp.ClientSession
        Connected to the hub's unix socket.
    broker : Path
        Unix socket of the broker.
    """

    hub: aiohttp.ClientSession
    broker: Path
    buckets: dict[int, TokenBucket] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.Response:
        """Forward one call, or refuse it."""
        if not self._within_rate(peer_uid(request.transport.get_extra_info("socket"))):
            return web.json_response({"message": "too many calls"}, status=429)
        path = request.raw_path.partition("?")[0]
        if (request.method, path) == FEASIBILITY:
            return await self._ask_broker(request)
        if not allowed(request.method, path):
            return web.json_response({"message": "a session may not call this"}, status=403)
        body = await request.read()
        if len(body) > BODY_LIMIT:
            return web.json_response({"message": "too long"}, status=413)
        headers = {name: request.headers[name] for name in TO_HUB if name in request.headers}
        try:
            async with self.hub.request(
                request.method, f"http://hub{request.raw_path}", data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                kept = {name: answer.headers[name] for name in TO_SESSION if name in answer.headers}
                return web.Response(status=answer.status, body=await answer.read(), headers=kept)
        except (aiohttp.ClientError, OSError):
            return web.json_response({"message": "the hub does not answer"}, status=503)

    async def _ask_broker(self, request: web.Request) -> web.Response:
        """Pass a definition to the broker in the name of the token's owner."""
        try:
            owner = await self._owner(request.headers.get("Authorization", ""))
        except (aiohttp.ClientError, OSError):
            return web.json_response({"error": "the hub does not answer"}, status=503)
        if owner is None:
            return web.json_response({"error": "the hub does not know this session"}, status=403)
        try:
            definition = (await request.json())["definition"]
        except (ValueError, KeyError, TypeError):
            return web.json_response({"error": "wanted a JSON object with the key definition"}, status=400)
        question = json.dumps({"user": owner[0], "project": owner[1], "definition": definition}, ensure_ascii=False)
        try:
            async with asyncio.timeout(BROKER_S):
                return web.json_response(json.loads(await self._exchange(question.encode() + b"\n")))
        except (OSError, TimeoutError, ValueError):
            return web.json_response({"error": "the broker does not answer"}, status=503)

    async def _exchange(self, line: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(self.broker), limit=QUESTION_LIMIT)
        try:
            writer.write(line)
            await writer.drain()
            return await reader.readline()
        finally:
            writer.close()

    async def _owner(self, authorization: str) -> tuple[str, str] | None:
        """Return the user and the project of a session's token, as the hub knows them."""
        async with self.hub.get("http://hub/hub/api/user", headers={"Authorization": authorization}, allow_redirects=False) as answer:
            model = await answer.json() if answer.status == 200 else {}
        for scope in model.get("scopes", ()):
            if (found := SERVER_SCOPE.fullmatch(scope)) and found[1] == model.get("name"):
                return found[1], found[3]
        return None

    def _within_rate(self, uid: int) -> bool:
        now = time.monotonic()
        bucket = self.buckets.setdefault(uid, TokenBucket(BURST_CALLS, CALLS_PER_SECOND, now))
        return bucket.take(1, now=now)


async def serve(settings: Settings) -> None:
    """Listen on the gate's unix socket until cancelled."""
    layout = Layout(settings.paths.state, settings.first_id)
    connector = aiohttp.UnixConnector(path=str(layout.hub_socket))
    async with aiohttp.ClientSession(
        connector=connector, timeout=aiohttp.ClientTimeout(total=30), cookie_jar=aiohttp.DummyCookieJar()
    ) as hub:
        application = web.Application(client_max_size=QUESTION_LIMIT)
        application.router.add_route("*", "/{path:.*}", Gate(hub, layout.broker_socket).handle)
        runner = web.AppRunner(application, access_log=None, handle_signals=True, shutdown_timeout=1)
        await runner.setup()
        await web.UnixSite(runner, str(layout.gate_socket)).start()
        layout.gate_socket.chmod(0o666)
        try:
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


def main(settings_path: str) -> None:
    """Run the gate (``python -m hub_config.hub_gate SETTINGS``)."""
    try:
        asyncio.run(serve(load(Path(settings_path))))
    except (KeyboardInterrupt, web.GracefulExit):
        sys.exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
