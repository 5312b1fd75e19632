"""Dates of a note move in the form in which they stand; what is no date stays."""

from datetime import date

import pytest

from workbench.ingest.scrub import scrub

WRITTEN = date(2021, 3, 20)


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("于3/5行CT，3/8复查", "于3/12行CT，3/15复查"),
        ("20210301行手术，202103011230", "20210308行手术，202103081230"),
        ("3月28日至8日", "4月4日至15日"),
        ("3月1日至8日、12号", "3月8日至15日、19号"),
        ("至8日出院", "至15日出院"),
        ("2月29日", "3月7日"),
        ("2021-02-30", "2021-03-07"),
        ("二〇二一年三月五日；三月二十八日", "二〇二一年三月十二日；四月四日"),
        ("2020.1.3-1.10输液", "2020.1.10-1.17输液"),
        ("21年3月5日，21.3.5，21-03-05", "21年3月12日，21.3.12，21-03-12"),
        ("5/1 患者体温正常", "5/8 患者体温正常"),
        ("2016--10--29入院", "2016--11--05入院"),
        ("2021 年 3 月 1 日 08:30", "2021 年 3 月 8 日 08:30"),
        ("2017-03-052017-03-28", "2017-03-122017-04-04"),
        ("２０２１年３月１日", "2021年3月8日"),
        ("12月28日-1月3日", "1月4日-1月10日"),
    ],
)
def test_dates_move_in_their_form(text, moved):
    assert scrub(text, shift_days=7, written=WRITTEN).text == moved


@pytest.mark.parametrize(
    "text",
    [
        "肌力3/5级，3/6级杂音，血压120/80mmHg",
        "淋巴结3/15未见转移，L4/5椎间盘",
        "1-2 天，12-15岁，口服2-3日，3-5/HP",
        "住院3日，8日前，每日3次",
        "NT-proBNP 1985.3 pg/mL，CEA 12.5-3.4",
        "2015年版指南，10月2次",
        "1.2 血压正常",
    ],
)
def test_what_is_no_date_stays(text):
    assert scrub(text, shift_days=7, written=WRITTEN).text == text


def test_intervals_stay_over_a_year():
    text = "2020-12-30入院，1月2日手术，1月9日出院"
    assert scrub(text, shift_days=-70, written=date(2021, 1, 9)).text == "2020-10-21入院，10月24日手术，10月31日出院"
