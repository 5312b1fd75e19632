"""The networks that a task or a bundle may name: a table of ours, so that nothing in a file decides what code runs.

MONAI's own bundles name classes and hold expressions that are evaluated; here a name is looked up and its settings are checked as data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from imaging.errors import TaskError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NETWORKS", "DenseNet", "PlainUNet", "ResNet", "RetinaNet", "SegResNet", "UNet", "build_network", "count_parameters", "laid_out"]

_Width = Annotated[int, Field(ge=1, le=4096)]
_Eights = Annotated[int, Field(ge=8, le=512, multiple_of=8)]
_Step = Annotated[int, Field(ge=1, le=4)]
_Length = Annotated[float, Field(gt=0, le=1024)]
_Depth = Annotated[int, Field(ge=1, le=64)]
_Norm = Literal["INSTANCE", "BATCH"]


class _Settings(BaseModel):
    """Settings of a network; :meth:`build` makes it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DenseNet(_Settings):
    """Densely connected convolutions (Huang et al. 2017), for classification."""

    name: Literal["densenet"] = "densenet"
    init_features: _Width = 16
    growth_rate: _Width = 12
    block_config: Annotated[tuple[_Depth, ...], Field(min_length=1, max_length=8)] = (4, 4, 4)
    bn_size: _Width = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def build(self, dims: int, channels: int, out: int) -> nn.Module:
        """Return the network for so many axes, channels in and classes out."""
        from monai.networks import nets

        return nets.DenseNet(
            dims,
            channels,
            out,
            init_features=self.init_features,
            growth_rate=self.growth_rate,
            block_config=self.block_config,
            bn_size=self.bn_size,
            dropout_prob=self.dropout,
        )


class ResNet(_Settings):
    """Residual convolutions (He et al. 2016), for classification; a first convolution of 3 without pooling, for small images."""

    name: Literal["resnet"] = "resnet"
    layers: Annotated[tuple[_Depth, ...], Field(min_length=4, max_length=4)] = (1, 1, 1, 1)
    channels: Annotated[tuple[_Width, ...], Field(min_length=4, max_length=4)] = (16, 32, 64, 128)
    small: bool = True

    def build(self, dims: int, channels: int, out: int) -> nn.Module:
        """Return the network for so many axes, channels in and classes out."""
        from monai.networks import nets

        return nets.ResNet(
            "basic",
            list(self.layers),
            list(self.channels),
            spatial_dims=dims,
            n_input_channels=channels,
            conv1_t_size=3 if self.small else 7,
            conv1_t_stride=1 if self.small else 2,
            no_max_pool=self.small,
            num_classes=out,
        )


class UNet(_Settings):
    """Residual U-Net (Kerfoot et al. 2018), for segmentation; with a first stride of 1 it works at the image's own resolution."""

    name: Literal["unet"] = "unet"
    channels: Annotated[tuple[_Width, ...], Field(min_length=2, max_length=8)] = (16, 32, 64, 128)
    first_stride: Literal[1, 2] = 2
    residual_units: Annotated[int, Field(ge=0, le=8)] = 1
    norm: _Norm = "INSTANCE"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def build(self, dims: int, channels: int, out: int) -> nn.Module:
        """Return the network for so many axes, channels in and classes out."""
        from monai.networks import nets

        return nets.UNet(
            dims,
            channels,
            out,
            channels=self.channels,
            strides=(self.first_stride, *(2,) * (len(self.channels) - 2)),
            num_res_units=self.residual_units,
            norm=self.norm,
            dropout=self.dropout,
        )


class PlainUNet(_Settings):
    """U-Net of plain convolutions, two a level (as nnU-Net, Isensee et al. 2021), for segmentation, at the image's own resolution."""

    name: Literal["plain_unet"] = "plain_unet"
    channels: Annotated[tuple[_Width, ...], Field(min_length=2, max_length=8)] = (16, 32, 64, 128)
    norm: _Norm = "INSTANCE"

    def build(self, dims: int, channels: int, out: int) -> nn.Module:
        """Return the network for so many axes, channels in and classes out."""
        from imaging.models.plain_unet import PlainUNetModule

        return PlainUNetModule(dims, channels, out, widths=self.channels, norm=self.norm)


class SegResNet(_Settings):
    """Residual encoder and decoder (Myronenko 2018), for segmentation."""

    name: Literal["segresnet"] = "segresnet"
    init_filters: _Eights = 16
    blocks_down: Annotated[tuple[_Depth, ...], Field(min_length=2, max_length=8)] = (1, 2, 2)
    blocks_up: Annotated[tuple[_Depth, ...], Field(min_length=1, max_length=7)] = (1, 1)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _as_many(self) -> SegResNet:
        if len(self.blocks_up) != len(self.blocks_down) - 1:
            raise ValueError("blocks_up has one level fewer than blocks_down")
        return self

    def build(self, dims: int, channels: int, out: int) -> nn.Module:
        """Return the network for so many axes, channels in and classes out."""
        from monai.networks import nets

        return nets.SegResNet(
            dims,
            self.init_filters,
            channels,
            out,
            dropout_prob=self.dropout or None,
            blocks_down=self.blocks_down,
            blocks_up=self.blocks_up,
        )


class RetinaNet(_Settings):
    """Anchors on a pyramid of features (Lin et al. 2017), for detection; steps and anchors along slices, rows and columns, in voxels."""

    name: Literal["retinanet"] = "retinanet"
    channels: Annotated[tuple[_Eights, ...], Field(min_length=1, max_length=5)] = (16, 32)
    strides: Annotated[tuple[tuple[_Step, _Step, _Step], ...], Field(min_length=1, max_length=5)] = ((1, 2, 2), (2, 2, 2))
    pyramid: _Eights = 16
    anchors: Annotated[tuple[tuple[_Length, _Length, _Length], ...], Field(min_length=1, max_length=16)] = ((1, 4, 4), (2, 8, 8))

    @model_validator(mode="after")
    def _as_many(self) -> RetinaNet:
        if len(self.strides) != len(self.channels):
            raise ValueError("strides and channels have one entry a level each")
        return self

    def build(self, dims: int, channels: int, out: int) -> nn.Module:
        """Return the network for so many axes, channels in and classes out."""
        from imaging.models.retinanet import Detector

        if dims != 3:
            raise TaskError(f"found {dims} axes, wanted 3", hint="retinanet is for volumes: transforms.patch has three lengths")
        return Detector(channels, out, widths=self.channels, strides=self.strides, pyramid=self.pyramid, anchors=self.anchors)


#: Name -> settings, and the kind of task that it is for.
NETWORKS: dict[str, tuple[type[_Settings], str]] = {
    "densenet": (DenseNet, "classification"),
    "resnet": (ResNet, "classification"),
    "unet": (UNet, "segmentation"),
    "plain_unet": (PlainUNet, "segmentation"),
    "segresnet": (SegResNet, "segmentation"),
    "retinanet": (RetinaNet, "detection"),
}


def build_network(settings: dict[str, Any], *, kind: str, dims: int, channels: int, classes: int) -> nn.Module:
    """Build a network of the table.

    Parameters
    ----------
    settings : dict
        ``name`` and what its class in this module takes.
    kind : str
        Kind of task.
    dims : int
        Axes of an image: 2 or 3.
    channels, classes : int
        In and out.

    Returns
    -------
    Module
        With weights as torch's random state gives them.

    Raises
    ------
    TaskError
        If the name is not in the table or is for another kind, or a setting is not understood.

    Examples
    --------
    >>> network = build_network({"name": "unet", "channels": [4, 8]}, kind="segmentation", dims=3, channels=1, classes=2)
    >>> count_parameters(network)
    1899
    """
    name = settings.get("name")
    table = {each: entry for each, (entry, for_kind) in NETWORKS.items() if for_kind == kind}
    if not isinstance(name, str) or name not in table:
        raise TaskError("network.name is none of those for this kind", hint=f"for {kind} there are {', '.join(table)}")
    try:
        return table[name](**settings).build(dims, channels, classes)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(each) for each in first["loc"]) or name
        raise TaskError(f"network.{place}: {first['msg']}") from None


def laid_out(network: nn.Module, dims: int, device: str) -> nn.Module:
    """Lay a network's weights in memory as it is quickest: on a CPU in space the channels last, which is 1.2 times as fast.

    Parameters
    ----------
    network : Module
        Any; it is changed in place and computes the same but for rounding.
    dims : int
        Axes of an image.
    device : str
        cpu, cuda ...

    Returns
    -------
    Module
        The network, on the device.
    """
    import torch

    if dims == 3 and device == "cpu":
        return network.to(memory_format=torch.channels_last_3d)
    return network.to(device)


def count_parameters(network: nn.Module) -> int:
    """Return how many numbers a network learns."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
