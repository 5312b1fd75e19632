"""Questions to the broker go under the name that the hub gives for the token, never under what the caller says."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web

from hub_config.hub_gate import BURST_CALLS, Gate

OWNERS = {
    "token alice": {"name": "alice", "scopes": ["read:users:name!user=alice", "access:servers!server=alice/heart"]},
    "token odd": {"name": "alice", "scopes": ["access:servers!server=bob/heart"]},
    "token none": {"name": "alice", "scopes": ["users:activity!user=alice"]},
}


async def _hub(request: web.Request) -> web.Response:
    owner = OWNERS.get(request.headers.get("Authorization", ""))
    return web.json_response(owner or {}, status=200 if owner else 403)


async def _serve(handler, path):
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    return runner


@pytest.fixture
def ask(tmp_path):
    """Ask through a real gate, with a hub and a broker that only note what reaches them."""
    heard = []

    async def broker(reader, writer):
        heard.append(json.loads(await reader.readline()))
        writer.write(b'{"answer": {"persons": "<10"}}\n')
        writer.close()

    async def talk(calls, *, broker_runs=True):
        hub = await _serve(_hub, tmp_path / "hub.sock")
        server = await asyncio.start_unix_server(broker, str(tmp_path / "broker.sock")) if broker_runs else None
        connector = aiohttp.UnixConnector(path=str(tmp_path / "hub.sock"))
        async with aiohttp.ClientSession(connector=connector) as to_hub:
            gate = await _serve(Gate(to_hub, tmp_path / "broker.sock").handle, tmp_path / "gate.sock")
            async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(tmp_path / "gate.sock"))) as session:
                answers = []
                for method, path, token, body in calls:
                    async with session.request(method, f"http://gate{path}", headers={"Authorization": token}, data=body) as answer:
                        answers.append((answer.status, await answer.json()))
            await gate.cleanup()
        await hub.cleanup()
        if server is not None:
            server.close()
        return answers

    return lambda *calls, **options: (asyncio.run(talk(calls, **options)), heard)


QUESTION = json.dumps({"definition": {"a": 1}, "user": "bob", "project": "lung"})


def test_a_question_goes_under_the_owner_of_the_token(ask):
    answers, heard = ask(("POST", "/workbench/feasibility", "token alice", QUESTION))
    assert answers == [(200, {"answer": {"persons": "<10"}})]
    assert heard == [{"user": "alice", "project": "heart", "definition": {"a": 1}}]


@pytest.mark.parametrize("token", ["token odd", "token none", "token stranger", ""])
def test_a_token_that_is_not_a_session_s_asks_nothing(ask, token):
    answers, heard = ask(("POST", "/workbench/feasibility", token, QUESTION))
    assert answers[0][0] == 403
    assert heard == []


@pytest.mark.parametrize("body", ["", "[]", "{}", '"definition"'])
def test_a_question_without_a_definition_is_refused(ask, body):
    answers, heard = ask(("POST", "/workbench/feasibility", "token alice", body))
    assert answers[0][0] == 400
    assert heard == []


def test_a_broker_that_does_not_run_is_said(ask):
    answers, _ = ask(("POST", "/workbench/feasibility", "token alice", QUESTION), broker_runs=False)
    assert answers == [(503, {"error": "the broker does not answer"})]


def test_calls_are_limited_in_number_and_length(ask):
    answers, _ = ask(*[("GET", "/hub/api/users", "token alice", None)] * (BURST_CALLS + 20))
    statuses = [status for status, _ in answers]
    assert statuses[:BURST_CALLS] == [403] * BURST_CALLS
    assert 429 in statuses[BURST_CALLS:]


def test_long_bodies_do_not_reach_the_hub(ask):
    answers, _ = ask(("POST", "/hub/api/oauth2/token", "token alice", "x" * (65 << 10)))
    assert answers[0][0] == 413
