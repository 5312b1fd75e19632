"""Pictures of volumes: which way up, how large, how grey, with what drawn on them; the truth is in the volume that was made."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from imaging.errors import TaskError
from imaging.geometry import judge
from imaging.geometry.frames import Frame
from imaging.viewer import PRESETS, Exhibit, MaskStyle, Plane, Window, contact_sheet, planes_of, presets_of, render_slice, view_of
from imaging.viewer.readout import circle_in, distance_between, value_at
from imaging.viewer.rendering import COLOURS, LIMIT, Box
from imaging.viewer.windows import chosen_window, to_grey
from imaging.volumes import Volume, read_volume, read_volumes
from tests.lib.dicom_files import PYDICOM_FILES, ct_series, write
from tests.lib.paths import shared

WIDE = Window(500, 1000)


def made(shape=(10, 20, 30), affine=None, *, placed=True, unit="HU", **values):
    """Return a volume of zeros; unless given, axial, feet first, head last, 4 x 2 x 1 mm."""
    if affine is None and placed:
        affine = np.diag([1.0, 2.0, 4.0, 1.0])
    position, orientation = ((0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0)) if placed else (None, None)
    geometry = judge([Frame(rows=shape[1], columns=shape[2], dimensions={}, position=position, orientation=orientation)])
    spacing = None if affine is None else tuple(np.linalg.norm(affine[:3, [2, 1, 0]], axis=0))
    array = values.pop("array", None)
    array = np.zeros(shape, np.int16) if array is None else array
    return Volume(array=array, affine=affine if placed else None, spacing_mm=spacing, unit=unit, geometry=geometry, **values)


def turned(*columns, origin=(0, 0, 0)):
    """Return an affine whose steps along columns, rows and slices are these."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = np.array(columns, float).T, origin
    return affine


def bright_at(volume, point_mm):
    """Light the voxel at a place of the patient."""
    index = np.rint(np.linalg.solve(volume.affine[:3, :3], np.array(point_mm) - volume.affine[:3, 3])).astype(int)[::-1]
    volume.array[tuple(index)] = 1000
    return index


# A cube of 30 mm about the origin, scanned eight ways; a light at the patient's left, front and head.
SCANS = {
    "axial": turned((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "axial from the head": turned((1, 0, 0), (0, 1, 0), (0, 0, -1)),
    "prone": turned((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "coronal": turned((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": turned((0, 1, 0), (0, 0, -1), (-1, 0, 0)),
    "sagittal mirrored": turned((0, -1, 0), (0, 0, 1), (1, 0, 0)),
    "oblique": turned((0.9848, 0.1736, 0), (-0.1736, 0.9848, 0), (0, 0, 1)),
    "rows along the body": turned((0, 0, 1), (1, 0, 0), (0, 1, 0)),
}


@pytest.mark.parametrize("name", SCANS)
def test_the_patients_left_is_on_the_right_and_front_and_head_are_on_top_however_it_was_scanned(name):
    affine = SCANS[name].copy()
    affine[:3, 3] = -affine[:3, :3] @ (14.5, 14.5, 14.5)
    volume = made((30, 30, 30), affine)
    point = np.array([10.0, -8.0, 6.0])
    index = bright_at(volume, point)
    wanted = {Plane.AXIAL: (10, -8), Plane.CORONAL: (10, -6), Plane.SAGITTAL: (-8, -6)}
    for plane in planes_of(volume):
        view = view_of(volume, plane)
        picture = render_slice(volume, plane, int(index[view.axes[0]]), WIDE, 300)
        down, across = np.unravel_index(picture.pixels.argmax(), picture.pixels.shape)
        found = ((across + 0.5) / 10 - 15, (down + 0.5) / 10 - 15)
        turn = 3 if name == "oblique" else 0.6
        assert np.abs(np.subtract(found, wanted[plane])).max() < turn, (plane, found)
        tail = {Plane.AXIAL: ("R", "L", "A", "P"), Plane.CORONAL: ("R", "L", "S", "I"), Plane.SAGITTAL: ("A", "P", "S", "I")}[plane]
        assert tuple(letters[0] for letters in view.letters) == tail
    assert planes_of(volume)[0] == {"coronal": "coronal", "rows along the body": "coronal"}.get(
        name, "sagittal" if "sagittal" in name else "axial"
    )


def test_an_oblique_scan_says_so_by_letters_and_degrees():
    view = view_of(made((5, 20, 20), turned((1, 0, 0), (0, 0.9397, -0.3420), (0, 0.3420 * 3, 0.9397 * 3))), "axial")
    assert view.letters == ("R", "L", "AS", "PI")
    assert round(view.oblique_degrees) == 20
    straight = view_of(made())
    assert straight.oblique_degrees == pytest.approx(0)


def test_the_position_is_that_of_the_slice_and_has_the_scanners_letter():
    volume = made((10, 20, 30), turned((1, 0, 0), (0, 2, 0), (0, 0, 4), origin=(-15, -20, -10)))
    assert view_of(volume).position(0) == ("I", 10.0)
    assert view_of(volume).position(9) == ("S", 26.0)
    assert view_of(volume, "sagittal").position(0) == ("R", 15.0)
    assert view_of(volume, "coronal").position(19) == ("P", 18.0)


@pytest.mark.parametrize(("plane", "height", "width"), [("axial", 40, 30), ("coronal", 40, 30), ("sagittal", 40, 40)])
def test_proportions_are_those_of_millimetres(plane, height, width):
    picture = render_slice(made(), plane, 3, WIDE, 400)
    assert picture.pixels.shape == (round(400 * height / max(height, width)), round(400 * width / max(height, width)))


def test_a_sheared_volume_is_drawn_as_it_lies(tmp_path):
    (volume,) = read_volumes(write(ct_series(20, size=32, spacing_mm=2.0, tilt_degrees=20), tmp_path), "keep")
    volume.array[...] = 0
    for z in (0, 19):
        volume.array[z, 16, 16] = 1000
    view = view_of(volume, "sagittal")
    assert view.lean != 0
    lights = []
    for z in (0, 19):
        voxel = np.array([z, 16, 16])
        x, y = view.share_at(voxel)
        assert view.index_at(16, x, y) == pytest.approx(voxel)
        picture = render_slice(volume, "sagittal", 16, WIDE, 600)
        height, width = picture.pixels.shape
        around = picture.pixels[int(y * height) - 2 : int(y * height) + 3, int(x * width) - 2 : int(x * width) + 3]
        assert around.max() > 200
        lights.append(np.array([x * view.size[1], y * view.size[0]]))
    true = view.mm_of(np.array([19, 16, 16])) - view.mm_of(np.array([0, 16, 16]))
    assert np.linalg.norm(lights[1] - lights[0]) == pytest.approx(np.linalg.norm(true), rel=1e-6)
    assert (render_slice(volume, "sagittal", 0, Window(-500, 10), 600).pixels == 0).any(), "corners beside the slices are black"


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("name", SCANS)
def test_places_in_pictures_and_arrays_are_inverse(name, plane):
    view = view_of(made((9, 11, 13), SCANS[name]), plane)
    voxel = np.array([2.0, 3.0, 4.0])
    assert view.index_at(int(voxel[view.axes[0]]), *view.share_at(voxel)) == pytest.approx(voxel)
    assert view.voxel_of(view.mm_of(voxel)) == pytest.approx(voxel)


def test_a_window_ends_where_it_says():
    assert to_grey(np.array([-161, -160, 39, 40, 240, 241], np.int16), Window(40, 400)).tolist() == [0, 0, 127, 128, 255, 255]
    assert to_grey(np.array([np.nan, np.inf, -np.inf, 0.5], np.float32), Window(0.5, 1)).tolist() == [0, 255, 0, 128]
    big = np.array([2**31 - 3, 2**31 - 2, 2**31 - 1], np.int64)
    assert to_grey(big, Window(2**31 - 2, 2)).tolist() == [0, 128, 255]


def test_presets_are_of_the_unit_and_others_fit_the_values():
    ct = made(array=np.arange(6000, dtype=np.int16).reshape(10, 20, 30))
    assert presets_of(ct)["lung"] == (-600, 1500)
    assert presets_of(ct)["full"] == (2999.5, 5999)
    assert chosen_window(ct, None) == PRESETS["HU"]["mediastinum"]
    mr = made(array=np.full((10, 20, 30), 7, np.int16), unit="")
    assert list(presets_of(mr)) == ["auto", "full"]
    assert chosen_window(mr, None).width > 0
    holes = made(array=np.full((10, 20, 30), np.nan, np.float32), unit="")
    assert np.isfinite(presets_of(holes)["full"]).all()
    for wrong in ("lungs", (0, 0), (0, -5), (float("nan"), 5)):
        with pytest.raises(TaskError):
            chosen_window(ct, wrong)


def test_monochrome1_is_bright_where_values_are_small():
    volume = made(low_is_white=True, unit="")
    volume.array[:, :, 15:] = 1000
    pixels = render_slice(volume, "axial", 0, WIDE, 300).pixels
    assert pixels[0, 0] == 255
    assert pixels[0, -1] == 0
    assert render_slice(volume, "axial", 0, WIDE, 300, inverted=True).pixels[0, 0] == 0


def test_a_mask_is_filled_and_outlined_in_its_colours():
    volume, mask = made((3, 40, 40), np.eye(4)), np.zeros((3, 40, 40), np.uint8)
    mask[1, 10:30, 10:20], mask[1, 10:30, 20:30] = 1, 300 % 256
    mask = mask.astype(np.int32)
    mask[mask == 44] = 300
    pixels = render_slice(volume, "axial", 1, WIDE, 400, mask=mask, mask_style=MaskStyle(0.5, True)).pixels
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[200, 150].tolist() == pytest.approx([value / 2 for value in COLOURS[0]], abs=1)
    assert pixels[200, 100].tolist() == list(COLOURS[0]), "the edge is full"
    assert pixels[200, 200].tolist() == list(COLOURS[299 % len(COLOURS)])
    plain = render_slice(volume, "axial", 1, WIDE, 400, mask=mask, mask_style=MaskStyle(0.5, False)).pixels
    assert plain[200, 100].tolist() == pytest.approx([value / 2 for value in COLOURS[0]], abs=1)
    assert render_slice(volume, "axial", 0, WIDE, 400, mask=mask).pixels.max() == 0
    assert render_slice(volume, "axial", 1, WIDE, 400, mask=mask > 0).pixels.max() > 0
    assert (
        render_slice(volume, "axial", 1, WIDE, 400, mask=mask.astype(np.float32)).pixels
        == render_slice(volume, "axial", 1, WIDE, 400, mask=mask).pixels
    ).all()
    for wrong in (mask[:2], mask + 0.5, mask * np.nan, mask.astype(str)):
        with pytest.raises(TaskError):
            render_slice(volume, mask=wrong)


def test_a_mask_that_lies_elsewhere_is_refused():
    volume = made()
    for shift, wrong in ((0.001, False), (1.0, True)):
        affine = volume.affine.copy()
        affine[0, 3] += shift
        mask = made(affine=affine, array=np.ones((10, 20, 30), np.uint8))
        if wrong:
            with pytest.raises(TaskError, match="affine"):
                Exhibit(volume=volume, mask=mask)
        else:
            assert Exhibit(volume=volume, mask=mask).labels is not None


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_watermark_is_seen_on_black_grey_and_white_in_every_part(level):
    volume = made((2, 64, 64), np.eye(4), array=np.full((2, 64, 64), level * 1000 // 255, np.int16))
    text = "张三 · project heart · 2026-11-22 14:50"
    plain, marked = (render_slice(volume, "axial", 0, WIDE, 768, watermark=mark).pixels.astype(int) for mark in ("", text))
    changed = np.abs(marked - plain) >= 30
    assert 0.01 < changed.mean() < 0.15
    assert np.abs(marked - plain).max() < 40
    parts = changed.reshape(4, 192, 4, 192).any(axis=(1, 3))
    assert parts.all()


def test_chinese_letters_are_letters_and_no_boxes():
    from imaging.viewer.lettering import _font

    if "Aileron" in _font(20, True).getname()[0]:
        pytest.skip("this machine has no font with Chinese letters")
    shapes = {bytes(np.asarray(_font(20, letter >= "\u2e80").getmask(letter))) for letter in "张三李四ab12"}
    assert len(shapes) == 8, "boxes would be alike"


def test_no_picture_is_larger_than_the_limit():
    volume = made((1, 3000, 2500), np.eye(4))
    assert max(render_slice(volume).pixels.shape) == LIMIT
    for wrong in (LIMIT + 1, 0, 15):
        with pytest.raises(TaskError):
            render_slice(volume, size=wrong)


def test_a_part_is_shown_larger():
    volume = made((1, 100, 100), np.eye(4))
    volume.array[0, 25, 75] = 1000
    pixels = render_slice(volume, window=WIDE, size=500, box=Box(0.5, 0.0, 1.0, 0.5)).pixels
    down, across = np.unravel_index(pixels.argmax(), pixels.shape)
    assert (down, across) == pytest.approx((255, 255), abs=5)
    for wrong in (Box(0, 0, 0, 1), Box(-0.1, 0, 1, 1), Box(0, 0, 1, 1.01), Box(float("nan"), 0, 1, 1)):
        with pytest.raises(TaskError):
            render_slice(volume, box=wrong)


def test_slices_and_planes_that_do_not_exist_are_refused():
    with pytest.raises(TaskError, match="0 to 9"):
        render_slice(made(), "axial", 10)
    with pytest.raises(TaskError, match="axial"):
        view_of(made(), "stored")
    with pytest.raises(TaskError, match="no affine"):
        view_of(made(placed=False), "axial")
    with pytest.raises(TaskError, match="one slice"):
        view_of(made((1, 20, 30)), "axial")


def test_a_volume_without_a_place_is_shown_as_stored_and_measured_in_pixels():
    volume = made(placed=False)
    view = view_of(volume)
    assert (view.plane, view.letters, view.position(3), view.mm_of(np.zeros(3))) == (Plane.STORED, None, None, None)
    assert render_slice(volume, size=300).pixels.shape == (200, 300)
    assert distance_between(view, view.index_at(0, 0, 0), view.index_at(0, 1, 0)) == 30


def test_colours_stay_colours():
    volume = read_volume([PYDICOM_FILES / "SC_rgb_rle_2frame.dcm"], "keep")
    picture = render_slice(volume, index=1, size=100)
    assert picture.pixels.shape == (100, 100, 3)
    assert picture.pixels[5, 50].tolist() == volume.array[1, 5, 50].tolist()
    assert Exhibit(volume=volume).moves
    wide = read_volume([PYDICOM_FILES / "SC_rgb_rle_16bit.dcm"], "keep")
    assert np.abs(render_slice(wide, size=100).pixels.astype(int) - render_slice(volume, index=0, size=100).pixels).max() <= 1


def test_values_and_lengths_are_the_volumes_own():
    volume = made()
    volume.array[...] = np.arange(6000).reshape(10, 20, 30)
    view = view_of(volume, "sagittal")
    assert value_at(volume, np.array([2.4, 3.4, 4.4])) == volume.array[2, 3, 4]
    assert value_at(volume, np.array([2, 3, 29.6])) is None
    assert value_at(volume, np.array([-0.6, 3, 2])) is None
    assert distance_between(view, np.array([0, 0, 5]), np.array([3, 4.5, 5])) == pytest.approx(15)  # 12 and 9 mm


def test_a_circle_has_the_voxels_whose_centres_lie_within():
    volume = made((5, 40, 40), np.diag([0.5, 1.0, 3.0, 1.0]))
    volume.array[...] = np.random.default_rng(1).integers(0, 100, volume.shape)
    view = view_of(volume)
    rows, columns = np.mgrid[:40, :40]
    within = np.hypot((rows - 20) * 1.0, (columns - 10) * 0.5) <= 4.2
    found = circle_in(volume, view, np.array([2, 20, 10]), np.array([2, 20, 18.4]))
    truth = volume.array[2][within]
    assert (found.voxels, found.lowest, found.highest) == (truth.size, truth.min(), truth.max())
    assert (found.mean, found.deviation, found.radius) == pytest.approx((truth.mean(), truth.std(), 4.2))
    edge = circle_in(volume, view, np.array([2, 0, 0]), np.array([2, 0, 8]))
    assert edge.voxels == np.count_nonzero(np.hypot(rows, columns * 0.5) <= 4)
    for centre in ([2, 60, 10], [2, 20.5, 10.5]):
        with pytest.raises(TaskError, match="no voxel"):
            circle_in(volume, view, np.array(centre), np.add(centre, (0, 0.01, 0)))


def test_a_contact_sheet_has_a_tile_a_slice_and_labels():
    sheet = contact_sheet([Exhibit(volume=made(), label="胸部CT"), made(placed=False)], each=4, columns=4, size=100, watermark="张三")
    image = Image.open(io.BytesIO(sheet))
    assert sheet[1:4] == b"PNG"
    assert image.size == (4 * 106 + 6, 2 * (100 + 40 + 6) + 6)
    for wrong in ({"each": 0}, {"size": 1000}, {"columns": 0}, {"each": 97}):
        with pytest.raises(TaskError):
            contact_sheet([made((100, 8, 8), np.eye(4))], **wrong)
    with pytest.raises(TaskError):
        contact_sheet([])


def test_a_slice_is_drawn_in_less_than_30_ms():
    volume = made((40, 512, 512), np.eye(4), array=np.random.default_rng(0).integers(-1000, 1000, (40, 512, 512)).astype(np.int16))
    volume_mask = np.zeros(volume.shape, np.uint8)
    volume_mask[:, 100:400, 100:400] = 1
    for mask in (None, volume_mask):
        spent = []
        for index in range(12):
            begun = time.process_time()
            render_slice(volume, "axial", index, "lung", 512, mask=mask, watermark="张三 heart").jpeg()
            spent.append(time.process_time() - begun)
        assert np.median(spent) < 0.030, spent


def test_real_series_are_drawn():
    chest = read_volume(sorted(shared("imaging/chest_ct_harbin/series").glob("*")))
    picture = render_slice(chest, "axial", 15, "lung", 512)
    assert picture.view.letters == ("R", "L", "A", "P")
    spine, front = picture.pixels[380:440, 240:290].mean(), picture.pixels[:40].mean()
    assert spine > 200 > 60 > front, "the spine is at the bottom"
    (head,) = read_volumes(sorted(shared("imaging/head_ct_gantry_tilt/ge_hispeed").glob("*")), "keep")
    assert planes_of(head) == (Plane.STORED,)
