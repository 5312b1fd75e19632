"""Stored values, bit for bit, by every transfer syntax; what they mean."""

import io
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import zstandard
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEGExtended12Bit

from imaging.errors import ImageDataError
from imaging.volumes import apart, read_volume
from imaging.volumes.formats import PixelFormat, settle_bits
from imaging.volumes.pixels import pixel_format
from imaging.volumes.series import open_series
from imaging.volumes.values import Meaning, apply, array_type, meanings_of
from tests.lib.dicom_files import ct_series, write
from tests.lib.paths import shared

LOSSLESS = ("RLE", "JLSL", "JPLL", "J2KR")


def stored(path) -> np.ndarray:
    series = open_series([path])
    return np.stack(list(series.stored(range(len(series.frames)))))


def reference(name: str) -> pydicom.Dataset:
    packed = shared(f"imaging/transfer_syntaxes/{name}_UNC.zst").read_bytes()
    return pydicom.dcmread(io.BytesIO(zstandard.ZstdDecompressor().decompressobj().decompress(packed)), force=True)


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("name", ["CT1", "MR1", "RG3", "US1"])
def test_nema_images_are_exact_in_every_lossless_syntax(name, syntax):
    folder = shared("imaging/transfer_syntaxes")
    if not (folder / f"{name}_{syntax}").exists():
        pytest.skip("NEMA gives no such file")
    assert np.array_equal(stored(folder / f"{name}_{syntax}")[0], reference(name).pixel_array)


@pytest.mark.parametrize("number", range(1, 10))
def test_one_mr_image_in_nine_syntaxes_is_one_image(number):
    folder = shared("imaging/transfer_syntaxes/mr_nine_syntaxes")
    assert np.array_equal(stored(folder / f"{number}.dcm"), stored(folder / "1.dcm"))


PYDICOM_FILES = [
    *("CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm"),
    *("MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm", "image_dfl.dcm", "rtdose.dcm", "rtdose_expb.dcm", "rtdose_rle.dcm"),
    *("examples_overlay.dcm", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm"),
    *("JPEGLSNearLossless_16.dcm", "SC_rgb_small_odd.dcm", "SC_rgb_small_odd_big_endian.dcm", "ExplVR_BigEnd.dcm"),
    *("SC_rgb_rle_16bit_2frame.dcm", "SC_rgb_jpeg_gdcm.dcm", "GDCMJ2K_TextGBR.dcm"),
]


@pytest.mark.parametrize("name", PYDICOM_FILES)
def test_other_files_are_as_pydicom_reads_them(name):
    path = get_testdata_file(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = pydicom.dcmread(path).pixel_array
    found = stored(path)
    assert np.array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize(
    "name", ["SC_ybr_full_422_uncompressed.dcm", "examples_ybr_color.dcm", "SC_rgb_dcmtk_+eb+cy+s2.dcm", "examples_palette.dcm"]
)
def test_colours_come_as_rgb(name):
    path = get_testdata_file(name)
    volume = read_volume([path], "keep")
    assert volume.array.dtype == np.uint8
    assert volume.array.shape[-1] == 3
    if "ybr_full_422" in name:
        expected = pydicom.pixels.pixel_array(path)
        assert np.array_equal(volume.array[0], expected)


def test_a_palette_is_applied():
    dataset = pydicom.dcmread(get_testdata_file("examples_palette.dcm"))
    expected = pydicom.pixels.apply_color_lut(dataset.pixel_array, dataset) >> 8
    assert np.array_equal(read_volume([dataset.filename], "keep").array[0], expected)


def test_jpeg_extended_of_twelve_bits_comes_as_stored_whatever_monochrome(tmp_path):
    import SimpleITK

    source = get_testdata_file("JPGExtended.dcm")
    first = stored(source)
    assert np.array_equal(first, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(source)))
    dataset = pydicom.dcmread(source)
    assert dataset.file_meta.TransferSyntaxUID == JPEGExtended12Bit
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.save_as(tmp_path / "one.dcm")
    assert np.array_equal(stored(tmp_path / "one.dcm"), first)
    volume = read_volume([tmp_path / "one.dcm"])
    assert volume.low_is_white
    assert np.array_equal(volume.brightened().array, first.max() - first + first.min())


@pytest.mark.parametrize(
    ("form", "values", "expected"),
    [
        ((16, 12, 11, False), [0xF001, 0x0FFF], [1, 4095]),
        ((16, 12, 11, True), [0x0801 - 0x10000 + 0x10000, 0x07FF], [-2047, 2047]),
        ((16, 12, 15, False), [0x0010, 0xFFFF], [1, 4095]),
        ((16, 16, 15, True), [-32768, 32767], [-32768, 32767]),
        ((8, 4, 3, False), [0xF3, 0x0F], [3, 15]),
    ],
)
def test_unused_bits_are_no_values(form, values, expected):
    form = PixelFormat(1, 2, 1, 1, *form, "MONOCHROME2", "")
    assert settle_bits(np.array(values).astype(form.dtype), form).tolist() == expected


@pytest.mark.parametrize(
    ("bits", "signed", "meanings", "dtype"),
    [
        (12, False, [Meaning(1, -1024)], "int16"),
        (16, False, [Meaning(1, -1024)], "int32"),
        (16, True, [Meaning(1, -1024)], "int32"),
        (16, True, [Meaning(1, 0)], "int16"),
        (8, False, [Meaning()], "uint8"),
        (16, False, [Meaning()], "uint16"),
        (12, False, [Meaning(1, -1024), Meaning(2, -1000)], "int16"),
        (12, False, [Meaning(0.5, 0)], "float32"),
        (32, False, [Meaning(1e-5, 0)], "float64"),
        (12, False, [Meaning(1e9, 0)], "int64"),
    ],
)
def test_the_array_type_holds_every_value(bits, signed, meanings, dtype):
    form = PixelFormat(1, 2, 1, 1, 32 if bits > 16 else 16, bits, bits - 1, signed, "MONOCHROME2", "")
    chosen = array_type((form, meaning) for meaning in meanings)
    assert chosen == np.dtype(dtype)
    ends = np.array(form.limits).astype(form.dtype)
    for meaning in meanings:
        out = np.empty(2, chosen)
        apply(ends, meaning, out)
        assert out.tolist() == pytest.approx([meaning.slope * value + meaning.intercept for value in form.limits])


def test_units_are_what_headers_say():
    def unit(**values) -> str:
        dataset = Dataset()
        for name, value in values.items():
            setattr(dataset, name, value)
        return meanings_of(dataset, 1)[0].unit

    assert unit(Modality="CT", RescaleSlope=1, RescaleIntercept=0) == "HU"
    assert unit(Modality="CT") == ""
    assert unit(Modality="CT", RescaleSlope=1, RescaleIntercept=0, RescaleType="US") == ""
    assert unit(Modality="PT", RescaleSlope=2.5, RescaleIntercept=0, Units="BQML") == "BQML"
    assert unit(Modality="MR", RescaleSlope=2.5, RescaleIntercept=0, RescaleType="normalized") == "normalized"
    assert unit(Modality="RTDOSE", DoseGridScaling=1e-3, DoseUnits="GY") == "GY"


def test_a_modality_table_stands_for_the_rescale():
    item, dataset = Dataset(), Dataset()
    item.LUTDescriptor, item.LUTData = [4, 10, 16], [100, 200, 300, 400]
    dataset.ModalityLUTSequence = Sequence([item])
    (meaning,) = meanings_of(dataset, 1)
    out = np.empty(5, "i4")
    apply(np.array([0, 10, 12, 13, 99], "<u2"), meaning, out)
    assert out.tolist() == [100, 100, 300, 400, 400]


@pytest.mark.parametrize(
    "values", [{"RescaleSlope": 0}, {"BitsStored": 20}, {"HighBit": 3}, {"BitsAllocated": 12}, {"SamplesPerPixel": 2}, {"BitsStored": 0}]
)
def test_headers_that_cannot_be_are_refused(values, tmp_path):
    (path,) = write(ct_series(1, **values), tmp_path)
    with pytest.raises(ImageDataError, match=str(path)):
        open_series([path])


def test_pixels_that_are_missing_short_or_broken_are_refused_with_the_file(tmp_path):
    (none,) = write(ct_series(1, PixelData=None), tmp_path / "none")
    (short,) = write(ct_series(1, PixelData=b"\0" * 20), tmp_path / "short")
    (whole,) = write(ct_series(1), tmp_path / "cut")
    whole.write_bytes(whole.read_bytes()[:-10])
    packed = tmp_path / "packed.dcm"
    raw = bytearray(Path(get_testdata_file("MR_small_jp2klossless.dcm")).read_bytes())
    raw[-2000:-100] = bytes(1900)
    packed.write_bytes(raw)
    for path in (none, short, whole, packed):
        with pytest.raises(ImageDataError, match=str(path)):
            read_volume([path])


def test_pixels_that_are_not_the_last_element_are_found_all_the_same(tmp_path):
    (plain,), (padded,) = (
        write(ct_series(1), tmp_path / "plain"),
        write(ct_series(1, DataSetTrailingPadding=bytes(64)), tmp_path / "padded"),
    )
    assert np.array_equal(stored(plain), stored(padded))
    assert np.array_equal(stored(plain)[0], pydicom.dcmread(plain).pixel_array)


def test_the_format_of_float_pixels_is_known_from_the_missing_bits_stored():
    dataset = Dataset()
    dataset.Rows, dataset.Columns, dataset.BitsAllocated = 2, 2, 32
    form = pixel_format(dataset)
    assert form.floating
    assert array_type([(form, Meaning())]) == np.dtype("f4")


def test_functional_groups_that_are_not_one_a_frame_are_refused():
    with pytest.raises(ImageDataError, match="Per-Frame Functional Groups"):
        open_series([get_testdata_file("liver_1frame.dcm")])


def test_a_decoder_that_ends_is_a_refusal_and_the_next_file_is_decoded(tmp_path, monkeypatch):
    path = get_testdata_file("MR_small_RLE.dcm")
    expected = stored(path)
    decoder = apart._take()
    apart._idle.append(decoder)
    monkeypatch.setattr(apart._Decoder, "ask", lambda self, question: self.process.kill())
    with pytest.raises(ImageDataError, match="ended"):
        stored(path)
    monkeypatch.undo()
    assert decoder.process.poll() is not None
    assert np.array_equal(stored(path), expected)


def test_a_decoder_that_does_not_answer_is_a_refusal(monkeypatch):
    monkeypatch.setattr(apart, "FRAME_SECONDS", 0.05)
    monkeypatch.setattr(apart._Decoder, "ask", lambda self, question: None)
    with pytest.raises(ImageDataError, match="took too long"):
        stored(get_testdata_file("MR_small_RLE.dcm"))


def test_frames_that_are_not_all_taken_leave_nothing_behind_for_the_next(tmp_path):
    path = get_testdata_file("SC_rgb_rle_16bit_2frame.dcm")
    series = open_series([path])
    first = next(series.stored([0, 1]))
    assert np.array_equal(first, stored(path)[0])
    both = list(zip(series.stored([0, 1]), series.stored([1, 0]), strict=True))
    assert np.array_equal(both[0][0], both[1][1])
