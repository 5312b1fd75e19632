"""What is asked of a network, before it sees an image: frozen, checked, the same in Python and in YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from imaging.errors import TaskError
from imaging.models.data import Arrays, Catalogue, Nifti, Part
from imaging.results.coding import coding_of

__all__ = [
    "Arrays",
    "Augment",
    "Catalogue",
    "Kind",
    "Nifti",
    "Split",
    "Task",
    "Training",
    "Transforms",
    "Weights",
    "read_task",
    "write_task",
]

Kind = Literal["classification", "segmentation", "detection"]

#: What each kind of task needs: its loss, the shape that the network sees, and the forms of data.
_NEEDS = {
    "classification": ("cross_entropy", "size", ("arrays", "catalogue")),
    "segmentation": ("dice_cross_entropy", "patch", ("nifti", "catalogue")),
    "detection": ("atss", "patch", ("nifti", "catalogue")),
}

#: Most values that an axis of a prepared image may have.
_LARGEST = 4096

_Size = Annotated[tuple[Annotated[int, Field(ge=1, le=_LARGEST)], ...], Field(min_length=2, max_length=3)]
_Share = Annotated[float, Field(ge=0, lt=1)]
_Positive = Annotated[float, Field(gt=0)]


class Split(Part):
    """Patients apart: shares of them for validation and test, where the data do not say it.

    Parameters
    ----------
    validation, test : float
        Shares of the patients.
    seed : int
        Of the draw.
    leaks : str
        What becomes of a case that is also, as a patient or as the same pixels, in a part that judges it (one for training in validation or
        test, one for validation in test): the training is refused, or the case is dropped.
    """

    validation: _Share = 0.15
    test: _Share = 0.2
    seed: int = 1
    leaks: Literal["refuse", "drop"] = "refuse"

    @model_validator(mode="after")
    def _some_left(self) -> Split:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave nothing to train on")
        return self


class Transforms(Part):
    """From an image to what a network sees.

    Parameters
    ----------
    spacing_mm : tuple of float, optional
        Between slices, rows and columns; images with geometry are turned to the patient's axes and resampled to it. Omitted: as they are.
    window_hu : tuple of 2 float, optional
        Hounsfield units that become 0 and 1; refused for images that are not in HU.
    value_range : tuple of 2 float, optional
        Values that become 0 and 1, for images without a unit. Neither: each image to mean 0 and standard deviation 1.
    nonzero : bool
        Whether mean and standard deviation are those of values other than 0, and 0 stays 0: for images whose surroundings were cut away.
    rescale : tuple of 2 float, optional
        What the least and the greatest value of each image become after all that.
    size : tuple of int, optional
        Slices, rows, columns (or rows, columns) that every image is resized to; for classification.
    patch : tuple of int, optional
        What the network sees at a time; for segmentation and detection.
    """

    spacing_mm: Annotated[tuple[_Positive, _Positive, _Positive], Field()] | None = None
    window_hu: tuple[float, float] | None = None
    value_range: tuple[float, float] | None = None
    nonzero: bool = False
    rescale: tuple[float, float] | None = None
    size: _Size | None = None
    patch: _Size | None = None

    @model_validator(mode="after")
    def _one_scale(self) -> Transforms:
        if self.window_hu and self.value_range:
            raise ValueError("window_hu and value_range exclude each other")
        if self.nonzero and (self.window_hu or self.value_range):
            raise ValueError("nonzero is for images that are brought to mean 0 and standard deviation 1")
        for low, high in filter(None, (self.window_hu, self.value_range, self.rescale)):
            if not low < high:
                raise ValueError(f"found a range from {low} to {high}, wanted the smaller value first")
        return self


class Augment(Part):
    """How training images are varied; 0 is not at all.

    Parameters
    ----------
    rotate_degrees : float
        About each axis, at most.
    zoom : float
        Relative, at most.
    shift : float
        Of the patch's length, at most.
    noise, brightness, contrast : float
        Standard deviation of added noise and of a factor, in the prepared image's scale.
    gamma : float
        Standard deviation of the exponent's logarithm; for images scaled to 0..1.
    flip : tuple of str
        Axes along which either side is as likely: slices, rows, columns.
    foreground : float
        Share of patches about a labelled voxel or a box.
    """

    rotate_degrees: Annotated[float, Field(ge=0, le=180)] = 0
    zoom: _Share = 0
    shift: _Share = 0
    noise: Annotated[float, Field(ge=0)] = 0
    brightness: Annotated[float, Field(ge=0)] = 0
    contrast: Annotated[float, Field(ge=0)] = 0
    gamma: Annotated[float, Field(ge=0)] = 0
    flip: tuple[Literal["slices", "rows", "columns"], ...] = ()
    foreground: Annotated[float, Field(ge=0, le=1)] = 0.5


class Training(Part):
    """How the network learns.

    Parameters
    ----------
    epochs, batch : int
        Most passes over the training cases; cases a step, over all processes together.
    learning_rate, weight_decay : float
        Of AdamW; the rate rises for a tenth of the steps and falls to 0 by a cosine.
    patches : int
        Patches of each case in an epoch.
    loss : str
        cross_entropy for classification, dice_cross_entropy for segmentation, atss for detection (``imaging.models.retinanet``).
    balance : bool
        Whether each class weighs the same in the loss of a classification, however frequent it is.
    label_smoothing : float
        Of the cross-entropy.
    average : float
        Decay a step of the running mean of the weights, which is what is validated and kept; 0 keeps the last weights.
    patience : int
        Epochs without a better validation after which training stops.
    precision : str
        float32, or bfloat16 or float16 where the device is faster with it.
    seed : int
        Of weights, order and augmentation.
    """

    epochs: Annotated[int, Field(ge=1, le=10_000)] = 10
    batch: Annotated[int, Field(ge=1, le=4096)] = 32
    learning_rate: _Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    patches: Annotated[int, Field(ge=1, le=1000)] = 1
    loss: Literal["cross_entropy", "dice_cross_entropy", "atss"] = "cross_entropy"
    balance: bool = False
    label_smoothing: _Share = 0
    average: _Share = 0
    patience: Annotated[int, Field(ge=1)] = 10
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    seed: int = 1


class Weights(Part):
    """Weights to begin with, known by their hash.

    Parameters
    ----------
    file : str
        A safetensors file, or a state dictionary that PyTorch wrote (.pt, .pth), with the network's names.
    sha256 : str
        Of the file, as the user knows it from where the weights come from.
    """

    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Term(Part):
    """A term of a coding scheme."""

    scheme: Annotated[str, Field(min_length=1, max_length=16)] = "SCT"
    value: Annotated[str, Field(min_length=1, max_length=64)]
    meaning: Annotated[str, Field(min_length=1, max_length=64)]


class ClassCode(Term):
    """What a class is in standard codes.

    Parameters
    ----------
    category : str
        anatomical, abnormal or tissue.
    modifier : Term, optional
        Which part or side.
    """

    category: Literal["anatomical", "abnormal", "tissue"] = "anatomical"
    modifier: Term | None = None


#: DICOM's codes of modalities (PS3.3 C.7.3.1.1.1), such as CT and MR.
Modalities = tuple[Annotated[str, Field(pattern=r"^[A-Z]{2,16}$")], ...]

#: Class -> its code, or the name of a structure whose code is known (``imaging/results/structures.tsv``).
Codes = dict[str, str | ClassCode]


class Task(Part):
    """One small task.

    Parameters
    ----------
    name : str
        Short; part of every result's source.
    kind : str
        classification, segmentation or detection.
    classes : tuple of str
        Names of the labels 0, 1, ...; of a segmentation and of a detection the first is the background.
    codes : dict of str to str or ClassCode
        Class -> what it is in results: ``scheme``, ``value``, ``meaning`` of a code, or the name of a known structure, as ``anterior
        hippocampus``. Classes that it lacks go by their own names; what no name tells gets a code of the workbench's own.
    modalities : tuple of str
        Modalities of the series that the model may be asked of; any unless given.
    data : Arrays, Nifti or Catalogue
        Where the cases lie.
    split, transforms, augment, training
        See these.
    network : dict
        ``name`` of ``imaging.models.networks.NETWORKS`` and its settings.
    initial : Weights, optional
        What the network begins with; random unless given.
    flips : tuple of str
        Axes along which predictions are averaged with those of the mirrored image (test-time augmentation); not for detection.
    intended_use, licence, data_source : str
        For the card.
    min_group : int
        Fewest patients of a scanner or verdict whose results stand apart in the card.

    Examples
    --------
    >>> given = {"data": Arrays(file="a.npz"), "transforms": {"size": [28, 28]}, "network": {"name": "densenet"}}
    >>> task = Task(name="t", kind="classification", classes=("no", "yes"), **given)
    >>> task.training.batch, task.split.test
    (32, 0.2)
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    kind: Kind
    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=255)]
    codes: Codes = Field(default_factory=dict)
    modalities: Modalities = ()
    data: Annotated[Arrays | Nifti | Catalogue, Field(discriminator="form")]
    split: Split = Split()
    transforms: Transforms = Transforms()
    augment: Augment = Augment()
    network: dict[str, Any]
    initial: Weights | None = None
    training: Training = Training()
    flips: tuple[Literal["slices", "rows", "columns"], ...] = ()
    intended_use: str = ""
    licence: str = ""
    data_source: str = ""
    min_group: Annotated[int, Field(ge=1)] = 10

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(each) for each in first["loc"]) or "task"
            raise TaskError(f"task, {place}: {first['msg']}", hint="correct that key; its meaning stands in imaging.models.task") from None

    @model_validator(mode="after")
    def _whole(self) -> Task:
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a name stands twice")
        if others := sorted(self.codes.keys() - set(self.classes)):
            raise ValueError(f"codes: {others[0]} is no class")
        for name, said in self.codes.items():
            if isinstance(said, str):
                coding_of(name, 0, said)  # refuses what it does not know
        loss, shape, forms = _NEEDS[self.kind]
        if self.training.loss != loss:
            raise ValueError(f"training.loss: {self.training.loss} is not for {self.kind}, {loss} is")
        if not getattr(self.transforms, shape):
            raise ValueError(f"transforms.{shape}: a {self.kind} needs one")
        if self.data.form not in forms:
            raise ValueError(f"data.form: {self.data.form} holds no {self.kind}")
        detects = self.kind == "detection"
        if detects != bool(getattr(self.data, "boxes", None)):
            raise ValueError(f"data.boxes: a {self.kind} {'needs' if detects else 'has no'} boxes")
        if self.data.form == "nifti" and detects == bool(self.data.labels):
            raise ValueError(f"data.labels: a {self.kind} {'has no' if detects else 'needs'} label maps")
        if detects and (not self.transforms.spacing_mm or self.flips):
            raise ValueError("transforms.spacing_mm: a detection needs it; flips: it has none")
        return self

    @property
    def window(self) -> tuple[int, ...]:
        """Shape that the network sees."""
        return self.transforms.patch or self.transforms.size or ()

    @property
    def axis_spacing(self) -> tuple[float, ...] | None:
        """Spacing of the axes of :attr:`window`, in mm; None where it is not known."""
        spacing = self.transforms.spacing_mm
        return None if spacing is None or self.transforms.size else spacing[-len(self.window) :]

    def plain(self) -> dict[str, Any]:
        """Return the task as plain data, which :class:`Task` takes back."""
        return self.model_dump(mode="json")


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, which YAML would let win silently."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    pairs = [(loader.construct_object(key, deep=True), loader.construct_object(value, deep=True)) for key, value in node.value]
    keys = [str(key) for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise TaskError(f"line {node.start_mark.line + 1} has a key twice", hint="keep one of them")
    return dict(zip(keys, (value for _, value in pairs), strict=True))


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_task(path: str | Path, *, data: str | Path | None = None) -> Task:
    """Read a task from a YAML file.

    Parameters
    ----------
    path : str or Path
        The file.
    data : str or Path, optional
        Folder from which relative paths in ``data`` are meant; the file's own unless given.

    Returns
    -------
    Task
        With absolute paths.

    Raises
    ------
    TaskError
        If the file cannot be read or is no task; the path of the wrong key is named.
    """
    path = Path(path)
    try:
        given = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as error:
        raise TaskError(f"the task {path} cannot be read ({type(error).__name__})", hint="give a YAML file in UTF-8") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise TaskError(f"the task {path} is no YAML ({type(error).__name__})") from error
    if not isinstance(given, dict):
        raise TaskError(f"the task {path} holds no keys and values", hint="it begins with name:, kind:, classes:, data:")
    task = Task(**given)
    places = {
        key: str((Path(data or path.parent) / value).absolute())
        for key, value in task.data
        if key in ("file", "images", "labels", "boxes", "table", "catalogue", "root") and value
    }
    initial = task.initial and task.initial.model_copy(update={"file": str((path.parent / task.initial.file).absolute())})
    return task.model_copy(update={"data": task.data.model_copy(update=places), "initial": initial})


def write_task(task: Task, path: str | Path) -> Path:
    """Write a task as YAML; :func:`read_task` gives an equal one back.

    Parameters
    ----------
    task : Task
        With absolute paths in its data, or paths meant from the file's folder.
    path : str or Path
        The file.

    Returns
    -------
    Path
        The file.
    """
    path = Path(path)
    path.write_text(yaml.safe_dump(task.plain(), allow_unicode=True, sort_keys=False, width=120), encoding="utf-8")
    return path
