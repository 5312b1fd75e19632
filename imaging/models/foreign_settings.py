"""What the configuration of a MONAI bundle means in our words; none of it is evaluated.

MONAI builds objects from ``_target_`` and evaluates every text that begins with ``$``. Here four parts are read as data: the network, the
preparing, the inferer and what is made of its output. What is not among the steps that are understood
(:mod:`imaging.models.foreign_steps`), or is an expression, is refused by its name, because what it does would otherwise be left out
without a word.
The rest (data sets, handlers, imports, runs) is not looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from imaging.errors import ModelError, TaskError
from imaging.models.foreign_steps import AFTER, ANYWHERE, INFERERS, NETWORKS, OURS_AFTER, PREPARING, SCALES, Simple, SlidingWindow
from imaging.models.recipe import Recipe

if TYPE_CHECKING:
    from imaging.models.foreign_steps import Network, Orientation, Step

__all__ = ["recipe_of"]

_REFERENCE = re.compile(r"\$?@[A-Za-z0-9_#:]+")

_DEEPEST = 16


# Reading --------------------------------------------------------------------------------------------------------------


class _Named(NamedTuple):
    """A ``_target_`` with its arguments, where it stands."""

    place: str
    name: str
    arguments: dict[str, Any]

    def as_one_of(self, table: dict[str, type[Step]], config: dict[str, Any]) -> Any:
        """Return it checked, or refuse it by its name."""
        if self.name not in table:
            raise ModelError(f"{self.place}: {self.name!a} is not understood", hint=f"understood here: {', '.join(table)}")
        kind = table[self.name]
        given = {name: _plain(each, config, f"{self.place}.{name}") for name, each in self.arguments.items() if name not in kind.ignored}
        try:
            return kind(**given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ModelError(
                f"{self.place}, {self.name}.{where}: {first['msg']}", hint="what this setting does is not done here: it would be wrong"
            ) from None


def _plain(value: Any, config: dict[str, Any], place: str, depth: int = 0) -> Any:
    """Return a value with its references followed; expressions are refused."""
    if depth > _DEEPEST:
        raise ModelError(f"{place}: references or lists within each other, more than {_DEEPEST} deep")
    if isinstance(value, list):
        return [_plain(each, config, place, depth + 1) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each, config, f"{place}.{name}", depth + 1) for name, each in value.items()}
    if not isinstance(value, str) or value[:1] not in ("$", "@", "%"):
        return value
    if not _REFERENCE.fullmatch(value):
        raise ModelError(f"{place} is an expression, {value[:60]!a}", hint="expressions are never evaluated: write the value there")
    found: Any = config
    for name in re.split("#|::", value.lstrip("$@")):
        found = found.get(name) if isinstance(found, dict) else None
    if found is None:
        raise ModelError(f"{place}: there is no {value[:60]!a} in the configuration")
    return _plain(found, config, place, depth + 1)


def _named(value: Any, config: dict[str, Any], place: str) -> _Named:
    """Return a step; only what it is called is read as yet, for its arguments may be of those that do not matter."""
    if isinstance(value, str):
        value = _plain(value, config, place)
    target = value.get("_target_") if isinstance(value, dict) else None
    if not isinstance(target, str):
        raise ModelError(f"{place}: found no _target_", hint="wanted configs/inference.json or .yaml as the MONAI Model Zoo has them")
    name = target.rpartition(".")[2] if target.startswith("monai.") else target
    return _Named(place, name, {key: each for key, each in value.items() if key != "_target_"})


def _steps(config: dict[str, Any], part: str) -> list[_Named]:
    whole = _named(config.get(part), config, part)
    if whole.name != "Compose":
        return [whole]
    listed = whole.arguments.get("transforms")
    if isinstance(listed, str):
        listed = _reference(listed, config, f"{part}.transforms")
    if not isinstance(listed, list):
        raise ModelError(f"{part}: found no list of transforms")
    return [_named(each, config, f"{part}.{number}") for number, each in enumerate(listed)]


def _reference(value: str, config: dict[str, Any], place: str) -> Any:
    """Return what a reference names, not yet looked into."""
    if not _REFERENCE.fullmatch(value) or "#" in value or ":" in value:
        raise ModelError(f"{place} is an expression, {value[:60]!a}", hint="expressions are never evaluated")
    return config.get(value.lstrip("$@"))


# Meaning --------------------------------------------------------------------------------------------------------------

#: Modality as MONAI's metadata name it -> DICOM's.
_MODALITIES = {"CT": ("CT",), "MR": ("MR",), "MRI": ("MR",)}


def recipe_of(config: dict[str, Any], metadata: dict[str, Any]) -> Recipe:
    """Return what a MONAI bundle's configuration and metadata ask for.

    Parameters
    ----------
    config : dict
        Of configs/inference.json or .yaml.
    metadata : dict
        Of configs/metadata.json.

    Returns
    -------
    Recipe

    Raises
    ------
    ModelError
        If a part is not understood; its place and name are said.
    """
    network = _named(config.get("network_def"), config, "network_def").as_one_of(NETWORKS, config)
    steps = _prepared(config)
    largest = _after(config)
    tensor, classes = _formats(metadata, network)
    axes = _axes(steps.get("Orientationd"), network.spatial_dims)
    inferer = _named(config.get("inferer"), config, "inferer").as_one_of(INFERERS, config)
    transforms = {"spacing_mm": _spacing(steps, axes), **_scale(steps, tensor), **_size(network, inferer, steps, axes)}
    blending = (
        {"overlap": inferer.overlap, "blend": inferer.mode, "padding": inferer.padding_mode} if isinstance(inferer, SlidingWindow) else {}
    )
    try:
        recipe = Recipe(
            kind=network.kind,
            classes=classes,
            channels=network.in_channels,
            modalities=_MODALITIES.get(tensor.get("modality"), ()),
            transforms=transforms,
            network=network.ours(),
            axes=axes,
            largest=largest,
            **blending,
        )
        recipe.build_empty()
    except (ValidationError, TaskError) as error:
        raise ModelError(f"the configuration makes no model that can be built here ({type(error).__name__})") from error
    return recipe


def _prepared(config: dict[str, Any]) -> dict[str, Any]:
    """Return the steps of preparing by name, once they stand in an order that ours can follow."""
    order, found, keys = [name for name in PREPARING if name not in SCALES], {}, set()
    rank = {name: order.index(name) if name in order else len(order) for name in PREPARING}
    for step in _steps(config, "preprocessing"):
        checked = step.as_one_of(PREPARING | ANYWHERE, config)
        keys.add(checked.key)
        if step.name in ANYWHERE:
            continue
        if step.name in found or any(rank[name] > rank[step.name] for name in found):
            raise ModelError(f"{step.place}: {step.name} comes after {list(found)[-1]}", hint=f"the order here: {', '.join(PREPARING)}")
        found[step.name] = checked
    if len(keys) != 1:
        raise ModelError(f"preprocessing works on {len(keys)} images, wanted one", hint="several images a case are not understood here")
    return found


def _after(config: dict[str, Any]) -> tuple[int, ...]:
    """Return the labels of which the largest piece is kept, once all that is made of the output is understood."""
    known = [step for step in _steps(config, "postprocessing") if step.name not in OURS_AFTER]
    found = {step.name: step.as_one_of(AFTER, config) for step in known}
    if not found.keys() & {"Activationsd", "AsDiscreted"}:
        raise ModelError("postprocessing has neither softmax nor argmax", hint="classes that exclude each other are what is understood")
    largest = found.get("KeepLargestConnectedComponentd")
    if largest and "AsDiscreted" not in list(found)[: list(found).index("KeepLargestConnectedComponentd")]:
        raise ModelError("postprocessing: KeepLargestConnectedComponentd comes before AsDiscreted", hint="it is done on labels here")
    return largest.applied_labels if largest else ()


def _formats(metadata: dict[str, Any], network: Network) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what the metadata say of the input, and the names of the classes."""
    formats = metadata.get("network_data_format")
    sides = [formats.get(side) for side in ("inputs", "outputs")] if isinstance(formats, dict) else [None, None]
    if not all(isinstance(side, dict) and len(side) == 1 and isinstance(next(iter(side.values())), dict) for side in sides):
        raise ModelError("metadata: network_data_format says not of one input and one output what they are")
    image, answer = (next(iter(side.values())) for side in sides)
    for tensor, wanted in ((image, network.in_channels), (answer, network.out_channels)):
        if tensor.get("num_channels") != wanted:
            raise ModelError(f"metadata say {tensor.get('num_channels')!a} channels, the network has {wanted}")
    names = answer.get("channel_def") if isinstance(answer.get("channel_def"), dict) else {}
    classes = tuple(str(names.get(str(number), f"class {number}"))[:64] for number in range(network.out_channels))
    return image, classes


def _axes(orientation: Orientation | None, dims: int) -> tuple[str, ...]:
    """Return our axes in the order of the network's; a minus where it runs the other way. Files are read (column, row, slice)."""
    if orientation is None:
        return ("columns", "rows", "slices")[:dims]
    ours = {"L": "columns", "R": "-columns", "P": "rows", "A": "-rows", "S": "slices", "I": "-slices"}
    axes = tuple(ours[letter] for letter in orientation.axcodes)
    if dims != 3 or len({name.lstrip("-") for name in axes}) != 3:
        raise ModelError(f"Orientationd.axcodes: found {orientation.axcodes} for {dims} axes, wanted one of L/R, A/P and S/I each")
    return axes


def _in_our_order(values: tuple, axes: tuple[str, ...]) -> tuple:
    by_name = dict(zip((name.lstrip("-") for name in axes), values, strict=True))
    return tuple(by_name[name] for name in ("slices", "rows", "columns") if name in by_name)


def _spacing(steps: dict[str, Any], axes: tuple[str, ...]) -> tuple[float, ...] | None:
    if ("Spacingd" in steps) != ("Orientationd" in steps):
        raise ModelError("preprocessing has one of Orientationd and Spacingd alone", hint="images are turned and resampled together here")
    return _in_our_order(steps["Spacingd"].pixdim, axes) if "Spacingd" in steps else None


def _scale(steps: dict[str, Any], tensor: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in steps if name in SCALES]
    least_most, bounds, normal = (steps.get(name) for name in SCALES)
    if not names or (bounds and normal):
        raise ModelError(f"preprocessing: found {len(names)} steps that decide the scale, wanted one of {', '.join(SCALES)}")
    if least_most and names[0] != names[-1] and names[0] == "ScaleIntensityd" and (bounds or normal.nonzero):
        raise ModelError(f"preprocessing: ScaleIntensityd comes before {names[-1]}", hint="the other order is understood")
    if tensor["num_channels"] > 1 and not bounds and not (normal and normal.channel_wise):
        raise ModelError("NormalizeIntensityd.channel_wise: channels are normalised one by one here")
    # A linear scaling before a normalisation changes nothing, and neither does a normalisation before a linear scaling.
    found = {"rescale": (least_most.minv, least_most.maxv)} if least_most and names[-1] == "ScaleIntensityd" else {}
    if bounds:
        hounsfield = tensor.get("format") == "hounsfield" or tensor.get("modality") == "CT"
        return found | {"window_hu" if hounsfield else "value_range": (bounds.a_min, bounds.a_max)}
    return found | {"nonzero": normal.nonzero if normal else False}


def _size(network: Network, inferer: SlidingWindow | Simple, steps: dict[str, Any], axes: tuple[str, ...]) -> dict[str, Any]:
    resized = steps.get("Resized")
    if network.kind == "segmentation":
        if not isinstance(inferer, SlidingWindow) or resized or len(inferer.roi_size) != network.spatial_dims:
            raise ModelError("inferer: a segmentation is asked by SlidingWindowInferer here, with a roi_size for each axis and no Resized")
        return {"patch": inferer.roi_size}
    if not isinstance(inferer, Simple) or resized is None or len(resized.spatial_size) != network.spatial_dims:
        raise ModelError("a classification is asked by SimpleInferer here, of images that Resized brings to one size")
    return {"size": _in_our_order(resized.spatial_size, axes)}
