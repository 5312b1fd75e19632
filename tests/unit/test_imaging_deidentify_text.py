"""Parts of de-identification by themselves: dates, character sets, spellings, free text, the table of private ones."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from imaging.deidentify.charset import decode_text, encodings_of
from imaging.deidentify.dates import shift_text, shift_value
from imaging.deidentify.identifiers import known
from imaging.deidentify.private import safe_private
from imaging.deidentify.residual import residual
from imaging.deidentify.text import clean_text

ONE = known(frozenset({"Li^Na=李^娜", "Ouyang^Zhiyuan=欧阳^致远"}), frozenset({"A00123456", "4711", "20240102", "138 0013 8000"}))


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("20240229", "20240307"),
        ("20240229\\20241231", "20240307\\20250107"),
        ("2024.02.29", "2024.03.07"),
        ("20240229101112.123456-0500", "20240307101112.123456-0500"),
        ("202402", "202402"),
        ("2024", "2024"),
        ("", ""),
        ("20240230", None),
        ("00000000", None),
        ("99991231", None),
        ("2024022", None),
        ("20240229x", None),
        ("yesterday", None),
    ],
)
def test_values_of_dates(text: str, moved: str | None) -> None:
    assert shift_value(text, 7) == moved


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("CT 2024-02-29 10:11", "CT 2024-03-07 10:11"),
        ("2024/2/9,2024.02.09", "2024/2/16,2024.02.16"),
        ("2024年12月31日复查", "2025年01月07日复查"),
        ("29 Feb 2024; FEB 29, 2024; 3-mar-2024", "07 Mar 2024; MAR 07, 2024; 10-mar-2024"),
        ("02/29/2024 and 29/02/2024", "03/07/2024 and 07/03/2024"),
        ("scan_20240229_b and 20240229101112", "scan_20240307_b and 20240307101112"),
        ("kV 120, 2024 mAs, 5.2024.1, matrix 20241399", "kV 120, 2024 mAs, 5.2024.1, matrix 20241399"),
        ("on 2024-02-30", "on "),
    ],
)
def test_dates_in_text(text: str, moved: str) -> None:
    assert shift_text(text, 7) == moved


def test_any_date_in_any_form_moves_by_its_days() -> None:
    chance = random.Random(3)
    for _ in range(500):
        on, days = date(1950, 1, 1) + timedelta(days=chance.randrange(27_000)), chance.randrange(-400, 400)
        for form in ("%Y%m%d", "%Y-%m-%d", "%Y年%m月%d日", "%d %b %Y", "%B %d, %Y"):
            if form == "%B %d, %Y":
                continue  # months written out are shortened
            assert shift_text(f"x {on:{form}} y", days) == f"x {on + timedelta(days=days):{form}} y"
        assert shift_value(f"{on:%Y%m%d}", days) == f"{on + timedelta(days=days):%Y%m%d}"


@pytest.mark.parametrize("text", ["王小东", "张喆", "李珺 胸部CT平扫+增强", "镕基", "北京大学第一医院(东院)", "右侧。左侧，5mm×2"])
@pytest.mark.parametrize("declared", ["", "ISO_IR 100", "ISO_IR 192", "GB18030", "ISO_IR 6"])
def test_chinese_in_whatever_it_is_written(text: str, declared: str) -> None:
    assert decode_text(text.encode("gb18030"), encodings_of(declared)) == text
    assert decode_text(text.encode(), encodings_of(declared)) == text


@pytest.mark.parametrize("text", ["Müller", "François^Zoé", "Ångström", "crème brûlée", "São Paulo", "Ñandú", "Größe 5µm"])
def test_languages_of_the_west(text: str) -> None:
    assert decode_text(text.encode("latin-1"), encodings_of("ISO_IR 100")) == text
    assert decode_text(text.encode(), encodings_of("ISO_IR 192")) == text


def test_escapes_are_followed() -> None:
    korean = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
    assert decode_text(korean, encodings_of("\\ISO 2022 IR 149")) == "Hong^Gildong=洪^吉洞=홍^길동"


@pytest.mark.parametrize(
    "text",
    ["Li Na", "na, LI", "LI^NA", "for li-na.", "李 娜", "OUYANGZHIYUAN2", "zhi yuan ouyang", "a001-23456", "13800138000"],
)
def test_spellings_are_found_in_every_encoding(text: str) -> None:
    assert ONE.pattern.search(text)
    for encoding in ("utf-8", "gb18030", "utf-16-le"):
        assert ONE.hits(text.encode(encoding))
        assert residual([b"\0" * 8 + text.encode(encoding)], ONE, ()), encoding


@pytest.mark.parametrize("text", ["ZHANG XIAO MING", "xiaoming zhang", "Lu Shan", "lv^shan", "Ouyang Na", "na ouyang", "SITU YI"])
def test_a_chinese_name_is_known_in_latin_letters(text: str) -> None:
    assert known(frozenset({"张晓明", "吕^珊", "欧阳娜", "司徒^毅"}), frozenset()).hits(text.encode())


@pytest.mark.parametrize("text", ["clinical", "Carolina Line", "A0012345", "114711", "2024010", "1380013800", "胸部平扫", "致远"])
def test_other_words_condemn_no_file(text: str) -> None:
    assert not ONE.hits(text.encode())


def test_few_digits_and_dates_go_from_text_and_condemn_no_file() -> None:
    assert clean_text("no 4711 of 20240102, 47110", ONE, shift_days=0) == "no of , 47110"
    assert not ONE.hits(b"4711 20240102")


@pytest.mark.parametrize("name", ["张^晓^明", "张^晓明", "Zhang^Xiao^Ming=张^晓^明"])
def test_a_given_name_alone_goes_however_it_is_divided(name: str) -> None:
    someone = known(frozenset({name}), frozenset())
    assert clean_text("晓明 复查, ZHANG XIAO MING", someone, shift_days=0).startswith("复查")
    assert not someone.hits("晓明".encode())  # too common to condemn a file


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("230103196501011234 胸部", "胸部"),
        ("患者：李四，男", "，男"),
        ("由张三丰医生申请", "由 申请"),
        ("Referred by Dr. Smith, lung", "Referred by , lung"),
        ("call 0451-87654321 or 555-123-4567", "call or"),
        ("MRN: 99 right knee", "right knee"),
        ("Thorax^AThoraxRoutine (Adult)", "Thorax^AThoraxRoutine (Adult)"),
        ("T2 FLAIR tra 4mm, TR/TE 9000/81", "T2 FLAIR tra 4mm, TR/TE 9000/81"),
        ("腹部增强 动脉期 1.25mm", "腹部增强 动脉期 1.25mm"),
        ("MR drive pelvis", "MR drive pelvis"),
    ],
)
def test_text_is_cleaned_by_form(text: str, clean: str) -> None:
    assert clean_text(text, ONE, shift_days=7) == clean


def test_old_uids_are_found_where_they_end() -> None:
    nobody = known(frozenset(), frozenset())
    assert residual([b"x1.2.840.113619.2.55.3.1\0"], nobody, ["1.2.840.113619.2.55.3.1"]) == 1
    assert residual([b"x1.2.840.113619.2.55.3.19"], nobody, ["1.2.840.113619.2.55.3.1"]) == 0


def test_a_private_one_is_known_by_its_creator_wherever_its_block_lies() -> None:
    assert safe_private(0x001910B0, {0x00190010: "SIEMENS CT VA0  COAD"}) == safe_private(
        0x001911B0, {0x00190011: "SIEMENS CT VA0  COAD"}
    )._replace(creator=0x00190010)
    assert safe_private(0x001910B0, {}) is None
    assert safe_private(0x00190010, {0x00190010: "SIEMENS CT VA0  COAD"}) is None
