"""What a verdict rests on, as codes with numbers; how far is too far, as data. Another language words the codes elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

__all__ = ["REASONS", "TOLERANCES", "Reason", "Tolerances", "Verdict"]


class Verdict(StrEnum):
    """What is true of a series' geometry; more than one may be. The order is that in which they are listed."""

    #: Equal steps along the normal of the slices.
    REGULAR = "regular"
    #: Equal steps, of which some are missing.
    GAP = "gap"
    #: Steps that are not equal.
    IRREGULAR = "irregular"
    #: Steps aslant to the slices (gantry tilt).
    SHEARED = "sheared"
    #: Frames of more than one volume.
    MULTI_STACK = "multi_stack"
    #: Frames of one file, with functional groups or without.
    MULTI_FRAME = "multi_frame"
    #: A scout view, taken to plan others.
    LOCALISER = "localiser"
    #: Pixels are colours, not measurements.
    COLOUR = "colour"
    #: One frame.
    SINGLE = "single"
    #: No position or orientation that can be used.
    UNPLACED = "unplaced"
    #: No pixel spacing in the patient.
    UNCALIBRATED = "uncalibrated"
    #: Slices laid out as tiles of one frame (Siemens).
    MOSAIC = "mosaic"


class Tolerances(NamedTuple):
    """How far is still the same. Each number has its source.

    Parameters
    ----------
    step_share : float
        A slice may lie this share of the spacing from its even place (highdicom, ``spatial``: 1e-2; 3D Slicer,
        DICOMScalarVolumePlugin, spacingEpsilon: 1e-2).
    step_mm : float
        It may also lie this far, as positions written to one decimal do (half of the last decimal).
    step_most : float
        But never more than this share of the spacing.
    gap_mm : float
        An interval is a multiple of the spacing within this (dcm2niix, kSliceTolerance: 0.2 mm).
    gap_share : float
        And within this share of the spacing.
    shear_cosine : float
        Cosine between the step and a direction in the slice (highdicom, perpendicular tolerance: 1e-3; about 0.06 degrees).
    orientation : float
        Direction cosines of one stack differ by less (highdicom 1e-5, 3D Slicer 1e-6; wider, for cosines written to four decimals).
    pixel_share : float
        Pixel spacings of one stack differ by less than this share: a twentieth of a pixel over a matrix of 512.
    place_mm : float
        Positions closer than this along the normal are one position (3D Slicer, cornerEpsilon: 1e-3).
    stated_share : float
        Spacing Between Slices that differs by more from the positions is reported; it is never used.
    """

    step_share: float = 0.01
    step_mm: float = 0.05
    step_most: float = 0.10
    gap_mm: float = 0.2
    gap_share: float = 0.2
    shear_cosine: float = 1e-3
    orientation: float = 1e-4
    pixel_share: float = 1e-4
    place_mm: float = 1e-3
    stated_share: float = 0.01

    def step(self, spacing_mm: float) -> float:
        """Return how far in mm a slice may lie from its even place.

        Parameters
        ----------
        spacing_mm : float
            Between slices.

        Examples
        --------
        >>> [round(TOLERANCES.step(spacing), 4) for spacing in (10.0, 1.0, 0.1)]
        [0.1, 0.05, 0.01]
        """
        return max(self.step_share * spacing_mm, min(self.step_mm, self.step_most * spacing_mm))

    def multiple(self, spacing_mm: float) -> float:
        """Return how far in mm an interval may be from a multiple of the spacing.

        Parameters
        ----------
        spacing_mm : float
            Between slices.
        """
        return min(self.gap_mm, self.gap_share * spacing_mm)


#: Those that :func:`imaging.geometry.judge` uses unless others are given.
TOLERANCES = Tolerances()

#: Code -> what is said in English; braces hold the reason's numbers.
REASONS = {
    "colour": "pixels are colours ({photometric})",
    "detector_spacing": "pixel spacing is known at the detector only ({row} x {column} mm), not in the patient",
    "differs": "frames differ in {what}: {values} values",
    "duplicate_instance": "{frames} frames come a second time under the same instance UID",
    "gap": "{missing} slices are missing after slice {after}: {interval_mm} mm where the step is {step_mm} mm",
    "in_plane_shift": "slices are shifted in their planes by up to {deviation_mm} mm",
    "irregular": "steps run from {smallest_mm} to {largest_mm} mm (most after slice {after}); slices lie up to {deviation_mm} mm off",
    "localiser": "image type says LOCALIZER",
    "mosaic": "image type says MOSAIC: the slices are tiles of one frame",
    "multi_frame": "{frames} frames in {instances} instances",
    "no_spacing": "no usable pixel spacing",
    "no_thickness": "one slice without a thickness: its third dimension is unknown",
    "orientation_invalid": "direction cosines of {frames} frames are not two perpendicular unit vectors",
    "orientation_missing": "{frames} frames have no orientation",
    "orientation_unreadable": "orientation of {frames} frames is not six numbers",
    "position_missing": "{frames} frames have no position",
    "position_unreadable": "position of {frames} frames is not three numbers of less than a kilometre",
    "repeated": "{positions} positions are taken up to {times} times; told apart by {by}",
    "repeated_unexplained": "{positions} positions are taken up to {times} times, and nothing in the headers tells the frames apart",
    "sheared": "the stack leans by {degrees} degrees: {drift_mm} mm from first to last slice",
    "spacing_invalid": "pixel spacing of {frames} frames is not two positive numbers",
    "stated_spacing_differs": "Spacing Between Slices says {stated_mm} mm, positions say {found_mm} mm",
    "thickness_as_spacing": "one slice: its thickness of {thickness_mm} mm stands for the spacing",
    "thickness_varies": "slice thickness runs from {smallest_mm} to {largest_mm} mm",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that a verdict rests on.

    Parameters
    ----------
    code : str
        A key of :data:`REASONS`.
    values : dict
        The numbers and words that the code's sentence names.

    Examples
    --------
    >>> print(Reason("sheared", {"degrees": 18.5, "drift_mm": 48.2}))
    the stack leans by 18.5 degrees: 48.2 mm from first to last slice
    """

    code: str
    values: dict[str, object]

    def __str__(self) -> str:
        """Give the English sentence."""
        return REASONS[self.code].format(**self.values)


def reason(code: str, **values: object) -> Reason:
    """Return a reason whose lengths and angles are rounded to a micrometre.

    Parameters
    ----------
    code : str
        A key of :data:`REASONS`.
    **values
        What its sentence names.
    """
    return Reason(code, {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()})
