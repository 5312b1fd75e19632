"""Text in pixels: which images are read, what may stay, and that only what is read changes, in every way in which pixels are stored."""

import io
import warnings

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    PositronEmissionTomographyImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from imaging.deidentify import pixels_text
from imaging.deidentify.pixels import PixelPolicy, apply_pixels, clean_pixels
from imaging.deidentify.pixels_rules import may_stay, names_someone, rule_for
from imaging.deidentify.pixels_stored import renderings
from imaging.deidentify.pixels_text import Box, Text, has_strokes
from imaging.errors import TaskError
from imaging.volumes.pixels import pixel_format
from tests.lib.dicom_files import PYDICOM_FILES, ct_series, encoded, write
from tests.lib.paths import shared
from tests.lib.planted_dicom import CHINESE, draw

BOX = Box(8, 6, 22, 12)
ALL = PixelPolicy(reading="all")


def mark(view: np.ndarray) -> list[Text]:
    """Read a text at BOX until one value stands there."""
    part = view[BOX.top : BOX.bottom, BOX.left : BOX.right]
    return [] if (part == part[0, 0]).all() else [Text("WANG", 0.9, BOX)]


def image(values: np.ndarray, **attributes) -> Dataset:
    """Return a data set around the values of one or several frames; a length of 3 at the end is colours."""
    colour = values.shape[-1] == 3
    shape = values.shape[-3:-1] if colour else values.shape[-2:]
    bits = values.dtype.itemsize * 8
    about = {
        "Rows": shape[0],
        "Columns": shape[1],
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(values.dtype.kind == "i"),
        "PixelData": None,
    }
    ds = ct_series(1, **about)[0]
    if colour:
        ds.PlanarConfiguration = 0
    if values.ndim > 2 + colour:
        ds.NumberOfFrames = len(values)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.add_new(0x7FE00010, "OB" if bits == 8 else "OW", values.tobytes())
    return ds


def noise(*shape: int, dtype: str = "u1", low: int = 0, high: int = 200) -> np.ndarray:
    values = np.random.default_rng(len(shape)).integers(low, high, shape).astype(dtype)
    values.flat[:2] = low, high - 1
    return values


def cleaned(ds: Dataset, folder, *, reader=mark, **options):
    """Write a file, clean it and return the result and what another reader sees of it, before and after."""
    [path] = write([ds], folder)
    read = pydicom.dcmread(path)
    result = clean_pixels(str(path), read, policy=ALL, reader=reader, **options)
    apply_pixels(read, result)
    return result, pydicom.dcmread(path), pydicom.dcmread(io.BytesIO(encoded(read)))


def palette() -> Dataset:
    ds = image(noise(40, 48, low=10), PhotometricInterpretation="PALETTE COLOR")
    for number, colour in enumerate(("Red", "Green", "Blue")):
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = (np.arange(256) * 200 + 5000).astype("<u2")
        table[77] = number  # the darkest of all
        setattr(ds, f"{colour}PaletteColorLookupTableData", table.tobytes())
    return ds


def big_endian() -> Dataset:
    ds = image(noise(40, 48))
    ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    ds.PixelData = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def planar() -> Dataset:
    values = noise(40, 48, 3)
    ds = image(values, PlanarConfiguration=1)
    ds.PixelData = np.moveaxis(values, -1, 0).tobytes()
    return ds


def ybr_422() -> Dataset:
    ds = image(noise(40, 48, 3), PhotometricInterpretation="YBR_FULL_422")
    ds.PixelData = noise(40, 24, 4, low=100, high=150).tobytes()
    return ds


def compressed(syntax: str, values: np.ndarray) -> Dataset:
    ds = image(values)
    ds.compress(syntax)
    return ds


IMAGES = {
    "unsigned": (lambda: image(noise(40, 48, dtype="u2", high=4000)), 0),
    "signed": (lambda: image(noise(40, 48, dtype="i2", low=-1024, high=900)), -1024),
    "monochrome1": (lambda: image(noise(40, 48), PhotometricInterpretation="MONOCHROME1"), 199),
    "frames": (lambda: image(noise(3, 40, 48)), 0),
    "rgb": (lambda: image(noise(40, 48, 3)), 0),
    "rgb-planar": (planar, 0),
    "ybr-full": (lambda: image(noise(40, 48, 3, low=120, high=130), PhotometricInterpretation="YBR_FULL"), None),
    "ybr-422": (ybr_422, None),
    "palette": (palette, 77),
    "big-endian": (big_endian, 0),
    "rle": (lambda: compressed(RLELossless, noise(2, 40, 48, dtype="i2", low=-9)), -9),
    "rle-rgb": (lambda: compressed(RLELossless, noise(40, 48, 3)), 0),
    "jpeg2000": (lambda: compressed(JPEG2000Lossless, noise(40, 48, dtype="u2", high=4000)), 0),
}


@pytest.mark.parametrize(("make", "black"), IMAGES.values(), ids=IMAGES)
def test_boxes_are_black_and_everything_else_keeps_its_value(tmp_path, make, black):
    result, before, after = cleaned(make(), tmp_path)
    assert result.outcome == "redacted"
    [box] = result.boxes
    assert box.left <= BOX.left < BOX.right <= box.right
    first, second = (np.atleast_3d(pydicom.pixels.pixel_array(ds, raw=True)) for ds in (before, after))
    inside = np.zeros((40, 48), bool)
    inside[box.top : box.bottom, box.left : box.right] = True
    colour = before.SamplesPerPixel == 3
    first, second = (values.reshape(-1, 40, 48, 3 if colour else 1) for values in (first, second))
    np.testing.assert_array_equal(second[:, ~inside], first[:, ~inside])
    assert len(np.unique(second[:, inside].reshape(-1, second.shape[-1]), axis=0)) == 1
    assert black is None or second[0, box.top, box.left, 0] == black
    assert after.BurnedInAnnotation == "NO"


def test_one_bit_images_are_filled(tmp_path):
    bits = noise(40, 48, high=2)
    ds = image(bits)
    ds.BitsAllocated = ds.BitsStored = 1
    ds.HighBit = 0
    ds.PixelData = np.packbits(bits.ravel(), bitorder="little").tobytes()
    result, _, after = cleaned(ds, tmp_path)
    assert result.outcome == "redacted"
    bits[result.boxes[0].top : result.boxes[0].bottom, result.boxes[0].left : result.boxes[0].right] = 0
    np.testing.assert_array_equal(after.pixel_array, bits)


def test_colours_of_32_bits_are_written_uncompressed(tmp_path):
    path = PYDICOM_FILES / "SC_rgb_rle_32bit.dcm"
    if not path.exists():
        pytest.skip("not among pydicom's own files")
    read = pydicom.dcmread(path)
    result = clean_pixels(
        str(path), read, policy=ALL, reader=lambda view: [Text("WANG", 0.9, BOX)] if view[BOX.top, BOX.left].any() else []
    )
    assert result.attributes["TransferSyntaxUID"] == "1.2.840.10008.1.2.1"


def test_what_a_header_says_of_lossy_compression_stays(tmp_path):
    path = PYDICOM_FILES / "examples_ybr_color.dcm"
    if not path.exists():
        pytest.skip("not among pydicom's own files")
    read = pydicom.dcmread(path)
    read.LossyImageCompression = "01"
    result = clean_pixels(str(path), read, policy=ALL, reader=mark)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apply_pixels(read, result)
    assert (result.outcome, read.LossyImageCompression, read.PhotometricInterpretation) == ("redacted", "01", "RGB")
    assert read.file_meta.TransferSyntaxUID == RLELossless


def test_another_library_reads_what_was_written(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    _, before, after = cleaned(compressed(JPEG2000Lossless, noise(40, 48, dtype="u2", high=4000)), tmp_path)
    after.save_as(tmp_path / "out.dcm", enforce_file_format=True)
    values = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out.dcm")))[0]
    np.testing.assert_array_equal(values[20:] + 1024, before.pixel_array[20:])


def test_text_of_one_frame_among_many_is_found(tmp_path):
    frames = np.zeros((9, 40, 48), np.uint8)
    frames[3, BOX.top : BOX.bottom, BOX.left : BOX.right] = noise(6, 14, low=20)
    result, _, after = cleaned(image(frames), tmp_path)
    assert result.outcome == "redacted"
    assert not after.pixel_array.any()


def test_an_image_that_still_shows_text_is_not_let_out(tmp_path):
    result, before, after = cleaned(image(noise(40, 48)), tmp_path, reader=lambda view: [Text("WANG", 0.9, BOX)])
    assert (result.outcome, result.reason, result.attributes) == ("quarantined", "text-left", {})
    assert after.PixelData == before.PixelData


def test_a_second_reading_may_find_what_the_first_did_not(tmp_path):
    second = Box(30, 20, 40, 26)

    def two_steps(view):
        return mark(view) or (
            [Text("LI", 0.8, second)] if len(np.unique(view[second.top : second.bottom, second.left : second.right])) > 1 else []
        )

    result, _, _ = cleaned(image(noise(40, 48)), tmp_path, reader=two_steps)
    assert (result.outcome, len(result.boxes), result.readings) == ("redacted", 2, 3)


@pytest.mark.parametrize(
    ("words", "identifiers", "outcome"),
    [("L", (), "clean"), ("120 kV", (), "clean"), ("LI", (), "redacted"), ("AP", ("Ap",), "redacted")],
)
def test_markers_stay_unless_they_are_someones(tmp_path, words, identifiers, outcome):
    found = lambda view: [text._replace(words=words) for text in mark(view)]  # noqa: E731
    assert cleaned(image(noise(40, 48)), tmp_path, reader=found, identifiers=identifiers)[0].outcome == outcome


def test_markers_go_where_the_policy_says_so(tmp_path):
    [path] = write([image(noise(40, 48))], tmp_path)
    marker = lambda view: [text._replace(words="L") for text in mark(view)]  # noqa: E731
    policy = PixelPolicy(reading="all", markers=False)
    assert clean_pixels(str(path), pydicom.dcmread(path), policy=policy, reader=marker).outcome == "redacted"


@pytest.mark.parametrize(("signed", "stored", "kept"), [(False, 12, 0x0123), (True, 12, 0x0123)], ids=["unsigned", "signed"])
def test_nothing_hides_in_bits_that_hold_no_pixel(tmp_path, signed, stored, kept):
    values = np.full((40, 48), kept | 0x3000, "i2" if signed else "u2")
    ds = image(values, BitsStored=stored, HighBit=stored - 1)
    result, _, after = cleaned(ds, tmp_path, reader=lambda view: [])
    assert result.outcome == "clean"
    assert set(np.frombuffer(after.PixelData, "<u2").tolist()) == {kept}


def test_a_sign_carried_on_beyond_its_bit_is_left_alone(tmp_path):
    ds = image(np.full((40, 48), -5, "i2"), BitsStored=12, HighBit=11)
    assert "PixelData" not in cleaned(ds, tmp_path, reader=lambda view: [])[0].attributes


def test_pixels_that_cannot_be_decoded_are_not_let_out(tmp_path):
    ds = image(noise(40, 48))
    ds.PixelData = ds.PixelData[:100]
    result, _, _ = cleaned(ds, tmp_path)
    assert (result.outcome, result.reason) == ("quarantined", "undecodable")


@pytest.mark.parametrize("missing", ["Rows", "BitsAllocated"])
def test_a_header_without_sizes_is_no_crash(tmp_path, missing):
    [path] = write([image(noise(40, 48))], tmp_path)
    read = pydicom.dcmread(path)
    read[missing].value = None
    assert clean_pixels(str(path), read, policy=ALL, reader=mark).outcome in ("quarantined", "redacted")


def test_a_reading_has_to_be_one_that_is_known():
    with pytest.raises(TaskError):
        PixelPolicy(reading="sometimes")


AXIAL = {"SOPClassUID": CTImageStorage, "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}
RULE_CASES = {
    "plain axial": (AXIAL | {"BurnedInAnnotation": "NO"}, "skip"),
    "nothing said": (AXIAL, "screen"),
    "said to have text": (AXIAL | {"BurnedInAnnotation": "YES"}, "read"),
    "localiser": (AXIAL | {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "BurnedInAnnotation": "NO"}, "read"),
    "derived": (AXIAL | {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"], "BurnedInAnnotation": "NO"}, "read"),
    "digitised": (AXIAL | {"ConversionType": "DF", "BurnedInAnnotation": "NO"}, "read"),
    "secondary capture": (AXIAL | {"SOPClassUID": SecondaryCaptureImageStorage, "BurnedInAnnotation": "NO"}, "read"),
    "PET": (
        {"SOPClassUID": PositronEmissionTomographyImageStorage, "ImageType": ["ORIGINAL", "PRIMARY"], "BurnedInAnnotation": "NO"},
        "skip",
    ),
    "no image type": ({"SOPClassUID": CTImageStorage, "BurnedInAnnotation": "NO"}, "read"),
}


@pytest.mark.parametrize(("attributes", "reading"), RULE_CASES.values(), ids=RULE_CASES)
def test_rules_say_which_images_are_read(attributes, reading):
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    assert rule_for(ds).reading == reading


@pytest.mark.parametrize(
    "words",
    ["L", "R", "左", "右侧", "R-CC", "120kV", "80 kVp 5.0 mAs", "5 mm", "10cm", "W: 400 L: 40", "床旁", "Ｌ", "A / P", "9", "—", "一"],
)
def test_markers_may_stay(words):
    assert may_stay(words)


@pytest.mark.parametrize(
    "words", ["张", "20240312", "12345678", "张伟", "Wang L", "M 045Y", "DOB:07.22.1943", "12345 mm", "LL", "R 12345", "L 123456"]
)
def test_nothing_else_may_stay(words):
    assert not may_stay(words)


@pytest.mark.parametrize(
    ("found", "identifier", "named"),
    [
        ("NAME:ZHANG XIAODONG", "Zhang^XiaoDong", True),
        ("ZHANG XIA0DONG", "Zhang^XiaoDong", True),
        ("ZHNG XIAODONG", "Zhang^XiaoDong", True),
        ("ZHANGG XIAODONG", "Zhang^XiaoDong", True),
        ("ZHANG X1A0DONG", "Zhang^XiaoDong", False),
        ("住院号 1234 5678", "12345678", True),
        ("住院号 12345679", "12345678", True),
        ("12345", "12345678", False),
        ("姓名:欧阳娜", "Ouyang^Na=欧阳^娜", True),
        ("张三丰", "张四", False),
        ("５６７８", "5678", True),
        ("anything", "", False),
    ],
)
def test_known_identifiers_are_met_with_one_character_wrong(found, identifier, named):
    assert names_someone(found, [identifier]) is named


def test_renderings_show_what_is_as_bright_as_tissue():
    values = np.random.default_rng(0).integers(0, 1200, (100, 100)).astype("u2")
    values[1] = 4095
    ds = Dataset()
    ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter, ds.WindowWidth = 1, -1024, -24, 100
    values[50, 50:52] = 990, 1010
    views = renderings(values, pixel_format(image(values)), ds)
    assert [int(view[50, 51]) - int(view[50, 50]) for view in views] == [1, 4, 51]
    assert len(renderings(values, pixel_format(image(values)), Dataset())) == 2


def test_renderings_are_as_bright_as_a_viewer_shows_them():
    values = noise(40, 48)
    ds = image(values, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(renderings(values, pixel_format(ds), ds)[0], 255 - renderings(values, pixel_format(image(values)), ds)[0])


@pytest.mark.parametrize("shape", [(1, 500), (500, 1), (500, 1, 3), (3, 4000), (30, 90)])
def test_a_strip_is_read_with_room_beside_it(monkeypatch, shape):
    seen = []

    def engine(tile):
        seen.append(tile.shape)
        return [([[0, 0], [20, 0], [20, 1], [0, 1]], "WANG", 0.95)], None

    monkeypatch.setattr(pixels_text, "_engine", lambda: engine)
    found = pixels_text.read_text(np.zeros(shape, np.uint8))
    assert seen
    assert all(min(rows, columns) >= max(rows, columns) // 7 for rows, columns, _ in seen)  # the detector makes the shorter side 736
    assert {text.words for text in found} == {"WANG"}
    assert found[0].box[:2] == (0, 0)  # room is added behind the image, so that places in it stay


@pytest.mark.skipif(not CHINESE.exists(), reason="the font with Chinese characters is not installed (fonts-droid-fallback)")
def test_text_in_a_strip_is_found_and_removed(tmp_path):
    values = np.full((28, 900), 20, np.uint8)
    draw(values, ["ZHANG XIAODONG 40718256"], size=18, value=230, top=2)
    [path] = write([image(values, SOPClassUID=SecondaryCaptureImageStorage)], tmp_path)
    read = pydicom.dcmread(path)
    result = clean_pixels(str(path), read)
    assert result.outcome == "redacted"
    apply_pixels(read, result)
    assert read.pixel_array[4:24, 8:280].max() < 230


def test_tiles_cover_a_large_image():
    tiles = [(left, top, tile.shape[1], tile.shape[0]) for tile, left, top, _ in pixels_text._tiles(np.zeros((2700, 4000, 3), np.uint8))]
    covered = np.zeros((2700, 4000), int)
    for left, top, wide, high in tiles[1:]:
        covered[top : top + high, left : left + wide] += 1
    assert covered.min() >= 1


@pytest.mark.skipif(not CHINESE.exists(), reason="the font with Chinese characters is not installed (fonts-droid-fallback)")
def test_names_drawn_on_a_real_slice_are_found_and_nothing_else_changes(tmp_path):
    path = shared("imaging/chest_ct_harbin/series/1-15.dcm")
    plain = pydicom.dcmread(path)
    assert clean_pixels(str(path), plain).outcome == "no-strokes"
    values = plain.pixel_array.copy()
    boxes = draw(values, ["姓名:张晓东", "住院号:40718256", "2024-03-12"], size=16, value=int(values.max()))
    plain.PixelData = values.tobytes()
    plain.save_as(tmp_path / "drawn.dcm")
    read = pydicom.dcmread(tmp_path / "drawn.dcm")
    result = clean_pixels(str(tmp_path / "drawn.dcm"), read)
    assert result.outcome == "redacted"
    apply_pixels(read, result)
    after = read.pixel_array
    for left, top, right, bottom in boxes:
        assert len(np.unique(after[top:bottom, left:right])) == 1
    np.testing.assert_array_equal(after[120:], values[120:])
    assert not has_strokes(after)


@pytest.mark.skipif(not CHINESE.exists(), reason="the font with Chinese characters is not installed (fonts-droid-fallback)")
@pytest.mark.parametrize("size", [10, 12, 20, 40])
@pytest.mark.parametrize("where", [8, 200], ids=["in air", "in the body"])
def test_strokes_of_any_size_are_seen_on_a_real_slice(size, where):
    values = pydicom.dcmread(shared("imaging/chest_ct_harbin/series/1-15.dcm")).pixel_array
    assert not has_strokes(values)
    draw(values, ["张晓东 1956-03-12"], size=size, value=int(values.max()), left=where, top=where)
    assert has_strokes(values)
