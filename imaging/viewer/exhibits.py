"""What is given to be shown: a volume with its label, mask and what its user should be told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imaging.errors import TaskError
from imaging.geometry import Verdict
from imaging.viewer.planes import Plane, View, planes_of, view_of
from imaging.viewer.rendering import labels_of
from imaging.viewer.windows import Window, chosen_window, presets_of
from imaging.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Exhibit", "words"]

#: How far two affines may differ, in mm, and still name the same voxels.
_SAME_MM = 1e-2


@cache
def words(language: str) -> dict[str, object]:
    """Return the words of a language.

    Parameters
    ----------
    language : str
        zh or en.

    Raises
    ------
    TaskError
        If there is no such language.

    Examples
    --------
    >>> words("zh")["planes"]["axial"]
    '轴位'
    """
    known = json.loads((Path(__file__).parent / "words.json").read_text(encoding="utf-8"))
    if language not in known:
        raise TaskError(f"language: found {language!r}, wanted one of {', '.join(known)}")
    return known[language]


@dataclass(frozen=True, kw_only=True, eq=False)
class Exhibit:
    """A volume that is shown.

    Parameters
    ----------
    volume : Volume
        The volume.
    label : str
        What is written beside it; no patient's name or number belongs here.
    mask : Volume, ndarray of shape (slices, rows, columns), or None
        Labels on the volume's voxels.
    mask_names : mapping of int to str
        Label -> name.
    window : Window, tuple of 2 float, str or None
        At first.
    plane : Plane or str, optional
        At first.
    frame_of_reference : str
        UID; volumes of one are scrolled together, of different ones never; where it is not known, the reader decides.
    notices : tuple of str
        Further sentences for the reader, the verdict's reasons for instance.
    frames_per_second : float
        Of a cine, 1 to 60.

    Raises
    ------
    TaskError
        If the mask does not lie on the volume's voxels, or window or plane do not exist.
    """

    volume: Volume
    label: str = ""
    mask: Volume | np.ndarray | None = None
    mask_names: Mapping[int, str] = field(default_factory=dict)
    window: Window | tuple[float, float] | str | None = None
    plane: Plane | str | None = None
    frame_of_reference: str = ""
    notices: tuple[str, ...] = ()
    frames_per_second: float = 12.0

    def __post_init__(self) -> None:
        if not 1 <= self.frames_per_second <= 60:
            raise TaskError(f"frames_per_second: found {self.frames_per_second}, wanted 1 to 60")
        view_of(self.volume, self.plane)
        self.first_window  # noqa: B018 - refused here, not when it is looked at
        self.labels  # noqa: B018

    @cached_property
    def views(self) -> dict[Plane, View]:
        """The planes that it can be shown in, the one it was taken in first."""
        return {plane: view_of(self.volume, plane) for plane in planes_of(self.volume)}

    @cached_property
    def labels(self) -> np.ndarray | None:
        """The mask's labels, or None."""
        if isinstance(self.mask, Volume):
            one, other = self.mask.affine, self.volume.affine
            if (one is None) != (other is None) or (one is not None and _apart_mm(one, other, self.volume.shape) > _SAME_MM):
                raise TaskError("mask: its affine differs from the volume's", hint="resample it onto the volume first")
            return labels_of(self.mask.array, self.volume)
        return None if self.mask is None else labels_of(self.mask, self.volume)

    @cached_property
    def presets(self) -> dict[str, Window]:
        """Windows by name; none for colours."""
        return {} if self.volume.array.ndim == 4 else presets_of(self.volume)

    @cached_property
    def first_window(self) -> Window | None:
        """The window at first; None for colours."""
        if self.volume.array.ndim == 4:
            return None
        return self.presets[self.window] if self.window in self.presets else chosen_window(self.volume, self.window)

    def shares_place(self, other: Exhibit) -> bool | None:
        """Whether a point in mm means the same in both; None where both have an affine and nobody knows in which space.

        Parameters
        ----------
        other : Exhibit
            The other.
        """
        if self.volume.affine is None or other.volume.affine is None:
            return False
        known = self.frame_of_reference and other.frame_of_reference
        return self is other or (self.frame_of_reference == other.frame_of_reference if known else None)

    @property
    def moves(self) -> bool:
        """Whether its slices are moments rather than places: frames of one file, or colours, without an affine."""
        volume = self.volume
        return volume.affine is None and volume.shape[0] > 1 and (volume.array.ndim == 4 or volume.geometry.has(Verdict.MULTI_FRAME))


def _apart_mm(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return how far two affines place the corners of an array apart, at most."""
    corners = np.array([(x, y, z, 1) for x in (0, shape[2]) for y in (0, shape[1]) for z in (0, shape[0])], float)
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())
