"""Geometry verdicts: truth by construction, real series where there are any."""

import math
from itertools import permutations

import numpy as np
import pydicom
import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from imaging.errors import GeometryError, ImageDataError
from imaging.geometry import TOLERANCES, Frame, Verdict, frames_of, judge
from imaging.geometry.attributes import count, numbers, parts, present
from imaging.geometry.reasons import REASONS
from tests.lib.paths import shared

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)


def frame(z: float = 0.0, *, orientation=AXIAL, **values) -> Frame:
    """A frame at a distance along its normal."""
    normal = np.cross(*np.reshape(orientation or AXIAL, (2, 3)))
    given = {"rows": 4, "columns": 6, "position": tuple((normal * z + (-10.0, 5.0, 2.0)).tolist()), "orientation": orientation}
    return Frame(**(given | {"spacing_mm": (0.5, 0.25), "thickness_mm": 1.0, "dimensions": {}} | values))


def stack(places, **values) -> list[Frame]:
    return [frame(z, instance=f"1.2.{number}", **values) for number, z in enumerate(places)]


def codes(geometry) -> list[str]:
    return [reason.code for reason in geometry.reasons]


def series(folder: str) -> list[Frame]:
    paths = sorted(shared(folder).glob("*.dcm"))
    return [found for path in paths for found in frames_of(pydicom.dcmread(path, stop_before_pixels=True))]


@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL, OBLIQUE], ids=["axial", "sagittal", "oblique"])
def test_a_regular_stack_in_any_order_has_one_affine(orientation):
    places, affines = [0.0, 3.0, 6.0, 9.0], []
    for order in permutations(places):
        geometry = judge(stack(order, orientation=orientation))
        assert geometry.verdicts == (Verdict.REGULAR,)
        assert [order[index] for index in geometry.order] == places
        affines.append(geometry.affine)
    assert all(np.array_equal(affine, affines[0]) for affine in affines)
    assert geometry.spacing_mm == pytest.approx((3.0, 0.5, 0.25))
    assert geometry.shape == (4, 4, 6)
    assert np.linalg.det(geometry.affine[:3, :3]) == pytest.approx(3 * 0.5 * 0.25)


def test_the_affine_maps_every_pixel_to_where_its_header_says_it_lies():
    members = stack([0.0, 2.0, 4.0], orientation=OBLIQUE)
    affine = judge(members).affine
    for number, member in enumerate(members):
        column, row = 3, 2
        by_standard = np.array(member.position) + np.array(OBLIQUE[:3]) * 0.25 * column + np.array(OBLIQUE[3:]) * 0.5 * row
        assert affine @ (column, row, number, 1) == pytest.approx([*by_standard, 1])


@pytest.mark.parametrize(
    ("places", "verdicts"),
    [
        ([0, 5, 10, 20, 25, 30], (Verdict.GAP,)),
        ([0, 5, 10, 30, 35, 40, 50], (Verdict.GAP,)),
        ([0, 5, 10, 20.5, 25, 30], (Verdict.IRREGULAR,)),
        ([0, 5, 10.15, 20, 25, 30], (Verdict.GAP, Verdict.IRREGULAR)),
        ([0, 1.08, 5.08, 9.08, 16.08, 23.08], (Verdict.IRREGULAR,)),
        ([0, 1, 2, 4, 5], (Verdict.GAP,)),
        ([0, 1.2, 2.5, 3.8, 5.0, 6.2, 7.5], (Verdict.REGULAR,)),
        ([0, 1, 2, 3.2, 4, 5], (Verdict.IRREGULAR,)),
        ([0, 0.005, 0.010, 0.015], (Verdict.REGULAR,)),
        ([0, 0.005, 0.015, 0.020], (Verdict.GAP,)),
        ([0, 5, 15, 25, 35], (Verdict.IRREGULAR,)),
    ],
)
def test_steps(places, verdicts):
    geometry = judge(stack(places))
    assert geometry.verdicts == verdicts
    assert (geometry.affine is None) == (verdicts != (Verdict.REGULAR,))


def test_a_gap_says_where_it_is_and_how_large():
    geometry = judge(stack([0, 5, 10, 25, 30]))
    (gap,) = geometry.reasons
    assert gap.values == {"after": 3, "missing": 2, "interval_mm": 15.0, "step_mm": 5.0}
    assert geometry.step_mm == pytest.approx(5.0)
    assert geometry.offsets_mm == pytest.approx((0, 5, 10, 25, 30))
    assert geometry.spacing_mm is None


def test_steps_that_double_with_the_thickness_are_no_gap():
    frames = [frame(z, thickness_mm=4.0) for z in (0, 4, 8, 12)] + [frame(z, thickness_mm=8.0) for z in (20, 28, 36)]
    geometry = judge(frames)
    assert geometry.verdicts == (Verdict.IRREGULAR,)
    assert codes(geometry) == ["irregular", "thickness_varies"]


def tilted(degrees: float, places) -> list[Frame]:
    angle = math.radians(degrees)
    orientation = (1.0, 0.0, 0.0, 0.0, math.cos(angle), -math.sin(angle))
    return [frame(orientation=orientation, position=(0.0, 0.0, float(z))) for z in places]


def test_a_tilted_gantry_is_sheared_and_its_affine_is_exact():
    frames = tilted(20, [0, 5, 10, 15])
    geometry = judge(frames)
    assert geometry.verdicts == (Verdict.SHEARED,)
    assert geometry.reasons[0].values["degrees"] == pytest.approx(20, abs=1e-3)
    assert geometry.affine[:3, 2] == pytest.approx([0, 0, 5])
    assert geometry.spacing_mm[0] == pytest.approx(5 * math.cos(math.radians(20)))


def test_irregular_and_sheared_may_both_hold():
    geometry = judge(tilted(18.5, [0, 4.22, 8.44, 9.58, 16.96, 24.34]))
    assert geometry.verdicts == (Verdict.IRREGULAR, Verdict.SHEARED)
    assert geometry.affine is None


def test_an_oblique_stack_that_steps_along_its_normal_is_not_sheared():
    assert judge(stack([0, 3, 6], orientation=OBLIQUE)).verdicts == (Verdict.REGULAR,)


def test_one_slice_shifted_in_its_plane_is_irregular():
    frames = stack([0, 5, 10, 15])
    frames[1] = frame(5.0, position=(-8.0, 5.0, 7.0))
    geometry = judge(frames)
    assert geometry.verdicts == (Verdict.IRREGULAR,)
    assert geometry.deviation_mm == pytest.approx(2.0)


def test_spacing_between_slices_that_lies_is_named_and_not_used():
    geometry = judge(stack([0, 3, 6], stated_mm=5.0))
    assert geometry.verdicts == (Verdict.REGULAR,)
    assert geometry.spacing_mm[0] == pytest.approx(3)
    assert codes(geometry) == ["stated_spacing_differs"]


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"orientation": SAGITTAL}, "ImageOrientationPatient"),
        ({"rows": 8}, "Rows"),
        ({"spacing_mm": (0.6, 0.25)}, "PixelSpacing"),
        ({"photometric": "MONOCHROME1"}, "PhotometricInterpretation"),
        ({"series": "1.9"}, "SeriesInstanceUID"),
        ({"frame_of_reference": "1.9"}, "FrameOfReferenceUID"),
        ({"stack": "2"}, "StackID"),
        ({"position": None}, "ImagePositionPatient"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, "Localizer"),
    ],
)
def test_what_must_never_be_mixed_makes_stacks(values, what):
    frames = stack([0, 1, 2]) + [frame(z, instance=f"1.3.{z}", **values) for z in (3, 4)]
    geometry = judge(frames)
    assert Verdict.MULTI_STACK in geometry.verdicts
    assert what in [reason.values["what"] for reason in geometry.reasons if reason.code == "differs"]
    assert geometry.affine is None
    assert geometry.stacks[0].geometry.verdicts == (Verdict.REGULAR,)
    assert sorted(index for part in geometry.stacks for index in part.geometry.order) == list(range(5))


def test_rounding_of_cosines_does_not_split_a_stack():
    frames = [*stack([0, 1, 2], orientation=(1.0, 0.0, 0.0, 0.0, 0.99999, 0.00002)), frame(3, instance="1.3")]
    geometry = judge(frames)
    assert Verdict.MULTI_STACK not in geometry.verdicts
    assert geometry.shape == (4, 4, 6)


def repeated(values: dict[str, list], places=(0, 2, 4)) -> list[Frame]:
    frames = []
    for number in range(len(next(iter(values.values())))):
        own = {name: (column[number],) for name, column in values.items()}
        frames += [frame(z, instance=f"1.{number}.{z}", dimensions=own) for z in places]
    return frames


@pytest.mark.parametrize(
    ("values", "by"),
    [
        ({"EchoTime": [10.0, 20.0]}, "EchoTime"),
        ({"DiffusionBValue": [0.0, 500.0, 1000.0]}, "DiffusionBValue"),
        ({"TemporalPositionIdentifier": [1.0, 2.0], "AcquisitionTime": [1.0, 2.0]}, "TemporalPositionIdentifier"),
        ({"EchoTime": [10.0, 10.0, 20.0, 20.0], "ImageType": ["M", "P", "M", "P"]}, "EchoTime + ImageType"),
        ({"DimensionIndex:Strange": [1.0, 2.0]}, "DimensionIndex:Strange"),
    ],
)
def test_repeated_positions_are_told_apart_by_what_varies(values, by):
    geometry = judge(repeated(values))
    assert geometry.verdicts == (Verdict.MULTI_STACK,)
    assert {part.geometry.verdicts for part in geometry.stacks} == {(Verdict.REGULAR,)}
    assert len(geometry.stacks) == len(next(iter(values.values())))
    assert next(reason for reason in geometry.reasons if reason.code == "repeated").values["by"] == by


def test_trigger_times_that_differ_from_slice_to_slice_are_ranked():
    frames = [
        frame(z, instance=f"1.{z}.{phase}", dimensions={"TriggerTime": (phase * 50.0 + z,)}) for z in (0, 2, 4) for phase in (1, 0, 2)
    ]
    geometry = judge(frames)
    assert [part.key for part in geometry.stacks] == [{"rank of TriggerTime": rank} for rank in (1, 2, 3)]
    for rank, part in enumerate(geometry.stacks):
        assert [frames[index].dimensions["TriggerTime"][0] // 50 for index in part.geometry.order] == [rank] * 3


def test_a_position_taken_twice_without_a_reason_is_never_a_volume():
    frames = [*stack([0, 2, 4, 6]), frame(4, instance="1.9")]
    geometry = judge(frames)
    assert geometry.verdicts == (Verdict.MULTI_STACK,)
    assert geometry.stacks == ()
    assert codes(geometry) == ["repeated_unexplained"]


def test_the_same_instance_twice_is_left_out_and_named():
    frames = stack([0, 2, 4])
    geometry = judge([*frames, frames[1]])
    assert geometry.verdicts == (Verdict.REGULAR,)
    assert geometry.duplicates == ((1, 3),)
    assert codes(geometry) == ["duplicate_instance"]


def test_one_slice_takes_its_thickness_or_has_no_affine():
    assert judge([frame()]).spacing_mm == (1.0, 0.5, 0.25)
    bare = judge([frame(thickness_mm=None)])
    assert (bare.verdicts, bare.affine, codes(bare)) == ((Verdict.SINGLE,), None, ["no_thickness"])


@pytest.mark.parametrize(
    ("values", "verdict", "code"),
    [
        ({"position": None}, Verdict.UNPLACED, "position_missing"),
        ({"orientation": None, "position": (0.0, 0.0, 0.0)}, Verdict.UNPLACED, "orientation_missing"),
        ({"position": None, "faults": ("position_unreadable",)}, Verdict.UNPLACED, "position_unreadable"),
        ({"spacing_mm": None}, Verdict.UNCALIBRATED, "no_spacing"),
        ({"spacing_mm": None, "detector_mm": (0.1, 0.1)}, Verdict.UNCALIBRATED, "detector_spacing"),
        ({"samples": 3, "photometric": "RGB"}, Verdict.COLOUR, "colour"),
        ({"photometric": "PALETTE COLOR"}, Verdict.COLOUR, "colour"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, Verdict.LOCALISER, "localiser"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC")}, Verdict.MOSAIC, "mosaic"),
    ],
)
def test_what_one_frame_lacks_or_is(values, verdict, code):
    orientation = values.get("orientation", AXIAL)
    geometry = judge([Frame(**({"rows": 4, "columns": 4, "position": (0.0, 0.0, 0.0), "orientation": orientation} | BARE | values))])
    assert verdict in geometry.verdicts
    assert Verdict.SINGLE in geometry.verdicts
    assert code in codes(geometry)
    if verdict in (Verdict.UNPLACED, Verdict.UNCALIBRATED, Verdict.MOSAIC):
        assert geometry.affine is None
        assert geometry.spacing_mm is None


BARE = {"spacing_mm": (1.0, 1.0), "thickness_mm": 1.0, "dimensions": {}}


def test_views_without_positions_are_images_of_their_own():
    geometry = judge([frame(position=None, orientation=None, instance=f"1.{number}") for number in range(2)])
    assert geometry.verdicts == (Verdict.MULTI_STACK, Verdict.UNPLACED)
    assert [part.geometry.shape for part in geometry.stacks] == [(1, 4, 6), (1, 4, 6)]


def test_no_frame_is_no_series():
    with pytest.raises(GeometryError):
        judge([])


def test_every_reason_has_its_sentence_and_every_tolerance_is_used():
    frames = [*stack([0, 5, 10, 20.15, 25]), frame(1, instance="", orientation=SAGITTAL, spacing_mm=None)]
    assert judge(frames).explain()
    assert all(isinstance(text, str) and text for text in REASONS.values())
    assert judge(stack([0, 1, 2.04, 3]), tolerances=TOLERANCES._replace(step_mm=0.01)).verdicts == (Verdict.IRREGULAR,)


# ---- headers -----------------------------------------------------------------------------------------------------------------


def header(**values) -> Dataset:
    dataset = Dataset()
    for name, value in ({"Rows": 4, "Columns": 6} | values).items():
        setattr(dataset, name, value)
    return dataset


def test_decimal_strings_longer_than_sixteen_characters_are_exact(tmp_path):
    long = b"-123.45678901234567890\\0.123456789012345678\\7.0000000000000001 "
    dataset = header(SOPClassUID="1.2.840.10008.5.1.4.1.1.4", SOPInstanceUID="1.2")
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    path = tmp_path / "long.dcm"
    dataset.save_as(path, enforce_file_format=True)
    raw = path.read_bytes()
    at = raw.index(b"\x28\x00\x10\x00US")
    element = b"\x20\x00\x32\x00DS" + len(long).to_bytes(2, "little") + long
    path.write_bytes(raw[:at] + element + raw[at:])
    (found,) = frames_of(pydicom.dcmread(path))
    assert found.position == (-123.45678901234567890, 0.123456789012345678, 7.0)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}, "orientation_invalid"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "orientation_invalid"),
        ({"ImageOrientationPatient": [1, 0, 0]}, "orientation_unreadable"),
        ({"ImagePositionPatient": [1, 2]}, "position_unreadable"),
        ({"ImagePositionPatient": [1, 2, 1e300]}, "position_unreadable"),
        ({"PixelSpacing": [0, 0]}, "spacing_invalid"),
        ({"PixelSpacing": [-1, 1]}, "spacing_invalid"),
        ({"PixelSpacing": 0.5}, "spacing_invalid"),
    ],
)
def test_a_plane_that_cannot_be_is_a_fault_and_no_plane(values, fault):
    (found,) = frames_of(header(**values))
    assert found.faults == (fault,)
    assert (found.position, found.orientation, found.spacing_mm) == (None, None, None)


@pytest.mark.parametrize("text", [b"1_0\\0\\0", b"nan\\0\\0", b"1,5\\0\\0", b"\xb2\\0\\0", b"1 2\\0\\0", b"\\\\"])
def test_text_that_is_no_number_is_no_position(text):
    dataset = header()
    dataset[0x00200032] = pydicom.dataelem.RawDataElement(pydicom.tag.Tag(0x00200032), "DS", len(text), text, 0, False, True)
    assert frames_of(dataset)[0].position is None


@pytest.mark.parametrize("values", [{"Rows": 0}, {"Columns": None}, {"NumberOfFrames": 1_000_000_000}, {"NumberOfFrames": 0}])
def test_an_impossible_size_is_refused_with_the_attribute(values):
    with pytest.raises(ImageDataError, match=next(iter(values))):
        frames_of(header(**values))


def group(z: float, **content) -> Dataset:
    item, plane, frame_content = Dataset(), Dataset(), Dataset()
    plane.ImagePositionPatient = [0, 0, z]
    item.PlanePositionSequence = Sequence([plane])
    for name, value in content.items():
        setattr(frame_content, name, value)
    item.FrameContentSequence = Sequence([frame_content])
    return item


def enhanced(groups: list[Dataset], **values) -> Dataset:
    shared_groups, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.7], 3
    orientation.ImageOrientationPatient = list(AXIAL)
    shared_groups.PixelMeasuresSequence = Sequence([measures])
    shared_groups.PlaneOrientationSequence = Sequence([orientation])
    return header(
        NumberOfFrames=len(groups),
        SharedFunctionalGroupsSequence=Sequence([shared_groups]),
        PerFrameFunctionalGroupsSequence=Sequence(groups),
        **values,
    )


def test_an_enhanced_image_takes_its_planes_from_functional_groups():
    geometry = judge(frames_of(enhanced([group(z) for z in (9, 3, 6)])))
    assert geometry.verdicts == (Verdict.REGULAR, Verdict.MULTI_FRAME)
    assert geometry.order == (1, 2, 0)
    assert geometry.spacing_mm == pytest.approx((3, 0.5, 0.7))


def test_an_enhanced_image_of_two_times_is_two_stacks():
    groups = [group(z, TemporalPositionIndex=time) for time in (1, 2) for z in (0, 3, 6)]
    geometry = judge(frames_of(enhanced(groups)))
    assert geometry.verdicts == (Verdict.MULTI_STACK, Verdict.MULTI_FRAME)
    assert [part.key for part in geometry.stacks] == [{"TemporalPositionIndex": (1.0,)}, {"TemporalPositionIndex": (2.0,)}]


def test_an_enhanced_image_tells_frames_apart_by_its_dimension_index():
    groups = [group(z, DimensionIndexValues=[number, k + 1]) for number in (1, 2) for k, z in enumerate((0, 3, 6))]
    pointers = []
    for tag in (0x00189087, 0x00200032):
        pointers.append(Dataset())
        pointers[-1].DimensionIndexPointer = tag
    geometry = judge(frames_of(enhanced(groups, DimensionIndexSequence=Sequence(pointers))))
    assert [part.key for part in geometry.stacks] == [{"DimensionIndex:DiffusionBValue": (float(number),)} for number in (1, 2)]


def test_functional_groups_that_are_fewer_than_frames_are_refused():
    dataset = enhanced([group(0), group(3)])
    dataset.NumberOfFrames = 3
    with pytest.raises(ImageDataError, match="found 2 items"):
        frames_of(dataset)


def test_what_cannot_be_read_is_not_taken_for_absent():
    dataset = header()
    for keyword, vr, value in (("BitsStored", "UL", b"\x08\0"), ("HighBit", "UN", b"\7\0\0"), ("PixelSpacing", "FD", b"0.50\\0.5 ")):
        tag = tag_for_keyword(keyword)
        dataset[tag] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)
        assert present(dataset, keyword)
        assert (numbers(dataset, keyword), count(dataset, keyword, 3)) == (None, None)
    tag = tag_for_keyword("PerFrameFunctionalGroupsSequence")
    dataset[tag] = RawDataElement(Tag(tag), "UT", 4, b"text", 0, False, True)
    with pytest.raises(ImageDataError, match="wanted a sequence"):
        frames_of(dataset)


def test_a_dose_grid_lies_along_its_offsets():
    dataset = header(
        NumberOfFrames=3, GridFrameOffsetVector=[0, 2.5, 5], ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=list(AXIAL)
    )
    dataset.PixelSpacing = [2.5, 2.5]
    geometry = judge(frames_of(dataset))
    assert geometry.verdicts == (Verdict.REGULAR, Verdict.MULTI_FRAME)
    assert geometry.affine[:3, 2] == pytest.approx([0, 0, 2.5])


# ---- real series -------------------------------------------------------------------------------------------------------------


def test_real_chest_ct_is_regular_and_says_where_slices_were_taken_out():
    frames = series("imaging/chest_ct_harbin/series")
    assert judge(frames).verdicts == (Verdict.REGULAR,)
    assert judge(frames).spacing_mm == (8.0, 0.646484375, 0.646484375)
    without = judge(frames[:10] + frames[12:])
    assert without.verdicts == (Verdict.GAP,)
    assert without.reasons[0].values == {"after": 18, "missing": 2, "interval_mm": 24.0, "step_mm": 8.0}


def test_real_head_ct_is_irregular_and_sheared():
    geometry = judge(series("imaging/head_ct_gantry_tilt/ge_hispeed"))
    assert geometry.verdicts == (Verdict.IRREGULAR, Verdict.SHEARED)
    irregular = next(reason for reason in geometry.reasons if reason.code == "irregular")
    assert (irregular.values["smallest_mm"], irregular.values["largest_mm"]) == (1.081, 6.999)
    assert next(reason for reason in geometry.reasons if reason.code == "sheared").values["degrees"] == pytest.approx(18.5, abs=0.01)


def test_times_and_decimals_that_pydicom_made_are_read_as_written(monkeypatch):
    monkeypatch.setattr(pydicom.config, "datetime_conversion", True)
    dataset = Dataset()
    dataset.Rows, dataset.Columns, dataset.AcquisitionTime, dataset.ContentTime = 4, 4, "101112.5", "101113"
    assert (parts(dataset, "AcquisitionTime"), parts(dataset, "StudyDate")) == (["101112.5"], [])
    assert frames_of(dataset)[0].dimensions["ContentTime"] == (101113.0,)
    monkeypatch.setattr(pydicom.config, "use_DS_decimal", True)
    dataset.SliceLocation = "-71.123456789012"
    assert numbers(dataset, "SliceLocation") == (-71.123456789012,)
