"""The attributes that the catalogue, the geometry verdict and ``image_occurrence`` stand on: a table, in the Standard's own words.

Sources: DICOM PS3.6 (tags, value representations, multiplicities), PS3.3 C.7 (modules of patient, study, series and image).
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["BY_NAME", "BY_TAG", "FIELDS", "INDEX_CLASS", "PIXELS", "REQUIRED", "UNDEFINED", "Field"]

#: A length that is not told; the value ends with a delimiter.
UNDEFINED = 0xFFFFFFFF

#: Where the image's own bytes begin: Float, Double Float and plain Pixel Data.
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

#: Media Storage Directory Storage: the SOP class of a DICOMDIR.
INDEX_CLASS = "1.2.840.10008.1.3.10"


class Field(NamedTuple):
    """One attribute: our name and the Standard's, its tag, its value representation, and how many values it has (0: any number)."""

    name: str
    keyword: str
    tag: int
    vr: str
    count: int


_TABLE = """
MediaStorageSOPClassUID         00020002 UI 1
TransferSyntaxUID               00020010 UI 1
SpecificCharacterSet            00080005 CS 0
ImageType                       00080008 CS 0
SOPClassUID                     00080016 UI 1
SOPInstanceUID                  00080018 UI 1
StudyDate                       00080020 DA 1
SeriesDate                      00080021 DA 1
AcquisitionDate                 00080022 DA 1
ContentDate                     00080023 DA 1
AcquisitionDateTime             0008002A DT 1
StudyTime                       00080030 TM 1
SeriesTime                      00080031 TM 1
AcquisitionTime                 00080032 TM 1
ContentTime                     00080033 TM 1
AccessionNumber                 00080050 SH 1
Modality                        00080060 CS 1
Manufacturer                    00080070 LO 1
InstitutionName                 00080080 LO 1
StationName                     00081010 SH 1
StudyDescription                00081030 LO 1
SeriesDescription               0008103E LO 1
ManufacturerModelName           00081090 LO 1
FrameType                       00089007 CS 0
ComplexImageComponent           00089208 CS 1
PatientName                     00100010 PN 1
PatientID                       00100020 LO 1
PatientBirthDate                00100030 DA 1
PatientSex                      00100040 CS 1
PatientAge                      00101010 AS 1
ContrastBolusAgent              00180010 LO 1
BodyPartExamined                00180015 CS 1
ScanningSequence                00180020 CS 0
SliceThickness                  00180050 DS 1
KVP                             00180060 DS 1
RepetitionTime                  00180080 DS 1
EchoTime                        00180081 DS 1
InversionTime                   00180082 DS 1
EchoNumbers                     00180086 IS 0
MagneticFieldStrength           00180087 DS 1
SpacingBetweenSlices            00180088 DS 1
DeviceSerialNumber              00181000 LO 1
SoftwareVersions                00181020 LO 0
ProtocolName                    00181030 LO 1
TriggerTime                     00181060 DS 1
GantryDetectorTilt              00181120 DS 1
ImagerPixelSpacing              00181164 DS 2
ConvolutionKernel               00181210 SH 0
FlipAngle                       00181314 DS 1
NominalScannedPixelSpacing      00182010 DS 2
PatientPosition                 00185100 CS 1
ViewPosition                    00185101 CS 1
EffectiveEchoTime               00189082 FD 1
DiffusionBValue                 00189087 FD 1
DiffusionGradientOrientation    00189089 FD 3
StudyInstanceUID                0020000D UI 1
SeriesInstanceUID               0020000E UI 1
StudyID                         00200010 SH 1
SeriesNumber                    00200011 IS 1
AcquisitionNumber               00200012 IS 1
InstanceNumber                  00200013 IS 1
ImagePositionPatient            00200032 DS 3
ImageOrientationPatient         00200037 DS 6
FrameOfReferenceUID             00200052 UI 1
Laterality                      00200060 CS 1
ImageLaterality                 00200062 CS 1
TemporalPositionIdentifier      00200100 IS 1
SliceLocation                   00201041 DS 1
StackID                         00209056 SH 1
TemporalPositionIndex           00209128 UL 1
NominalCardiacTriggerDelayTime  00209153 FD 1
NominalPercentageOfCardiacPhase 00209241 FL 1
SamplesPerPixel                 00280002 US 1
PhotometricInterpretation       00280004 CS 1
PlanarConfiguration             00280006 US 1
NumberOfFrames                  00280008 IS 1
Rows                            00280010 US 1
Columns                         00280011 US 1
PixelSpacing                    00280030 DS 2
BitsAllocated                   00280100 US 1
BitsStored                      00280101 US 1
HighBit                         00280102 US 1
PixelRepresentation             00280103 US 1
BurnedInAnnotation              00280301 CS 1
WindowCenter                    00281050 DS 0
WindowWidth                     00281051 DS 0
RescaleIntercept                00281052 DS 1
RescaleSlope                    00281053 DS 1
RescaleType                     00281054 LO 1
LossyImageCompression           00282110 CS 1
Units                           00541001 CS 1
ReferencedSegmentNumber         0062000B US 0
GridFrameOffsetVector           3004000C DS 0
"""


def _snake(keyword: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", keyword).lower()


#: Every attribute, in the order of its tag.
FIELDS: tuple[Field, ...] = tuple(
    Field(_snake(keyword), keyword, int(tag, 16), vr, int(count)) for keyword, tag, vr, count in map(str.split, _TABLE.strip().splitlines())
)
BY_TAG = {field.tag: field for field in FIELDS}
BY_NAME = {field.name: field for field in FIELDS}

#: Without these an instance has no place in a catalogue.
REQUIRED = ("sop_instance_uid", "study_instance_uid", "series_instance_uid")
