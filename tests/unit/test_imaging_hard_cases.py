"""Images that others read wrongly without a word, made with known truth: each is right, or refused with its reason."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    NuclearMedicineImageStorage,
    ParametricMapStorage,
    PositronEmissionTomographyImageStorage,
    RTDoseStorage,
    SegmentationStorage,
    UltrasoundMultiFrameImageStorage,
    VLWholeSlideMicroscopyImageStorage,
    XRayAngiographicImageStorage,
)

from imaging.errors import ImageDataError
from imaging.volumes import RefusedGeometry, read_volume, read_volumes
from tests.lib.dicom_files import ct_series, uid, write
from tests.lib.enhanced_files import enhanced, planes

NO_RESCALE = {"RescaleSlope": None, "RescaleIntercept": None}


def frames(dataset: Dataset, n: int, size: int = 8) -> np.ndarray:
    return np.frombuffer(dataset.PixelData, "<i2").reshape(n, size, size)


def refused(datasets: list[Dataset], folder, *, policy: str = "refuse") -> str:
    with pytest.raises((RefusedGeometry, ImageDataError)) as told:
        read_volumes(write(datasets, folder), policy)
    return str(told.value)


# ---- enhanced images ---------------------------------------------------------------------------------------------------------


def test_frames_of_any_order_lie_where_their_groups_say(tmp_path):
    dataset = enhanced(planes(9, 0, 6, 3))
    volume = read_volume(write([dataset], tmp_path))
    assert np.array_equal(volume.array, frames(dataset, 4)[[1, 3, 2, 0]])
    assert volume.affine == pytest.approx(np.array([[0.7, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]]))


def test_a_frame_s_own_rescale_comes_before_the_shared_one(tmp_path):
    own = {"RescaleSlope": 2, "RescaleIntercept": -100, "RescaleType": "HU"}
    shared = {"RescaleSlope": 1, "RescaleIntercept": -1024, "RescaleType": "HU"}
    groups = planes(0, 3, 6)
    groups[1]["PixelValueTransformationSequence"] = own
    dataset = enhanced(groups, {"PixelValueTransformationSequence": shared})
    volume = read_volume(write([dataset], tmp_path))
    stored = frames(dataset, 3).astype(int)
    assert np.array_equal(volume.array, [stored[0] - 1024, stored[1] * 2 - 100, stored[2] - 1024])
    assert volume.unit == "HU"


def differing(name: str, *values: object) -> list[dict]:
    groups = planes(*(3 * number for number in range(len(values))))
    for group, value in zip(groups, values, strict=True):
        if value is None:
            group.pop(name, None)
        else:
            group[name] = value
    return groups


HU = {"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "HU"}
HALF = {"PixelSpacing": [0.6, 0.7], "SliceThickness": 3}


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (differing("PixelMeasuresSequence", None, HALF, None), "differ in PixelSpacing"),
        (differing("PixelValueTransformationSequence", HU, None, HU), "no unit and HU"),
        (differing("FrameContentSequence", {"StackID": "1"}, {"StackID": "1"}, {"StackID": "2"}), "differ in StackID"),
        (differing("MREchoSequence", *({"EffectiveEchoTime": float(time)} for time in (10, 20, 10, 20))), "differ in EffectiveEchoTime"),
        (differing("MRDiffusionSequence", *({"DiffusionBValue": float(b)} for b in (0, 0, 900, 900))), "differ in DiffusionBValue"),
        (differing("CTReconstructionSequence", {"ConvolutionKernel": "B30"}, {"ConvolutionKernel": "B60"}), "differ in ConvolutionKernel"),
        (differing("CTXRayDetailsSequence", {"KVP": 80}, {"KVP": 140}), "differ in KVP"),
        (
            differing("MRImageFrameTypeSequence", {"ComplexImageComponent": "PHASE"}, {"ComplexImageComponent": "MAGNITUDE"}),
            "differ in ComplexImageComponent",
        ),
        (differing("PlanePositionSequence", {"ImagePositionPatient": [0, 0, 0]}, None, {"ImagePositionPatient": [0, 0, 6]}), "no position"),
        (differing("PlanePositionSequence", None, None, None), "3 frames have no position"),
        (
            differing("PlaneOrientationSequence", None, {"ImageOrientationPatient": [0, 1, 0, -1, 0, 0]}, None),
            "differ in ImageOrientationPatient",
        ),
    ],
)
def test_frames_that_differ_in_what_is_never_one_volume(groups, reason, tmp_path):
    assert reason in refused([enhanced(groups, SOPClassUID=EnhancedMRImageStorage)], tmp_path)


def test_directions_within_a_b_value_are_told_apart(tmp_path):
    groups = planes(0, 3, MRDiffusionSequence={"DiffusionBValue": 0.0})
    for direction in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]):
        along = {"DiffusionBValue": 1000.0, "DiffusionGradientDirectionSequence": {"DiffusionGradientOrientation": direction}}
        groups += planes(0, 3, MRDiffusionSequence=along)
    pixels = np.repeat(np.arange(6), 64)
    volumes = read_volumes(write([enhanced(groups, pixels=pixels, SOPClassUID=EnhancedMRImageStorage)], tmp_path), "split")
    assert [(volume.key["DiffusionBValue"], volume.array[:, 0, 0].tolist()) for volume in volumes] == [
        ((0.0,), [0, 1]),
        ((1000.0,), [4, 5]),
        ((1000.0,), [2, 3]),
    ]


def test_segments_of_other_slices_are_never_one_mask(tmp_path):
    segments = [{"ReferencedSegmentNumber": number} for number in (1, 1, 2, 2)]
    dataset = enhanced(differing("SegmentIdentificationSequence", *segments), SOPClassUID=SegmentationStorage, Modality="SEG")
    assert "differ in ReferencedSegmentNumber" in refused([dataset], tmp_path)
    assert [volume.shape[0] for volume in read_volumes([tmp_path / "slice0000.dcm"], "split")] == [2, 2]


def test_one_bit_frames_follow_one_another_within_bytes(tmp_path):
    mask = np.random.default_rng(1).random((5, 3, 7)) > 0.5
    packed = {
        "BitsAllocated": 1,
        "BitsStored": 1,
        "HighBit": 0,
        "PixelRepresentation": 0,
        "PixelData": pack_bits(mask.ravel().astype("u1")),
    }
    dataset = enhanced(planes(0, 3, 6, 9, 12), SOPClassUID=SegmentationStorage, Modality="SEG", Rows=3, Columns=7, **packed)
    assert np.array_equal(read_volume(write([dataset], tmp_path)).array, mask)


def mapped(**values: object) -> list[Dataset]:
    unit, mapping = Dataset(), Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "um2/s", "UCUM", "um2/s"
    mapping.MeasurementUnitsCodeSequence = Sequence([unit])
    for name, value in values.items():
        setattr(mapping, name, value)
    dataset = enhanced(planes(0, 3), SOPClassUID=ParametricMapStorage, Modality="MR")
    dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = Sequence([mapping])
    return [dataset]


def test_a_parametric_map_has_the_values_and_the_unit_of_its_mapping(tmp_path):
    datasets = mapped(RealWorldValueSlope=0.5, RealWorldValueIntercept=10.0)
    volume = read_volume(write(datasets, tmp_path))
    assert np.array_equal(volume.array, frames(datasets[0], 2) * 0.5 + 10)
    assert volume.unit == "um2/s"
    assert "Real World Value Mapping" in refused(mapped(RealWorldValueSlope=0.5), tmp_path)


# ---- plain series ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "values"), [("ConvolutionKernel", ("B30f", "B60f")), ("KVP", (80, 140)), ("EchoTime", (10, 20))])
def test_interleaved_reconstructions_are_never_one_volume(name, values, tmp_path):
    datasets = ct_series(6, spacing_mm=2.5)
    for number, dataset in enumerate(datasets):
        setattr(dataset, name, values[number % 2])
    assert f"differ in {name}" in refused(datasets, tmp_path)
    assert [volume.spacing_mm[0] for volume in read_volumes(sorted(tmp_path.iterdir()), "split")] == pytest.approx([5, 5])


def test_energies_are_not_mixed_where_acquisitions_run_across_them(tmp_path):
    datasets = []
    for kvp in (80, 140):
        for k, dataset in enumerate(ct_series(4, KVP=kvp, PixelData=np.full(64, kvp, "<i2").tobytes())):
            dataset.SOPInstanceUID, dataset.AcquisitionNumber = uid(7, kvp, k + 1), 1 if (kvp == 80) == (k < 2) else 2
            datasets.append(dataset)
    volumes = read_volumes(write(datasets, tmp_path), "split")
    assert [np.unique(volume.array).tolist() for volume in volumes] == [[80 - 1024], [140 - 1024]]


@pytest.mark.parametrize("name", ["RescaleSlope", "RescaleIntercept"])
def test_half_a_rescale_is_none(name, tmp_path):
    assert "found one of them" in refused(ct_series(2, **{name: None}), tmp_path)


def test_a_slice_without_its_slope_among_others_that_have_theirs(tmp_path):
    datasets = ct_series(3, Modality="MR", RescaleSlope="2.5", RescaleIntercept=0)
    del datasets[1].RescaleSlope, datasets[1].RescaleIntercept
    assert "frames without" in refused(datasets, tmp_path)


def test_every_slice_of_a_pet_has_its_own_slope(tmp_path):
    datasets = ct_series(3, SOPClassUID=PositronEmissionTomographyImageStorage, Modality="PT", Units="BQML", RescaleIntercept=0)
    for number, dataset in enumerate(datasets, 1):
        dataset.RescaleSlope = f"{0.123456789 * number:.9f}"
    volume = read_volume(write(datasets, tmp_path))
    expected = [np.frombuffer(dataset.PixelData, "<i2").reshape(8, 8) * float(dataset.RescaleSlope) for dataset in datasets]
    assert volume.array == pytest.approx(np.array(expected), rel=1e-6)


def test_values_beyond_single_precision_keep_theirs_and_those_beyond_any_are_refused(tmp_path):
    for slope in (1e100, 1e-100):
        datasets = ct_series(2, RescaleSlope=str(slope), RescaleIntercept=0)
        volume = read_volume(write(datasets, tmp_path))
        assert np.array_equal(volume.array[0], frames(datasets[0], 1)[0] * slope)
    assert "beyond any number" in refused(ct_series(2, RescaleSlope="1e308"), tmp_path)


def dose(offsets: list[float], *, z: float = 10, orientation: tuple = (1, 0, 0, 0, 1, 0)) -> list[Dataset]:
    values = {
        "ImageOrientationPatient": list(orientation),
        "ImagePositionPatient": [1, 2, z],
        "DoseGridScaling": "1.5e-4",
        "DoseUnits": "GY",
    }
    bits = {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "PixelRepresentation": 0}
    plane = np.repeat(np.arange(3), 64).astype("<u4").tobytes()
    return ct_series(
        1,
        SOPClassUID=RTDoseStorage,
        Modality="RTDOSE",
        NumberOfFrames=3,
        GridFrameOffsetVector=offsets,
        PixelData=plane,
        **NO_RESCALE,
        **values,
        **bits,
    )


@pytest.mark.parametrize(
    ("offsets", "orientation", "planes_mm"),
    [
        ([0, 3, 6], (1, 0, 0, 0, 1, 0), [10, 13, 16]),
        ([0, -3, -6], (1, 0, 0, 0, 1, 0), [10, 7, 4]),
        ([0, 3, 6], (-1, 0, 0, 0, 1, 0), [10, 7, 4]),
        ([10, 13, 16], (1, 0, 0, 0, 1, 0), [10, 13, 16]),
        ([10, 13, 16], (-1, 0, 0, 0, 1, 0), [10, 13, 16]),
    ],
)
def test_planes_of_a_dose_grid(offsets, orientation, planes_mm, tmp_path):
    volume = read_volume(write(dose(offsets, orientation=orientation), tmp_path))
    found = {round(float((volume.affine @ (0, 0, k, 1))[2]), 6): float(plane.max()) for k, plane in enumerate(volume.array)}
    assert found == pytest.approx({float(z): k * 1.5e-4 for k, z in enumerate(planes_mm)})
    assert volume.unit == "GY"


@pytest.mark.parametrize(
    ("offsets", "orientation", "reason"),
    [
        ([5, 8, 11], (1, 0, 0, 0, 1, 0), "no position"),
        ([10, 13, 16], (0, 1, 0, 0, 0, -1), "no position"),
        ([0, 3], (1, 0, 0, 0, 1, 0), "no position"),
        ([0, 3, 7], (1, 0, 0, 0, 1, 0), "steps run from"),
        ([0, 3, 3], (1, 0, 0, 0, 1, 0), "taken up to 2 times"),
    ],
)
def test_offsets_of_a_dose_grid_that_mean_nothing(offsets, orientation, reason, tmp_path):
    assert reason in refused(dose(offsets, orientation=orientation), tmp_path)


@pytest.mark.parametrize("storage", [NuclearMedicineImageStorage, XRayAngiographicImageStorage, UltrasoundMultiFrameImageStorage])
def test_frames_whose_one_header_gives_one_position_have_none(storage, tmp_path):
    values = {"SOPClassUID": storage, "NumberOfFrames": 4, "PixelData": np.arange(256, dtype="<i2").tobytes()}
    assert "4 frames have no position" in refused(ct_series(1, **values, **NO_RESCALE), tmp_path)


def test_tiles_of_a_slide_are_colours_without_a_place(tmp_path):
    tiles = [{"PlanePositionSlideSequence": {"XOffsetInSlideCoordinateSystem": float(x)}} for x in (0, 4)]
    colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "PixelRepresentation": 0}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": bytes(2 * 8 * 8 * 3)}
    dataset = enhanced(tiles, SOPClassUID=VLWholeSlideMicroscopyImageStorage, Modality="SM", **colours, **bits)
    told = refused([dataset], tmp_path)
    assert "pixels are colours" in told
    assert "2 frames have no position" in told
