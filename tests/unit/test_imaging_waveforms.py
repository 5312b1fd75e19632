"""ECG objects: values equal to pydicom's and to what was written, in mV, under the names of the leads."""

import numpy as np
import pydicom
import pytest
from pydicom import config
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import GeneralECGWaveformStorage
from pydicom.waveforms import multiplex_array

from imaging.errors import ImageDataError, TaskError
from imaging.waveforms import LEADS, plot_ecg, read_waveforms
from tests.lib.dicom_files import PYDICOM_FILES, SYNTAXES, ct_series, encoded, uid

REAL = PYDICOM_FILES / "waveform_ecg.dcm"
RAMP = np.arange(12).reshape(6, 2) - 4


def coded(meaning: str, value: str = "1") -> Sequence:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "MDC", meaning
    return Sequence([code])


def channel(source: str, unit: str | None = "uV", *, sensitivity: float = 5, baseline: float = 100, correction: float = 2) -> Dataset:
    found = Dataset()
    found.ChannelSourceSequence = coded(source)
    if unit is not None:
        found.ChannelSensitivity, found.ChannelBaseline, found.ChannelSensitivityCorrectionFactor = sensitivity, baseline, correction
        found.ChannelSensitivityUnitsSequence = coded("unit", unit)
    found.WaveformBitsStored = 16
    return found


def ecg(stored=RAMP, *, channels=("Lead II", "V5"), bits=16, kind="SS", dtype="<i2", syntax="explicit", **attributes) -> Dataset:
    """Return a general ECG object of one group."""
    group = Dataset()
    group.MultiplexGroupLabel, group.WaveformOriginality = "RHYTHM", "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples, group.SamplingFrequency = 2, 6, 500
    group.ChannelDefinitionSequence = Sequence([each if isinstance(each, Dataset) else channel(each) for each in channels])
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = bits, kind
    group.add_new(0x54001010, "OB" if bits == 8 else "OW", stored.astype(dtype).tobytes())
    for keyword, value in attributes.items():
        if value is None:
            delattr(group, keyword)
        else:
            setattr(group, keyword, value)
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = GeneralECGWaveformStorage, uid(3, 1), uid(3), uid(3, 0)
    ds.Modality, ds.WaveformSequence = "ECG", Sequence([group])
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    return ds


def read(**changes):
    (found,) = read_waveforms(encoded(ecg(**changes)))
    return found


def test_a_real_twelve_lead_ecg_has_pydicoms_values_in_millivolts():
    rhythm, beat = read_waveforms(REAL)
    dataset = pydicom.dcmread(REAL)
    for number, found in enumerate((rhythm, beat)):
        np.testing.assert_allclose(found.values, multiplex_array(dataset, number, as_raw=False) / 1000, rtol=1e-12)
    assert (rhythm.channels, set(rhythm.units), rhythm.frequency_hz, rhythm.duration_s) == (LEADS, {"mV"}, 1000.0, 10.0)
    assert (beat.label, beat.values.shape, rhythm.filters_hz[0]) == ("MEDIAN BEAT", (1200, 12), (0.05, 300.0))
    # Einthoven's law holds sample by sample: II = I + III, within the rounding of the stored numbers.
    assert np.abs(rhythm.channel("II") - rhythm.channel("I") - rhythm.channel("III")).max() < 0.01


def test_scale_baseline_unit_and_names():
    found = read()
    np.testing.assert_allclose(found.values, (RAMP * 5 * 2 + 100) / 1000)
    assert (found.channels, found.units, found.offset_ms) == (("II", "V5"), ("mV", "mV"), 0.0)
    assert not found.values.flags.writeable
    with pytest.raises(TaskError, match="no channel 'X'"):
        found.channel("X")


@pytest.mark.parametrize(
    ("bits", "kind", "dtype"),
    [(8, "SB", "i1"), (8, "UB", "u1"), (16, "US", "<u2"), (32, "SL", "<i4"), (32, "UL", "<u4"), (64, "SV", "<i8")],
)
def test_kinds_of_samples(bits, kind, dtype):
    stored = RAMP if kind.startswith("S") else RAMP + 4
    np.testing.assert_allclose(read(stored=stored, bits=bits, kind=kind, dtype=dtype).values, (stored * 10 + 100) / 1000)


@pytest.mark.parametrize(("syntax", "dtype"), [("implicit", "<i2"), ("deflated", "<i2"), ("big", ">i2")])
def test_syntaxes(syntax, dtype):
    np.testing.assert_allclose(read(syntax=syntax, dtype=dtype).values, (RAMP * 10 + 100) / 1000)


def test_padding_is_no_number():
    found = read(WaveformPaddingValue=(-4).to_bytes(2, "little", signed=True))
    assert np.argwhere(np.isnan(found.values)).tolist() == [[0, 0]]


def test_other_units_and_uncalibrated_channels_are_as_they_stand():
    pressure, raw = channel("Aorta", "mm[Hg]", baseline=0, correction=1), channel("Phase of breathing", None)
    found = read(channels=(pressure, raw))
    assert (found.channels, found.units) == (("Aorta", "Phase of breathing"), ("mm[Hg]", ""))
    np.testing.assert_array_equal(found.values, RAMP * [5, 1])
    with pytest.raises(TaskError, match="millivolts"):
        plot_ecg(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"NumberOfWaveformSamples": 7}, "found 24 bytes, wanted 7 samples"),
        ({"NumberOfWaveformSamples": 4_000_000_000}, "found 4000000000"),
        ({"NumberOfWaveformChannels": 3}, "found 2 items, wanted one for each of 3"),
        ({"NumberOfWaveformChannels": None}, r"NumberOfWaveformChannels \(003A,0005\): found nothing"),
        ({"SamplingFrequency": 0}, "SamplingFrequency"),
        ({"SamplingFrequency": None}, "SamplingFrequency"),
        ({"WaveformSampleInterpretation": "MB"}, "found samples of the kind MB"),
        ({"WaveformBitsAllocated": 12}, "of 12 bits"),
        ({"ChannelDefinitionSequence": None}, "found 0 items"),
        ({"WaveformData": None}, "found 0 bytes"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ImageDataError, match=message) as caught:
        read(**changes)
    assert "group 1" in caught.value.message


@pytest.mark.parametrize("keyword", ["ChannelSensitivity", "ChannelBaseline", "ChannelSensitivityCorrectionFactor"])
def test_a_calibration_that_is_no_number_is_refused_and_not_left_out(keyword):
    broken = channel("Lead I")
    broken.add(DataElement(tag_for_keyword(keyword), "DS", "1,5", validation_mode=config.IGNORE, already_converted=True))
    with pytest.raises(ImageDataError, match=rf"{keyword} \([0-9A-F,]+\): found something that is no number"):
        read_waveforms(encoded(ecg(channels=(broken, "V5"))))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ImageDataError, match="no waveforms"):
        read_waveforms(encoded(ct_series(1)[0]))
    (tmp_path / "cut.dcm").write_bytes(REAL.read_bytes()[:200_000])
    with pytest.raises(ImageDataError, match=r"cut\.dcm"):
        read_waveforms(tmp_path / "cut.dcm")


def test_a_plot_is_to_scale():
    rhythm, _ = read_waveforms(REAL)
    figure = plot_ecg(rhythm, start_s=1, duration_s=2)
    (axes,) = figure.axes
    width, height = (inches * 25.4 for inches in figure.get_size_inches())
    assert (*axes.get_xlim(), *axes.get_ylim()) == pytest.approx((0, width, 0, height))  # a unit is a millimetre
    curves = [line for line in axes.lines if len(line.get_xdata()) == 2000]
    assert [text.get_text() for text in axes.texts][:12] == list(LEADS)
    assert len(curves) == 12
    assert np.ptp(curves[1].get_xdata()) == pytest.approx(50, abs=0.1)
    assert np.ptp(curves[1].get_ydata()) == pytest.approx(10 * np.ptp(rhythm.channel("II")[1000:3000]))
    for start, duration in ((10, 1), (-1, 1), (0, 0)):
        with pytest.raises(TaskError):
            plot_ecg(rhythm, start_s=start, duration_s=duration)
