"""What a browser may ask, read strictly: types, ranges and lengths, or nothing is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imaging.errors import TaskError
from imaging.viewer.rendering import WHOLE, Box, MaskStyle
from imaging.viewer.windows import Window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imaging.viewer.exhibits import Exhibit
    from imaging.viewer.planes import View

__all__ = ["Look", "Place", "look_in", "name_in", "place_in", "point_in"]

#: Window ends and millimetres beyond this mean nothing.
_FAR = 1e9

#: A part of a slice is at least this share of it, a picture has at least so many pixels: in smaller ones no watermark could be read.
_SMALLEST, _LEAST_PIXELS = 0.05, 256


class Place(NamedTuple):
    """A slice of what is shown.

    Parameters
    ----------
    exhibit : Exhibit
        The volume.
    view : View
        The plane.
    index : int or None
        Slice; None where a point says which.
    """

    exhibit: Exhibit
    view: View
    index: int | None


class Look(NamedTuple):
    """A slice as it is to be drawn.

    Parameters
    ----------
    place : Place
        Which.
    point_mm : tuple of 3 float or None
        LPS mm, to be marked, and to find the slice by where it has no index.
    window : Window or None
        None for colours, and for the window at first.
    size : int
        Pixels of the longer side.
    mask : MaskStyle or None
        How the mask is drawn; None where it is not.
    inverted : bool
        Whether black and white change places.
    box : Box
        The part.
    """

    place: Place
    point_mm: tuple[float, ...] | None
    window: Window | None
    size: int
    mask: MaskStyle | None
    inverted: bool
    box: Box


def name_in(message: object) -> str | None:
    """Return the name that an answer has to bear, or None where a message has none.

    Parameters
    ----------
    message : object
        What came.
    """
    name = message.get("id") if isinstance(message, dict) else None
    return name if isinstance(name, str) and 0 < len(name) <= 40 else None


def place_in(message: Mapping[str, object], exhibits: Sequence[Exhibit], *, by_point: bool = False) -> Place:
    """Return the slice that a message is about.

    Parameters
    ----------
    message : mapping
        With `series`, `plane` and `index`.
    exhibits : sequence of Exhibit
        What is shown.
    by_point : bool
        Whether `index` may be None.

    Raises
    ------
    TaskError
        If there is no such slice.
    """
    exhibit = exhibits[_whole(message, "series", 0, len(exhibits) - 1)]
    plane = message.get("plane")
    view = exhibit.views.get(plane) if isinstance(plane, str) else None
    if view is None:
        raise TaskError("message: plane is none of this volume's")
    if by_point and message.get("index") is None:
        return Place(exhibit, view, None)
    return Place(exhibit, view, _whole(message, "index", 0, view.count - 1))


def look_in(message: Mapping[str, object], exhibits: Sequence[Exhibit], limit: int) -> Look:
    """Return what is to be drawn.

    Parameters
    ----------
    message : mapping
        With what a :class:`Place` needs, `point`, `window`, `size`, `mask`, `inverted` and `box`.
    exhibits : sequence of Exhibit
        What is shown.
    limit : int
        Pixels of the longer side, at most; more are not refused, but not given, as fewer than 256 are not.

    Raises
    ------
    TaskError
        If a part of it is missing, of another type, or out of its range.
    """
    point = None if message.get("point") is None else _reals(message, "point", 3, -_FAR, _FAR)
    place = place_in(message, exhibits, by_point=point is not None)
    window = None if message.get("window") is None else Window(*_reals(message, "window", 2, -_FAR, _FAR))
    box = WHOLE if message.get("box") is None else Box(*_reals(message, "box", 4, 0, 1))
    if box.right - box.left < _SMALLEST or box.bottom - box.top < _SMALLEST:
        raise TaskError("message: box is too small")
    mask = None if message.get("mask") is None else message["mask"]
    if mask is not None:
        if not isinstance(mask, dict):
            raise TaskError("message: mask is no object")
        mask = MaskStyle(_real(mask.get("opacity"), "opacity", 0, 1), mask.get("outline") is True)
    return Look(
        place, point, window, min(max(_whole(message, "size", 1, 8192), _LEAST_PIXELS), limit), mask, message.get("inverted") is True, box
    )


def point_in(message: Mapping[str, object], name: str) -> tuple[float, ...]:
    """Return a point of a picture, as shares of its width and height.

    Parameters
    ----------
    message : mapping
        The message.
    name : str
        Of the point.

    Raises
    ------
    TaskError
        If it is no point near the picture.
    """
    return _reals(message, name, 2, -1, 2)


def _whole(message: Mapping[str, object], name: str, low: int, high: int) -> int:
    found = message.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not low <= found <= high:
        raise TaskError(f"message: {name} is no whole number from {low} to {high}")
    return found


def _reals(message: Mapping[str, object], name: str, length: int, low: float, high: float) -> tuple[float, ...]:
    found = message.get(name)
    if not isinstance(found, list | tuple) or len(found) != length:
        raise TaskError(f"message: {name} is no list of {length} numbers")
    return tuple(_real(value, name, low, high) for value in found)


def _real(value: object, name: str, low: float, high: float) -> float:
    # Compared before it is converted: a whole number may be beyond a float's range. What is no number lies within no bounds.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise TaskError(f"message: {name} is no number from {low:g} to {high:g}")
    return float(value)
