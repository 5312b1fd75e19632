"""Boxes in a volume of any size, window by window: each window answers for its middle, and of boxes about one thing the surest stays."""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING

import numpy as np
import torch

from imaging.models.boxes import BOX, boxes_from, corners

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imaging.models.inference import Model

__all__ = ["MOST", "detect"]

#: Boxes that are kept of an image; and of a window and of an image before boxes about one thing are told apart.
MOST, _OF_WINDOW, _OF_IMAGE = 100, 200, 2000

#: Least score that is looked at, and overlap from which on two boxes are about one thing; as in MONAI's recipe for nodules.
_LEAST, _SAME = 0.02, 0.22

#: Share by which windows overlap, and how many are shown to the network at once.
_OVERLAP, _WINDOWS = 0.25, 4


def detect(model: Model, image: np.ndarray) -> np.ndarray:
    """Return what a network finds in a prepared image.

    Parameters
    ----------
    model : Model
        Of a detection.
    image : ndarray of shape (channels, slices, rows, columns)
        Prepared. Besides it there are never more in memory than a few windows and the boxes of each.

    Returns
    -------
    ndarray of shape (n,), BOX
        At most :data:`MOST`, the surest first, in voxels of the prepared grid, voxel 0 going from 0 to 1.
    """
    found, waiting = np.empty(0, BOX), _starts(image.shape[1:], model.window)
    with model.asking():
        while starts := list(islice(waiting, _WINDOWS)):
            windows = torch.stack([torch.from_numpy(_cut(image, start, model.window)) for start in starts])
            told = model.network(windows.to(model.device)).float().cpu()
            new = [_of_window(model, each, start, image.shape[1:]) for each, start in zip(told, starts, strict=True)]
            found = np.concatenate([found, *new])
            found = found[np.argsort(-found["score"], kind="stable")[:_OF_IMAGE]]
    return _surest(found)


def _starts(shape: Sequence[int], window: Sequence[int]) -> Iterator[tuple[int, ...]]:
    along = []
    for length, part in zip(shape, window, strict=True):
        step, last = max(1, part - int(part * _OVERLAP)), max(0, length - part)
        along.append([*range(0, last, step), last])
    return product(*along)


def _cut(image: np.ndarray, start: tuple[int, ...], window: Sequence[int]) -> np.ndarray:
    """Return a window of an image; what reaches beyond it is 0, as in training."""
    part = image[:, *(slice(low, low + length) for low, length in zip(start, window, strict=True))]
    return np.pad(part, [(0, 0), *((0, length - there) for length, there in zip(window, part.shape[1:], strict=True))])


def _of_window(model: Model, told: torch.Tensor, start: tuple[int, ...], shape: Sequence[int]) -> np.ndarray:
    """Return the boxes of a window, in voxels of the image, whose middle lies in the image and where no other window sees it better."""
    ends, scores = model.network.boxes(told, model.window)
    place, label = np.nonzero(scores >= _LEAST)
    order = np.argsort(-scores[place, label], kind="stable")[:_OF_WINDOW]
    place, label = place[order], label[order]
    begin, border = np.array(start), np.array(model.window) * _OVERLAP / 2
    middle = (ends[place, :3] + ends[place, 3:]) / 2 + begin
    least = np.where(begin == 0, 0, begin + border)
    most = np.where(begin + model.window >= shape, shape, begin + model.window - border)
    own = ((middle >= least) & (middle <= most)).all(axis=1)
    low, high = np.clip(ends[place, :3] + begin, 0, shape), np.clip(ends[place, 3:] + begin, 0, shape)
    return boxes_from((low + high) / 2, high - low, label + 1, scores[place, label])[own & (high > low).all(axis=1)]


def _surest(boxes: np.ndarray) -> np.ndarray:
    """Return boxes without those that overlap a surer one of their class (non-maximum suppression)."""
    from monai.data.box_utils import batched_nms

    kept = batched_nms(corners(boxes), boxes["score"], boxes["label"], _SAME, max_proposals=MOST)
    return boxes[np.asarray(kept, int)]
