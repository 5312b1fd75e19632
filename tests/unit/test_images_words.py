"""Words for what the imaging package says in codes: none missing, the same numbers in both languages."""

from __future__ import annotations

import string

import pytest

from imaging.dicom.refusals import REASONS as FILE_REASONS
from imaging.geometry import Reason, Verdict
from imaging.geometry.reasons import REASONS
from workbench.locale import speaking
from workbench.series.words import FILE_WORDS, REASON_WORDS, VERDICT_WORDS, file_words, reason_from_row, reason_words, verdict_words


def numbers(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_every_code_has_its_words():
    assert set(VERDICT_WORDS) == set(Verdict)
    assert set(REASON_WORDS) - {"no_image"} == set(REASONS)
    assert set(FILE_WORDS) >= set(FILE_REASONS)


@pytest.mark.parametrize("code", sorted(REASONS))
def test_both_languages_name_the_same_numbers(code):
    assert numbers(REASON_WORDS[code]) == numbers(REASONS[code])


def test_a_code_is_worded_in_the_language_in_force():
    gap = reason_from_row('{"code": "gap", "missing": 1, "after": 2, "interval_mm": 10.0, "step_mm": 5.0}')
    assert reason_words(gap) == "第 2 层之后缺 1 层：间隔 10.0 mm，而层距为 5.0 mm"
    with speaking("en"):
        assert reason_words(gap).startswith("1 slices are missing after slice 2")
        assert verdict_words(["gap", "multi_frame"]) == "slices missing, multi-frame"
        assert file_words("empty") == "no bytes"


def test_a_code_of_a_newer_version_is_shown_as_it_is():
    assert verdict_words(["curved"]) == "curved"
    assert reason_words(Reason("curved", {})) == "curved"
    assert file_words("curved") == "curved"
