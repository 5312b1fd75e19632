"""What a network says of an image: shares of classes, or a mask computed window by window within a bound of memory."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain, combinations
from typing import TYPE_CHECKING

import numpy as np
import torch

from imaging.errors import ImageDataError
from imaging.models.augmenting import AXES
from imaging.models.networks import laid_out
from imaging.models.preparing import onto_grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import nn

    from imaging.models.cases import Sample
    from imaging.models.preparing import Prepared

__all__ = ["LIMIT_BYTES", "OVERLAP", "Model", "mask_on", "mirrored_shares", "segment", "shares_of"]

#: Memory that the scores of a volume may take.
LIMIT_BYTES = 2_000_000_000

#: Share by which windows overlap unless a model says otherwise, and how many are shown to the network at once.
OVERLAP, _WINDOWS = 0.5, 4

#: Images classified at once.
_IMAGES = 64


class Model:
    """A network with what it needs to be asked.

    Parameters
    ----------
    network : Module
        Scores of classes out.
    window : sequence of int
        Shape that it sees.
    classes : int
        How many there are.
    flips : sequence of str
        Axes of test-time augmentation.
    device : str
        cpu, cuda ...
    precision : str
        float32, bfloat16 or float16.
    overlap : float
        Share by which windows overlap.
    blend : str
        gaussian or constant: whether a window's middle weighs more than its border.
    padding : str
        constant or replicate: what an image smaller than the window is filled up with.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        window: Sequence[int],
        classes: int,
        flips: Sequence[str] = (),
        device: str = "cpu",
        precision: str = "float32",
        overlap: float = OVERLAP,
        blend: str = "gaussian",
        padding: str = "constant",
    ) -> None:
        self.network = laid_out(network, len(window), device)
        self.window = tuple(window)
        self.classes = classes
        self.flips = tuple(flips)
        self.device = device
        self.precision = precision
        self.overlap = overlap
        self.blend = blend
        self.padding = padding

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask without learning: evaluation mode, no gradients, the precision of the task; the mode from before comes back.

        Yields
        ------
        None
        """
        before = self.network.training
        self.network.eval()
        kind = getattr(torch, self.precision)
        try:
            with torch.inference_mode(), torch.autocast(self.device.split(":")[0], dtype=kind, enabled=kind is not torch.float32):
                yield
        finally:
            self.network.train(before)


def mirrored_shares(model: Model, batch: torch.Tensor) -> torch.Tensor:
    """Return the shares of classes, averaged over the image and its mirror images.

    Parameters
    ----------
    model : Model
        Whose `flips` name the axes; two axes make four images.
    batch : Tensor of shape (n, channels, [slices,] rows, columns)
        Images.

    Returns
    -------
    Tensor of shape (n, classes) or (n, classes, [slices,] rows, columns), float32
    """
    axes = [-1 - AXES.index(name) for name in model.flips]
    total: torch.Tensor | None = None
    ways = list(chain.from_iterable(combinations(axes, count) for count in range(len(axes) + 1)))
    for way in ways:
        shares = model.network(torch.flip(batch, way) if way else batch).float().softmax(dim=1)
        if way and shares.ndim > 2:
            shares = torch.flip(shares, way)
        total = shares if total is None else total + shares
    return total / len(ways)


def shares_of(model: Model, images: Iterable[np.ndarray]) -> np.ndarray:
    """Return the shares of classes of prepared images.

    Parameters
    ----------
    model : Model
        Of a classification.
    images : iterable of ndarray of shape (channels, [slices,] rows, columns)
        All of the model's size.

    Returns
    -------
    ndarray of shape (n_images, n_classes)
    """
    found, waiting = [np.empty((0, model.classes), np.float32)], []
    with model.asking():
        for image in images:
            waiting.append(torch.from_numpy(image))
            if len(waiting) == _IMAGES:
                found.append(_asked(model, waiting))
                waiting = []
        if waiting:
            found.append(_asked(model, waiting))
    return np.concatenate(found)


def _asked(model: Model, images: list[torch.Tensor]) -> np.ndarray:
    return mirrored_shares(model, torch.stack(images).to(model.device)).cpu().numpy()


def segment(model: Model, image: np.ndarray, *, limit_bytes: int = LIMIT_BYTES) -> np.ndarray:
    """Return the likeliest label of each voxel of a prepared image.

    Parameters
    ----------
    model : Model
        Of a segmentation.
    image : ndarray of shape (channels, [slices,] rows, columns)
        Prepared.
    limit_bytes : int
        Memory that scores may take: where those of the whole image would take more, it is gone through in slabs that overlap by a window.

    Returns
    -------
    ndarray of shape ([slices,] rows, columns), uint8

    Raises
    ------
    ImageDataError
        If not even two windows' height of the image fits.
    """
    labels = np.empty(image.shape[1:], np.uint8)
    with model.asking():
        for low, start, stop, high in _slabs(model, image.shape[1:], limit_bytes):
            shares = _window_by_window(model, image[:, low:high])
            labels[start:stop] = shares.argmax(axis=0)[start - low : stop - low]
    return labels


def _slabs(model: Model, shape: Sequence[int], limit_bytes: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield where a slab's reading begins, its own part begins and ends, and its reading ends."""
    # Scores, their weights, and a copy of both while they are divided.
    bytes_a_slice = int(np.prod(np.maximum(shape[1:], model.window[1:]), dtype=object)) * 4 * (2 * model.classes + 2)
    fits, length, margin = limit_bytes // bytes_a_slice, shape[0], model.window[0] // 2
    if fits >= max(length, model.window[0]):
        yield 0, 0, length, length
        return
    own = fits - 2 * margin
    if own < margin or fits < model.window[0]:
        raise ImageDataError(
            f"shape {tuple(shape)}: two windows need {bytes_a_slice * 3 * margin} bytes, the limit is {limit_bytes}",
            hint="give more memory, or take a coarser spacing_mm",
        )
    for start in range(0, length, own):
        stop = min(start + own, length)
        yield max(start - margin, 0), start, stop, min(stop + margin, length)


def _window_by_window(model: Model, image: np.ndarray) -> np.ndarray:
    """Return shares of shape (classes, ...)."""
    from monai.inferers import sliding_window_inference

    return (
        sliding_window_inference(
            torch.from_numpy(np.ascontiguousarray(image))[None],
            model.window,
            _WINDOWS,
            lambda windows: mirrored_shares(model, windows),
            overlap=model.overlap,
            mode=model.blend,
            padding_mode=model.padding,
            sw_device=model.device,
            device="cpu",
        )[0]
        .float()
        .numpy()
    )


def mask_on(sample: Sample, prepared: Prepared, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return a label map of the prepared grid on the grid of the image as read.

    Parameters
    ----------
    sample : Sample
        The image as read.
    prepared : Prepared
        What the network saw of it.
    labels : ndarray
        On the prepared grid.
    classes : int
        How many there are.

    Returns
    -------
    ndarray of shape (slices, rows, columns), uint8
        Each class interpolated linearly in turn; the greatest wins, so that two classes are in memory at a time.
    """
    shape = sample.image.shape[1:]
    if prepared.affine is sample.affine or sample.affine is None:
        return labels.reshape(shape)
    best, where = np.zeros(shape, np.uint8), None
    for number in range(classes):
        share = onto_grid((labels == number)[None].astype(np.float32), prepared.affine, sample)[0]
        if where is None:
            where = share
        else:
            best[share > where] = number
            where = np.maximum(where, share)
    return best
