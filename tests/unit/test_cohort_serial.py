"""Canonical JSON of definitions, and a reader that survives hostile files."""

from __future__ import annotations

import json
from datetime import date

import pytest

from workbench.cohort.language import age, cohort, deaths, diagnoses, labs
from workbench.cohort.query import Cohort, Entry, Events
from workbench.cohort.serial import MAX_BYTES, MAX_DEPTH, definition_hash, load, read_definition, write_definition
from workbench.errors import DataError, DefinitionError

DIED = Cohort("死亡", Entry((Events("deaths"),)))
RICH = (
    cohort("富")
    .enter(diagnoses("E11").where(start_ge=date(2020, 1, 1)), limit="first")
    .require("成年", age >= 18)
    .exclude("化验", labs("LDH").where(value_gt=250.5).within(days=(-90, 0)).at_least(2))
    .between_dates("2020-01-01", None)
    .definition
)
TEXT = write_definition(RICH)


def _changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def test_canonical_form() -> None:
    assert write_definition(DIED) == (
        '{"definition":{"entry":{"events":[{"domain":"deaths","node":"Events"}],"node":"Entry"},"name":"死亡","node":"Cohort"},'
        '"schema":"workbench-cohort/1"}'
    )


def test_hash_is_that_of_the_utf8_text() -> None:
    assert definition_hash(DIED) == "766b8cc3cbba8c8f057f0692fb8299c1eb87756214488ddb55497178a55acf0e"


def test_round_trip_is_exact() -> None:
    assert read_definition(TEXT) == RICH
    assert write_definition(read_definition(TEXT)) == TEXT


def test_equal_definitions_have_equal_text() -> None:
    whole, decimal = (cohort("c").enter(labs("LDH").where(value_ge=value)).definition for value in (6, 6.0))
    assert whole == decimal
    assert write_definition(whole) == write_definition(decimal)


def test_blanks_order_and_byte_order_mark_do_not_matter() -> None:
    spaced = json.dumps(dict(reversed(json.loads(TEXT).items())), indent=2, ensure_ascii=True)
    assert read_definition(b"\xef\xbb\xbf" + spaced.encode()) == RICH


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("", "not JSON", id="empty"),
        pytest.param("[]", "$ is a list", id="no object"),
        pytest.param('{"schema":"workbench-cohort/2","definition":{}}', "wanted 'workbench-cohort/1'", id="other schema"),
        pytest.param('{"schema":"workbench-cohort/1"}', "no key 'definition'", id="no definition"),
        pytest.param('{"schema":"workbench-cohort/1","definition":{},"x":1}', "$ has no field 'x'", id="extra key"),
        pytest.param(_changed('"node":"Cohort"', '"node":"Cohrt"'), "did you mean 'Cohort'?", id="unknown node"),
        pytest.param(
            _changed('"node":"Age"', '"node":"Rule"'), "$.definition.rules[0].criterion.node is 'Rule'", id="node of another kind"
        ),
        pytest.param(_changed('"domain"', '"domian"'), "did you mean 'domain'?", id="unknown field"),
        pytest.param(_changed('"start":-90', '"start":"-90"'), "windows[0].start is '-90'; wanted a whole number", id="wrong type"),
        pytest.param(_changed('"start":-90', '"start":-90.5'), "wanted a whole number", id="fraction for a whole number"),
        pytest.param(_changed('"start":-90', '"start":true'), "is true; wanted a whole number", id="truth for a number"),
        pytest.param(_changed('"start":-90', '"start":90'), "swap the two", id="check of a node, with its path"),
        pytest.param(_changed('"values":[18]', '"values":[NaN]'), "holds NaN", id="NaN"),
        pytest.param(_changed('"values":[18]', '"values":[1e999]'), "finite", id="infinite"),
        pytest.param(_changed('"values":[18]', f'"values":[{"9" * 30}]'), "64 bits", id="large number"),
        pytest.param(_changed('"values":[18]', f'"values":[{"9" * 9999}]'), "too long", id="endless number"),
        pytest.param(_changed('"name":"富"', '"name":"富","name":"贵"'), "'name' occurs twice", id="key twice"),
        pytest.param(_changed('"name":"富"', '"name":"\\ud800"'), "broken Unicode", id="half a surrogate pair"),
        pytest.param(_changed("2020-01-01", "2020-02-30"), ".date is '2020-02-30'", id="no such day"),
        pytest.param(_changed('"kind":"exclude"', '"kind":"exclud"'), "did you mean 'exclude'?", id="word"),
        pytest.param(_changed('"kind":"exclude",', ""), "(Rule) lacks 'kind'", id="missing field"),
        pytest.param(_changed('"value"', '"vlaue"'), "labs has no field 'vlaue'", id="unknown field of a domain"),
        pytest.param(TEXT.encode()[:-30] + b"\xff", "not UTF-8", id="not UTF-8"),
        pytest.param("[" * 100_000, "nested deeper", id="deep brackets"),
        pytest.param("1" * (MAX_BYTES + 1), "more than 16 MiB", id="too large"),
    ],
)
def test_refuses(text: str | bytes, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_definition(text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 1000


def _nested(depth: int) -> str:
    inner = '{"node":"AllOf","criteria":[]}'
    return _changed('{"node":"Age","operator":"ge","values":[18]}', '{"node":"Not","criterion":' * depth + inner + "}" * depth)


def test_depth_is_bounded_in_reading_and_writing() -> None:
    with pytest.raises(DefinitionError, match="nested deeper"):
        read_definition(_nested(MAX_DEPTH + 1))
    deep = age >= 18
    for _ in range(MAX_DEPTH + 1):
        deep = ~deep
    with pytest.raises(DefinitionError, match="nested deeper"):
        write_definition(cohort("c").enter(deaths()).require("deep", deep).definition)


def test_what_is_written_can_be_read_to_the_same_depth() -> None:
    fits = MAX_DEPTH - 4  # Cohort, Rule, and the criterion inside the last Not come on top
    definition = read_definition(_nested(fits))
    assert read_definition(write_definition(definition)) == definition


def test_a_missing_file_is_a_data_error(tmp_path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / "none.json")
