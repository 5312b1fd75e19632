"""``workbench imaging send`` to a real Orthanc: what it keeps, what is refused, a run that goes on, and credentials that are not told."""

import json

import pydicom
import pytest
import requests

from imaging.dicom.dicomweb import DicomWeb
from imaging.dicom.inbox import Inbox
from imaging.errors import PlaceError
from imaging.results import Segment, coding_of, read_segmentation, save, segmentation
from imaging.volumes import read_volume
from tests.integration.test_imaging_dicomweb import address, free_port, orthanc, wrong  # noqa: F401 - fixtures
from tests.lib.command import workbench_command
from tests.lib.dicom_files import ct_series, uid, write
from tests.lib.manifest import in_a_session
from workbench.errors import DataError, DefinitionError
from workbench.series.sending import CREDENTIALS, check_target


@pytest.fixture
def send(capsys):
    def run(*arguments) -> tuple[int, str, str]:
        code = workbench_command("imaging", "send", *arguments)
        shown = capsys.readouterr()
        return code, shown.out.splitlines()[-1] if shown.out else "", shown.err

    return run


@pytest.fixture
def results(tmp_path):
    """A folder as predict leaves it: a SEG, tables, a text; and the series."""
    paths = write(ct_series(4, study=77, size=12), tmp_path / "ct")
    volume = read_volume(paths)
    mask = (volume.array > volume.array.mean()).astype("u1")
    liver = Segment(label=1, name="liver", **coding_of("liver", 1)._asdict())
    folder = tmp_path / "results"
    folder.mkdir()
    save(segmentation(volume, mask, [liver], paths), folder / "CT-1.seg.dcm")
    (folder / "predictions.csv").write_text("name,outcome\nCT-1,written\n", encoding="utf-8")
    return folder, paths, volume, mask


def test_results_are_sent_once_and_come_back_as_they_were(orthanc, results, send, tmp_path):  # noqa: F811
    folder, paths, volume, mask = results
    url = f"{orthanc}/dicom-web"
    assert send(folder, paths[0].parent, "--to", url, "--quiet")[:2] == (0, "sent=5 refused=0 broken=0 unchanged=0 not_dicom=1")
    assert send(folder, paths[0].parent, "--to", url, "--quiet")[:2] == (0, "sent=0 refused=0 broken=0 unchanged=5 not_dicom=1")
    seg = pydicom.dcmread(folder / "CT-1.seg.dcm")
    with Inbox(tmp_path / "back", room_bytes=0) as inbox:
        DicomWeb(url).retrieve_series(seg.StudyInstanceUID, seg.SeriesInstanceUID, inbox)
    (back,) = (tmp_path / "back" / "instances").rglob("*.dcm")
    assert (read_segmentation(back, volume).mask == mask).all()


def test_a_run_that_was_broken_off_goes_on(orthanc, tmp_path, send, monkeypatch):  # noqa: F811
    write(ct_series(3, study=78), tmp_path / "ct")
    url = f"{orthanc}/dicom-web"
    store, calls = DicomWeb.store, []

    def breaks(self, paths):
        calls.append(paths)
        if len(calls) == 3:
            raise PlaceError("the server went away")
        return store(self, paths)

    monkeypatch.setattr(DicomWeb, "store", breaks)
    assert send(tmp_path / "ct", "--to", url, "--quiet")[0] == 8
    assert send(tmp_path / "ct", "--to", url, "--quiet")[1] == "sent=1 refused=0 broken=0 unchanged=2 not_dicom=0"
    changed = pydicom.dcmread(tmp_path / "ct" / "slice0000.dcm")
    changed.StudyDescription = "changed"
    changed.save_as(tmp_path / "ct" / "slice0000.dcm")
    assert "sent=1" in send(tmp_path / "ct", "--to", url, "--quiet")[1], "other bytes are another file"


def test_what_the_server_refuses_is_told_and_sent_again(wrong, tmp_path, send):  # noqa: F811
    write(ct_series(1), tmp_path / "ct")
    (tmp_path / "ct" / "half.dcm").write_bytes((tmp_path / "ct" / "slice0000.dcm").read_bytes()[:-40])
    wrong.listed = json.dumps({"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0xA700]}}]}}).encode()
    for _ in range(2):
        code, last, said = send(tmp_path / "ct", "--to", address(wrong), "--quiet")
        assert (code, last) == (4, "sent=0 refused=1 broken=1 unchanged=0 not_dicom=0")
        assert "资源不足 (A700)" in said
        assert "文件被截断" in said
    wrong.listed = json.dumps({"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid(1, 1, 1)]}}]}}).encode()
    assert "sent=1" in send(tmp_path / "ct" / "slice0000.dcm", "--to", address(wrong), "--quiet")[1]


def test_nobody_there_and_nothing_there(tmp_path, send):
    write(ct_series(1), tmp_path / "ct")
    assert send(tmp_path / "ct", "--to", f"http://127.0.0.1:{free_port()}/dicom-web", "--quiet")[0] == 8
    assert send(tmp_path / "nowhere", "--to", "http://127.0.0.1:1/dicom-web", "--quiet")[0] == 4


def test_a_sealed_session_sends_nothing(tmp_path, send, monkeypatch):
    write(ct_series(1), tmp_path / "ct")
    in_a_session(monkeypatch, tmp_path / "session.toml", home=tmp_path)
    code, _, said = send(tmp_path / "ct", "--to", "http://127.0.0.1:1/dicom-web", "--quiet")
    assert (code, "封闭会话没有网络" in said) == (8, True)


def test_credentials_come_from_a_file_or_the_environment_and_never_unencrypted(tmp_path, monkeypatch):
    file = tmp_path / "secret"
    file.write_text("lin:geheim:x\n", encoding="utf-8")
    file.chmod(0o600)
    assert check_target("https://archive/dicom-web", file).auth == (b"lin", b"geheim:x")
    monkeypatch.setenv(CREDENTIALS, "Bearer abc.def")
    assert check_target("https://archive/dicom-web", None).headers["Authorization"] == "Bearer abc.def"
    assert isinstance(check_target("http://127.0.0.1:8042/dicom-web", None), requests.Session)
    for url in ("http://archive/dicom-web", "https://lin:geheim@archive/dicom-web", "ftp://archive", "archive"):
        with pytest.raises(DefinitionError) as caught:
            check_target(url, file)
        assert "geheim" not in str(caught.value)
    monkeypatch.setenv(CREDENTIALS, "geheim")
    with pytest.raises(DataError) as caught:
        check_target("https://archive/dicom-web", None)
    assert "geheim" not in str(caught.value)
    file.chmod(0o644)
    with pytest.raises(DataError, match="chmod 600"):
        check_target("https://archive/dicom-web", file)
