"""Any change to a ledger is found: edits of a byte, of a field, deletions, insertions, reorderings, cut tails; and kills are survived."""

import json
import os
import random
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import DataError, IntegrityError, Refusal
from workbench.release.ledger import Anchor, Ledger, verify

N_ENTRIES = 12


def clock():
    seconds = count()
    return lambda: datetime(2026, 1, 1, 0, 0, next(seconds) % 60, tzinfo=UTC)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    ledger = Ledger(path, clock=clock())
    for i in range(N_ENTRIES):
        ledger.append(("wang", "li")[i % 2], "view", f"request/{i}", {"n": i, "说明": "台账" * (i % 3)})
    assert verify(path).intact
    return path


def recomputed(line: bytes, change) -> bytes:
    """Change an entry and mend its hash, as someone would who knows the form but not the key."""
    import hashlib

    entry = json.loads(line)
    change(entry)
    body = {key: value for key, value in entry.items() if key not in ("hash", "seal")}
    entry["hash"] = hashlib.sha256(canonical(body)).hexdigest()
    return canonical(entry)


def canonical(value) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def flip_byte(lines, data, rng):
    at, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]


def drop_byte(lines, data, rng):
    at = rng.randrange(len(data))
    return data[:at] + data[at + 1 :]


def insert_byte(lines, data, rng):
    at = rng.randrange(len(data) + 1)
    return data[:at] + bytes([rng.randrange(256)]) + data[at:]


def delete_entries(lines, data, rng):
    start = rng.randrange(len(lines))
    return joined(lines[:start] + lines[start + rng.randint(1, len(lines) - start) :])


def duplicate(lines, data, rng):
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines) + 1)
    return joined([*lines[:j], lines[i], *lines[j:]])


def swap(lines, data, rng):
    i, j = rng.sample(range(len(lines)), 2)
    changed = list(lines)
    changed[i], changed[j] = changed[j], changed[i]
    return joined(changed)


def shuffle(lines, data, rng):
    changed = list(lines)
    while changed == lines:
        rng.shuffle(changed)
    return joined(changed)


def cut_bytes(lines, data, rng):
    return data[: rng.randrange(len(data))]


def rewrite_from(lines, data, rng):
    """Edit one entry and rebuild the chain after it, all hashes right: only the seals are not."""
    start = rng.randrange(len(lines))
    changed = [*lines[:start], recomputed(lines[start], lambda e: e.update(actor="nobody"))]
    for line in lines[start + 1 :]:
        previous = json.loads(changed[-1])["hash"]
        changed.append(recomputed(line, lambda e, p=previous: e.update(previous=p)))
    return joined(changed)


def forge_entry(lines, data, rng):
    """Append an entry of one's own with a right hash."""
    last = json.loads(lines[-1])
    return joined([*lines, recomputed(lines[-1], lambda e: e.update(seq=last["seq"] + 1, previous=last["hash"]))])


def respell(lines, data, rng):
    """Write the same JSON in other bytes."""
    i = rng.randrange(len(lines))
    return joined([*lines[:i], json.dumps(json.loads(lines[i])).encode(), *lines[i + 1 :]])


def joined(lines) -> bytes:
    return b"".join(line + b"\n" for line in lines)


MUTATIONS = [
    flip_byte, drop_byte, insert_byte, delete_entries, duplicate, swap, shuffle, cut_bytes, rewrite_from, forge_entry, respell,
]  # fmt: skip


def check_mutation(original: Path, where: Path, mutate, seed: int) -> None:
    data = original.read_bytes()
    changed = mutate(data.split(b"\n")[:-1], data, random.Random(seed))
    if changed == data:
        return
    where.write_bytes(changed)
    assert not verify(where, key_path=original.with_name("ledger.jsonl.key")).intact, (mutate.__name__, seed)


@pytest.fixture(scope="module")
def copy(original, tmp_path_factory) -> Path:
    where = tmp_path_factory.mktemp("copy") / "ledger.jsonl"
    shutil.copy(original.with_name("ledger.jsonl.head"), where.with_name("ledger.jsonl.head"))
    return where


FIXTURES_STAY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=2200, deadline=None, suppress_health_check=FIXTURES_STAY, database=None)
@given(mutate=st.sampled_from(MUTATIONS), seed=st.integers(0, 2**32))
def test_every_change_is_found(original, copy, mutate, seed):
    check_mutation(original, copy, mutate, seed)


@pytest.mark.nightly
@settings(max_examples=10_000, deadline=None, suppress_health_check=FIXTURES_STAY, database=None)
@given(mutate=st.sampled_from(MUTATIONS), seed=st.integers(0, 2**32))
def test_every_change_is_found_ten_thousand_times(original, copy, mutate, seed):
    check_mutation(original, copy, mutate, seed)


@pytest.fixture
def mine(original, tmp_path) -> Path:
    for name in ("ledger.jsonl", "ledger.jsonl.head", "ledger.jsonl.key"):
        shutil.copy(original.with_name(name), tmp_path / name)
    return tmp_path / "ledger.jsonl"


def kinds(path: Path, **options) -> set[str]:
    return {fault.kind for fault in verify(path, **options).faults}


def test_each_kind_of_fault_has_its_name(mine):
    lines = mine.read_bytes().split(b"\n")[:-1]
    mine.write_bytes(joined(lines[:-2]))
    assert kinds(mine) == {"head"}
    mine.write_bytes(joined([*lines[:4], *lines[5:]]))
    assert kinds(mine) == {"order", "chain"}
    mine.write_bytes(joined([*lines[:4], recomputed(lines[4], lambda e: e.update(actor="x")), *lines[5:]]))
    assert kinds(mine) == {"seal", "chain"}
    mine.write_bytes(joined(lines) + b'{"half')
    assert kinds(mine) == {"torn"}


def test_a_missing_or_forged_head_is_a_fault(mine):
    head = mine.with_name("ledger.jsonl.head")
    forged = json.loads(head.read_bytes()) | {"seq": N_ENTRIES - 2}
    head.write_bytes(canonical(forged))
    assert kinds(mine) == {"head"}
    head.unlink()
    assert kinds(mine) == {"head"}


def test_an_older_ledger_put_back_with_its_head_is_found_by_an_anchor_only(mine, tmp_path):
    before = {path: path.read_bytes() for path in (mine, mine.with_name("ledger.jsonl.head"))}
    Ledger(mine).append("wang", "download", "request/x")
    head = verify(mine).head
    for path, content in before.items():
        path.write_bytes(content)
    assert verify(mine).intact
    assert kinds(mine, anchor=head) == {"anchor"}
    assert kinds(mine, anchor=Anchor(seq=head.seq - 1, hash=json.loads(before[mine].split(b"\n")[-2])["hash"])) == set()


def test_without_its_key_a_ledger_is_neither_verified_nor_continued(mine):
    mine.with_name("ledger.jsonl.key").unlink()
    with pytest.raises(IntegrityError, match="key"):
        verify(mine)
    with pytest.raises(IntegrityError, match="key"):
        Ledger(mine).append("a", "b", "c")
    assert not mine.with_name("ledger.jsonl.key").exists()


def test_a_torn_line_is_set_aside_and_said(mine):
    with mine.open("ab") as file:
        file.write(b'{"action":"half an ent')
    assert kinds(mine) == {"torn"}
    Ledger(mine).append("wang", "view", "request/1")
    assert verify(mine).intact
    entries = list(Ledger(mine).entries())
    assert [e.action for e in entries[-2:]] == ["torn line set aside", "view"]
    assert entries[-2].detail["bytes"] == 22
    assert next(mine.parent.glob("*.torn-*")).read_bytes() == b'{"action":"half an ent'


def test_a_kill_between_entry_and_head_is_survived(mine):
    head = mine.with_name("ledger.jsonl.head")
    old = head.read_bytes()
    Ledger(mine).append("wang", "view", "request/1")
    head.write_bytes(old)
    assert verify(mine).intact
    Ledger(mine).append("wang", "view", "request/2")
    assert verify(mine).entries == N_ENTRIES + 2


def test_a_changed_end_is_not_continued(mine):
    lines = mine.read_bytes().split(b"\n")[:-1]
    mine.write_bytes(joined(lines[:-1]))
    with pytest.raises(IntegrityError, match="not what its head says"):
        Ledger(mine).append("a", "b", "c")


@pytest.mark.parametrize(
    ("words", "detail"),
    [(("", "b", "c"), {}), (("a", "", "c"), {}), (("a", "b", ""), {}),
     (("a", "b", "c"), {"x": {1, 2}}), (("a", "b", "c"), {"x": float("nan")}),
     (("a", "b", "c"), {"x": "y" * 100_000})],
    ids=["actor", "action", "subject", "set", "nan", "long"],
)  # fmt: skip
def test_what_is_no_entry_is_refused(mine, words, detail):
    with pytest.raises(Refusal):
        Ledger(mine).append(*words, detail)
    assert verify(mine).entries == N_ENTRIES


def test_no_ledger_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no ledger"):
        verify(tmp_path / "ledger.jsonl")


WRITER = """
import sys
from pathlib import Path
from workbench.release.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
for i in range(int(sys.argv[2])):
    ledger.append(sys.argv[3], "write", f"n/{i}")
    print(i, flush=True)
"""


def start(path: Path, n: int, name: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(n), name], env=environment, stdout=subprocess.PIPE, text=True)


def test_several_processes_write_one_ledger(tmp_path):
    path = tmp_path / "ledger.jsonl"
    writers = [start(path, 20, name) for name in ("one", "two", "three")]
    assert [writer.communicate(timeout=60) and writer.returncode for writer in writers] == [0, 0, 0]
    assert verify(path).intact
    assert verify(path).entries == 60


@pytest.mark.parametrize("lines", [1, 4, 9])
def test_what_was_acknowledged_survives_a_kill(tmp_path, lines):
    path = tmp_path / "ledger.jsonl"
    writer = start(path, 10_000, "one")
    acknowledged = [writer.stdout.readline() for _ in range(lines)]
    writer.kill()
    writer.communicate()
    Ledger(path).append("two", "after", "kill")
    found = verify(path)
    assert found.intact
    assert found.entries >= len(acknowledged) + 1
