"""Which frames belong to one volume: what must never be mixed, and what tells repeated positions apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imaging.geometry.frames import DIMENSIONS
from imaging.geometry.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imaging.geometry.frames import Frame
    from imaging.geometry.reasons import Reason, Tolerances

__all__ = ["FAULTS", "NEVER_MIXED", "Group", "is_colour", "is_localiser", "is_mosaic", "normal_of", "partition"]

#: What a frame's faults say is missing.
FAULTS = {"position": {"position_unreadable"}, "orientation": {"orientation_unreadable", "orientation_invalid"}}

#: More clusters of nearly equal orientations than this are not looked for: beyond it only equal ones are one.
_CLUSTERS = 256

#: As many dimensions at most are taken together to tell frames apart.
_TOGETHER = 3

_CLOCKS = frozenset(dimension.keyword for dimension in DIMENSIONS if dimension.clock)
_APART = tuple(dict.fromkeys(dimension.keyword for dimension in DIMENSIONS if dimension.apart))


def is_localiser(frame: Frame) -> bool:
    """Whether the image type says so (PS3.3 C.8.2.1.1.1, value 3).

    Parameters
    ----------
    frame : Frame
        The frame.
    """
    return "LOCALIZER" in frame.image_type[2:]


def is_colour(frame: Frame) -> bool:
    """Whether pixels are colours, a palette's too.

    Parameters
    ----------
    frame : Frame
        The frame.
    """
    return frame.samples > 1 or not frame.photometric.startswith("MONOCHROME")


def is_mosaic(frame: Frame) -> bool:
    """Whether the slices of a volume are laid out as tiles, as older Siemens MR images do.

    Parameters
    ----------
    frame : Frame
        The frame.
    """
    return "MOSAIC" in frame.image_type


def _placed(frame: Frame) -> bool:
    return frame.position is not None and frame.orientation is not None


#: Name -> what has to be equal within a volume. Orientation and spacing are compared within tolerances.
NEVER_MIXED: dict[str, Callable[[Frame], object]] = {
    "SeriesInstanceUID": lambda frame: frame.series,
    "FrameOfReferenceUID": lambda frame: frame.frame_of_reference,
    "StackID": lambda frame: frame.stack,
    "Rows": lambda frame: frame.rows,
    "Columns": lambda frame: frame.columns,
    "PhotometricInterpretation": lambda frame: frame.photometric,
    "SamplesPerPixel": lambda frame: frame.samples,
    "Localizer": is_localiser,
    "Mosaic": is_mosaic,
    "ImagePositionPatient": _placed,
    "SOPInstanceUID": lambda frame: None if _placed(frame) else frame.instance,
}


class Group(NamedTuple):
    """Frames of one volume, by index, and what tells them from the others."""

    frames: list[int]
    key: dict[str, object]
    unexplained: Reason | None = None


def partition(frames: Sequence[Frame], kept: list[int], tolerances: Tolerances) -> tuple[list[Group], tuple[Reason, ...]]:
    """Return the groups of frames that make a volume each, with what they differ in.

    Parameters
    ----------
    frames : sequence of Frame
        All frames.
    kept : list of int
        Those to be grouped.
    tolerances : Tolerances
        How far is still the same.
    """
    orientations = _clusters([frames[index].orientation or () for index in kept], tolerances.orientation, relative=False)
    spacings = _clusters([frames[index].spacing_mm or () for index in kept], tolerances.pixel_share, relative=True)
    keys: dict[int, dict[str, object]] = {}
    for index, orientation, spacing in zip(kept, orientations, spacings, strict=True):
        frame = frames[index]
        keys[index] = {name: read(frame) for name, read in NEVER_MIXED.items()}
        keys[index] |= {"ImageOrientationPatient": orientation, "PixelSpacing": spacing}
    differing = _differing(keys.values())
    reasons = [reason("differs", what=name, values=values) for name, values in differing.items()]
    groups = []
    for members in _by(kept, lambda index: tuple(keys[index].values())).values():
        alike = {name: keys[members[0]][name] for name in differing}
        parts, why = _told_apart(frames, members, tolerances)
        groups += [part._replace(key=alike | part.key) for part in parts]
        reasons += why if len(parts) > 1 else []
    return groups, tuple({str(why): why for why in reasons}.values())


def normal_of(frame: Frame) -> np.ndarray:
    """Return the unit normal of a frame: the direction of a row times that of a column, in LPS.

    Parameters
    ----------
    frame : Frame
        A frame with an orientation.
    """
    normal = np.cross(frame.orientation[:3], frame.orientation[3:])
    return normal / np.linalg.norm(normal)


def _told_apart(frames: Sequence[Frame], members: list[int], tolerances: Tolerances) -> tuple[list[Group], list[Reason]]:
    """Split frames that differ in what is never one volume, or lie at the same positions, by what their headers say."""
    names = _never_one(frames, members)
    found, wholes = [], _by(members, lambda index: tuple(frames[index].dimensions.get(name) for name in names))
    for values, alike in sorted(wholes.items(), key=_sort_key):
        key = dict(zip(names, values, strict=True))
        found += [part._replace(key=key | part.key) for part in _repeated(frames, alike, tolerances)]
    times, positions = _taken([frames[index] for index in members], tolerances)
    if times == 1:
        return found, [reason("differs", what=name, values=len({part.key[name] for part in found})) for name in names]
    by = " + ".join(dict.fromkeys(name for part in found for name in part.key))
    return found, [reason("repeated", positions=positions, times=times, by=by)] if by else []


def _never_one(frames: Sequence[Frame], members: list[int]) -> tuple[str, ...]:
    """Return the fewest dimensions that keep apart what is never one volume."""
    kept: tuple[str, ...] = ()
    pieces = 1
    for name in _APART:
        more = len({tuple(frames[index].dimensions.get(each) for each in (*kept, name)) for index in members})
        if more > pieces:
            kept, pieces = (*kept, name), more
    return kept


def _repeated(frames: Sequence[Frame], members: list[int], tolerances: Tolerances) -> list[Group]:
    """Split frames that lie at the same positions by what the headers say they differ in."""
    times, positions = _taken([frames[index] for index in members], tolerances)
    if times == 1:
        return [Group(members, {})]
    places = _places([frames[index] for index in members], tolerances)
    names = _varying(frames, members, places)
    found = _explained(frames, members, places, names) or _ranked(frames, members, places, names)
    if found is None:
        return [Group(members, {}, reason("repeated_unexplained", positions=positions, times=times))]
    by, parts = found
    return [Group(part, dict(zip(by, key, strict=True))) for key, part in sorted(parts.items(), key=_sort_key)]


def _taken(members: list[Frame], tolerances: Tolerances) -> tuple[int, int]:
    """Return how often a position is taken at most, and how many are taken more than once."""
    taken = Counter(_places(members, tolerances))
    return max(taken.values()), sum(number > 1 for number in taken.values())


def _places(members: list[Frame], tolerances: Tolerances) -> list[int]:
    """Return a number for each position along the normal; frames without a position have each their own."""
    if not _placed(members[0]):
        return list(range(len(members)))
    offsets = np.array([frame.position for frame in members]) @ normal_of(members[0])
    order = np.argsort(offsets, kind="stable")
    places = np.empty(len(members), int)
    places[order] = np.concatenate([[0], np.cumsum(np.diff(offsets[order]) > tolerances.place_mm)])
    return places.tolist()


def _varying(frames: Sequence[Frame], members: list[int], places: list[int]) -> list[str]:
    """Return the dimensions that differ within a position, preferred ones first."""
    at = defaultdict(list)
    for index, spot in zip(members, places, strict=True):
        at[spot].append(frames[index].dimensions)
    names = list(dict.fromkeys(name for index in members for name in frames[index].dimensions))
    known = [dimension.keyword for dimension in DIMENSIONS]
    names.sort(key=lambda name: known.index(name) if name in known else len(known))
    return [name for name in names if any(len({there.get(name) for there in group}) > 1 for group in at.values())]


def _explained(
    frames: Sequence[Frame], members: list[int], places: list[int], names: list[str]
) -> tuple[tuple[str, ...], dict[tuple, list[int]]] | None:
    """Return the fewest stacks, by the fewest dimensions, in which no position is taken twice."""
    codes = {name: _codes([frames[index].dimensions.get(name) for index in members]) for name in names}
    spots = np.array(places)
    for together in range(1, _TOGETHER + 1):
        found = [(stacks, by) for by in combinations(names, together) if (stacks := _stacks([codes[name] for name in by], spots))]
        if found:
            by = min(found, key=lambda pair: pair[0])[1]
            return by, _by(members, lambda index, by=by: tuple(frames[index].dimensions.get(name) for name in by))
    return None


def _codes(values: list[object]) -> np.ndarray:
    known: dict[object, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values])


def _stacks(codes: list[np.ndarray], spots: np.ndarray) -> int:
    """Return how many stacks these dimensions make, 0 where a position is still taken twice or they tell every frame apart."""
    key = codes[0]
    for more in codes[1:]:
        key = np.unique(key * (int(more.max()) + 1) + more, return_inverse=True)[1]
    stacks = int(key.max()) + 1
    clear = len(np.unique(key * (int(spots.max()) + 1) + spots)) == len(spots)
    return stacks if clear and (stacks < len(spots) or spots.max() == 0) else 0


def _ranked(
    frames: Sequence[Frame], members: list[int], places: list[int], names: list[str]
) -> tuple[tuple[str, ...], dict[tuple, list[int]]] | None:
    """Return phases by the rank of a clock within each position: trigger times of one phase differ from slice to slice."""
    at = defaultdict(list)
    for index, spot in zip(members, places, strict=True):
        at[spot].append(index)
    if len({len(group) for group in at.values()}) != 1:
        return None
    for name in (name for name in names if name in _CLOCKS):
        parts = defaultdict(list)
        for group in at.values():
            values = [frames[index].dimensions.get(name) for index in group]
            if None in values or len(set(values)) != len(values) or any(isinstance(value[0], str) for value in values):
                break
            for rank, index in enumerate(sorted(group, key=lambda index, name=name: frames[index].dimensions[name]), 1):
                parts[(rank,)].append(index)
        else:
            return (f"rank of {name}",), dict(parts)
    return None


def _clusters(values: list[tuple[float, ...]], tolerance: float, *, relative: bool) -> list[tuple[float, ...]]:
    """Return for each vector the first one before it that is the same within the tolerance."""
    heads: list[tuple[float, ...]] = []
    known: dict[tuple[float, ...], tuple[float, ...]] = {}
    for value in values:
        if value in known:
            continue
        near = (head for head in heads if _near(value, head, tolerance, relative=relative)) if len(heads) < _CLUSTERS else iter(())
        known[value] = next(near, value)
        if known[value] is value:
            heads.append(value)
    return [known[value] for value in values]


def _near(one: tuple[float, ...], other: tuple[float, ...], tolerance: float, *, relative: bool) -> bool:
    if len(one) != len(other):
        return False
    return all(abs(a - b) <= tolerance * (abs(b) if relative else 1) for a, b in zip(one, other, strict=True))


def _differing(keys: Iterable[dict[str, object]]) -> dict[str, int]:
    values = defaultdict(set)
    for key in keys:
        for name, value in key.items():
            values[name].add(value)
    return {name: len(found) for name, found in values.items() if len(found) > 1}


def _by(members: Iterable[int], key: Callable[[int], tuple]) -> dict[tuple, list[int]]:
    groups = defaultdict(list)
    for index in members:
        groups[key(index)].append(index)
    return dict(groups)


def _sort_key(item: tuple[tuple, list[int]]) -> tuple:
    """Order stacks by their key, absent values first, numbers before texts."""
    return tuple((value is not None, value is not None and isinstance(value[0], str), value or ()) for value in map(_tuple, item[0])), item[
        1
    ][0]


def _tuple(value: object) -> tuple | None:
    return value if value is None or isinstance(value, tuple) else (value,)
