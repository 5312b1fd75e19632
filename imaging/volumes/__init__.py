"""Series as arrays with geometry: pixels decoded exactly, values in their unit, nothing assembled that its verdict forbids."""

from imaging.volumes.assembly import Part, Policy, RefusedGeometry, parts, read_volume, read_volumes
from imaging.volumes.nifti import read_nifti, write_nifti
from imaging.volumes.series import Series, open_series
from imaging.volumes.volume import SliceSource, Volume

__all__ = [
    "Part",
    "Policy",
    "RefusedGeometry",
    "Series",
    "SliceSource",
    "Volume",
    "open_series",
    "parts",
    "read_nifti",
    "read_volume",
    "read_volumes",
    "write_nifti",
]
