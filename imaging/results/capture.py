"""A picture as a secondary capture that says what it was made of, and whether a patient's name stands in it (PS3.3 A.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset

from imaging.dicom.quiet import quiet
from imaging.errors import ImageDataError, TaskError
from imaging.results.segments import NewSeries
from imaging.results.sources import refused, settled

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import highdicom

__all__ = ["secondary_capture"]


def secondary_capture(
    picture: np.ndarray,
    sources: Iterable[str | os.PathLike[str] | Dataset],
    *,
    names_burned_in: bool,
    series: NewSeries | None = None,
) -> highdicom.sc.SCImage:
    """Return a picture as a secondary capture image.

    Parameters
    ----------
    picture : ndarray of shape (rows, columns) or (rows, columns, 3), uint8
        Grey values, or red, green and blue.
    sources : iterable of path or Dataset
        The images that it shows, of one study.
    names_burned_in : bool
        Whether the picture holds text that could tell who the patient is. There is no default: who draws the picture knows, and a
        later de-identification relies on it (Burned In Annotation, PS3.3 C.7.6.1).
    series : NewSeries, optional
        What the new series is called, and what made it.

    Returns
    -------
    highdicom.sc.SCImage
        A data set for :func:`imaging.results.save`. It has no spacing: nothing can be measured in it.

    Raises
    ------
    TaskError
        If the array is no picture, or `names_burned_in` is neither true nor false.
    ImageDataError
        If there is no source, or they come from more than one study.
    """
    import highdicom

    if picture.dtype != np.uint8 or not (picture.ndim == 2 or picture.shape[2:] == (3,)) or picture.size == 0:
        raise TaskError(f"a picture has shape (rows, columns) or (rows, columns, 3) and type uint8; found {picture.shape}, {picture.dtype}")
    if not isinstance(names_burned_in, bool):
        raise TaskError(f"names_burned_in: found {type(names_burned_in).__name__}, wanted True or False")
    headers = [settled(source) for source in sources]
    if len({header.StudyInstanceUID for header in headers}) != 1:
        raise ImageDataError("a secondary capture shows images of one study; found none or more")
    with refused("the secondary capture"), quiet():
        image = highdicom.sc.SCImage.from_ref_dataset(
            headers[0],
            pixel_array=np.ascontiguousarray(picture),
            photometric_interpretation="RGB" if picture.ndim == 3 else "MONOCHROME2",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=("L", "P"),
            **(series or NewSeries()).arguments("Secondary capture", 302),
        )
        # A drawing, a plane cut anew, several images: how it lies in the patient is not known here, and may be left empty.
        image.PatientOrientation = image.Laterality = None
        image.BurnedInAnnotation = "YES" if names_burned_in else "NO"
        image.ImageType = ["DERIVED", "SECONDARY"]
        image.SourceImageSequence = [_reference(header) for header in headers]
    return image


def _reference(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    return item
