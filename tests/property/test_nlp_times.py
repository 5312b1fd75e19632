"""Laws of times: any date in any form is read back, spans say what they are, the clock shifts its answers."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlp.annotations import ClinicalText, Note
from nlp.normal import normalise
from nlp.times import Times

CN = "〇一二三四五六七八九"
WRITTEN = datetime(2021, 6, 15, 10, 30)
FRAMES = ("患者于{}入院。", "{}复查CT", "检查({}):正常", "。{},无不适", "末次化疗:{}。")


def chinese(value: int) -> str:
    tens, ones = divmod(value, 10)
    return ("" if tens == 0 else "十" if tens == 1 else CN[tens] + "十") + (CN[ones] if ones else "")


FORMS = {
    "iso": lambda d: f"{d:%Y-%m-%d}",
    "dots": lambda d: f"{d.year}.{d.month}.{d.day}",
    "slashes": lambda d: f"{d.year}/{d.month}/{d.day}",
    "padded dots": lambda d: f"{d:%Y.%m.%d}",
    "chinese marks": lambda d: f"{d.year}年{d.month}月{d.day}日",
    "号": lambda d: f"{d.year}年{d.month:02}月{d.day:02}号",
    "numerals": lambda d: "".join(CN[int(c)] for c in str(d.year)) + f"年{chinese(d.month)}月{chinese(d.day)}日",
    "digits": lambda d: f"{d:%Y%m%d}",
    "full width": lambda d: f"{d:%Y-%m-%d}".translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789-"}),
    "mixed": lambda d: f"{d.year}年{d.month}-{d.day}日",
    "doubled": lambda d: f"{d.year}--{d.month:02}--{d.day:02}",
}


def read(text: str, **clock):
    clinical = ClinicalText(Note(text, **clock), normalise(text))
    return clinical, Times().predict(clinical)


@pytest.mark.parametrize("form", FORMS)
@given(day=st.dates(date(1950, 1, 1), date(2049, 12, 31)), frame=st.sampled_from(FRAMES))
def test_any_date_in_any_form_is_read_back(form, day, frame):
    _, found = read(frame.format(FORMS[form](day)), written=WRITTEN)
    assert [(time.kind, time.grain, time.earliest.date(), time.latest.date()) for time in found] == [("absolute", "day", day, day)]


@given(day=st.dates(date(2012, 6, 16), date(2021, 6, 15)), padded=st.booleans())
def test_a_day_without_a_year_is_the_latest_not_after_the_note(day, padded):
    words = f"{day:%m-%d}" if padded else f"{day.month}月{day.day}日"
    _, (found,) = read(f"患者于{words}行手术", written=WRITTEN)
    assert found.earliest <= WRITTEN
    assert (found.earliest.month, found.earliest.day) == (day.month, day.day)
    later = [year for year in range(found.earliest.year + 1, 2022) if (day.month, day.day) != (2, 29) or year % 4 == 0]
    assert not any(datetime(year, day.month, day.day) <= WRITTEN for year in later)


@given(
    year=st.integers(1950, 2049),
    month=st.integers(0, 20),
    day=st.integers(0, 40),
    form=st.sampled_from(["{}-{}-{}", "{}年{}月{}日", "{}.{}.{}"]),
)
def test_no_impossible_day_is_found(year, month, day, form):
    _, found = read("于" + form.format(year, month, day), written=WRITTEN)
    try:
        wanted = [date(year, month, day)]
    except ValueError:
        wanted = []
    assert [time.earliest.date() for time in found if time.grain == "day"] == wanted
    if not wanted:
        assert found == []


RELATIVE = (
    "今日",
    "昨晚",
    "前日夜间",
    "3天前",
    "腹痛3天",
    "近3天",
    "1周余前",
    "2小时前",
    "入院第3天",
    "术后第3天",
    "术前1天",
    "上周三",
    "头晕两周",
    "数小时前",
)


@given(words=st.sampled_from(RELATIVE), days=st.integers(-4000, 4000).map(lambda n: n * 7))
def test_the_clock_shifts_answers_by_the_same_days(words, days):
    clock = {"written": WRITTEN, "admitted": datetime(2021, 6, 10, 9), "operated": datetime(2021, 6, 12, 14)}
    moved = {name: value + timedelta(days=days) for name, value in clock.items()}
    _, (here,) = read(words, **clock)
    _, (there,) = read(words, **moved)
    assert (there.earliest - here.earliest, there.latest - here.latest) == (timedelta(days=days),) * 2
    assert here._replace(earliest=None, latest=None) == there._replace(earliest=None, latest=None)


@given(number=st.integers(1, 99), unit=st.sampled_from(["天", "周", "个月", "年", "小时"]), more=st.sampled_from(["", "余", "+"]))
def test_the_exact_past_lies_within_its_bounds_and_more_means_more(number, unit, more):
    written = f"{number}{more}{unit}前"
    _, (found,) = read(f"患者{written}受凉", written=WRITTEN)
    _, (plain,) = read(f"患者{number}{unit}前受凉", written=WRITTEN)
    assert found.earliest <= found.latest <= WRITTEN + timedelta(days=1)
    if more:
        assert found.earliest < plain.earliest or unit in ("天", "小时")
        assert found.earliest < plain.latest


ALPHABET = "0123456789一二两三十半数几余多+-./:年月日天周时点分前后内来近约术入院后第今昨现,。 年月个孕岁每次hd"


@given(st.text(st.sampled_from(ALPHABET), max_size=60) | st.text(max_size=60))
def test_spans_lie_in_the_text_in_order_and_bounds_are_in_order(text):
    clinical, found = read(text, written=WRITTEN)
    end = 0
    for time in found:
        assert end <= time.start < time.end <= len(clinical.text)
        assert time.earliest is None or time.latest is None or time.earliest <= time.latest
        assert time.days is None or 0 <= time.days[0] <= time.days[1]
        end = time.end
    assert Times().predict(clinical) == found
