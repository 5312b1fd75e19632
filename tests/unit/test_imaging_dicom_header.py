"""The header scanner gives what pydicom gives, or refuses with file, tag and reason; nothing else."""

import random
import struct
import time
import warnings
from pathlib import Path

import pydicom
import pytest
from pydicom.multival import MultiValue

from imaging.dicom.alike import Alike
from imaging.dicom.header import read_header
from imaging.dicom.refusals import Refusal
from imaging.dicom.tags import BY_NAME, FIELDS
from tests.lib.dicom_files import (
    PYDICOM_FILES,
    UNDEFINED,
    ct_series,
    element,
    identified,
    item,
    mutated_files,
    nested_items,
    part10,
    uid,
    write,
)
from tests.lib.paths import shared


def expected(path) -> dict:
    """What pydicom's own values are, as plain ones: the oracle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        found = {}
        for field in FIELDS:
            part = ds.file_meta if field.tag < 0x00030000 else ds
            try:
                value = _plain(part[field.tag].value, field) if field.tag in part else None
            except (ValueError, TypeError, NotImplementedError):
                continue
            if value is not None:
                found[field.name] = value
    return found


def _plain(value, field):
    if value is None or (isinstance(value, str) and not value):
        return None
    each = tuple(_one(v, field) for v in (value if isinstance(value, (MultiValue, list)) else [value]))
    if all(v is None for v in each):
        return None
    if field.count == 0:
        return each
    if field.count > 1:
        return each if len(each) == field.count and None not in each else None
    if len(each) == 1:
        return each[0]
    return "\\".join(v or "" for v in each) if isinstance(each[0], str) else None


def _one(value, field):
    if value is None or str(value) == "":
        return None
    return {"DS": float, "FD": float, "IS": int, "US": int}.get(field.vr, str)(value)


def check(path) -> bool:
    header = read_header(path)
    assert header.values == expected(path), path
    return header.scanned


def test_equal_to_pydicom_on_the_real_files():
    files = [path for path in sorted(shared("imaging").rglob("*")) if path.is_file() and path.suffix in (".dcm", "") and _is_dicom(path)]
    files += [path for path in sorted(shared("imaging/transfer_syntaxes").iterdir()) if _is_dicom(path)]
    scanned = [check(path) for path in files]
    assert len(scanned) > 80
    assert sum(scanned) > 0.9 * len(scanned)


def _is_dicom(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


#: What pydicom reads without a word although bytes are missing, or what is no data set.
REFUSED = {"no_meta.dcm": "not-dicom", "MR_truncated.dcm": "cut-short", "rtplan_truncated.dcm": "cut-short"}


def test_equal_to_pydicom_on_its_own_test_files():
    for path in sorted(PYDICOM_FILES.glob("*.dcm")):
        if path.name in REFUSED:
            with pytest.raises(Refusal) as told:
                read_header(path)
            assert told.value.reason == REFUSED[path.name]
        else:
            check(path)


def elements_by_name(**values: bytes) -> bytes:
    fields = [(BY_NAME[name], value) for name, value in values.items()]
    return b"".join(element(field.tag, field.vr.encode(), value) for field, value in fields)


ODD = {
    "plain": elements_by_name(modality=b"CT"),
    "many values": elements_by_name(window_center=b"40\\-600 ", window_width=b"400\\1500 ", image_type=b"DERIVED\\\\AXIAL"),
    "padded": elements_by_name(slice_thickness=b"  5.000000 ", series_number=b" +3 ", patient_id=b"A 1  \0", station_name=b"  CT1 "),
    "longer than 16 characters": elements_by_name(pixel_spacing=b"0.70312500000000001\\0.66666666666666663 "),
    "empty": elements_by_name(modality=b"", slice_thickness=b"", patient_name=b"", rows=b"", pixel_spacing=b"", image_type=b""),
    "blank": elements_by_name(modality=b"  ", slice_thickness=b"    ", patient_name=b"  ", series_number=b"  "),
    "GB18030": elements_by_name(
        specific_character_set=b"GB18030 ", patient_name="王^小东".encode("gb18030"), series_description="胸部平扫".encode("gb18030")
    ),
    "UTF-8": elements_by_name(
        specific_character_set=b"ISO_IR 192", patient_name="Wang^XiaoDong=王^小东=".encode(), protocol_name="头颅".encode()
    ),
    "ISO 2022": elements_by_name(
        specific_character_set=b"\\ISO 2022 IR 58", patient_name=b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab"
    ),
    "GBK declared as Latin 1": elements_by_name(specific_character_set=b"ISO_IR 100", patient_name="李四".encode("gbk")),
    "unknown character set": elements_by_name(specific_character_set=b"GBK ", patient_name="李四".encode("gbk")),
    "bytes that are none of its set": elements_by_name(specific_character_set=b"ISO_IR 192", patient_name=b"\xff\xfe\xd0"),
    "duplicate": elements_by_name(modality=b"CT") + elements_by_name(modality=b"MR"),
    "duplicate, the second empty": elements_by_name(modality=b"CT") + elements_by_name(modality=b""),
    "private block": element(0x00290010, b"LO", b"MAKER CSA ")
    + element(0x00291010, b"OB", bytes(20_000))
    + elements_by_name(rows=b"\x10\x00"),
    "far behind a long element": element(0x00091010, b"OB", bytes(2_000_000)) + elements_by_name(rows=b"\x10\x00"),
    "unsorted": elements_by_name(rows=b"\x10\x00", modality=b"CT"),
    "odd length": elements_by_name(modality=b"CTX", patient_id=b"123", instance_number=b"7"),
    "another representation": element(0x00280010, b"UL", b"\x10\x00\x00\x00") + element(0x00080060, b"LO", b"CT"),
    "unknown representation": element(0x00280010, b"UN", b"\x10\x00"),
    "integer as a decimal": elements_by_name(instance_number=b"3.0 ", slice_thickness=b"5"),
    "many where one is wanted": elements_by_name(modality=b"CT\\MR ", slice_thickness=b"5\\6 ", rows=b"\x10\x00\x20\x00"),
    "too few": elements_by_name(image_position_patient=b"1\\2 ", pixel_spacing=b"0.5\\ "),
    "sequence of undefined length": element(
        0x00081140, b"SQ", item(element(0x00081150, b"UI", b"1.2\0"), length=UNDEFINED) + element(0xFFFEE0DD, b"", b""), length=UNDEFINED
    ),
    "nested five deep": nested_items(5),
    "group length": element(0x00080000, b"UL", b"\x10\x00\x00\x00"),
    "retired letters": element(0x00091001, b"ZZ", b"abcd"),
    "wanted tag inside a sequence only": element(0x00081140, b"SQ", item(elements_by_name(modality=b"MR"))),
    "implicit item in an explicit file": element(0x00081140, b"SQ", item(struct.pack("<HHI", 0x0008, 0x0060, 2) + b"MR")),
}


@pytest.mark.parametrize("what", ODD)
def test_equal_to_pydicom_on_odd_files(what, tmp_path):
    path = tmp_path / "odd.dcm"
    path.write_bytes(part10(identified(ODD[what])))
    check(path)


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big", "deflated"])
@pytest.mark.parametrize(
    "options", [{}, {"nested": True}, {"Modality": None}, {"SpecificCharacterSet": "GB18030", "PatientName": "欧阳^娜"}]
)
def test_equal_to_pydicom_in_every_syntax(syntax, options, tmp_path):
    (path,) = write(ct_series(1, syntax=syntax, **options), tmp_path)
    scanned = check(path)
    assert scanned == (syntax in ("explicit", "implicit") and not (syntax == "implicit" and "nested" in options))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("slice_thickness", b"5 mm", "bad-value"),
        ("slice_thickness", b"nan ", "bad-value"),
        ("instance_number", b"1.5 ", "bad-value"),
        ("rows", b"\x01", "bad-value"),
        ("image_position_patient", b"1\\2\\3\\4 ", "wrong-count"),
        ("slice_thickness", b"5\\6 ", "several"),
    ],
)
def test_a_wrong_value_is_told_and_the_rest_is_read(name, value, reason, tmp_path):
    path = tmp_path / "wrong.dcm"
    path.write_bytes(part10(identified(elements_by_name(**{name: value}))))
    header = read_header(path)
    assert name not in header.values
    assert header.values["study_instance_uid"] == uid(9)
    assert [problem.reason for problem in header.problems] == [reason]
    assert value.decode().strip() not in header.problems[0].text


BAD = {
    "empty": (b"", "empty"),
    "text": (b"patient,age\n" * 40, "not-dicom"),
    "preamble only": (bytes(128) + b"DICM", "unfinished"),
    "length beyond the end": (part10(identified(element(0x00080060, b"CS", b"CT", length=60_000))), "cut-short"),
    "huge length": (part10(identified(element(0x00091010, b"OB", b"ab", length=0xFFFFFFF0))), "cut-short"),
    "last value cut": (part10(identified())[:-2], "cut-short"),
    "deep": (part10(identified(nested_items(500))), "too-deep"),
    "deflate cut": (part10(identified(bytes(0)), syntax="deflated")[:-6], "deflate"),
    "deflate broken": (part10(identified(), syntax="deflated")[:-40] + bytes([255] * 40), "deflate"),
}


@pytest.mark.parametrize("what", BAD)
def test_refused_with_file_and_reason(what, tmp_path):
    data, reason = BAD[what]
    path = tmp_path / "bad.dcm"
    path.write_bytes(data)
    with pytest.raises(Refusal, match=r"bad\.dcm") as told:
        read_header(path)
    assert told.value.reason == reason


def test_pixel_data_cut_short_are_refused(tmp_path):
    (path,) = write(ct_series(1), tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Refusal, match=r"\(7FE0,0010\): declares 128 bytes where 127 are left"):
        read_header(path)


def fuzz(folder: Path, n: int, *, seed: int = 5) -> dict[str, int]:
    """Read `n` mutated files; return how each ended. Any exception but a refusal goes on to the caller, and so do slow files."""
    ended: dict[str, int] = {}
    path = folder / "fuzzed.dcm"
    for number, data in enumerate(mutated_files(n, seed=seed)):
        path.write_bytes(data)
        start = time.process_time()
        try:
            header = read_header(path)
            result = "scanned" if header.scanned else "by pydicom"
        except Refusal as refusal:
            result = refusal.reason
        assert time.process_time() - start < 2
        if result == "scanned":
            assert header.values == expected(path), number
        ended[result] = ended.get(result, 0) + 1
    return ended


def test_mutated_files_are_read_or_refused(tmp_path):
    ended = fuzz(tmp_path, 1_000)
    assert {"scanned", "by pydicom", "cut-short"} <= set(ended)


@pytest.mark.nightly
def test_ten_thousand_mutated_files(tmp_path):
    assert sum(fuzz(tmp_path, 10_000, seed=6).values()) == 10_000


def told(path, alike: Alike | None = None):
    try:
        header = read_header(path, alike=alike)
    except Refusal as refusal:
        return str(refusal)
    return header.values, sorted(header.problems), header.scanned


def read_one_after_another(paths, alike: Alike) -> int:
    """Read files with and without what those before have in common; return how many were read by it."""
    learnt = 0
    learn = alike.learn

    def count(*what) -> None:
        nonlocal learnt
        learnt += 1
        learn(*what)

    alike.learn = count
    for path in paths:
        assert told(path, alike) == told(path), path
    return len(paths) - learnt


def test_files_read_one_after_another_are_as_read_alone(tmp_path):
    series = [
        ct_series(40),
        ct_series(40, series=2, nested=True, KVP=80),
        ct_series(30, series=3, PatientName="赵^六", InstanceNumber=None),
    ]
    paths = [path for number, datasets in enumerate(series) for path in write(datasets, tmp_path / str(number))]
    assert read_one_after_another(paths, Alike()) > 85
    random.Random(3).shuffle(paths)
    assert read_one_after_another(paths, Alike()) > 80
    real = [path for path in sorted(shared("imaging").rglob("*")) if _is_dicom(path)]
    assert read_one_after_another([*real, *sorted(PYDICOM_FILES.glob("*.dcm"))], Alike()) > 40


@pytest.mark.parametrize(
    "other",
    [
        {"SpecificCharacterSet": "GB18030"},
        {"PatientName": "Li^Si"},
        {"Rows": None},
        {"SliceThickness": ["5", "6"]},
        {"ImagePositionPatient": ["1", "2"]},
        {"syntax": "implicit"},
        {"syntax": "deflated"},
        {"nested": True},
    ],
)
def test_a_file_unlike_those_before_it_is_read_as_it_is(other, tmp_path):
    before, after = write(ct_series(20), tmp_path / "a"), write(ct_series(24, **other)[20:], tmp_path / "b")
    alike = Alike()
    for path in [*before, *after, *before[:3], *after]:
        assert told(path, alike) == told(path), path


def test_mutated_files_among_whole_ones_are_read_as_alone(tmp_path):
    alike, whole = Alike(), write(ct_series(20, nested=True), tmp_path / "whole")
    path = tmp_path / "mutated.dcm"
    shuffled = random.Random(4)
    for number in range(1_500):
        data = bytearray(shuffled.choice(whole).read_bytes())
        for _ in range(shuffled.choice([1, 1, 2, 30])):
            place = shuffled.randrange(128, len(data))
            data[place] = shuffled.choice([0, 255, 65, 92, data[place] ^ 1, shuffled.randrange(256)])
        path.write_bytes(data[: shuffled.choice([len(data), len(data), shuffled.randrange(len(data))])])
        assert told(path, alike) == told(path), number
        assert told(whole[number % 20], alike) == told(whole[number % 20])
