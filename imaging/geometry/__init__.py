"""Where frames lie in the patient, and whether together they make a volume: pure functions over headers, no pixels."""

from imaging.geometry.frames import Frame, frames_of
from imaging.geometry.verdict import TOLERANCES, Geometry, Reason, Verdict, judge

__all__ = ["TOLERANCES", "Frame", "Geometry", "Reason", "Verdict", "frames_of", "judge"]
