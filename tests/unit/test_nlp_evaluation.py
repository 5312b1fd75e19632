"""Scores are strict, intervals come from groups, mistakes are sorted into kinds."""

import math

import pytest

from nlp.entities import Entity, Example
from nlp.entities.evaluation import evaluate, find_mistakes, split_groups
from nlp.errors import TextDataError


def test_strict_counts():
    gold = [Example("甲乙丙丁戊己", (Entity(0, 2, "x"), Entity(2, 4, "x"), Entity(4, 6, "y")))]
    result = evaluate(gold, [[Entity(0, 2, "x", 0.4), Entity(2, 3, "x"), Entity(4, 6, "x")]])
    assert (result.micro.right, result.micro.found, result.micro.gold) == (1, 3, 3)
    assert result.micro.f1 == pytest.approx(1 / 3)
    assert result.labels["x"].precision == pytest.approx(1 / 3)
    assert result.labels["x"].recall == 0.5
    assert math.isnan(result.labels["y"].precision)
    assert result.record()["labels"]["y"]["precision"] is None


def test_nothing_to_score():
    result = evaluate([Example("甲")], [[]])
    assert math.isnan(result.micro.f1)
    assert result.record()["micro"]["interval"] is None


def test_the_interval_is_that_of_groups():
    examples = [Example(f"甲{number}", (Entity(0, 1, "x"),), str(number % 4)) for number in range(400)]
    answers = [[Entity(0, 1, "x")] if number % 4 < 2 else [] for number in range(400)]
    wide = evaluate(examples, answers).micro
    narrow = evaluate([example._replace(group="") for example in examples], answers).micro
    assert wide.low < narrow.low < wide.f1 < narrow.high < wide.high
    assert evaluate(examples, answers) == evaluate(examples, answers)


def test_no_group_on_both_sides():
    examples = [Example(f"甲{number}", (), str(number // 4)) for number in range(200)] + [Example("乙"), Example("乙")]
    rest, held_out = split_groups(examples, folds=5, fold=2)
    assert len(rest) + len(held_out) == 202
    assert not {example.group or example.text for example in rest} & {example.group or example.text for example in held_out}
    assert split_groups(examples, folds=5, fold=2) == (rest, held_out)
    assert split_groups(examples, folds=5, fold=2, seed=1) != (rest, held_out)
    with pytest.raises(TextDataError, match="cannot be dealt"):
        split_groups(examples[:4], folds=5, fold=0)


def test_every_kind_of_mistake():
    gold = [Example("甲乙丙丁戊己庚辛", (Entity(0, 2, "x"), Entity(2, 4, "x"), Entity(4, 6, "y"), Entity(6, 7, "y")))]
    found = [[Entity(0, 2, "x"), Entity(2, 5, "x"), Entity(4, 6, "x"), Entity(7, 8, "x")]]
    kinds = {
        (mistake.kind, mistake.gold and mistake.gold[:2], mistake.found and mistake.found[:2]) for mistake in find_mistakes(gold, found)
    }
    assert kinds == {
        ("wrong boundary", (2, 4), (2, 5)),
        ("wrong type", (4, 6), (4, 6)),
        ("missed", (6, 7), None),
        ("spurious", None, (7, 8)),
    }
