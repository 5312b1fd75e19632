"""From a volume to a picture: one slice, windowed to 8 bits, at its true proportions, with mask and watermark. Pure.

What leaves here is all that a browser ever gets: at most :data:`LIMIT` pixels a side, eight bits, one slice.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from imaging.errors import TaskError
from imaging.viewer.lettering import stamp
from imaging.viewer.planes import Plane, View, view_of
from imaging.viewer.windows import Window, chosen_window, to_grey

if TYPE_CHECKING:
    from imaging.volumes import Volume

__all__ = ["COLOURS", "LIMIT", "WHOLE", "Box", "MaskStyle", "Picture", "labels_of", "render_slice"]

#: Pixels of the longer side, at most.
LIMIT = 768

#: Colours of a mask's labels 1, 2 ...; they come again from the start. Okabe and Ito's, told apart by colour-blind readers.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167), (0, 114, 178))


class Box(NamedTuple):
    """The part of a slice that is shown, as shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


#: All of it.
WHOLE = Box(0.0, 0.0, 1.0, 1.0)


class MaskStyle(NamedTuple):
    """How a mask is drawn.

    Parameters
    ----------
    opacity : float
        Of the filling, 0 to 1.
    outline : bool
        Whether its edge is drawn full.
    """

    opacity: float = 0.35
    outline: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A slice as it is shown.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width) or (height, width, 3)
        Grey or RGB.
    view : View
        The plane: directions, letters, and where a point of the picture lies.
    index : int
        Slice of the plane, from 0.
    box : Box
        The part that is shown.
    """

    pixels: np.ndarray
    view: View
    index: int
    box: Box = WHOLE

    def jpeg(self, quality: int = 82) -> bytes:
        """Return the picture as JPEG; colours are not thinned out, so that thin outlines stay.

        Parameters
        ----------
        quality : int
            1 to 95.
        """
        return encoded(self.pixels, "JPEG", quality=quality, subsampling=0)

    def png(self) -> bytes:
        """Return the picture as PNG."""
        return encoded(self.pixels, "PNG", compress_level=3)

    def _repr_png_(self) -> bytes:
        return self.png()


def render_slice(
    volume: Volume,
    plane: Plane | str | None = None,
    index: int | None = None,
    window: Window | tuple[float, float] | str | None = None,
    size: int = LIMIT,
    *,
    mask: np.ndarray | None = None,
    mask_style: MaskStyle = MaskStyle(),  # noqa: B008 - immutable
    watermark: str = "",
    inverted: bool = False,
    box: Box = WHOLE,
) -> Picture:
    """Return one slice of a volume as a picture.

    Parameters
    ----------
    volume : Volume
        What is shown; where MONOCHROME1 says so, small values are bright. Colours have no window.
    plane : Plane or str, optional
        The one that the volume was taken in unless given.
    index : int, optional
        Slice of the plane, from 0; the middle one unless given.
    window : Window, tuple of 2 float, str or None
        Centre and width, a preset's name, or None for what suits the unit.
    size : int
        Pixels of the picture's longer side, 16 to :data:`LIMIT`.
    mask : ndarray of int, shape (slices, rows, columns), optional
        Labels; 0 is nothing.
    mask_style : MaskStyle
        How it is drawn.
    watermark : str
        Drawn all over the picture.
    inverted : bool
        Whether black and white change places.
    box : Box
        The part that is shown.

    Returns
    -------
    Picture
        Grey, or RGB where there is a mask or the volume has colours.

    Raises
    ------
    TaskError
        If the volume has no such plane or slice, a size or box is impossible, or mask and volume differ in shape.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from imaging.volumes import read_volume
    >>> picture = render_slice(read_volume([get_testdata_file("CT_small.dcm")]), window="mediastinum", size=256)
    >>> picture.pixels.shape, picture.pixels.dtype.name
    ((256, 256), 'uint8')
    """
    view = view_of(volume, plane)
    index = view.count // 2 if index is None else index
    _check(view, index, size, box)
    values = view.take(volume.array, index)
    if values.ndim == 3:
        pixels = _in_colour(values, volume)
    else:
        pixels = to_grey(values, chosen_window(volume, window), inverted=inverted != volume.low_is_white)
    pixels = _laid_out(pixels, view, size, box, Image.Resampling.BILINEAR)
    if mask is not None:
        labels = _small(view.take(labels_of(mask, volume), index))
        pixels = _overlaid(pixels, _laid_out(labels, view, size, box, Image.Resampling.NEAREST), mask_style)
    pixels = np.array(pixels, order="C")
    stamp(pixels, watermark)
    return Picture(pixels=pixels, view=view, index=index, box=box)


def labels_of(mask: np.ndarray, volume: Volume) -> np.ndarray:
    """Return a mask's labels, once it is sure that they lie on the volume's voxels.

    Parameters
    ----------
    mask : ndarray of bool or int, shape (slices, rows, columns)
        Labels; floats too if they are whole numbers.
    volume : Volume
        What they belong to.

    Raises
    ------
    TaskError
        If the shapes differ, or labels are no whole numbers.
    """
    labels = np.asarray(mask)
    if labels.shape != volume.array.shape[:3]:
        raise TaskError(f"mask: found shape {labels.shape}, wanted {volume.array.shape[:3]}", hint="resample it onto the volume first")
    if labels.dtype.kind in "biu":
        return labels
    # NIfTI masks are often floats that are whole numbers.
    with np.errstate(invalid="ignore"):
        whole = labels.astype(np.int32) if labels.dtype.kind == "f" else labels
    if not np.array_equal(whole, labels) or labels.dtype.kind != "f":
        raise TaskError(f"mask: found {labels.dtype} with other values, wanted whole numbers or booleans")
    return whole


def _check(view: View, index: int, size: int, box: Box) -> None:
    if not 0 <= index < view.count:
        raise TaskError(f"slice: found {index}, wanted 0 to {view.count - 1}")
    if not 16 <= size <= LIMIT:
        raise TaskError(f"size: found {size}, wanted 16 to {LIMIT} pixels")
    if not (0 <= box.left < box.right <= 1 and 0 <= box.top < box.bottom <= 1):
        raise TaskError(f"box: found {tuple(box)}, wanted left < right and top < bottom within 0 to 1")


def _in_colour(values: np.ndarray, volume: Volume) -> np.ndarray:
    """Return colours in 8 bits; deeper ones by the highest eight that the volume uses."""
    if values.dtype == np.uint8:
        return values
    spare = max(0, int(volume.array.max()).bit_length() - 8)
    return (values >> spare).astype(np.uint8)


def _laid_out(plane: np.ndarray, view: View, size: int, box: Box, how: Image.Resampling) -> np.ndarray:
    """Return a slice at true proportions, its part within the box, the longer side of `size` pixels."""
    image = Image.fromarray(np.ascontiguousarray(plane))
    shown = (view.size[0] * (box.bottom - box.top), view.size[1] * (box.right - box.left))
    height, width = (max(1, round(size * side / max(shown))) for side in shown)
    rows, columns = plane.shape[:2]
    if not view.lean:
        part = (box.left * columns, box.top * rows, box.right * columns, box.bottom * rows)
        return np.asarray(image.resize((width, height), how, box=part))
    # Column = (x - offset - lean * y) / step, in mm; row = y / step; see View.index_at.
    origin = _corner(view, box.left, box.top)
    right, down = _corner(view, box.right, box.top) - origin, _corner(view, box.left, box.bottom) - origin
    matrix = (right[0] / width, down[0] / height, origin[0], right[1] / width, down[1] / height, origin[1])
    return np.asarray(image.transform((width, height), Image.Transform.AFFINE, matrix, how))


def _corner(view: View, x: float, y: float) -> np.ndarray:
    """Return the column and row of the upright slice at a point of the picture; pixels begin at whole numbers, as Pillow counts."""
    place = view.index_at(0, x, y)[[view.axes[2], view.axes[1]]]
    ends = np.array([view.shape[view.axes[2]], view.shape[view.axes[1]]]) - 1
    return np.where([view.flipped[1], view.flipped[0]], ends - place, place) + 0.5


def _overlaid(pixels: np.ndarray, labels: np.ndarray, style: MaskStyle) -> np.ndarray:
    """Return the picture in colour with its labels filled and outlined."""
    pixels = np.array(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))
    rows, columns = (np.flatnonzero(labels.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return pixels
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    shares = np.where(labels != 0, np.uint16(round(256 * style.opacity)), np.uint16(0))
    if style.outline:
        shares[_edges(labels)] = 256
    share = shares[part][..., None]
    mixed = pixels[part] * (256 - share) + np.take(_PAINT, labels[part], axis=0) * share
    pixels[part] = mixed >> 8
    return pixels


def _edges(labels: np.ndarray) -> np.ndarray:
    """Return the labelled pixels that have another label beside them."""
    found = np.zeros(labels.shape, bool)
    for one, other in (((slice(None), slice(1, None)), (slice(None), slice(-1))), ((slice(1, None),), (slice(-1),))):
        differs = labels[one] != labels[other]
        found[one] |= differs
        found[other] |= differs
    return found & (labels != 0)


def _small(labels: np.ndarray) -> np.ndarray:
    """Return labels in 8 bits: greater ones take the place of those of the same colour."""
    if labels.dtype == np.uint8:
        return labels
    return np.where(labels != 0, (labels.astype(np.int64) - 1) % _LABELS + 1, 0).astype(np.uint8)


#: As many labels as 8 bits hold in whole rounds of the colours; the colour of each.
_LABELS = 255 // len(COLOURS) * len(COLOURS)
_PAINT = np.array([COLOURS[(label - 1) % len(COLOURS)] for label in range(256)], np.uint8)


def encoded(pixels: np.ndarray, form: str, **options: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()
