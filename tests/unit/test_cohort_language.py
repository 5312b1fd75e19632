"""What the language builds: immutable steps, saved definitions, results."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import date, datetime

import numpy as np
import pytest

from tests.lib.spec import diagnosis, lab, tables
from workbench.cohort import query
from workbench.cohort.language import age, any_event, cohort, deaths, diagnoses, events, labs, load, medications, observed, union
from workbench.errors import DefinitionError
from workbench.store.memory import MemoryEngine

BASE = cohort("c").enter(diagnoses("E11"), limit="first")


def test_every_step_is_a_new_object() -> None:
    more = BASE.require("adult", age >= 18)
    assert BASE.definition.rules == ()
    assert [rule.name for rule in more.definition.rules] == ["adult"]
    with pytest.raises(FrozenInstanceError):
        BASE.name = "d"


def test_lists_that_were_given_may_change_later() -> None:
    units = ["%", "g"]
    asked = labs("LDH").where(unit=units)
    units.append("mg")
    assert asked.node.events[0].conditions[0].values == ("%", "g")


def test_the_readme_example() -> None:
    built = (
        cohort("2型糖尿病住院患者")
        .enter(diagnoses("E11", setting="inpatient"), limit="first")
        .require("成年", age >= 18)
        .require("既往观察满一年", observed(before_days=365))
        .require("前后90天 HbA1c≥6.5%", labs("HbA1c").where(value_ge=6.5, unit="%").within(days=(-90, 90)))
        .exclude("既往使用胰岛素", medications("胰岛素").before(days=0))
    ).definition
    hba1c = built.rules[2].criterion
    assert hba1c.events[0].conditions == (query.Condition("value", "ge", (6.5,)), query.Condition("unit", "eq", ("%",)))
    assert hba1c.windows == (query.Window(-90, 90),)
    assert built.rules[3] == query.Rule(
        "既往使用胰岛素",
        "exclude",
        query.Occurs((query.Events("medications", query.Codelist((query.CodeItem("胰岛素", "source"),))),), (query.Window(None, -1),)),
    )


@pytest.mark.parametrize(
    ("given", "value"),
    [(np.float64(6.5), 6.5), (np.int64(6), 6), (True, None), (float("nan"), None), (float("inf"), None)],
)
def test_values_of_numpy_are_plain_numbers(given: object, value: float | None) -> None:
    asked = labs("LDH").where(value_ge=given)
    if value is None:
        with pytest.raises(DefinitionError, match="wanted a finite number"):
            _ = asked.node
        return
    found = asked.node.events[0].conditions[0].values[0]
    assert (found, type(found)) == (value, type(value))


def test_midnight_is_a_day_and_any_other_time_is_not() -> None:
    asked = labs("LDH").where(start_ge=datetime(2020, 1, 1))
    assert asked.node.events[0].conditions[0].values == (date(2020, 1, 1),)
    with pytest.raises(DefinitionError, match="where a day is wanted"):
        _ = labs("LDH").where(start_ge=datetime(2020, 1, 1, 8)).node


def test_saved_and_loaded(tmp_path) -> None:
    built = (
        BASE.require("adult", age >= 18)
        .exit_at(days=30)
        .censor(deaths())
        .collapse(gap_days=7)
        .between_dates("2020-01-01", None)
        .keep("last")
    )
    loaded = load(built.save(tmp_path / "c.json"))
    assert loaded == built
    assert loaded.hash == built.hash
    assert loaded.require("more", age < 80).definition.rules[1].name == "more"
    both = union(built, BASE, name="both")
    assert load(both.save(tmp_path / "both.json")).definition == both.definition


def test_hash_depends_on_what_is_asked() -> None:
    assert BASE.hash == cohort("c").enter(diagnoses("E11"), limit="first").hash
    assert BASE.hash != cohort("c").enter(diagnoses("E12"), limit="first").hash


class _Snapshot:
    """Knows its engine, as a snapshot of the store does."""

    def __init__(self, *rows) -> None:
        self._engine = MemoryEngine(tables(*rows))

    def engine(self) -> MemoryEngine:
        return self._engine


def test_run_gives_a_result() -> None:
    snapshot = _Snapshot(diagnosis(1, "2020-01-01"), diagnosis(2, "2020-01-01"), lab(1, "2020-01-02"))
    result = BASE.require("LDH", labs("LDH").after()).run(snapshot)
    assert result.rows["person_id"].tolist() == [1]
    assert result.snapshot is snapshot
    assert [rule.holds for rule in result.evidence(2).entries[0]] == [True, False]


def test_unions_are_of_sets_without_windows() -> None:
    with pytest.raises(DefinitionError, match="no index"):
        any_event(labs("a"), labs("b").before())


def test_the_name_of_the_entry_and_of_the_exit_is_in_errors() -> None:
    with pytest.raises(DefinitionError, match="entry of 'c': labs has no field 'x'"):
        cohort("c").enter(labs("a").where(x=1))
    with pytest.raises(DefinitionError, match="exit of 'c': domain is 'drugs'"):
        BASE.exit_at(while_on=events("drugs"))
