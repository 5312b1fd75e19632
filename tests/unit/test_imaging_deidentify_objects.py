"""Objects that are no plain images: reports, drawings, structure sets, waveforms; a name anywhere in them goes, what is of use stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from imaging.deidentify.file import deidentify_file
from imaging.deidentify.pixels import PixelPolicy
from tests.lib.dicom_files import ct_series, encoded
from tests.lib.dicom_keys import TestKeys

if TYPE_CHECKING:
    from pathlib import Path

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_PN = b"\x10\x00\x10\x00\x0e\x00\x00\x00Zhang^XiaoMing"


def item(**attributes: object) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


#: Name -> SOP class, what is planted, and what has to stay.
OBJECTS: dict[str, tuple[str, dict[str, object], str]] = {
    "report": (
        "88.33",
        {
            "ContentSequence": [
                item(ValueType="TEXT", TextValue="患者张晓明，右肺结节5mm，李雷医生"),
                item(ValueType="PNAME", PersonName="Li^Lei"),
                item(ValueType="CONTAINER", ContentSequence=[item(ValueType="TEXT", TextValue="Zhang XiaoMing, told to Li Lei")]),
            ]
        },
        "右肺结节5mm",
    ),
    "key object": ("88.59", {"ContentSequence": [item(ValueType="TEXT", TextValue="Zhang XiaoMing for conference")]}, "for conference"),
    "presentation state": (
        "11.1",
        {
            "ContentLabel": "ZHANGXIAOMING",
            "ContentDescription": "for Zhang XiaoMing",
            "ContentCreatorName": "Li^Lei",
            "GraphicAnnotationSequence": [
                item(GraphicLayer="L1", TextObjectSequence=[item(UnformattedTextValue="张晓明 肿块")]),
            ],
            "GraphicLayerSequence": [item(GraphicLayer="L1", GraphicLayerDescription="drawn for Zhang XiaoMing")],
        },
        "肿块",
    ),
    "structure set": (
        "481.3",
        {
            "StructureSetLabel": "ZhangXiaoMing",
            "StructureSetROISequence": [item(ROINumber=1, ROIName="GTV Zhang XiaoMing", ROIDescription="张晓明")],
            "RTROIObservationsSequence": [item(ObservationNumber=1, ROIObservationLabel="CTV 张晓明", ROIInterpreter="Li^Lei")],
        },
        "GTV",
    ),
    "electrocardiogram": (
        "9.1.1",
        {
            "WaveformAnnotationSequence": [item(UnformattedTextValue="Zhang XiaoMing sinus rhythm")],
            "WaveformSequence": [item(MultiplexGroupLabel="Zhang XiaoMing", WaveformBitsAllocated=16, WaveformData=bytes(100))],
        },
        "sinus rhythm",
    ),
    "segmentation": (
        "66.4",
        {
            "SegmentSequence": [
                item(SegmentNumber=1, SegmentLabel="Zhang XiaoMing tumour", SegmentDescription="张晓明", TrackingID="张晓明")
            ]
        },
        "tumour",
    ),
    "icon": (
        "2",
        {"IconImageSequence": [item(Rows=1, Columns=14, BitsAllocated=8, ImageComments="Zhang XiaoMing", PixelData=b"Zhang XiaoMing")]},
        "",
    ),
    "private items as unknown bytes": (
        "2",
        {"0x00990010": ("LO", "OWN"), "0x00991001": ("UN", b"\xfe\xff\x00\xe0\x16\x00\x00\x00" + _PN)},
        "",
    ),
    "items of a safe creator as unknown bytes": (
        "2",
        {"0x00290010": ("LO", "SIEMENS CSA HEADER"), "0x00291009": ("UN", b"\xfe\xff\x00\xe0\x16\x00\x00\x00" + _PN)},
        "",
    ),
    "name in five pieces": ("2", {"PatientName": "Zhang^Xiao^Ming=张^晓^明", "ImageComments": "ZHANG XIAO MING 张晓明, CHEST"}, "CHEST"),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_no_name_is_left(name: str, tmp_path: Path) -> None:
    sop_class, planted, stays = OBJECTS[name]
    source = ct_series(
        1, PatientName="Zhang^XiaoMing=张^晓明", PatientID="ZX00417293", SpecificCharacterSet="ISO_IR 192", SeriesDescription=""
    )[0]
    source.SOPClassUID = source.file_meta.MediaStorageSOPClassUID = _STORAGE + sop_class
    for keyword, value in planted.items():
        if keyword.startswith("0x"):
            source.add(DataElement(int(keyword, 16), *value))
        else:
            setattr(source, keyword, value)
    (tmp_path / "in.dcm").write_bytes(encoded(source))
    record = deidentify_file(tmp_path / "in.dcm", tmp_path / "out.dcm", keys=TestKeys(), pixels=PixelPolicy(reading="none"))
    assert record.reason == ""
    written = (tmp_path / "out.dcm").read_bytes()
    plain = written.lower().translate(None, b" ^\0")
    for word in ("zhangxiaoming", "xiaomingzhang", "lilei", "张晓明", "晓明", "李雷", "zx00417293"):
        assert word.encode() not in plain
    assert stays.encode() in written
    str(pydicom.dcmread(tmp_path / "out.dcm"))
