"""``workbench imaging deidentify``, ``receive``, ``train``: thin edges over what the imaging package does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pydicom
import pytest

from tests.lib.command import workbench_command
from tests.lib.dicom_files import ct_series, uid, write
from workbench.errors import DataError
from workbench.pseudonyms import PseudonymKey
from workbench.series.keys import ProjectKeys, read_patients


@pytest.fixture
def imaging(capsys):
    def run(*arguments) -> tuple[int, list[str], str]:
        code = workbench_command("imaging", *arguments)
        shown = capsys.readouterr()
        return code, shown.out.splitlines(), shown.err

    return run


# ------------------------------------------------------------------------------------------------------------- deidentify


@pytest.fixture
def raw(tmp_path):
    """Two patients, one in a folder whose name is GBK."""
    write(ct_series(2, study=1), tmp_path / "raw" / "a")
    write(ct_series(1, study=2), tmp_path / "raw" / os.fsdecode("王".encode("gbk")))
    return tmp_path / "raw"


def deidentified(out):
    return [pydicom.dcmread(path) for path in sorted(out.rglob("*.dcm"))]


def test_pseudonyms_and_dates_are_those_of_the_projects_tables(raw, tmp_path, imaging):
    (tmp_path / "p.csv").write_text("patient_id,person_id,name\nP1,71,王小东\nP2,72,\n", encoding="gb18030")
    options = ("--project", "diab", "--keys", tmp_path / "keys", "--patients", tmp_path / "p.csv", "--shift-days", "70", "--quiet")
    code, lines, said = imaging("deidentify", raw, "--out", tmp_path / "clean", *options)
    assert (code, lines[-1]) == (0, "files=3 written=3 held_back=0 unchanged=0")
    assert "新建了密钥" in said
    key = PseudonymKey.load(tmp_path / "keys" / "diab.key")
    assert {ds.PatientID for ds in deidentified(tmp_path / "clean")} == {str(key.person(71)), str(key.person(72))}
    assert {ds.StudyInstanceUID for ds in deidentified(tmp_path / "clean")} == {key.uid(uid(1)), key.uid(uid(2))}
    first = next(ds for ds in deidentified(tmp_path / "clean") if ds.PatientID == str(key.person(71)))
    moved = np.datetime64(f"{first.StudyDate[:4]}-{first.StudyDate[4:6]}-{first.StudyDate[6:]}") - np.datetime64("2024-01-02")
    assert moved.astype(int) == key.shift_days(71, at_most=70)
    code, lines, said = imaging("deidentify", raw, "--out", tmp_path / "clean", *options)
    assert ("unchanged=3" in lines[-1], "新建了密钥" in said) == (True, False)


def test_patients_whom_the_project_lacks_are_held_back(raw, tmp_path, imaging):
    (tmp_path / "p.csv").write_text("patient_id,person_id\nP1,71\n", encoding="utf-8")
    options = ("--project", "diab", "--keys", tmp_path / "keys", "--patients", tmp_path / "p.csv", "--quiet")
    code, lines, said = imaging("deidentify", raw, "--out", tmp_path / "clean", *options)
    assert (code, lines[-1]) == (4, "files=3 written=2 held_back=1 unchanged=0")
    assert "1 x 患者不属于该课题" in said


def test_those_who_were_missing_are_done_once_the_table_has_them(raw, tmp_path, imaging):
    options = ("--out", tmp_path / "clean", "--project", "diab", "--keys", tmp_path / "keys", "--patients", tmp_path / "p.csv", "--quiet")
    (tmp_path / "p.csv").write_text("patient_id,person_id\nP1,71\n", encoding="utf-8")
    imaging("deidentify", raw, *options)
    (tmp_path / "p.csv").write_text("patient_id,person_id\nP1,71\nP2,72\n", encoding="utf-8")
    assert imaging("deidentify", raw, *options)[1][-1] == "files=3 written=3 held_back=0 unchanged=2"


def test_a_key_of_planted_values_is_scored(raw, tmp_path, imaging):
    name = next((raw / "a").iterdir()).name
    rows = [
        "file,path,action,value,patient",
        f"a/{name},00100020,text_removed,P1,P1",
        f"a/{name},00080020,date_shifted,20240102,P1",
        f"a/{name},00280010,tag_retained,,P1",
    ]
    (tmp_path / "key.csv").write_text("\n".join(rows), encoding="utf-8")
    options = ("--out", tmp_path / "clean", "--project", "diab", "--keys", tmp_path / "keys", "--score", tmp_path / "key.csv", "--quiet")
    code, lines, _ = imaging("deidentify", raw, *options)
    assert code == 0
    assert [line.split()[:3] for line in lines if "/" in line.split()[0]] == [
        ["1/1", "100.00%", "tag_retained"],
        ["1/1", "100.00%", "text_removed"],
        ["1/1", "100.00%", "date_shifted"],
        ["3/3", "100.00%", "all"],
    ]
    (tmp_path / "key.csv").write_text("\n".join([*rows, f"a/{name},00080060,text_removed,CT,P1"]), encoding="utf-8")
    code, _, said = imaging("deidentify", raw, *options)
    assert (code, "1 行未做到" in said) == (4, True)
    assert "text_removed,CT,P1,there" in (tmp_path / "clean.records" / "score.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    ["", "file,path\n", "file,path,action,value\nno.dcm,00100020,text_removed,P1\n", "file,path,action,value\na,00100020,gone,P1\n"],
    ids=["no", "short", "file", "action"],
)
def test_a_key_that_cannot_be_meant_is_refused(raw, tmp_path, imaging, text):
    (tmp_path / "key.csv").write_text(text, encoding="utf-8")
    options = ("--out", tmp_path / "clean", "--project", "diab", "--keys", tmp_path / "keys", "--score", tmp_path / "key.csv", "--quiet")
    assert imaging("deidentify", raw, *options)[0] == 4
    assert not (tmp_path / "clean").exists()


def test_without_a_table_it_is_said_that_nothing_agrees(raw, tmp_path, imaging):
    code, _, said = imaging("deidentify", raw, "--out", tmp_path / "clean", "--project", "diab", "--keys", tmp_path / "keys", "--quiet")
    assert (code, "与课题的数据表不对应" in said) == (0, True)
    assert "P1" not in {ds.PatientID for ds in deidentified(tmp_path / "clean")}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--project", "Wrong Name"), 3),
        (("--project", "no.toml"), 3),
        (("--project", "d", "--dates", "some"), 3),
        (("--project", "d", "--patients", "no"), 4),
    ],
    ids=["name", "file", "dates", "patients"],
)
def test_what_cannot_be_meant_is_refused(raw, tmp_path, imaging, options, code):
    assert imaging("deidentify", raw, "--out", tmp_path / "clean", "--keys", tmp_path / "keys", *options, "--quiet")[0] == code
    assert not (tmp_path / "clean").exists()


@pytest.mark.parametrize("text", ["", "patient,person\nP1,1\n", "patient_id,person_id\nP1,x\n", "patient_id,person_id\nP1,1\nP1,2\n"])
def test_a_table_of_patients_that_contradicts_itself_is_refused(tmp_path, text):
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        read_patients(tmp_path / "p.csv")


def test_a_patient_id_is_no_person_though_both_are_numbers():
    key = PseudonymKey(bytes(32))
    assert ProjectKeys(key, 70).person("71") != str(key.person(71))
    assert ProjectKeys(key, 70).shift_days("71") == ProjectKeys(key, 70).shift_days("71")


# ---------------------------------------------------------------------------------------------------------------- receive


def test_what_is_sent_is_kept_until_the_receiver_is_told_to_stop(tmp_path):
    from pynetdicom import AE

    command = [sys.executable, "-m", "workbench.cli", "imaging", "receive", "--port", "0", "--out", str(tmp_path / "inbox"), "--quiet"]
    running = subprocess.Popen([*command, "--room-gb", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8")
    try:
        port = int(re.search(r":(\d+)", running.stdout.readline())[1])
        images = [pydicom.dcmread(path) for path in write(ct_series(2), tmp_path / "in")]
        ae = AE()
        ae.add_requested_context(images[0].SOPClassUID, images[0].file_meta.TransferSyntaxUID)
        association = ae.associate("127.0.0.1", port, ae_title="WORKBENCH")
        assert [association.send_c_store(image).Status for image in (*images, images[0])] == [0, 0, 0]
        association.release()
    finally:
        running.send_signal(signal.SIGTERM)
    shown = running.communicate(timeout=60)[0].splitlines()
    assert (running.returncode, shown[-1]) == (0, "received=3 kept=3")
    assert len(list((tmp_path / "inbox" / "instances").rglob("*.dcm"))) == 2


def test_a_title_that_is_none_is_refused(tmp_path, imaging):
    assert imaging("receive", "--port", 0, "--out", tmp_path / "inbox", "--title", "much too long a title", "--quiet")[0] == 3


# ------------------------------------------------------------------------------------------------------------------ train


def test_a_task_that_means_nothing_is_refused_at_once(tmp_path, imaging):
    (tmp_path / "t.yaml").write_text("name: x\nkind: guess\n", encoding="utf-8")
    code, _, said = imaging("train", tmp_path / "t.yaml", "--out", tmp_path / "bundle")
    assert (code, (tmp_path / "bundle").exists()) == (3, False)
    assert "kind" in said
    assert imaging("train", tmp_path / "none.yaml", "--out", tmp_path / "bundle")[0] in (3, 4)
