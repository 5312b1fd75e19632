"""Words: numbers with units and Latin names are never cut, nothing is lost."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.words import Segmenter, segment

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

KEPT = {
    "percent": ("糖化血红蛋白7.2%", "7.2%"),
    "marker": ("查CA19-9升高", "CA19-9"),
    "receptor": ("HER-2(1+)", "HER-2"),
    "power": ("白细胞12.3*10^9/L", "12.3*10^9/L"),
    "pressure": ("血压120/80mmHg", "120/80mmHg"),
    "temperature": ("体温38.5℃", "38.5℃"),
    "medical word": ("慢性阻塞性肺疾病急性加重", "慢性阻塞性肺疾病急性加重"),
    "greek": ("β-HCG阳性", "β-HCG"),
}


@pytest.mark.parametrize(("text", "word"), KEPT.values(), ids=KEPT)
def test_kept_whole(text, word):
    assert word in segment(text)


def test_words_of_ones_own():
    assert Segmenter(["甲乙丙丁戊"]).segment("患甲乙丙丁戊症") == ["患", "甲乙丙丁戊", "症"]


@given(st.text(max_size=40) | st.text(alphabet="发热咳嗽3.5%CA19-9 \n,。", max_size=40))
@settings(max_examples=150, deadline=None)
def test_joined_words_are_the_text(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "".join(segment(text)) == text
        assert "".join(segment(text, fast=True)) == text
