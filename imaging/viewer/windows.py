"""Windows: which values are drawn from black to white. Presets are data; a free window is two numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imaging.errors import TaskError

if TYPE_CHECKING:
    from imaging.volumes import Volume

__all__ = ["PRESETS", "Window", "chosen_window", "presets_of", "to_grey"]


class Window(NamedTuple):
    """Values that are drawn from black to white.

    Parameters
    ----------
    centre : float
        Middle grey, in the volume's unit.
    width : float
        From black to white; above 0.
    """

    centre: float
    width: float


_STANDARD_UPTAKE = {"uptake": Window(5, 10), "uptake_low": Window(2.5, 5)}

#: Unit -> name -> window. HU as in radiology departments; their own values are given as a :class:`Window`.
PRESETS: dict[str, dict[str, Window]] = {
    "HU": {
        "lung": Window(-600, 1500),
        "mediastinum": Window(40, 400),
        "bone": Window(400, 1800),
        "brain": Window(40, 80),
        "subdural": Window(75, 215),
        "stroke": Window(40, 40),
        "liver": Window(60, 160),
        "abdomen": Window(50, 350),
        "vessels": Window(200, 700),
    },
    "SUVbw": _STANDARD_UPTAKE,
    "GML": _STANDARD_UPTAKE,
}

_FIRST = {"HU": "mediastinum", "SUVbw": "uptake", "GML": "uptake"}

#: Values that are looked at for the ends of a window that fits; shares of them that are cut off at each end.
_SAMPLE, _CUT = 500_000, 0.5


def presets_of(volume: Volume) -> dict[str, Window]:
    """Return the windows that a volume is offered: those of its unit, one that fits, and all values.

    Parameters
    ----------
    volume : Volume
        Of grey values.

    Returns
    -------
    dict of str to Window
        In the order in which they are shown; ``auto`` cuts half a per cent at each end, ``full`` nothing.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> from imaging.volumes import read_volume
    >>> list(presets_of(read_volume([get_testdata_file("CT_small.dcm")])))[:3]
    ['lung', 'mediastinum', 'bone']
    """
    values = volume.array
    step = max(1, round((values.size / _SAMPLE) ** (1 / 3)))
    sample = values[::step, ::step, ::step]
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, (_CUT, 100 - _CUT)) if sample.size else (0, 1)
    ends = (values.min(), values.max()) if values.dtype.kind in "biu" else _finite_ends(values)
    return PRESETS.get(volume.unit, {}) | {"auto": _between(low, high), "full": _between(*ends)}


def chosen_window(volume: Volume, window: Window | tuple[float, float] | str | None) -> Window:
    """Return the window that is meant.

    Parameters
    ----------
    volume : Volume
        What is shown.
    window : Window, tuple of 2 float, str or None
        Centre and width; the name of a preset; or None for the first that suits its unit.

    Raises
    ------
    TaskError
        If there is no such preset, or the width is not above 0.
    """
    if window is None:
        window = _FIRST.get(volume.unit, "auto")
    if isinstance(window, str):
        if window in PRESETS.get(volume.unit, {}):
            return PRESETS[volume.unit][window]
        known = presets_of(volume)
        if window not in known:
            raise TaskError(f"window: found {window!r}, wanted one of {', '.join(known)}", hint="or give centre and width")
        return known[window]
    centre, width = map(float, window)
    if not (np.isfinite(centre) and np.isfinite(width) and width > 0):
        raise TaskError(f"window: found centre {centre} and width {width}, wanted two numbers, the width above 0")
    return Window(centre, width)


def to_grey(values: np.ndarray, window: Window, *, inverted: bool = False) -> np.ndarray:
    """Return values as grey, linearly from one end of the window to the other.

    Parameters
    ----------
    values : ndarray
        Any real type; what is no number is drawn as the lowest.
    window : Window
        The window.
    inverted : bool
        Whether the lowest is white.

    Returns
    -------
    ndarray of uint8, of the same shape
        0 at or below the window, 255 at or above it.

    References
    ----------
    .. [1] DICOM PS3.3, section C.11.2.1.3.2, "LINEAR_EXACT Function".

    Examples
    --------
    >>> to_grey(np.array([-160, 40, 240]), Window(40, 400)).tolist()
    [0, 128, 255]
    """
    # Wide values in double: float32 would merge neighbours of 32-bit integers before the window spreads them.
    kind = np.float32 if values.dtype.itemsize <= 2 else np.float64
    grey = values.astype(kind)
    grey -= kind(window.centre - window.width / 2)
    grey *= kind(255)
    grey /= kind(window.width)
    if values.dtype.kind == "f":
        np.nan_to_num(grey, copy=False)
    grey = (np.clip(grey, 0, 255, out=grey) + kind(0.5)).astype(np.uint8)
    return 255 - grey if inverted else grey


def _finite_ends(values: np.ndarray) -> tuple[float, float]:
    """Return the lowest and highest number, slice by slice: a mask of the whole would double the memory."""
    ends = [(found.min(), found.max()) for plane in values if (found := plane[np.isfinite(plane)]).size]
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else (0, 1)


def _between(low: float, high: float) -> Window:
    low, high = float(low), float(high)
    return Window((low + high) / 2, max(high - low, abs(high) * 1e-6, 1e-6))
