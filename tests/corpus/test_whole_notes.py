"""Whole notes in many manners: what a clinician expects of them is found, and nothing that they hold breaks the pipeline."""

from collections import Counter
from functools import cache

import pytest

import nlp
from tests.lib.whole_notes import misses, note_of, whole_notes

FLOORS = {"section": 0.97, "document": 0.9, "mention": 0.95, "quantity": 0.98, "time": 0.97, "relation": 0.95}
HELD_OUT_FLOORS = {"section": 0.93, "document": 0.9, "mention": 0.9, "quantity": 0.98, "time": 0.95, "relation": 0.93}


@cache
def structured():
    cases = whole_notes()
    return list(zip(cases, nlp.read(nlp.load(), map(note_of, cases)), strict=True))


@pytest.mark.parametrize(("held_out", "floors"), [(False, FLOORS), (True, HELD_OUT_FLOORS)])
def test_what_is_found(held_out, floors):
    met, all_of, missed = Counter(), Counter(), []
    for case, text in structured():
        if bool(case.get("held_out")) == held_out:
            for kind, expectation, found in misses(case, text):
                all_of[kind] += 1
                met[kind] += found
                missed += [] if found else [f"{case['style']}: {kind} {expectation}"]
    shares = {kind: met[kind] / all_of[kind] for kind in floors}
    assert all(shares[kind] >= floor for kind, floor in floors.items()), (shares, missed)


def test_spans_lie_in_their_note():
    for _, text in structured():
        records = [*text.sections, *text.sentences, *text.mentions, *text.quantities, *text.times, *text.relations]
        assert all(0 <= record.start <= record.end <= len(text.raw) for record in records)


def test_notes_one_after_another_are_one_long_note():
    everything = "\n".join(case["text"] for case in whole_notes())
    long = everything * (100_000 // len(everything) + 1)
    (text,) = nlp.read(nlp.load(), [long])
    assert len(text.mentions) > len(long) // 100
    assert all(text.raw[mention.start : mention.end] for mention in text.mentions)
