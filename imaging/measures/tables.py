"""Measurements in long form, one row a value, with what they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imaging.measures.definitions import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imaging.measures.regions import Region

__all__ = ["Origin", "Row", "rows_of"]


class Origin(NamedTuple):
    """Where measurements come from.

    Parameters
    ----------
    subject, study, series : str
        Pseudonym, and UIDs.
    mask : str
        What delineated it: the SOP Instance UID of a segmentation, a file, or a model's output.
    bundle : str
        Hash or name of the model; empty for a mask made by hand.
    """

    subject: str = ""
    study: str = ""
    series: str = ""
    mask: str = ""
    bundle: str = ""


class Row(NamedTuple):
    """One measured value, as tables keep it."""

    subject: str
    study: str
    series: str
    label: int
    label_name: str
    #: 0 for all of a label; lesions are numbered from 1, the largest first.
    lesion: int
    measure: str
    meaning: str
    code: str
    scheme: str
    value: float
    #: UCUM.
    unit: str
    #: Codes of FLAGS, parted by blanks.
    flags: str
    mask: str
    #: SHA-256 of the mask's labels.
    mask_sha256: str
    bundle: str
    #: Between slices, rows, columns.
    spacing_mm: str
    #: The geometry's, parted by blanks.
    verdicts: str


def rows_of(regions: Iterable[Region], origin: Origin) -> list[Row]:
    """Return measurements in long form, one row a value.

    Parameters
    ----------
    regions : iterable of Region
        Measured from one mask.
    origin : Origin
        Where they come from.
    """
    return [row for region in regions for row in _rows(region, origin)]


def _rows(region: Region, origin: Origin) -> Iterator[Row]:
    for key, value in region.values.items():
        kind = MEASURES[key]
        yield Row(
            subject=origin.subject,
            study=origin.study,
            series=origin.series,
            label=region.label,
            label_name=region.name,
            lesion=region.lesion,
            measure=key,
            meaning=kind.meaning,
            code=kind.code,
            scheme=kind.scheme,
            value=value,
            unit=region.units[key],
            flags=" ".join(region.flags),
            mask=origin.mask,
            mask_sha256=region.mask_sha256,
            bundle=origin.bundle,
            spacing_mm=" ".join(f"{spacing:.6g}" for spacing in region.spacing_mm),
            verdicts=" ".join(region.verdicts),
        )
