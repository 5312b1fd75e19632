"""The centre's settings: read whole or refused with the key's name."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from hub_config.errors import SettingsError
from hub_config.settings import load, parse

EXAMPLE = Path(__file__).resolve().parents[2] / "hub_config" / "centre.example.toml"
CENTRE = {
    "paths": {"state": "/var/lib/wb", "slices": "/srv/slices"},
    "public": {"port": 8000},
    "image": {"python": "/opt/wb/bin/python", "prefixes": ["/opt/wb"]},
    "disclosure": {"threshold": 10, "rounding": 5},
    "users": [{"name": "alice", "role": "researcher"}, {"name": "bob", "role": "student"}],
    "projects": [{"name": "heart", "members": ["alice"]}],
}


def changed(path: str, value: object) -> dict:
    """Return the centre's table with one value set; ``users.0.name`` names an entry of a list."""
    table = copy.deepcopy(CENTRE)
    *parents, last = path.split(".")
    here = table
    for step in parents:
        here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
    here[last] = value
    return table


def test_the_example_is_valid_and_explains_every_key():
    settings = load(EXAMPLE)
    text = EXAMPLE.read_text(encoding="utf-8")
    assert settings.disclosure.threshold == 10
    assert settings.is_member("alice", "diabetes")
    for key in ("tls_key", "budget_mb_per_hour", "message_mb", "content_mb", "memory_mb", "cpu_cores", "processes", "tmp_mb", "first_id"):
        assert f"{key} =" in text


def test_defaults_are_filled_in():
    settings = parse(CENTRE)
    assert settings.language == "zh"
    assert settings.limits.processes == 512
    assert settings.public.url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("limit", {}, r"unknown key limit\n.*did you mean limits"),
        ("paths.stat", "/x", r"unknown key paths.stat\n.*paths.state"),
        ("users.0.passwd", "x", r"unknown key users\[0\].passwd"),
        ("guard.budget", 3, r"unknown key guard.budget\n"),
        ("public.port", "8000", r"public.port is '8000', wanted a value of type int"),
        ("public.port", 0, r"public.port is 0, wanted 1 to 65535"),
        ("public.port", True, r"public.port is True"),
        ("public.tls_key", "/k.pem", r"public.tls_key"),
        ("language", "fr", r"language is 'fr', wanted one of zh, en"),
        ("paths.state", "relative", r"paths.state is 'relative', wanted an absolute path"),
        ("paths.state", "/var/Lib", r"paths.state .* lower-case"),
        ("paths.state", "/" + "x" * 70, r"paths.state .* at most 60"),
        ("image.python", "/root/venv/bin/python", r"image.python .* under one of image.prefixes"),
        ("users.0.name", "../alice", r"users\[0\].name is '../alice'"),
        ("users.0.name", "Alice", r"users\[0\].name"),
        ("users.0.role", "king", r"users\[0\].role is 'king', wanted one of researcher"),
        ("users.1.name", "alice", r"each name once"),
        ("projects.0.members", ["carol"], r"projects.heart.members is \['carol'\]"),
        ("projects.0.name", "a/b", r"projects\[0\].name"),
        ("limits.memory_mb", 1, r"limits.memory_mb is 1, wanted 256 or more"),
        ("guard.message_mb", 0, r"guard.message_mb is 0.0, wanted more than 0"),
        ("disclosure.threshold", 0, r"disclosure.threshold is 0, wanted 1 or more"),
        ("services", [{"name": "a", "command": [], "account": "airlock"}], r"services\[0\].command"),
        ("services", [{"name": "a", "command": ["x"], "account": "hub"}], r"services\[0\].account is 'hub'"),
        ("users", {"alice": {}}, r"users is .* wanted a list"),
        ("paths", "x", r"paths is str, wanted a table"),
    ],
)
def test_what_is_wrong_is_named(path, value, said):
    with pytest.raises(SettingsError, match=said):
        parse(changed(path, value))


@pytest.mark.parametrize("key", ["disclosure", "disclosure.threshold", "disclosure.rounding", "paths.slices", "public.port", "image"])
def test_what_guards_disclosure_or_names_the_machine_has_no_default(key):
    table = copy.deepcopy(CENTRE)
    *parents, last = key.split(".")
    here = table[parents[0]] if parents else table
    del here[last]
    with pytest.raises(SettingsError, match=f"missing key {key}"):
        parse(table)


def test_a_missing_file_and_a_broken_one_say_so(tmp_path):
    with pytest.raises(SettingsError, match="cannot read the settings"):
        load(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("a = ", encoding="utf-8")
    with pytest.raises(SettingsError, match="is not TOML"):
        load(broken)


def test_membership():
    settings = parse(CENTRE)
    assert settings.is_member("alice", "heart")
    assert not settings.is_member("bob", "heart")
    assert not settings.is_member("alice", "nowhere")
