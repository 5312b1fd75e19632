"""A U-Net of plain convolutions, two a level, as nnU-Net builds them (Isensee et al. 2021), from MONAI's blocks.

MONAI's DynUNet is the same network, but holds each of its layers under two names: its weights would be kept, and averaged, twice.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from monai.networks.blocks.dynunet_block import UnetBasicBlock, UnetOutBlock, UnetUpBlock
from monai.networks.nets import DynUNet
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

__all__ = ["PlainUNetModule"]


class PlainUNetModule(nn.Module):
    """Convolutions down, each level at half the resolution of the one before, and up again.

    Parameters
    ----------
    dims, channels, out : int
        Axes of an image, channels in, classes out.
    widths : sequence of int
        Channels of each level, from the image's own resolution on.
    norm : str
        INSTANCE or BATCH.
    """

    def __init__(self, dims: int, channels: int, out: int, *, widths: Sequence[int], norm: str) -> None:
        super().__init__()
        kind = (norm, {"affine": True})
        self.first = UnetBasicBlock(dims, channels, widths[0], 3, 1, kind)
        self.down = nn.ModuleList(UnetBasicBlock(dims, above, below, 3, 2, kind) for above, below in pairwise(widths))
        self.up = nn.ModuleList(UnetUpBlock(dims, below, above, 3, 2, 2, kind) for above, below in pairwise(widths))
        self.last = UnetOutBlock(dims, widths[0], out)
        self.apply(DynUNet.initialize_weights)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the scores of the classes.

        Parameters
        ----------
        image : Tensor of shape (n, channels, [slices,] rows, columns)
            Lengths are multiples of 2 to the number of levels less one.

        Returns
        -------
        Tensor of shape (n, classes, [slices,] rows, columns)
        """
        levels = [self.first(image)]
        for down in self.down:
            levels.append(down(levels[-1]))
        found = levels.pop()
        for up, beside in zip(reversed(self.up), reversed(levels), strict=True):
            found = up(found, beside)
        return self.last(found)
