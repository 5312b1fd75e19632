"""Planted identifiers in 540 frames of sentences are found; the count of what is missed is stated by kind."""

import random
from collections import Counter

import pytest

from nlp.identifiers import find_identifiers
from nlp.normal import normalise
from tests.lib.identifier_notes import frames, planted

WANTED = {"N": 0.99, "D": 0.99, "S": 0.97, "I": 0.999, "P": 0.999, "L": 0.999, "A": 0.99, "R": 0.99}


@pytest.fixture(scope="module")
def recall():
    dice = random.Random(20221117)
    every, found = Counter(), Counter()
    for frame in frames() * 4:
        text, spans = planted(frame, dice)
        normal = normalise(text)
        hits = [normal.raw(hit.start, hit.end) for hit in find_identifiers(normal.text)]
        for start, end, kind in spans:
            every[kind] += 1
            found[kind] += any(first <= start and last >= end for first, last in hits)
    return {kind: found[kind] / every[kind] for kind in every}


def test_there_are_more_than_500_frames():
    assert len(set(frames())) >= 500


@pytest.mark.parametrize(("kind", "least"), WANTED.items())
def test_recall_by_kind(recall, kind, least):
    assert recall[kind] >= least
