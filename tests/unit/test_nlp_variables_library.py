"""Every ready variable is documented, tried enough, and answers as its sentences expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nlp
from nlp.variables import CompiledSet, ready_names, ready_set, run_tests
from nlp.variables.aggregate import Given, aggregate
from nlp.variables.reading import dump_yaml, parse_set
from nlp.variables.try_out import as_note

LIBRARY = Path(nlp.__file__).parent / "variables" / "library"
EXAMINATIONS = ("chest_ct", "abdomen_ct", "head_imaging", "ultrasound", "echocardiography", "endoscopy", "pathology")
READY = sorted({*ready_names()} - {"example"})


def _names():
    """Give (set, variable) without reading the sets, which takes seconds: patterns are tried out when a set is read."""
    for name in ready_names():
        for found in re.finditer(r"^- name: (\w+)$", (LIBRARY / f"{name}.yaml").read_text(encoding="utf-8"), re.MULTILINE):
            yield name, found[1]


@pytest.fixture(scope="module")
def language():
    return nlp.load()


@pytest.mark.parametrize(("name", "variable"), list(_names()))
def test_a_variable_answers_as_its_sentences_expect(name, variable, language):
    outcomes = run_tests(ready_set(name)[variable], language=language)
    assert [(item.number, item.expect, item.got) for item in outcomes if not item.passed] == []


@pytest.mark.parametrize("name", ready_names())
def test_a_set_is_read_whole_and_written_back(name):
    ready = ready_set(name)
    assert parse_set(dump_yaml(ready)).set == ready
    assert [variable.name for variable in ready] == [variable for own, variable in _names() if own == name]


@pytest.mark.parametrize("name", READY)
def test_every_variable_is_documented_and_tried_enough(name):
    for variable in ready_set(name):
        assert all((*variable.title, *variable.description)), variable.name
        assert variable.documents or name not in EXAMINATIONS, variable.name
        assert len({test.text for test in variable.tests}) >= 10, variable.name
        assert sum(test.expect is None for test in variable.tests) >= 2, variable.name


def test_at_least_60_variables_under_different_names():
    names = [variable for name, variable in _names() if name in READY]
    assert len(names) == len(set(names)) >= 60


def test_the_variables_answer_together_as_they_do_alone(language):
    variables = [variable for name in EXAMINATIONS for variable in ready_set(name)]
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
