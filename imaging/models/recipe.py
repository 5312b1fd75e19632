"""What decides a bundle's answers besides its weights, as data that is checked; nothing of it is evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import ndimage

from imaging.models.inference import OVERLAP
from imaging.models.networks import build_network
from imaging.models.task import Codes, Kind, Modalities, Transforms  # noqa: TC001 - a model's fields

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Recipe"]

#: An axis of ours; with a minus it runs the other way.
_Axis = Literal["slices", "rows", "columns", "-slices", "-rows", "-columns"]


class Recipe(BaseModel):
    """All that decides what a bundle says of an image, besides its weights.

    Parameters
    ----------
    kind, classes, codes, modalities, transforms, network, flips
        As in a task.
    channels : int
        Of an image.
    threshold : float, optional
        Share of the second of two classes from which on it is decided for.
    axes : tuple of str
        Our axes in the order in which the network was trained to see them, of a model from elsewhere; `transforms.patch` is in that order.
        Ours unless given.
    overlap, blend, padding : float, str, str
        Share by which windows overlap, how they are weighed, and what a smaller image is filled up with.
    largest : tuple of int
        Labels of a segmentation of which only the largest connected piece is kept; diagonal neighbours are connected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Kind
    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=255)]
    codes: Codes = {}
    modalities: Modalities = ()
    channels: Annotated[int, Field(ge=1, le=64)]
    transforms: Transforms
    network: dict[str, Any]
    flips: tuple[Literal["slices", "rows", "columns"], ...] = ()
    threshold: float | None = None
    axes: tuple[_Axis, ...] = ()
    overlap: Annotated[float, Field(ge=0, lt=1)] = OVERLAP
    blend: Literal["gaussian", "constant"] = "gaussian"
    padding: Literal["constant", "replicate"] = "constant"
    largest: tuple[Annotated[int, Field(ge=1, le=254)], ...] = ()

    @model_validator(mode="after")
    def _each_axis_once(self) -> Recipe:
        wanted = sorted(("columns", "rows", "slices")[: len(self.window)])
        if self.axes and sorted(axis.lstrip("-") for axis in self.axes) != wanted:
            raise ValueError("axes: each axis of the window once")
        return self

    @property
    def window(self) -> tuple[int, ...]:
        """Shape that the network sees."""
        return self.transforms.patch or self.transforms.size or ()

    def build(self) -> nn.Module:
        """Return the network, with chance weights."""
        sizes = {"dims": len(self.window), "channels": self.channels, "classes": len(self.classes)}
        return build_network(self.network, kind=self.kind, **sizes)

    def build_empty(self) -> nn.Module:
        """Return the network without memory for its weights, which takes no time whatever a foreign file says of its size."""
        with torch.device("meta"):
            return self.build()

    def pruned(self, labels: np.ndarray) -> np.ndarray:
        """Return labels of shape ([slices,] rows, columns) of which only the largest piece is kept, where that is asked for."""
        for label in self.largest:
            pieces, count = ndimage.label(labels == label, np.ones((3,) * labels.ndim))
            if count > 1:
                sizes = np.bincount(pieces.ravel())
                labels = np.where((pieces > 0) & (pieces != sizes[1:].argmax() + 1), 0, labels)
        return labels

    def turned(self, image: np.ndarray) -> np.ndarray:
        """Return a prepared image of shape (channels, [slices,] rows, columns) with the axes that the network was trained with."""
        order, backwards = self._turn()
        moved = image.transpose(0, *(1 + axis for axis in order)) if order else image
        return np.ascontiguousarray(np.flip(moved, [1 + axis for axis in backwards]))

    def turned_back(self, labels: np.ndarray) -> np.ndarray:
        """Return what a network says of an image from :meth:`turned`, of shape ([slices,] rows, columns), with our axes."""
        order, backwards = self._turn()
        return np.flip(labels, backwards).transpose(np.argsort(order)) if order else labels

    def _turn(self) -> tuple[list[int], list[int]]:
        """Return which of our axes stands where, and those that then run backwards."""
        ours = ("slices", "rows", "columns")[3 - len(self.window) :]
        return [ours.index(axis.lstrip("-")) for axis in self.axes], [place for place, axis in enumerate(self.axes) if axis[0] == "-"]
