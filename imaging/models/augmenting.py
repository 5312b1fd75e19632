"""Training images varied by chance that belongs to the case and the epoch, so that neither a kill nor the number of processes changes it.

MONAI's random transforms hold the state of a generator, which a resumed training would have to restore in each process; and each
interpolates anew. Here crop, rotation, zoom, shift and flip are one affine sampling, drawn from the seed, the epoch and the case alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from imaging.models.boxes import corners, moved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging.models.preparing import Prepared
    from imaging.models.task import Augment

__all__ = ["AXES", "augmented", "generator_for"]

#: Names of the axes, from the last one.
AXES = ("columns", "rows", "slices")

#: Planes of rotation, by axes from the last one.
_PLANES = ((0, 1), (0, 2), (1, 2))

#: An axis with voxels longer than this many times the shortest is not interpolated along: that would blur a lesion of one slice away. As
#: nnU-Net does (Isensee et al. 2021).
_THICK = 3


def generator_for(*numbers: int) -> torch.Generator:
    """Return a generator that depends on all of the numbers and nothing else.

    Parameters
    ----------
    *numbers : int
        Seed, epoch, case ...

    Examples
    --------
    >>> torch.equal(torch.rand(2, generator=generator_for(1, 2)), torch.rand(2, generator=generator_for(1, 2)))
    True
    """
    mixed = 0
    for number in numbers:
        mixed = (mixed * 0x9E3779B97F4A7C15 + number + 1) % (1 << 63)
    return torch.Generator().manual_seed(mixed)


def augmented(
    prepared: Prepared, window: Sequence[int], augment: Augment, chance: torch.Generator, spacing: Sequence[float] | None = None
) -> tuple[torch.Tensor, torch.Tensor | np.ndarray | None]:
    """Return one patch of a case, varied.

    Parameters
    ----------
    prepared : Prepared
        The case.
    window : sequence of int
        Shape of the patch; what reaches beyond the image is 0.
    augment : Augment
        How much.
    chance : Generator
        What is drawn from.
    spacing : sequence of float, optional
        Of the prepared image's axes, in mm: rotation is about angles in the patient. Omitted: equal. Along an axis with far longer voxels
        than another, a patch is only flipped, and shifted by whole voxels.

    Returns
    -------
    image : Tensor of shape (channels, *window)
        The patch.
    truth : Tensor of shape window, ndarray of BOX, or None
        Its labels, or its boxes, as the case has them. A box is cut where it reaches beyond the patch, and ignored where its middle does.
    """
    image = torch.from_numpy(prepared.image)
    centre = _centre(prepared, window, augment.foreground, chance)
    matrix = _matrix(image.shape[1:], window, centre, augment, chance, spacing)
    grid = functional.affine_grid(matrix[None], [1, 1, *window], align_corners=False)
    patch = functional.grid_sample(image[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    truth: torch.Tensor | np.ndarray | None = None
    if prepared.mask is not None:
        labels = torch.from_numpy(prepared.mask).float()[None, None]
        truth = functional.grid_sample(labels, grid, mode="nearest", padding_mode="zeros", align_corners=False)[0, 0].long()
    elif prepared.boxes is not None:
        truth = _boxes_within(moved(prepared.boxes, _to_patch(matrix, image.shape[1:], window)), window)
    return _intensity(patch, augment, chance), truth


def _to_patch(matrix: torch.Tensor, shape: Sequence[int], window: Sequence[int]) -> np.ndarray:
    """Return the affine from the image's (slice, row, column), voxel 0 going from 0 to 1, to the patch's."""
    scale = [np.diag([*(length / 2 for length in lengths), 1.0]) for lengths in (shape, window)]
    for each in scale:
        each[:3, 3] = each[:3, :3].sum(axis=1)  # -1..1 to 0..length
    whole = np.eye(4)
    whole[:3] = matrix.double().numpy()
    whole[:3] = whole[[2, 1, 0]][:, [2, 1, 0, 3]]
    return scale[1] @ np.linalg.inv(whole) @ np.linalg.inv(scale[0])


def _boxes_within(boxes: np.ndarray, window: Sequence[int]) -> np.ndarray:
    """Return the boxes that reach into a patch, cut to it."""
    ends = np.clip(corners(boxes), 0, [*window, *window])
    found = boxes.copy()
    found["centre"], found["size"] = (ends[:, :3] + ends[:, 3:]) / 2, ends[:, 3:] - ends[:, :3]
    found["ignored"] |= ((boxes["centre"] < 0) | (boxes["centre"] > window)).any(axis=1)
    return found[(found["size"] > 0).all(axis=1)]


def _uniform(chance: torch.Generator, count: int = 1) -> torch.Tensor:
    """Return numbers between -1 and 1."""
    return torch.rand(count, generator=chance, dtype=torch.float64) * 2 - 1


def _normal(chance: torch.Generator) -> float:
    return float(torch.randn(1, generator=chance, dtype=torch.float64))


def _centre(prepared: Prepared, window: Sequence[int], foreground: float, chance: torch.Generator) -> torch.Tensor:
    """Return the middle of a patch, in voxels from the image's middle, so that the patch lies in the image where it can."""
    shape = prepared.image.shape[1:]
    shares = torch.rand(2, generator=chance, dtype=torch.float64)
    spare = torch.tensor([(length - part) / 2 for length, part in zip(shape, window, strict=True)], dtype=torch.float64)
    room = spare.clamp(min=0)
    centre = _uniform(chance, len(shape)) * room
    place = _labelled(prepared, float(shares[1])) if room.any() and shares[0] < foreground else None
    if place is not None:
        middle = (torch.tensor(list(shape), dtype=torch.float64) - 1) / 2
        centre = torch.minimum(torch.maximum(torch.from_numpy(place) - middle, -room), room)
    return torch.round(centre + spare) - spare  # on whole voxels: a patch that is not varied is not interpolated


def _labelled(prepared: Prepared, share: float) -> np.ndarray | None:
    """Return the place of a labelled voxel or the middle of a box that counts; None where there is none."""
    if prepared.boxes is not None:
        middles = prepared.boxes["centre"][~prepared.boxes["ignored"]]
        return middles[int(share * len(middles))] - 0.5 if len(middles) else None
    labelled = () if prepared.mask is None else prepared.mask.ravel().nonzero()[0]
    if not len(labelled):
        return None
    return np.array(np.unravel_index(labelled[int(share * len(labelled))], prepared.mask.shape), np.float64)


def _matrix(
    shape: Sequence[int],
    window: Sequence[int],
    centre: torch.Tensor,
    augment: Augment,
    chance: torch.Generator,
    spacing: Sequence[float] | None,
) -> torch.Tensor:
    """Return the affine that takes the patch's coordinates (last axis first, -1..1) to the image's."""
    axes = len(shape)
    size, part = (torch.tensor(list(lengths)[::-1], dtype=torch.float64) for lengths in (shape, window))
    steps = torch.tensor(list(spacing or [1.0] * axes)[::-1], dtype=torch.float64)
    thick = steps > _THICK * steps.min()
    zoom = torch.where(thick, torch.ones_like(steps), math.exp(float(_uniform(chance)) * math.log1p(augment.zoom)))
    within = torch.tensor([not thick[list(plane)].any() for plane in _PLANES[: 1 if axes == 2 else 3]])
    turn = _rotation(_uniform(chance, len(within)) * within * math.radians(augment.rotate_degrees))
    sides = torch.where(_uniform(chance, axes) < 0, -1.0, 1.0).to(torch.float64)
    flips = torch.tensor(
        [side if name in augment.flip else 1.0 for name, side in zip(AXES, sides.tolist(), strict=False)], dtype=torch.float64
    )
    shift = _uniform(chance, axes) * augment.shift * part
    shift = torch.where(thick, shift.round(), shift)
    linear = (turn * steps / steps[:, None]) * flips / zoom
    offset = centre.flip(0) + shift
    return torch.cat([linear * part / size[:, None], (2 * offset / size)[:, None]], dim=1).float()


def _rotation(angles: torch.Tensor) -> torch.Tensor:
    """Return the rotation by one angle in the plane, or by one about each axis in space."""
    axes = 2 if len(angles) == 1 else 3
    whole = torch.eye(axes, dtype=torch.float64)
    for angle, (first, second) in zip(angles.tolist(), _PLANES, strict=False):
        one = torch.eye(axes, dtype=torch.float64)
        one[first, first] = one[second, second] = math.cos(angle)
        one[first, second], one[second, first] = -math.sin(angle), math.sin(angle)
        whole = whole @ one
    return whole


def _intensity(patch: torch.Tensor, augment: Augment, chance: torch.Generator) -> torch.Tensor:
    if augment.gamma:
        patch = patch.clamp(min=0) ** math.exp(augment.gamma * _normal(chance))
    if augment.contrast:
        mean = patch.mean()
        patch = (patch - mean) * math.exp(augment.contrast * _normal(chance)) + mean
    if augment.brightness:
        patch = patch + augment.brightness * _normal(chance)
    if augment.noise:
        patch = patch + augment.noise * torch.randn(patch.shape, generator=chance)
    return patch
