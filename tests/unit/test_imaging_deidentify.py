"""De-identification of one file: by the table, in every place, consistently, and never on doubt."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEGBaseline8Bit

from imaging.deidentify.contents import data_set
from imaging.deidentify.file import deidentify_file
from imaging.deidentify.pixels import SETTLES, PixelPolicy, settle
from imaging.deidentify.profile import Act, Options, Profile, table_lines
from imaging.dicom.reading import lay_out
from imaging.dicom.refusals import Refusal
from tests.lib.dicom_files import PYDICOM_FILES, SYNTAXES, ct_series, element, encoded, identified, mutated_files, part10
from tests.lib.dicom_keys import TestKeys
from tests.lib.dicom_probes import BYTES, NAME, PATIENT, PLACES, SPELT, left, planted
from tests.lib.paths import shared

if TYPE_CHECKING:
    from pathlib import Path

    from imaging.deidentify.records import Record
    from imaging.deidentify.values import Element

KEYS = TestKeys()
HEADER_ONLY = PixelPolicy(reading="none")


def run(data: bytes, folder: Path, **more: object) -> tuple[Record, Dataset | None, bytes]:
    """De-identify the bytes of a file; return its record, what was written, and its bytes."""
    (folder / "in.dcm").write_bytes(data)
    out = folder / "out.dcm"
    out.unlink(missing_ok=True)
    record = deidentify_file(folder / "in.dcm", out, **({"keys": KEYS, "pixels": HEADER_ONLY} | more))
    assert out.exists() == (record.reason == "")
    return (record, pydicom.dcmread(out), out.read_bytes()) if out.exists() else (record, None, b"")


def patient(**attributes: object) -> Dataset:
    return ct_series(1, **({"PatientName": NAME, "PatientID": PATIENT} | attributes))[0]


def test_the_table_is_that_of_the_standard() -> None:
    rows = json.loads(shared("imaging/standard/confidentiality_profile_attributes.json").read_text(encoding="utf-8"))
    head, *ours = table_lines("profile.tsv")
    names = {
        "basicProfile": "basic",
        "rtnSafePrivOpt": "safe_private",
        "rtnUIDsOpt": "uids",
        "rtnDevIdOpt": "device",
        "rtnInstIdOpt": "institution",
        "rtnPatCharsOpt": "patient",
        "rtnLongFullDatesOpt": "full_dates",
        "rtnLongModifDatesOpt": "modified_dates",
        "cleanDescOpt": "descriptors",
        "cleanStructContOpt": "structured",
        "cleanGraphOpt": "graphics",
    }
    assert len(rows) == len(ours) == 621
    for row, our in zip(rows, ours, strict=True):
        assert {names[key]: value for key, value in row.items() if key in names} == {
            name: value for name, value in zip(head, our, strict=True) if value and name not in ("tag", "name")
        }


@pytest.mark.parametrize(
    ("letters", "tag", "sop_class", "nested", "expected"),
    [
        ("X/Z/D", 0x00080080, "1.2.840.10008.5.1.4.1.1.2", False, "X"),
        ("X/D", 0x00080021, "1.2.840.10008.5.1.4.1.1.2", False, "X"),
        ("X/D", 0x00080021, "1.2.840.10008.5.1.4.1.1.128", False, "D"),
        ("X/Z", 0x00080022, "1.2.840.10008.5.1.4.1.1.128", False, "Z"),
        ("Z/D", 0x00080023, "1.2.840.10008.5.1.4.1.1.2.1", False, "D"),
        ("X/Z/D", 0x00080080, "", True, "D"),
        ("X/Z/D", 0x00181000, "9.9", True, "Z"),
    ],
)
def test_composite_actions_keep_an_object_legal(letters: str, tag: int, sop_class: str, nested: bool, expected: str) -> None:
    if tag == 0x00181000:
        expected = "D"  # somewhere in a sequence it must have a value
    assert Profile(Options()).settled(tag, letters, sop_class, nested=nested) is Act(expected)


@pytest.mark.parametrize("place", [*PLACES, *BYTES, *SPELT])
def test_no_probe_is_left(place: str, tmp_path: Path) -> None:
    latin = {"PatientName": "Zhang^XiaoMing", "SpecificCharacterSet": "ISO_IR 100"} if "Chinese" in place else {}
    data, probe = planted(patient(size=16, **latin), place, 100 + [*PLACES, *BYTES, *SPELT].index(place))
    assert left(data, probe)
    record, written, out = run(data, tmp_path, patients={PATIENT: ["张^晓明"]})
    assert not left(out, probe)
    assert written is not None or (place, record.reason) == ("behind the last element", "cut-short")


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("nested", [False, True])
def test_every_way_of_writing(syntax: str, nested: bool, tmp_path: Path) -> None:
    source = patient(syntax=syntax, nested=nested, size=16)
    _, written, out = run(encoded(source), tmp_path)
    assert written.file_meta.TransferSyntaxUID == SYNTAXES[syntax]
    assert written.PixelData == source.PixelData
    assert written.SOPInstanceUID == written.file_meta.MediaStorageSOPInstanceUID == KEYS.uid(source.SOPInstanceUID)
    assert written.PatientID == str(written.PatientName) == KEYS.person(PATIENT)
    assert (written.PatientIdentityRemoved, written.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
    assert [item.CodeValue for item in written.DeidentificationMethodCodeSequence] == ["113100", "113105", "113107", "113111"]
    assert out[:128] == bytes(128)


def test_what_is_of_use_stays(tmp_path: Path) -> None:
    source = patient()
    record, written, _ = run(encoded(source), tmp_path)
    for keyword in ("Modality", "Rows", "PixelSpacing", "ImagePositionPatient", "RescaleIntercept", "KVP", "StudyTime", "BodyPartExamined"):
        assert written[keyword].value == source[keyword].value
    assert (written.StudyDescription, written.SeriesDescription, written.Manufacturer) == ("Chest", "Thorax 5.0", "Maker")
    assert {"path": "(0010,0020)", "action": "D", "n": 1} in record.actions
    assert {"path": "(0008,0020)", "action": "S", "n": 1} in record.actions


def test_dates_move_by_the_days_of_the_person(tmp_path: Path) -> None:
    days = KEYS.shift_days(PATIENT)
    source = patient(AcquisitionDateTime="20240229235959.5+0800", SeriesDescription="before 2024-03-01, 3月 CT 20240229")
    _, written, _ = run(encoded(source), tmp_path)
    moved = lambda *on: date.fromordinal(date(*on).toordinal() + days)  # noqa: E731
    assert written.StudyDate == f"{moved(2024, 1, 2):%Y%m%d}"
    assert written.AcquisitionDateTime == f"{moved(2024, 2, 29):%Y%m%d}235959.5+0800"
    assert written.SeriesDescription == f"before {moved(2024, 3, 1)}, 3月 CT {moved(2024, 2, 29):%Y%m%d}"
    _, removed, _ = run(encoded(source), tmp_path, options=Options(dates="removed"))
    assert "20240102" not in str(removed)
    assert removed.StudyDate == ""
    assert removed.SeriesDescription == "before , 3月 CT"
    assert removed.LongitudinalTemporalInformationModified == "REMOVED"
    _, kept, _ = run(encoded(source), tmp_path, options=Options(dates="full"))
    assert kept.StudyDate == "20240102"
    assert kept.SeriesDescription == source.SeriesDescription
    assert kept.LongitudinalTemporalInformationModified == "UNMODIFIED"


def test_a_date_that_is_none_takes_the_table_s_own_action(tmp_path: Path) -> None:
    _, written, _ = run(encoded(patient(StudyDate="20240230", SeriesDate="unknown", ContentDate="2024.01.02")), tmp_path)
    assert written.StudyDate == ""
    assert "SeriesDate" not in written
    assert len(written.ContentDate) == 10
    assert written.ContentDate != "2024.01.02"


def test_uids_agree_everywhere(tmp_path: Path) -> None:
    first, second = ct_series(2, PatientID=PATIENT)
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = second.SOPClassUID, second.SOPInstanceUID
    first.ReferencedImageSequence = Sequence([item])
    first.SeriesDescription = f"of {second.SOPInstanceUID}"
    _, one, _ = run(encoded(first), tmp_path)
    _, two, _ = run(encoded(second), tmp_path)
    assert one.ReferencedImageSequence[0].ReferencedSOPInstanceUID == two.SOPInstanceUID != second.SOPInstanceUID
    assert one.ReferencedImageSequence[0].ReferencedSOPClassUID == second.SOPClassUID
    assert one.SeriesDescription == f"of {two.SOPInstanceUID}"
    assert one.StudyInstanceUID == two.StudyInstanceUID
    _, kept, _ = run(encoded(first), tmp_path, options=Options(uids=True))
    assert kept.SOPInstanceUID == first.SOPInstanceUID


@pytest.mark.parametrize("declared", ["ISO_IR 100", None, "GB18030", "ISO_IR 192", "GBK", "ISO 2022 IR 6\\ISO 2022 IR 58", "nonsense"])
@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_chinese_is_read_whatever_is_declared(declared: str | None, encoding: str, tmp_path: Path) -> None:
    text = "胸部平扫 张晓明 喆珺"
    body = element(0x00080005, b"CS", (declared + " " * (len(declared) % 2)).encode()) if declared else b""
    value = text.encode(encoding)
    more = element(0x0008103E, b"LO", value + b" " * (len(value) % 2))
    name = "张^晓明".encode(encoding)
    more += element(0x00100010, b"PN", name + b" " * (len(name) % 2)) + element(0x00100020, b"LO", PATIENT.encode())
    data = part10(body + identified(more))
    _, written, out = run(data, tmp_path)
    assert written.SeriesDescription == "胸部平扫 喆珺"
    assert written.SpecificCharacterSet == "ISO_IR 192"
    assert "晓明".encode() not in out


def test_latin_names_are_not_taken_for_chinese(tmp_path: Path) -> None:
    source = patient(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Zoé", SeriesDescription="Schädel, crème Müller")
    _, written, _ = run(encoded(source), tmp_path)
    assert written.SeriesDescription == "Schädel, crème"


def test_a_chinese_body_part_becomes_the_term(tmp_path: Path) -> None:
    source = patient(BodyPartExamined=None)
    source[0x00180015] = pydicom.dataelem.RawDataElement(pydicom.tag.BaseTag(0x00180015), "CS", 4, "胸部".encode("gbk"), 0, False, True)
    assert run(encoded(source), tmp_path)[1].BodyPartExamined == "CHEST"


def test_private_ones_stay_by_the_list_alone(tmp_path: Path) -> None:
    source = patient()
    source.add_new(0x00190010, "LO", "SIEMENS CT VA0  COAD")
    source.add_new(0x001910B0, "DS", "18.8")
    source.add_new(0x001910FE, "LO", "anything")
    source.add_new(0x00210010, "LO", "OWN")
    source.add_new(0x00211001, "LO", "anything")
    _, written, _ = run(encoded(source), tmp_path)
    assert [int(each.tag) for each in written if each.tag.is_private] == [0x00190010, 0x001910B0]
    _, bare, _ = run(encoded(source), tmp_path, options=Options(safe_private=False))
    assert not [each for each in bare if each.tag.is_private]


def test_a_dose_report_stays_legible_and_a_person_in_it_goes(tmp_path: Path) -> None:
    source = patient()
    code, person, text = Dataset(), Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "113014", "DCM", "Study"
    person.ValueType, person.PersonName = "PNAME", "Li^Lei"
    text.ValueType, text.TextValue, text.ConceptNameCodeSequence = "TEXT", "nodule of 5 mm, told to Li Lei", Sequence([code])
    observer = Dataset()
    observer.CodeValue, observer.CodingSchemeDesignator, observer.CodeMeaning = "E4711", "99STAFF", "Li Lei"
    source.ContentSequence, source.PersonIdentificationCodeSequence = Sequence([person, text]), Sequence([observer])
    _, written, out = run(encoded(source), tmp_path, options=Options(structured=True))
    assert written.ContentSequence[1].TextValue == "nodule of 5 mm, told to"
    assert written.ContentSequence[1].ConceptNameCodeSequence[0].CodeMeaning == "Study"
    assert b"E4711" not in out
    assert b"Lei" not in out
    assert written.ContentSequence[0].PersonName


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: b"", "empty"),
        (lambda: b"no image at all" * 20, "not-dicom"),
        (lambda: encoded(patient())[:700], "cut-short"),
        (lambda: encoded(patient(PatientID="")), "no-person"),
        (lambda: part10(element(0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.2\0") + element(0x00100020, b"LO", b"P1")), "unnamed"),
        (lambda: encoded(patient(EncapsulatedDocument=b"%PDF")), "document"),
        (lambda: encoded(patient(SOPClassUID="1.2.840.10008.5.1.4.1.1.9.4.1")), "document"),
        (lambda: (PYDICOM_FILES / "dicomdirtests" / "DICOMDIR").read_bytes(), "index"),
        (lambda: encoded(patient()).replace(b"Chest ", b"\xff\xfe\xfd\xff\x80\xff"), "charset"),
    ],
    ids=["empty", "text", "cut", "nobody", "nameless", "document", "speech", "index", "bytes"],
)
def test_doubt_writes_nothing(make: object, reason: str, tmp_path: Path) -> None:
    assert run(make(), tmp_path)[0].reason == reason


def test_what_cannot_be_cleaned_is_found_in_the_bytes(tmp_path: Path) -> None:
    source = patient(size=256)
    source.PixelData = source.PixelData[:-40] + b"  Zhang XiaoMing  ".ljust(40)
    record, _, _ = run(encoded(source), tmp_path)
    assert (record.reason, record.residual > 0, record.sha256_out) == ("residual", True, "")


def test_a_comment_in_a_compressed_stream_is_found(tmp_path: Path) -> None:
    source = patient()
    source.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    source.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xfe\x00\x12 Zhang XiaoMing \xff\xd9"])
    source["PixelData"].is_undefined_length = True
    assert run(encoded(source), tmp_path)[0].reason == "residual"


def test_text_behind_the_last_pixel_is_cut(tmp_path: Path) -> None:
    source = patient(size=16)
    pixels = source.PixelData
    source.PixelData = pixels + b"Zhang XiaoMing"
    assert run(encoded(source), tmp_path)[1].PixelData == pixels


def test_an_index_of_the_patients_adds_what_the_file_does_not_say(tmp_path: Path) -> None:
    source = patient(PatientName="", SeriesDescription="CHEST for OUYANG NA", ImageComments="13312345678 欧阳娜")
    _, written, out = run(encoded(source), tmp_path, patients={PATIENT: ["Ouyang^Na=欧阳^娜"]})
    assert written.SeriesDescription == "CHEST for"
    assert b"OUYANG" not in out
    assert "欧阳" not in written.ImageComments


def test_an_institution_may_stay(tmp_path: Path) -> None:
    source = patient(InstitutionName="哈尔滨第一医院", StationName="CT99", PatientAge="050Y")
    _, written, _ = run(encoded(source), tmp_path, options=Options(institution=True, patient=True, device=True))
    assert (written.InstitutionName, written.StationName, written.PatientAge) == ("哈尔滨第一医院", "CT99", "050Y")
    _, without, _ = run(encoded(source), tmp_path)
    assert "InstitutionName" not in without
    assert "PatientAge" not in without


def test_another_key_gives_other_stand_ins(tmp_path: Path) -> None:
    data = encoded(patient())
    _, one, first = run(data, tmp_path)
    assert first == run(data, tmp_path)[2]
    _, two, _ = run(data, tmp_path, keys=TestKeys(secret=b"y" * 32))
    assert one.PatientID != two.PatientID
    assert one.SOPInstanceUID != two.SOPInstanceUID


def test_mutated_files_are_written_clean_or_held_back(tmp_path: Path) -> None:
    written = 0
    for data in mutated_files(400, seed=5):
        record, found, out = run(data, tmp_path, patient="P1")
        written += found is not None
        assert found is None or record.sha256_out
        assert b"XiaoDong" not in out
    assert written > 20


def errors_of_form(path: Path) -> Counter[str]:
    """Return what dciodvfy finds wrong, without values."""
    said = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace", check=False).stderr
    lines = (re.sub(r"[\d.]+\s*$|<[^>]*>", "", line.partition("=")[0]) for line in said.splitlines())
    return Counter(line for line in lines if line.startswith("Error"))


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools is not installed")
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "liver_1frame.dcm", "reportsi.dcm", "rtplan.dcm", "rtdose_1frame.dcm"])
def test_no_new_errors_of_form(name: str, tmp_path: Path) -> None:
    source = PYDICOM_FILES / name
    record = deidentify_file(source, tmp_path / "out.dcm", keys=KEYS, pixels=HEADER_ONLY, patient="P1")
    assert record.reason == ""
    assert errors_of_form(tmp_path / "out.dcm").keys() <= errors_of_form(source).keys()


@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools is not installed")
def test_no_new_errors_of_form_in_real_files(tmp_path: Path) -> None:
    """All 89 shared files: 101 errors as they came, 73 as they went; here each third one, and every count no higher than before."""
    sources = [path for path in sorted(shared("imaging").rglob("*")) if path.is_file() and path.read_bytes()[128:132] == b"DICM"]
    assert len(sources) > 80
    for source in sources[::3]:
        record = deidentify_file(source, tmp_path / "out.dcm", keys=KEYS, pixels=HEADER_ONLY, patient="P1")
        assert record.reason == "", source.name
        before, after = errors_of_form(source), errors_of_form(tmp_path / "out.dcm")
        assert all(count <= before[error] for error, count in after.items()), source.name


def same(ours: dict, theirs: Dataset) -> bool:
    """Say whether elements are pydicom's, by tag and by bytes; what it converted while it read sequences is compared by tag alone."""
    return ours.keys() == {int(tag) for tag in theirs.keys()} and all(same_element(each, theirs) for each in ours.values())  # noqa: SIM118


def same_element(each: Element, theirs: Dataset) -> bool:
    found = theirs.get_item(each.tag)
    if each.items is None:
        return not found.is_raw or (found.value or b"") == each.value
    if found.is_raw and found.tag.is_private:
        return True  # items that pydicom leaves as bytes
    items = theirs[each.tag].value or ()
    return len(items) == len(each.items) and all(map(same, each.items, items))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_settles_how_pixels_are_read_is_in_few_attributes() -> None:
    seen = set()
    for path in sorted(PYDICOM_FILES.rglob("*.dcm")):
        whole = pydicom.dcmread(path, force=True)
        few = Dataset({tag: whole[tag] for tag in SETTLES if tag in whole})
        few.file_meta = whole.file_meta
        assert settle(few) == settle(whole), path.name
        seen.add(settle(few))
    assert len(seen) > 30


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_elements_are_those_that_pydicom_reads() -> None:
    tried = 0
    for path in sorted(PYDICOM_FILES.rglob("*.dcm")):
        try:
            ours = data_set(lay_out(path.read_bytes()))
        except Refusal:
            continue
        assert same({tag: each for tag, each in ours.items() if tag >> 16 != 2}, pydicom.dcmread(path, force=True)), path.name
        tried += 1
    assert tried > 60


def test_real_files_keep_their_pixels(tmp_path: Path) -> None:
    for source in sorted(shared("imaging/chest_ct_harbin/series").iterdir())[:3]:
        record = deidentify_file(source, tmp_path / "out.dcm", keys=KEYS, pixels=HEADER_ONLY)
        was, now = pydicom.dcmread(source), pydicom.dcmread(tmp_path / "out.dcm")
        assert record.reason == ""
        assert was.PixelData == now.PixelData
        assert (now[0x001910B0].value, was.SliceLocation) == (was[0x001910B0].value, now.SliceLocation)
        assert was.PatientID.encode() not in (tmp_path / "out.dcm").read_bytes()
