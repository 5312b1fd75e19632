"""Pixels that others read wrongly without a word, made with known truth: each is right, or refused with its reason."""

import struct
from io import BytesIO

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, parse_basic_offsets
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from imaging.errors import ImageDataError
from imaging.volumes import RefusedGeometry, read_volume, read_volumes
from tests.lib.dicom_files import ct_series, write
from tests.lib.enhanced_files import enhanced, planes

NO_RESCALE = {"RescaleSlope": None, "RescaleIntercept": None}


def frames(dataset: Dataset, n: int, size: int = 8) -> np.ndarray:
    return np.frombuffer(dataset.PixelData, "<i2").reshape(n, size, size)


def refused(datasets: list[Dataset], folder, *, policy: str = "refuse") -> str:
    with pytest.raises((RefusedGeometry, ImageDataError)) as told:
        read_volumes(write(datasets, folder), policy)
    return str(told.value)


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
