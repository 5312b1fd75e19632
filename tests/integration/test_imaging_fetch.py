"""``workbench imaging fetch`` from a real Orthanc, and from servers that fail in between, let nobody in, or go away."""

import json

import pydicom
import pytest

from imaging.dicom.dicomweb import DicomWeb
from imaging.dicom.inbox import Inbox
from tests.integration.test_imaging_dicomweb import (  # noqa: F401 - fixtures
    MULTIPART,
    Wrong,
    address,
    free_port,
    kept,
    multipart,
    orthanc,
    same_image,
    wrong,
)
from tests.lib.command import workbench_command
from tests.lib.dicom_files import ct_series, encoded, uid, write
from tests.lib.manifest import in_a_session


@pytest.fixture
def fetch(capsys, tmp_path):
    def run(url, *arguments) -> tuple[int, str, str]:
        code = workbench_command("imaging", "fetch", url, "--out", tmp_path / "out", "--quiet", *arguments)
        shown = capsys.readouterr()
        return code, shown.out.splitlines()[-1] if shown.out else "", shown.err

    return run


def test_series_come_whole_and_once(orthanc, fetch, tmp_path):  # noqa: F811
    datasets = ct_series(3, study=80) + ct_series(2, study=80, series=2, Modality="PT") + ct_series(2, study=81, StudyDate="20240305")
    paths = write(datasets, tmp_path / "sent")
    url = f"{orthanc}/dicom-web"
    list(DicomWeb(url).store(paths))
    assert fetch(url, "--study", uid(80), "--modality", "PT")[:2] == (0, "series=1 instances=2 kept=2 known=0 failed=0")
    assert fetch(url, "--study", uid(80))[:2] == (0, "series=2 instances=5 kept=3 known=2 failed=0")
    assert fetch(url, "--study", uid(80), "--series", uid(80, 1))[:2] == (0, "series=1 instances=3 kept=0 known=3 failed=0")
    assert fetch(url, "--date", "20240301-20240331", "--patient", "P81")[:2] == (0, "series=1 instances=2 kept=2 known=0 failed=0")
    found = kept(tmp_path / "out")
    assert len(found) == 7
    assert all(same_image(found[pydicom.dcmread(path).SOPInstanceUID], path) for path in paths)
    code, _, said = fetch(url, "--study", uid(82))
    assert (code, "没有符合条件的序列" in said) == (4, True)


class Partly(Wrong):
    """A server that has three instances, and answers for each what it was told to."""

    def do_GET(self) -> None:
        instance = self.path.rpartition("/")[2]
        status, kind, data = self.server.answers.get(instance, (200, "application/dicom+json", b""))
        if instance not in self.server.answers:
            tag, values = ("0020000E", [uid(1, 1)]) if self.path.split("?")[0].endswith("/series") else ("00080018", [*self.server.answers])
            data = json.dumps([{tag: {"vr": "UI", "Value": [value]}} for value in values]).encode()
            status = self.server.listing
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def partly(wrong):  # noqa: F811
    wrong.RequestHandlerClass, wrong.listing = Partly, 200
    wrong.answers = {ds.SOPInstanceUID: (200, MULTIPART, multipart(encoded(ds))) for ds in ct_series(3)}
    return wrong


@pytest.mark.parametrize(
    "answer",
    [
        (500, "text/plain", b"no"),
        (200, MULTIPART, multipart(b"DICM")[:-8]),
        (200, "text/html", b"<html>"),
        (200, MULTIPART, multipart(b"x" * 500)),
    ],
    ids=["error", "partial", "another kind", "no DICOM"],
)
def test_an_instance_that_does_not_come_keeps_no_other_back_and_comes_the_next_time(partly, fetch, tmp_path, answer):
    whole, partly.answers[uid(1, 1, 2)] = partly.answers[uid(1, 1, 2)], answer
    code, last, said = fetch(address(partly), "--study", uid(1))
    assert (code, last) == (4, "series=1 instances=3 kept=2 known=0 failed=1")
    assert uid(1, 1, 2) in said
    assert list((tmp_path / "out" / ".incoming").iterdir()) == []
    partly.answers[uid(1, 1, 2)] = whole
    assert fetch(address(partly), "--study", uid(1))[:2] == (0, "series=1 instances=3 kept=1 known=2 failed=0")


@pytest.mark.parametrize("where", ["listing", "instance"])
def test_a_server_that_lets_nobody_in_is_not_asked_again(partly, fetch, where, tmp_path):
    if where == "listing":
        partly.listing = 401
    else:
        partly.answers[uid(1, 1, 1)] = (403, "text/plain", b"")
    code, _, said = fetch(address(partly), "--study", uid(1))
    assert (code, "credentials" in said) == (8, True)
    assert kept(tmp_path / "out") == {}


def test_credentials_reach_the_server_and_no_screen(partly, fetch, tmp_path, monkeypatch):
    seen = []
    answer = Partly.do_GET
    monkeypatch.setattr(Partly, "do_GET", lambda self: (seen.append(self.headers["Authorization"]), answer(self)))
    secret = tmp_path / "secret"
    secret.write_text("Bearer abc.def", encoding="utf-8")
    secret.chmod(0o600)
    code, last, said = fetch(address(partly), "--study", uid(1), "--credentials", str(secret))
    assert (code, set(seen)) == (0, {"Bearer abc.def"})
    assert "abc.def" not in last + said


def test_what_cannot_be_meant_and_a_server_that_is_gone(orthanc, fetch, monkeypatch, tmp_path):  # noqa: F811
    assert fetch("http://127.0.0.1:1/dicom-web")[0] == 3
    assert fetch("http://127.0.0.1:1/dicom-web", "--series", uid(1), "--patient", "P1")[0] == 3
    assert fetch("ftp://a/b", "--study", uid(1))[0] == 3
    assert fetch(f"{orthanc}/dicom-web", "--study", "../1")[0] == 3
    code, _, said = fetch(f"http://127.0.0.1:{free_port()}/dicom-web", "--study", uid(1))
    assert (code, "does not answer" in said) == (8, True)
    with Inbox(tmp_path / "out", room_bytes=0):
        assert fetch(f"{orthanc}/dicom-web", "--study", uid(80))[0] in (4, 8)
    in_a_session(monkeypatch, tmp_path / "session.toml")
    code, _, said = fetch(f"{orthanc}/dicom-web", "--study", uid(1))
    assert (code, "不能取影像" in said) == (8, True)
