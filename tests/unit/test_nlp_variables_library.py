"""Every variable of the library gives the answers that its sentences expect."""

from __future__ import annotations

from pathlib import Path

import pytest

import nlp
from nlp.variables.reading import dump_yaml, load_set, parse_set
from nlp.variables.try_out import run_tests

FILES = sorted((Path(nlp.__file__).parent / "variables" / "library").glob("*.yaml"))


@pytest.fixture(scope="module")
def language():
    return nlp.load()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_library(path, language):
    loaded = load_set(path)
    assert [str(error) for error in loaded.refused] == []
    assert parse_set(dump_yaml(loaded.set)).set == loaded.set
    wrong = [(item.variable, item.number, item.expect, item.got) for item in run_tests(loaded.set, language=language) if not item.passed]
    assert wrong == []
