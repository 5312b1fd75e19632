"""A series, lazily: shape, type, unit and verdict from its headers, pixels only when they are asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from pydicom.datadict import keyword_for_tag, tag_for_keyword
from pydicom.uid import CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage

from imaging.dicom.alike import Alike
from imaging.dicom.header import read_header
from imaging.dicom.reading import open_bounded
from imaging.dicom.tags import FIELDS
from imaging.errors import ImageDataError
from imaging.geometry import Frame, Geometry, frames_of, judge
from imaging.geometry import frames as geometry_frames
from imaging.volumes import pixels, values
from imaging.volumes.pixels import pixel_format, stored_frames
from imaging.volumes.values import Meaning, array_type, meanings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np

    from imaging.volumes.formats import PixelFormat

__all__ = ["Place", "Series", "open_series"]

#: All that is kept of a header.
_TAGS = sorted(
    {
        tag_for_keyword(keyword)
        for source in (geometry_frames, pixels, values)
        for keyword in (*source.TOP_LEVEL, *getattr(source, "SEQUENCES", ()))
    }
)


#: Classes whose one plane stands at the top level: CT, MR and PET.
_PLAIN = (CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage)

_KEYWORDS = {field.name: keyword_for_tag(field.tag) for field in FIELDS}


class Place(NamedTuple):
    """Where the pixels of one frame lie, and how they are to be read."""

    path: str
    number: int
    form: PixelFormat
    meaning: Meaning


@dataclass(frozen=True)
class Series:
    """Frames that came together, with what their headers say; holds no pixels and no patient's values.

    Parameters
    ----------
    frames : tuple of Frame
        In the order of files and of frames within them.
    places : tuple of Place
        For each frame.
    """

    frames: tuple[Frame, ...]
    places: tuple[Place, ...]

    @cached_property
    def geometry(self) -> Geometry:
        """The verdict."""
        return judge(self.frames)

    def dtype_of(self, order: Sequence[int]) -> np.dtype:
        """Return the type of the array that some of the frames make.

        Parameters
        ----------
        order : sequence of int
            Frames by index.
        """
        return array_type((self.places[index].form, self.places[index].meaning) for index in order)

    def unit_of(self, order: Sequence[int]) -> str:
        """Return the unit of some frames; empty where they do not agree.

        Parameters
        ----------
        order : sequence of int
            Frames by index.
        """
        units = {self.places[index].meaning.unit for index in order}
        return units.pop() if len(units) == 1 else ""

    def stored(self, order: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield stored values of frames in the order asked for; a file is opened once for frames that follow one another.

        Parameters
        ----------
        order : sequence of int
            Frames by index.

        Yields
        ------
        ndarray of shape (rows, columns) or (rows, columns, 3)
            Stored values.
        """
        for path, run in groupby((self.places[index] for index in order), key=lambda place: place.path):
            places = list(run)
            yield from stored_frames(path, places[0].form, [place.number for place in places])


def open_series(paths: Iterable[str | os.PathLike[str]]) -> Series:
    """Read the headers of files that belong to one series.

    Parameters
    ----------
    paths : iterable of path
        In any order.

    Returns
    -------
    Series
        Without pixels.

    Raises
    ------
    ImageDataError
        If a file cannot be read or is no image; the message names file, attribute and reason.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> series = open_series([get_testdata_file("CT_small.dcm")])
    >>> series.geometry.shape, series.unit_of([0]), series.dtype_of([0]).name
    ((1, 128, 128), 'HU', 'int32')
    """
    alike = Alike()
    frames: list[Frame] = []
    places: list[Place] = []
    for path in map(os.fspath, paths):
        head = _quickly(path, alike) or open_bounded(path, tags=_TAGS)
        try:
            found, form = frames_of(head), pixel_format(head)
            meanings = meanings_of(head, len(found))
        except ImageDataError as error:
            raise ImageDataError(f"{path}: {error.message}", hint=error.hint, code=error.code) from error
        frames += found
        places += [Place(path, frame.number, form, meaning) for frame, meaning in zip(found, meanings, strict=True)]
    return Series(tuple(frames), tuple(places))


def _quickly(path: str, alike: Alike) -> dict[str, object] | None:
    """Return a plain header by the catalogue's scanner, a tenth of pydicom's work; None where sequences may matter.

    An image with Rescale Intercept has no Modality LUT (PS3.3 C.11.1), and these classes have no functional groups.
    """
    header = read_header(path, alike=alike)
    values = header.values
    plain = values.get("sop_class_uid") in _PLAIN and "rescale_intercept" in values and values.get("number_of_frames", 1) == 1
    if not header.scanned or header.problems or not plain:
        return None
    return {_KEYWORDS[name]: value for name, value in values.items()}
