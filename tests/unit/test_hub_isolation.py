"""The plan of a session and its arguments, without root and without a sandbox."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath

import pytest

from hub_config.bubblewrap import arguments
from hub_config.errors import Refused
from hub_config.isolation import MANIFEST, Seat, plan
from hub_config.layout import Layout, session_id, unix_url
from hub_config.settings import parse
from tests.unit.test_hub_settings import CENTRE, changed
from workbench.session import read_manifest

SEAT = Seat(uid=201_001, gid=201_000, library="abc", token="t" * 32)


@pytest.fixture
def planned():
    return plan("alice", "heart", parse(CENTRE), seat=SEAT)


@pytest.fixture
def mounts(planned):
    return {mount.target: mount for mount in planned.mounts}


def test_only_members_get_a_plan():
    for user, project in (("bob", "heart"), ("alice", "nowhere"), ("", "")):
        with pytest.raises(Refused, match="not a member"):
            plan(user, project, parse(CENTRE), seat=SEAT)


def test_every_namespace_is_its_own_and_no_capability_is_left(planned):
    words = arguments(planned, info_fd=5, seccomp_fd=6)
    assert {f"--unshare-{name}" for name in ("user", "ipc", "pid", "net", "uts", "cgroup")} <= set(words)
    assert "--disable-userns" in words
    assert "--new-session" in words
    assert words[words.index("--cap-drop") + 1] == "ALL"
    assert "--cap-add" not in words
    assert not {"--share-net", "--dev-bind", "--uid 0"} & set(words)
    assert words[words.index("--seccomp") + 1] == "6"


def test_only_home_shared_folder_and_outbox_of_the_host_are_writable(mounts):
    assert {target for target, mount in mounts.items() if mount.kind == "rw"} == {"/home/work", "/shared", "/outbox"}
    assert {target for target, mount in mounts.items() if mount.kind == "tmpfs"} == {"/tmp", "/dev/shm"}
    assert all(mount.size_bytes > 0 for mount in mounts.values() if mount.kind == "tmpfs")


def test_the_mount_contract(mounts):
    sid = session_id("alice", "heart")
    expected = {
        "/data": ("ro", "/srv/slices/heart"),
        "/home/work": ("rw", f"/var/lib/wb/homes/{sid}"),
        "/shared": ("rw", "/var/lib/wb/shared/heart"),
        "/outbox": ("rw", "/var/lib/wb/outbox/heart/alice"),
        "/run/airlock": ("ro", "/var/lib/wb/airlock-status/heart/alice"),
        "/run/hub": ("ro", "/var/lib/wb/run/gate"),
        "/opt/workbench/library": ("ro", "/var/lib/wb/library/abc"),
        "/opt/wb": ("ro", "/opt/wb"),
    }
    assert {target: (mounts[target].kind, mounts[target].source) for target in expected} == expected


def test_nothing_else_of_the_host_is_mounted(mounts):
    """A new host path in a plan has to be put down here by somebody who thought about it."""
    sources = {mount.source for mount in mounts.values() if mount.kind in {"ro", "ro-try", "rw", "dev"}}
    state = {source for source in sources if source.startswith("/var/lib/wb/")}
    assert sources - state == {
        "/usr",
        "/opt/wb",
        "/srv/slices/heart",
        "/etc/alternatives",
        "/etc/fonts",
        "/etc/ld.so.cache",
        "/etc/localtime",
        "/etc/mime.types",
    }
    for source in sources:
        assert not Path("/etc/passwd").is_relative_to(source)
        assert not Path("/root").is_relative_to(source)


def test_parents_are_mounted_before_what_lies_in_them(planned):
    targets = [mount.target for mount in planned.mounts]
    for later, target in enumerate(targets):
        assert not any(
            PurePosixPath(earlier) != PurePosixPath(target) and PurePosixPath(earlier).is_relative_to(target) for earlier in targets[:later]
        )


def test_the_root_and_dev_are_made_read_only_last(planned):
    words = arguments(planned, info_fd=5, seccomp_fd=6)
    last_mount = max(i for i, word in enumerate(words) if word in {"--bind", "--ro-bind", "--tmpfs", "--symlink"})
    read_only = [words[i + 1] for i, word in enumerate(words) if word == "--remount-ro" and i > last_mount]
    assert read_only == ["/dev", "/"]


def test_the_environment_holds_one_secret_and_nothing_of_the_hub_s_own(planned, monkeypatch):
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "leak")
    again = plan("alice", "heart", parse(CENTRE), seat=SEAT)
    assert again.environment == planned.environment
    assert [name for name, value in planned.environment.items() if SEAT.token in value] == ["JUPYTERHUB_API_TOKEN"]
    assert not any("/var/lib/wb" in value for value in planned.environment.values())
    assert not any(word in name for name in planned.environment for word in ("PROXY", "SECRET", "PASSWORD", "CRYPT"))


def test_the_token_and_host_paths_are_not_on_the_command_line(planned):
    command = " ".join(planned.command)
    assert SEAT.token not in command
    assert "/var/lib/wb" not in command


def test_the_manifest_is_the_contract(planned):
    assert tomllib.loads(planned.manifest) == {
        "schema": 1,
        "user": "alice",
        "project": "heart",
        "session": session_id("alice", "heart"),
        "language": "zh",
        "data": {"store": "/data"},
        "home": {"path": "/home/work"},
        "shared": {"path": "/shared"},
        "disclosure": {"threshold": 10, "rounding": 5},
        "display": {"bytes_per_hour": 32 << 20},
        "release": {"outbox": "/outbox", "status": "/run/airlock"},
        "broker": {"socket": "/run/hub/gate.sock"},
    }
    assert planned.environment["WORKBENCH_SESSION"] == MANIFEST


def test_the_library_reads_the_manifest_that_the_hub_writes(planned, tmp_path):
    """The one document that both sides share: written by one, read by the other."""
    path = tmp_path / "session.toml"
    path.write_text(planned.manifest, encoding="utf-8")
    read = read_manifest(path)
    assert (read.user, read.project, read.session) == ("alice", "heart", planned.sid)
    assert (read.disclosure.threshold, str(read.release.outbox), str(read.data.store)) == (10, "/outbox", "/data")


def test_two_people_share_the_folder_of_their_project_and_nothing_else():
    settings = parse(changed("projects", [{"name": name, "members": ["alice", "bob"]} for name in ("heart", "lung")]))
    folders = {
        (user, project, mount.target): mount.source
        for user in ("alice", "bob")
        for project in ("heart", "lung")
        for mount in plan(user, project, settings, seat=SEAT).mounts
        if mount.kind == "rw"
    }
    shared = {place for place in folders if place[2] == "/shared"}
    own = [source for place, source in folders.items() if place not in shared]
    assert len(own) == len(set(own)) == 8
    assert {(project, folders[user, project, target]) for user, project, target in shared} == {
        (name, f"/var/lib/wb/shared/{name}") for name in ("heart", "lung")
    }


def test_the_shared_folder_belongs_to_the_project(planned):
    folder = next(folder for folder in planned.folders if folder.path == Path("/var/lib/wb/shared/heart"))
    assert (folder.owner, folder.group, oct(folder.mode)) == (0, SEAT.gid, "0o2770")


def test_listed_devices_are_passed_and_no_others():
    settings = parse(changed("devices", ["/dev/nvidia0"]))
    passed = [mount.target for mount in plan("alice", "heart", settings, seat=SEAT).mounts if mount.kind == "dev"]
    assert passed == ["/dev/nvidia0"]


def test_outbox_belongs_to_its_author_and_is_read_by_the_airlock(planned):
    layout = Layout(Path("/var/lib/wb"), 200_000)
    folder = next(folder for folder in planned.folders if folder.path == layout.outbox("heart", "alice"))
    assert (folder.owner, folder.group, oct(folder.mode)) == (SEAT.uid, 200_005, "0o2750")
    status = next(folder for folder in planned.folders if folder.path == layout.airlock_status("heart", "alice"))
    assert (status.owner, status.group, oct(status.mode)) == (200_005, SEAT.gid, "0o2750")


def test_sockets_have_room_and_small_letters():
    layout = Layout(Path("/" + "x" * 59), 200_000)
    paths = [
        layout.hub_socket,
        layout.proxy_api,
        layout.guard_socket,
        layout.gate_socket,
        layout.agent_socket,
        layout.session_socket("0" * 16),
    ]
    assert all(len(str(path)) < 108 and str(path) == str(path).lower() for path in paths)
    with pytest.raises(ValueError, match="capital letters"):
        unix_url(Path("/run/Hub.sock"))


def test_no_folder_of_the_installation_is_writable_by_all():
    for folder in Layout(Path("/var/lib/wb"), 200_000).folders():
        assert not folder.mode & 0o002, folder.path
