"""Data sets as files, there whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from imaging.dicom.quiet import quiet
from imaging.errors import ImageDataError, PlaceError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["save"]


def save(dataset: Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a data set; the bytes are on disk before the file has its name.

    Parameters
    ----------
    dataset : Dataset
        With its file meta information.
    path : path
        The file; one of that name is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImageDataError
        If a value cannot be encoded.
    PlaceError
        If the place cannot be written.
    """
    target = Path(path)
    aside = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with aside.open("wb") as stream:
            with quiet():
                dataset.save_as(stream, enforce_file_format=True)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(target)
    except OSError as error:
        raise PlaceError(f"{target}: cannot be written ({os.strerror(error.errno or 0)})") from error
    except Exception as error:
        # pydicom raises what its encoders do; their texts may hold values of the header.
        raise ImageDataError(f"{target}: a value cannot be encoded ({type(error).__name__})", hint="a source header is broken") from error
    finally:
        aside.unlink(missing_ok=True)
    return target
