"""Masks and measurements as DICOM: equal in other readers, referring to the right images, refused where they would be wrong."""

import os
import random
import shutil
import subprocess
from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from pydicom.sr.coding import Code

from imaging.errors import GeometryError, ImageDataError, ImagingError, PlaceError, TaskError
from imaging.measures import measure, separate
from imaging.results import (
    ANATOMICAL,
    Algorithm,
    Encoding,
    Equipment,
    NewSeries,
    Segment,
    measurement_report,
    read_segmentation,
    save,
    secondary_capture,
    segmentation,
)
from imaging.results.sources import referable, settled
from imaging.volumes import read_nifti, read_volume, write_nifti
from tests.lib.dicom_files import PYDICOM_FILES, ct_series, mutated, uid, write
from tests.lib.paths import shared

BONE, LUNG = Code("272673000", "SCT", "Bone"), Code("39607008", "SCT", "Lung")
MODEL = Algorithm(name="bundle", version="0a1b2c3d")
SEGMENTS = (
    Segment(label=3, name="骨", category=ANATOMICAL, kind=BONE, algorithm=MODEL, tracking_id="bone-1", tracking_uid="1.2.3.9"),
    Segment(label=7, name="Lung", category=ANATOMICAL, kind=LUNG),
)


def a_mask(shape, seed=1) -> np.ndarray:
    """Labels 3 and 7 at random; the first slice has none, the second one only the first."""
    mask = np.random.default_rng(seed).choice(np.array([0, 3, 7], np.uint8), shape, p=(0.6, 0.2, 0.2))
    mask[0] = 0
    if shape[0] > 1:
        mask[1][mask[1] == 7] = 0
    return mask


def numbered(mask) -> np.ndarray:
    """The labels as the file numbers them."""
    return np.select([mask == 3, mask == 7], [1, 2], 0).astype(np.uint8)


def a_series(folder, **options):
    paths = write(ct_series(5, size=12, **options), folder)
    return paths, read_volume(paths)


def validated(path) -> list[str]:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian package dicom3tools) is not installed")
    found = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
    return [line for line in found.stderr.splitlines() if line.startswith("Error")]


# ---- masks in other readers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", Encoding)
def test_a_mask_comes_back_as_it_was(tmp_path, encoding):
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    result = segmentation(volume, mask, SEGMENTS[::-1], paths[::-1], encoding=encoding)
    found = read_segmentation(save(result, tmp_path / "seg.dcm"), volume)
    assert np.array_equal(found.mask, numbered(mask))
    assert [(each.number, each.name, each.kind) for each in found.segments] == [(1, "骨", BONE), (2, "Lung", LUNG)]
    assert [each.algorithm for each in found.segments] == ["AUTOMATIC bundle", "MANUAL"]
    assert (found.segments[0].tracking_id, found.segments[0].tracking_uid) == ("bone-1", "1.2.3.9")
    assert found.instance == result.SOPInstanceUID


def test_pydicom_by_hand_highdicom_and_simpleitk_see_the_same_mask(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    path = save(segmentation(volume, mask, SEGMENTS, paths), tmp_path / "seg.dcm")
    file = pydicom.dcmread(path)
    bits = np.unpackbits(np.frombuffer(file.PixelData, np.uint8), bitorder="little")[: int(file.NumberOfFrames) * 144].reshape(-1, 12, 12)
    image = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))) > 0
    by_hand = np.zeros(volume.shape, np.uint8)
    places = {source.instance: n for n, source in enumerate(volume.slices)}
    for plane, group in zip(bits, file.PerFrameFunctionalGroupsSequence, strict=True):
        source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        by_hand[places[source]] += plane * np.uint8(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
    instances = [source.instance for source in volume.slices]
    opened = highdicom.seg.segread(path)
    seen = opened.get_pixels_by_source_instance(instances, combine_segments=True, assert_missing_frames_are_empty=True)
    assert np.array_equal(bits, image)
    assert np.array_equal(by_hand, numbered(mask))
    assert np.array_equal(seen, numbered(mask))


def test_dcmqi_reads_the_same_mask(tmp_path):
    program = shutil.which("segimage2itkimage") or os.environ.get("DCMQI_SEGIMAGE2ITKIMAGE")
    if program is None:
        pytest.skip("dcmqi (package dcmqi on PyPI) is not installed")
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    path = save(segmentation(volume, mask, SEGMENTS, paths), tmp_path / "seg.dcm")
    subprocess.run([program, "-t", "nii", "--outputDirectory", tmp_path, "--inputDICOM", path], check=True, capture_output=True)
    for number in (1, 2):
        found = read_nifti(tmp_path / f"{number}.nii.gz")
        flat = np.linalg.inv(volume.affine) @ found.affine
        start = np.rint(flat[:3, 3]).astype(int)
        # dcmqi keeps the slices between the first and the last that hold the segment.
        part = numbered(mask)[start[2] : start[2] + found.shape[0]] == number
        assert np.allclose(flat[:3, :3], np.eye(3), atol=1e-3)
        assert np.array_equal(found.array > 0, part)


@pytest.mark.parametrize("encoding", Encoding)
def test_every_frame_refers_to_the_slice_that_it_was_drawn_on(tmp_path, encoding):
    paths, volume = a_series(tmp_path / "ct")
    result = segmentation(volume, a_mask(volume.shape), SEGMENTS, paths, encoding=encoding)
    positions = {source.instance: volume.affine[:3] @ (0, 0, n, 1) for n, source in enumerate(volume.slices)}
    for group in result.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert group.PlanePositionSequence[0].ImagePositionPatient == pytest.approx(positions[source])
    first = pydicom.dcmread(paths[0])
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "AccessionNumber", "StudyDate"):
        assert result[keyword].value == first[keyword].value
    assert result.ReferencedSeriesSequence[0].SeriesInstanceUID == first.SeriesInstanceUID
    assert (result.Modality, result.SegmentationType) == ("SEG", encoding.value)


@pytest.mark.parametrize("charset", ["GB18030", "ISO_IR 100", "ISO_IR 192"])
def test_what_is_written_is_valid_whatever_the_sources_characters(tmp_path, charset):
    names = {"SpecificCharacterSet": charset, "PatientName": "Wang^XiaoDong" if charset == "ISO_IR 100" else "Wang^XiaoDong=王^小东"}
    paths, volume = a_series(tmp_path / "ct", **names)
    mask = a_mask(volume.shape)
    seg = segmentation(volume, mask, SEGMENTS, paths)
    report = measurement_report(measure(volume, mask), seg, SEGMENTS, paths)
    picture = secondary_capture(np.zeros((9, 8, 3), np.uint8), paths[:2], names_burned_in=False)
    for number, result in enumerate((seg, report, picture)):
        path = save(result, tmp_path / f"{number}.dcm")
        again = pydicom.dcmread(path)
        assert str(again.PatientName) == names["PatientName"]
        assert again.SpecificCharacterSet == "ISO_IR 192"
        assert validated(path) == []


def test_the_real_chest_ct_keeps_its_mask(tmp_path):
    paths = sorted(shared("imaging/chest_ct_harbin/series").glob("*.dcm"))
    volume = read_volume(paths)
    mask = np.where(volume.array > 300, 3, np.where(volume.array < -700, 7, 0)).astype(np.uint8)
    path = save(segmentation(volume, mask, SEGMENTS, paths), tmp_path / "seg.dcm")
    assert np.array_equal(read_segmentation(path, volume).mask, numbered(mask))
    assert validated(path) == []


# ---- volumes that are not plain ------------------------------------------------------------------------------------------------


def enhanced(folder, **options):
    """One multi-frame file of a plain series, its frames last first."""
    converted = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        [pydicom.dcmread(path) for path in write(ct_series(5, size=12, **options), folder / "plain")][::-1],
        series_instance_uid=uid(8),
        series_number=1,
        sop_instance_uid=uid(8, 1),
        instance_number=1,
    )
    return save(converted, folder / "enhanced.dcm")


def test_frames_of_a_multi_frame_image_are_referred_to_by_number(tmp_path):
    path = enhanced(tmp_path)
    volume = read_volume([path])
    mask = a_mask(volume.shape)
    result = segmentation(volume, mask, SEGMENTS, [path])
    numbers = {source.frame: n for n, source in enumerate(volume.slices)}
    for group in result.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        place = volume.affine[:3] @ (0, 0, numbers[int(source.ReferencedFrameNumber)], 1)
        assert group.PlanePositionSequence[0].ImagePositionPatient == pytest.approx(place)
    seg = save(result, tmp_path / "seg.dcm")
    assert np.array_equal(read_segmentation(seg, volume).mask, numbered(mask))
    assert validated(seg) == []


def test_computed_slices_are_refused_and_a_mask_goes_back_onto_the_scanned_ones(tmp_path):
    paths = write(ct_series(6, size=16, tilt_degrees=15.0), tmp_path / "ct")
    volume, kept = read_volume(paths, "resample"), read_volume(paths, "keep")
    mask = np.zeros(volume.shape, np.uint8)
    mask[2:5, 5:14, 3:12] = 3
    with pytest.raises(GeometryError, match="computed"):
        segmentation(volume, mask, SEGMENTS[:1], paths)
    path = save(segmentation(volume, mask, SEGMENTS[:1], paths, regrid=True), tmp_path / "seg.dcm")
    back = read_segmentation(path, kept).mask
    for index in np.argwhere(np.ones(kept.shape, bool)):
        place = kept.affine @ (*index[::-1], 1)
        near = np.rint(np.linalg.inv(volume.affine) @ place).astype(int)[2::-1]
        inside = (near >= 0).all() and (near < volume.shape).all()
        assert back[tuple(index)] == (1 if inside and mask[tuple(near)] else 0)
    with pytest.raises(GeometryError, match="grid"):
        read_segmentation(path, volume)


def test_part_of_a_volume_refers_to_its_own_slices_and_reaches_no_further(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    affine = volume.affine.copy()
    affine[:3, 3] = (volume.affine @ (2, 0, 1, 1))[:3]
    part = replace(volume, array=volume.array[1:4, :, 2:], affine=affine, slices=volume.slices[1:4])
    mask = np.full(part.shape, 3, np.uint8)
    with pytest.raises(GeometryError, match="slice 1"):
        segmentation(part, mask, SEGMENTS[:1], paths)
    smaller = replace(volume, array=volume.array[:, :, :9])
    with pytest.raises(GeometryError, match="slice 1"):
        segmentation(smaller, np.full(smaller.shape, 3), SEGMENTS[:1], paths)
    expected = np.zeros(volume.shape, np.uint8)
    expected[1:4, :, 2:] = 1
    path = save(segmentation(part, mask, SEGMENTS[:1], paths, regrid=True), tmp_path / "seg.dcm")
    assert np.array_equal(read_segmentation(path, volume).mask, expected)


def test_a_volume_without_an_affine_gets_its_mask_by_what_frames_refer_to(tmp_path):
    paths = write(ct_series(6, size=12, without=(2,)), tmp_path / "ct")
    volume = read_volume(paths, "keep")
    assert volume.affine is None
    mask = a_mask(volume.shape)
    path = save(segmentation(volume, mask, SEGMENTS, paths), tmp_path / "seg.dcm")
    assert np.array_equal(read_segmentation(path, volume).mask, numbered(mask))


def test_an_empty_mask_is_written_and_read(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    path = save(segmentation(volume, np.zeros(volume.shape, bool), SEGMENTS, paths), tmp_path / "seg.dcm")
    found = read_segmentation(path, volume)
    assert not found.mask.any()
    assert len(found.segments) == 2


def test_what_is_written_says_what_it_was_told_of_its_series_and_maker(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    made = NewSeries(
        description="Model",
        number=7,
        uid="1.2.3",
        instance_uid="1.2.3.4",
        equipment=Equipment(manufacturer="M", model="N", serial="S", version="V"),
    )
    mask = a_mask(volume.shape)
    results = (
        segmentation(volume, mask, SEGMENTS, paths, series=made),
        measurement_report(measure(volume, mask), segmentation(volume, mask, SEGMENTS, paths), SEGMENTS, paths, series=made),
        secondary_capture(np.zeros((4, 4), np.uint8), paths, names_burned_in=False, series=made),
    )
    told = ("SeriesDescription", "SeriesNumber", "SeriesInstanceUID", "SOPInstanceUID")
    by = ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions")
    for result in results:
        assert [result.get(name) for name in told] == ["Model", 7, "1.2.3", "1.2.3.4"]
        assert [result.get(name) for name in by] == ["M", "N", "S", "V"]
    assert [result.SeriesNumber for result in (results[0], segmentation(volume, mask, SEGMENTS, paths))] == [7, 300]


def test_scanned_and_parsed_sources_give_the_same_file(tmp_path):
    paths, volume = a_series(tmp_path / "ct", PatientAge="041Y", StudyDescription="胸部", SpecificCharacterSet="GB18030")
    mask, made = a_mask(volume.shape), NewSeries(uid="1.2.3", instance_uid="1.2.3.4")
    segments = [replace(each, tracking_uid=f"1.2.{each.label}", tracking_id="x") for each in SEGMENTS]
    assert "StudyDescription" not in referable(paths[1])  # scanned: it has what a reference needs
    one, other = (segmentation(volume, mask, segments, sources, series=made) for sources in (paths, [pydicom.dcmread(p) for p in paths]))
    for result in (one, other):
        for element in [element for element in result.iterall() if element.VR in ("DA", "TM", "DT") or "Organization" in element.keyword]:
            element.value = None  # made anew each time
    assert one == other
    assert (one.PatientAge, one.StudyDescription) == ("041Y", "胸部")


# ---- segmentations of others ---------------------------------------------------------------------------------------------------


def test_frames_may_come_in_any_order_and_empty_ones_may_be_there(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    file = segmentation(volume, mask, SEGMENTS, paths)
    frames = file.pixel_array
    order = np.random.default_rng(3).permutation(len(frames))
    file.PerFrameFunctionalGroupsSequence = [file.PerFrameFunctionalGroupsSequence[int(n)] for n in order]
    file.PixelData = np.packbits(frames[order].ravel(), bitorder="little").tobytes()
    assert np.array_equal(read_segmentation(save(file, tmp_path / "seg.dcm"), volume).mask, numbered(mask))


def stacked(volume, paths, planes, kind="BINARY"):
    """A segmentation of segments that may overlap, as another program writes it."""
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=n + 1,
            segment_label=str(n),
            segmented_property_category=ANATOMICAL,
            segmented_property_type=LUNG,
            algorithm_type="MANUAL",
        )
        for n in range(planes.shape[-1])
    ]
    return highdicom.seg.Segmentation(
        [settled(path) for path in paths], planes, kind, described, uid(7), 1, uid(7, 1), 1, "Other", "Other", "1", "1"
    )


def test_segments_that_overlap_are_refused_together_and_read_one_by_one(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    planes = (np.random.default_rng(4).random((*volume.shape, 2)) < 0.5).astype(np.uint8)
    path = save(stacked(volume, paths, planes), tmp_path / "seg.dcm")
    with pytest.raises(GeometryError, match=r"segment 2 overlaps segments \[1\]"):
        read_segmentation(path, volume)
    for number in (1, 2):
        found = read_segmentation(path, volume, segments=[number])
        assert np.array_equal(found.mask, planes[..., number - 1] * number)
        assert [segment.number for segment in found.segments] == [number]
    with pytest.raises(TaskError, match="describes"):
        read_segmentation(path, volume, segments=[3])


def test_a_fractional_segmentation_wants_a_threshold(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    share = np.random.default_rng(6).random((*volume.shape, 1))
    path = save(stacked(volume, paths, share, "FRACTIONAL"), tmp_path / "seg.dcm")
    with pytest.raises(TaskError, match="at_least"):
        read_segmentation(path, volume)
    assert np.array_equal(read_segmentation(path, volume, at_least=0.5).mask, np.around(share[..., 0] * 255) >= 0.5 * 255)


def test_a_label_map_in_colours_is_read_by_its_labels(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    file = segmentation(volume, mask, SEGMENTS, paths, encoding="LABELMAP")
    file.PhotometricInterpretation = "PALETTE COLOR"
    for colour in ("Red", "Green", "Blue"):
        setattr(file, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 8])
        setattr(file, f"{colour}PaletteColorLookupTableData", bytes(range(256))[::-1])
    assert np.array_equal(read_segmentation(save(file, tmp_path / "seg.dcm"), volume).mask, numbered(mask))


def test_a_smaller_frame_lies_where_its_position_says(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    file = segmentation(volume, mask, SEGMENTS, paths)
    frames = np.ascontiguousarray(file.pixel_array[:, 2:10, 3:11])
    file.Rows, file.Columns = frames.shape[1:]
    file.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes()
    # Frames of one slice share an item.
    for item in {id(item): item for group in file.PerFrameFunctionalGroupsSequence for item in group.PlanePositionSequence}.values():
        x, y, z = map(float, item.ImagePositionPatient)
        item.ImagePositionPatient = [x + 3 * 0.7, y + 2 * 0.7, z]
    expected = np.zeros_like(mask)
    expected[:, 2:10, 3:11] = numbered(mask)[:, 2:10, 3:11]
    assert np.array_equal(read_segmentation(save(file, tmp_path / "seg.dcm"), volume).mask, expected)


def test_a_segmentation_of_other_images_or_on_another_grid_is_refused(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    path = save(segmentation(volume, a_mask(volume.shape), SEGMENTS, paths), tmp_path / "seg.dcm")
    _, other = a_series(tmp_path / "other", series=2, study=2)
    with pytest.raises(GeometryError, match="none of them the volume's"):
        read_segmentation(path, other)
    assert read_segmentation(path, other, other_images=True).mask.any()
    _, finer = a_series(tmp_path / "finer", spacing_mm=4.0)
    with pytest.raises(GeometryError, match="grid"):
        read_segmentation(path, finer)


def test_a_segmentation_by_another_program_is_read(tmp_path):
    file = PYDICOM_FILES / "liver_1frame.dcm"
    head = pydicom.dcmread(file)
    # The file was cut to one frame by hand, its groups were not.
    del head.PerFrameFunctionalGroupsSequence[1:]
    file = save(head, tmp_path / "seg.dcm")
    shared_groups, own = head.SharedFunctionalGroupsSequence[0], head.PerFrameFunctionalGroupsSequence[0]
    like = ct_series(
        1,
        size=head.Rows,
        PixelSpacing=list(shared_groups.PixelMeasuresSequence[0].PixelSpacing),
        ImageOrientationPatient=list(shared_groups.PlaneOrientationSequence[0].ImageOrientationPatient),
        ImagePositionPatient=list(own.PlanePositionSequence[0].ImagePositionPatient),
    )
    volume = read_volume(write(like, tmp_path / "ct"))
    found = read_segmentation(file, volume, other_images=True)
    assert np.array_equal(found.mask[0] > 0, head.pixel_array > 0)
    assert found.mask.any()


@pytest.mark.parametrize("name", ["CT_small.dcm", "rtplan.dcm"])
def test_what_is_no_segmentation_is_refused(tmp_path, name):
    _, volume = a_series(tmp_path / "ct")
    with pytest.raises(ImageDataError):
        read_segmentation(PYDICOM_FILES / name, volume)


def test_broken_segmentations_are_refused_or_read_and_nothing_else(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    whole = save(segmentation(volume, a_mask(volume.shape), SEGMENTS, paths), tmp_path / "seg.dcm").read_bytes()
    chance, refused = random.Random(7), 0
    broken = tmp_path / "broken.dcm"
    for _ in range(150):
        broken.write_bytes(mutated(whole, chance))
        try:
            assert read_segmentation(broken, volume).mask.shape == volume.shape
        except ImagingError:
            refused += 1
    assert refused > 30


# ---- references after de-identification ------------------------------------------------------------------------------------------


def test_renamed_uids_keep_references_right_when_they_are_renamed_alike(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    seg = save(segmentation(volume, mask, SEGMENTS, paths), tmp_path / "seg.dcm")
    renamed = [rename(path, tmp_path / "new") for path in paths]
    new = read_volume(renamed)
    assert np.array_equal(read_segmentation(rename(seg, tmp_path / "new"), new).mask, numbered(mask))
    with pytest.raises(GeometryError, match="none of them"):
        read_segmentation(seg, new)
    with pytest.raises(ImageDataError, match="not among the sources"):
        segmentation(volume, mask, SEGMENTS, renamed)
    again = segmentation(new, mask, SEGMENTS, renamed)
    assert not {str(element.value) for element in again.iterall() if element.VR == "UI"} & {source.instance for source in volume.slices}


def rename(path, folder):
    """The file with every UID of ours, and highdicom's, replaced by another that depends on it alone."""
    file = pydicom.dcmread(path)
    for dataset in (file, file.file_meta):
        for element in dataset.iterall():
            if element.VR == "UI" and str(element.value).startswith("1.2.826."):
                element.value = pydicom.uid.generate_uid(entropy_srcs=[str(element.value)])
    folder.mkdir(exist_ok=True)
    file.save_as(folder / path.name, enforce_file_format=True)
    return folder / path.name


# ---- measurements ----------------------------------------------------------------------------------------------------------------


def contents(item):
    yield item
    for child in item.get("ContentSequence", ()):
        yield from contents(child)


def test_a_report_holds_every_value_with_its_unit_and_refers_to_its_segment(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    seg = segmentation(volume, mask, SEGMENTS, paths)
    regions = measure(volume, mask, names={3: "bone", 7: "lung"})
    report = pydicom.dcmread(save(measurement_report(regions, seg, SEGMENTS, paths), tmp_path / "sr.dcm"))
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    groups = [
        item
        for item in contents(report)
        if item.get("ContentTemplateSequence") and item.ContentTemplateSequence[0].TemplateIdentifier == "1411"
    ]
    assert len(groups) == 2
    for region, group, described in zip(regions, groups, seg.SegmentSequence, strict=True):
        found = {
            item.ConceptNameCodeSequence[0].CodeMeaning: (
                float(item.MeasuredValueSequence[0].get("FloatingPointValue", item.MeasuredValueSequence[0].NumericValue)),
                item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
            )
            for item in contents(group)
            if item.ValueType == "NUM"
        }
        assert len(found) == len(region.values)
        assert found["Volume from Voxel Summation"] == (pytest.approx(region.values["volume_ml"], rel=1e-9), "mL")
        assert found["Mean intensity"] == (pytest.approx(region.values["mean"], rel=1e-9), "[hnsf'U]")
        texts = {item.ConceptNameCodeSequence[0].CodeMeaning: item for item in contents(group)}
        assert described.TrackingUID == texts["Tracking Unique Identifier"].UID
        segment = texts["Referenced Segment"].ReferencedSOPSequence[0]
        assert segment.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        assert int(segment.ReferencedSegmentNumber) == described.SegmentNumber
    evidence = {
        item.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert evidence == {seg.SOPInstanceUID, *(source.instance for source in volume.slices)}
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")


def test_highdicom_reads_the_report_back(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    seg = segmentation(volume, mask, SEGMENTS, paths)
    path = save(measurement_report(measure(volume, mask), seg, SEGMENTS, paths), tmp_path / "sr.dcm")
    groups = highdicom.sr.srread(path).content.get_volumetric_roi_measurement_groups(tracking_uid="1.2.3.9")
    assert len(groups) == 1
    assert groups[0].finding_type == BONE


def test_lesions_get_a_segment_each(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    mask = np.zeros(volume.shape, np.uint8)
    mask[1:3, 1:3, 1:3], mask[3, 7:11, 7:11] = 1, 1
    one = [Segment(label=1, name="n", category=ANATOMICAL, kind=LUNG)]
    together = segmentation(volume, mask, one, paths)
    with pytest.raises(TaskError, match="share a segment"):
        measurement_report(measure(volume, mask, lesions=True), together, one, paths)
    apart = separate(mask)
    segments = [Segment(label=n, name=f"nodule {n}", category=ANATOMICAL, kind=LUNG) for n in (1, 2)]
    regions = measure(volume, apart)
    assert [region.values["voxels"] for region in regions] == [16, 8]
    report = measurement_report(regions, segmentation(volume, apart, segments, paths), segments, paths)
    assert validated(save(report, tmp_path / "sr.dcm")) == []


def test_a_report_of_nothing_is_refused(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    nothing = np.zeros(volume.shape, np.uint8)
    seg = segmentation(volume, nothing, SEGMENTS, paths)
    for regions in ((), measure(volume, nothing, names={3: "bone"})):
        with pytest.raises(TaskError, match="no region"):
            measurement_report(regions, seg, SEGMENTS, paths)


# ---- pictures --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3)])
@pytest.mark.parametrize(("burned", "said"), [(True, "YES"), (False, "NO")])
def test_a_picture_says_whether_names_stand_in_it(tmp_path, shape, burned, said):
    paths, _ = a_series(tmp_path / "ct")
    picture = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    file = pydicom.dcmread(save(secondary_capture(picture, paths[:2], names_burned_in=burned), tmp_path / "sc.dcm"))
    assert file.BurnedInAnnotation == said
    assert np.array_equal(file.pixel_array, picture)
    assert [item.ReferencedSOPInstanceUID for item in file.SourceImageSequence] == [
        pydicom.dcmread(path).SOPInstanceUID for path in paths[:2]
    ]
    assert "PixelSpacing" not in file
    assert list(file.ImageType) == ["DERIVED", "SECONDARY"]


@pytest.mark.parametrize("picture", [np.zeros((4, 4), np.uint16), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8)])
def test_what_is_no_picture_is_refused(tmp_path, picture):
    paths, _ = a_series(tmp_path / "ct")
    with pytest.raises(TaskError):
        secondary_capture(picture, paths, names_burned_in=False)
    with pytest.raises(TaskError, match="names_burned_in"):
        secondary_capture(np.zeros((4, 4), np.uint8), paths, names_burned_in="no")
    with pytest.raises(ImageDataError, match="one study"):
        secondary_capture(np.zeros((4, 4), np.uint8), [], names_burned_in=False)


# ---- bad input -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientSex": "female", "PatientBirthDate": "1950", "StudyTime": "later", "StudyDate": "20249999"},
        {"PatientSex": None, "AccessionNumber": None, "StudyID": None, "PatientName": None, "PatientID": None},
        {"PatientName": "A" * 80, "StudyDescription": "S" * 200},
    ],
)
def test_odd_patients_and_studies_are_written_without_what_cannot_be_read(tmp_path, attributes):
    paths, volume = a_series(tmp_path / "ct", **attributes)
    mask = a_mask(volume.shape)
    seg = segmentation(volume, mask, SEGMENTS, paths)
    path = save(seg, tmp_path / "seg.dcm")
    save(measurement_report(measure(volume, mask), seg, SEGMENTS, paths), tmp_path / "sr.dcm")
    save(secondary_capture(np.zeros((4, 4), np.uint8), paths, names_burned_in=False), tmp_path / "sc.dcm")
    assert np.array_equal(read_segmentation(path, volume).mask, numbered(mask))


def test_sources_that_do_not_fit_are_refused(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    mask = a_mask(volume.shape)
    with pytest.raises(ImageDataError, match="1 of the volume's 5 instances"):
        segmentation(volume, mask, SEGMENTS, paths[1:])
    moved = pydicom.dcmread(paths[0])
    moved.SeriesInstanceUID = uid(99)
    with pytest.raises(ImageDataError, match="2 series"):
        segmentation(volume, mask, SEGMENTS, [moved, *paths[1:]])
    without = pydicom.dcmread(paths[0])
    del without.SOPClassUID
    with pytest.raises(ImageDataError, match="no one SOPClassUID"):
        segmentation(volume, mask, SEGMENTS, [without, *paths[1:]])
    double = pydicom.dcmread(paths[0])
    double.StudyInstanceUID = [uid(1), uid(2)]
    with pytest.raises(ImageDataError, match="no one StudyInstanceUID"):
        secondary_capture(np.zeros((4, 4), np.uint8), [double], names_burned_in=False)
    larger = pydicom.dcmread(paths[0])
    larger.SOPInstanceUID, larger.Rows = uid(98), 13
    with pytest.raises(GeometryError, match="different sizes"):
        segmentation(volume, mask, SEGMENTS, [larger, *paths], regrid=True)
    (tmp_path / "x.dcm").write_bytes(b"no image at all" * 20)
    with pytest.raises(ImageDataError):
        segmentation(volume, mask, SEGMENTS, [tmp_path / "x.dcm", *paths])


def test_a_volume_that_does_not_know_its_instances_is_refused(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    again = read_nifti(write_nifti(volume, tmp_path / "ct.nii"))
    with pytest.raises(GeometryError, match="which instances"):
        segmentation(again, a_mask(volume.shape), SEGMENTS, paths)


@pytest.mark.parametrize(
    ("segments", "match"),
    [
        ((), "one segment for each label"),
        (SEGMENTS[:1], r"labels \[7\] that no segment"),
        ((SEGMENTS[0], SEGMENTS[0]), "one segment for each label"),
        ((Segment(label=0, name="x", category=ANATOMICAL, kind=LUNG),), "from 1 to 255"),
        ((Segment(label=3, name="x" * 65, category=ANATOMICAL, kind=LUNG), SEGMENTS[1]), "segment 3"),
    ],
)
def test_segments_that_do_not_fit_are_refused(tmp_path, segments, match):
    paths, volume = a_series(tmp_path / "ct")
    with pytest.raises(TaskError, match=match):
        segmentation(volume, a_mask(volume.shape), segments, paths)


def test_an_unknown_encoding_is_refused(tmp_path):
    paths, volume = a_series(tmp_path / "ct")
    with pytest.raises(TaskError, match="BINARY or LABELMAP"):
        segmentation(volume, a_mask(volume.shape), SEGMENTS, paths, encoding="FRACTIONAL")


def test_a_file_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    paths, volume = a_series(tmp_path / "ct")
    result = segmentation(volume, a_mask(volume.shape), SEGMENTS, paths)
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(PlaceError):
        save(result, tmp_path / "nowhere" / "seg.dcm")
    with pytest.raises(PlaceError):
        save(result, target)
    old = save(result, target / "seg.dcm").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PlaceError, match="No space left"):
        save(result, target / "seg.dcm")
    assert (target / "seg.dcm").read_bytes() == old
    assert [path.name for path in target.iterdir()] == ["seg.dcm"]
