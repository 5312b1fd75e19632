"""Overlays and uptake values."""

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import PositronEmissionTomographyImageStorage

from imaging.dicom.reading import open_bounded
from imaging.errors import ImageDataError
from imaging.volumes import read_volume
from imaging.volumes.overlays import read_overlays
from imaging.volumes.suv import suv_body_weight, suv_factor
from tests.lib.dicom_files import ct_series, write


def pet(**values) -> Dataset:
    drug = Dataset()
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife, drug.RadiopharmaceuticalStartTime = 370e6, 6586.2, "090000"
    (dataset,) = ct_series(1, SOPClassUID=PositronEmissionTomographyImageStorage, Modality="PT", Units="BQML", RescaleIntercept=0)
    dataset.RescaleSlope, dataset.PatientWeight, dataset.DecayCorrection, dataset.CorrectedImage = 2.5, 70, "START", ["ATTN", "DECY"]
    dataset.SeriesDate, dataset.SeriesTime, dataset.AcquisitionDate, dataset.AcquisitionTime = "20240102", "100000.5", "20240102", "100002"
    dataset.RadiopharmaceuticalInformationSequence = Sequence([drug])
    for name, value in values.items():
        setattr(drug if hasattr(drug, name) else dataset, name, value)
    return dataset


def test_uptake_by_body_weight(tmp_path):
    (path,) = write([pet()], tmp_path)
    volume = read_volume([path])
    assert volume.unit == "BQML"
    uptake = suv_body_weight(volume, open_bounded(path))
    dose = 370e6 * 2 ** (-3600.5 / 6586.2)
    assert uptake.unit == "SUVbw"
    assert uptake.array == pytest.approx(volume.array * 70_000 / dose, rel=1e-6)


@pytest.mark.parametrize(
    ("values", "elapsed"),
    [
        ({"DecayCorrection": "ADMIN"}, 0),
        ({"RadiopharmaceuticalStartTime": "230000", "SeriesTime": "010000", "AcquisitionTime": "010001"}, 7200),
    ],
)
def test_the_moment_of_decay_correction(values, elapsed):
    assert suv_factor(pet(**values)) == pytest.approx(70_000 / (370e6 * 2 ** (-elapsed / 6586.2)))


def test_values_that_are_uptakes_already():
    assert suv_factor(pet(Units="GML")) == 1
    philips = pet(Units="CNTS")
    philips.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "DS", "0.00025")
    assert suv_factor(philips) == 0.00025


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"Units": "PROPCPS"}, "Units"),
        ({"Units": "CNTS"}, "7053"),
        ({"CorrectedImage": ["ATTN"]}, "Corrected Image"),
        ({"DecayCorrection": "NONE"}, "Decay Correction"),
        ({"PatientWeight": None}, "Weight"),
        ({"PatientWeight": 0}, "Weight"),
        ({"RadionuclideTotalDose": None}, "Total Dose"),
        ({"RadionuclideHalfLife": 0}, "Half Life"),
        ({"SeriesTime": "120000"}, "Series Time"),
        ({"RadiopharmaceuticalStartTime": None}, "Start Time"),
        ({"RadiopharmaceuticalInformationSequence": Sequence([])}, "Radiopharmaceutical Information"),
    ],
)
def test_an_uptake_that_cannot_be_told_is_refused_by_attribute(values, named):
    with pytest.raises(ImageDataError, match=named):
        suv_factor(pet(**values))


def test_overlays_are_pydicoms():
    path = get_testdata_file("examples_overlay.dcm")
    (overlay,) = read_overlays(path)
    assert np.array_equal(overlay.mask[0], pydicom.dcmread(path).overlay_array(0x6000).astype(bool))


def drawn(tmp_path, **elements) -> str:
    (dataset,) = ct_series(1, BitsStored=12, HighBit=11, PixelRepresentation=0)
    pixels = np.arange(64, dtype="<u2")
    pixels[5] |= 0x8000
    dataset.PixelData = pixels.tobytes()
    for element, (vr, value) in {0x10: ("US", 8), 0x11: ("US", 8), 0x50: ("SS", [1, 1]), 0x100: ("US", 16), 0x102: ("US", 15)}.items():
        dataset.add_new((0x6000, element), vr, value)
    for name, value in elements.items():
        dataset[0x6000, int(name[1:], 16)].value = value
    return write([dataset], tmp_path)[0]


def test_an_overlay_in_spare_bits_is_found_and_is_no_value(tmp_path):
    path = drawn(tmp_path)
    (overlay,) = read_overlays(path)
    assert np.flatnonzero(overlay.mask).tolist() == [5]
    assert read_volume([path]).array.ravel().tolist() == (np.arange(64) - 1024).tolist()


@pytest.mark.parametrize("elements", [{"x10": 9}, {"x10": 0}, {"x102": 20}])
def test_an_overlay_that_does_not_fit_is_refused(elements, tmp_path):
    with pytest.raises(ImageDataError, match="6000"):
        read_overlays(drawn(tmp_path, **elements))
