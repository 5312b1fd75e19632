"""Taking files out of a folder whose owner may change it: what is taken is what was there, or nothing."""

import os
import stat
from pathlib import Path

import pytest

from workbench.errors import IntegrityError, Refusal
from workbench.release import intake
from workbench.release.intake import ObjectStore, open_beneath
from workbench.release.names import check_file_names, is_account, is_request_id


@pytest.fixture
def outbox(tmp_path):
    folder = tmp_path / "outbox"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"safe")
    (tmp_path / "secret").write_bytes(b"secret")
    return folder


@pytest.fixture
def store(tmp_path):
    return ObjectStore(tmp_path / "objects")


@pytest.fixture(params=["openat2", "component by component"])
def way(request, monkeypatch):
    """Both ways of opening: the kernel's, and the one for kernels without it."""
    if request.param != "openat2":

        def absent(*_):
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(intake, "_openat2", absent)
    return request.param


def take(store, folder, path, limit=1000):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return store.take(descriptor, path, limit_bytes=limit)
    finally:
        os.close(descriptor)


def test_a_copy_is_named_by_its_hash_and_cannot_be_written(way, outbox, store):
    stored = take(store, outbox, "a.csv")
    path = store.path(stored.sha256)
    assert path.read_bytes() == b"safe" == store.read(stored)
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    (outbox / "a.csv").write_bytes(b"other")
    assert store.read(stored) == b"safe"


@pytest.mark.parametrize("path", ["../secret", "link", "linked/secret", "/etc/passwd", "sub/../../secret", "no", "fifo", "sub", "hard"])
def test_what_is_not_a_plain_file_inside_is_refused(way, outbox, store, path, tmp_path):
    (outbox / "link").symlink_to(tmp_path / "secret")
    (outbox / "linked").symlink_to(tmp_path)
    (outbox / "sub").mkdir()
    (outbox / "hard").hardlink_to(tmp_path / "secret")
    os.mkfifo(outbox / "fifo")
    with pytest.raises(Refusal):
        take(store, outbox, path)
    assert not store.root.exists() or not [p for p in store.root.rglob("*") if p.is_file()]


def test_a_device_is_refused(way, store):
    with pytest.raises(Refusal, match="not a regular file"):
        take(store, "/dev", "zero")


def test_a_link_within_the_outbox_is_refused_too(way, outbox, store):
    (outbox / "alias").symlink_to("a.csv")
    with pytest.raises(Refusal, match="symbolic link"):
        take(store, outbox, "alias")


def test_too_long_is_refused(way, outbox, store):
    with pytest.raises(Refusal, match="the limit is 3"):
        take(store, outbox, "a.csv", limit=3)


@pytest.mark.parametrize("change", ["grows", "shrinks", "rewritten"])
def test_a_file_that_changes_during_the_copy_is_refused(outbox, store, monkeypatch, change):
    path = outbox / "a.csv"
    path.write_bytes(b"x" * 100)
    read = os.read

    def slow(descriptor, n):
        chunk = read(descriptor, 10)
        if change == "grows":
            with path.open("ab") as file:
                file.write(b"y" * 20)
        elif change == "shrinks":
            os.truncate(path, 50)
        else:
            path.write_bytes(b"z" * 100)
        return chunk

    monkeypatch.setattr(intake.os, "read", slow)
    with pytest.raises(Refusal, match=r"changed while|grew beyond"):
        take(store, outbox, "a.csv")
    assert not [p for p in store.root.rglob("*") if p.is_file()]


def test_a_changed_copy_is_found(outbox, store):
    stored = take(store, outbox, "a.csv")
    store.path(stored.sha256).chmod(0o644)
    store.path(stored.sha256).write_bytes(b"evil")
    with pytest.raises(IntegrityError, match="was changed"):
        store.read(stored)
    store.path(stored.sha256).unlink()
    with pytest.raises(IntegrityError, match="cannot be read"):
        store.read(stored)


def test_descriptors_are_closed(way, outbox, tmp_path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    descriptor = os.open(outbox, os.O_RDONLY)
    for path in ("a.csv", "no", "../secret"):
        try:
            with open_beneath(descriptor, path):
                pass
        except Refusal:
            continue
    os.close(descriptor)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    "names",
    [[""], ["."], [".."], [".hidden "], ["a/b"], ["a\\b"], ["a\nb"], ["a\u202egnp.csv"], ["a\u200b.csv"], ["e\u0301.csv"],
     ["x" * 201], ["a.csv", "A.CSV"],
     ["\ud800.csv"], [" a"], ["a."], ["a|b"]],
    ids=ascii,
)  # fmt: skip
def test_unfit_names_are_refused(names):
    with pytest.raises(Refusal):
        check_file_names(names)


def test_fit_names():
    check_file_names(["表1 基线特征.csv", "fig-2.png", "A_b(1).html"])
    assert is_account("li.wei-2")
    assert not any(map(is_account, ["", "Li", "../x", ".x", "a b", "李"]))
    assert is_request_id("20260102-030405-0011223344556677")
    assert not any(map(is_request_id, ["short", "..", "a/b/c/d/e/f", "UPPERCASE1"]))
