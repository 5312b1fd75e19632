"""The reader of marked-up sentences fails where a slip would make a test that tests nothing."""

import pytest

from tests.lib.marked import MarkedError, read_marked

ALLOWED = {"assertion": frozenset(("absent", "possible"))}


def test_marks_count_in_the_text_without_tags():
    sentence = read_marked("否认<m assertion=absent>高血压</m>史，<m assertion=possible>肺<m>感染</m></m>。", allowed=ALLOWED)
    assert sentence.text == "否认高血压史，肺感染。"
    assert [(mark.start, mark.end, mark.attributes) for mark in sentence.marks] == [
        (2, 5, {"assertion": "absent"}), (7, 10, {"assertion": "possible"}), (8, 10, {})
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("否认<m assertion=absent>高血压史", "never close"),
        ("否认高血压</m>史", "closes nothing"),
        ("否认<m assertion=maybe>高血压</m>史", "assertion=maybe"),
        ("否认<m cue=1>高血压</m>史", "cue=1"),
        ("否认<m absent>高血压</m>史", "cannot be read"),
        ("否认高血压史", "no mark"),
        ("否认<m></m>高血压史", "empty"),
        ("否认<m>高血压</m>史<m assertion=absent", "broken"),
    ],
)
def test_a_slip_is_an_error(source, problem):
    with pytest.raises(MarkedError, match=problem):
        read_marked(source, allowed=ALLOWED, line=3)
