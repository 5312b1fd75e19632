"""JPEG Extended (Process 2 and 4) of 12 bits: SimpleITK alone decodes it, and inverts MONOCHROME1 without a word.

The one frame is therefore handed over in a file of its own that says MONOCHROME2 and has no rescale: what comes back are stored values.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import UID, SecondaryCaptureImageStorage

if TYPE_CHECKING:
    from pydicom.dataset import Dataset as DatasetType

__all__ = ["JPEG_EXTENDED", "decode_jpeg12"]

JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"

#: Bounds the uid of a file that nobody ever sees.
_NOBODY = "1.2.826.0.1.3680043.10.543.1"


def decode_jpeg12(dataset: DatasetType, rows: int, columns: int, stored: int, index: int, frames: int) -> np.ndarray:
    """Return the stored values of one frame.

    Parameters
    ----------
    dataset : Dataset
        With encapsulated pixel data.
    rows, columns, stored : int
        Size, and bits stored.
    index : int
        Frame, from 0.
    frames : int
        How many there are.

    Returns
    -------
    ndarray of shape (rows, columns), uint16
        Stored values.
    """
    import SimpleITK

    single = Dataset()
    single.SOPClassUID, single.SOPInstanceUID, single.Modality = SecondaryCaptureImageStorage, _NOBODY, "OT"
    single.Rows, single.Columns, single.SamplesPerPixel, single.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
    single.BitsAllocated, single.BitsStored, single.HighBit, single.PixelRepresentation = 16, stored, stored - 1, 0
    single.PixelData = encapsulate([get_frame(dataset.PixelData, index, number_of_frames=frames)])
    single["PixelData"].VR = "OB"
    single.file_meta = FileMetaDataset()
    single.file_meta.TransferSyntaxUID = UID(JPEG_EXTENDED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.dcm"
        single.save_as(path, enforce_file_format=True)
        reader = SimpleITK.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        return SimpleITK.GetArrayFromImage(reader.Execute()).reshape(rows, columns).astype(np.uint16)
