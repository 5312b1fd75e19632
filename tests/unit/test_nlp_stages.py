"""Stages and scores: order of grades, impossible grades, the table itself, work in the pipeline."""

import pytest

from nlp.numerals import chinese_number, roman_number
from nlp.quantities import Quantities
from nlp.quantities.stages import find_stages, rank, systems
from nlp.reading import own_table

ENTRIES = own_table("stages.yaml")["systems"]


def stages(text):
    return [record for _, _, record in find_stages(text) if record]


@pytest.mark.parametrize("system", [one for one in systems().values() if one.form == "grade"], ids=lambda one: one.name)
def test_every_grade_of_every_system_is_found_by_its_name(system):
    entry = ENTRIES[system.entry]
    for grade in system.grades:
        found = stages(f"{entry['names'][0]}{'' if entry['names'][0].endswith('-') else ' '}{grade}{entry['ends'][0]}")
        assert [(one.system, one.text) for one in found] == [(system.name, grade)]


@pytest.mark.parametrize("system", [one for one in systems().values() if one.form == "points" and one.name], ids=lambda one: one.name)
def test_points_count_within_their_bounds(system):
    name = ENTRIES[system.entry]["names"][0]
    for points in {int(system.high), int(max(0, system.low))}:
        assert [(one.system, one.values) for one in stages(f"{name}评分{points}分")] == [(system.name, (float(points),))]
    assert stages(f"{name}评分{int(system.high) + 1}分") == []


def test_grades_ascend():
    assert rank("NYHA", "III") > rank("NYHA", "II")
    assert rank("BI-RADS", "4C") > rank("BI-RADS", "4A") > rank("BI-RADS", "4")
    assert rank("NYHA", "II-III") == rank("NYHA", "III")
    assert rank("GCS", "15") == 15.0
    assert rank("NYHA", "IX") is None
    assert rank("no such", "1") is None


@pytest.mark.parametrize(
    "text", ["GCS 18分", "BI-RADS 7类", "E4V5M6=14", "Gleason 4+3=8", "HER2(4+)", "Child-Pugh 17分B级", "NYHA V级", "Apgar 12分"]
)
def test_what_cannot_be_is_nothing_at_all(text):
    assert Quantities().predict(text) == []


@pytest.mark.parametrize("text", ["T2加权像", "T11椎体", "Ⅱ期愈合", "二级护理", "ct2次", "ps 3天", "lace 3分钟"])
def test_look_alikes(text):
    assert stages(text) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [("十二", 12), ("一百零五", 105), ("两百", 200), ("半", 0.5), ("三点五", 3.5), ("1万", None), ("三四", None), ("", None)],
)
def test_chinese_numerals(text, number):
    assert chinese_number(text) == number


def test_roman_numerals():
    assert [roman_number(text) for text in ("IV", "Ⅳ", "ⅱ", "IIII", "X", "IVI")] == [4, 4, 2, 4, 10, None]


@pytest.mark.parametrize(
    "text",
    ["", "\x00\x01", "\ud800", "😀3cm", "<b>3cm</b>", "體溫38.5℃，直徑3公分", "İ" * 50 + "GCS 15分", "9" * 5000, "3×" * 2000, "1-" * 2000],
)
def test_bad_input_never_raises(text):
    for one in Quantities().predict(text):
        assert 0 <= one.start < one.end <= len(text)


def test_a_megabyte_is_read():
    assert len(Quantities().predict("白细胞12.5×10^9/L，" * 60_000)) == 60_000
