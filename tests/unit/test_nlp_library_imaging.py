"""Each ready variable of imaging, ultrasound, endoscopy and pathology gives the answers that its sentences expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nlp
from nlp.variables import CompiledSet, ready_set
from nlp.variables.aggregate import Given, aggregate
from nlp.variables.functions_nodes import FUNCTIONS
from nlp.variables.try_out import _structured as as_note
from nlp.variables.try_out import run_examples, run_tests

SETS = ("chest_ct", "abdomen_ct", "head_imaging", "ultrasound", "echocardiography", "endoscopy", "pathology")
LIBRARY = Path(nlp.__file__).parent / "variables" / "library"


def _names():
    """Give (set, variable) without reading the sets, which takes seconds: patterns are tried out when a set is read."""
    for name in SETS:
        for found in re.finditer(r"^- name: (\w+)$", (LIBRARY / f"{name}.yaml").read_text(encoding="utf-8"), re.MULTILINE):
            yield name, found[1]


@pytest.fixture(scope="module")
def language():
    return nlp.load()


@pytest.mark.parametrize(("name", "variable"), list(_names()))
def test_variable(name, variable, language):
    outcomes = run_tests(ready_set(name)[variable], language=language)
    assert [(item.number, item.expect, item.got) for item in outcomes if not item.passed] == []


@pytest.mark.parametrize("name", SETS)
def test_every_variable_is_documented_and_tried_enough(name):
    for variable in ready_set(name):
        assert all(variable.title), variable.name
        assert all(variable.description), variable.name
        assert variable.documents, variable.name
        assert len({test.text for test in variable.tests}) >= 10, variable.name
        assert sum(test.expect is None for test in variable.tests) >= 2, variable.name


def test_at_least_35_variables_under_different_names():
    names = [variable for _, variable in _names()]
    assert len(names) == len(set(names)) >= 35


def test_lymph_node_total_keeps_its_examples(language):
    for outcome in run_examples(FUNCTIONS[0], language=language):
        assert outcome.passed, outcome


def test_the_variables_answer_together_as_they_do_alone(language):
    variables = [variable for name in SETS for variable in ready_set(name)]
    asked = CompiledSet(variables)
    wrong = []
    for variable in variables:
        for number, test in enumerate(variable.tests, 1):
            text = as_note(language, variable, test)
            given = [Given(number, answer) for answer in asked.evaluate(text).answers if answer.variable == variable.name]
            got = aggregate(variable, given).value
            if got != test.expect and got != pytest.approx(test.expect, abs=0.05):
                wrong.append((variable.name, number, test.expect, got))
    assert wrong == []
