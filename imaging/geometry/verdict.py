"""Frames in, verdict out: whether they make a volume, which, and if not, why not. Pure; positions decide, stated values never do.

GantryDetectorTilt, SpacingBetweenSlices and SliceLocation are not used: scanners disagree about sign and meaning. The shear comes
from the positions (PS3.3 C.7.6.2.1.1), as dcm2niix and highdicom have it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from imaging.errors import GeometryError
from imaging.geometry.placement import Placement, place
from imaging.geometry.reasons import TOLERANCES, Reason, Tolerances, Verdict, reason
from imaging.geometry.stacks import FAULTS, Group, is_colour, is_localiser, is_mosaic, partition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging.geometry.frames import Frame

__all__ = ["TOLERANCES", "Geometry", "Reason", "Stack", "Tolerances", "Verdict", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Geometry:
    """What is true of where frames lie.

    Parameters
    ----------
    verdicts : tuple of Verdict
        All that hold, in the order of :class:`Verdict`.
    reasons : tuple of Reason
        What they rest on, with numbers.
    order : tuple of int
        Frames, as indices into those judged, along the normal of the slices; without a repeated instance.
    shape : tuple of 3 int or None
        Slices, rows, columns; None where frames make more than one volume.
    spacing_mm : tuple of 3 float or None
        Between slices (along their normal), rows and columns; None where one of them is not one number.
    affine : ndarray of shape (4, 4) or None
        Maps (column, row, slice, 1) to LPS mm; exact for a sheared stack too. None where no affine is true.
    offsets_mm : tuple of float
        Place of each slice along the normal, from the first; empty where frames have no place.
    deviation_mm : float
        How far a slice lies at most from the place that the affine, or even steps, give it.
    step_mm : float or None
        The common step of a stack with gaps.
    stacks : tuple of Stack
        The volumes within, where there are more than one.
    duplicates : tuple of (int, int)
        Frame kept, frame left out because it has the same instance UID and number; their pixels have to be compared.

    Notes
    -----
    Rows are stored first: arrays are (slices, rows, columns), while the affine takes (column, row, slice), as equation C.7.6.2.1-1 does.
    """

    verdicts: tuple[Verdict, ...]
    reasons: tuple[Reason, ...]
    order: tuple[int, ...]
    shape: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    affine: np.ndarray | None = None
    offsets_mm: tuple[float, ...] = ()
    deviation_mm: float = 0.0
    step_mm: float | None = None
    stacks: tuple[Stack, ...] = ()
    duplicates: tuple[tuple[int, int], ...] = ()

    def has(self, *verdicts: Verdict) -> bool:
        """Whether any of the verdicts holds.

        Parameters
        ----------
        *verdicts : Verdict
            Those asked for.
        """
        return any(verdict in self.verdicts for verdict in verdicts)

    def explain(self) -> str:
        """Return the reasons in English, one a line."""
        return "\n".join(map(str, self.reasons))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """One of several volumes in a series.

    Parameters
    ----------
    key : dict
        What tells it from the others: attribute -> value.
    geometry : Geometry
        Its own verdict; indices are those of the whole series.
    """

    key: dict[str, object]
    geometry: Geometry


def judge(frames: Sequence[Frame], *, tolerances: Tolerances = TOLERANCES) -> Geometry:
    """Return the geometry verdict of frames that came as one series.

    Parameters
    ----------
    frames : sequence of Frame
        In any order.
    tolerances : Tolerances
        How far is still the same.

    Returns
    -------
    Geometry
        The whole truth: a stack may be irregular and sheared, a series two stacks of which one has a gap.

    Raises
    ------
    GeometryError
        If there is no frame.

    Examples
    --------
    >>> from imaging.geometry.frames import Frame
    >>> plane = {"orientation": (1, 0, 0, 0, 1, 0), "spacing_mm": (0.5, 0.5), "rows": 4, "columns": 4, "dimensions": {}}
    >>> verdict = judge([Frame(position=(0.0, 0.0, z), **plane) for z in (10.0, 0.0, 5.0, 20.0)])
    >>> verdict.verdicts, verdict.order
    ((<Verdict.GAP: 'gap'>,), (1, 2, 0, 3))
    >>> verdict.explain()
    '1 slices are missing after slice 3: 10.0 mm where the step is 5.0 mm'
    """
    if not frames:
        raise GeometryError("a series has at least one frame; found none")
    kept, duplicates = _first_of_each(frames)
    groups, reasons = partition(frames, kept, tolerances)
    if duplicates:
        reasons = (*reasons, reason("duplicate_instance", frames=len(duplicates)))
    if len(groups) == 1:
        only = _judge_stack(frames, groups[0], tolerances)
        return replace(only, reasons=(*only.reasons, *reasons), duplicates=duplicates)
    stacks = tuple(Stack(key=group.key, geometry=_judge_stack(frames, group, tolerances)) for group in groups)
    common = {verdict for stack in stacks for verdict in stack.geometry.verdicts} - {Verdict.REGULAR, Verdict.SINGLE}
    return Geometry(
        verdicts=_sorted(common | {Verdict.MULTI_STACK}),
        reasons=(*reasons, *_without_repeats(reason for stack in stacks for reason in stack.geometry.reasons)),
        order=tuple(index for stack in stacks for index in stack.geometry.order),
        deviation_mm=max(stack.geometry.deviation_mm for stack in stacks),
        stacks=stacks,
        duplicates=duplicates,
    )


def _judge_stack(frames: Sequence[Frame], group: Group, tolerances: Tolerances) -> Geometry:
    """Judge frames that are alike in everything but their position."""
    members = [frames[index] for index in group.frames]
    verdicts, reasons = _of_content(members)
    first = members[0]
    shape = (len(members), first.rows, first.columns)
    if group.unexplained is not None:
        return Geometry(
            verdicts=_sorted(verdicts | {Verdict.MULTI_STACK}), reasons=(group.unexplained, *reasons), order=tuple(group.frames)
        )
    if first.position is None or first.orientation is None:
        verdicts |= {Verdict.UNPLACED} | ({Verdict.SINGLE} if len(members) == 1 else set())
        return Geometry(verdicts=_sorted(verdicts), reasons=(*_unplaced(members), *reasons), order=tuple(group.frames), shape=shape)
    placement = place(members, tolerances)
    calibrated = first.spacing_mm is not None and Verdict.MOSAIC not in verdicts
    even = placement.step is not None
    return Geometry(
        verdicts=_sorted(verdicts | set(placement.verdicts)),
        reasons=(*placement.reasons, *reasons),
        order=tuple(group.frames[position] for position in placement.order),
        shape=shape,
        spacing_mm=(placement.spacing_mm, *first.spacing_mm) if even and calibrated else None,
        affine=_affine(first, placement) if even and calibrated else None,
        offsets_mm=placement.offsets_mm,
        deviation_mm=placement.deviation_mm,
        step_mm=placement.grid_mm,
    )


def _affine(first: Frame, placement: Placement) -> np.ndarray:
    affine = np.eye(4)
    row_mm, column_mm = first.spacing_mm
    affine[:3, 0] = np.array(first.orientation[:3]) * column_mm
    affine[:3, 1] = np.array(first.orientation[3:]) * row_mm
    affine[:3, 2], affine[:3, 3] = placement.step, placement.origin
    affine.setflags(write=False)
    return affine


def _of_content(members: list[Frame]) -> tuple[set[Verdict], list[Reason]]:
    """Return what follows from the frames' own headers, wherever they lie."""
    first, verdicts, reasons = members[0], set(), []
    if any(frame.multi_frame for frame in members):
        verdicts.add(Verdict.MULTI_FRAME)
        reasons.append(reason("multi_frame", frames=len(members), instances=len({frame.instance for frame in members})))
    if is_localiser(first):
        verdicts.add(Verdict.LOCALISER)
        reasons.append(reason("localiser"))
    if is_colour(first):
        verdicts.add(Verdict.COLOUR)
        reasons.append(reason("colour", photometric=first.photometric))
    if is_mosaic(first):
        verdicts.add(Verdict.MOSAIC)
        reasons.append(reason("mosaic"))
    if first.spacing_mm is None:
        verdicts.add(Verdict.UNCALIBRATED)
        row, column = first.detector_mm or (0.0, 0.0)
        reasons.append(reason("detector_spacing", row=row, column=column) if first.detector_mm else reason("no_spacing"))
    faults = Counter(fault for frame in members for fault in frame.faults)
    return verdicts, reasons + [reason(fault, frames=times) for fault, times in sorted(faults.items())]


def _unplaced(members: list[Frame]) -> list[Reason]:
    """Return what is missing where nothing was unreadable; the unreadable is named by the frames' faults."""
    found = []
    for name in ("position", "orientation"):
        missing = sum(getattr(frame, name) is None and not FAULTS[name] & set(frame.faults) for frame in members)
        found += [reason(f"{name}_missing", frames=missing)] if missing else []
    return found


def _first_of_each(frames: Sequence[Frame]) -> tuple[list[int], tuple[tuple[int, int], ...]]:
    seen: dict[tuple[str, int], int] = {}
    kept, duplicates = [], []
    for index, frame in enumerate(frames):
        before = seen.setdefault((frame.instance, frame.number), index) if frame.instance else index
        if before == index:
            kept.append(index)
        else:
            duplicates.append((before, index))
    return kept, tuple(duplicates)


def _sorted(verdicts: set[Verdict]) -> tuple[Verdict, ...]:
    return tuple(verdict for verdict in Verdict if verdict in verdicts)


def _without_repeats(reasons: object) -> list[Reason]:
    found = {str(reason): reason for reason in reasons}
    return list(found.values())
