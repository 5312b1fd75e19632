"""Planes through a volume: which axis of the array one scrolls along, which way up, how large a step is, which letters stand around.

Anatomical planes are those nearest to the array's own axes: nothing is interpolated out of its plane, and where the scan was oblique the
letters say so. Shown as radiologists see it: the patient's left on the right of the screen, front or head on top.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from imaging.errors import TaskError

if TYPE_CHECKING:
    from imaging.volumes import Volume

__all__ = ["Plane", "View", "letters_of", "planes_of", "view_of"]


class Plane(StrEnum):
    """A plane to look at."""

    #: As the slices are stored: the only one of a volume without an affine.
    STORED = "stored"
    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


#: Plane -> LPS axis that one scrolls along; axis and sign to the right; axis and sign down.
_LAID: dict[Plane, tuple[int, tuple[int, int], tuple[int, int]]] = {
    Plane.AXIAL: (2, (0, 1), (1, 1)),
    Plane.CORONAL: (1, (0, 1), (2, -1)),
    Plane.SAGITTAL: (0, (1, 1), (2, -1)),
}

#: Letters of the patient's directions (PS3.3 C.7.6.1.1.1), towards greater and towards smaller LPS coordinates.
_LETTERS = ("LR", "PA", "SI")

#: A direction is named by a letter when it leans that way by 10 degrees or more.
_LEAN = float(np.sin(np.radians(10)))

#: Above this cosine two directions of a plane are not perpendicular (as in :class:`imaging.geometry.Tolerances`).
_SHEAR = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A plane of one volume.

    Parameters
    ----------
    plane : Plane
        Its name.
    shape : tuple of 3 int
        Of the array: slices, rows, columns.
    axes : tuple of 3 int
        Axes of the array: through the plane, down the picture, across it.
    flipped : tuple of 2 bool
        Whether down and across run against the array.
    steps_mm : tuple of 2 float
        Down, perpendicular to the rows of the picture, and across; without an affine 1 pixel each.
    lean : float
        Mm to the right for each mm down, of a sheared volume; else 0.
    affine : ndarray of shape (4, 4) or None
        Of the volume: (column, row, slice, 1) to LPS mm.
    """

    plane: Plane
    shape: tuple[int, int, int]
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool] = (False, False)
    steps_mm: tuple[float, float] = (1.0, 1.0)
    lean: float = 0.0
    affine: np.ndarray | None = None

    @property
    def count(self) -> int:
        """How many slices one scrolls through."""
        return self.shape[self.axes[0]]

    @cached_property
    def size(self) -> tuple[float, float]:
        """Height and width of the picture, in mm or pixels."""
        height, width = (self.shape[axis] * step for axis, step in zip(self.axes[1:], self.steps_mm, strict=True))
        return height, width + abs(self.lean) * height

    @property
    def letters(self) -> tuple[str, str, str, str] | None:
        """Directions of the patient at the left, right, top and bottom edge."""
        if self.affine is None:
            return None
        down, across = (self._direction(axis) * (-1 if flip else 1) for axis, flip in zip(self.axes[1:], self.flipped, strict=True))
        return letters_of(-across), letters_of(across), letters_of(-down), letters_of(down)

    @property
    def oblique_degrees(self) -> float:
        """Angle between the picture's normal and the axis of the patient that the plane is named for."""
        if self.affine is None or self.plane is Plane.STORED:
            return 0.0
        down, across = (self._direction(axis) for axis in self.axes[1:])
        normal = np.cross(across, down)
        cosine = abs(normal[_LAID[self.plane][0]]) / np.linalg.norm(normal)
        return float(np.degrees(np.arccos(min(cosine, 1.0))))

    def take(self, array: np.ndarray, index: int) -> np.ndarray:
        """Return one slice, upright.

        Parameters
        ----------
        array : ndarray of shape (slices, rows, columns) or (slices, rows, columns, 3)
            Values, or labels of a mask.
        index : int
            Slice of the plane, from 0.

        Returns
        -------
        ndarray of shape (height, width) or (height, width, 3)
            A view of the array: nothing is copied.
        """
        found = np.take(array, index, axis=self.axes[0]) if self.axes[0] == 0 else array[(slice(None),) * self.axes[0] + (index,)]
        if self.axes[1] > self.axes[2]:
            found = found.swapaxes(0, 1)
        return found[tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)]

    def index_at(self, index: int, x: float, y: float) -> np.ndarray:
        """Return where a point of the picture lies in the array.

        Parameters
        ----------
        index : int
            Slice of the plane.
        x, y : float
            Shares of the picture's width and height, from its upper left corner.

        Returns
        -------
        ndarray of shape (3,)
            Slice, row and column, in fractions; a whole number is the centre of a voxel.
        """
        height, width = self.size
        y_mm = y * height
        x_mm = x * width - self._offset - self.lean * y_mm
        found = np.empty(3)
        found[self.axes[0]] = index
        for axis, mm, step, flip in zip(self.axes[1:], (y_mm, x_mm), self.steps_mm, self.flipped, strict=True):
            place = mm / step - 0.5
            found[axis] = self.shape[axis] - 1 - place if flip else place
        return found

    def share_at(self, voxel: np.ndarray) -> tuple[float, float]:
        """Return where a point of the array lies in the picture: the inverse of :meth:`index_at`.

        Parameters
        ----------
        voxel : ndarray of shape (3,)
            Slice, row and column.

        Returns
        -------
        tuple of 2 float
            Shares of width and height; outside 0 to 1 for a point beside it.
        """
        height, width = self.size
        places = [
            self.shape[axis] - 1 - voxel[axis] if flip else voxel[axis] for axis, flip in zip(self.axes[1:], self.flipped, strict=True)
        ]
        y_mm, x_mm = ((place + 0.5) * step for place, step in zip(places, self.steps_mm, strict=True))
        return float((x_mm + self._offset + self.lean * y_mm) / width), float(y_mm / height)

    def mm_of(self, voxel: np.ndarray) -> np.ndarray | None:
        """Return a point of the array in LPS mm, None without an affine.

        Parameters
        ----------
        voxel : ndarray of shape (3,)
            Slice, row and column.
        """
        return None if self.affine is None else self.affine[:3, :3] @ np.asarray(voxel)[::-1] + self.affine[:3, 3]

    def voxel_of(self, mm: np.ndarray) -> np.ndarray | None:
        """Return a point in LPS mm as slice, row and column; None without an affine.

        Parameters
        ----------
        mm : ndarray of shape (3,)
            The point.
        """
        return None if self.affine is None else np.linalg.solve(self.affine[:3, :3], np.asarray(mm) - self.affine[:3, 3])[::-1]

    def position(self, index: int) -> tuple[str, float] | None:
        """Return where a slice's centre lies along the patient's axis of the plane: letter and mm, as scanners write it.

        Parameters
        ----------
        index : int
            Slice of the plane.
        """
        middle = self.mm_of(self.index_at(index, 0.5, 0.5))
        if middle is None:
            return None
        normal = np.cross(self._direction(self.axes[2]), self._direction(self.axes[1]))
        axis = _LAID[self.plane][0] if self.plane in _LAID else int(np.abs(normal).argmax())
        return _LETTERS[axis][int(middle[axis] < 0)], abs(float(middle[axis]))

    @property
    def _offset(self) -> float:
        return max(0.0, -self.lean) * self.shape[self.axes[1]] * self.steps_mm[0]

    def _direction(self, axis: int) -> np.ndarray:
        step = self.affine[:3, 2 - axis]
        return step / np.linalg.norm(step)


def letters_of(direction: np.ndarray) -> str:
    """Return the letters of a direction in the patient, the strongest first.

    Parameters
    ----------
    direction : ndarray of shape (3,)
        Unit vector in LPS.

    Returns
    -------
    str
        Of L, R, P, A, S and I, those that it leans to by 10 degrees or more.

    Examples
    --------
    >>> letters_of(np.array([0, 0.95, -0.31]))
    'PI'
    """
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(_LETTERS[axis][int(direction[axis] < 0)] for axis in order if abs(direction[axis]) >= _LEAN)


def planes_of(volume: Volume) -> tuple[Plane, ...]:
    """Return the planes that a volume can be shown in, the one it was taken in first.

    Parameters
    ----------
    volume : Volume
        A volume without an affine, of one slice, or of colours has one plane only.
    """
    colour = volume.array.ndim == 4
    if volume.affine is None or colour or volume.array.shape[0] == 1:
        return (Plane.STORED,)
    axes = _nearest(volume.affine)
    return tuple(sorted(_LAID, key=lambda plane: axes[_LAID[plane][0]]))


def view_of(volume: Volume, plane: Plane | str | None = None) -> View:
    """Return a plane of a volume.

    Parameters
    ----------
    volume : Volume
        The volume.
    plane : Plane or str, optional
        The one it was taken in unless given.

    Returns
    -------
    View
        Axes, directions, steps and letters.

    Raises
    ------
    TaskError
        If the volume cannot be shown in that plane.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from imaging.volumes import read_volume
    >>> view_of(read_volume([get_testdata_file("CT_small.dcm")])).letters
    ('R', 'L', 'A', 'P')
    """
    offered = planes_of(volume)
    plane = offered[0] if plane is None else plane
    if plane not in offered:
        why = "it has one slice" if volume.affine is not None else "its geometry gives no affine"
        raise TaskError(f"plane: found {plane}, wanted one of {', '.join(offered)}", hint=f"the volume is shown as stored: {why}")
    plane, shape = Plane(plane), volume.array.shape[:3]
    axes, flipped = ((0, 1, 2), (False, False)) if plane is Plane.STORED else _laid(plane, volume.affine)
    if volume.affine is None:
        return View(plane=plane, shape=shape, axes=axes)
    down, across = ((-1 if flip else 1) * volume.affine[:3, 2 - axis] for axis, flip in zip(axes[1:], flipped, strict=True))
    width = float(np.linalg.norm(across))
    drift = float(down @ across) / width
    height = float(np.sqrt(max(down @ down - drift**2, 0)))
    lean = drift / height if abs(drift) > _SHEAR * float(np.linalg.norm(down)) else 0.0
    return View(plane=plane, shape=shape, axes=axes, flipped=flipped, steps_mm=(height, width), lean=lean, affine=volume.affine)


def _nearest(affine: np.ndarray) -> tuple[int, ...]:
    """Return for each LPS axis the array's axis (0 slice, 1 row, 2 column) that runs most along it, each axis once."""
    steps = affine[:3, [2, 1, 0]]
    along = np.abs(steps / np.linalg.norm(steps, axis=0))
    return max(permutations(range(3)), key=lambda axes: sum(along[lps, axis] for lps, axis in enumerate(axes)))


def _laid(plane: Plane, affine: np.ndarray) -> tuple[tuple[int, int, int], tuple[bool, bool]]:
    nearest = _nearest(affine)
    through, (right, right_sign), (down, down_sign) = _LAID[plane]
    flipped = tuple(bool(affine[lps, 2 - nearest[lps]] * sign < 0) for lps, sign in ((down, down_sign), (right, right_sign)))
    return (nearest[through], nearest[down], nearest[right]), flipped
