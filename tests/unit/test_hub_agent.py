"""The agent's answers to a hub that may have been taken over; no sandbox is started here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub_config import agent as agent_module
from hub_config.agent import Agent, Seats
from hub_config.cgroups import Hierarchy
from hub_config.settings import parse
from tests.unit.test_hub_settings import changed

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def agent(tmp_path, monkeypatch):
    (tmp_path / "agent").mkdir()
    settings = parse(changed("paths", {"state": "/var/lib/wb", "slices": str(tmp_path)}))
    monkeypatch.setattr(agent_module.Layout, "seats", property(lambda _self: tmp_path / "agent" / "seats.json"))
    return Agent(settings, "abc", Hierarchy(1, {}, ()))


@pytest.fixture
def started(monkeypatch):
    """The plans that would have been carried out."""
    plans = []
    monkeypatch.setattr(agent_module, "start", lambda plan, **_parts: plans.append(plan))
    monkeypatch.setattr(agent_module, "open_slice", lambda _path, _gid: None)
    return plans


def ask(agent, **request):
    return agent.answer(request)


def test_a_member_gets_the_plan_of_the_settings(agent, started):
    assert ask(agent, do="start", user="alice", project="heart", token=TOKEN)["ok"]
    (plan,) = started
    assert (plan.user, plan.project, plan.environment["JUPYTERHUB_API_TOKEN"]) == ("alice", "heart", TOKEN)


def test_what_else_the_hub_sends_is_not_looked_at(agent, started):
    wishes = {"mounts": [["/", "/evil"]], "environment": {"LD_PRELOAD": "/evil"}, "command": ["/bin/sh"], "uid": 0}
    assert ask(agent, do="start", user="alice", project="heart", token=TOKEN, **wishes)["ok"]
    text = repr(started[0])
    assert "/evil" not in text
    assert "LD_PRELOAD" not in text
    assert "/bin/sh" not in text.replace("'/bin/bash'", "")
    assert started[0].uid > 200_000


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "start", "user": "bob", "project": "heart", "token": TOKEN},
        {"do": "start", "user": "alice", "project": "nowhere", "token": TOKEN},
        {"do": "start", "user": "../alice", "project": "heart", "token": TOKEN},
        {"do": "start", "user": "alice", "project": "heart/../..", "token": TOKEN},
        {"do": "start", "user": ["alice"], "project": "heart", "token": TOKEN},
        {"do": "start", "user": "alice", "project": "heart", "token": "x\nLD_PRELOAD=/evil"},
        {"do": "start", "user": "alice", "project": "heart", "token": f"{TOKEN}\nLD_PRELOAD=/evil"},
        {"do": "start", "user": "alice", "project": "heart", "token": ""},
        {"do": "start", "user": "alice", "project": "heart"},
        {"do": "stop", "user": "alice\n", "project": "heart"},
        {"do": "status"},
        {"do": "__init__"},
        {"do": "end_all"},
        {},
    ],
)
def test_refused(agent, started, request_):
    answer = agent.answer(request_)
    assert not answer["ok"]
    assert answer["refused"]
    assert started == []


def test_a_project_without_a_slice_says_so(agent):
    answer = ask(agent, do="start", user="alice", project="heart", token=TOKEN)
    assert not answer["ok"]
    assert "no data slice" in answer["error"]


def test_seats_are_kept_and_never_given_twice(tmp_path):
    path = tmp_path / "seats.json"
    first = Seats(path, 5000)
    given = [first.number(key) for key in ("heart", "heart/alice", "heart", "lung/bob")]
    assert given == [5000, 5001, 5000, 5002]
    again = Seats(path, 5000)
    assert again.number("heart/alice") == 5001
    assert again.number("new") == 5003
    assert json.loads(Path(path).read_text())["new"] == 5003
