"""Makers of enhanced multi-frame images: functional groups as nested dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage

from tests.lib.dicom_files import ct_series

if TYPE_CHECKING:
    from collections.abc import Mapping

Groups = dict[str, dict[str, object]]

#: What all frames share unless a test says otherwise.
SHARED: Groups = {
    "PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
    "PixelMeasuresSequence": {"PixelSpacing": [0.5, 0.7], "SliceThickness": 3},
}


def planes(*places: float, **groups: dict[str, object]) -> list[Groups]:
    """Return the groups of frames along z, each with the same further groups."""
    return [{"PlanePositionSequence": {"ImagePositionPatient": [0, 0, z]}} | groups for z in places]


def enhanced(
    frames: list[Groups], shared: Groups | None = None, *, size: int = 8, pixels: np.ndarray | None = None, **values: object
) -> Dataset:
    """Return an enhanced image.

    Parameters
    ----------
    frames : list of dict
        Groups of each frame: sequence -> attributes of its one item.
    shared : dict, optional
        Groups over those of SHARED.
    size : int
        Rows and columns.
    pixels : ndarray, optional
        Of 16 bits; numbers that go on from frame to frame unless given.
    **values
        Attributes at the top level.
    """
    gone = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"))
    (dataset,) = ct_series(1, size=size, **(gone | {"SOPClassUID": EnhancedCTImageStorage}))
    dataset.NumberOfFrames = len(frames)
    dataset.SharedFunctionalGroupsSequence = Sequence([_item(SHARED | (shared or {}))])
    dataset.PerFrameFunctionalGroupsSequence = Sequence([_item(groups) for groups in frames])
    stored = np.arange(len(frames) * size * size) % 4096 if pixels is None else pixels
    dataset.PixelData = stored.astype("<i2").tobytes()
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def _item(groups: Mapping[str, object]) -> Dataset:
    item = Dataset()
    for name, value in groups.items():
        setattr(item, name, Sequence([_item(value)]) if isinstance(value, dict) else value)
    return item
