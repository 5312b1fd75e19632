"""Masks and measurements as DICOM objects that refer to their images, and segmentations back as masks."""

from imaging.results.capture import secondary_capture
from imaging.results.coding import ABNORMAL, ANATOMICAL, TISSUE, Coding, coding_of
from imaging.results.files import save
from imaging.results.reading import FoundSegment, ReadSegmentation, read_segmentation
from imaging.results.report import measurement_report
from imaging.results.segmentation import Encoding, segmentation
from imaging.results.segments import Algorithm, Equipment, NewSeries, Segment

__all__ = [
    "ABNORMAL",
    "ANATOMICAL",
    "TISSUE",
    "Algorithm",
    "Coding",
    "Encoding",
    "Equipment",
    "FoundSegment",
    "NewSeries",
    "ReadSegmentation",
    "Segment",
    "coding_of",
    "measurement_report",
    "read_segmentation",
    "save",
    "secondary_capture",
    "segmentation",
]
