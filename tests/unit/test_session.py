"""The session manifest: what is read, and which key is named when it does not fit."""

import re
from pathlib import Path

import pytest

from workbench import session
from workbench.errors import DefinitionError, EnvironmentFault, PolicyError

MANIFEST = """
schema = 1
user = "wang"
project = "diabetes"
session = "s1"
language = "zh"
[data]
store = "/data"
[home]
path = "/home/work"
[shared]
path = "/shared"
[disclosure]
threshold = 10
rounding = 5
[display]
bytes_per_hour = 1000
[release]
outbox = "/outbox"
status = "/run/airlock"
[broker]
socket = "/run/hub/broker.sock"
"""


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    def write(text: str) -> Path:
        path = tmp_path / "session.toml"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv(session.MANIFEST_VARIABLE, str(path))
        return path

    return write


def test_every_key_is_read(manifest):
    manifest(MANIFEST)
    here = session.current()
    assert (here.user, here.project, here.session, here.language) == ("wang", "diabetes", "s1", "zh")
    assert here.data.store == Path("/data")
    assert (here.home.path, here.shared.path) == (Path("/home/work"), Path("/shared"))
    assert (here.disclosure.threshold, here.disclosure.rounding) == (10, 5)
    assert (here.release.outbox, here.release.status) == (Path("/outbox"), Path("/run/airlock"))
    assert here.display.bytes_per_hour == 1000
    assert here.broker.socket == Path("/run/hub/broker.sock")


def test_a_session_cannot_be_changed(manifest):
    manifest(MANIFEST)
    with pytest.raises(AttributeError):
        session.current().user = "someone"


def test_outside_a_session_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv(session.MANIFEST_VARIABLE, str(tmp_path / "none.toml"))
    assert not session.in_session()
    with pytest.raises(EnvironmentFault, match="not a session"):
        session.current()


KEYS = [
    (None, "user"), (None, "project"), (None, "session"), (None, "language"), ("data", "store"), ("home", "path"), ("shared", "path"),
    ("disclosure", "threshold"), ("disclosure", "rounding"), ("display", "bytes_per_hour"),
    ("release", "outbox"), ("release", "status"), ("broker", "socket"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "key"), KEYS, ids=[".".join(filter(None, pair)) for pair in KEYS])
def test_a_missing_key_is_named(manifest, section, key):
    before, _, after = MANIFEST.partition(f"[{section}]") if section else ("", "", MANIFEST)
    manifest(before + (f"[{section}]" if section else "") + re.sub(rf"(?m)^{key} = .*\n", "", after, count=1))
    name = f"{section}.{key}" if section else key
    with pytest.raises((DefinitionError, PolicyError), match=rf"{name}\b") as caught:
        session.current()
    assert isinstance(caught.value, PolicyError) == (section == "disclosure")


@pytest.mark.parametrize(
    ("old", "new", "kind", "named"),
    [
        ('[data]\nstore = "/data"', '[data]\nstore = "/data"\nextra = 1', DefinitionError, "data.extra"),
        ('user = "wang"', 'user = "wang"\nrole = "x"', DefinitionError, "role"),
        ("[home]", "[homes]", DefinitionError, "homes"),
        ('user = "wang"', "user = 7", DefinitionError, "user"),
        ('user = "wang"', 'user = ""', DefinitionError, "user"),
        ('store = "/data"', 'store = "data"', DefinitionError, "absolute path"),
        ("threshold = 10", "threshold = true", PolicyError, "disclosure.threshold"),
        ("schema = 1", "schema = 2", DefinitionError, "schema"),
        ("schema = 1", "", DefinitionError, "schema"),
        ("[disclosure]\nthreshold = 10\nrounding = 5", "", PolicyError, "disclosure"),
        ("schema = 1", "schema == 1", DefinitionError, "cannot be read"),
    ],
    ids=["extra", "role", "section", "type", "empty", "relative", "bool", "schema", "no-schema", "no-policy", "syntax"],
)
def test_what_does_not_fit_is_named(manifest, old, new, kind, named):
    assert old in MANIFEST
    manifest(MANIFEST.replace(old, new))
    with pytest.raises(kind, match=named):
        session.current()
