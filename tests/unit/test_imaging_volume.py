"""Assembly by verdict and policy, resampling, NIfTI: truth by construction, other readers where they are right."""

import math
from itertools import product

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from imaging.errors import GeometryError, ImageDataError, PlaceError, TaskError
from imaging.geometry import Verdict
from imaging.volumes import Policy, RefusedGeometry, open_series, parts, read_nifti, read_volume, read_volumes, write_nifti
from imaging.volumes.assembly import SERVES
from tests.lib.dicom_files import ct_series, uid, write
from tests.lib.paths import shared

FIELD = np.array([2.0, -3.0, 5.0])


def field(affine: np.ndarray, shape) -> np.ndarray:
    """A linear field of the patient's coordinates, which linear interpolation keeps exactly."""
    slices, rows, columns = np.indices(shape)
    points = np.stack([columns, rows, slices, np.ones(shape)], axis=-1) @ affine.T
    return points[..., :3] @ FIELD


def measured(dataset: pydicom.Dataset) -> None:
    """Let a slice measure the field where it lies, in steps of 0.01."""
    affine = np.eye(4)
    cosines, spacing = np.array(dataset.ImageOrientationPatient, float), [float(value) for value in dataset.PixelSpacing]
    affine[:3, 0], affine[:3, 1], affine[:3, 3] = cosines[:3] * spacing[1], cosines[3:] * spacing[0], dataset.ImagePositionPatient
    values = field(affine, (1, dataset.Rows, dataset.Columns))[0]
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.Modality = 0.1, 0, "MR"
    dataset.PixelData = np.rint(values * 10).astype("<i2").tobytes()


def chest() -> list:
    return sorted(shared("imaging/chest_ct_harbin/series").glob("*.dcm"))


def head() -> list:
    return sorted(shared("imaging/head_ct_gantry_tilt/ge_hispeed").glob("*.dcm"))


# ---- stacking ----------------------------------------------------------------------------------------------------------------


def test_a_plain_series_is_stacked_in_order_with_its_map_of_instances(tmp_path):
    datasets = ct_series(4)
    volume = read_volume(write(datasets[::-1], tmp_path))
    for number, dataset in enumerate(datasets):
        expected = np.frombuffer(dataset.PixelData, "<i2").reshape(8, 8).astype(int) - 1024
        assert np.array_equal(volume.array[number], expected)
        assert volume.slices[number].instance == dataset.SOPInstanceUID
        assert volume.affine @ (0, 0, number, 1) == pytest.approx([*map(float, dataset.ImagePositionPatient), 1])
    assert (volume.unit, volume.spacing_mm, volume.geometry.verdicts) == ("HU", (5.0, 0.7, 0.7), (Verdict.REGULAR,))


def test_the_real_chest_ct_is_what_simpleitk_reads():
    import SimpleITK

    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in chest()[::-1]])
    image = reader.Execute()
    volume = read_volume(chest())
    assert np.array_equal(volume.array, SimpleITK.GetArrayFromImage(image))
    assert volume.affine[:3, 3] == pytest.approx(image.GetOrigin())
    assert volume.spacing_mm[::-1] == pytest.approx(image.GetSpacing())
    assert volume.array.dtype == np.int16


def test_shape_and_verdict_need_no_pixels(tmp_path):
    paths = write(ct_series(3, PixelData=None), tmp_path)
    series = open_series(paths)
    assert series.geometry.shape == (3, 8, 8)
    assert series.unit_of(series.geometry.order) == "HU"
    assert [part.refused for part in parts(series)] == [()]
    with pytest.raises(ImageDataError, match="no pixel data"):
        read_volume(series)


def test_slices_of_differing_rescale_are_each_rescaled(tmp_path):
    first, second = ct_series(2)
    second.RescaleSlope, second.RescaleIntercept = "0.5", "-1000"
    volume = read_volume(write([first, second], tmp_path))
    assert volume.array.dtype == np.float32
    raw = np.arange(64).reshape(8, 8)
    assert np.array_equal(volume.array, [raw - 1024, (raw + 1) * 0.5 - 1000])


def test_units_that_do_not_agree_are_refused(tmp_path):
    first, second = ct_series(2)
    second.RescaleType = "US"
    with pytest.raises(ImageDataError, match="no unit and HU"):
        read_volume(write([first, second], tmp_path))


def test_an_array_beyond_the_limit_is_refused_before_memory_is_taken(tmp_path):
    paths = write(ct_series(2), tmp_path)
    with pytest.raises(ImageDataError, match="limit"):
        read_volume(paths, limit_bytes=100)


def test_the_same_instance_twice_is_one_slice_unless_its_pixels_differ(tmp_path):
    datasets = ct_series(3)
    paths = write([*datasets, datasets[1]], tmp_path)
    assert read_volume(paths).shape == (3, 8, 8)
    datasets[1].PixelData = bytes(128)
    write([datasets[1]], tmp_path, stem="changed")
    with pytest.raises(ImageDataError, match="same SOP Instance UID"):
        read_volume([*paths[:3], tmp_path / "changed0000.dcm"])


# ---- policies ----------------------------------------------------------------------------------------------------------------

CASES = {
    Verdict.REGULAR: lambda: ct_series(4),
    Verdict.GAP: lambda: ct_series(8, without=(3, 4)),
    Verdict.SHEARED: lambda: ct_series(4, tilt_degrees=15),
    Verdict.LOCALISER: lambda: ct_series(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    Verdict.UNCALIBRATED: lambda: ct_series(4, PixelSpacing=None, ImagerPixelSpacing=[0.1, 0.1]),
    Verdict.MULTI_STACK: lambda: ct_series(3) + ct_series(2, study=2),
    Verdict.MOSAIC: lambda: ct_series(1, ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]),
}


def irregular() -> list[pydicom.Dataset]:
    datasets = ct_series(5)
    for dataset, z in zip(datasets, (0, 1.08, 5.08, 9.08, 16.08), strict=True):
        dataset.ImagePositionPatient = [-100, -100, z]
    return datasets


CASES[Verdict.IRREGULAR] = irregular


@pytest.mark.parametrize(("verdict", "policy"), list(product(CASES, Policy)), ids=str)
def test_a_policy_serves_a_verdict_or_it_is_refused_with_reasons(verdict, policy, tmp_path):
    series = open_series(write(CASES[verdict](), tmp_path))
    assert verdict in series.geometry.verdicts
    if policy in SERVES.get(verdict, Policy):
        volumes = read_volumes(series, policy)
        assert len(volumes) == (2 if verdict is Verdict.MULTI_STACK else 1)
        assert all(volume.array.ndim == 3 for volume in volumes)
        return
    with pytest.raises(RefusedGeometry) as caught:
        read_volumes(series, policy)
    assert verdict in caught.value.verdicts
    assert caught.value.geometry.reasons
    assert "policies that serve" in str(caught.value)


def test_kept_slices_have_an_affine_only_where_it_is_true(tmp_path):
    gap = read_volume(write(ct_series(8, without=(3, 4)), tmp_path / "gap"), "keep")
    assert (gap.shape, gap.affine, gap.spacing_mm) == ((6, 8, 8), None, None)
    sheared = read_volume(write(ct_series(4, tilt_degrees=15), tmp_path / "tilt"), "keep")
    assert sheared.affine[:3, 2] == pytest.approx([0, 0, 5], abs=1e-3)


def test_a_policy_for_each_verdict(tmp_path):
    paths = write(ct_series(8, without=(3,)) + ct_series(3, study=2), tmp_path)
    with pytest.raises(RefusedGeometry):
        read_volumes(paths, {"multi_stack": "split"})
    first, second = read_volumes(paths, {"multi_stack": "split", "gap": "resample"})
    assert (first.shape, second.shape) == ((8, 8, 8), (3, 8, 8))
    assert [part.refused for part in parts(open_series(paths), "split")] == [(Verdict.GAP,), ()]
    with pytest.raises(TaskError, match="wanted one of"):
        read_volumes(paths, "guess")
    with pytest.raises(RefusedGeometry):
        read_volume(paths, "resample")


def test_one_position_with_two_images_is_refused_under_every_policy(tmp_path):
    datasets = ct_series(3)
    extra = ct_series(2)[1]
    extra.SOPInstanceUID, extra.PixelData = uid(7), bytes(128)
    paths = write([*datasets, extra], tmp_path)
    for policy in Policy:
        with pytest.raises(RefusedGeometry, match="nothing in the headers"):
            read_volumes(paths, policy)


def test_one_radiograph_is_read_and_has_no_millimetres(tmp_path):
    values = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"))
    paths = write(ct_series(1, Modality="DX", ImagerPixelSpacing=[0.1, 0.1], **values), tmp_path)
    volume = read_volume(paths)
    assert (volume.shape, volume.affine, volume.spacing_mm) == ((1, 8, 8), None, None)


# ---- resampling --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["gap", "tilt", "irregular", "both"])
def test_a_linear_field_survives_resampling(case, tmp_path):
    datasets = {
        "gap": lambda: ct_series(8, without=(3, 4), size=24),
        "tilt": lambda: ct_series(6, tilt_degrees=12, size=24, spacing_mm=3.0),
        "irregular": lambda: ct_series(5, size=24),
        "both": lambda: ct_series(5, tilt_degrees=12, size=24),
    }[case]()
    if case in ("irregular", "both"):
        for dataset, z in zip(datasets, (0, 1.5, 5.5, 9.5, 12.0), strict=True):
            dataset.ImagePositionPatient = [-100, -100, z]
    for dataset in datasets:
        measured(dataset)
    volume = read_volume(write(datasets, tmp_path), "resample")
    inside = volume.array != 0
    assert np.mean(inside) > 0.5
    expected = field(volume.affine, volume.shape)
    assert np.abs(volume.array - expected)[inside].max() < 0.2
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-6)
    assert np.linalg.norm(volume.affine[:3, :3], axis=0)[::-1] == pytest.approx(volume.spacing_mm)


def test_resampling_keeps_measured_slices_and_says_which_were_computed(tmp_path):
    datasets = ct_series(8, without=(3, 4))
    paths = write(datasets, tmp_path)
    volume = read_volume(paths, "resample")
    kept = read_volume(paths, "keep")
    assert volume.shape == (8, 8, 8)
    assert np.array_equal(volume.array[[0, 1, 2, 5, 6, 7]], kept.array)
    assert [source.distance_mm for source in volume.slices] == [0, 0, 0, 5, 5, 0, 0, 0]
    assert volume.array.dtype == kept.array.dtype
    assert volume.spacing_mm == pytest.approx((5, 0.7, 0.7))


def test_outside_what_was_scanned_is_air(tmp_path):
    volume = read_volume(write(ct_series(4, tilt_degrees=20), tmp_path), "resample")
    assert volume.shape[1] > 8
    assert volume.array[0, 0, 0] == -1024 or volume.array[-1, 0, 0] == -1024
    assert volume.array[1:-1].max() > -1024


def test_air_has_its_value_where_no_stored_value_could_be_air(tmp_path):
    datasets = ct_series(4, tilt_degrees=20, PixelRepresentation=0, RescaleIntercept=0)
    volume = read_volume(write(datasets, tmp_path), "resample")
    assert volume.array.min() == -1024
    assert 60 < volume.array.max() <= 66


def test_the_step_may_be_chosen_within_reason(tmp_path):
    paths = write(ct_series(8, without=(3,)), tmp_path)
    assert read_volume(paths, "resample", step_mm=2.5).shape[0] == 15
    with pytest.raises(TaskError):
        read_volume(paths, "resample", step_mm=-1)
    with pytest.raises(ImageDataError, match="limit"):
        read_volume(paths, "resample", step_mm=1e-9)


def test_real_head_ct_is_refused_and_resampled_where_it_lies():
    paths = head()
    with pytest.raises(RefusedGeometry, match="irregular, sheared"):
        read_volume(paths)
    volume = read_volume(paths, "resample")
    kept = read_volume(paths, "keep")
    assert kept.affine is None
    series = open_series(paths)
    frame = series.frames[series.geometry.order[5]]
    at = np.linalg.inv(volume.affine) @ (*(np.array(frame.position) + 117 * np.array(frame.orientation[:3]) * 0.4882812), 1)
    assert at[0] == pytest.approx(117, abs=1e-6)
    down = 200
    column, row, depth = at[0], at[1] + down, at[2]
    low = math.floor(depth)
    values = [volume.array[low + k, math.floor(row) + j, round(column)] for k, j in product((0, 1), (0, 1))]
    assert min(values) - 150 <= kept.array[5, down, 117] <= max(values) + 150


# ---- NIfTI -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_there_and_back(tmp_path, suffix):
    volume = read_volume(write(ct_series(4), tmp_path / "in"))
    path = write_nifti(volume, tmp_path / f"out{suffix}")
    back = read_nifti(path)
    assert np.array_equal(back.array, volume.array)
    assert back.affine == pytest.approx(volume.affine)
    assert (back.geometry.verdicts, back.spacing_mm) == ((Verdict.REGULAR,), pytest.approx(volume.spacing_mm))
    image = nibabel.load(path)
    assert nibabel.aff2axcodes(image.affine) == ("L", "P", "S")
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
    assert image.get_qform() == pytest.approx(image.get_sform(), abs=1e-4)
    assert [found.name for found in tmp_path.iterdir() if found.is_file()] == [path.name]


def test_a_sheared_volume_has_its_shear_in_the_sform_only(tmp_path):
    volume = read_volume(write(ct_series(4, tilt_degrees=15), tmp_path / "in"), "keep")
    path = write_nifti(volume, tmp_path / "tilt.nii")
    image = nibabel.load(path)
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 0)
    back = read_nifti(path)
    assert back.geometry.verdicts == (Verdict.SHEARED,)
    assert back.affine == pytest.approx(volume.affine, abs=1e-4)
    assert back.spacing_mm == pytest.approx(volume.spacing_mm, abs=1e-5)


def test_a_volume_without_affine_says_so(tmp_path):
    volume = read_volume(write(ct_series(8, without=(3,)), tmp_path / "in"), "keep")
    path = write_nifti(volume, tmp_path / "gap.nii.gz")
    assert nibabel.load(path).header["sform_code"] == nibabel.load(path).header["qform_code"] == 0
    back = read_nifti(path)
    assert (back.affine, back.geometry.verdicts) == (None, (Verdict.UNPLACED,))


def test_what_cannot_be_nifti_is_refused(tmp_path):
    colour = read_volume([get_testdata_file("SC_rgb_small_odd.dcm")], "keep")
    with pytest.raises(GeometryError):
        write_nifti(colour, tmp_path / "colour.nii")
    volume = read_volume(write(ct_series(2), tmp_path / "in"))
    with pytest.raises(PlaceError):
        write_nifti(volume, tmp_path / "none" / "a.nii")
    with pytest.raises(PlaceError):
        write_nifti(volume, tmp_path / "a.img")


def test_broken_nifti_is_refused(tmp_path):
    volume = read_volume(write(ct_series(4), tmp_path / "in"))
    whole = write_nifti(volume, tmp_path / "whole.nii.gz").read_bytes()
    plain = write_nifti(volume, tmp_path / "plain.nii").read_bytes()
    nibabel.Nifti1Image(np.zeros((2, 2, 2, 3)), np.eye(4)).to_filename(tmp_path / "four.nii")
    for name, content in {"cut.nii.gz": whole[:-40], "cut.nii": plain[:-9], "none.nii": b"", "text.nii": b"x" * 400}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageDataError, match=name):
            read_nifti(tmp_path / name)
    for name in ("four.nii", "absent.nii"):
        with pytest.raises(ImageDataError, match=name):
            read_nifti(tmp_path / name)
    with pytest.raises(ImageDataError, match="limit"):
        read_nifti(tmp_path / "plain.nii", limit_bytes=10)


def test_a_real_nifti_volume_has_its_geometry():
    path = min(shared("imaging/hippocampus/imagesTr").glob("*.nii.gz"))
    volume, image = read_nifti(path), nibabel.load(path)
    assert np.array_equal(volume.array, np.asanyarray(image.dataobj).T)
    ras = image.affine @ (3, 4, 5, 1)
    assert volume.affine @ (3, 4, 5, 1) == pytest.approx(ras * (-1, -1, 1, 1))


# ---- headers read quickly ----------------------------------------------------------------------------------------------------


def test_the_quick_reader_and_pydicom_give_the_same_series(tmp_path, monkeypatch):
    long = "-123.45678901234567890"
    datasets = ct_series(3, spacing_mm=2.5)
    paths = write(datasets, tmp_path)
    for path in paths:
        raw = path.read_bytes()
        at = raw.find(b"\x20\x00\x32\x00DS")
        size = int.from_bytes(raw[at + 6 : at + 8], "little")
        z = raw[at + 8 : at + 8 + size].split(b"\\")[2].strip()
        value = f"{long}\\0.1234567890123456789\\".encode() + z
        value += b" " * (len(value) % 2)
        path.write_bytes(raw[: at + 6] + len(value).to_bytes(2, "little") + value + raw[at + 8 + size :])
    series = open_series(paths)
    assert [frame.position[:2] for frame in series.frames] == [(float(long), 0.1234567890123456789)] * 3
    assert series.geometry.verdicts == (Verdict.REGULAR,)
    folders = [paths, chest(), head()]
    quick = [open_series(found) for found in folders]
    monkeypatch.setattr("imaging.volumes.series._quickly", lambda path, alike: None)
    assert quick == [open_series(found) for found in folders]


@pytest.mark.parametrize("vr", ["US", "OW"])
def test_a_modality_table_is_not_overlooked_by_the_quick_reader(vr, tmp_path):
    item, outputs = pydicom.dataset.Dataset(), np.arange(1000, 1100, dtype="<u2")
    item.LUTDescriptor = [100, 0, 16]
    item.add_new(0x00283006, vr, outputs.tolist() if vr == "US" else outputs.tobytes())
    values = {"RescaleIntercept": None, "RescaleSlope": None, "PixelRepresentation": 0}
    (path,) = write(ct_series(1, ModalityLUTSequence=pydicom.sequence.Sequence([item]), **values), tmp_path)
    assert read_volume([path]).array.ravel().tolist() == list(range(1000, 1064))


def test_phases_that_only_the_whole_header_tells_apart_are_split(tmp_path):
    datasets = [
        dataset
        for phase in (40, 70)
        for dataset in ct_series(3, series=phase, NominalPercentageOfCardiacPhase=float(phase), PixelData=bytes([phase]) * 128)
    ]
    for dataset in datasets:
        dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID, dataset.RescaleIntercept = uid(1), uid(2), 0
    early, late = read_volumes(write(datasets[::-1], tmp_path), "split")
    assert (early.key, late.key) == ({"NominalPercentageOfCardiacPhase": (40.0,)}, {"NominalPercentageOfCardiacPhase": (70.0,)})
    assert (set(early.array.ravel()), set(late.array.ravel())) == ({40 * 257}, {70 * 257})


# ---- enhanced images ---------------------------------------------------------------------------------------------------------


def test_an_enhanced_ct_is_the_volume_of_its_slices(tmp_path):
    highdicom = pytest.importorskip("highdicom")
    datasets = [pydicom.dcmread(path) for path in chest()[:5]]
    for dataset in datasets:
        dataset.AccessionNumber, dataset.PatientName = "", "A^B"
    enhanced = highdicom.legacy.LegacyConvertedEnhancedCTImage(datasets, uid(1), 5, uid(2), 1)
    for name in ("kept", "stripped"):
        enhanced.save_as(tmp_path / f"{name}.dcm")
        volume = read_volume([tmp_path / f"{name}.dcm"])
        assert volume.geometry.verdicts == (Verdict.REGULAR, Verdict.MULTI_FRAME)
        slices = read_volume(chest()[:5])
        assert np.array_equal(volume.array, slices.array)
        assert np.array_equal(volume.affine, slices.affine)
        assert volume.unit == "HU"
        assert [source.instance for source in volume.slices] == [uid(2)] * 5
        assert sorted(source.frame for source in volume.slices) == [1, 2, 3, 4, 5]
        enhanced.pop("FrameOfReferenceUID", None)


def test_segments_at_the_same_places_are_stacks_of_their_own(tmp_path):
    from highdicom import seg
    from pydicom.sr.codedict import codes

    datasets = [pydicom.dcmread(path) for path in chest()[:3]]
    for dataset in datasets:
        dataset.PatientName = "A^B"
    mask = np.zeros((3, 512, 512), np.uint8)
    mask[0, 10:20, 30:40], mask[2, 50:60, 70:90] = 1, 2
    described = [
        seg.SegmentDescription(number, f"part {number}", codes.SCT.Organ, codes.SCT.Lung, seg.SegmentAlgorithmTypeValues.MANUAL)
        for number in (1, 2)
    ]
    kind = seg.SegmentationTypeValues.BINARY
    seg.Segmentation(datasets, mask, kind, described, uid(3), 6, uid(4), 1, "m", "m", "1", "1", omit_empty_frames=False).save_as(
        tmp_path / "seg.dcm"
    )
    with pytest.raises(RefusedGeometry):
        read_volume([tmp_path / "seg.dcm"])
    first, second = read_volumes([tmp_path / "seg.dcm"], "split")
    assert (first.key, second.key) == ({"ReferencedSegmentNumber": (1.0,)}, {"ReferencedSegmentNumber": (2.0,)})
    assert np.array_equal(first.array, (mask == 1)[::-1])
    assert np.array_equal(second.array, (mask == 2)[::-1])
