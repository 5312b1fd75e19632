"""Masks measured: values printed in the IBSI manual, shapes with known answers, SimpleITK; what may not be measured is refused."""

import itertools
import math

import numpy as np
import pytest
import SimpleITK

from imaging.errors import GeometryError, TaskError
from imaging.geometry import Geometry, Verdict
from imaging.measures import MEASURES, Origin, labels_over, measure, rows_of
from imaging.measures.definitions import UNITS, unit_of
from imaging.measures.mesh import surface_of
from imaging.volumes import SliceSource, Volume, read_nifti, read_volume, write_nifti
from tests.lib.dicom_files import ct_series, write
from tests.lib.paths import shared

#: The digital phantom of the IBSI reference manual (section 5.1; CC BY 4.0, github.com/theibsi/data_sets): a line a slice, its rows
#: parted by blanks; 0 is outside the mask. Voxels of 2 mm.
PHANTOM = ("14411 14611 41641 44641", "14411 11611 11311 44611", "14411 11111 11911 11611", "14411 11111 11111 11611")
INSIDE = ("11111 11111 11111 11111", "11111 11111 01111 11111", "11100 11111 11011 11111", "11100 11111 11111 11111")

#: Reference value, tolerance (IBSI reference manual v11, sections 3.1 and 3.3, "dig. phantom"). Where the manual gives no
#: tolerance, half of the last digit printed. Volumes are in mm3 there.
IBSI = {
    "mesh_volume_ml": (0.556, 0.004),
    "volume_ml": (0.592, 0.004),
    "surface_mm2": (388, 3),
    "surface_to_volume": (0.698, 0.004),
    "sphericity": (0.843, 0.005),
    "diameter_3d_mm": (13.1, 0.1),
    "major_axis_mm": (11.4, 0.1),
    "minor_axis_mm": (9.31, 0.06),
    "least_axis_mm": (8.54, 0.05),
    "elongation": (0.816, 0.005),
    "flatness": (0.749, 0.005),
    "mean": (2.15, 0.005),
    "variance": (3.05, 0.005),
    "skewness": (1.08, 0.005),
    "kurtosis": (-0.355, 0.0005),
    "median": (1, 0),
    "minimum": (1, 0),
    "percentile_10": (1, 0),
    "percentile_90": (4, 0),
    "maximum": (6, 0),
    "interquartile_range": (3, 0),
    "range": (5, 0),
    "mean_absolute_deviation": (1.55, 0.005),
    "robust_mean_absolute_deviation": (1.11, 0.005),
    "median_absolute_deviation": (1.15, 0.005),
    "coefficient_of_variation": (0.812, 0.0005),
    "quartile_dispersion": (0.6, 0.0005),
    "energy": (567, 0),
    "root_mean_square": (2.77, 0.005),
}


def digits(lines) -> np.ndarray:
    return np.array([[list(map(int, row)) for row in line.split()] for line in lines])


def grid(spacing=(1.0, 1.0, 1.0), *, turn=None, shear=(0.0, 0.0), origin=(0.0, 0.0, 0.0)) -> np.ndarray:
    """An affine of (column, row, slice) steps, turned by a rotation, slices shifted in their plane by so many mm each."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing)
    affine[:2, 2] = shear
    affine[:3, :3] = (np.eye(3) if turn is None else turn) @ affine[:3, :3]
    affine[:3, 3] = origin
    return affine


def made(array, affine, *, unit="HU", verdicts=(Verdict.REGULAR,), slices=()) -> Volume:
    array = np.asarray(array)
    spacing = None if affine is None else tuple(np.linalg.norm(affine[:3, :3], axis=0)[::-1].tolist())
    geometry = Geometry(
        verdicts=verdicts, reasons=(), order=tuple(range(array.shape[0])), shape=array.shape[:3], spacing_mm=spacing, affine=affine
    )
    return Volume(array=array, affine=affine, spacing_mm=spacing, unit=unit, geometry=geometry, slices=slices)


def turned() -> np.ndarray:
    """A rotation about an oblique axis."""
    axis = np.array([1.0, 2.0, 3.0]) / math.sqrt(14)
    cross = np.cross(np.eye(3), axis)
    return np.eye(3) + math.sin(0.7) * cross + (1 - math.cos(0.7)) * cross @ cross


def ball(shape, affine, centre, radii) -> np.ndarray:
    """Voxels whose centres lie within an ellipsoid along the patient's axes."""
    slices, rows, columns = np.indices(shape)
    points = np.stack([columns, rows, slices], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    return (((points - centre) / radii) ** 2).sum(axis=-1) <= 1


# ---- known answers -----------------------------------------------------------------------------------------------------------


def test_the_ibsi_phantom_gives_the_values_of_the_manual():
    (found,) = measure(made(digits(PHANTOM), grid((2, 2, 2))), digits(INSIDE))
    wrong = {key: (found.values[key], wanted) for key, (wanted, within) in IBSI.items() if abs(found.values[key] - wanted) > within + 1e-9}
    assert wrong == {}
    assert found.values["voxels"] == 74


def test_ibsi_codes_are_unique_and_every_measure_has_a_unit():
    codes = [(kind.scheme, kind.code) for kind in MEASURES.values()]
    assert len(set(codes)) == len(codes)
    assert all(unit_of(kind, unit) for kind in MEASURES.values() for unit in (*UNITS, "", "other"))


@pytest.mark.parametrize("affine", [grid((0.7, 0.7, 5)), grid((0.6, 0.9, 3), turn=turned()), grid((0.7, 0.7, 4), shear=(0.0, 1.3))])
def test_a_box_is_as_long_wide_and_large_as_it_was_made(affine):
    mask = np.zeros((6, 20, 30), bool)
    mask[1:5, 4:14, 3:23] = True
    (found,) = measure(made(np.zeros(mask.shape), affine), mask)
    (dx, dy), content = np.linalg.norm(affine[:3, :2], axis=0), abs(np.linalg.det(affine[:3, :3]))
    # The outline's corners are cut at half a voxel: it is 20 voxels wide at 10 - 1 rows, and 10 high at 20 - 1 columns.
    longest = max(math.hypot(20 * dx, 9 * dy), math.hypot(19 * dx, 10 * dy))
    assert found.values["volume_ml"] == pytest.approx(800 * content / 1000)
    assert found.values["long_axis_mm"] == pytest.approx(longest)
    assert found.centre_mm == pytest.approx(affine[:3, :3] @ (12.5, 8.5, 2.5) + affine[:3, 3])
    assert found.box == (slice(1, 5), slice(4, 14), slice(3, 23))
    assert found.flags == ()


@pytest.mark.parametrize("shear", [(0.0, 0.0), (0.9, -0.6)])
def test_an_ellipsoid_is_measured_where_it_lies_also_in_a_tilted_stack(shear):
    affine = grid((0.8, 0.5, 1.25), shear=shear, origin=(-30.0, 12.0, 4.0))
    middle, radii = affine[:3, :3] @ (40, 50, 24) + affine[:3, 3], np.array([20.0, 12.0, 16.0])
    mask = ball((48, 100, 80), affine, middle, radii)
    (found,) = measure(made(np.zeros(mask.shape), affine), mask)
    assert found.values["volume_ml"] == pytest.approx(4 / 3 * math.pi * radii.prod() / 1000, rel=0.01)
    assert found.values["mesh_volume_ml"] == pytest.approx(4 / 3 * math.pi * radii.prod() / 1000, rel=0.01)
    assert found.centre_mm == pytest.approx(middle, abs=0.05)
    assert found.values["diameter_3d_mm"] == pytest.approx(40, abs=1.0)
    assert found.values["long_axis_mm"] == pytest.approx(40, abs=1.0)
    assert found.values["short_axis_mm"] == pytest.approx(24, abs=1.0)
    # Of an ellipsoid the root of a principal variance is the radius over root 5.
    axes = [found.values[key] for key in ("least_axis_mm", "minor_axis_mm", "major_axis_mm")]
    assert axes == pytest.approx(np.sort(radii) * 4 / math.sqrt(5), rel=0.01)


def test_a_finer_grid_brings_the_surface_to_within_a_tenth_of_a_balls():
    # Marching cubes over a mask without grey values overstates a curved surface by up to a tenth, however fine the grid.
    for step in (1.0, 0.5):
        affine = grid((step,) * 3)
        size = int(44 / step)
        mask = ball((size,) * 3, affine, (21.3, 21.6, 21.9), (15.0,) * 3)
        surface = surface_of(mask, affine[:3, :3])
        assert 1.0 <= surface.area_mm2 / (4 * math.pi * 225) <= 1.10
        assert surface.volume_mm3 == pytest.approx(4 / 3 * math.pi * 15**3, rel=0.01)


def test_the_surface_does_not_depend_on_how_the_mask_lies():
    mask = np.random.default_rng(5).random((7, 8, 9)) < 0.4
    first = surface_of(mask, np.eye(3))
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            other = surface_of(np.ascontiguousarray(mask.transpose(axes)[:: flips[0], :: flips[1], :: flips[2]]), np.eye(3))
            assert other == pytest.approx(first)


def test_the_longest_diameter_is_that_of_all_pairs_and_the_short_one_stands_upright_on_it():
    chance = np.random.default_rng(11)
    affine = grid((0.6, 0.9, 4.0), turn=turned())
    for _ in range(12):
        mask = np.zeros((3, 24, 24), bool)
        for slice_ in mask:
            row, column, high, wide = chance.integers(2, 12, 4)
            slice_[row : row + high, column : column + wide] = True
        (found,) = measure(made(np.zeros(mask.shape), affine), mask)
        longest = 0.0
        for slice_ in mask:
            edges = np.argwhere(np.pad(slice_, 1))[:, ::-1] - 1.0
            outline = np.concatenate([edges + step for step in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))])
            points = np.column_stack([outline, np.zeros(len(outline))]) @ affine[:3, :3].T
            longest = max(longest, np.linalg.norm(points[:, None] - points[None], axis=-1).max())
        long_way, short_way = (np.diff(ends, axis=0)[0] for ends in (found.diameters.long_ends, found.diameters.short_ends))
        assert found.values["long_axis_mm"] == pytest.approx(longest)
        assert np.linalg.norm(long_way) == pytest.approx(found.values["long_axis_mm"])
        assert np.linalg.norm(short_way) == pytest.approx(found.values["short_axis_mm"])
        assert long_way @ short_way == pytest.approx(0, abs=1e-9)
        index = np.linalg.inv(affine)[:3] @ [*found.diameters.short_ends[0], 1]
        assert index[2] == pytest.approx(found.diameters.slice)


def test_the_short_axis_of_an_ellipse_at_an_angle_is_its_width():
    rows, columns = np.indices((120, 160))
    x, y, angle = (columns - 80) * 0.35, (rows - 60) * 0.45, math.radians(30)
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    mask = ((along / 20) ** 2 + (across / 9) ** 2 <= 1)[None]
    (found,) = measure(made(np.zeros(mask.shape), grid((0.35, 0.45, 5))), mask)
    assert found.values["long_axis_mm"] == pytest.approx(40, abs=0.45)
    assert found.values["short_axis_mm"] == pytest.approx(18, abs=0.45)


def test_a_node_is_measured_by_its_short_axis():
    mask = np.zeros((1, 20, 20), np.uint8)
    mask[0, 2:5, 2:12], mask[0, 10:13, 2:12] = 1, 2
    tumour, node = measure(made(np.zeros(mask.shape), grid()), mask, nodes=[2])
    assert tumour.values["recist_mm"] == tumour.values["long_axis_mm"] > 10
    assert node.values["recist_mm"] == node.values["short_axis_mm"] < 5


def test_pieces_that_do_not_touch_within_a_slice_are_not_bridged():
    mask = np.zeros((2, 10, 40), bool)
    mask[0, 4, 2:8] = mask[0, 4, 30:36] = True
    mask[1, 4, 2:36] = True
    mask[1, 4, 12:20] = False
    (found,) = measure(made(np.zeros(mask.shape), grid()), mask)
    assert found.values["long_axis_mm"] == 16
    assert found.diameters.slice == 1


def test_the_piece_with_the_largest_box_need_not_be_the_longest():
    mask = np.zeros((2, 30, 30), bool)
    rows, columns = np.indices((30, 30))
    mask[0] = np.abs(rows - 15) + np.abs(columns - 15) <= 10
    mask[1] = (rows == columns) & (rows < 18)
    (found,) = measure(made(np.zeros(mask.shape), grid()), mask)
    assert found.diameters.slice == 1
    assert found.values["long_axis_mm"] == pytest.approx(math.hypot(18, 17))


# ---- another implementation --------------------------------------------------------------------------------------------------


def test_shape_and_values_are_simpleitks_on_the_real_chest_ct():
    volume = read_volume(sorted(shared("imaging/chest_ct_harbin/series").glob("*.dcm")))
    mask = np.zeros(volume.shape, np.uint8)
    # Bone, and air within the middle of the chest.
    mask[volume.array > 300] = 7
    mask[8:20, 150:350, 100:400][volume.array[8:20, 150:350, 100:400] < -700] = 9
    image, labels = SimpleITK.GetImageFromArray(volume.array), SimpleITK.GetImageFromArray(mask)
    for each in (image, labels):
        each.SetSpacing(volume.spacing_mm[::-1])
        each.SetOrigin(volume.affine[:3, 3].tolist())
    shape, values = SimpleITK.LabelShapeStatisticsImageFilter(), SimpleITK.LabelStatisticsImageFilter()
    shape.Execute(labels)
    values.Execute(image, labels)
    regions = measure(volume, mask)
    assert [region.label for region in regions] == [7, 9]
    for region in regions:
        label, found = region.label, region.values
        assert found["voxels"] == shape.GetNumberOfPixels(label)
        assert found["volume_ml"] == pytest.approx(shape.GetPhysicalSize(label) / 1000)
        assert region.centre_mm == pytest.approx(shape.GetCentroid(label))
        assert shape.GetBoundingBox(label)[:3] == tuple(side.start for side in region.box[::-1])
        assert (found["least_axis_mm"] / 4) ** 2 == pytest.approx(shape.GetPrincipalMoments(label)[0], rel=1e-3)
        assert found["mean"] == pytest.approx(values.GetMean(label))
        assert found["variance"] == pytest.approx(values.GetVariance(label), rel=1e-4)
        assert (found["minimum"], found["maximum"]) == (values.GetMinimum(label), values.GetMaximum(label))


def test_components_are_simpleitks_and_lesions_come_by_size():
    mask = (np.random.default_rng(2).random((6, 20, 20)) < 0.06).astype(np.uint8)
    pieces = SimpleITK.ConnectedComponent(SimpleITK.GetImageFromArray(mask), True)
    sizes = np.bincount(SimpleITK.GetArrayFromImage(pieces).ravel())[1:]
    volume = made(np.zeros(mask.shape), grid())
    (whole,) = measure(volume, mask)
    lesions = measure(volume, mask, lesions=True)
    assert whole.values["components"] == len(sizes) == len(lesions)
    assert [lesion.values["voxels"] for lesion in lesions] == sorted(sizes.tolist(), reverse=True)
    assert [lesion.lesion for lesion in lesions] == list(range(1, len(sizes) + 1))
    assert sum(lesion.values["volume_ml"] for lesion in lesions) == pytest.approx(whole.values["volume_ml"])


# ---- what is told, what is refused ---------------------------------------------------------------------------------------------


def test_an_empty_mask_is_a_result_and_no_error():
    volume = made(np.zeros((3, 4, 4)), grid())
    nothing = np.zeros((3, 4, 4), np.uint8)
    assert measure(volume, nothing) == ()
    assert measure(volume, nothing, names={1: "nodule"}, lesions=True) == ()
    (found,) = measure(volume, nothing, names={1: "nodule"})
    assert found.values == {"voxels": 0, "components": 0, "volume_ml": 0}
    assert found.flags == ("empty",)
    assert found.diameters is None


def test_a_region_at_the_border_or_in_one_slice_is_told():
    mask = np.zeros((4, 9, 9), np.uint8)
    mask[1, 3:5, 3:5], mask[1:3, 0:2, 4], mask[1:3, 6, 6] = 1, 2, 3
    one, two, three = measure(made(np.zeros(mask.shape), grid()), mask)
    assert (one.flags, two.flags, three.flags) == (("one_slice",), ("touches_border",), ())


def test_a_region_over_computed_slices_is_told():
    slices = tuple(SliceSource("1.2", n, 0.5 if n == 2 else 0.0) for n in range(4))
    mask = np.zeros((4, 9, 9), np.uint8)
    mask[2, 4, 4], mask[1, 6, 6] = 1, 2
    computed, plain = measure(made(np.zeros(mask.shape), grid(), slices=slices), mask)
    assert "resampled" in computed.flags
    assert "resampled" not in plain.flags


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_leave_shape_and_take_intensities(bad):
    array = np.zeros((3, 5, 5))
    array[1, 2, 2] = bad
    mask = np.zeros(array.shape, np.uint8)
    mask[1, 1:4, 1:4] = 1
    (found,) = measure(made(array, grid()), mask)
    assert "not_finite" in found.flags
    assert "mean" not in found.values
    assert found.values["volume_ml"] == pytest.approx(0.009)


def test_equal_values_have_no_spread_and_no_skewness():
    mask = np.ones((3, 7, 7), np.uint8)
    (found,) = measure(made(np.full(mask.shape, 0.1), grid()), mask)
    assert [found.values[key] for key in ("variance", "skewness", "kurtosis", "range")] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("mask", "kind"),
    [
        (np.zeros((3, 4, 5), np.uint8), GeometryError),
        (np.zeros((4, 4), np.uint8), GeometryError),
        (np.full((3, 4, 4), 256), TaskError),
        (np.full((3, 4, 4), -1), TaskError),
        (np.full((3, 4, 4), 0.5), TaskError),
        (np.full((3, 4, 4), np.nan), TaskError),
        (np.full((3, 4, 4), "a"), TaskError),
    ],
)
def test_what_is_no_mask_of_this_volume_is_refused(mask, kind):
    with pytest.raises(kind):
        measure(made(np.zeros((3, 4, 4)), grid()), mask)


def test_a_mask_on_a_shifted_grid_is_refused_and_one_from_nifti_is_not(tmp_path):
    affine = grid((0.7, 0.7, 1.1), turn=turned(), origin=(-123.456, 77.7, -1000.1))
    volume = made(np.zeros((5, 6, 7)), affine)
    mask = np.ones((5, 6, 7), np.uint8)
    again = read_nifti(write_nifti(made(mask, affine), tmp_path / "mask.nii.gz"))
    assert np.array_equal(labels_over(volume, again), mask)
    beside = affine.copy()
    beside[0, 3] += 0.1
    with pytest.raises(GeometryError, match="voxels beside"):
        measure(volume, made(mask, beside))
    with pytest.raises(GeometryError, match="other none"):
        measure(volume, made(mask, None))


@pytest.mark.parametrize("label", [0, 256, -1, "1"])
def test_a_label_that_cannot_be_is_refused(label):
    with pytest.raises(TaskError):
        measure(made(np.zeros((3, 4, 4)), grid()), np.ones((3, 4, 4), np.uint8), names={label: "x"})


@pytest.mark.parametrize("verdict", [Verdict.LOCALISER, Verdict.MOSAIC, Verdict.UNCALIBRATED, Verdict.UNPLACED])
def test_a_geometry_in_which_millimetres_are_wrong_is_refused(verdict):
    with pytest.raises(GeometryError, match=str(verdict)):
        measure(made(np.zeros((3, 4, 4)), grid(), verdicts=(verdict,)), np.ones((3, 4, 4), np.uint8))


def test_a_series_with_a_gap_that_was_kept_as_it_is_is_refused_and_a_resampled_one_measured(tmp_path):
    paths = write(ct_series(6, without=(2,), size=8), tmp_path)
    kept, resampled = read_volume(paths, "keep"), read_volume(paths, "resample")
    with pytest.raises(GeometryError, match="gap"):
        measure(kept, np.ones(kept.shape, np.uint8))
    (found,) = measure(resampled, np.ones(resampled.shape, np.uint8))
    assert found.values["volume_ml"] == pytest.approx(6 * 64 * 0.7 * 0.7 * 5 / 1000)
    assert set(found.flags) == {"touches_border", "resampled"}


def test_a_tilted_stack_is_measured_as_it_lies_and_told_of_once_it_was_straightened(tmp_path):
    paths = write(ct_series(6, size=16, tilt_degrees=15.0), tmp_path)
    for policy, told in (("keep", False), ("resample", True)):
        volume = read_volume(paths, policy)
        mask = np.zeros(volume.shape, np.uint8)
        mask[2:4, 5:9, 5:9] = 1
        (found,) = measure(volume, mask)
        assert found.values["volume_ml"] == pytest.approx(32 * 0.7 * 0.7 * 5 * math.cos(math.radians(15)) / 1000)
        assert ("resampled" in found.flags) is told


# ---- the table ---------------------------------------------------------------------------------------------------------------


def test_rows_say_what_was_measured_in_which_unit_and_from_what():
    mask = np.zeros((4, 9, 9), np.uint8)
    mask[1:3, 2:5, 2:5], mask[1, 7, 7] = 1, 1
    volume = made(np.full(mask.shape, 40), grid((0.5, 0.5, 2)))
    lesions = measure(volume, mask, names={1: "nodule"}, lesions=True)
    rows = rows_of(lesions, Origin("P1", "1.2", "1.2.3", "1.2.4", "bundle-1"))
    assert len(rows) == sum(len(lesion.values) for lesion in lesions)
    (mean,) = [row for row in rows if row.measure == "mean" and row.lesion == 1]
    assert mean[:11] == ("P1", "1.2", "1.2.3", 1, "nodule", 1, "mean", "Mean intensity", "Q4LE", "IBSI", 40.0)
    assert (mean.unit, mean.mask, mean.bundle, mean.spacing_mm, mean.verdicts) == ("[hnsf'U]", "1.2.4", "bundle-1", "2 0.5 0.5", "regular")
    assert all(type(row.value) is float and math.isfinite(row.value) for row in rows)
    assert len({row.mask_sha256 for row in rows}) == 1
    assert len(mean.mask_sha256) == 64
