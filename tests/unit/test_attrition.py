"""The flow of a cohort: what it counts, in which order, and what of it is shown."""

import numpy as np
import pytest

from tests.lib.flows import answer, cohort
from tests.lib.ward import diabetes_cohort, run_ward
from workbench.cohort.attrition import compute_attrition, safe_flow
from workbench.disclosure import DisclosurePolicy
from workbench.errors import DefinitionError, PolicyError

POLICY = DisclosurePolicy(threshold=10, rounding=5)


def test_counts_persons_and_index_dates_after_each_rule():
    flow = compute_attrition(answer([1, 1, 2, 3], [0b01, 0b11, 0b01, 0b00], [True, False, True, False]), cohort("require", "exclude"))
    assert [(step.kind, step.persons, step.index_dates) for step in flow.steps] == [
        ("entry", 3, 4),
        ("require", 2, 3),
        ("exclude", 2, 2),
        ("cohort", 2, 2),
    ]


def test_limit_to_the_first_is_a_step_of_its_own():
    flow = compute_attrition(answer([1, 1], [1, 1], [True, False]), cohort("require", keep="first"))
    assert [(step.kind, step.index_dates) for step in flow.steps] == [("entry", 2), ("require", 2), ("keep", 1), ("cohort", 1)]


def test_no_entry_gives_a_flow_of_zeros():
    flow = compute_attrition(answer([], []), cohort("require"))
    assert [step.persons for step in flow.steps] == [0, 0, 0]
    assert flow.table(policy=POLICY)["persons"].tolist() == ["0", "0", "0"]


def test_reordering_changes_the_way_and_not_the_end():
    found = answer([1, 2, 3], [0b10, 0b11, 0b01], [False, True, False])
    forward = compute_attrition(found, cohort("require", "require"))
    backward = compute_attrition(found, cohort("require", "require"), order=["rule 1", "rule 0"])
    assert backward.order == ("rule 1", "rule 0")
    assert forward.steps[-1] == backward.steps[-1]
    assert [step.name for step in forward.steps[1:3]] == [step.name for step in backward.steps[2:0:-1]]


@pytest.mark.parametrize("order", [["rule 0"], ["rule 0", "rule 0"], ["rule 0", "rule 9"]], ids=["short", "twice", "strange"])
def test_order_must_name_every_rule_once(order):
    with pytest.raises(DefinitionError, match="each of the 2 rules once"):
        compute_attrition(answer([1], [0]), cohort("require", "require"), order=order)


def test_nothing_is_shown_without_a_policy(monkeypatch):
    monkeypatch.delenv("WORKBENCH_POLICY", raising=False)
    monkeypatch.setenv("WORKBENCH_SESSION", "/nowhere/session.toml")
    flow = compute_attrition(answer([1], [1]), cohort("require"))
    for show in (flow.table, flow.figure, flow.svg, flow._repr_html_):
        with pytest.raises(PolicyError):
            show()


def test_the_text_that_a_notebook_keeps_beside_the_chart_has_no_number():
    assert not any(letter.isdigit() for letter in repr(compute_attrition(answer(list(range(17)), [1] * 17), cohort("require"))))


def test_small_steps_and_small_losses_are_hidden():
    persons = np.arange(130)
    masks = np.where(persons < 125, 1, 0) | np.where(persons < 4, 2, 0)
    flow = compute_attrition(answer(persons.tolist(), masks.tolist(), (masks == 3).tolist()), cohort("require", "require"))
    shown = safe_flow(flow, policy=POLICY)
    assert [step.persons for step in shown] == ["130", "130", "<10", "<10"]
    assert shown[1].excluded == "<10"
    assert not shown[2].excluded.isdigit()


def test_chart_shows_every_step_and_no_exact_count():
    result = run_ward()
    svg = result.attrition().svg(policy=POLICY)
    for step in result.attrition().steps:
        assert step.name in svg
    exact = {step.persons for step in result.attrition().steps if step.persons % 10}
    assert exact, "the ward must have counts that are not round"
    assert not any(f">{n} 人" in svg for n in exact)


def test_ward_flow_ends_at_the_cohort():
    result = run_ward(diabetes_cohort(keep="first"))
    steps = result.attrition().steps
    assert steps[-1].persons == result.rows["person_id"].nunique()
    assert steps[-1].index_dates == len(result.rows)
    assert steps[-2].kind == "keep"
