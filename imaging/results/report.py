"""Measurements as a structured report by template TID 1500, each referring to its segment (PS3.16, TID 1500 and TID 1411)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from imaging.dicom.quiet import quiet
from imaging.errors import TaskError
from imaging.measures import MEASURES
from imaging.results.coding import ANATOMICAL
from imaging.results.segments import NewSeries, declare_own_codes
from imaging.results.sources import referable, refused

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    import highdicom
    from pydicom.dataset import Dataset

    from imaging.measures import Region
    from imaging.results.segments import Algorithm, Equipment, Segment

__all__ = ["measurement_report"]

#: Modality -> what was done (CID 100); another modality is imaging.
_PROCEDURES = {
    "CT": Code("77477000", "SCT", "Computed tomography"),
    "MR": Code("113091000", "SCT", "Magnetic resonance imaging"),
    "PT": Code("82918005", "SCT", "Positron emission tomography"),
}
_IMAGING = Code("363679005", "SCT", "Imaging")
_RECIST = Code("126081", "DCM", "RECIST 1.1")
_ENGLISH = Code("en", "RFC5646", "English")


def measurement_report(
    regions: Sequence[Region],
    segmentation: highdicom.seg.Segmentation,
    segments: Sequence[Segment],
    sources: Iterable[str | os.PathLike[str] | Dataset],
    *,
    series: NewSeries | None = None,
) -> highdicom.sr.ComprehensiveSR:
    """Return measurements as a structured report.

    Parameters
    ----------
    regions : sequence of Region
        One for each label that was measured. Lesions need a label each (see :func:`imaging.measures.separate`), so that each has its
        own segment to refer to.
    segmentation : highdicom.seg.Segmentation
        What :func:`imaging.results.segmentation` made of the same mask and segments.
    segments : sequence of Segment
        The same.
    sources : iterable of path or Dataset
        The same; those that the segmentation refers to are used.
    series : NewSeries, optional
        What the new series is called, and what made it.

    Returns
    -------
    highdicom.sr.ComprehensiveSR
        A data set for :func:`imaging.results.save`; complete and not verified by anyone. Units are in UCUM; regions without a voxel are
        left out.

    Raises
    ------
    TaskError
        If a region has no segment, or there is nothing to report.
    ImageDataError
        If a source is missing or broken.
    """
    import highdicom

    ordered = sorted(segments, key=lambda segment: segment.label)
    numbers = {segment.label: number for number, segment in enumerate(ordered, start=1)}
    known = {segment.label: segment for segment in ordered}
    full = [region for region in regions if region.values.get("voxels")]
    _check(full, numbers)
    series = series or NewSeries()
    used = _used(segmentation)
    headers = [header for header in map(referable, sources) if header.SOPInstanceUID in used]
    described = {int(item.SegmentNumber): item for item in segmentation.SegmentSequence}
    with refused("the report"), quiet():
        groups = [
            _group(region, known[region.label], described[numbers[region.label]], segmentation, numbers[region.label], headers)
            for region in full
        ]
        content = highdicom.sr.MeasurementReport(
            observation_context=highdicom.sr.ObservationContext(observer_device_context=_device(series.equipment)),
            procedure_reported=_PROCEDURES.get(headers[0].Modality, _IMAGING),
            imaging_measurements=groups,
            language_of_content_item_and_descendants=highdicom.sr.LanguageOfContentItemAndDescendants(_ENGLISH),
        )
        report = highdicom.sr.ComprehensiveSR(
            evidence=[segmentation, *headers],
            content=content[0],
            is_complete=True,
            **series.arguments("Measurements", 301),
        )
        declare_own_codes(report, ordered)
    return report


def _check(regions: Sequence[Region], numbers: dict[int, int]) -> None:
    if not regions:
        raise TaskError("there is no region with a voxel to report", hint="a report of no finding is a text for a person to write")
    if lesions := sorted({region.label for region in regions if region.lesion}):
        raise TaskError(f"lesions of labels {lesions} share a segment", hint="give each a label: imaging.measures.separate, then measure")
    if unknown := sorted({region.label for region in regions} - numbers.keys()):
        raise TaskError(f"regions have labels {unknown}, segments {sorted(numbers)}")


def _used(segmentation: Dataset) -> set[str]:
    return {item.ReferencedSOPInstanceUID for series in segmentation.ReferencedSeriesSequence for item in series.ReferencedInstanceSequence}


def _device(equipment: Equipment) -> highdicom.sr.ObserverContext:
    import highdicom

    # One device, one UID, in every report that it writes.
    uid = generate_uid(prefix=None, entropy_srcs=[equipment.manufacturer, equipment.model, equipment.serial])
    return highdicom.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=highdicom.sr.DeviceObserverIdentifyingAttributes(
            uid=uid,
            name=equipment.model,
            manufacturer_name=equipment.manufacturer,
            model_name=equipment.model,
            serial_number=equipment.serial,
        ),
    )


def _group(
    region: Region, segment: Segment, described: Dataset, segmentation: Dataset, number: int, headers: Sequence[Dataset]
) -> highdicom.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    import highdicom

    return highdicom.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier(uid=described.TrackingUID, identifier=described.TrackingID),
        referenced_segment=highdicom.sr.ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=number,
            source_series=highdicom.sr.SourceSeriesForSegmentation(headers[0].SeriesInstanceUID),
        ),
        finding_category=segment.category,
        finding_type=segment.kind,
        finding_sites=_sites(segment),
        algorithm_id=_algorithm(segment.algorithm),
        measurements=[_measurement(key, value, region.units[key]) for key, value in region.values.items()],
    )


def _sites(segment: Segment) -> list[highdicom.sr.FindingSite] | None:
    """Say which part or side of a structure was measured, where a segment says it: its type does not."""
    import highdicom

    if segment.modifier is None or segment.category != ANATOMICAL:
        return None
    which = "laterality" if segment.modifier in (codes.SCT.Left, codes.SCT.Right) else "topographical_modifier"
    return [highdicom.sr.FindingSite(anatomic_location=segment.kind, **{which: segment.modifier})]


def _algorithm(algorithm: Algorithm | None) -> highdicom.sr.AlgorithmIdentification | None:
    import highdicom

    return None if algorithm is None else highdicom.sr.AlgorithmIdentification(name=algorithm.name, version=algorithm.version)


def _measurement(key: str, value: float, unit: str) -> highdicom.sr.Measurement:
    import highdicom

    measure = MEASURES[key]
    return highdicom.sr.Measurement(
        name=Code(measure.code, measure.scheme, measure.meaning),
        value=value,
        unit=Code(unit, "UCUM", "no units" if unit == "1" else unit),
        method=_RECIST if key == "recist_mm" else None,
    )
