"""Reading within limits: every odd or hostile file is read or refused with its reason, and memory stays bounded."""

import os
import random
import resource
import struct
import time
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from imaging.dicom.header import read_header
from imaging.dicom.quiet import quiet
from imaging.dicom.reading import read_dataset
from imaging.dicom.refusals import REASONS, Refusal
from imaging.dicom.rows import rows_of
from imaging.dicom.structure import Limits
from imaging.errors import ImageDataError, ImagingError
from imaging.volumes import read_volumes
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
from tests.lib.dicom_mutations import hostile_files
from tests.lib.paths import shared

END = element(0xFFFEE0DD, b"", b"")


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big", "deflated"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_plain_file_is_read_as_pydicom_reads_it(syntax, nested, tmp_path):
    (path,) = write(ct_series(1, syntax=syntax, nested=nested), tmp_path)
    reading = read_dataset(path, pixels=True)
    assert reading.problems == ()
    assert reading.dataset == pydicom.dcmread(path)
    assert reading.dataset.file_meta == pydicom.dcmread(path).file_meta
    assert "PixelData" not in read_dataset(path).dataset
    assert read_dataset(path.read_bytes()).dataset == read_dataset(path).dataset


def test_every_real_file_is_read():
    folders = [shared("imaging/chest_ct_harbin"), shared("imaging/head_ct_gantry_tilt"), shared("imaging/burned_in_text")]
    files = [path for folder in folders for path in folder.rglob("*.dcm")]
    files += [
        path
        for path in shared("imaging/transfer_syntaxes").rglob("*")
        if path.is_file() and "." not in path.name and path.name != "LICENSE"
    ]
    assert len(files) > 70
    for path in files:
        assert "PixelData" in read_dataset(path, pixels=True).dataset or path.stem.endswith("no_pixels")


#: Of pydicom's own test files: two are cut short, one begins with a stray byte.
REFUSED = {"MR_truncated.dcm": "cut-short", "rtplan_truncated.dcm": "cut-short", "no_meta.dcm": "not-dicom"}


def test_every_file_of_pydicom_is_read_or_refused_for_its_reason():
    refused = {}
    for path in sorted(PYDICOM_FILES.glob("*.dcm")):
        try:
            read_dataset(path, pixels=True)
        except Refusal as refusal:
            refused[path.name] = refusal.reason
    assert refused == REFUSED


def sequence(content: bytes, *, length: int | None = None, tag: int = 0x00081140, vr: bytes = b"SQ") -> bytes:
    return element(tag, vr, content, length=length)


HOSTILE = {
    "undefined sequences, 1,000 deep": (part10(nested_items(1000)), 0x00081140, "too-deep"),
    "defined sequences, 40 deep": (part10(nested_items(40, undefined=False)), 0x00081140, "too-deep"),
    "nested in UN": (part10(sequence(item(nested_items(40, undefined=False)), vr=b"UN")), 0x00081140, "too-deep"),
    "item longer than its sequence": (part10(sequence(item(b"", length=400))), 0x00081140, "cut-short"),
    "element longer than its item": (part10(sequence(item(element(0x00080060, b"CS", b"CT", length=90)))), 0x00080060, "cut-short"),
    "no item where one should be": (part10(sequence(element(0x00080060, b"CS", b"CT"))), 0x00081140, "items"),
    "sequence without an end": (part10(sequence(item(b""), length=UNDEFINED)), 0x00081140, "unfinished"),
    "item without an end": (part10(sequence(element(0xFFFEE000, b"", b"", length=UNDEFINED), length=UNDEFINED)), 0x00081140, "unfinished"),
    "huge length": (part10(element(0x00091010, b"OB", b"", length=0xFFFFFFF0)), 0x00091010, "cut-short"),
    "fragments without an end": (
        part10(element(0x7FE00010, b"OB", item(b"") + item(b"1234"), length=UNDEFINED)),
        0x7FE00010,
        "unfinished",
    ),
    "fragment beyond the end": (
        part10(element(0x7FE00010, b"OB", item(b"") + item(b"1234", length=100), length=UNDEFINED)),
        0x7FE00010,
        "cut-short",
    ),
    "pixel data cut short": (part10(element(0x7FE00010, b"OW", bytes(10), length=100)), 0x7FE00010, "cut-short"),
    "meta information cut short": (bytes(128) + b"DICM" + element(0x00020002, b"UI", b"1.2", length=90), 0x00020002, "cut-short"),
    "head of an element cut": (part10(element(0x00080060, b"CS", b"CT") + element(0x00091010, b"OB", b"")[:10]), 0x00091010, "unfinished"),
    "empty": (b"", None, "empty"),
    "a photograph": (b"\xff\xd8\xff\xe0" + bytes(400), None, "not-dicom"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_refused_with_file_tag_and_reason(what, tmp_path):
    data, tag, reason = HOSTILE[what]
    path = tmp_path / "hostile.dcm"
    path.write_bytes(data)
    with pytest.raises(ImageDataError, match=r"hostile\.dcm") as told:
        read_dataset(path, pixels=True)
    assert (told.value.tag, told.value.reason) == (tag, reason)


def test_a_deflated_file_whose_syntax_has_another_representation(tmp_path):
    path = tmp_path / "a.dcm"
    path.write_bytes(part10(identified(), syntax="deflated").replace(b"\x02\x00\x10\x00UI", b"\x02\x00\x10\x00IS"))
    reading = read_dataset(path)
    assert (reading.dataset.file_meta.TransferSyntaxUID, reading.dataset.StudyInstanceUID) == (DeflatedExplicitVRLittleEndian, uid(9))


def peak_of(path, **limits) -> int:
    """Return the most bytes that Python held while a file was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(Refusal):
            read_dataset(path, limits=Limits(**limits))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_deflate_bomb_is_refused_at_the_limit(tmp_path):
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(element(0x00091010, b"OB", b"", length=40 << 20)) + packer.compress(bytes(40 << 20)) + packer.flush()
    path = tmp_path / "bomb.dcm"
    path.write_bytes(part10(b"", syntax="deflated")[:-2] + packed)
    assert path.stat().st_size < 300_000
    assert peak_of(path, inflated_bytes=1 << 20) < 8 << 20


def test_a_million_items_are_refused_before_they_are_built(tmp_path):
    path = tmp_path / "items.dcm"
    path.write_bytes(part10(sequence(item(b"") * 60_000)))
    assert peak_of(path, elements=20_000) < 16 << 20
    with pytest.raises(Refusal, match="more than 20000 elements"):
        read_dataset(path, limits=Limits(elements=20_000))


def test_private_items_in_an_implicit_file_are_counted_too(tmp_path):
    path = tmp_path / "private.dcm"
    items = item(b"") * 5_000
    path.write_bytes(part10(element(0x00080060, b"", b"CT") + struct.pack("<HHI", 0x0009, 0x1010, len(items)) + items, syntax="implicit"))
    with pytest.raises(Refusal, match="more than 1000 elements"):
        read_dataset(path, limits=Limits(elements=1_000))


def test_a_header_or_a_file_beyond_the_limit_is_refused(tmp_path):
    path = tmp_path / "long.dcm"
    path.write_bytes(part10(identified(element(0x00091010, b"OB", bytes(5_000)))))
    with pytest.raises(Refusal, match=r"\(0009,1010\): is longer than 4000 bytes"):
        read_dataset(path, limits=Limits(header_bytes=4_000))
    with pytest.raises(Refusal, match="is longer than 4000 bytes"):
        read_dataset(path, pixels=True, limits=Limits(file_bytes=4_000))


def test_values_that_cannot_be_read_are_told_and_kept_as_their_bytes(tmp_path):
    path = tmp_path / "values.dcm"
    nested = element(0x00081140, b"SQ", item(element(0x00200013, b"IS", b"first ")))
    path.write_bytes(part10(identified(element(0x00180050, b"DS", b"5 mm") + element(0x00280010, b"US", b"\1\0\2") + nested)))
    reading = read_dataset(path)
    assert {(problem.tag, problem.reason) for problem in reading.problems} == {
        ("(0020,0013)", "bad-value"),
        ("(0018,0050)", "bad-value"),
        ("(0028,0010)", "bad-value"),
    }
    assert reading.dataset["SliceThickness"].value == b"5 mm"
    assert reading.dataset.ReferencedImageSequence[0]["InstanceNumber"].value == b"first "
    assert reading.dataset.StudyInstanceUID == uid(9)


def test_a_pipe_or_a_folder_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "gone"):
        with pytest.raises(Refusal) as told:
            read_dataset(path)
        assert told.value.reason == "unreadable"


def test_the_process_keeps_its_own_settings(tmp_path):
    (path,) = write(ct_series(1), tmp_path)
    before = pydicom.config.settings.reading_validation_mode
    read_dataset(path)
    assert pydicom.config.settings.reading_validation_mode == before


def test_a_refusal_crosses_processes_and_names_every_reason():
    refusal = Refusal("a.dcm", 0x00280010, "cut-short", declared=2, left=1)
    kind, arguments = refusal.__reduce__()
    assert str(kind(*arguments)) == str(refusal)
    assert all(text and not text.endswith(".") for text in REASONS.values())


def fuzz(n: int, *, seed: int) -> dict[str, int]:
    """Read mutated files whole; every value of what is read can be shown."""
    ended: dict[str, int] = {}
    for data in mutated_files(n, seed=seed):
        start = time.process_time()
        try:
            reading = read_dataset(data, pixels=True)
            result = "read"
            assert str(reading.dataset)
        except Refusal as refusal:
            result = refusal.reason
        assert time.process_time() - start < 2
        ended[result] = ended.get(result, 0) + 1
    return ended


def test_mutated_files_are_read_or_refused():
    assert {"read", "cut-short", "items"} <= set(fuzz(500, seed=7))


def shown(dataset) -> str:
    with quiet():  # pydicom warns of private creators that are none while it writes
        return str(dataset)


def read_every_way(n: int, *, seed: int, folder) -> Counter:
    """Read hostile files as the catalogue, a data set and a volume; what is refused names its file."""
    path, ended = folder / "hostile.dcm", Counter()
    ways = {
        "header": lambda: read_header(path),
        "row": lambda: rows_of([(str(path), 0, 0)]),
        "data set": lambda: shown(read_dataset(path, pixels=True).dataset),
        "volume": lambda: read_volumes([path], "keep"),
    }
    for data in hostile_files(n, random.Random(seed)):
        path.write_bytes(data)
        for name, read in ways.items():
            start = time.process_time()
            told = None
            try:
                read()
            except ImagingError as error:
                told = error
            ended[name, "refused" if told else "read"] += 1
            assert not isinstance(told, ImageDataError) or told.code in ("too-large", "rescale-mixed") or "hostile.dcm" in str(told)
            assert time.process_time() - start < 5
    return ended


def test_hostile_files_are_read_or_refused_every_way(tmp_path):
    ended = read_every_way(150, seed=21, folder=tmp_path)
    assert all(ended[name, what] for name in ("header", "data set", "volume") for what in ("read", "refused"))
    assert ended["row", "read"] == 150


@pytest.mark.nightly
def test_ten_thousand_hostile_files_in_bounded_memory(tmp_path):
    before, limit = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * 4096, resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (before + (3 << 30), limit[1]))
    try:
        assert sum(read_every_way(10_000, seed=22, folder=tmp_path).values()) == 40_000
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limit)


@pytest.mark.nightly
def test_ten_thousand_mutated_files():
    assert sum(fuzz(10_000, seed=8).values()) == 10_000
