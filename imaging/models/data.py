"""Where the cases of a task lie: an npz file, folders of NIfTI, or series of a catalogue."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Arrays", "Catalogue", "Nifti", "Part"]


class Part(BaseModel):
    """Frozen, and refuses a key that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Arrays(Part):
    """An npz file: ``images`` (n, rows, columns[, 3]) and ``labels`` (n,), with ``patients`` and ``scanners`` where they are known.

    Where the split is given, each name has train_, val_ or test_ before it, as in MedMNIST.
    """

    form: Literal["arrays"] = "arrays"
    file: str


class Nifti(Part):
    """A folder of NIfTI images, and a folder of label maps with equal names or a table of boxes.

    Parameters
    ----------
    images : str
        The folder.
    labels : str, optional
        Folder of label maps, for segmentation.
    boxes : str, optional
        CSV file of boxes in LPS mm, for detection: ``file`` and the columns of ``imaging.models.boxes.read_boxes``. A file without a row is
        an image with nothing to find.
    table : str, optional
        CSV file with the column ``file`` and any of ``patient``, ``scanner``, ``split`` (train, validation, test). Without it each file is
        taken as a patient of its own.
    unit : str
        HU where the values of all files are Hounsfield units, which NIfTI itself does not say.
    """

    form: Literal["nifti"] = "nifti"
    images: str
    labels: str | None = None
    boxes: str | None = None
    table: str | None = None
    unit: Literal["", "HU"] = ""


class Catalogue(Part):
    """Series of a catalogue, and a table of what is true of them.

    Parameters
    ----------
    catalogue : str
        Folder that ``imaging.dicom.catalogue.index_folder`` wrote.
    root : str
        Folder that was indexed.
    table : str
        CSV file with ``series_instance_uid``, ``label`` (a class's name, or a NIfTI file beside the table; none for detection), and where
        known ``patient`` and ``split``. The patient is the catalogue's where the table has none.
    boxes : str, optional
        CSV file of boxes in LPS mm, for detection: ``series_instance_uid`` and the columns of ``imaging.models.boxes.read_boxes``.
    policy : str
        What becomes of series that are not regular; see ``imaging.volumes.Policy``.
    """

    form: Literal["catalogue"] = "catalogue"
    catalogue: str
    root: str
    table: str
    boxes: str | None = None
    policy: Literal["refuse", "resample"] = "refuse"
