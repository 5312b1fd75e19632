"""RetinaNet in three dimensions (Lin et al. 2017): boxes from anchors on a pyramid of features, put together from MONAI's parts.

MONAI's own detector and its extractor of features ask for classes of torchvision, of which there is no build for the CPU that goes with
ours. Its parts do not: heads, pyramid, matching (ATSS, Zhang et al. 2020), hard negatives and the coding of boxes are MONAI's, as in its
recipe for nodules (Baumgartner et al. 2021 trained so); here they are joined. Anchors are ours: MONAI rounds half their length, so that one
of a single slice has none.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from monai.apps.detection.networks.retinanet_network import RetinaNet
from monai.apps.detection.utils.ATSS_matcher import ATSSMatcher
from monai.apps.detection.utils.box_coder import BoxCoder
from monai.apps.detection.utils.hard_negative_sampler import HardNegativeSampler
from monai.networks.blocks import ResidualUnit
from monai.networks.blocks.feature_pyramid_network import FeaturePyramidNetwork
from torch import nn
from torch.nn import functional

from imaging.errors import ModelError
from imaging.models.boxes import corners

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Detector"]

#: As in MONAI's recipe for nodules: candidates a level of ATSS; anchors of a patch that are learnt from, and how many of them lie on a box.
_CANDIDATES = 4
_SAMPLES, _POSITIVE, _POOL, _FEWEST = 64, 0.3, 20, 16

_NORM = ("GROUP", {"num_groups": 8})


class _Pyramid(nn.Module):
    """Residual convolutions, each level coarser than the one before, and what each says with those above it in mind."""

    def __init__(self, channels: int, widths: Sequence[int], strides: Sequence[Sequence[int]], out: int) -> None:
        super().__init__()
        self.out_channels = out
        sizes = zip((channels, *widths[:-1]), widths, strides, strict=True)
        self.stages = nn.ModuleList(ResidualUnit(3, low, high, strides=tuple(step), norm=_NORM, act="RELU") for low, high, step in sizes)
        self.pyramid = FeaturePyramidNetwork(3, list(widths), out)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        levels: dict[str, torch.Tensor] = {}
        for number, stage in enumerate(self.stages):
            images = levels[str(number)] = stage(images)
        return list(self.pyramid(levels).values())


class Detector(nn.Module):
    """A network that says of each anchor how likely it is of each class, and how the box lies to it.

    Parameters
    ----------
    channels : int
        Of an image.
    classes : int
        With the background.
    widths : sequence of int
        Channels of each level.
    strides : sequence of sequence of int
        Steps to each level, along slices, rows and columns.
    pyramid : int
        Channels of the pyramid and the heads.
    anchors : sequence of sequence of float
        Slices, rows and columns of each anchor, in voxels, at the first level; they grow with the steps.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        widths: Sequence[int],
        strides: Sequence[Sequence[int]],
        pyramid: int,
        anchors: Sequence[Sequence[float]],
    ) -> None:
        super().__init__()
        self.labels = classes - 1
        self.steps = np.cumprod(strides, axis=0)
        self.shapes = np.array(anchors, float)
        self.network = RetinaNet(3, self.labels, len(anchors), _Pyramid(channels, widths, strides, pyramid))
        for head in (self.network.classification_head, self.network.regression_head):
            for layer in head.conv:
                if isinstance(layer, nn.Conv3d):  # MONAI's start is meant for 256 channels: of few, each step would turn such weights about
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self._known: dict[tuple[int, ...], tuple[torch.Tensor, list[int]]] = {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits of the classes and the six numbers of the box, of shape (n, n_anchors, n_classes - 1 + 6).

        Parameters
        ----------
        images : Tensor of shape (n, channels, slices, rows, columns)
            Prepared.

        Raises
        ------
        ModelError
            If a number is none any more.
        """
        try:
            told = self.network(images)
        except ValueError as error:  # MONAI's, for NaN
            raise ModelError("the loss is no number any more", hint="a smaller learning_rate, or float32") from error
        return torch.cat([_by_anchor(told["classification"], self.labels), _by_anchor(told["box_regression"], 6)], dim=2)

    def anchors(self, window: Sequence[int]) -> tuple[torch.Tensor, list[int]]:
        """Return the anchors of a window, and how many places there are at each level.

        Parameters
        ----------
        window : sequence of int
            Slices, rows, columns.

        Returns
        -------
        anchors : Tensor of shape (n_anchors, 6), float32
            Low and high ends in voxels; in the order of :meth:`forward`.
        places : list of int
            By level.
        """
        window = tuple(window)
        if window not in self._known:
            levels = [self._level(window, steps) for steps in self.steps]
            joined = torch.from_numpy(np.concatenate(levels)).float()
            self._known[window] = joined, [len(level) // len(self.shapes) for level in levels]
        return self._known[window]

    def _level(self, window: tuple[int, ...], steps: np.ndarray) -> np.ndarray:
        places = np.indices(-(-np.array(window) // steps)).reshape(3, -1).T
        middles = ((places + 0.5) * steps)[:, None]
        halves = (self.shapes * steps / self.steps[0] / 2)[None]
        return np.concatenate([middles - halves, middles + halves], axis=2).reshape(-1, 6)

    def loss(self, told: torch.Tensor, truth: Sequence[np.ndarray], window: Sequence[int]) -> torch.Tensor:
        """Return the loss of a batch: cross-entropy of matched and of the hardest other anchors, and smooth L1 of the matched ones' boxes.

        Parameters
        ----------
        told : Tensor
            Of :meth:`forward`, float32.
        truth : sequence of ndarray of BOX
            Boxes of each patch, in voxels.
        window : sequence of int
            Shape of a patch.
        """
        anchors, places = self.anchors(window)
        anchors = anchors.to(told.device)
        logits, wanted, steps, offsets = [], [], [], []
        for each, boxes in zip(told, truth, strict=True):
            ends = torch.from_numpy(corners(boxes)).float().to(told.device)
            kinds = torch.from_numpy(boxes["label"].astype(np.int64)).to(told.device)
            ignored = torch.from_numpy(boxes["ignored"]).to(told.device)
            match = self._match(ends[~ignored], anchors, places)
            on_box = match >= 0
            chosen = _sampled(match, _inside(anchors, ends[ignored]), each[:, : self.labels].detach())
            target = torch.zeros_like(each[:, : self.labels])
            target[on_box, kinds[~ignored][match[on_box]] - 1] = 1
            logits.append(each[chosen, : self.labels])
            wanted.append(target[chosen])
            steps.append(each[on_box, self.labels :])
            offsets.append(_CODER.encode_single(ends[~ignored][match[on_box]], anchors[on_box]))
        entropy = functional.binary_cross_entropy_with_logits(torch.cat(logits), torch.cat(wanted))
        found, meant = torch.cat(steps), torch.cat(offsets)
        return entropy + functional.smooth_l1_loss(found, meant, beta=1 / 9, reduction="sum") / max(1, meant.numel())

    def _match(self, ends: torch.Tensor, anchors: torch.Tensor, places: list[int]) -> torch.Tensor:
        """Return the number of each anchor's box, -1 where there is none."""
        if not len(ends):
            return torch.full((len(anchors),), -1, dtype=torch.int64, device=anchors.device)
        return _MATCHER(ends, anchors, places, len(self.shapes))[1]

    def boxes(self, told: torch.Tensor, window: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return what the network said of one window as boxes.

        Parameters
        ----------
        told : Tensor of shape (n_anchors, n_classes - 1 + 6)
            Of :meth:`forward`.
        window : sequence of int
            Shape of the window.

        Returns
        -------
        ends : ndarray of shape (n_anchors, 6)
            Low and high ends, in voxels.
        scores : ndarray of shape (n_anchors, n_classes - 1)
            Between 0 and 1.
        """
        told = told.float().cpu()
        ends = _CODER.decode_single(told[:, self.labels :], self.anchors(window)[0])
        return ends.numpy().astype(np.float64), told[:, : self.labels].sigmoid().numpy().astype(np.float64)


def _by_anchor(maps: list[torch.Tensor], each: int) -> torch.Tensor:
    """Return maps of shape (n, anchors * each, ...), one a level, as (n, n_anchors, each), the places of a level one after another."""
    return torch.cat([one.unflatten(1, (-1, each)).flatten(3).permute(0, 3, 1, 2).flatten(1, 2) for one in maps], dim=1)


def _inside(anchors: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    """Return which anchors have their middle in one of the boxes."""
    middles = (anchors[:, None, :3] + anchors[:, None, 3:]) / 2
    return ((middles >= ends[None, :, :3]) & (middles <= ends[None, :, 3:])).all(dim=2).any(dim=1)


def _sampled(match: torch.Tensor, ignored: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Return which anchors are learnt from: some on boxes, and of the others the ones that look most like a box."""
    kinds = (match >= 0).to(torch.int64)
    kinds[ignored & (match < 0)] = -1
    on_box, others = _SAMPLER([kinds], logits.max(dim=1).values)
    return (on_box[0] + others[0]).bool()


def _quiet(make: type, **settings: Any) -> Any:
    """Make one of MONAI's, which tell the root logger that they are there."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        return make(**settings)
    finally:
        logging.disable(before)


_CODER = BoxCoder((1.0,) * 6)
_MATCHER = _quiet(ATSSMatcher, num_candidates=_CANDIDATES, center_in_gt=False)
_SAMPLER = _quiet(HardNegativeSampler, batch_size_per_image=_SAMPLES, positive_fraction=_POSITIVE, pool_size=_POOL, min_neg=_FEWEST)
