"""The steps of a MONAI bundle's configuration that are understood, with the arguments that they may have.

Each class is named by what it is; the tables at the end give MONAI's names. An argument that is left out has MONAI's default; one that
would change the result in a way that is not done here has a type with one value.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from imaging.errors import ModelError

__all__ = [
    "AFTER",
    "ANYWHERE",
    "INFERERS",
    "NETWORKS",
    "OURS_AFTER",
    "PREPARING",
    "SCALES",
    "Network",
    "Orientation",
    "Simple",
    "SlidingWindow",
    "Step",
]


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


_Count = Annotated[int, Field(ge=1, le=4096)]
_Norm = Annotated[Literal["INSTANCE", "BATCH"], BeforeValidator(_upper)]
_Prelu = Annotated[Literal["PRELU"], BeforeValidator(_upper)]
_Zero, _One = Annotated[float, Field(ge=0, le=0)], Annotated[float, Field(ge=1, le=1)]


class Step(BaseModel):
    """A step that is understood; `ignored` names arguments without bearing on the result."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    ignored: ClassVar[frozenset[str]] = frozenset({"_desc_", "allow_missing_keys"})


class _Keyed(Step):
    keys: str | Annotated[list[str], Field(min_length=1, max_length=1)]

    @property
    def key(self) -> str:
        """What of the case it works on."""
        return self.keys if isinstance(self.keys, str) else self.keys[0]


# Networks -------------------------------------------------------------------------------------------------------------


class Network(Step):
    """What networks have in common; ``ours()`` gives the settings of our table's network."""

    kind: ClassVar[str] = "segmentation"
    spatial_dims: Annotated[int, Field(ge=2, le=3)]
    in_channels: _Count
    out_channels: Annotated[int, Field(ge=2, le=255)]


class UNet(Network):
    channels: tuple[_Count, ...]
    strides: tuple[Annotated[int, Field(ge=1, le=2)], ...]
    num_res_units: Annotated[int, Field(ge=0, le=8)] = 0
    norm: _Norm = "INSTANCE"
    act: _Prelu = "PRELU"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    kernel_size: Literal[3] = 3
    up_kernel_size: Literal[3] = 3
    bias: Literal[True] = True
    adn_ordering: Literal["NDA"] = "NDA"

    def ours(self) -> dict[str, Any]:
        """Return the settings of our table's network."""
        if len(self.strides) != len(self.channels) - 1 or any(stride != 2 for stride in self.strides[1:]):
            raise ModelError(
                f"network_def.strides: found {list(self.strides)}, wanted one fewer than channels, all 2 (or 1 for the first)",
                hint="a network of other strides is not in our table",
            )
        return {
            "name": "unet",
            "channels": self.channels,
            "first_stride": self.strides[0],
            "residual_units": self.num_res_units,
            "norm": self.norm,
            "dropout": self.dropout,
        }


class SegResNet(Network):
    spatial_dims: Annotated[int, Field(ge=2, le=3)] = 3
    init_filters: _Count = 8
    blocks_down: tuple[_Count, ...] = (1, 2, 2, 4)
    blocks_up: tuple[_Count, ...] = (1, 1, 1)
    dropout_prob: Annotated[float, Field(ge=0, lt=1)] | None = None
    upsample_mode: Literal["nontrainable"] = "nontrainable"

    def ours(self) -> dict[str, Any]:
        """Return the settings of our table's network."""
        return {
            "name": "segresnet",
            "init_filters": self.init_filters,
            "blocks_down": self.blocks_down,
            "blocks_up": self.blocks_up,
            "dropout": self.dropout_prob or 0.0,
        }


class DenseNet(Network):
    kind: ClassVar[str] = "classification"
    ignored: ClassVar[frozenset[str]] = Step.ignored | {"pretrained", "progress"}
    init_features: _Count = 64
    growth_rate: _Count = 32
    block_config: tuple[_Count, ...] = (6, 12, 24, 16)
    bn_size: _Count = 4
    dropout_prob: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def ours(self) -> dict[str, Any]:
        """Return the settings of our table's network."""
        return {
            "name": "densenet",
            "init_features": self.init_features,
            "growth_rate": self.growth_rate,
            "block_config": self.block_config,
            "bn_size": self.bn_size,
            "dropout": self.dropout_prob,
        }


# Steps before and after -----------------------------------------------------------------------------------------------


class Loaded(_Keyed):
    ignored: ClassVar[frozenset[str]] = Step.ignored | {"image_only", "reader"}
    ensure_channel_first: bool = False


class ChannelFirst(_Keyed):
    ignored: ClassVar[frozenset[str]] = Step.ignored | {"channel_dim", "strict_check"}


class Typed(_Keyed):
    ignored: ClassVar[frozenset[str]] = Step.ignored | {"device", "track_meta", "data_type"}


class Orientation(_Keyed):
    """Axes turned to the patient's."""

    ignored: ClassVar[frozenset[str]] = Step.ignored | {"labels"}
    axcodes: Annotated[str, Field(pattern=r"^[LRAPSI]{3}$")]


class Spacing(_Keyed):
    pixdim: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=3, max_length=3)]
    mode: Literal["bilinear"] | tuple[Literal["bilinear"]] = "bilinear"
    padding_mode: Literal["border"] = "border"
    align_corners: Literal[False] = False


class Resized(_Keyed):
    spatial_size: Annotated[tuple[_Count, ...], Field(min_length=2, max_length=3)]
    mode: Literal["bilinear", "trilinear"]
    anti_aliasing: Literal[True]


class Range(_Keyed):
    a_min: float
    a_max: float
    b_min: _Zero
    b_max: _One
    clip: Literal[True]


class MinMax(_Keyed):
    minv: float = 0.0
    maxv: float = 1.0
    factor: None = None
    channel_wise: Literal[False] = False


class Normal(_Keyed):
    nonzero: bool = False
    channel_wise: bool = False


class SlidingWindow(Step):
    """Window by window."""

    ignored: ClassVar[frozenset[str]] = Step.ignored | {
        "sw_batch_size",
        "sw_device",
        "device",
        "progress",
        "cache_roi_weight_map",
        "cpu_thresh",
    }
    roi_size: Annotated[tuple[_Count, ...], Field(min_length=2, max_length=3)]
    overlap: Annotated[float, Field(ge=0, lt=1)] = 0.25
    mode: Literal["gaussian", "constant"] = "constant"
    padding_mode: Literal["constant", "replicate"] = "constant"


class Simple(Step):
    """The whole image at once."""


class Activations(_Keyed):
    softmax: Literal[True]
    sigmoid: Literal[False] = False


class Largest(_Keyed):
    applied_labels: tuple[Annotated[int, Field(ge=1, le=254)], ...]
    independent: Literal[True] = True
    num_components: Literal[1] = 1


class Discrete(_Keyed):
    ignored: ClassVar[frozenset[str]] = Step.ignored | {"to_onehot"}
    argmax: Literal[True]


NETWORKS = {"UNet": UNet, "SegResNet": SegResNet, "DenseNet": DenseNet, "DenseNet121": DenseNet}

#: In the order in which they may stand, but for the last three, which stand in any; what does nothing to the values stands anywhere.
PREPARING = {
    "LoadImaged": Loaded,
    "EnsureChannelFirstd": ChannelFirst,
    "Orientationd": Orientation,
    "Spacingd": Spacing,
    "Resized": Resized,
    "ScaleIntensityd": MinMax,
    "ScaleIntensityRanged": Range,
    "NormalizeIntensityd": Normal,
}
SCALES = ("ScaleIntensityd", "ScaleIntensityRanged", "NormalizeIntensityd")
ANYWHERE = {"EnsureTyped": Typed, "ToTensord": Typed}
INFERERS = {"SlidingWindowInferer": SlidingWindow, "SimpleInferer": Simple}
AFTER = {"Activationsd": Activations, "AsDiscreted": Discrete, "KeepLargestConnectedComponentd": Largest}

#: They write files or bring the mask back onto the image, which is done by ours.
OURS_AFTER = ("Invertd", "SaveImaged", "SaveClassificationd", "EnsureTyped", "ToTensord")
