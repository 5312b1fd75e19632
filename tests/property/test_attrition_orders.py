"""Laws of the flow: any order equals a count by brute force, and no set of orders gives a small cell away."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lib.flows import answer, cohort
from workbench.cohort.attrition import compute_attrition, safe_flow
from workbench.disclosure import DisclosurePolicy

KINDS = ("require", "exclude", "require")


@st.composite
def entries(draw):
    """Persons in order, each with some entries and a mask for each."""
    sizes = draw(st.lists(st.integers(1, 3), min_size=0, max_size=40))
    persons = [person for person, size in enumerate(sizes) for _ in range(size)]
    masks = draw(st.lists(st.integers(0, 7), min_size=len(persons), max_size=len(persons)))
    return persons, masks


def met(mask: int, bit: int) -> bool:
    return bool(mask >> bit & 1) == (KINDS[bit] == "require")


@given(entries(), st.permutations(range(3)))
@settings(max_examples=60, deadline=None)
def test_any_order_equals_recounting_by_brute_force(found, order):
    persons, masks = found
    flow = compute_attrition(answer(persons, masks), cohort(*KINDS), order=[f"rule {bit}" for bit in order])
    for length in range(4):
        left = [person for person, mask in zip(persons, masks, strict=True) if all(met(mask, bit) for bit in order[:length])]
        assert (flow.steps[length].persons, flow.steps[length].index_dates) == (len(set(left)), len(left))


@given(
    st.lists(st.integers(0, 60), min_size=8, max_size=8),
    st.sampled_from(
        [DisclosurePolicy(threshold=10, rounding=5), DisclosurePolicy(threshold=5, rounding=1), DisclosurePolicy(threshold=10, rounding=20)]
    ),
)
@settings(max_examples=40, deadline=None)
def test_all_orders_together_show_no_small_difference(sizes, policy):
    """One person an entry; `sizes` says how many persons have each mask. Every pair of nested steps, in whatever orders."""
    masks = [mask for mask, size in enumerate(sizes) for _ in range(size)]
    persons = list(range(len(masks)))
    found = answer(persons, masks)
    shown: dict[frozenset[int], str] = {}
    for order in permutations(range(3)):
        steps = safe_flow(compute_attrition(found, cohort(*KINDS), order=[f"rule {bit}" for bit in order]), policy=policy)
        for length, step in enumerate(steps[:4]):
            assert shown.setdefault(frozenset(order[:length]), step.persons) == step.persons, "one set of rules, one figure"
    numbers = {rules: int(text.replace(",", "")) for rules, text in shown.items() if text.replace(",", "").isdigit()}
    for text in shown.values():
        assert text == "0" or not text.isdigit() or int(text) >= policy.threshold - policy.rounding // 2
    for outer, before in numbers.items():
        for inner, after in numbers.items():
            if outer < inner and after:
                assert before - after == 0 or before - after >= policy.threshold


@pytest.mark.parametrize("rounding", [1, 5, 10])
def test_a_difference_of_one_person_never_shows_as_one(rounding):
    policy = DisclosurePolicy(threshold=10, rounding=rounding)
    for size in range(11, 60):
        masks = [1] * (size - 1) + [0]
        steps = safe_flow(compute_attrition(answer(list(range(size)), masks), cohort("require")), policy=policy)
        assert steps[1].excluded in ("<10", "10"), size
