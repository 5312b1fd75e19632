"""The map of offsets between raw and normalised text: it inverts, is monotone, and kept characters are the same characters."""

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nlp.normal import fold, normalise

WORDS = (
    "体温３８．５℃， 10⁹/L m² Ⅲ级 ㎝ \u200b \ufeff <br/> <b> </td> &nbsp; &lt; &#8451; &bad; °C ½ \\n \\par \\'b7\\'a2 {\\rtf1 { } \x00 "
    "\ud800 😀 顯著發燒 _x000D_ <3.5 <sup>9</sup> ① 、 。 \\u32958? ⽔ a 1"
)
PIECES = st.sampled_from([*WORDS.split(" "), " ", "\r\n", "\r"])
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=12).map("".join)


@given(TEXTS)
@example("")
@example("<sup>")
@example("\u200b\u200b<br>")
@settings(max_examples=400)
def test_spans_map_into_the_raw_text_and_back(raw):
    normal = normalise(raw)
    places = [normal.raw(place, place + 1) for place in range(len(normal.text))]
    assert all(0 <= start < end <= len(raw) for start, end in places)
    assert all(before[0] <= after[0] and before[1] <= after[1] for before, after in itertools.pairwise(places))
    for place, (start, end) in enumerate(places):
        first, last = normal.normal(start, end)
        assert first <= place < last
        assert normal.raw(first, last) == (start, end)


@given(TEXTS)
def test_a_span_covers_the_sources_of_its_characters(raw):
    normal = normalise(raw)
    for start in range(len(normal.text)):
        for end in range(start + 1, min(start + 4, len(normal.text)) + 1):
            assert normal.raw(start, end) == (normal.raw(start, start + 1)[0], normal.raw(end - 1, end)[1])


@given(st.text(alphabet="心肺腹未见异常abc,.;:()0123456789%\n。、", max_size=60))
def test_text_in_normal_form_is_left_as_it_is(raw):
    normal = normalise(raw)
    assert (normal.text, normal.breaks) == (raw, ())


@given(st.lists(st.sampled_from(["体", "３", "，", "\u200b", "<br>", "&nbsp;", "7"]), max_size=20).map("".join))
def test_kept_characters_come_from_themselves(raw):
    normal = normalise(raw)
    for place, character in enumerate(normal.text):
        start, end = normal.raw(place, place + 1)
        assert character in {raw[start:end], {"３": "3", "，": ",", "<br>": "\n", "&nbsp;": " "}.get(raw[start:end])}


@given(st.text(max_size=30))
def test_folding_keeps_the_length(text):
    assert len(fold(text)) == len(text)
