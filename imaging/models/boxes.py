"""Boxes about what is to be found: one array of named columns, in LPS mm as read and told, in voxels as a network sees them.

What a box holds is taken for the ellipsoid that touches its six sides. So a box can be turned: its new sides touch the turned ellipsoid,
exactly for a sphere under any turn, and for any box under flips and changes of spacing. And a point is inside a lesion if it is inside
the ellipsoid, which for a sphere is the criterion of LUNA16 (Setio et al. 2017).
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from imaging.errors import ImageDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["BOX", "COLUMNS", "boxes_from", "corners", "grid_to_lps", "moved", "plain_boxes", "read_boxes", "settled"]

#: A box: middle and length along three axes, class, how sure (1 of a truth), and whether it counts neither as found nor as missed.
BOX = np.dtype([("centre", "f8", 3), ("size", "f8", 3), ("label", "i4"), ("score", "f8"), ("ignored", "?")])

#: Columns of a table: LPS mm.
COLUMNS = ("x_mm", "y_mm", "z_mm", "size_x_mm", "size_y_mm", "size_z_mm")

_YES_OR_NO = {"": False, "0": False, "no": False, "false": False, "1": True, "yes": True, "true": True}


def boxes_from(
    centres: Sequence | np.ndarray,
    sizes: Sequence | np.ndarray,
    labels: Sequence[int] | np.ndarray | int = 1,
    scores: Sequence[float] | np.ndarray | float = 1.0,
    ignored: Sequence[bool] | np.ndarray | bool = False,
) -> np.ndarray:
    """Return an array of :data:`BOX`.

    Parameters
    ----------
    centres, sizes : array of shape (n, 3)
        Middle and length along each axis.
    labels, scores, ignored : array of shape (n,), or one for all
        See :data:`BOX`.

    Examples
    --------
    >>> boxes_from([[1, 2, 3]], [[4, 4, 4]])["centre"].tolist()
    [[1.0, 2.0, 3.0]]
    """
    found = np.empty(len(centres), BOX)
    for name, values in zip(BOX.names, (centres, sizes, labels, scores, ignored), strict=True):
        found[name] = values
    return found


def corners(boxes: np.ndarray) -> np.ndarray:
    """Return low and high ends along three axes, of shape (n, 6)."""
    return np.concatenate([boxes["centre"] - boxes["size"] / 2, boxes["centre"] + boxes["size"] / 2], axis=1)


def moved(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return boxes in other coordinates.

    Parameters
    ----------
    boxes : ndarray of shape (n,), BOX
        As they are.
    matrix : ndarray of shape (4, 4)
        Affine from their coordinates to the others.

    Returns
    -------
    ndarray of shape (n,), BOX
        Each touches the moved ellipsoid.

    Examples
    --------
    >>> moved(boxes_from([[1, 0, 0]], [[2, 4, 6]]), np.diag([2, -1, 1, 1]))["size"].tolist()
    [[4.0, 4.0, 6.0]]
    """
    found = boxes.copy()
    found["centre"] = boxes["centre"] @ matrix[:3, :3].T + matrix[:3, 3]
    found["size"] = np.sqrt(boxes["size"] ** 2 @ (matrix[:3, :3] ** 2).T)
    return found


def grid_to_lps(affine: np.ndarray) -> np.ndarray:
    """Return the affine from (slice, row, column) to LPS mm, where voxel 0 goes from 0 to 1.

    Parameters
    ----------
    affine : ndarray of shape (4, 4)
        From (column, row, slice) to LPS mm, where the middle of voxel 0 is 0.
    """
    turned = affine[:, [2, 1, 0, 3]].astype(np.float64)
    turned[:3, 3] -= turned[:3, :3].sum(axis=1) / 2
    return turned


def read_boxes(rows: Sequence[Mapping[str, str]], key: str, classes: Sequence[str], path: str) -> dict[str, np.ndarray]:
    """Return the boxes of a table by case.

    Parameters
    ----------
    rows : sequence of mapping
        With the column `key`; x_mm, y_mm, z_mm (LPS); diameter_mm, or size_x_mm, size_y_mm and size_z_mm; class, which may be missing
        where there is but one; and ignore (yes or no) where there are boxes that count neither as found nor as missed.
    key : str
        Column that names the case.
    classes : sequence of str
        Of the task; the first is the background.
    path : str
        Of the table, for errors.

    Raises
    ------
    ImageDataError
        If a number is missing, not finite or a size not above 0, or a class is unknown: with the line.
    """
    by_case: dict[str, list[np.ndarray]] = defaultdict(list)
    for line, row in enumerate(rows, start=2):
        place = f"{path}, line {line}"
        diameter = (row.get("diameter_mm") or "").strip()
        sizes = (
            [_number({"diameter_mm": diameter}, "diameter_mm", place)] * 3
            if diameter
            else [_number(row, each, place) for each in COLUMNS[3:]]
        )
        if min(sizes) <= 0:
            raise ImageDataError(f"{place}: found a size of {min(sizes):g} mm, wanted more than 0")
        centre = [_number(row, name, place) for name in COLUMNS[:3]]
        by_case[row[key]].append(boxes_from([centre], [sizes], _label(row, classes, place), 1.0, _ignored(row, place)))
    return {case: np.concatenate(those) for case, those in by_case.items()}


def _number(row: Mapping[str, str], name: str, place: str) -> float:
    try:
        value = float(row.get(name) or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ImageDataError(f"{place}: {name} is no number", hint=f"wanted {', '.join(COLUMNS)} (or diameter_mm for the sizes), in LPS mm")
    return value


def _label(row: Mapping[str, str], classes: Sequence[str], place: str) -> int:
    name = (row.get("class") or "").strip() or (classes[1] if len(classes) == 2 else "")
    if name not in classes[1:]:
        raise ImageDataError(f"{place}: its class is none of the task's", hint=f"wanted {', '.join(classes[1:])}")
    return list(classes).index(name)


def _ignored(row: Mapping[str, str], place: str) -> bool:
    given = (row.get("ignore") or "").strip().lower()
    if given not in _YES_OR_NO:
        raise ImageDataError(f"{place}: ignore is neither yes nor no")
    return _YES_OR_NO[given]


def settled(boxes: np.ndarray, shape: Sequence[int], affine: np.ndarray | None) -> np.ndarray:
    """Return the boxes of an image, none thinner than its voxels: of a lesion of 4 mm in a slice of 8 mm no more is known than the slice.

    Parameters
    ----------
    boxes : ndarray of shape (n,), BOX
        In LPS mm.
    shape : sequence of int
        Slices, rows, columns.
    affine : ndarray of shape (4, 4) or None
        Of the image.

    Raises
    ------
    ImageDataError
        If the image has no geometry, or the middle of a box is outside it.
    """
    if affine is None:
        raise ImageDataError("the image has no geometry, its boxes are in mm", hint="leave the case out")
    to_lps = grid_to_lps(affine)
    on_grid = moved(boxes, np.linalg.inv(to_lps))
    outside = ((on_grid["centre"] < 0) | (on_grid["centre"] > shape)).any(axis=1)
    if outside.any():
        raise ImageDataError(
            f"box {int(outside.argmax()) + 1} of {len(boxes)} lies outside the image",
            hint="coordinates are LPS mm: those of NIfTI (RAS) have other signs of x and y",
        )
    found = boxes.copy()
    found["size"] = np.maximum(boxes["size"], np.abs(to_lps[:3, :3]).max(axis=1))
    return found


def plain_boxes(boxes: np.ndarray, classes: Sequence[str]) -> list[dict[str, float | str]]:
    """Return boxes in LPS mm as rows of a table, as :func:`read_boxes` takes them, with their score.

    Parameters
    ----------
    boxes : ndarray of shape (n,), BOX
        In LPS mm.
    classes : sequence of str
        Of the task.
    """
    return [
        dict(zip(COLUMNS, (round(float(value), 2) for value in (*box["centre"], *box["size"])), strict=True))
        | {"class": classes[box["label"]], "score": round(float(box["score"]), 4)}
        for box in boxes
    ]
