"""Every engine gives the answers of the reference engine, on any definition and any data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.lib.cohort_strategies import definitions, event_sets, snapshots
from tests.lib.engines import ENGINES
from workbench.cohort.query import Cohort

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from workbench.cohort.engine import Answer, Engine
    from workbench.cohort.query import Definition, Events

REFERENCE = ENGINES["memory"]
OTHERS = pytest.mark.parametrize("name", sorted(set(ENGINES) - {"memory"}))
_settings = {"deadline": None, "database": None, "phases": (Phase.explicit, Phase.generate), "suppress_health_check": list(HealthCheck)}
#: Data sets that each definition is tried on: writing SQL takes longer than running it on a few rows.
EACH = 5


def _same_answer(found: Answer, wanted: Answer) -> None:
    assert found.rows.to_pylist() == wanted.rows.to_pylist()
    assert found.entries.to_pylist() == wanted.entries.to_pylist()
    assert found.rows.schema == wanted.rows.schema
    assert found.entries.schema == wanted.entries.schema
    for found_part, wanted_part in zip(found.parts, wanted.parts, strict=True):
        _same_answer(found_part, wanted_part)


def _same(name: str, definition: Definition, tables: Mapping[str, pa.Table]) -> None:
    engine, reference = ENGINES[name](tables), REFERENCE(tables)
    _same_answer(engine.run(definition), reference.run(definition))
    if isinstance(definition, Cohort):
        _same_evidence(engine, reference, definition)


def _same_evidence(engine: Engine, reference: Engine, cohort: Cohort) -> None:
    assert engine.evidence(cohort, 1) == reference.evidence(cohort, 1)


@OTHERS
@settings(max_examples=40, **_settings)
@seed(20240131)
@given(definition=definitions(depth=1), data=st.lists(snapshots(), min_size=EACH, max_size=EACH))
def test_answers(name: str, definition: Definition, data: list[Mapping[str, pa.Table]]) -> None:
    for tables in data:
        _same(name, definition, tables)


@OTHERS
@settings(max_examples=40, **_settings)
@seed(20240131)
@given(events=event_sets(depth=1), tables=snapshots(), persons=st.sampled_from((None, [], [1], [1, 2, 99])))
def test_events(name: str, events: Events, tables: Mapping[str, pa.Table], persons: list[int] | None) -> None:
    found, wanted = (make(tables).events(events, persons) for make in (ENGINES[name], REFERENCE))
    assert found.to_pylist() == wanted.to_pylist()
    assert found.schema == wanted.schema


@pytest.mark.nightly
@OTHERS
@settings(max_examples=500, **_settings)
@given(definition=definitions(depth=2), data=st.lists(snapshots(), min_size=EACH, max_size=EACH))
def test_answers_nightly(name: str, definition: Definition, data: list[Mapping[str, pa.Table]]) -> None:
    for tables in data:
        _same(name, definition, tables)
