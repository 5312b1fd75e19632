"""Smaller parts of the hub: passwords, roles, processes, pages, the library's copy, folders."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from hub_config import library
from hub_config.components import components, identity
from hub_config.errors import HubError
from hub_config.layout import ACCOUNTS, Folder
from hub_config.pages.texts import TEXTS, table
from hub_config.passwords import FREE_FAILURES, WAIT_S, Throttle, generate, hash_password, verify
from hub_config.roles import EVERYONE, ROLES, SESSION
from hub_config.sandbox import make_folder, open_slice
from hub_config.seccomp import filter_file
from hub_config.settings import parse
from hub_config.supervisor import check
from tests.unit.test_hub_settings import CENTRE, changed

HUB_CONFIG = Path(library.__file__).parent


def test_passwords():
    stored = hash_password("correct-horse")
    assert verify("correct-horse", stored)
    assert not verify("correct-horsf", stored)
    assert not verify("", stored)
    assert not verify("correct-horse", "")
    assert not verify("correct-horse", "plain$correct-horse")
    assert hash_password("correct-horse") != stored
    assert re.fullmatch(r"([a-z2-9]{4}-){3}[a-z2-9]{4}", generate())
    assert generate() != generate()


def test_a_name_waits_after_some_failures_and_others_do_not():
    throttle = Throttle()
    for _ in range(FREE_FAILURES):
        assert not throttle.waits("alice", now=0.0)
        throttle.note("alice", success=False, now=0.0)
    assert throttle.waits("alice", now=WAIT_S - 1)
    assert not throttle.waits("bob", now=0.0)
    assert not throttle.waits("alice", now=WAIT_S)
    throttle.note("alice", success=True, now=WAIT_S)
    assert not throttle.waits("alice", now=WAIT_S)


def test_no_role_can_enter_another_s_session_or_make_tokens():
    for name, role in ROLES.items():
        for scope in role.scopes:
            assert not scope.startswith(("admin:", "tokens", "shares", "access:servers")) or scope == "access:servers!user", (name, scope)
    assert ROLES["reviewer"].scopes == ()
    assert not {"self", "tokens!user", "inherit"} & set(EVERYONE.scopes)
    assert set(SESSION.scopes) == {"users:activity!user", "access:servers!server"}


def test_only_the_agent_is_root_and_every_process_has_an_account_of_its_own():
    parts = components(parse(CENTRE), library="abc", proxy_token="secret")
    assert [part.name for part in parts] == ["agent", "gate", "guard", "proxy", "hub"]
    assert {part.name: identity(part, 200_000)[0] for part in parts if identity(part, 200_000)[0] == 0} == {"agent": 0}
    assert len({part.account for part in parts}) == len(parts)
    assert len(set(ACCOUNTS.values())) == len(ACCOUNTS)
    assert not any("secret" in word for part in parts for word in part.command)


def test_a_service_s_words_are_filled_in():
    service = {"name": "watch", "command": ["{python}", "-m", "x", "--state", "{state}", "--own", "{own}"], "environment": {"A": "{own}"}}
    part = components(parse(changed("services", [service])), library="abc", proxy_token="s")[-1]
    assert part.command == ("/opt/wb/bin/python", "-m", "x", "--state", "/var/lib/wb", "--own", "/var/lib/wb/airlock")
    assert part.environment == {"A": "/var/lib/wb/airlock"}
    assert identity(part, 200_000)[0] == 200_005


def test_pages_use_words_that_exist_in_both_languages():
    used = set()
    for page in (HUB_CONFIG / "pages").glob("*.html"):
        used |= set(re.findall(r"\bt\.(\w+)", page.read_text(encoding="utf-8")))
    assert used <= set(TEXTS)
    assert len(used) > 15
    for zh, en in TEXTS.values():
        assert re.search(r"[\u4e00-\u9fff]", zh)
        assert not re.search(r"[\u4e00-\u9fff]", en)
    assert table("en")["home"] == "Home"


def test_every_plugin_that_is_switched_off_is_locked_off():
    config = json.loads((HUB_CONFIG / "session/jupyter/labconfig/page_config.json").read_text(encoding="utf-8"))
    assert config["disabledExtensions"] == config["lockedExtensions"]
    assert {"@jupyterlab/docmanager-extension:download", "@jupyterlab/notebook-extension:export"} <= set(config["lockedExtensions"])


def test_the_filter_compiles():
    with filter_file() as file:
        program = file.read()
    assert len(program) > 500
    assert len(program) % 8 == 0


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "source"
    for package in library.PACKAGES:
        (root / package / "__pycache__").mkdir(parents=True)
        (root / package / "a.py").write_text(f"NAME = {package!r}\n")
        (root / package / "__pycache__" / "a.pyc").write_bytes(b"old")
    (root / "workbench" / "words.txt").write_text("词", encoding="utf-8")
    (root / "workbench" / "link.py").symlink_to("/etc/passwd")
    (root / "secret.txt").write_text("not ours")
    return root


def test_the_library_s_copy_is_named_by_its_content_and_older_ones_go(source, tmp_path):
    copies = tmp_path / "library"
    copies.mkdir()
    first = library.copy(source, copies)
    assert library.copy(source, copies) == first
    assert sorted(path.name for path in (copies / first).iterdir()) == sorted(library.PACKAGES)
    assert not (copies / first / "workbench" / "link.py").exists()
    (source / "nlp" / "a.py").write_text("NAME = 'changed'\n")
    second = library.copy(source, copies)
    assert second != first
    assert [path.name for path in copies.iterdir()] == [second]


def test_a_copy_that_was_changed_is_made_anew(source, tmp_path):
    copies = tmp_path / "library"
    copies.mkdir()
    name = library.copy(source, copies)
    (copies / name / "nlp" / "a.py").write_text("evil = 1\n")
    assert library.copy(source, copies) == name
    assert library.digest(copies / name) == name


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners, so it needs root")


@needs_root
def test_a_symlink_in_a_folder_s_place_is_refused(tmp_path):
    target = tmp_path / "target"
    target.mkdir(mode=0o755)
    (tmp_path / "home").symlink_to(target)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        make_folder(Folder(tmp_path / "home", 4242, 4242, 0o700))
    assert target.stat().st_uid == 0


@needs_root
def test_a_slice_is_opened_to_its_project_only(tmp_path):
    folder = tmp_path / "heart"
    folder.mkdir(mode=0o755)
    open_slice(folder, 4242)
    found = folder.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 4242, 0o750)
    link = tmp_path / "linked"
    link.symlink_to(tmp_path)
    before = tmp_path.stat().st_gid
    open_slice(link, 4242)
    assert tmp_path.stat().st_gid == before
    with pytest.raises(HubError, match="no data slice"):
        open_slice(tmp_path / "none", 4242)


def test_check_names_what_the_machine_lacks(tmp_path, monkeypatch):
    """An interpreter in a closed home, a missing proxy, a missing prefix: each is said before anything starts."""
    home = tmp_path / "home"
    image = tmp_path / "image" / "bin"
    (home / "bin").mkdir(parents=True)
    image.mkdir(parents=True)
    (home / "bin" / "python3").touch()
    (image / "python").symlink_to(home / "bin" / "python3")
    home.chmod(0o700)
    table = changed("image", {"python": str(image / "python"), "prefixes": [str(tmp_path / "image"), str(tmp_path / "none")]})
    faults = "\n".join(check(parse({**table, "paths": {**table["paths"], "node": str(tmp_path / "node")}})))
    assert "which sessions do not see" in faults
    assert f"{home} cannot be reached by other accounts" in faults
    assert "configurable-http-proxy is missing" in faults
    assert f"{tmp_path / 'none'} is not a folder" in faults
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "bubblewrap is missing" in "\n".join(check(parse(table)))
