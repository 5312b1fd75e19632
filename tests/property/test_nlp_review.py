"""Laws of the review: weights sum to the population, intervals cover what they bound, a file is never worse than its last whole line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.review import Decision, DecisionFile, draw_sample, wilson
from nlp.review.gold import sentence_span
from nlp.review.metrics import _estimates, _Group

STRATA = st.lists(st.sampled_from("abcdefgh"), max_size=200)


@given(STRATA, st.integers(1, 80), st.integers(1, 6), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_weights_sum_to_the_population_and_no_unit_is_drawn_twice(strata, n, floor, seed):
    sample = draw_sample(strata, n, seed=seed, floor=floor)
    assert sample.weights.sum() == pytest.approx(len(strata))
    assert len(set(sample.places.tolist())) == len(sample.places) == min(n, len(strata))
    assert all(drawn <= size for size, drawn in sample.strata.values())


@given(st.floats(0, 1), st.integers(1, 10_000))
@settings(deadline=None)
def test_an_interval_holds_its_estimate(share, n):
    value, low, high = wilson(share, n)
    assert 0 <= low <= value <= high <= 1


@pytest.mark.parametrize(("share", "n"), [(0.5, 20), (0.9, 50), (0.97, 100)])
def test_wilson_covers_in_simulation(share, n):
    drawn = np.random.default_rng(0).binomial(n, share, 4000)
    covered = np.mean([low <= share <= high for _, low, high in (wilson(hits / n, n) for hits in drawn)])
    assert 0.925 <= covered <= 0.985


@pytest.mark.parametrize(
    ("precision", "wrong", "missed", "many"), [(0.9, 0.0, 0.05, 1000), (0.8, 0.1, 0.02, 4000), (0.95, 0.03, 0.0, 2000)]
)
def test_recall_and_f1_cover_in_simulation(precision, wrong, missed, many):
    """1,000 notes with a finding, `many` without, 100 of each judged."""
    random, rounds, kept = np.random.default_rng(3), 1500, [0, 0, 0]
    right, lost = 1000 * precision, 1000 * wrong + many * missed
    truth = (precision, right / (right + lost), 2 * right / (1000 + right + lost))
    for _ in range(rounds):
        good, bad, _ = random.multinomial(100, [precision, wrong, 1 - precision - wrong])
        passed_over = random.binomial(100, missed)
        found = _Group(1000, (10.0,) * 100, (True,) * good + (False,) * (100 - good), (False,) * (100 - bad) + (True,) * bad)
        rest = _Group(many, (many / 100,) * 100, (False,) * 100, (False,) * (100 - passed_over) + (True,) * passed_over)
        for place, interval in enumerate(_estimates([found, rest])):
            kept[place] += interval.low - 1e-9 <= truth[place] <= interval.high + 1e-9
    assert min(kept) / rounds >= 0.92, kept  # exact for precision 0.9 of 100: 0.936


@given(st.lists(st.sampled_from(["accept", "reject", "unsure"]), min_size=1, max_size=6), st.integers(1, 400))
@settings(max_examples=30, deadline=None)
def test_a_file_cut_anywhere_gives_back_its_whole_lines(tmp_path_factory, verdicts, cut):
    file = DecisionFile(tmp_path_factory.mktemp("cut") / "d.jsonl")
    made = [file.append(Decision(f"{place}", "a", verdict)) for place, verdict in enumerate(verdicts)]
    content = file.path.read_bytes()[: -min(cut, 1)] if cut % 2 else file.path.read_bytes()[:cut]
    file.path.write_bytes(content)
    whole = content.count(b"\n")
    assert file.read() == made[:whole]
    last = file.append(Decision("z", "a", "accept"))
    assert file.read() == [*made[:whole], last]


@given(st.text(max_size=60), st.data())
@settings(deadline=None)
def test_a_sentence_holds_its_span(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    low, high = sentence_span(text, start, end)
    assert 0 <= low <= start <= end <= high <= len(text)
