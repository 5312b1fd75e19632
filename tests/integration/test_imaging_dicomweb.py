"""DICOMweb against a real Orthanc, its C-STORE to our receiver, and what a wrong server may answer."""

import json
import shutil
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pydicom
import pytest
import requests

from imaging.dicom.dicomweb import DicomWeb, Stored
from imaging.dicom.inbox import Inbox
from imaging.dicom.receiver import receive
from imaging.errors import ImageDataError, PlaceError, TaskError
from tests.lib.dicom_files import ct_series, uid, write

PLUGIN = Path("/usr/lib/orthanc/libOrthancDicomWeb.so.1.7")
PLUGINS = sorted(Path("/usr/share/orthanc/plugins").glob("libOrthancDicomWeb.so*")) or [PLUGIN]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    """A real archive on a free port, with a store of its own; its address."""
    program = shutil.which("Orthanc")
    if program is None or not PLUGINS[0].exists():
        pytest.skip("no Orthanc on this machine: apt-get install orthanc orthanc-dicomweb")
    folder, port = tmp_path_factory.mktemp("orthanc"), free_port()
    settings = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "HttpPort": port,
        "DicomPort": free_port(),
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": False,
        "DefaultEncoding": "Utf8",  # of what it answers; else Chinese names lose their characters
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGINS[0])],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 30
        while True:
            try:
                requests.get(f"{address}/system", timeout=5).raise_for_status()
                break
            except requests.RequestException:
                if running.poll() is not None or time.monotonic() > until:
                    pytest.fail((folder / "log").read_text(errors="replace")[-2000:])
                time.sleep(0.1)
        yield address
    finally:
        running.terminate()
        running.wait(20)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    return write(ct_series(5), folder / "a") + write(ct_series(3, series=2, study=2, nested=True, size=700), folder / "b")


@pytest.fixture(scope="module")
def web(orthanc, files) -> DicomWeb:
    """The archive with all files stored."""
    web = DicomWeb(f"{orthanc}/dicom-web")
    stored = list(web.store(files))
    assert stored == [Stored(str(path), pydicom.dcmread(path).SOPInstanceUID, kept=True, reason=0) for path in files]
    return web


def kept(out: Path) -> dict[str, Path]:
    return {path.stem: path for path in (out / "instances").rglob("*.dcm")}


def same_image(path: Path, other: Path) -> bool:
    first, second = pydicom.dcmread(path), pydicom.dcmread(other)
    return first == second and first.PixelData == second.PixelData


def test_search(web):
    studies = web.search("studies", fields=["StudyDescription"])
    assert {(row["StudyInstanceUID"], row["PatientID"], row["PatientName"]) for row in studies} == {
        (uid(1), "P1", "Wang^XiaoDong=王^小东"),
        (uid(2), "P2", "Wang^XiaoDong=王^小东"),
    }
    (row,) = web.search("series", study=uid(2))
    assert (row["SeriesInstanceUID"], row["Modality"]) == (uid(2, 2), "CT")
    assert {row["SOPInstanceUID"] for row in web.search("instances", study=uid(1), series=uid(1, 1))} == {uid(1, 1, n) for n in range(1, 6)}
    assert [row["StudyInstanceUID"] for row in web.search("studies", PatientID="P2")] == [uid(2)]
    assert web.search("studies", StudyDate="19990101-19991231") == []
    with pytest.raises(ImageDataError, match="more than 3 results"):
        web.search("instances", study=uid(1), most=3)


def test_pages_of_results_are_put_together(web, monkeypatch):
    monkeypatch.setattr("imaging.dicom.dicomweb._PAGE", 2)
    found = [row["SOPInstanceUID"] for row in web.search("instances", study=uid(1))]
    assert (len(found), set(found)) == (5, {uid(1, 1, n) for n in range(1, 6)})


def test_retrieve_goes_on_where_it_was_broken_off(web, files, tmp_path):
    told = []

    def breaks(outcome):
        told.append(outcome)
        if len(told) == 2:
            raise KeyboardInterrupt

    with Inbox(tmp_path, room_bytes=0) as inbox:
        with pytest.raises(KeyboardInterrupt):
            web.retrieve_series(uid(1), uid(1, 1), inbox, told=breaks)
        assert len(kept(tmp_path)) == 2
        assert web.retrieve_series(uid(1), uid(1, 1), inbox) == (5, 2, {"stored": 3})
        assert web.retrieve_series(uid(1), uid(1, 1), inbox) == (5, 5, {})
        assert web.retrieve_series(uid(2), uid(2, 2), inbox) == (3, 0, {"stored": 3})
    found = kept(tmp_path)
    for path in files:
        assert same_image(found[pydicom.dcmread(path).SOPInstanceUID], path)


def test_a_file_that_is_none_is_not_sent(web, tmp_path, files):
    data = files[0].read_bytes()
    (tmp_path / "half.dcm").write_bytes(data[: len(data) - 300])
    (tmp_path / "text.dcm").write_text("not an image " * 30, encoding="utf-8")
    with pytest.raises(ImageDataError, match=r"half\.dcm"):
        list(web.store([tmp_path / "half.dcm"]))
    with pytest.raises(ImageDataError, match=r"text\.dcm"):
        list(web.store([tmp_path / "text.dcm"]))


def test_orthanc_sends_to_the_receiver(orthanc, web, files, tmp_path):
    with receive(0, tmp_path, room_bytes=0, callers=("ORTHANC",)) as receiver:
        modality = {"AET": "WORKBENCH", "Host": "127.0.0.1", "Port": receiver.port}
        requests.put(f"{orthanc}/modalities/workbench", json=modality, timeout=10).raise_for_status()
        requests.post(f"{orthanc}/modalities/workbench/echo", json={}, timeout=10).raise_for_status()
        for study in requests.get(f"{orthanc}/studies", timeout=10).json():
            answer = requests.post(f"{orthanc}/modalities/workbench/store", json={"Resources": [study], "Synchronous": True}, timeout=60)
            assert answer.json()["FailedInstancesCount"] == 0
        assert receiver.inbox.counts() == {"stored": 8}
    found = kept(tmp_path)
    for path in files:
        assert same_image(found[pydicom.dcmread(path).SOPInstanceUID], path)


class Wrong(BaseHTTPRequestHandler):
    """A server that answers what it was told to."""

    def do_GET(self) -> None:
        status, kind, data = self.server.found if "/instances/" in self.path else (200, "application/dicom+json", self.server.listed)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) + self.server.missing))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + len(b"\r\n"))
        self.rfile.readline()
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def wrong():
    with ThreadingHTTPServer(("127.0.0.1", 0), Wrong) as server:
        server.listed, server.missing = json.dumps([{"00080018": {"vr": "UI", "Value": [uid(1, 1, 1)]}}]).encode(), 0
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def address(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}/dicom-web"


def multipart(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
    return b"".join(b"\r\n--XX\r\nContent-Type: application/dicom\r\n\r\n" + part for part in parts) + b"\r\n--XX" + end


MULTIPART = 'multipart/related; type="application/dicom"; boundary="XX"'


@pytest.mark.parametrize(
    ("status", "kind", "data", "error", "message"),
    [
        (404, MULTIPART, b"", PlaceError, "answers 404"),
        (200, "text/html", b"<html>log in</html>", ImageDataError, "text/html"),
        (200, MULTIPART, b"", ImageDataError, "no part"),
        (200, MULTIPART, b"x" * 60_000, ImageDataError, "no part"),
        (200, MULTIPART, b"head\r\n\r\nbody", ImageDataError, "boundary"),
        (200, MULTIPART, multipart(b"DICM")[:-8], ImageDataError, "ends within"),
        (200, MULTIPART, multipart(b"one", b"two"), ImageDataError, "more than the one"),
    ],
)
def test_wrong_answers_are_refused_and_leave_nothing(wrong, tmp_path, status, kind, data, error, message):
    wrong.found = status, kind, data
    with Inbox(tmp_path, room_bytes=0) as inbox, pytest.raises(error, match=message):
        DicomWeb(address(wrong)).retrieve_series(uid(1), uid(1, 1), inbox)
    assert (kept(tmp_path), list((tmp_path / ".incoming").iterdir())) == ({}, [])


@pytest.mark.parametrize("kind", [MULTIPART, "application/dicom"])
def test_another_instance_than_the_one_asked_for_lies_in_quarantine(wrong, tmp_path, files, kind):
    data = files[1].read_bytes()
    wrong.found = 200, kind, multipart(data) if kind == MULTIPART else data
    with Inbox(tmp_path, room_bytes=0) as inbox:
        assert DicomWeb(address(wrong)).retrieve_series(uid(1), uid(1, 1), inbox).outcomes == {"quarantined": 1}
    assert [path.read_bytes() for path in (tmp_path / "quarantine").iterdir()] == [data]


def test_an_answer_beyond_the_limit_and_one_that_breaks_off(wrong, tmp_path, files):
    wrong.found = 200, MULTIPART, multipart(bytes(3 << 20))
    with Inbox(tmp_path / "a", most_bytes=1 << 20, room_bytes=0) as inbox:
        assert DicomWeb(address(wrong)).retrieve_series(uid(1), uid(1, 1), inbox).outcomes == {"too-long": 1}
    wrong.found, wrong.missing = (200, MULTIPART, multipart(files[0].read_bytes())[:500]), 0
    with Inbox(tmp_path / "b", room_bytes=0) as inbox, pytest.raises(ImageDataError, match="ends within"):
        DicomWeb(address(wrong)).retrieve_series(uid(1), uid(1, 1), inbox)


@pytest.mark.parametrize(
    ("answer", "kept_", "reason"),
    [
        ({"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid(1, 1, 1)]}}]}}, True, 0),
        ({"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2.3"]}}]}}, False, 0),
        ({"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0xA700]}}]}}, False, 0xA700),
        ({}, False, 0),
    ],
)
def test_a_file_is_kept_only_where_the_server_names_it(wrong, files, answer, kept_, reason):
    wrong.listed = json.dumps(answer).encode()
    assert list(DicomWeb(address(wrong)).store(files[:1])) == [Stored(str(files[0]), uid(1, 1, 1), kept_, reason)]


def test_questions_that_mean_nothing(wrong):
    for url in ("ftp://a/b", "no address", ""):
        with pytest.raises(TaskError, match="address"):
            DicomWeb(url)
    web = DicomWeb(address(wrong))
    for level, options in (("patients", {}), ("series", {"study": "../1"}), ("studies", {"Patient": "x"}), ("studies", {"fields": ["No"]})):
        with pytest.raises(TaskError):
            web.search(level, **options)
    wrong.listed = b"<html>"
    with pytest.raises(ImageDataError, match="no JSON"):
        web.search("studies")
    with pytest.raises(PlaceError, match="does not answer"):
        DicomWeb(f"http://127.0.0.1:{free_port()}/dicom-web").search("studies")
