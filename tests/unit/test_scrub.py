"""Notes lose identifiers, their dates move, and every offset can be followed."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.ingest.scrub import Known, scrub

KNOWN = Known({"王小芳": "姓名", "王芳": "姓名", "朝阳路8号": "住址"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("患者王小芳，住朝阳路8号。", "患者【姓名】，住【住址】。"),
        ("王小芳诉腹痛，小芳母亲陪同", "【姓名】诉腹痛，【姓名】母亲陪同"),
        ("2021-03-01入院，2021年12月30日出院", "2021-03-08入院，2022年1月6日出院"),
        ("2021.3.1、2021/03/28", "2021.3.8、2021/04/04"),
        ("2021年3月起病", "2021年3月起病"),
        ("12月28日复查", "1月4日复查"),
        ("2021-13-45、比值3-4、120/80", "2021-13-45、比值3-4、120/80"),
        ("2021-03-01. 2021.03.05.", "2021-03-08. 2021.03.12."),
        ("NT-proBNP 1985.3 pg/mL", "NT-proBNP 1985.3 pg/mL"),
        ("电话13800138000", "电话【手机号】"),
        ("", ""),
    ],
)
def test_scrub_of_a_sentence(text, expected):
    assert scrub(text, KNOWN, shift_days=7, written=date(2021, 12, 28)).text == expected


def test_given_names_of_staff_are_not_looked_for_alone():
    assert scrub("王予可查房，予可待因口服", Known({"王予可": "医师"})).text == "【医师】查房，予可待因口服"


def test_dates_stay_without_a_shift():
    assert scrub("2021-03-01入院").text == "2021-03-01入院"


@given(st.lists(st.sampled_from(["王芳", "王小芳", "糖尿病", "，", "2021-3-9", "2021-12-31入院", "头痛3天", "13800138000"]), max_size=12))
def test_spans_of_kept_words_follow_the_edits(pieces):
    text, spans = "", []
    for piece in pieces:
        if piece in ("糖尿病", "头痛3天"):
            spans.append((len(text), len(text) + len(piece)))
        text += piece
    scrubbed = scrub(text, KNOWN, shift_days=70)
    for start, end in spans:
        new_start, new_end = scrubbed.move(start, end)
        assert scrubbed.text[new_start:new_end] == text[start:end]


def test_a_span_that_an_edit_cuts_grows_to_hold_it():
    scrubbed = scrub("其母王芳患糖尿病", KNOWN)
    start, end = scrubbed.move(1, 3)
    assert scrubbed.text[start:end] == "母【姓名】"


def test_identifiers_that_share_characters_both_go():
    assert scrub("李王芳", Known({"李王": "医师"}), Known({"王芳": "姓名"})).text == "【医师】"
