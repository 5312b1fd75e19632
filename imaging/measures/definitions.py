"""What is measured: names, codes and units, as data.

IBSI codes are those of the reference manual of the Image Biomarker Standardisation Initiative (Zwanenburg et al., Radiology
2020;295:328-338; arXiv:1612.07003v11), whose feature definitions hold. Axes are coded by SNOMED CT as DICOM CID 7470 has them. Units
are UCUM. What no standard names is coded here under 99CWB (PS3.16 section 8.2 leaves names that begin with 99 to whoever uses them).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MEASURES", "UNITS", "Measure", "unit_of"]

#: Unit of a volume -> UCUM, and the square of it.
UNITS = {
    "HU": ("[hnsf'U]", "[hnsf'U]2"),
    "BQML": ("Bq/mL", "Bq2/mL2"),
    "CNTS": ("{counts}", "{counts2}"),
    "GML": ("g/mL", "g2/mL2"),
    "SUVbw": ("g/mL{SUVbw}", "g2/mL2{SUVbw}"),
    "GY": ("Gy", "Gy2"),
}

#: Of what has no unit, or one that is not known here.
_ARBITRARY = ("[arb'U]", "[arb'U]2")

#: Stands in for the volume's unit, alone or squared.
_VALUE, _SQUARED = "value", "value2"


class Measure(NamedTuple):
    """One thing that is measured.

    Parameters
    ----------
    key : str
        Its name in tables.
    meaning : str
        Its name in print.
    code, scheme : str
        Its code and the scheme of that.
    unit : str
        In UCUM, or "value" and "value2" for the volume's unit and its square.
    """

    key: str
    meaning: str
    code: str
    scheme: str
    unit: str


MEASURES: dict[str, Measure] = {
    measure.key: measure
    for measure in (
        Measure("voxels", "Number of voxels", "voxels", "99CWB", "{voxels}"),
        Measure("components", "Number of connected components", "components", "99CWB", "{components}"),
        Measure("volume_ml", "Volume from Voxel Summation", "YEKZ", "IBSI", "mL"),
        Measure("mesh_volume_ml", "Volume of Mesh", "RNU0", "IBSI", "mL"),
        Measure("surface_mm2", "Surface Area of Mesh", "C0JK", "IBSI", "mm2"),
        Measure("surface_to_volume", "Surface to Volume Ratio", "2PR5", "IBSI", "/mm"),
        Measure("sphericity", "Sphericity", "QCFX", "IBSI", "1"),
        Measure("diameter_3d_mm", "Maximum 3D Diameter of a Mesh", "L0JK", "IBSI", "mm"),
        Measure("long_axis_mm", "Long axis", "103339001", "SCT", "mm"),
        Measure("short_axis_mm", "Short axis", "103340004", "SCT", "mm"),
        Measure("recist_mm", "Diameter for RECIST 1.1", "recist", "99CWB", "mm"),
        Measure("major_axis_mm", "Major Axis in 3D Length", "TDIC", "IBSI", "mm"),
        Measure("minor_axis_mm", "Minor Axis in 3D Length", "P9VJ", "IBSI", "mm"),
        Measure("least_axis_mm", "Least Axis in 3D Length", "7J51", "IBSI", "mm"),
        Measure("elongation", "Elongation", "Q3CK", "IBSI", "1"),
        Measure("flatness", "Flatness", "N17B", "IBSI", "1"),
        Measure("centre_left_mm", "Centre, towards the left", "centre-l", "99CWB", "mm"),
        Measure("centre_posterior_mm", "Centre, towards the back", "centre-p", "99CWB", "mm"),
        Measure("centre_superior_mm", "Centre, towards the head", "centre-s", "99CWB", "mm"),
        Measure("mean", "Mean intensity", "Q4LE", "IBSI", _VALUE),
        Measure("standard_deviation", "Standard deviation of intensity", "standard-deviation", "99CWB", _VALUE),
        Measure("variance", "Intensity variance", "ECT3", "IBSI", _SQUARED),
        Measure("skewness", "Intensity skewness", "KE2A", "IBSI", "1"),
        Measure("kurtosis", "Excess intensity kurtosis", "IPH6", "IBSI", "1"),
        Measure("median", "Median intensity", "Y12H", "IBSI", _VALUE),
        Measure("minimum", "Minimum intensity", "1GSF", "IBSI", _VALUE),
        Measure("percentile_10", "10th intensity percentile", "QG58", "IBSI", _VALUE),
        Measure("percentile_25", "25th intensity percentile", "percentile-25", "99CWB", _VALUE),
        Measure("percentile_75", "75th intensity percentile", "percentile-75", "99CWB", _VALUE),
        Measure("percentile_90", "90th intensity percentile", "8DWT", "IBSI", _VALUE),
        Measure("maximum", "Maximum intensity", "84IY", "IBSI", _VALUE),
        Measure("interquartile_range", "Intensity interquartile range", "SALO", "IBSI", _VALUE),
        Measure("range", "Intensity range", "2OJQ", "IBSI", _VALUE),
        Measure("mean_absolute_deviation", "Intensity-based mean absolute deviation", "4FUA", "IBSI", _VALUE),
        Measure("robust_mean_absolute_deviation", "Intensity-based robust mean absolute deviation", "1128", "IBSI", _VALUE),
        Measure("median_absolute_deviation", "Intensity-based median absolute deviation", "N72L", "IBSI", _VALUE),
        Measure("coefficient_of_variation", "Intensity-based coefficient of variation", "7TET", "IBSI", "1"),
        Measure("quartile_dispersion", "Intensity-based quartile coefficient of dispersion", "9S40", "IBSI", "1"),
        Measure("energy", "Intensity-based energy", "N8CA", "IBSI", _SQUARED),
        Measure("root_mean_square", "Root mean square intensity", "5ZWQ", "IBSI", _VALUE),
    )
}


def unit_of(measure: Measure, value_unit: str) -> str:
    """Return a measure's unit in UCUM.

    Parameters
    ----------
    measure : Measure
        What is measured.
    value_unit : str
        Unit of the volume.

    Examples
    --------
    >>> [unit_of(MEASURES[key], "HU") for key in ("mean", "variance", "volume_ml")]
    ["[hnsf'U]", "[hnsf'U]2", 'mL']
    """
    value, squared = UNITS.get(value_unit, _ARBITRARY)
    return {_VALUE: value, _SQUARED: squared}.get(measure.unit, measure.unit)
