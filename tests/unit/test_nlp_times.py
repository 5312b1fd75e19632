"""Times: the corpus of our own sentences, the clock of documents that look back, what is refused."""

import itertools
import json
import re
from datetime import datetime

import pytest
import yaml

from nlp.annotations import ClinicalText, Note, Section
from nlp.normal import normalise
from nlp.times import Times
from tests.lib.paths import REPOSITORY, shared

CORPUS = yaml.safe_load((REPOSITORY / "tests/corpus/times.yaml").read_text("utf-8"))
CLOCK = CORPUS["clock"]
MARK = re.compile(r"\[([^\]]*)\]")


def times(text: str, *, sections: list[Section] = (), document: str = "", **clock):
    note = Note(text, document_type=document, **(clock or CLOCK))
    clinical = ClinicalText(note, normalise(text), document_type=document, sections=list(sections))
    found = Times().predict(clinical)
    return [(clinical.text[time.start : time.end], time) for time in found]


def bound(written: str, *, last: bool) -> datetime:
    day = datetime.fromisoformat(written)
    return day.replace(hour=23, minute=59, second=59) if last and "T" not in written else day


def expected(says: str) -> tuple:
    """Read "relative day 2021-06-12..2021-06-13 days=2..3 from=written"."""
    kind, grain, *rest = says.split()
    named = dict(part.split("=") for part in rest if "=" in part)
    bounds = next((part for part in rest if "=" not in part), "")
    first, _, last = bounds.partition("..")
    days = named.get("days", "")
    low, _, high = days.partition("..")
    return (
        kind,
        grain,
        bound(first, last=False) if first else None,
        bound(last or first, last=True) if first else None,
        (pytest.approx(float(low), rel=1e-4), pytest.approx(float(high or low), rel=1e-4)) if days else None,
        named.get("from", ""),
    )


def disagreement(sentence: dict) -> str:
    text = MARK.sub(r"\1", sentence["say"])
    wanted = [(normalise(mark).text, *expected(says)) for mark, says in zip(MARK.findall(sentence["say"]), sentence["is"], strict=True)]
    got = [(words, *time[2:]) for words, time in times(text)]
    return "" if got == wanted else f"{sentence['say']}: {got}"


@pytest.mark.parametrize("part", ["sentences", "held_out"])
def test_corpus(part):
    wrong = [answer for sentence in CORPUS[part] if (answer := disagreement(sentence))]
    assert not wrong, "\n".join(wrong)


def test_a_wrong_expectation_is_found():
    assert disagreement({"say": "腹痛[3天]", "is": ["duration day 2021-06-11 days=3 from=written"]})
    assert disagreement({"say": "腹痛3天", "is": []})


def test_complaints_of_a_discharge_note_count_from_admission():
    text = "主诉:腹痛3天。出院医嘱:3天后复查"
    sections = [Section(0, 8, 3, "主诉", "主诉"), Section(8, len(text), 13, "出院医嘱", "出院医嘱")]
    (_, complaint), (_, plan) = times(text, sections=sections, document="出院小结", **CLOCK)
    assert complaint.anchor == "admitted"
    assert complaint.earliest == datetime(2021, 6, 7)
    assert plan.anchor == "written"
    assert plan.earliest == datetime(2021, 6, 18)


def test_without_a_clock_there_are_no_bounds_but_for_full_dates():
    found = times("昨日腹痛3天,3月5日,入院第2天,术后3天,8:30患者,上周三,2020年3月", written=None, admitted=None, operated=None)
    assert [time.earliest for _, time in found] == [None] * 7 + [datetime(2020, 3, 1)]
    assert [time.anchor for _, time in found[:4]] == ["written", "written", "", "admitted"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\x01",
        "\ud800日",
        "😀3天前",
        "二月三十日",
        "9999年前",
        "9999年12月31日后3天",
        "-" * 500,
        "1" * 5000,
        "年月日" * 999,
        "十" * 2000,
        "3-" * 3000,
        "（" * 999,
        "0天前",
        "0000-00-00",
        "00:00",
        "24:00",
        "99999999",
        "一一一一年",
        "前天" * 999,
        "3天" * 999,
        "百千万年",
        "半半年",
        "几几天",
        "数百年前",
        "０月０日",
    ],
)
def test_odd_text_never_raises(text):
    for words, time in times(text):
        assert words
        assert time.earliest is None or time.earliest <= time.latest


def test_a_clock_at_the_end_of_the_calendar_refuses_what_lies_beyond():
    assert times("3天后复查,明日,下周", written=datetime(9999, 12, 31), admitted=None, operated=None)[0:1] == []
    assert [words for words, _ in times("3年前,昨日", written=datetime(1, 1, 1), admitted=None, operated=None)] == []


def test_most_notes_of_ccks_have_times_and_no_span_is_wrong():
    path = shared("text/ccks2019/notes_800.jsonl")
    with path.open(encoding="utf-8") as lines:
        notes = [json.loads(line)["originalText"] for line in lines][:100]
    found = [times(note) for note in notes]
    assert sum(map(bool, found)) >= 95
    for answers in found:
        assert all(before.end <= after.start for (_, before), (_, after) in itertools.pairwise(answers))
