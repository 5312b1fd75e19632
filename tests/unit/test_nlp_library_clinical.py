"""Ready variables on history, symptoms, signs, operation, course and oncology: each answers as its sentences expect."""

from __future__ import annotations

from functools import cache

import pytest

import nlp
from nlp.variables import ready_set, run_tests
from nlp.variables.functions import builtin
from nlp.variables.try_out import run_examples

SETS = ("history", "symptoms", "signs", "operation", "course", "oncology")
VARIABLES = [(name, variable.name) for name in SETS for variable in ready_set(name)]


@cache
def language():
    return nlp.load()


@pytest.mark.parametrize(("name", "variable"), VARIABLES, ids=[variable for _, variable in VARIABLES])
def test_variable(name, variable):
    outcomes = run_tests(ready_set(name)[variable], language=language())
    assert [(item.number, item.expect, item.got) for item in outcomes if not item.passed] == []


@pytest.mark.parametrize(("name", "variable"), VARIABLES, ids=[variable for _, variable in VARIABLES])
def test_variable_is_described_and_has_sentences(name, variable):
    asked = ready_set(name)[variable]
    assert all((*asked.title, *asked.description))
    assert len(asked.tests) >= 10
    assert sum(test.expect is None for test in asked.tests) >= 2


@pytest.mark.parametrize("function", ["elapsed_minutes", "lasted", "pack_years"])
def test_function_examples(function):
    assert [item.got for item in run_examples(builtin()[function], language=language()) if not item.passed] == []
