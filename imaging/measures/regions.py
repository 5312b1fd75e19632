"""What a mask delineates, measured: a region for each label, or for each lesion of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from imaging.errors import TaskError
from imaging.geometry import Verdict
from imaging.measures.definitions import MEASURES, unit_of
from imaging.measures.diameters import Diameters, axes_of_slices
from imaging.measures.intensities import statistics_of
from imaging.measures.masks import check_measurable, labels_over
from imaging.measures.shape import moments_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from imaging.volumes import Volume

__all__ = ["FLAGS", "Region", "measure", "separate"]

#: Voxels that touch by a side, an edge or a corner are one component.
_TOUCHING = np.ones((3, 3, 3), int)

#: What a reader must know of a region: code -> sentence in English.
FLAGS: dict[str, str] = {
    "empty": "the label has no voxel",
    "touches_border": "the region reaches the border of the volume, and may go on beyond",
    "one_slice": "the region lies in one slice: its extent across the slices is that of a voxel",
    "slice_thickness": "a single image: its volume rests on the stated slice thickness",
    "resampled": "slices were computed from their neighbours",
    "not_finite": "values under the mask are not finite, so that there are no intensities",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """A label, or one lesion of it, with its measurements.

    Parameters
    ----------
    label : int
        Its value in the mask.
    name : str
        What the label stands for.
    lesion : int
        0 for all of a label; lesions are numbered from 1, the largest first.
    box : tuple of 3 slice
        Slices, rows and columns that hold it.
    centre_mm : tuple of 3 float or None
        Mean of its voxels' centres in LPS mm.
    diameters : Diameters or None
        With their ends in LPS mm. None of an empty region, as is its centre.
    values : dict of str to float
        By keys of :data:`imaging.measures.definitions.MEASURES`.
    units : dict of str to str
        In UCUM, by the same keys.
    flags : tuple of str
        Codes of :data:`FLAGS`.
    spacing_mm : tuple of 3 float
        Between slices, rows, columns.
    verdicts : tuple of str
        Of the volume.
    mask_sha256 : str
        Hash of all labels of the mask.
    """

    label: int
    name: str
    lesion: int
    box: tuple[slice, slice, slice]
    centre_mm: tuple[float, float, float] | None
    diameters: Diameters | None
    values: dict[str, float]
    units: dict[str, str]
    flags: tuple[str, ...] = ()
    spacing_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    verdicts: tuple[str, ...] = ()
    mask_sha256: str = field(default="", repr=False)


def measure(
    volume: Volume,
    mask: np.ndarray | Volume,
    *,
    names: Mapping[int, str] | None = None,
    lesions: bool = False,
    nodes: Collection[int] = (),
) -> tuple[Region, ...]:
    """Measure what a mask delineates.

    Parameters
    ----------
    volume : Volume
        Grey values with an affine.
    mask : ndarray of shape (slices, rows, columns), or Volume
        Labels; 0 is background.
    names : mapping of int to str, optional
        Labels to measure and what they are. One that the mask lacks gives a region of no voxels, which is a result. Without it, all
        labels that the mask has.
    lesions : bool
        Whether each connected component is measured by itself, rather than all of a label together.
    nodes : collection of int
        Labels that are lymph nodes: RECIST 1.1 takes their short axis.

    Returns
    -------
    tuple of Region
        By label, then by size. Of an empty mask, none.

    Raises
    ------
    GeometryError
        If the mask lies on another grid, or the volume's geometry forbids measuring.
    TaskError
        If the mask holds no labels, or names are given to impossible ones.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from imaging.volumes import read_volume
    >>> ct = read_volume([get_testdata_file("CT_small.dcm")])
    >>> box = np.zeros(ct.shape, np.uint8)
    >>> box[0, 40:50, 40:60] = 1
    >>> region = measure(ct, box, names={1: "box"})[0]
    >>> round(region.values["volume_ml"], 4), region.units["mean"], region.flags
    (0.4375, "[hnsf'U]", ('touches_border', 'one_slice', 'slice_thickness'))
    """
    check_measurable(volume)
    labels = labels_over(volume, mask)
    present = {n + 1: box for n, box in enumerate(ndimage.find_objects(labels)) if box is not None}
    wanted = dict.fromkeys(present, "") if names is None else dict(names)
    if impossible := [label for label in wanted if not isinstance(label, (int, np.integer)) or not 1 <= label <= 255]:
        raise TaskError(f"names: found labels {impossible}, wanted whole numbers from 1 to 255")
    common = _Common(volume, hashlib.sha256(np.ascontiguousarray(labels)).hexdigest(), frozenset(nodes))
    found: list[Region] = []
    for label, name in sorted(wanted.items()):
        if label not in present:
            found += [] if lesions else [_empty(common, label, name)]
            continue
        inside = labels[present[label]] == label
        pieces, count = ndimage.label(inside, _TOUCHING)
        if lesions:
            found += _each(common, label, name, present[label], pieces)
        else:
            found.append(_region(common, label, name, 0, present[label], inside, count))
    return tuple(found)


def separate(mask: np.ndarray) -> np.ndarray:
    """Return a mask in which each connected component has a label of its own, the largest first.

    Parameters
    ----------
    mask : ndarray of shape (slices, rows, columns)
        0 is background; different labels that touch are one component.

    Returns
    -------
    ndarray of shape (slices, rows, columns), uint8
        Labels from 1, numbered as :func:`measure` numbers lesions.

    Raises
    ------
    TaskError
        If there are more than 255 components.

    Examples
    --------
    >>> separate(np.array([[[1, 0, 1, 1]]])).tolist()
    [[[2, 0, 1, 1]]]
    """
    pieces, count = ndimage.label(np.asarray(mask) != 0, _TOUCHING)
    if count > 255:
        raise TaskError(f"found {count} components, a mask has 255 labels", hint="remove the smallest first")
    rank = np.zeros(count + 1, np.uint8)
    rank[_by_size(pieces) + 1] = np.arange(1, count + 1)
    return rank[pieces]


class _Common(NamedTuple):
    """What the regions of one mask share."""

    volume: Volume
    mask_sha256: str
    nodes: frozenset[int]

    def fields(self, units: Iterable[str]) -> dict[str, object]:
        return {
            "units": {key: unit_of(MEASURES[key], self.volume.unit) for key in units},
            "spacing_mm": self.volume.spacing_mm,
            "verdicts": tuple(map(str, self.volume.geometry.verdicts)),
            "mask_sha256": self.mask_sha256,
        }


def _each(common: _Common, label: int, name: str, box: tuple[slice, ...], pieces: np.ndarray) -> Iterator[Region]:
    boxes = ndimage.find_objects(pieces)
    for lesion, index in enumerate(_by_size(pieces), start=1):
        within = tuple(slice(a.start + b.start, a.start + b.stop) for a, b in zip(box, boxes[index], strict=True))
        yield _region(common, label, name, lesion, within, pieces[boxes[index]] == index + 1, 1)


def _by_size(pieces: np.ndarray) -> np.ndarray:
    """Return the components, counted from 0, the largest first; of equal ones, that which comes first."""
    return np.argsort(-np.bincount(pieces.ravel())[1:], kind="stable")


def _empty(common: _Common, label: int, name: str) -> Region:
    values = {"voxels": 0.0, "components": 0.0, "volume_ml": 0.0}
    none = (slice(0, 0),) * 3
    return Region(
        label=label, name=name, lesion=0, box=none, centre_mm=None, diameters=None, values=values, flags=("empty",), **common.fields(values)
    )


def _region(common: _Common, label: int, name: str, lesion: int, box: tuple[slice, ...], inside: np.ndarray, components: int) -> Region:
    volume = common.volume
    directions, start = volume.affine[:3, :3], np.array([side.start for side in box[::-1]], float)
    moments = moments_of(inside)
    centre = directions @ (moments.mean + start) + volume.affine[:3, 3]
    diameters = _placed(axes_of_slices(inside, directions), volume.affine, start)
    values = {"voxels": float(moments.count), "components": float(components)}
    values |= shape_of(inside, moments, directions) | {
        "long_axis_mm": diameters.long_mm,
        "short_axis_mm": diameters.short_mm,
        "recist_mm": diameters.short_mm if label in common.nodes else diameters.long_mm,
    }
    values |= dict(zip(("centre_left_mm", "centre_posterior_mm", "centre_superior_mm"), map(float, centre), strict=True))
    under = volume.array[box][inside]
    finite = bool(np.isfinite(under).all())
    if finite:
        values |= statistics_of(under)
    return Region(
        label=label,
        name=name,
        lesion=lesion,
        box=box,
        centre_mm=tuple(map(float, centre)),
        diameters=diameters,
        values=values,
        flags=_flags(volume, box, finite=finite),
        **common.fields(values),
    )


def _placed(found: Diameters, affine: np.ndarray, start: np.ndarray) -> Diameters:
    """Return diameters with their ends in LPS mm and their slice in the volume."""
    long_ends, short_ends = ((ends + start) @ affine[:3, :3].T + affine[:3, 3] for ends in (found.long_ends, found.short_ends))
    return found._replace(slice=found.slice + int(start[2]), long_ends=long_ends, short_ends=short_ends)


def _flags(volume: Volume, box: tuple[slice, ...], *, finite: bool) -> tuple[str, ...]:
    true = {
        "touches_border": any(side.start == 0 or side.stop == size for side, size in zip(box, volume.shape, strict=True)),
        "one_slice": box[0].stop - box[0].start == 1,
        "slice_thickness": volume.shape[0] == 1,
        "resampled": any(source.distance_mm > 0 for source in volume.slices[box[0]]) or _straightened(volume),
        "not_finite": not finite,
    }
    return tuple(flag for flag, holds in true.items() if holds)


def _straightened(volume: Volume) -> bool:
    """Whether a tilted stack was set upright, which moves the pixels of every slice."""
    tilted = volume.geometry.affine
    return volume.geometry.has(Verdict.SHEARED) and (tilted is None or not np.allclose(tilted, volume.affine))
