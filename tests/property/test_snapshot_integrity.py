"""Any change to a published snapshot is found: a byte, a length, a file, a folder, a link, a name, the manifest itself."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.lib.stores import small_store
from workbench.errors import DataError, IntegrityError
from workbench.store import Store
from workbench.store.manifest import Manifest, list_files
from workbench.store.verify import verify


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    store = tmp_path_factory.mktemp("published")
    small_store(store, people=5, rows=30)
    return store


@pytest.fixture
def copy(published, tmp_path):
    """A copy to harm: the store's folder and that of its snapshot."""
    return _copy(published, tmp_path / "store")


def _copy(published, target):
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(published, target)
    [snapshot] = (target / "snapshots").iterdir()
    for _, path in list_files(snapshot):
        path.chmod(0o644)
    return target, snapshot


def _kinds(store):
    return [(fault.kind, fault.path) for fault in verify(store)[1]]


def test_an_untouched_store_is_clean(copy):
    store, snapshot = copy
    assert verify(store) == ([snapshot.name], [])
    assert verify(snapshot) == ([snapshot.name], [])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_is_found(published, tmp_path, data):
    store, snapshot = _copy(published, tmp_path / "store")
    files = [path for _, path in list_files(snapshot)]
    path = data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert _kinds(store) == [("changed", path.relative_to(snapshot).as_posix())]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), change=st.sampled_from(["cut", "append", "remove", "empty"]))
def test_any_changed_length_is_found(published, tmp_path, data, change):
    store, snapshot = _copy(published, tmp_path / "store")
    path = data.draw(st.sampled_from([path for _, path in list_files(snapshot)]))
    content = path.read_bytes()
    if change == "remove":
        path.unlink()
    else:
        path.write_bytes({"cut": content[:-1], "append": content + b"\n", "empty": b""}[change])
    assert _kinds(store) == [("missing" if change == "remove" else "changed", path.relative_to(snapshot).as_posix())]


def _extra_file(snapshot):
    (snapshot / "tables" / "person" / "part-00001.parquet").write_bytes(b"")


def _extra_hidden(snapshot):
    (snapshot / ".hidden").write_bytes(b"x")


def _extra_folder(snapshot):
    (snapshot / "index" / "notes").mkdir(parents=True)


def _extra_link(snapshot):
    (snapshot / "link").symlink_to("/etc/hostname")


@pytest.mark.parametrize("add", [_extra_file, _extra_hidden, _extra_folder, _extra_link])
def test_anything_extra_is_found(copy, add):
    store, snapshot = copy
    add(snapshot)
    assert {kind for kind, _ in _kinds(store)} == {"extra"}


def test_a_link_in_place_of_a_file_is_found(copy, tmp_path):
    store, snapshot = copy
    [(_, path)] = [(name, path) for name, path in list_files(snapshot) if "person" in name]
    shutil.move(path, tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert [kind for kind, _ in _kinds(store)] == ["changed"]


def test_exchanged_files_are_found(copy):
    store, snapshot = copy
    a, b = snapshot / "tables/person/part-00000.parquet", snapshot / "tables/measurement/part-00000.parquet"
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)
    assert [kind for kind, _ in _kinds(store)] == ["changed", "changed"]


def test_a_manifest_that_was_made_to_fit_is_found(copy):
    store, snapshot = copy
    path = snapshot / "manifest.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["tables"]["person"]["rows"] = 6
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    assert _kinds(store) == [("changed", "manifest.json")]
    with pytest.raises(IntegrityError, match="was changed"):
        Store(store).latest()


def test_a_renamed_snapshot_is_found(copy):
    store, snapshot = copy
    snapshot.rename(snapshot.with_name("20990101T000000Z-0000000000000000"))
    assert _kinds(store) == [("changed", "manifest.json")]


def test_a_stray_file_among_the_snapshots_is_found(copy):
    store, _ = copy
    (store / "snapshots" / "stray").write_bytes(b"")
    assert _kinds(store) == [("extra", "")]


def test_a_folder_without_manifest_is_found(copy):
    store, snapshot = copy
    (snapshot / "manifest.json").unlink()
    assert _kinds(store) == [("missing", "manifest.json")]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"created": 3}', b'{"created": "2020-01-01T00:00:00+00:00"}'])
def test_a_broken_manifest_is_an_integrity_error(copy, content):
    _, snapshot = copy
    (snapshot / "manifest.json").write_bytes(content)
    with pytest.raises(IntegrityError):
        Manifest.read(snapshot)


def test_what_is_no_store_is_said_to_be_none(tmp_path):
    with pytest.raises(DataError, match="neither a store nor a snapshot"):
        verify(tmp_path)
