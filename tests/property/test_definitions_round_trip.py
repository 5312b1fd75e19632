"""Any definition is read back from its canonical JSON as it was, and any change of the text is either read or refused."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.lib.cohort_strategies import definitions
from workbench.cohort.serial import definition_hash, read_definition, write_definition
from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from workbench.cohort.query import Definition

_settings = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=150, **_settings)
@seed(20240131)
@given(definition=definitions(depth=2))
def test_round_trip(definition: Definition) -> None:
    text = write_definition(definition)
    assert read_definition(text) == definition
    assert write_definition(read_definition(text)) == text
    assert definition_hash(read_definition(text.encode())) == definition_hash(definition)


@settings(max_examples=150, **_settings)
@seed(20240131)
@given(
    definition=definitions(depth=1),
    at=st.floats(0, 1, exclude_max=True),
    length=st.integers(0, 6),
    put=st.sampled_from('"{}[],:0-ex€\x00 '),
)
def test_a_spoilt_text_is_read_or_refused(definition: Definition, at: float, length: int, put: str) -> None:
    text = write_definition(definition)
    place = int(at * len(text))
    try:
        found = read_definition(text[:place] + put + text[place + length :])
    except DefinitionError:
        return
    assert read_definition(write_definition(found)) == found


@settings(max_examples=150, **_settings)
@seed(20240131)
@given(
    content=st.one_of(
        st.binary(max_size=200), st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists).map(repr)
    )
)
def test_anything_is_read_or_refused(content: bytes | str) -> None:
    with suppress(DefinitionError):
        read_definition(content)
