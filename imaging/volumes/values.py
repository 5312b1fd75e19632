"""From stored values to what they mean: rescale, unit, and the array type that holds every value exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydicom.uid import ParametricMapStorage

from imaging.errors import ImageDataError
from imaging.geometry.attributes import count, items, named, numbers, present, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydicom.dataset import Dataset

    from imaging.volumes.formats import PixelFormat

__all__ = ["SEQUENCES", "TOP_LEVEL", "Meaning", "apply", "array_type", "meanings_of"]

#: Attributes that a reader has to keep for :func:`meanings_of`.
TOP_LEVEL = (
    *("SOPClassUID", "Modality", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "Units", "DoseUnits", "DoseGridScaling"),
)
SEQUENCES = ("ModalityLUTSequence", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")

#: Unit of values without a rescale type, by modality: CT is in Hounsfield units (PS3.3 C.11.1.1.2), PET and dose name theirs.
_CT_TYPES = ("", "HU", "HU_MOD")


class Meaning(NamedTuple):
    """What the stored values of one frame mean: value = slope x stored + intercept, in a unit (PS3.3 C.11.1).

    Parameters
    ----------
    slope, intercept : float
        Of the linear rescale.
    unit : str
        HU, BQML, GML, CNTS, GY, or what Rescale Type says; empty where the header names none.
    table : tuple of (int, tuple of int) or None
        First stored value and values of a Modality LUT, which then stands for the linear rescale.
    stated : bool
        Whether the header says so; where it says nothing, values are as stored.
    """

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = ""
    table: tuple[int, tuple[int, ...]] | None = None
    stated: bool = True


def meanings_of(dataset: Dataset, frames: int) -> list[Meaning]:
    """Return what the values of each frame mean.

    Parameters
    ----------
    dataset : Dataset
        Header of one instance.
    frames : int
        How many frames it has.

    Returns
    -------
    list of Meaning
        One a frame.

    Raises
    ------
    ImageDataError
        If slope, intercept or dose scaling stand there and are no numbers, one of the first two is missing, or the slope is 0.

    Examples
    --------
    >>> from pydicom.dataset import Dataset
    >>> dataset = Dataset()
    >>> dataset.Modality, dataset.RescaleSlope, dataset.RescaleIntercept = "CT", 1, -1024
    >>> meanings_of(dataset, 1)
    [Meaning(slope=1.0, intercept=-1024.0, unit='HU', table=None, stated=True)]
    """
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    shared = items(dataset, "SharedFunctionalGroupsSequence")[:1]
    if not groups and not shared:
        return [_meaning(dataset, dataset)] * frames
    mapped = text(dataset, "SOPClassUID") == ParametricMapStorage
    sequence = _MAPPING if mapped else _TRANSFORMATION
    common = [item for group in shared for item in items(group, sequence)]
    own = [items(group, sequence) or common for group in groups] or [common] * frames
    return [_mapped(found) if mapped else _meaning(dataset, (*found, dataset)[0]) for found in own]


_TRANSFORMATION, _MAPPING = "PixelValueTransformationSequence", "RealWorldValueMappingSequence"
_MIXED = "the files were put together from several series, or changed: ask the sender for the originals"


def apply(stored: np.ndarray, meaning: Meaning, out: np.ndarray) -> None:
    """Write the values of one frame into a slice of a volume.

    Parameters
    ----------
    stored : ndarray of shape (rows, columns)
        Stored values.
    meaning : Meaning
        What they mean.
    out : ndarray of the same shape
        Of the type that :func:`array_type` gives, which holds every value.

    Raises
    ------
    ImageDataError
        If a value is beyond what 64 bits hold.
    """
    if meaning.table is not None:
        first, values = meaning.table
        out[...] = np.asarray(values)[np.clip(stored.astype(np.int64) - first, 0, len(values) - 1)]
    elif out.dtype.kind == "f":
        try:
            with np.errstate(over="raise"):
                out[...] = stored * np.float64(meaning.slope) + meaning.intercept
        except FloatingPointError as error:
            raise ImageDataError("Rescale Slope (0028,1053): its values are beyond any number", code="header-value") from error
    elif meaning.slope == 1:
        # Sums wrap as two's complement does: the result is right because the type holds it.
        np.add(stored, np.array(int(meaning.intercept)).astype(out.dtype), out=out, dtype=out.dtype, casting="unsafe")
    else:
        out[...] = stored.astype(np.int64) * int(meaning.slope) + int(meaning.intercept)


def unit_of(meanings: Iterable[Meaning]) -> str:
    """Return the unit of the values of a volume.

    Parameters
    ----------
    meanings : iterable of Meaning
        One a frame.

    Returns
    -------
    str
        Empty where the headers name none.

    Raises
    ------
    ImageDataError
        If they do not agree, or some frames have a rescale and others have none.

    Examples
    --------
    >>> unit_of([Meaning(1, -1024, "HU"), Meaning(2, -1024, "HU")])
    'HU'
    """
    seen = dict.fromkeys(meanings)
    units = sorted({meaning.unit for meaning in seen})
    if len(units) > 1:
        raise ImageDataError(
            f"found values in {' and '.join(unit or 'no unit' for unit in units)}, wanted one unit", hint=_MIXED, code="rescale-mixed"
        )
    if len({meaning.stated for meaning in seen}) > 1:
        raise ImageDataError("found frames with a rescale and frames without, wanted all alike", hint=_MIXED, code="rescale-mixed")
    return units[0]


def array_type(pairs: Iterable[tuple[PixelFormat, Meaning]]) -> np.dtype:
    """Return the smallest type that holds every value of a volume exactly: integers where all rescales are whole, else floats.

    Parameters
    ----------
    pairs : iterable of (PixelFormat, Meaning)
        One a frame.

    Returns
    -------
    dtype
        uint8, int16, uint16, int32, int64, uint64, float32, or float64 for more than 24 bits or very large or small slopes.
    """
    low, high, whole, bits = 0, 0, True, 0
    seen = dict.fromkeys(pairs)
    for form, meaning in seen:
        bits = max(bits, form.stored)
        if form.floating:
            whole = False
            continue
        if meaning.table is not None:
            ends = meaning.table[1]
        else:
            slope, intercept = meaning.slope, meaning.intercept
            if float(slope).is_integer() and float(intercept).is_integer():
                slope, intercept = int(slope), int(intercept)  # floats of 64 bits do not hold every integer of 64
            else:
                whole = False
            ends = [slope * value + intercept for value in form.limits]
        low, high = min(low, *ends), max(high, *ends)
    if whole:
        for name in ("u1", "i2", "u2", "i4", "i8", "u8"):
            if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
                return np.dtype(name)
    floats = all(form.floating for form, _ in seen)
    single = np.finfo("f4")
    far = max(-low, high) > float(single.max) or any(abs(meaning.slope) < float(single.tiny) for _, meaning in seen)
    return np.dtype("f8" if far or bits > (32 if floats else 24) else "f4")


def _meaning(dataset: Dataset, place: Dataset) -> Meaning:
    modality = text(dataset, "Modality")
    if present(dataset, "DoseGridScaling"):
        return Meaning(_number(dataset, "DoseGridScaling", 1.0), 0.0, text(dataset, "DoseUnits"))
    table = _table(dataset)
    kind = text(place, "RescaleType")
    slope, intercept = _number(place, "RescaleSlope", 1.0), _number(place, "RescaleIntercept", 0.0)
    stated = present(place, "RescaleSlope")
    if stated != present(place, "RescaleIntercept"):
        raise ImageDataError("Rescale Slope and Intercept (0028,1052-1053): found one of them, wanted both or none", code="header-value")
    if slope == 0:
        raise ImageDataError(
            "Rescale Slope (0028,1053): found 0, wanted another number",
            hint="the header is broken: every value would be the same",
            code="header-value",
        )
    rescaled = stated or table is not None
    if modality == "CT":
        unit = "HU" if rescaled and kind in _CT_TYPES else "" if kind == "US" else kind
    else:
        unit = text(dataset, "Units") if modality == "PT" else "" if kind in ("US", "NORMALIZED") else kind
    return Meaning(slope, intercept, unit, table, rescaled)


def _mapped(found: list[Dataset]) -> Meaning:
    """Return what the values of a parametric map mean, which has no other rescale (PS3.3 C.7.6.16.2.11)."""
    if len(found) != 1 or not all(present(found[0], f"RealWorldValue{name}") for name in ("Slope", "Intercept")):
        raise ImageDataError(
            f"Real World Value Mapping Sequence (0040,9096): found {len(found)} items, wanted one with slope and intercept",
            code="header-value",
        )
    units = items(found[0], "MeasurementUnitsCodeSequence")
    slope, intercept = (_number(found[0], f"RealWorldValue{name}", 0.0) for name in ("Slope", "Intercept"))
    return Meaning(slope, intercept, text(units[0], "CodeValue") if units else "")


def _number(dataset: Dataset, keyword: str, default: float) -> float:
    if not present(dataset, keyword):
        return default
    found = numbers(dataset, keyword, 1)
    if found is None:
        raise ImageDataError(f"{named(keyword)}: found something that is no number, wanted one number", code="header-value")
    return found[0]


def _table(dataset: Dataset) -> tuple[int, tuple[int, ...]] | None:
    """Return a Modality LUT (PS3.3 C.11.1.1.1): its first input value and its outputs."""
    for item in items(dataset, "ModalityLUTSequence"):
        descriptor, data = numbers(item, "LUTDescriptor", 3), _outputs(item)
        # A length of 0 stands for 65536, which 16 bits cannot say.
        if descriptor is None or len(data) != (int(descriptor[0]) % 65_536 or 65_536):
            raise ImageDataError(
                "Modality LUT Sequence (0028,3000): found no table of the length it says", hint="the header is broken", code="header-value"
            )
        return _first(int(descriptor[1]), signed=count(dataset, "PixelRepresentation", 0) == 1), data
    return None


def _first(value: int, *, signed: bool) -> int:
    """Return the first input of a table: of the pixels' sign (PS3.3 C.11.1.1.1), whatever representation a writer gave it."""
    value %= 65_536
    return value - 65_536 if signed and value >= 32_768 else value


def _outputs(item: Dataset) -> tuple[int, ...]:
    """Return a table's outputs, which are numbers (US) or bytes (OW, or none in implicit files) as the writer liked."""
    element = item.get_item("LUTData")
    if element is not None and element.VR != "US" and isinstance(element.value, bytes):
        little = getattr(item, "original_encoding", (None, True))[1] is not False
        return tuple(np.frombuffer(element.value[: len(element.value) // 2 * 2], "<u2" if little else ">u2").tolist())
    return tuple(int(value) for value in numbers(item, "LUTData") or ())
