"""Typed errors of the imaging package: what was found, what was wanted, what to do.

The exit codes are those of the ``workbench`` command, which prints these errors as it prints its own.
"""

from __future__ import annotations

__all__ = ["GeometryError", "ImageDataError", "ImagingError", "MissingPart", "ModelError", "PlaceError", "TaskError"]


class ImagingError(Exception):
    """Base of all errors that a user of the imaging package is meant to read.

    Parameters
    ----------
    message : str
        What was found and what was wanted, without any patient's value.
    hint : str, optional
        What to do next.
    code : str, optional
        Which of the reasons it is, for another language to word; the message has the numbers.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        """Give the message, and the hint on a line of its own."""
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """Give what a notebook shows: a traceback through our code tells its reader nothing."""
        return [f"{type(self).__name__}: {self}"]


class TaskError(ImagingError):
    """A task, a policy or a setting that cannot mean anything."""

    exit_code = 3


class ImageDataError(ImagingError):
    """A file that cannot be read: not DICOM, cut short, broken, beyond the limits."""

    exit_code = 4


class GeometryError(ImagingError):
    """A series whose frames do not make the volume that was asked for."""

    exit_code = 4


class ModelError(ImagingError):
    """A bundle whose bytes differ from its card, or that this version cannot load."""

    exit_code = 7


class PlaceError(ImagingError):
    """A place that cannot be written: no room, no permission, no such folder."""

    exit_code = 8


class MissingPart(ImagingError):
    """The machine lacks an optional part: a package, an engine."""

    exit_code = 8
