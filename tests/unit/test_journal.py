"""Journals lose nothing: not by a kill, not by two writers, not by a full disk."""

from __future__ import annotations

import errno
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from workbench.errors import EnvironmentFault
from workbench.journal import append_entry, read_entries


def _many(path, writer):
    for number in range(50):
        append_entry(path, {"writer": writer, "number": number})


def test_several_processes_lose_nothing(tmp_path):
    path = tmp_path / "deep" / "journal.jsonl"
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        list(pool.map(_many, [path] * 3, range(3)))
    found = read_entries(path)
    assert not found.damaged
    assert sorted((each["writer"], each["number"]) for each in found.entries) == [(w, n) for w in range(3) for n in range(50)]
    assert all(each["at"].endswith("+00:00") for each in found.entries)


def test_a_torn_line_is_told_and_spoils_no_other(tmp_path):
    path = tmp_path / "journal.jsonl"
    append_entry(path, {"value": "甲"})
    with path.open("ab") as file:
        file.write(b'{"value": "\xe4')
    append_entry(path, {"value": "乙"})
    found = read_entries(path)
    assert [each["value"] for each in found.entries] == ["甲", "乙"]
    assert found.damaged == (2,)


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    append_entry(path, {"value": 1})
    before, write = path.read_bytes(), os.pwrite

    def full(handle, data, offset):
        write(handle, data[:5], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(EnvironmentFault, match="No space left"):
        append_entry(path, {"value": 2})
    assert path.read_bytes() == before


def test_no_journal_is_empty(tmp_path):
    assert read_entries(tmp_path / "none.jsonl").entries == ()
