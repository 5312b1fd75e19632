"""Folders as they are: links in circles, pipes, names in GBK, archives, indexes of discs."""

import gc
import os
import shutil
import warnings
from pathlib import Path

import pytest
from pydicom.fileset import FileSet

from imaging.dicom.files import archive_kind, path_from_text, path_text, read_index, walk_folder
from imaging.dicom.refusals import Refusal
from tests.lib.dicom_files import PYDICOM_FILES, ct_series, index_file, write

DISCS = PYDICOM_FILES / "dicomdirtests"


def seen(folder) -> set[tuple[str, str]]:
    return {(os.path.relpath(found.path, folder), found.skipped) for found in walk_folder(folder)}


def test_each_file_is_found_once_and_what_is_left_out_is_named(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "one.dcm").write_bytes(b"1234")
    (tmp_path / ".hidden").write_bytes(b"")
    (inner / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(inner)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert seen(tmp_path) == {
        ("a/b/one.dcm", ""),
        (".hidden", "hidden"),
        ("a/b/up", "seen"),
        ("again", "seen"),
        ("gone", "broken-link"),
        ("pipe", "special"),
    }
    (found,) = [found for found in walk_folder(tmp_path) if not found.skipped]
    assert (found.size, found.modified_ns) == (4, (inner / "one.dcm").stat().st_mtime_ns)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    assert seen(tmp_path / "nowhere") == {(".", "unreadable")}


def test_a_linked_folder_outside_is_entered(tmp_path):
    write(ct_series(2), tmp_path / "archive")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "link").symlink_to(tmp_path / "archive")
    assert len([found for found in walk_folder(tmp_path / "work") if not found.skipped]) == 2


@pytest.mark.parametrize(
    "name",
    [b"plain.dcm", "影像.dcm".encode(), "影像.dcm".encode("gb18030"), b"a\\x41.dcm", b"a\\x5cx\xff.dcm", b"\xff\\x", b"new\nline"],
)
def test_any_name_travels_as_text(name):
    path = os.fsdecode(name)
    text = path_text(path)
    assert text.encode()
    assert os.fsencode(path_from_text(text)) == name


def test_archives_are_told_by_their_first_bytes(tmp_path):
    write(ct_series(1), tmp_path / "in")
    for kind in ("zip", "tar", "gztar", "bztar", "xztar"):
        path = shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path / "in")
        assert archive_kind(Path(path).read_bytes()[:300]) == {"gztar": "gzip", "bztar": "bzip2", "xztar": "xz"}.get(kind, kind)
    assert archive_kind((tmp_path / "in" / "slice0000.dcm").read_bytes()[:300]) == ""


@pytest.mark.parametrize("name", ["DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit", "DICOMDIR-reordered"])
def test_an_index_names_its_files_whatever_its_syntax(name):
    index = read_index(DISCS / name)
    assert len(index.files) == 31
    assert index.problems == ()


def test_an_index_with_wrong_lengths_is_refused():
    with pytest.raises(Refusal, match=r"\(0004,1220\): declares 248 bytes where 224 are left"):
        read_index(DISCS / "DICOMDIR-nooffset")


def test_an_index_equals_what_pydicom_finds():
    index = read_index(DISCS / "DICOMDIR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disc = FileSet(DISCS / "DICOMDIR")
        assert {path.resolve() for path in index.files} == {Path(instance.path).resolve() for instance in disc}
        del disc
        gc.collect()


def test_files_that_are_missing_or_renamed_are_told(tmp_path):
    write(ct_series(3), tmp_path / "Disc", stem="IM")
    (tmp_path / "Disc" / "IM0000.dcm").rename(tmp_path / "Disc" / "im0000.dcm")
    (tmp_path / "Disc" / "IM0001.dcm").unlink()
    path = tmp_path / "DICOMDIR"
    path.write_bytes(index_file("Disc\\IM0000.dcm", "Disc\\IM0001.dcm", "Disc\\IM0002.dcm"))
    index = read_index(path)
    assert [found.name for found in index.files] == ["im0000.dcm", "IM0002.dcm"]
    assert [problem.text for problem in index.problems] == ["names in record 2 a file that is not there"]


@pytest.mark.parametrize("name", ["..\\secret", "a/../../secret", ".\\secret", "A\\..\\..\\secret", "/etc/passwd"])
def test_an_index_does_not_lead_out_of_its_folder(name, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    path = tmp_path / "disc" / "DICOMDIR"
    path.parent.mkdir()
    path.write_bytes(index_file(name))
    index = read_index(path)
    assert index.files == ()
    assert [problem.reason for problem in index.problems] == ["outside"]


def test_an_image_is_no_index(tmp_path):
    (path,) = write(ct_series(1), tmp_path)
    with pytest.raises(Refusal, match="no DICOMDIR"):
        read_index(path)
