"""Volumes against dcm2niix where it is right (it is asked only where it is installed) and against SimpleITK."""

import shutil
import subprocess

import nibabel
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import PositronEmissionTomographyImageStorage, RLELossless

from imaging.volumes import read_volume, write_nifti
from tests.lib.dicom_files import ct_series, write
from tests.lib.enhanced_files import enhanced, planes
from tests.lib.paths import shared


def dcm2niix(folder, out) -> dict[str, nibabel.Nifti1Image]:
    program = shutil.which("dcm2niix")
    if program is None:
        pytest.skip("dcm2niix is not installed")
    out.mkdir()
    subprocess.run([program, "-b", "n", "-z", "n", "-f", "x", "-o", out, folder], capture_output=True, check=True)
    return {path.stem: nibabel.load(path) for path in sorted(out.glob("*.nii"))}


def voxels_by_place(image) -> tuple[np.ndarray, np.ndarray]:
    """Voxels with axes turned to RAS, so that two orders of rows and slices compare."""
    turned = nibabel.as_closest_canonical(image)
    return np.asanyarray(turned.dataobj), turned.affine


def copied(paths, folder):
    folder.mkdir()
    for path in paths:
        shutil.copy(path, folder)
    return folder


def chest():
    return sorted(shared("imaging/chest_ct_harbin/series").glob("*.dcm"))


def tilted():
    """The first run of the head: even steps, tilted gantry."""
    return sorted(shared("imaging/head_ct_gantry_tilt/ge_hispeed").glob("*.dcm"))[:14]


def test_a_regular_series_is_dcm2niix_s(tmp_path):
    paths = chest()
    theirs = dcm2niix(copied(paths, tmp_path / "in"), tmp_path / "out")
    values, affine = voxels_by_place(nibabel.load(write_nifti(read_volume(paths), tmp_path / "ours.nii")))
    their_values, their_affine = voxels_by_place(theirs["x"])
    assert np.array_equal(values, their_values)
    assert affine == pytest.approx(their_affine, abs=1e-4)


def test_a_tilted_series_has_dcm2niix_s_voxels_and_the_headers_steps(tmp_path):
    """dcm2niix keeps the slices, but steps (4.00 mm for 4.22) and rows are not the headers', by version; its other file is resampled."""
    paths = tilted()
    theirs = dcm2niix(copied(paths, tmp_path / "in"), tmp_path / "out")
    volume = read_volume(paths, "keep")
    values, _ = voxels_by_place(nibabel.load(write_nifti(volume, tmp_path / "ours.nii")))
    assert np.array_equal(values, voxels_by_place(theirs["x"])[0])
    for number, dataset in enumerate(sorted(map(dcmread, paths), key=lambda dataset: dataset.ImagePositionPatient[2])):
        down = np.array(dataset.ImageOrientationPatient[3:], float) * dataset.PixelSpacing[0]
        there = np.array(dataset.ImagePositionPatient, float) + 100 * down
        assert volume.affine @ (0, 100, number, 1) == pytest.approx((*there, 1), abs=0.02)
    assert volume.affine @ (0, 0, 13, 1) == pytest.approx((-125, -123.5404569, 60.6960586, 1))


def pet_slopes():
    datasets = ct_series(5, size=16, SOPClassUID=PositronEmissionTomographyImageStorage, Modality="PT", Units="BQML", RescaleIntercept=0)
    for number, dataset in enumerate(datasets, 1):
        dataset.RescaleSlope = str(number / 2)
    return datasets


def packed():
    datasets = ct_series(5, size=16)
    for dataset in datasets:
        dataset.compress(RLELossless)
    return datasets


MADE = {
    "from last to first": lambda: ct_series(5, size=16)[::-1],
    "feet first": lambda: ct_series(5, size=16, ImageOrientationPatient=[-1, 0, 0, 0, 1, 0], PatientPosition="FFS"),
    "on the side": lambda: ct_series(5, size=16, ImageOrientationPatient=[0, 1, 0, -1, 0, 0], PatientPosition="HFDR"),
    "a slope a slice": pet_slopes,
    "run lengths": packed,
    "frames of any order": lambda: [enhanced(planes(9, 0, 6, 3), size=16)],
}


@pytest.mark.parametrize("what", MADE)
def test_made_series_are_dcm2niix_s(what, tmp_path):
    volume = read_volume(write(MADE[what](), tmp_path / "in"))
    theirs = dcm2niix(tmp_path / "in", tmp_path / "out")
    values, affine = voxels_by_place(nibabel.load(write_nifti(volume, tmp_path / "ours.nii")))
    their_values, their_affine = voxels_by_place(theirs["x"])
    assert values == pytest.approx(their_values, rel=1e-6)
    assert affine == pytest.approx(their_affine, abs=1e-4)


@pytest.mark.parametrize("orientation", [[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1], [0.8, 0.6, 0, 0, 0, -1]])
def test_equal_to_simpleitk_in_every_orientation(orientation, tmp_path):
    import SimpleITK

    normal = np.cross(orientation[:3], orientation[3:])
    datasets = ct_series(5, size=6, ImageOrientationPatient=orientation, PixelSpacing=[0.7, 0.4])
    for number, dataset in enumerate(datasets):
        dataset.ImagePositionPatient = [round(float(value), 6) for value in (10, 20, 30) + normal * 2.5 * number]
    paths = write(datasets, tmp_path)
    volume = read_volume(paths[::-1])
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(list(map(str, paths)))
    image = reader.Execute()
    assert np.array_equal(volume.array, SimpleITK.GetArrayFromImage(image))
    for index in ((0, 0, 0), (3, 1, 4), (5, 5, 2)):
        assert (volume.affine @ (*index, 1))[:3] == pytest.approx(image.TransformIndexToPhysicalPoint(index), abs=1e-6)
