"""The egress guard: all traffic between browsers and sessions passes here, outside of every sandbox.

What runs in a session is the user's, the session's own server included; so the rules of `hub_config.guard_rules` are
kept here, on the other side: allow-list, byte budget, message size, headers, audit. Lab's static files come from the
guard's own copy, so that no byte leaves a session unmetered.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from hub_config.guard_notice import notice
from hub_config.guard_rules import ADDED_HEADERS, Kind, TokenBucket, decide, request_headers, response_headers, split
from hub_config.layout import Layout, session_id
from hub_config.pages.texts import text
from hub_config.settings import MEBIBYTE, Settings, load

__all__ = ["Guard", "main", "static_roots"]

KEEP_S = 3600  # the proxy keeps its connections; closing an idle one could meet a request on its way
MESSAGE_OVERHEAD_BYTES = 64  # counted for every message and response, so that many empty ones are not free
UPLOAD_LIMIT = 64 * MEBIBYTE
CHANNEL_LIMIT = 64 * MEBIBYTE  # what is read of one message at all; what passes is the centre's message_mb
CHANNEL_TYPES = (WSMsgType.TEXT, WSMsgType.BINARY)


def static_roots() -> tuple[tuple[str, Path], ...]:
    """Return the folders behind static paths, longest prefix first."""
    share = Path(sys.prefix) / "share" / "jupyter"
    server = Path(importlib.util.find_spec("jupyter_server").origin).parent
    return (
        ("static/lab/", share / "lab" / "static"),
        ("lab/extensions/", share / "labextensions"),
        ("lab/api/themes/", share / "lab" / "themes"),
        ("static/", server / "static"),
    )


@dataclass
class Door:
    """One session's side of the guard: its budget and its connection pool."""

    user: str
    project: str
    client: aiohttp.ClientSession
    bucket: TokenBucket

    @property
    def prefix(self) -> str:
        """The path below which the session lives."""
        return f"/user/{self.user}/{self.project}/"


@dataclass
class Guard:
    """Carries requests to sessions by the rules.

    Parameters
    ----------
    settings : Settings
        Budgets, sizes, language.
    audit : file object
        One JSON line is written for each thing let out or refused.
    """

    settings: Settings
    audit: Any
    doors: dict[str, Door] = field(default_factory=dict)
    static: tuple[tuple[str, Path], ...] = field(default_factory=static_roots)

    @property
    def layout(self) -> Layout:
        """Where the sessions' sockets are."""
        return Layout(self.settings.paths.state, self.settings.first_id)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Carry one request, or refuse it."""
        raw = request.raw_path.partition("?")[0]
        parts = split(raw)
        if parts is None or not self.settings.is_member(parts[0], parts[1]):
            return self._refuse(request, 403, "path_refused")
        user, project, rest = parts
        kind = decide(request.method, rest)
        is_upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if kind is None or is_upgrade != (kind is Kind.CHANNEL):
            self._note(user, project, "refused", request, rest)
            return self._refuse(request, 403, "path_refused")
        if kind is Kind.STATIC:
            return self._static(request, rest)
        door = self._door(user, project)
        try:
            if kind is Kind.CHANNEL:
                return await self._channel(request, door, rest)
            return await self._fetch(request, door, rest)
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            self._note(user, project, f"unreachable:{type(error).__name__}", request, rest)
            return self._refuse(request, 503, "session_unreachable")

    def _door(self, user: str, project: str) -> Door:
        sid = session_id(user, project)
        if sid not in self.doors:
            limits = self.settings.guard
            budget = limits.budget_mb_per_hour * MEBIBYTE
            client = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path=str(self.layout.session_socket(sid))),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
            self.doors[sid] = Door(user, project, client, TokenBucket(budget, budget / 3600, time.monotonic()))
        return self.doors[sid]

    def _static(self, request: web.Request, rest: str) -> web.StreamResponse:
        """Serve a static file from the guard's own copy; a path that leaves its folder, or is not there, is a 404."""
        decoded = unquote(rest)
        root = next((root, decoded[len(start) :]) for start, root in self.static if decoded.startswith(start))
        path = (root[0] / root[1]).resolve()
        if not path.is_relative_to(root[0].resolve()) or not path.is_file():
            return self._refuse(request, 404, "not_found")
        return web.FileResponse(path, headers={**ADDED_HEADERS, "Cache-Control": "private, max-age=3600"})

    async def _fetch(self, request: web.Request, door: Door, rest: str) -> web.StreamResponse:
        body = await request.read()
        headers = [*request_headers(list(request.headers.items())), ("Accept-Encoding", "identity")]
        limit = int(self.settings.guard.content_mb * MEBIBYTE)
        async with door.client.request(
            request.method, f"http://session{request.raw_path}", data=body or None, headers=headers, allow_redirects=False
        ) as answer:
            content = await _read(answer.content, limit + 1)
            if len(content) > limit:
                self._note(door.user, door.project, "too-large", request, rest)
                return self._refuse(request, 413, "too_large")
            passed = response_headers(list(answer.headers.items()), door.prefix)
            size = len(content) + sum(len(name) + len(value) for name, value in passed) + MESSAGE_OVERHEAD_BYTES
            if not door.bucket.take(size, now=time.monotonic()):
                self._note(door.user, door.project, "budget-spent", request, rest, size)
                return self._refuse(request, 429, "budget_spent")
            self._note(door.user, door.project, "read", request, rest, size)
            response = web.Response(status=answer.status, body=content)
            response.headers.clear()
            for name, value in passed:
                response.headers.add(name, value)
            return response

    async def _channel(self, request: web.Request, door: Door, rest: str) -> web.StreamResponse:
        offered = [item.strip() for item in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if item.strip()]
        upstream = await door.client.ws_connect(
            f"http://session{request.raw_path}",
            headers=request_headers(list(request.headers.items())),
            protocols=offered,
            max_msg_size=CHANNEL_LIMIT,
            compress=0,
        )
        downstream = web.WebSocketResponse(protocols=[upstream.protocol] if upstream.protocol else (), max_msg_size=UPLOAD_LIMIT)
        await downstream.prepare(request)
        inward = asyncio.create_task(_forward(downstream, upstream))
        total, refused = 0, ""
        try:
            async for message in upstream:
                if message.type not in CHANNEL_TYPES:
                    break
                size = _size(message.data)
                if refused := self._fault(door, size):
                    await self._explain(door, message, upstream.protocol, downstream, refused)
                    break
                total += size
                await _send(downstream, message.data)
        finally:
            self._note(door.user, door.project, refused or "channel", request, rest, total)
            await downstream.close(code=WSCloseCode.POLICY_VIOLATION if refused else WSCloseCode.OK, message=refused.encode())
            await upstream.close()
            inward.cancel()
        return downstream

    def _fault(self, door: Door, size: int) -> str:
        """Say why a message may not pass, or nothing if it may and is paid for."""
        if size > self.settings.guard.message_mb * MEBIBYTE:
            return "message-too-large"
        return "" if door.bucket.take(size, now=time.monotonic()) else "budget-spent"

    async def _explain(self, door: Door, message: WSMessage, protocol: str | None, downstream: web.WebSocketResponse, refused: str) -> None:
        """Write into the notebook why an output does not appear; this is paid for like any other message."""
        words = text(self.settings.language, {"message-too-large": "output_too_large", "budget-spent": "budget_spent"}[refused])
        stand_in = notice(message.data, protocol=protocol, words=words)
        if stand_in is not None and door.bucket.take(_size(stand_in), now=time.monotonic()):
            await _send(downstream, stand_in)

    def _refuse(self, request: web.Request, status: int, key: str) -> web.Response:
        """Say why, as a page to a person and as JSON to a program."""
        words = text(self.settings.language, key)
        if request.headers.get("Accept", "").startswith("text/html"):
            page = f'<!doctype html><meta charset="utf-8"><title>{status}</title><p style="margin:4em;font-family:sans-serif">{words}</p>'
            return web.Response(text=page, content_type="text/html", status=status, headers=ADDED_HEADERS)
        body = json.dumps({"message": words}, ensure_ascii=False)
        return web.Response(text=body, content_type="application/json", status=status, headers=ADDED_HEADERS)

    def _note(self, user: str, project: str, event: str, request: web.Request, rest: str, size: int = 0) -> None:
        line = {"time": round(time.time(), 3), "user": user, "project": project, "event": event}
        self.audit.write(json.dumps({**line, "method": request.method, "path": rest[:512], "bytes": size}) + "\n")
        self.audit.flush()

    async def close(self) -> None:
        """Close the connections to sessions."""
        for door in self.doors.values():
            await door.client.close()


async def _read(stream: aiohttp.StreamReader, limit: int) -> bytes:
    """Read at most `limit` bytes."""
    parts, size = [], 0
    async for chunk in stream.iter_chunked(1 << 16):
        parts.append(chunk)
        size += len(chunk)
        if size >= limit:
            break
    return b"".join(parts)[:limit]


async def _forward(source: web.WebSocketResponse, target: aiohttp.ClientWebSocketResponse) -> None:
    """Carry messages from the browser to the session; these are not counted."""
    async for message in source:
        if message.type in CHANNEL_TYPES:
            await _send(target, message.data)
    await target.close()


async def _send(target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse, data: str | bytes) -> None:
    await (target.send_str(data) if isinstance(data, str) else target.send_bytes(data))


def _size(data: str | bytes) -> int:
    return len(data.encode() if isinstance(data, str) else data) + MESSAGE_OVERHEAD_BYTES


async def serve(settings: Settings) -> None:
    """Listen on the guard's unix socket until cancelled."""
    layout = Layout(settings.paths.state, settings.first_id)
    os.umask(0o027)
    with layout.audit.open("a", encoding="utf-8") as audit:
        guard = Guard(settings, audit)
        application = web.Application(client_max_size=UPLOAD_LIMIT)
        application.router.add_route("*", "/{path:.*}", guard.handle)
        runner = web.AppRunner(application, access_log=None, handle_signals=True, shutdown_timeout=1, keepalive_timeout=KEEP_S)
        await runner.setup()
        os.umask(0o007)
        await web.UnixSite(runner, str(layout.guard_socket)).start()
        try:
            await asyncio.Event().wait()
        finally:
            await guard.close()
            await runner.cleanup()


def main(settings_path: str) -> None:
    """Run the guard (``python -m hub_config.guard SETTINGS``)."""
    try:
        asyncio.run(serve(load(Path(settings_path))))
    except (KeyboardInterrupt, web.GracefulExit):
        sys.exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
