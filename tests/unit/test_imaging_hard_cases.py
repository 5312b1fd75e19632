"""Images that others read wrongly without a word, made with known truth: each is right, or refused with its reason."""

import struct
from io import BytesIO

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, parse_basic_offsets
from pydicom.pixels import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    JPEG2000Lossless,
    JPEGLSLossless,
    NuclearMedicineImageStorage,
    ParametricMapStorage,
    PositronEmissionTomographyImageStorage,
    RLELossless,
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


# ---- pixels ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [False, True], ids=["floats", "said to be integers"])
@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "<f4"), ("DoubleFloatPixelData", "<f8")])
def test_float_pixels(keyword, dtype, keep, tmp_path):
    values = (np.arange(64) / 7).astype(dtype)
    (dataset,) = ct_series(1, PixelData=None, RescaleIntercept=0)
    setattr(dataset, keyword, values.tobytes())
    dataset.BitsAllocated = 8 * values.itemsize
    if keep:
        dataset.BitsStored, dataset.HighBit = dataset.BitsAllocated, dataset.BitsAllocated - 1
        assert "found pixels of type float" in refused([dataset], tmp_path)
        return
    del dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    assert np.array_equal(read_volume(write([dataset], tmp_path)).array.ravel(), values)


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("bits", [8, 16, 32, 64])
@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big", "deflated"])
def test_integers_of_every_size(syntax, bits, signed, tmp_path):
    dtype = np.dtype(f"{'>' if syntax == 'big' else '<'}{'i' if signed else 'u'}{bits // 8}")
    ends = np.iinfo(dtype)
    values = np.array([ends.min, ends.min + 1, 0, 1, ends.max // 2, ends.max // 3] + [7] * 58, dtype=object).astype(dtype)
    (dataset,) = ct_series(1, syntax=syntax, RescaleIntercept=0, BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1)
    dataset.PixelRepresentation = signed
    dataset.add_new(0x7FE00010, "OB" if bits == 8 else "OW", values.tobytes())
    assert read_volume(write([dataset], tmp_path)).array.ravel().tolist() == values.tolist()


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("high", [11, 12, 15])
@pytest.mark.parametrize("syntax", ["explicit", "big", "deflated", "rle"])
def test_twelve_bits_anywhere_in_sixteen_with_drawings_in_the_others(syntax, high, signed, tmp_path):
    values = np.arange(-32 if signed else 0, 32 if signed else 64) * 37
    pixel = np.uint32(0xFFF << (high - 11))
    drawings = np.random.default_rng(2).integers(0, 1 << 16, 64).astype(np.uint32) & ~pixel & 0xFFFF
    raw = (values.astype(np.uint32) << (high - 11)) & pixel | drawings
    (dataset,) = ct_series(1, syntax="explicit" if syntax == "rle" else syntax, RescaleIntercept=0, PixelRepresentation=0)
    dataset.add_new(0x7FE00010, "OW", raw.astype(">u2" if syntax == "big" else "<u2").tobytes())
    if syntax == "rle":
        dataset.compress(RLELossless)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, high, signed
    assert read_volume(write([dataset], tmp_path)).array.ravel().tolist() == values.tolist()


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(("precision", "stored"), [(16, 12), (12, 16), (12, 12)])
@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
def test_a_stream_of_other_bits_than_its_header_says(syntax, precision, stored, signed, tmp_path):
    low = -(1 << precision - 1) if signed else 0
    values = np.linspace(low, low + (1 << precision) - 1, 64 * 64).astype(int)
    bits = {"BitsStored": precision, "HighBit": precision - 1, "PixelRepresentation": signed, "RescaleIntercept": 0}
    (dataset,) = ct_series(1, size=64, PixelData=values.astype("<i2" if signed else "<u2").tobytes(), **bits)
    dataset.compress(syntax)
    dataset.BitsStored, dataset.HighBit = stored, stored - 1
    if precision > stored:
        assert f"found {stored}, but the stream has values" in refused([dataset], tmp_path)
    else:
        assert read_volume(write([dataset], tmp_path)).array.ravel().tolist() == values.tolist()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"Rows": 4}, "found 128 bytes, wanted 64"),
        ({"Rows": 9}, "found 128 bytes, wanted 144"),
        ({"Rows": 65_535, "Columns": 30_000}, "found 128 bytes"),
        ({"Rows": 65_535, "Columns": 65_535, "PixelRepresentation": 0, "RescaleIntercept": 0}, "found 128 bytes"),
        ({"NumberOfFrames": 60_000}, "found 128 bytes"),
        ({"NumberOfFrames": 2**31 - 1}, "NumberOfFrames"),
        ({"SamplesPerPixel": 65_535}, "SamplesPerPixel"),
        ({"SamplesPerPixel": 3}, "Photometric Interpretation"),
        ({"PixelRepresentation": 2}, "Pixel Representation"),
        ({"PhotometricInterpretation": "HSV"}, "Photometric Interpretation"),
        ({"PhotometricInterpretation": "PALETTE COLOR", "BitsStored": 12}, "High Bit"),
    ],
)
def test_headers_of_another_image(values, reason, tmp_path):
    assert reason in refused(ct_series(1, **values), tmp_path, policy="keep")


def test_zeros_after_the_last_pixel_are_padding(tmp_path):
    (dataset,) = ct_series(1)
    expected = frames(dataset, 1)[0].astype(int) - 1024
    dataset.PixelData += bytes(16)
    assert np.array_equal(read_volume(write([dataset], tmp_path)).array[0], expected)
    dataset.PixelData = dataset.PixelData[:-2] + b"\1\0"
    assert "found 144 bytes, wanted 128" in refused([dataset], tmp_path)


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
@pytest.mark.parametrize("vr", ["SS", "US"])
def test_a_table_of_signed_pixels_begins_below_zero_whatever_its_writer_called_it(vr, syntax, tmp_path):
    item = Dataset()
    item.add_new(0x00283002, vr, [100, -40 if vr == "SS" else 65_536 - 40, 16])
    item.add_new(0x00283006, "OW", np.arange(1000, 1100, dtype="<u2").tobytes())
    stored = np.arange(64) - 50
    values = {"ModalityLUTSequence": Sequence([item]), "PixelData": stored.astype("<i2").tobytes()}
    volume = read_volume(write(ct_series(1, syntax=syntax, **values, **NO_RESCALE), tmp_path))
    assert volume.array.ravel().tolist() == (1000 + np.clip(stored + 40, 0, 99)).tolist()


# ---- fragments and their tables of offsets -----------------------------------------------------------------------------------

PIXELS = np.stack([np.random.default_rng(number).integers(0, 200, (64, 64)) for number in range(3)])


def fragment(data: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(data)) + data


def put_together(syntax: str, shape: str, n: int) -> Dataset:
    """An enhanced image of three frames whose fragments, offsets or number of frames were changed as `shape` says."""
    dataset = enhanced(planes(0, 3, 6), size=64, pixels=PIXELS)
    dataset.compress(syntax)
    data = BytesIO(dataset.PixelData)
    parse_basic_offsets(data)
    first, second, third = generate_fragments(data)
    a, b = len(first) + 8, len(second) + 8
    whole, cut = [first, second, third], [first[:100], first[100:], second, third]
    offsets, parts = {
        "right": ([0, a, a + b], whole),
        "no table": ([], whole),
        "exchanged": ([a, 0, a + b], whole),
        "zeros": ([0, 0, 0], whole),
        "beyond": ([0, a, 10**8], whole),
        "cut": ([0, a + 8, a + 8 + b], cut),
        "cut wrongly": ([0, 50, a + 8 + b], cut),
        "cut, exchanged": ([a + 8, 0, a + 8 + b], cut),
    }[shape]
    dataset.PixelData = b"".join(map(fragment, [b"".join(struct.pack("<I", offset) for offset in offsets), *parts]))
    dataset.NumberOfFrames = n
    dataset.PerFrameFunctionalGroupsSequence = enhanced(planes(0, 3, 6, 9)[:n]).PerFrameFunctionalGroupsSequence
    return dataset


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("shape", ["right", "no table", "exchanged", "zeros", "beyond", "cut"])
def test_frames_come_in_their_order_whatever_the_table_says(shape, syntax, tmp_path):
    dataset = put_together(syntax, shape, 3)
    if (shape, syntax) == ("cut", RLELossless):
        assert "found 4 fragments" in refused([dataset], tmp_path)
    else:
        assert np.array_equal(read_volume(write([dataset], tmp_path)).array, PIXELS)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize(
    ("shape", "n"), [("right", 2), ("right", 1), ("right", 4), ("no table", 2), ("no table", 1), ("cut wrongly", 3), ("cut, exchanged", 3)]
)
def test_fragments_that_are_not_the_frames(shape, n, syntax, tmp_path):
    assert "Pixel Data (7FE0,0010): found" in refused([put_together(syntax, shape, n)], tmp_path)


def test_a_small_stream_that_declares_a_huge_frame(tmp_path):
    dataset = put_together(JPEGLSLossless, "right", 3)
    dataset.Rows = dataset.Columns = 30_000
    assert "bytes of pixels" in refused([dataset], tmp_path)
    dataset.Rows = dataset.Columns = 4_000
    assert "cannot be decoded" in refused([dataset], tmp_path)
