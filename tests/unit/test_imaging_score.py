"""The score of a de-identification: each action by itself, and that deleting everything loses as doing nothing does."""

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from imaging.deidentify.file import deidentify_file
from imaging.deidentify.pixels import PixelPolicy
from imaging.deidentify.score import ACTIONS, Row, find, score, shares
from imaging.dicom.quiet import quiet
from imaging.errors import TaskError
from tests.lib.dicom_files import ct_series, uid, write
from tests.lib.paths import shared
from tests.lib.planted_dicom import CHINESE, LATIN, plant

NAME, NUMBER, DATE, INSTANCE, STUDY = "00100010", "00100020", "00080020", "00080018", "0020000D"


class Keys:
    """Pseudonyms that can be told from what they stand for."""

    def person(self, patient_id):
        return f"S{sum(map(ord, patient_id)):06d}"

    def shift_days(self, patient_id):
        return -100 - len(patient_id)

    def uid(self, old):
        return f"2.25.{int.from_bytes(old.encode(), 'big') % 10**30}"


@pytest.fixture
def pair(tmp_path):
    """Return a judge of one row: of a slice, and of the same slice with attributes changed."""

    def judge(action, path="", value="", change=None, **attributes):
        ds = ct_series(1, size=16)[0]
        [before] = write([ds], tmp_path / "before")
        with quiet():
            for keyword, new in attributes.items():
                setattr(ds, keyword, new)
            if change:
                change(ds)
            [after] = write([ds], tmp_path / "after")
        [verdict] = score([Row("a", path, action, value, "p")], {"a": before}, {"a": after})
        return verdict.passed, verdict.found

    return judge


def hide(ds, right=8):
    values = ds.pixel_array.copy()
    values[2:6, 3:right] = 0
    ds.PixelData = values.tobytes()


CASES = {
    "tag there": ("tag_retained", "00180060", "", {}, (True, "")),
    "tag gone": ("tag_retained", "00180015", "", {"change": lambda ds: delattr(ds, "BodyPartExamined")}, (False, "absent")),
    "not null": ("text_notnull", NUMBER, "", {"PatientID": "S1"}, (True, "")),
    "null": ("text_notnull", NUMBER, "", {"PatientID": ""}, (False, "empty")),
    "text kept": ("text_retained", "00081030", "chest", {"StudyDescription": "CT Chest"}, (True, "")),
    "text lost": ("text_retained", "00081030", "chest", {"StudyDescription": "CT"}, (False, "changed")),
    "text emptied": ("text_retained", "00081030", "chest", {"StudyDescription": ""}, (False, "empty")),
    "number kept": ("text_retained", "00280030", "0.70\\0.7", {}, (True, "")),
    "text gone": ("text_removed", NAME, "王", {"PatientName": ""}, (True, "")),
    "text left": ("text_removed", NAME, "王", {}, (False, "there")),
    "text left in other letters": ("text_removed", NAME, "WANG^XIAODONG", {}, (False, "there")),
    "text left, declared as latin": (
        *("text_removed", "00081030", "王小东"),
        {
            "change": lambda ds: ds.update(
                {"SpecificCharacterSet": "ISO_IR 100", "StudyDescription": "王小东".encode("gb18030").decode("latin-1")}
            )
        },
        (False, "there"),
    ),
    "date moved": ("date_shifted", DATE, "20240102", {"StudyDate": "20231225"}, (True, "")),
    "date as it was": ("date_shifted", DATE, "20240102", {}, (False, "there")),
    "date gone": ("date_shifted", DATE, "20240102", {"StudyDate": ""}, (False, "empty")),
    "no date": ("date_shifted", DATE, "20240102", {"StudyDate": "20239999"}, (False, "no-date")),
    "uid changed": ("uid_changed", STUDY, uid(1), {"StudyInstanceUID": "2.25.1"}, (True, "")),
    "uid as it was": ("uid_changed", STUDY, uid(1), {}, (False, "there")),
    "uid that is none": ("uid_changed", STUDY, uid(1), {"StudyInstanceUID": "2.25.01"}, (False, "no-uid")),
    "uid consistent": ("uid_consistent", STUDY, uid(1), {"StudyInstanceUID": "2.25.1"}, (True, "")),
    "uid kept is not consistent": ("uid_consistent", STUDY, uid(1), {}, (False, "there")),
    "patient": ("patid_consistent", NUMBER, "P1", {"PatientID": "S1"}, (True, "")),
    "patient gone": ("patid_consistent", NUMBER, "P1", {"PatientID": ""}, (False, "empty")),
    "hidden": ("pixels_hidden", "", "3,2,8,6", {"change": hide}, (True, "")),
    "half hidden": ("pixels_hidden", "", "3,2,8,6", {"change": lambda ds: hide(ds, 6)}, (False, "there")),
    "pixels kept": ("pixels_retained", "", "", {}, (True, "")),
    "pixels lost": ("pixels_retained", "", "", {"change": hide}, (False, "changed")),
    "part kept": ("pixels_retained", "", "0,6,16,16", {"change": hide}, (True, "")),
}


@pytest.mark.parametrize(("action", "path", "value", "change", "expected"), CASES.values(), ids=CASES)
def test_each_action_is_judged(pair, action, path, value, change, expected):
    assert pair(action, path, value, **change) == expected


def files(tmp_path, name, *numbers, **attributes):
    """Write slices and return them by a name for each."""
    slices = [ct_series(1, **{keyword: values[n] for keyword, values in attributes.items()})[0] for n in range(len(numbers))]
    return dict(zip(numbers, write(slices, tmp_path / name), strict=True))


@pytest.mark.parametrize(("second", "expected"), [("2.25.1", [True, True]), ("2.25.2", [True, False])], ids=["one", "two"])
def test_a_uid_is_one_other_wherever_it_stood(tmp_path, second, expected):
    before = files(tmp_path, "before", "a", "b")
    after = files(tmp_path, "after", "a", "b", StudyInstanceUID=["2.25.1", second])
    key = [Row(name, STUDY, "uid_consistent", uid(1)) for name in "ab"]
    assert [verdict.passed for verdict in score(key, before, after)] == expected


def test_two_patients_may_not_become_one(tmp_path):
    before = files(tmp_path, "before", "a", "b", PatientID=["P1", "P2"])
    after = files(tmp_path, "after", "a", "b", PatientID=["S1", "S1"])
    key = [Row("a", NUMBER, "patid_consistent", "P1"), Row("b", NUMBER, "patid_consistent", "P2")]
    assert [verdict.found for verdict in score(key, before, after)] == ["shared", "shared"]


def test_dates_of_a_patient_move_together(tmp_path):
    before = files(tmp_path, "before", "a", "b", "c")
    after = files(tmp_path, "after", "a", "b", "c", StudyDate=["20240101", "20240101", "20231231"])
    key = [Row(name, DATE, "date_shifted", "20240102", "p") for name in "abc"]
    assert [verdict.found for verdict in score(key, before, after)] == ["", "", "differs"]


def test_a_file_that_did_not_come_out_loses_every_row(tmp_path):
    before = files(tmp_path, "before", "a")
    key = [Row("a", NAME, "text_removed", "王"), Row("a", "", "pixels_retained", "")]
    assert {verdict.found for verdict in score(key, before, {"a": tmp_path / "none.dcm"})} == {"no-file"}


@pytest.mark.parametrize("row", [Row("a", NAME, "text_gone", ""), Row("a", "PatientName", "text_removed", "")], ids=["action", "path"])
def test_a_key_that_cannot_be_read_is_refused(tmp_path, row):
    before = files(tmp_path, "before", "a")
    with pytest.raises(TaskError):
        score([row], before, before)


def test_paths_lead_through_sequences_private_blocks_and_file_meta():
    item, ds = Dataset(), ct_series(1)[0]
    item.private_block(0x29, "ACME", create=True).add_new(0x10, "LO", "deep")
    ds.ReferencedImageSequence = [Dataset(), item]
    assert find(ds, '00081140[1]/0029xx10"ACME"').value == "deep"
    assert find(ds, '00081140[0]/0029xx10"ACME"') is None
    assert find(ds, "00081140[2]/00081155") is None
    assert find(ds, "00020010").value == ds.file_meta.TransferSyntaxUID


@pytest.fixture
def planted(tmp_path):
    if not (CHINESE.exists() and LATIN.exists()):
        pytest.skip("the fonts that text is drawn with are not installed (fonts-droid-fallback, fonts-dejavu-core)")
    return lambda **options: plant(tmp_path / "planted", shared("imaging"), **options)


def deidentified(planted, folder, **options):
    for name, path in planted.files.items():
        deidentify_file(path, folder / name, keys=Keys(), **options)
    return {name: folder / name for name in planted.files}


def leaks(planted, cleaned):
    """Return the files in whose bytes something known of their patient is left."""
    found = set()
    for name, path in cleaned.items():
        data = path.read_bytes().lower()
        words = planted.identifiers[planted.patients[name]]
        found |= {name for word in words for charset in ("utf-8", "gb18030", "utf-16-le") if word.lower().encode(charset) in data}
    return found


def test_real_files_with_planted_identifiers_are_deidentified(planted, tmp_path):
    made = planted(per_source=3, burned=0)
    assert len(made.key) > 2000
    cleaned = deidentified(made, tmp_path / "out", pixels=PixelPolicy(reading="none"))
    verdicts = score(made.key, made.files, cleaned)
    assert [(verdict.row.path, verdict.row.action, verdict.found) for verdict in verdicts if not verdict.passed] == []
    assert leaks(made, cleaned) == set()


@pytest.mark.nightly
def test_ten_actions_over_all_files_with_names_in_their_pixels(planted, tmp_path):
    made = planted(burned=4)
    assert {row.action for row in made.key} == set(ACTIONS)
    cleaned = deidentified(made, tmp_path / "out")
    found = shares(score(made.key, made.files, cleaned))
    assert found["all"].share >= 0.999
    assert leaks(made, cleaned) == set()


def test_who_does_nothing_and_who_deletes_everything_loses(planted, tmp_path):
    made = planted(per_source=1, burned=0)
    nothing = shares(score(made.key, made.files, made.files))
    assert nothing["text_removed"].share == nothing["uid_changed"].share == 0
    assert nothing["all"].share < 0.6
    emptied = {}
    for name, path in made.files.items():
        ds = pydicom.dcmread(path)
        if ds.original_encoding[1] is False:
            continue
        emptied[name] = tmp_path / "emptied" / name
        emptied[name].parent.mkdir(exist_ok=True)
        with quiet():
            for element in ds:
                if element.VR not in ("SQ", "CS") and element.tag.group != 0x28:
                    element.value = None
            ds.SOPClassUID, ds.SOPInstanceUID = "1.2", "1.2"
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds.PixelData = bytes(2)
            ds.save_as(emptied[name])
    everything = shares(score(made.key, made.files, emptied))
    assert everything["text_removed"].share > 0.8
    assert everything["text_retained"].share < 0.6
    assert everything["all"].share < 0.8


def test_drawn_text_is_where_its_rectangle_says(planted, tmp_path):
    made = planted(per_source=1, burned=1)
    [first] = [name for name in made.files if name.startswith("series_")]
    boxes = [tuple(map(int, row.value.split(","))) for row in made.key if row.file == first and row.action == "pixels_hidden"]
    values = pydicom.dcmread(made.files[first]).pixel_array
    assert len(boxes) == 3
    for left, top, right, bottom in boxes:
        assert np.ptp(values[top:bottom, left:right]) > 500
