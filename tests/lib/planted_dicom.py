"""Real files with identifiers planted in them, and the key that says what has to become of each: the ten actions of MIDI-B.

What is planted stands in tables: values by patient, and for each attribute a text made of them with what has to go and what has to stay.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pydicom
from PIL import Image, ImageDraw, ImageFont
from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from imaging.deidentify.score import Row, find

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Debian's fonts-droid-fallback has the Chinese characters, fonts-dejavu-core the others.
CHINESE = Path("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf")
LATIN = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")

#: Files by folder below shared("imaging"), and the patient that they are given.
SOURCES = (
    ("chest_ct_harbin/series", "*.dcm", 0),
    ("head_ct_gantry_tilt/ge_hispeed", "*.dcm", 1),
    ("transfer_syntaxes/mr_nine_syntaxes", "*.dcm", 2),
    ("transfer_syntaxes", "*_J2KR", 3),
    ("transfer_syntaxes", "*_RLE", 3),
    ("transfer_syntaxes", "*_JLSL", 4),
    ("burned_in_text", "2_ORIGINAL.dcm", 4),
)

_PATIENTS = (
    {"name": "张晓东", "pinyin": "Zhang^XiaoDong", "spoken": "ZHANG XIAODONG", "doctor": "李国庆", "hospital": "滨江第三人民医院"},
    {"name": "欧阳娜", "pinyin": "Ouyang^Na", "spoken": "OUYANG NA", "doctor": "赵文博", "hospital": "Riverside General Hospital"},
    {"name": "王建国", "pinyin": "Wang^JianGuo", "spoken": "Wang Jianguo", "doctor": "陈思远", "hospital": "东山县中心医院"},
    {
        "name": "Fitzgerald",
        "pinyin": "Fitzgerald^Rosamund",
        "spoken": "Rosamund Fitzgerald",
        "doctor": "Okonkwo",
        "hospital": "St. Bede Clinic",
    },
    {"name": "刘秀英", "pinyin": "Liu^XiuYing", "spoken": "LIU XIUYING", "doctor": "周海涛", "hospital": "清河区妇幼保健院"},
)

_GONE, _STAYS = "text_removed", "text_retained"

#: Path, what is planted there, and what the key says of it (an action, and the part of the text that it is about).
_PLANTED: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("00100010", "{pinyin}={name}", ((_GONE, "{name}"), (_GONE, "{pinyin}"))),
    ("00100020", "{number}", ((_GONE, "{number}"), ("text_notnull", ""), ("patid_consistent", "{number}"))),
    ("00100030", "{birth}", ((_GONE, "{birth}"),)),
    ("00101000", "{card}", ((_GONE, "{card}"),)),
    ("00101001", "{pinyin}", ((_GONE, "{pinyin}"),)),
    ("00101040", "{street}", ((_GONE, "{street}"),)),
    ("00102154", "{phone}", ((_GONE, "{phone}"),)),
    ("00080050", "{accession}", ((_GONE, "{accession}"),)),
    ("00080080", "{hospital}", ((_GONE, "{hospital}"),)),
    ("00080090", "{doctor}", ((_GONE, "{doctor}"),)),
    ("00081070", "{doctor}", ((_GONE, "{doctor}"),)),
    ("00081010", "{hospital} CT1", ((_GONE, "{hospital}"),)),
    ("00080020", "{date}", (("date_shifted", "{date}"),)),
    ("00080021", "{date}", (("date_shifted", "{date}"),)),
    ("00080022", "{later}", (("date_shifted", "{later}"),)),
    ("0008002A", "{later}101112.5", (("date_shifted", "{later}101112.5"),)),
    ("00081030", "胸部平扫 {name} 住院号{number}", ((_GONE, "{name}"), (_GONE, "{number}"), (_STAYS, "胸部平扫"))),
    ("0008103E", "Chest 5.0 for {spoken} {dashed}", ((_GONE, "{spoken}"), (_GONE, "{dashed}"), (_STAYS, "Chest 5.0"))),
    (
        "00204000",
        "患者{name}，{dashed}行检查，右肺上叶见磨玻璃结节，电话{phone}",
        ((_GONE, "{name}"), (_GONE, "{dashed}"), (_GONE, "{phone}"), (_STAYS, "右肺上叶见磨玻璃结节")),
    ),
    ("001021B0", "咳嗽咳痰两周。主管医师{doctor}", ((_GONE, "{doctor}"), (_STAYS, "咳嗽咳痰两周"))),
    ("00081080", "Mass of right upper lobe, {spoken}", ((_GONE, "{spoken}"), (_STAYS, "Mass of right upper lobe"))),
    ("00104000", "过敏：青霉素。证件{card}", ((_GONE, "{card}"), (_STAYS, "青霉素"))),
    ("00400275[0]/00400007", "Low dose protocol {accession}", ((_GONE, "{accession}"), (_STAYS, "Low dose protocol"))),
    ("00400275[0]/00401001", "{accession}", ((_GONE, "{accession}"),)),
    ("00081140[0]/00081150", "1.2.840.10008.5.1.4.1.1.2", (("tag_retained", ""), (_STAYS, "1.2.840.10008.5.1.4.1.1.2"))),
    ("00081140[0]/00081155", "{instance}", (("uid_changed", "{instance}"), ("uid_consistent", "{instance}"))),
    ("00081140[0]/00400260[0]/00080100", "P5-09051", ((_STAYS, "P5-09051"),)),
    ("00081140[0]/00400260[0]/00080104", "Chest CT of {spoken}", ((_GONE, "{spoken}"),)),
    ("00080018", "{instance}", (("uid_changed", "{instance}"), ("uid_consistent", "{instance}"))),
    ("0020000D", "{study}", (("uid_changed", "{study}"), ("uid_consistent", "{study}"))),
    ("0020000E", "{series}", (("uid_changed", "{series}"), ("uid_consistent", "{series}"))),
    ("00200052", "{frame}", (("uid_changed", "{frame}"), ("uid_consistent", "{frame}"))),
    ('0009xx01"ACME HIS"', "{name} {phone}", ((_GONE, "{name}"), (_GONE, "{phone}"))),
    ('0019xx0B"SIEMENS MR HEADER"', "1000", ((_STAYS, "1000"),)),
    ('0019xx40"SIEMENS MR HEADER"', "{spoken}", ((_GONE, "{spoken}"),)),
    ('00081140[0]/0029xx10"ACME HIS"', "{card}", ((_GONE, "{card}"),)),
    ("00020016", "{accession}", ((_GONE, "{accession}"),)),
    # Dates as people write them, and attributes that hold a date under another representation.
    ("00081040", "放射科 {chinese_date}登记", ((_GONE, "{chinese_date}"), (_GONE, "{compact_chinese_date}"))),
    ("00324000", "Follow-up of {english_date}: nodule stable, no pleural effusion", ((_GONE, "{english_date}"), (_STAYS, "nodule stable"))),
    ("00380020", "{date}", (("date_shifted", "{date}"),)),
    ("00402400", "{slashed} 复查，双肺纹理增多", ((_GONE, "{slashed}"), (_STAYS, "双肺纹理增多"))),
    ("00189074", "{later}101112.5+0800", (("date_shifted", "{later}101112.5+0800"),)),
    ("00400275[0]/00400002", "{date}", ((_GONE, "{date}"),)),
    # Names in spellings that no attribute of the patient has, and beside words that look like them.
    ("00181400", "for {joined}", ((_GONE, "{joined}"),)),
    ("00181210", "B70f {number}", ((_GONE, "{number}"), (_STAYS, "B70f"))),
    ("00181160", "WEDGE {card}", ((_GONE, "{card}"),)),
    ("00180010", "碘海醇 {name}", ((_GONE, "{name}"), (_STAYS, "碘海醇"))),
    ("00081048", "{doctor}", ((_GONE, "{doctor}"),)),
    ("00321032", "{doctor}", ((_GONE, "{doctor}"),)),
    ("00081049[0]/00401101[0]/00080104", "{doctor}", ((_GONE, "{doctor}"),)),
    ("00102000", "{name}有高血压病史", ((_GONE, "{name}"),)),
    ("00380500", "{spoken} bedridden", ((_GONE, "{spoken}"),)),
    ("00400254", "胸部增强扫描 检查号{accession}", ((_GONE, "{accession}"), (_STAYS, "胸部增强扫描"))),
    # People and numbers that no attribute of the file knows.
    ("00184000", "增强扫描，联系人电话13712349876", ((_GONE, "13712349876"), (_STAYS, "增强扫描"))),
    (
        "00402001",
        "Persistent cough. Referred by Dr. Harold Smithers, h.smithers@clinic.example",
        ((_GONE, "Smithers"), (_GONE, "clinic.example"), (_STAYS, "Persistent cough")),
    ),
    # UIDs in references, also several in one attribute, and of a standard that stay.
    ("00083010", "{instance}.7", (("uid_changed", "{instance}.7"), ("uid_consistent", "{instance}.7"))),
    ("00082112[0]/00081155", "{instance}.8", (("uid_changed", "{instance}.8"), ("uid_consistent", "{instance}.8"))),
    ("00082112[0]/00081150", "1.2.840.10008.5.1.4.1.1.4", ((_STAYS, "1.2.840.10008.5.1.4.1.1.4"),)),
    ("00082112[0]/0040A170[0]/00080104", "Source image {number}", ((_GONE, "{number}"),)),
    ("00082112[0]/0040A170[0]/00080100", "121322", ((_STAYS, "121322"),)),
    ("00209164", "{study}.9", (("uid_changed", "{study}.9"), ("uid_consistent", "{study}.9"))),
    # Where nobody looks: overlays, retired curves, private sequences.
    ("60020022", "{name}", ((_GONE, "{name}"),)),
    ("60021500", "{spoken}", ((_GONE, "{spoken}"),)),
    ("60024000", "{number}", ((_GONE, "{number}"),)),
    ("50002500", "{spoken}", ((_GONE, "{spoken}"),)),
    ('0099xx20"张晓东科室"', "{phone}", ((_GONE, "{phone}"),)),
)
_META = 0x0002
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: Of what the files bring: attributes that an analysis needs, kept with the values that they have.
_NEEDED = (
    *("00080016", "00080060", "00180050", "00180060", "00180088", "00180080", "00180081", "00200032", "00200037", "00200013"),
    *("00280002", "00280010", "00280011", "00280030", "00280100", "00280101", "00280103", "00281052", "00281053"),
)


class Planted(NamedTuple):
    """Files by name, the key, and by patient what may stand nowhere in what comes out."""

    files: dict[str, Path]
    key: list[Row]
    identifiers: dict[str, tuple[str, ...]]
    patients: dict[str, str]


def plant(folder: Path, root: Path, *, per_source: int = 100, burned: int = 4) -> Planted:
    """Write real files with planted identifiers to a folder.

    Parameters
    ----------
    folder : Path
        Where to.
    root : Path
        The shared data set ``imaging``.
    per_source : int
        At most so many files of each source.
    burned : int
        Into the pixels of so many files of each uncompressed grey source names and dates are drawn.
    """
    files, key, patients = {}, [], {}
    folder.mkdir(parents=True, exist_ok=True)
    for source, pattern, number in SOURCES:
        known = _values(number)
        for count, path in enumerate(sorted(p for p in (root / source).glob(pattern) if p.is_file())[:per_source]):
            name = f"{Path(source).name}_{path.stem}.dcm"
            dataset = pydicom.dcmread(path)
            rows = list(_plant_header(dataset, name, known))
            drawn = count < burned and pattern == "*.dcm" and "CT" in dataset.Modality
            rows += _plant_pixels(dataset, name, known, count) if drawn else _kept_pixels(path, name)
            files[name] = _write(dataset, folder / name, misdeclared=count % 5 == 3 and known["name"] > "一")
            patients[name] = known["patient"]
            key += rows
    return Planted(files, key, {v["patient"]: _unwanted(v) for v in map(_values, range(len(_PATIENTS)))}, patients)


def _values(number: int) -> dict[str, str]:
    chance = random.Random(number)
    digits = lambda n: "".join(chance.choice("123456789") for _ in range(n))  # noqa: E731
    year, month, day = chance.randint(2012, 2023), chance.randint(1, 11), chance.randint(10, 27)
    date = f"{year}{month:02d}{day}"
    return _PATIENTS[number] | {
        "patient": f"patient{number}",
        "number": digits(8),
        "card": digits(18),
        "phone": f"139{digits(8)}",
        "accession": f"ACC{digits(7)}",
        "street": f"幸福路{digits(3)}号{digits(2)}室",
        "birth": f"19{chance.randint(40, 89)}0{chance.randint(1, 9)}1{chance.randint(0, 9)}",
        "date": date,
        "later": f"{year}{month:02d}{day + 1}",
        "dashed": f"{year}-{month:02d}-{day}",
        "slashed": f"{year}/{month}/{day}",
        "chinese_date": f"{year}年{month}月{day}日",
        "compact_chinese_date": f"{month}月{day}日",
        "english_date": f"{day} {_MONTHS[month - 1]} {year}",
        "joined": _PATIENTS[number]["spoken"].replace(" ", "").lower(),
    }


def _unwanted(known: dict[str, str]) -> tuple[str, ...]:
    return tuple(known[name] for name in ("name", "spoken", "number", "card", "phone", "accession", "street", "doctor", "hospital"))


def _plant_header(dataset: Dataset, file: str, known: dict[str, str]) -> Iterator[Row]:
    known = known | {
        "instance": str(dataset.SOPInstanceUID),
        "study": str(dataset.StudyInstanceUID),
        "series": str(dataset.SeriesInstanceUID),
        "frame": str(dataset.get("FrameOfReferenceUID", dataset.StudyInstanceUID + ".1")),
    }
    for path in _NEEDED:
        element = find(dataset, path)
        if element is not None and not element.is_empty:
            yield Row(file, path, "tag_retained", "", known["patient"])
            value = element.value if isinstance(element.value, str) or element.VM == 1 else "\\".join(map(str, element.value))
            yield Row(file, path, _STAYS, str(value), known["patient"])
    dataset.SpecificCharacterSet = "GB18030"
    # What the file brings is nobody's here, and these are given anew.
    for keyword in ("RequestAttributesSequence", "ReferencedImageSequence"):
        if keyword in dataset:
            delattr(dataset, keyword)
    for path, template, checks in _PLANTED:
        _put(dataset, path, template.format(**known))
        for action, about in checks:
            yield Row(file, path, action, about.format(**known), known["patient"])


def _put(dataset: Dataset, path: str, value: str) -> None:
    """Write a value at a path, making the items that lead there."""
    *above, last = path.split("/")
    for step in above:
        tag = int(step[:8], 16)
        if tag not in dataset:
            dataset.add_new(tag, "SQ", Sequence([Dataset()]))
        dataset = dataset[tag].value[0]
    if '"' in last:
        creator, element = last.split('"')[1], int(last[6:8], 16)
        block = dataset.private_block(int(last[:4], 16), creator, create=True)
        if element in block:
            del block[element]
        block.add_new(element, "DS" if value.isascii() and value.isdigit() and len(value) == 4 else "LO", value)
        return
    tag = int(last, 16)
    place = dataset.file_meta if tag >> 16 == _META else dataset
    place[tag] = DataElement(tag, _representation(tag), value, validation_mode=config.IGNORE)


def _representation(tag: int) -> str:
    """Return the VR of an attribute; those of repeating groups, which the dictionary has once, are text."""
    return "LO" if tag >> 24 in (0x50, 0x60) else dictionary_VR(tag)


def _kept_pixels(path: Path, name: str) -> list[Row]:
    """Return the row of an image that nothing was drawn into; what the burned-in ones show themselves is in no key."""
    return [] if "ORIGINAL" in path.name or path.name.startswith("US") else [Row(name, "", "pixels_retained", "")]


def _plant_pixels(dataset: Dataset, name: str, known: dict[str, str], count: int) -> list[Row]:
    values = dataset.pixel_array.copy()
    lines = [f"姓名:{known['name']}", f"住院号:{known['number']}", known["dashed"]]
    boxes = draw(values, lines, size=(14, 18, 24, 32)[count % 4], value=int(values.max()), top=8)
    dataset.PixelData = values.tobytes()
    rows = [Row(name, "", "pixels_hidden", ",".join(map(str, box))) for box in boxes]
    below = max(box[3] for box in boxes) + 60
    return [*rows, Row(name, "", "pixels_retained", f"0,{below},{values.shape[1]},{values.shape[0]}")]


def draw(values: np.ndarray, lines: list[str], *, size: int, value: object, left: int = 8, top: int = 8) -> list[tuple[int, int, int, int]]:
    """Draw lines of text into an image and return the rectangle of each: left, top, right, bottom, ends exclusive.

    Parameters
    ----------
    values : ndarray of shape (rows, columns) or (rows, columns, 3)
        Drawn into.
    lines : list of str
        Chinese, English, digits.
    size : int
        Height of the font, in pixels.
    value : number or sequence of 3
        Of full ink.
    left, top : int
        Where to begin.
    """
    boxes = []
    for number, line in enumerate(lines):
        ink = Image.new("L", values.shape[1::-1])
        pen, x, y = ImageDraw.Draw(ink), float(left), top + round(1.5 * size * number)
        for character in line:
            font = ImageFont.truetype(LATIN if character.isascii() else CHINESE, size)
            pen.text((x, y + size), character, font=font, fill=255, anchor="ls")
            x += pen.textlength(character, font=font)
        share = np.asarray(ink, float) / 255
        rows, columns = np.nonzero(share)
        share = share[..., None] if values.ndim == 3 else share
        values[...] = np.round(values * (1 - share) + share * np.asarray(value)).astype(values.dtype)
        boxes.append((int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1))
    return boxes


def _write(dataset: Dataset, path: Path, *, misdeclared: bool) -> Path:
    """Write a file; its GB18030 text declared as Latin where that is asked for, as it is common in the field."""
    dataset.save_as(path, enforce_file_format=True)
    data = path.read_bytes()
    if misdeclared and dataset.file_meta.TransferSyntaxUID.is_little_endian:
        old, new = (struct.pack("<HH2sH", 8, 5, b"CS", len(text)) + text for text in (b"GB18030 ", b"ISO_IR 100"))
        path.write_bytes(data.replace(old, new, 1))
    return path
