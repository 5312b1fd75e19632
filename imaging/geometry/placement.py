"""Where the slices of one stack lie: along their normal, aslant to it, evenly or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imaging.geometry.reasons import Verdict, reason
from imaging.geometry.stacks import normal_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imaging.geometry.frames import Frame
    from imaging.geometry.reasons import Reason, Tolerances

__all__ = ["Placement", "place"]


class Placement(NamedTuple):
    """How slices follow one another.

    Parameters
    ----------
    order : tuple of int
        Frames along the normal.
    origin : ndarray of shape (3,)
        Position of the first.
    step : ndarray of shape (3,) or None
        From one slice to the next, in LPS mm; None where it is not the same throughout.
    spacing_mm : float or None
        Its length along the normal.
    grid_mm : float or None
        The step between slices of a stack with gaps.
    offsets_mm : tuple of float
        Along the normal, from the first.
    deviation_mm : float
        Largest distance of a slice from its even place.
    verdicts : tuple of Verdict
        Of REGULAR, GAP, IRREGULAR, SHEARED, SINGLE.
    reasons : tuple of Reason
        Why.
    """

    order: tuple[int, ...]
    origin: np.ndarray
    step: np.ndarray | None
    spacing_mm: float | None
    grid_mm: float | None
    offsets_mm: tuple[float, ...]
    deviation_mm: float
    verdicts: tuple[Verdict, ...]
    reasons: tuple[Reason, ...]


class _Lean(NamedTuple):
    """How the stack leans: in-plane mm a mm along the normal, what is left of each slice, and what follows."""

    slope: np.ndarray
    rest_mm: float
    verdicts: tuple[Verdict, ...]
    reasons: tuple[Reason, ...]


def place(frames: Sequence[Frame], tolerances: Tolerances) -> Placement:
    """Return how the slices of one stack follow one another.

    Parameters
    ----------
    frames : sequence of Frame
        With positions, all of one orientation, no position twice.
    tolerances : Tolerances
        How far is still the same.
    """
    normal = normal_of(frames[0])
    positions = np.array([frame.position for frame in frames], float)
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    positions, offsets = positions[order], along[order] - along[order[0]]
    if len(frames) == 1:
        return _single(frames[0], positions[0], normal)
    lean = _lean(positions, offsets, normal, frames[0], tolerances)
    grid_mm, deviation, verdicts, reasons = _steps(offsets, frames, tolerances)
    even = Verdict.REGULAR in verdicts and Verdict.IRREGULAR not in lean.verdicts
    if lean.verdicts:
        verdicts = tuple(verdict for verdict in verdicts if verdict is not Verdict.REGULAR)
    step = (positions[-1] - positions[0]) / (len(frames) - 1)
    spacing = float(offsets[-1] / (len(frames) - 1))
    return Placement(
        order=tuple(order.tolist()),
        origin=positions[0],
        step=step if even else None,
        spacing_mm=spacing if even else None,
        grid_mm=grid_mm,
        offsets_mm=tuple(offsets.tolist()),
        deviation_mm=max(deviation, lean.rest_mm),
        verdicts=verdicts + lean.verdicts,
        reasons=(*reasons, *lean.reasons, *_stated(frames[0], grid_mm or spacing, tolerances)),
    )


def _single(frame: Frame, position: np.ndarray, normal: np.ndarray) -> Placement:
    thickness = frame.thickness_mm
    why = reason("thickness_as_spacing", thickness_mm=thickness) if thickness else reason("no_thickness")
    step = normal * thickness if thickness else None
    return Placement((0,), position, step, thickness, None, (0.0,), 0.0, (Verdict.SINGLE,), (why,))


def _lean(positions: np.ndarray, offsets: np.ndarray, normal: np.ndarray, frame: Frame, tolerances: Tolerances) -> _Lean:
    """Measure the lean from first to last slice, and how far slices between lie off that line."""
    within = positions - positions[0] - np.outer(offsets, normal)
    slope = within[-1] / offsets[-1]
    rest = float(np.linalg.norm(within - np.outer(offsets, slope), axis=1).max())
    verdicts, reasons = [], []
    if rest > tolerances.step(float(np.median(np.diff(offsets)))):
        verdicts.append(Verdict.IRREGULAR)
        reasons.append(reason("in_plane_shift", deviation_mm=rest))
    cosine = np.abs(np.array([frame.orientation[:3], frame.orientation[3:]]) @ slope).max() / np.hypot(1, np.linalg.norm(slope))
    if cosine > tolerances.shear_cosine:
        verdicts.append(Verdict.SHEARED)
        degrees = float(np.degrees(np.arctan(np.linalg.norm(slope))))
        reasons.append(reason("sheared", degrees=degrees, drift_mm=float(np.linalg.norm(within[-1]))))
    return _Lean(slope, rest, tuple(verdicts), tuple(reasons))


def _steps(
    offsets: np.ndarray, frames: Sequence[Frame], tolerances: Tolerances
) -> tuple[float | None, float, tuple[Verdict, ...], tuple[Reason, ...]]:
    """Say whether the steps are even, even with gaps, or neither: the grid's step, the largest deviation, verdicts, reasons."""
    intervals = np.diff(offsets)
    spacing = float(offsets[-1] / len(intervals))
    deviation = _deviation(offsets, np.arange(len(offsets)), spacing)
    if deviation <= tolerances.step(spacing):
        return None, deviation, (Verdict.REGULAR,), ()
    thickness = [frame.thickness_mm for frame in frames if frame.thickness_mm]
    varies = bool(thickness) and max(thickness) - min(thickness) > tolerances.step(min(thickness))
    counts = None if varies else _multiples(intervals, tolerances)
    extra = (reason("thickness_varies", smallest_mm=min(thickness), largest_mm=max(thickness)),) if varies else ()
    if counts is None:
        return None, deviation, (Verdict.IRREGULAR,), (_irregular(intervals, deviation), *extra)
    grid = float(offsets[-1] / counts.sum())
    left = _deviation(offsets, np.concatenate([[0], np.cumsum(counts)]), grid)
    gaps = tuple(
        reason("gap", after=int(index) + 1, missing=int(counts[index]) - 1, interval_mm=float(intervals[index]), step_mm=grid)
        for index in np.flatnonzero(counts > 1)
    )
    if left > tolerances.step(grid):
        return None, left, (Verdict.GAP, Verdict.IRREGULAR) if gaps else (Verdict.IRREGULAR,), (*gaps, _irregular(intervals, left))
    return grid, left, (Verdict.GAP,), gaps


def _multiples(intervals: np.ndarray, tolerances: Tolerances) -> np.ndarray | None:
    """Return each interval as a number of common steps, where most are one step; None where there is no such step."""
    for step in (float(np.median(intervals)), float(intervals.min())):
        counts = np.rint(intervals / step).astype(int)
        single = np.count_nonzero(counts == 1)
        fits = counts.min() >= 1 and np.abs(intervals - counts * step).max() <= tolerances.multiple(step)
        if fits and 2 * single >= len(intervals):
            return counts
    return None


def _deviation(offsets: np.ndarray, counts: np.ndarray, step: float) -> float:
    """Return how far slices lie off even places, to the nanometre: a tolerance met exactly is met."""
    return round(float(np.abs(offsets - counts * step).max()), 6)


def _irregular(intervals: np.ndarray, deviation: float) -> Reason:
    return reason(
        "irregular",
        smallest_mm=float(intervals.min()),
        largest_mm=float(intervals.max()),
        after=int(intervals.argmax()) + 1,
        deviation_mm=deviation,
    )


def _stated(frame: Frame, found_mm: float, tolerances: Tolerances) -> tuple[Reason, ...]:
    stated = frame.stated_mm
    if not stated or abs(stated - found_mm) <= tolerances.stated_share * found_mm:
        return ()
    return (reason("stated_spacing_differs", stated_mm=stated, found_mm=found_mm),)
