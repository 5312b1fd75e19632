"""What a result says about itself: what a label stands for, what drew it, and what wrote the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from imaging.errors import TaskError
from imaging.results.coding import OWN_SCHEME

if TYPE_CHECKING:
    from collections.abc import Iterable

    import highdicom

__all__ = ["Algorithm", "Equipment", "NewSeries", "Segment", "declare_own_codes", "describe", "identify"]

#: Of a class whose code is ours; what the scheme is, in the file itself (PS3.3 C.12.1.1.3).
_OWN_CODE = "No standard code of this class is known: the code is the workbench's own, by the class's number."
_OWN_SCHEME_NAME = "Classes of models of the clinical workbench, by number"

#: Families of algorithms (CID 7162).
_LEARNT = Code("123110", "DCM", "Artificial Intelligence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """What drew a mask.

    Parameters
    ----------
    name, version : str
        Of the model; of a bundle, its name and the start of its hash.
    family : Code
        Of CID 7162.
    automatic : bool
        Whether nobody corrected it.
    """

    name: str
    version: str
    family: Code = _LEARNT
    automatic: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What one label of a mask stands for.

    Parameters
    ----------
    label : int
        Its value in the mask.
    name : str
        In words, at most 64 characters.
    category, kind : Code
        In SNOMED CT, of CID 7150 and CID 7151; :func:`imaging.results.coding.coding_of` finds them by a name.
    modifier : Code or None
        Which part or side, as anterior or left.
    algorithm : Algorithm or None
        None of a mask made by hand.
    tracking_id, tracking_uid : str
        The same in every study of a lesion that is followed; made up here where empty.
    """

    label: int
    name: str
    category: Code
    kind: Code
    modifier: Code | None = None
    algorithm: Algorithm | None = None
    tracking_id: str = ""
    tracking_uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What wrote a file (PS3.3 C.7.5.2, Enhanced General Equipment).

    Parameters
    ----------
    manufacturer, model, serial, version : str
        All must be there.
    """

    manufacturer: str = "clinical-workbench"
    model: str = "imaging"
    serial: str = "0"
    version: str = field(default_factory=lambda: _version())


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSeries:
    """The series that a result opens; what is left empty each result fills in.

    Parameters
    ----------
    description : str
        Series Description.
    number : int or None
        Series Number.
    uid, instance_uid : str
        UIDs of the series and its one instance; made up where empty.
    equipment : Equipment
        What made it.
    """

    description: str = ""
    number: int | None = None
    uid: str = ""
    instance_uid: str = ""
    equipment: Equipment = field(default_factory=Equipment)

    def arguments(self, description: str, number: int) -> dict[str, Any]:
        """Return what highdicom calls all this.

        Parameters
        ----------
        description : str
            Where there is none.
        number : int
            Where there is none.
        """
        import highdicom

        return {
            "series_instance_uid": self.uid or highdicom.UID(),
            "series_number": number if self.number is None else self.number,
            "series_description": self.description or description,
            "sop_instance_uid": self.instance_uid or highdicom.UID(),
            "instance_number": 1,
            "manufacturer": self.equipment.manufacturer,
            "manufacturer_model_name": self.equipment.model,
            "software_versions": self.equipment.version,
            "device_serial_number": self.equipment.serial,
            "specific_character_set": "ISO_IR 192",
        }


def identify(algorithm: Algorithm) -> highdicom.AlgorithmIdentificationSequence:
    """Return an algorithm as a sequence.

    Parameters
    ----------
    algorithm : Algorithm
        What drew a mask.
    """
    import highdicom

    return highdicom.AlgorithmIdentificationSequence(name=algorithm.name, family=algorithm.family, version=algorithm.version)


def describe(segment: Segment, number: int) -> highdicom.seg.SegmentDescription:
    """Return a segment as an item of the Segment Sequence.

    Parameters
    ----------
    segment : Segment
        What it stands for.
    number : int
        Segment number in the file.

    Raises
    ------
    TaskError
        If name or codes are longer than DICOM allows, or empty.
    """
    import highdicom

    if not 1 <= len(segment.name.strip()) <= 64 or "\\" in segment.name:
        raise TaskError(f"segment {segment.label}: found a name of {len(segment.name)} characters, wanted 1 to 64 without a backslash")
    algorithm = segment.algorithm
    kind = "MANUAL" if algorithm is None else "AUTOMATIC" if algorithm.automatic else "SEMIAUTOMATIC"
    try:
        item = highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=segment.name,
            segmented_property_category=segment.category,
            segmented_property_type=segment.kind,
            algorithm_type=kind,
            algorithm_identification=None if algorithm is None else identify(algorithm),
            tracking_uid=segment.tracking_uid or highdicom.UID(),
            tracking_id=segment.tracking_id or segment.name,
        )
        if segment.modifier is not None:
            item.SegmentedPropertyTypeModifierCodeSequence = [highdicom.sr.CodedConcept.from_code(segment.modifier)]
    except (ValueError, TypeError, AttributeError) as error:
        raise TaskError(f"segment {segment.label}: {error}", hint="a code has a value, a scheme and a meaning") from error
    if segment.kind.scheme_designator == OWN_SCHEME:
        item.SegmentDescription = _OWN_CODE
    return item


def declare_own_codes(dataset: Dataset, segments: Iterable[Segment]) -> None:
    """Say in a file what the scheme of our own codes is, where it has any.

    Parameters
    ----------
    dataset : Dataset
        Changed.
    segments : iterable of Segment
        Of the file.
    """
    if any(segment.kind.scheme_designator == OWN_SCHEME for segment in segments):
        scheme = Dataset()
        scheme.CodingSchemeDesignator, scheme.CodingSchemeName = OWN_SCHEME, _OWN_SCHEME_NAME
        dataset.CodingSchemeIdentificationSequence = [scheme]


@cache
def _version() -> str:
    try:
        return metadata.version("clinical-workbench")
    except metadata.PackageNotFoundError:
        return "unknown"
