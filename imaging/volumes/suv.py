"""Standardised uptake value by body weight of a PET volume, where the header has all that it takes; otherwise refused by attribute.

After the vendor-neutral computation of the Quantitative Imaging Biomarkers Alliance (QIBA, "SUV Vendor-neutral Pseudo-code", BQML, GML
and Philips CNTS). Nothing is assumed: a PET image that is not decay corrected, or whose start cannot be told, has no SUV here.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from imaging.errors import ImageDataError
from imaging.geometry.attributes import items, numbers, parts, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from imaging.volumes.volume import Volume

__all__ = ["suv_body_weight", "suv_factor"]

#: Philips puts the factor from counts to SUV into a private element of this creator.
_PHILIPS, _PHILIPS_CREATOR = 0x7053, "Philips PET Private Group"

#: Longer between injection and scan is an error in the times.
_LONGEST_S = 24 * 3600


def suv_body_weight(volume: Volume, dataset: Dataset) -> Volume:
    """Return a PET volume in SUV by body weight (g/mL).

    Parameters
    ----------
    volume : Volume
        In BQML, GML or CNTS.
    dataset : Dataset
        Header of one of its instances.

    Returns
    -------
    Volume
        In SUVbw, float32.

    Raises
    ------
    ImageDataError
        If an attribute is missing or forbids it.
    """
    if volume.unit != text(dataset, "Units"):
        raise ImageDataError(f"SUV: the volume is in {volume.unit or 'no unit'}, the header says {text(dataset, 'Units') or 'nothing'}")
    return replace(volume, array=(volume.array * suv_factor(dataset)).astype(np.float32), unit="SUVbw")


def suv_factor(dataset: Dataset) -> float:
    """Return what values in the header's unit are multiplied by to be SUV by body weight.

    Parameters
    ----------
    dataset : Dataset
        Header of a PET image.

    Returns
    -------
    float
        SUV (g/mL) a unit.

    Raises
    ------
    ImageDataError
        If an attribute is missing or forbids it.
    """
    units = text(dataset, "Units")
    if units == "GML" and text(dataset, "SUVType") in ("", "BW"):
        return 1.0
    if units == "CNTS":
        return _philips(dataset)
    if units != "BQML":
        raise _missing("Units (0054,1001)", "BQML, GML by body weight, or CNTS of Philips")
    corrected = {str(part) for part in parts(dataset, "CorrectedImage")}
    if not {"ATTN", "DECY"} <= corrected:
        raise _missing("Corrected Image (0028,0051)", "ATTN and DECY")
    dose, half_life = _radiopharmaceutical(dataset)
    decayed = dose * 2 ** (-_elapsed(dataset) / half_life)
    return _positive(dataset, "PatientWeight", "Patient's Weight (0010,1030)") * 1000 / decayed


def _radiopharmaceutical(dataset: Dataset) -> tuple[float, float]:
    """Return dose in Bq and half life in s."""
    found = items(dataset, "RadiopharmaceuticalInformationSequence")
    if len(found) != 1:
        raise _missing("Radiopharmaceutical Information Sequence (0054,0016)", "one item")
    return (
        _positive(found[0], "RadionuclideTotalDose", "Radionuclide Total Dose (0018,1074)"),
        _positive(found[0], "RadionuclideHalfLife", "Radionuclide Half Life (0018,1075)"),
    )


def _elapsed(dataset: Dataset) -> float:
    """Return seconds from injection to the moment to which the image is corrected for decay."""
    correction = text(dataset, "DecayCorrection")
    if correction == "ADMIN":
        return 0.0
    if correction != "START":
        raise _missing("Decay Correction (0054,1102)", "START or ADMIN")
    series = _moment(dataset, "SeriesDate", "SeriesTime")
    acquired = _moment(dataset, "AcquisitionDate", "AcquisitionTime")
    if series > acquired:
        raise _missing("Series Time (0008,0031)", "a time not after the acquisition (the series was made anew later)")
    (item,) = items(dataset, "RadiopharmaceuticalInformationSequence")
    whole = text(item, "RadiopharmaceuticalStartDateTime")
    injected = _parsed(whole) if whole else _parsed(text(dataset, "SeriesDate") + text(item, "RadiopharmaceuticalStartTime"))
    if injected is None:
        raise _missing("Radiopharmaceutical Start Time (0018,1072)", "a time")
    if injected > series and not whole:
        # Only a time of day stands there: before midnight, then.
        injected -= timedelta(days=1)
    elapsed = (series - injected).total_seconds()
    if not 0 <= elapsed <= _LONGEST_S:
        raise _missing("Radiopharmaceutical Start Time (0018,1072)", "a time within a day before the scan")
    return elapsed


def _philips(dataset: Dataset) -> float:
    try:
        value = float(dataset.private_block(_PHILIPS, _PHILIPS_CREATOR)[0x00].value)
    except (KeyError, ValueError, TypeError):
        value = 0.0
    if not value > 0:
        raise _missing("(7053,xx00) SUV Scale Factor", "a positive number, as Philips writes it")
    return value


def _positive(dataset: Dataset, keyword: str, name: str) -> float:
    found = numbers(dataset, keyword, 1)
    if found is None or found[0] <= 0:
        raise _missing(name, "a positive number")
    return found[0]


def _moment(dataset: Dataset, date: str, time: str) -> datetime:
    found = _parsed(text(dataset, date) + text(dataset, time))
    if found is None:
        raise _missing(f"{date} and {time}", "a date and a time")
    return found


def _parsed(value: str) -> datetime | None:
    """Return date and time of a DT or of DA and TM joined, without its zone: all moments of one image are in one zone."""
    digits = value.split("+")[0].split("-")[0]
    whole, _, fraction = digits.partition(".")
    try:
        return datetime.strptime(f"{whole}.{fraction or 0}", "%Y%m%d%H%M%S.%f")
    except ValueError:
        return None


def _missing(name: str, wanted: str) -> ImageDataError:
    return ImageDataError(f"SUV: {name} is not there or is another; wanted {wanted}", hint="the values stay in the header's own unit")
