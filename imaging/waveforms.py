"""Waveform objects, electrocardiograms above all, as arrays in physical units with the names of their channels.

Sources: DICOM PS3.3 C.10.9 (Waveform module), A.34 (waveform objects), PS3.5 8.3 (encoding of samples).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imaging.dicom.reading import open_bounded
from imaging.dicom.structure import Limits
from imaging.errors import ImageDataError, TaskError
from imaging.geometry.attributes import count, items, named, numbers, present, text

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pydicom.dataset import Dataset

__all__ = ["LEADS", "Waveform", "plot_ecg", "read_waveforms"]

#: Samples: bits allocated and interpretation (PS3.3 C.10.9.1.5) -> type; companded audio (MB, AB) is left out.
_TYPES = {
    (8, "SB"): "i1",
    (8, "UB"): "u1",
    (16, "SS"): "<i2",
    (16, "US"): "<u2",
    (32, "SL"): "<i4",
    (32, "UL"): "<u4",
    (64, "SV"): "<i8",
    (64, "UV"): "<u8",
}

#: Units of a voltage (UCUM) -> millivolts.
_MILLIVOLTS = {"V": 1e3, "mV": 1.0, "uV": 1e-3, "nV": 1e-6}

#: The twelve leads in the order in which they are printed.
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_NAMES = {name.lower(): name for name in LEADS}

_MOST_CHANNELS, _MOST_SAMPLES, _MOST_HZ = 1_024, 1 << 28, 1e7
_LIMITS = Limits(file_bytes=2 << 30, header_bytes=2 << 30)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waveform:
    """One multiplex group: channels that were sampled together.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_channels), float64
        In the channel's unit; not a number where the file holds padding.
    channels : tuple of str
        Names: those of :data:`LEADS` where a channel is one of the twelve leads, else as the file has them.
    units : tuple of str
        Of each channel: mV for every voltage, else as the file has it (UCUM); empty where samples are uncalibrated.
    frequency_hz : float
        Samples a second.
    label : str
        Of the group, RHYTHM or MEDIAN BEAT for instance.
    offset_ms : float
        From the beginning of the acquisition to the first sample.
    filters_hz : tuple of (float or None, float or None)
        Low and high cut-off of each channel, where told.
    """

    values: np.ndarray
    channels: tuple[str, ...]
    units: tuple[str, ...]
    frequency_hz: float
    label: str
    offset_ms: float
    filters_hz: tuple[tuple[float | None, float | None], ...]

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return len(self.values) / self.frequency_hz

    def channel(self, name: str) -> np.ndarray:
        """Return one channel.

        Parameters
        ----------
        name : str
            As in `channels`.

        Raises
        ------
        TaskError
            If there is none of that name.
        """
        if name not in self.channels:
            raise TaskError(f"found no channel {name!r}", hint=f"one of {', '.join(self.channels)}")
        return self.values[:, self.channels.index(name)]


def read_waveforms(source: str | os.PathLike[str] | bytes) -> tuple[Waveform, ...]:
    """Read every multiplex group of a waveform object.

    Parameters
    ----------
    source : path or bytes
        A file, or the bytes of one.

    Returns
    -------
    tuple of Waveform
        In the order of the file.

    Raises
    ------
    ImageDataError
        If the file has no waveforms, or what it says of them does not fit its samples.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> rhythm, beat = read_waveforms(get_testdata_file("waveform_ecg.dcm"))
    >>> rhythm.label, rhythm.values.shape, rhythm.frequency_hz, rhythm.units[0], rhythm.channels == LEADS
    ('RHYTHM', (10000, 12), 1000.0, 'mV', True)
    """
    dataset = open_bounded(source, limits=_LIMITS)
    name = "bytes" if isinstance(source, bytes) else str(source)
    groups = items(dataset, "WaveformSequence")
    if not groups:
        raise ImageDataError(f"{name}: found no waveforms, wanted Waveform Sequence (5400,0100)", hint="the file is no waveform object")
    found = []
    for number, group in enumerate(groups, 1):
        try:
            found.append(_group(group, little=dataset.original_encoding[1] is not False))
        except ImageDataError as error:
            raise ImageDataError(f"{name}: waveform group {number}: {error.message}", hint=error.hint) from error
    return tuple(found)


def _group(group: Dataset, *, little: bool) -> Waveform:
    channels = _whole(group, "NumberOfWaveformChannels", _MOST_CHANNELS)
    samples = _whole(group, "NumberOfWaveformSamples", _MOST_SAMPLES)
    frequency = numbers(group, "SamplingFrequency", 1)
    if not frequency or not 0 < frequency[0] <= _MOST_HZ:
        raise ImageDataError("SamplingFrequency: found no positive number of samples a second")
    definitions = items(group, "ChannelDefinitionSequence")
    if len(definitions) != channels:
        raise ImageDataError(f"ChannelDefinitionSequence: found {len(definitions)} items, wanted one for each of {channels} channels")
    stored, padding = _stored(group, samples, channels, little)
    scales = [_scale(definition) for definition in definitions]
    values = stored * np.array([factor for factor, _, _ in scales]) + np.array([baseline for _, baseline, _ in scales])
    if padding is not None:
        values[stored == padding] = np.nan
    offset = numbers(group, "MultiplexGroupTimeOffset", 1)
    values.setflags(write=False)
    return Waveform(
        values=values,
        channels=tuple(_name(definition, number) for number, definition in enumerate(definitions, 1)),
        units=tuple(unit for _, _, unit in scales),
        frequency_hz=frequency[0],
        label=text(group, "MultiplexGroupLabel"),
        offset_ms=offset[0] if offset else 0.0,
        filters_hz=tuple((_one(each, "FilterLowFrequency"), _one(each, "FilterHighFrequency")) for each in definitions),
    )


def _whole(dataset: Dataset, keyword: str, most: int) -> int:
    found = count(dataset, keyword)
    if found is None or not 1 <= found <= most:
        raise ImageDataError(f"{named(keyword)}: found {'nothing' if found is None else found}, wanted a whole number from 1 to {most}")
    return found


def _one(dataset: Dataset, keyword: str) -> float | None:
    found = numbers(dataset, keyword, 1)
    return found[0] if found else None


def _stored(group: Dataset, samples: int, channels: int, little: bool) -> tuple[np.ndarray, int | None]:
    """Return stored samples, channel by channel within each moment (PS3.3 C.10.9.1.6), and what stands for none."""
    bits, kind = count(group, "WaveformBitsAllocated"), text(group, "WaveformSampleInterpretation")
    if (bits, kind) not in _TYPES:
        known = ", ".join(f"{each} of {width} bits" for width, each in _TYPES)
        raise ImageDataError(f"found samples of the kind {kind or 'none'} of {bits} bits", hint=f"wanted one of {known}")
    dtype = np.dtype(_TYPES[bits, kind]).newbyteorder("<" if little else ">")
    data = _bytes(group, "WaveformData", little)
    wanted = samples * channels * dtype.itemsize
    if len(data) not in (wanted, wanted + wanted % 2):
        raise ImageDataError(f"WaveformData: found {len(data)} bytes, wanted {samples} samples of {channels} channels, which are {wanted}")
    padding = _bytes(group, "WaveformPaddingValue", little)[: dtype.itemsize]
    value = int(np.frombuffer(padding, dtype)[0]) if len(padding) == dtype.itemsize else None
    return np.frombuffer(data, dtype, samples * channels).reshape(samples, channels), value


def _bytes(dataset: Dataset, keyword: str, little: bool) -> bytes:
    value = dataset.get(keyword)
    if isinstance(value, int):  # pydicom reads US or SS
        return value.to_bytes(2, "little" if little else "big", signed=value < 0)
    return bytes(value) if isinstance(value, bytes | bytearray) else b""


def _scale(definition: Dataset) -> tuple[float, float, str]:
    """Return factor, baseline and unit: value = stored x sensitivity x correction + baseline (PS3.3 C.10.9.1.4)."""
    sensitivity = _calibration(definition, "ChannelSensitivity", 0.0)
    if sensitivity == 0:
        return 1.0, 0.0, ""
    factor = sensitivity * _calibration(definition, "ChannelSensitivityCorrectionFactor", 1.0)
    baseline = _calibration(definition, "ChannelBaseline", 0.0)
    unit = next((text(each, "CodeValue") for each in items(definition, "ChannelSensitivityUnitsSequence")), "")
    millivolts = _MILLIVOLTS.get(unit)
    return (factor, baseline, unit) if millivolts is None else (factor * millivolts, baseline * millivolts, "mV")


def _calibration(definition: Dataset, keyword: str, absent: float) -> float:
    if not present(definition, keyword):
        return absent
    found = _one(definition, keyword)
    if found is None:
        raise ImageDataError(f"{named(keyword)}: found something that is no number, wanted one number", code="header-value")
    return found


def _name(definition: Dataset, number: int) -> str:
    """Return a channel's name: of a lead as it is printed, else its label or the meaning of its source."""
    source = next((text(each, "CodeMeaning") for each in items(definition, "ChannelSourceSequence")), "")
    label = text(definition, "ChannelLabel")
    for written in (source, label):
        for word in written.replace("(", " ").replace(",", " ").split():
            if word.lower() in _NAMES:
                return _NAMES[word.lower()]
    return label or source or str(number)


#: ECG paper: a second, and a millivolt, in mm.
_MM_PER_SECOND, _MM_PER_MILLIVOLT, _MM_PER_INCH = 25.0, 10.0, 25.4
_GAP_MM, _MARGIN_MM = 30.0, 10.0
_MOST_MM = 10_000


def plot_ecg(waveform: Waveform, *, start_s: float = 0.0, duration_s: float | None = None) -> Figure:
    """Draw voltages on ECG paper at 25 mm/s and 10 mm/mV: a small square is 0.04 s and 0.1 mV, a large one five of them.

    Parameters
    ----------
    waveform : Waveform
        With channels in mV.
    start_s : float, default 0
        First moment drawn, from the first sample.
    duration_s : float, optional
        How long; to the end where it is not given.

    Returns
    -------
    Figure
        Of matplotlib; printed at its own size it is to scale. A pulse of 1 mV and 0.2 s stands before each channel.

    Raises
    ------
    TaskError
        If no channel is a voltage, or the time is outside the waveform.

    Examples
    --------
    >>> from pydicom.data import get_testdata_file
    >>> figure = plot_ecg(read_waveforms(get_testdata_file("waveform_ecg.dcm"))[0], duration_s=4)
    >>> len(figure.axes[0].lines) >= 12
    True
    """
    from matplotlib.figure import Figure

    shown = [number for number, unit in enumerate(waveform.units) if unit == "mV"]
    end_s = waveform.duration_s if duration_s is None else min(start_s + duration_s, waveform.duration_s)
    if not shown:
        raise TaskError("found no channel in millivolts", hint="the waveform is no electrocardiogram, or is not calibrated")
    if not 0 <= start_s < end_s:
        raise TaskError(
            f"found {start_s} s and {duration_s} s as beginning and duration", hint=f"wanted a part of {waveform.duration_s:g} s"
        )
    first, last = round(start_s * waveform.frequency_hz), round(end_s * waveform.frequency_hz)
    width_mm = (end_s - start_s) * _MM_PER_SECOND + 3 * _MARGIN_MM
    height_mm = len(shown) * _GAP_MM + _MARGIN_MM
    if max(width_mm, height_mm) > _MOST_MM:
        raise TaskError(f"the drawing would be {max(width_mm, height_mm) / 1000:.0f} m long", hint="draw a shorter part")
    figure = Figure(figsize=(width_mm / _MM_PER_INCH, height_mm / _MM_PER_INCH))
    axes = figure.add_axes((0, 0, 1, 1))
    _paper(axes, width_mm, height_mm)
    along = 2 * _MARGIN_MM + np.arange(last - first) / waveform.frequency_hz * _MM_PER_SECOND
    for place, number in enumerate(shown):
        base = height_mm - (place + 0.5) * _GAP_MM - _MARGIN_MM / 2
        axes.plot(along, base + waveform.values[first:last, number] * _MM_PER_MILLIVOLT, color="black", linewidth=0.7)
        axes.plot([4, 6, 6, 11, 11, 13], base + np.array([0, 0, 1, 1, 0, 0]) * _MM_PER_MILLIVOLT, color="black", linewidth=0.7)
        axes.text(2 * _MARGIN_MM, base + 0.4 * _GAP_MM, waveform.channels[number], fontsize=9, va="top")
    axes.text(2 * _MARGIN_MM, 1.5, f"25 mm/s   10 mm/mV   {waveform.frequency_hz:g} Hz", fontsize=8)
    return figure


def _paper(axes: Axes, width_mm: float, height_mm: float) -> None:
    """Draw the squares; the axes count in mm."""
    axes.set(xlim=(0, width_mm), ylim=(0, height_mm))
    axes.set_axis_off()
    for step, colour, line in ((1, "#f6d5d5", 0.3), (5, "#e79a9a", 0.6)):
        axes.vlines(np.arange(0, width_mm + step, step), 0, height_mm, colors=colour, linewidth=line, zorder=0)
        axes.hlines(np.arange(0, height_mm + step, step), 0, width_mm, colors=colour, linewidth=line, zorder=0)
