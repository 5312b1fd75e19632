"""The receiver: what is acknowledged lies on the disk whole, whatever becomes of the process, the sender or the bytes."""

import hashlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import Verification

from imaging.dicom.header import read_header
from imaging.dicom.inbox import KEPT, OUTCOMES
from imaging.dicom.receiver import STATUS, receive
from imaging.errors import PlaceError, TaskError
from tests.lib.dicom_files import ct_series, mutated, uid
from tests.lib.dicom_mutations import hostile_files
from tests.lib.paths import REPOSITORY

SERVER = """
import sys
from imaging.dicom.receiver import serve
serve(0, sys.argv[1], room_bytes=0, grace_s=20, ready=lambda receiver: print(receiver.port, flush=True))
"""


@contextmanager
def sender(port: int, *, calling: str = "SCU", called: str = "WORKBENCH"):
    ae = AE(calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    for abstract in (CTImageStorage, MRImageStorage, Verification):
        ae.add_requested_context(abstract, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", port, ae_title=called)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        association.dul.kill_dul()
        if association.dul.socket.socket is not None:  # pynetdicom's sender leaves it open where its peer has gone
            association.dul.socket.socket.close()


def send_raw(association, data: bytes, instance: str, sop_class: str = CTImageStorage) -> int | None:
    """Send any bytes as a data set, which pynetdicom's own sender would not; return the status, or None where there is no answer."""
    request = C_STORE()
    request.MessageID, request.AffectedSOPClassUID, request.AffectedSOPInstanceUID, request.Priority = 7, sop_class, instance, 2
    request.DataSet = BytesIO(data)
    (context,) = (each for each in association.accepted_contexts if each.abstract_syntax == sop_class)
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return answer.Status if answer is not None else None


def body(dataset) -> bytes:
    """Return a data set's own bytes, as pynetdicom sends them."""
    return encode(dataset, False, True)


def journal(out: Path) -> list[tuple]:
    with sqlite3.connect(out / "journal.sqlite") as database:
        return database.execute("SELECT outcome, sop_instance_uid, path, reason, sender FROM journal").fetchall()


def kept(out: Path) -> dict[str, Path]:
    return {path.stem: path for path in (out / "instances").rglob("*") if path.is_file()}


def test_several_senders_at_once_and_every_byte_is_kept(tmp_path):
    series = {number: ct_series(6, series=number, nested=True) for number in range(1, 5)}
    statuses = []

    def work(number: int) -> None:
        with sender(receiver.port, calling=f"SCU{number}") as association:
            assert association.send_c_echo().Status == 0
            statuses.extend(association.send_c_store(dataset).Status for dataset in series[number])

    with receive(0, tmp_path, room_bytes=0) as receiver:
        threads = [threading.Thread(target=work, args=(number,)) for number in series]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [0] * 24
    files = kept(tmp_path)
    assert len(files) == 24
    for number, datasets in series.items():
        for dataset in datasets:
            path = files[dataset.SOPInstanceUID]
            assert path.relative_to(tmp_path).parts == ("instances", uid(1), uid(1, number), f"{dataset.SOPInstanceUID}.dcm")
            assert path.read_bytes().endswith(body(dataset))
            assert pydicom.dcmread(path) == dataset
    assert {row[4] for row in journal(tmp_path)} == {"SCU1", "SCU2", "SCU3", "SCU4"}


def test_same_bytes_are_kept_once_and_other_bytes_beside(tmp_path):
    first, second = ct_series(2)
    changed = ct_series(1, PatientID="OTHER")[0]
    elsewhere = ct_series(1, SeriesInstanceUID=uid(1, 77))[0]
    told = []
    with receive(0, tmp_path, room_bytes=0, told=told.append) as receiver, sender(receiver.port) as association:
        statuses = [association.send_c_store(each).Status for each in (first, second, first, changed, changed, elsewhere)]
    assert statuses == [0] * 6
    assert [outcome.code for outcome in told] == ["stored", "stored", "duplicate", "conflict", "duplicate", "conflict"]
    assert pydicom.dcmread(kept(tmp_path)[uid(1, 1, 1)]).PatientID == "P1"
    conflicts = [path for path in (tmp_path / "conflicts").rglob("*") if path.is_file()]
    assert {path.parent.name for path in conflicts} == {uid(1, 1, 1)}
    assert {pydicom.dcmread(path).PatientID for path in conflicts} == {"OTHER", "P1"}
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.stem for path in conflicts)


def test_an_instance_that_was_moved_away_is_taken_again(tmp_path):
    (dataset,) = ct_series(1)
    with receive(0, tmp_path, room_bytes=0) as receiver, sender(receiver.port) as association:
        association.send_c_store(dataset)
        kept(tmp_path)[uid(1, 1, 1)].unlink()
        assert association.send_c_store(dataset).Status == 0
    assert list(kept(tmp_path)) == [uid(1, 1, 1)]
    assert [row[0] for row in journal(tmp_path)] == ["stored", "stored"]


WHOLE = body(ct_series(1)[0])


@pytest.mark.parametrize(
    ("data", "instance", "status", "reason"),
    [
        (WHOLE[:-40], uid(1, 1, 1), 0xC000, "cut-short"),
        (b"not a data set at all" * 20, uid(1, 1, 1), 0xC000, None),
        (WHOLE, uid(5, 5), 0xA900, "mismatch"),
        (body(ct_series(1, StudyInstanceUID=None)[0]), uid(1, 1, 1), 0xC000, "missing"),
        (body(ct_series(1, StudyInstanceUID="../../../etc/passwd")[0]), uid(1, 1, 1), 0xC000, "bad-value"),
        (body(ct_series(1, SeriesInstanceUID="..")[0]), uid(1, 1, 1), 0xC000, "bad-value"),
        (body(ct_series(1, SOPClassUID=MRImageStorage)[0]), uid(1, 1, 1), 0xA900, "mismatch"),
    ],
)
def test_what_cannot_be_read_lies_in_quarantine_and_is_refused(tmp_path, data, instance, status, reason):
    with receive(0, tmp_path, room_bytes=0) as receiver, sender(receiver.port) as association:
        assert [send_raw(association, data, instance) for _ in range(2)] == [status] * 2
    assert kept(tmp_path) == {}
    (path,) = (tmp_path / "quarantine").iterdir()
    assert path.read_bytes().endswith(data)
    rows = journal(tmp_path)
    assert [(row[0], row[1], row[2]) for row in rows] == [("quarantined", instance, f"quarantine/{path.name}")] * 2
    assert reason is None or {row[3] for row in rows} == {reason}


@pytest.mark.parametrize(("limits", "code"), [({"most_bytes": 900, "room_bytes": 0}, "too-long"), ({"room_bytes": 1 << 60}, "no-room")])
def test_limits_refuse_as_out_of_resources_and_the_association_goes_on(tmp_path, limits, code):
    (dataset,) = ct_series(1)
    told = []
    with receive(0, tmp_path, told=told.append, **limits) as receiver, sender(receiver.port) as association:
        assert association.send_c_store(dataset).Status == 0xA700
        assert association.send_c_echo().Status == 0
    assert [outcome.code for outcome in told] == [code]
    assert (kept(tmp_path), list((tmp_path / ".incoming").iterdir())) == ({}, [])


def test_a_disk_that_fails_is_told_by_status(tmp_path, monkeypatch):
    (dataset,) = ct_series(1)
    with receive(0, tmp_path, room_bytes=0) as receiver, sender(receiver.port) as association:
        for error, status in ((OSError(28, "no space"), 0xA700), (OSError(5, "input/output error"), 0x0110)):

            def fails(*_, error=error):
                raise error

            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", fails)
                assert association.send_c_store(dataset).Status == status
        assert kept(tmp_path) == {}
        assert association.send_c_store(dataset).Status == 0


def test_titles(tmp_path):
    with receive(0, tmp_path, title="STORE", callers=("CT1",), room_bytes=0) as receiver:
        for calling, called, accepted in (("CT1", "STORE", True), ("CT2", "STORE", False), ("CT1", "WORKBENCH", False)):
            with sender(receiver.port, calling=calling, called=called) as association:
                assert (association.is_established, association.is_rejected) == (accepted, not accepted)
    for wrong in ("", "A" * 17, "放射科", "A\\B"):
        with pytest.raises(TaskError, match="AE title"), receive(0, tmp_path, title=wrong):
            pass


def test_one_process_a_folder_and_one_receiver_a_port(tmp_path):
    with receive(0, tmp_path / "a", room_bytes=0) as receiver:
        with pytest.raises(PlaceError, match="another process receives"), receive(0, tmp_path / "a"):
            pass
        with pytest.raises(PlaceError, match="cannot be listened to"), receive(receiver.port, tmp_path / "b"):
            pass
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(PlaceError, match="cannot be written"), receive(0, tmp_path / "file"):
        pass
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "journal.sqlite").write_bytes(b"no database " * 500)
    with pytest.raises(PlaceError, match=r"journal\.sqlite"), receive(0, tmp_path / "c"):
        pass


def test_a_data_set_where_none_belongs_ends_the_association(tmp_path):
    with receive(0, tmp_path, room_bytes=0) as receiver:
        with sender(receiver.port) as association:
            request = C_ECHO()
            request.MessageID, request.AffectedSOPClassUID = 1, Verification
            (context,) = (each for each in association.accepted_contexts if each.abstract_syntax == Verification)
            association.dimse.send_msg(request, context.context_id)
            stray = C_STORE()
            stray.MessageID, stray.AffectedSOPClassUID, stray.AffectedSOPInstanceUID, stray.Priority = 2, CTImageStorage, uid(1, 1, 1), 2
            stray.DataSet = BytesIO(WHOLE)
            association.dimse.send_msg(stray, 99)  # no such presentation context
            association.join(20)
            assert association.is_aborted
        with sender(receiver.port) as association:
            assert association.send_c_echo().Status == 0
    assert kept(tmp_path) == {}


def test_a_pdu_that_declares_more_than_it_may_have_closes_the_connection(tmp_path):
    with receive(0, tmp_path, room_bytes=0, wait_s=5) as receiver, socket.create_connection(("127.0.0.1", receiver.port)) as link:
        link.settimeout(3)  # less than the receiver waits for bytes
        with suppress(ConnectionResetError):
            link.sendall(b"\x01\x00" + (64 << 20).to_bytes(4, "big") + bytes(4096))
            while link.recv(4096):
                pass


def test_connections_that_say_nothing_keep_no_sender_out(tmp_path, monkeypatch):
    monkeypatch.setattr("imaging.dicom.receiver._MOST_SILENT", 16)
    with receive(0, tmp_path, room_bytes=0, associations=2) as receiver, ExitStack() as held:
        silent = [held.enter_context(socket.create_connection(("127.0.0.1", receiver.port))) for _ in range(40)]
        for link in silent[::2]:
            link.sendall(b"\x01")
        with sender(receiver.port) as association:
            assert association.send_c_store(ct_series(1)[0]).Status == 0
        silent[0].settimeout(10)  # one of the oldest, which had to go
        with suppress(ConnectionResetError):
            assert silent[0].recv(1) == b""


def test_a_byte_now_and_then_is_not_waited_for(tmp_path):
    first, command, *_ = said(tmp_path / "right")
    with receive(0, tmp_path / "out", room_bytes=0, wait_s=0.5) as receiver:
        for spoken, slow in ((b"", first), (first, command)):
            with socket.create_connection(("127.0.0.1", receiver.port), timeout=10) as link:
                link.sendall(spoken)
                if spoken:
                    link.recv(65536)
                begun = time.monotonic()
                with suppress(OSError):
                    for byte in slow[:200]:
                        link.sendall(bytes([byte]))
                        time.sleep(0.05)
                assert time.monotonic() - begun < 8  # the whole would take ten seconds


def test_more_associations_than_are_allowed_are_told_to_try_again(tmp_path):
    with receive(0, tmp_path, room_bytes=0, associations=2) as receiver, sender(receiver.port) as first, sender(receiver.port) as second:
        assert (first.is_established, second.is_established) == (True, True)
        with sender(receiver.port) as third:
            assert third.is_rejected
        assert first.send_c_echo().Status == 0


def said(out: Path) -> list[bytes]:
    """Return what a sender says, PDU by PDU."""
    spoken = []
    ae = AE("SCU")
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    with receive(0, out, room_bytes=0) as receiver:
        handlers = [(evt.EVT_DATA_SENT, lambda event: spoken.append(bytes(event.data)))]
        association = ae.associate("127.0.0.1", receiver.port, ae_title="WORKBENCH", evt_handlers=handlers)
        assert association.send_c_store(ct_series(1)[0]).Status == 0
        association.release()
    return spoken


def say(port: int, first: bytes, rest: bytes) -> None:
    """Say something, wait for an answer, say the rest, and close."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link, suppress(OSError):
        link.sendall(first)
        if len(first) >= 6 + int.from_bytes(first[2:6], "big"):
            link.recv(65536)
        link.sendall(rest)
        link.shutdown(socket.SHUT_WR)
        while link.recv(65536):
            pass


def fuzz(out: Path, n: int, seed: int) -> None:
    """Say broken things to a receiver, four at a time, and look that it goes on as before."""
    (first, *more), chance = said(out / "right"), random.Random(seed)
    rest = b"".join(more)

    def broken(number: int) -> tuple[bytes, bytes]:
        whole, other = (rest, first) if number % 3 else (first, rest)
        wrong = mutated(bytes(128) + whole, chance)[128:]
        return (other, wrong) if number % 3 else (wrong, other)

    with receive(0, out, room_bytes=0, wait_s=0.5, most_bytes=1 << 20) as receiver, ThreadPoolExecutor(4) as pool:
        pool.submit(say, receiver.port, first, rest).result()
        before = threading.active_count()
        for _ in pool.map(lambda spoken: say(receiver.port, *spoken), [broken(number) for number in range(n)]):
            pass
        until = time.monotonic() + 15
        while threading.active_count() > before + 3 and time.monotonic() < until:  # of the pool's four, one was there before
            time.sleep(0.05)
        assert threading.active_count() <= before + 3
        assert list((out / ".incoming").iterdir()) == []
        with sender(receiver.port) as association:
            assert association.send_c_store(ct_series(2)[1]).Status == 0
    for path in kept(out).values():
        assert path.read_bytes()[128:132] == b"DICM"


def test_broken_pdus(tmp_path):
    fuzz(tmp_path, 12, seed=5)


@pytest.mark.nightly
def test_ten_thousand_broken_pdus(tmp_path):
    fuzz(tmp_path, 10_000, seed=6)


def send_mutated(out: Path, bodies: Iterable[bytes]) -> None:
    """Send broken data sets: each is answered, and its bytes are kept whatever the answer."""
    answers = {}
    with receive(0, out, room_bytes=0) as receiver, sender(receiver.port) as association:
        for data in filter(None, bodies):  # pynetdicom announces an empty data set and sends none: the receiver rightly waits for it
            answers[data] = send_raw(association, data, uid(1, 1, 1))
    held = {hashlib.sha256(path.read_bytes()).hexdigest() for path in out.rglob("*.dcm")}
    (head,) = {path.read_bytes()[: path.stat().st_size - len(data)] for data in [*answers][:1] for path in ending(out, data)}
    assert set(answers.values()) <= {0x0000, 0xA900, 0xC000}
    assert all(hashlib.sha256(head + data).hexdigest() in held for data in answers)
    for path in (out / "instances").rglob("*.dcm"):
        assert read_header(path).values["sop_instance_uid"] == uid(1, 1, 1)


def ending(out: Path, data: bytes) -> list[Path]:
    return [path for path in out.rglob("*.dcm") if path.read_bytes().endswith(data)][:1]


def without_head(files: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what of a file is sent, or would be taken for it."""
    return (data[132:] if data[128:132] == b"DICM" else data for data in files if len(data) > 132)


def changed(n: int, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    return (mutated(bytes(128) + WHOLE, chance)[128:] for _ in range(n))


def test_mutated_files(tmp_path):
    send_mutated(tmp_path, changed(40, seed=3))
    send_mutated(tmp_path / "hostile", without_head(hostile_files(40, random.Random(4))))


@pytest.mark.nightly
def test_ten_thousand_mutated_files(tmp_path):
    send_mutated(tmp_path, changed(10_000, seed=4))


@pytest.mark.nightly
def test_ten_thousand_hostile_files(tmp_path):
    send_mutated(tmp_path, without_head(hostile_files(10_000, random.Random(5))))


@contextmanager
def process(out: Path):
    """Run the receiver as a program."""
    running = subprocess.Popen([sys.executable, "-c", SERVER, out], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        yield running, int(running.stdout.readline())
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


LARGE = 400  # rows and columns: several PDUs an instance


def test_a_killed_process_has_all_that_it_acknowledged_and_nothing_that_is_not_whole(tmp_path):
    datasets = {each.SOPInstanceUID: each for each in ct_series(30, size=LARGE)}
    sent = {name: body(each) for name, each in datasets.items()}
    acknowledged, waiting, chance = set(), list(datasets), random.Random(8)
    for round_ in range(3):
        with process(tmp_path) as (running, port):
            assert list((tmp_path / ".incoming").iterdir()) == []
            if round_ < 2:
                threading.Timer(chance.uniform(0.05, 0.25), running.kill).start()
            with sender(port) as association:
                while waiting and association.is_established:
                    answer = association.send_c_store(datasets[waiting[0]]) if association.is_established else None
                    if answer is None or "Status" not in answer:
                        break
                    assert answer.Status == 0
                    acknowledged.add(waiting.pop(0))
        running.wait()
        files = kept(tmp_path)
        assert acknowledged <= set(files)
        assert all(path.read_bytes().endswith(sent[name]) for name, path in files.items())
    assert len(acknowledged) == 30
    assert len([row for row in journal(tmp_path) if row[0] == "stored"]) <= 30


def test_sigterm_lets_the_message_that_has_begun_be_answered(tmp_path):
    (dataset,) = ct_series(1, size=LARGE)
    with process(tmp_path) as (running, port), sender(port) as association:
        held = threading.Event()
        original = association.dul.send_pdu
        count = 0

        def slowly(primitive):
            nonlocal count
            count += 1
            if count == 3:
                running.send_signal(signal.SIGTERM)
                held.set()
                time.sleep(0.5)
            original(primitive)

        association.dul.send_pdu = slowly
        assert association.send_c_store(dataset).Status == 0
        assert held.is_set()
        assert running.wait(20) == 0
    assert kept(tmp_path)[uid(1, 1, 1)].read_bytes().endswith(body(dataset))


def test_what_a_sender_did_not_finish_is_told_and_gone(tmp_path):
    told = []
    first, command, data, _ = said(tmp_path / "right")
    with receive(0, tmp_path / "out", room_bytes=0, told=told.append) as receiver:
        say(receiver.port, first, command + data[: len(data) // 2])
        until = time.monotonic() + 10
        while not told and time.monotonic() < until:
            time.sleep(0.05)
    assert [outcome.code for outcome in told] == ["cut-off"]
    assert (kept(tmp_path / "out"), list((tmp_path / "out" / ".incoming").iterdir())) == ({}, [])


def test_every_outcome_has_a_status():
    assert STATUS.keys() == OUTCOMES.keys() | {"mismatch"}
    assert {code for code, status in STATUS.items() if status == 0} == KEPT
