"""Suppression, tried by readers who want the hidden counts: with the sums, with the source code, with every order of the rules."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from scipy.optimize import linprog

from workbench import session
from workbench.disclosure import (
    POLICY_VARIABLE,
    DisclosurePolicy,
    SafeCount,
    load_policy,
    percentage,
    suppress_count,
    suppress_flow,
    suppress_quantile,
    suppress_table,
)
from workbench.errors import PolicyError, Refusal
from workbench.locale import set_language

TEN = DisclosurePolicy(threshold=10, rounding=5)
EXACT = DisclosurePolicy(threshold=10, rounding=1)


@pytest.fixture(autouse=True)
def no_policy_around(monkeypatch, tmp_path):
    monkeypatch.setenv(session.MANIFEST_VARIABLE, str(tmp_path / "no-session.toml"))
    monkeypatch.delenv(POLICY_VARIABLE, raising=False)


# -- the policy ---------------------------------------------------------------------------------------------------------


def test_without_a_policy_nothing_is_shown():
    with pytest.raises(PolicyError, match="no disclosure policy"):
        load_policy()


def test_policy_of_the_file_that_the_environment_names(monkeypatch, tmp_path):
    (tmp_path / "p.toml").write_text("[disclosure]\nthreshold = 20\nrounding = 10\n[release]\napprovals = 2\n", encoding="utf-8")
    monkeypatch.setenv(POLICY_VARIABLE, str(tmp_path / "p.toml"))
    assert load_policy() == DisclosurePolicy(threshold=20, rounding=10)


@pytest.mark.parametrize(
    "text",
    ["", "[release]\napprovals = 1", "[disclosure]\nthreshold = 10", "[disclosure]\nthreshold = 10\nrounding = 5\nzeros = 1", "[disclosure",
     "[disclosure]\nthreshold = 1\nrounding = 1", "[disclosure]\nthreshold = 10\nrounding = 0",
     "[disclosure]\nthreshold = 10\nrounding = 21",
     "[disclosure]\nthreshold = '10'\nrounding = 5", "[disclosure]\nthreshold = true\nrounding = 1"],
    ids=["empty", "other", "half", "unknown", "syntax", "one", "zero", "coarse", "text", "bool"],
)  # fmt: skip
def test_an_unusable_policy_stops(tmp_path, text):
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError):
        load_policy(tmp_path / "p.toml")


# -- single figures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "text"), [(0, "0"), (1, "<10"), (9, "<10"), (10, "10"), (12, "10"), (13, "15"), (99_998, "100,000")])
def test_one_count(count, text):
    assert str(suppress_count(count, policy=TEN)) == text


@pytest.mark.parametrize("policy", [DisclosurePolicy(threshold=t, rounding=r) for t in (2, 5, 10) for r in range(1, 2 * t + 1)], ids=str)
def test_a_shown_count_tells_the_truth_and_is_never_zero(policy):
    for count in range(1, 200):
        safe = suppress_count(count, policy=policy)
        assert safe.hidden == (count < policy.threshold)
        assert safe.low <= count <= safe.high
        assert safe.hidden or (safe.shown > 0 and safe.shown % policy.rounding == 0)


@pytest.mark.parametrize("count", [-1, 2.0, True, "3", None, [3]], ids=str)
def test_what_is_not_a_count_is_refused(count):
    with pytest.raises(Refusal):
        suppress_count(count, policy=TEN)


def test_quantiles_need_contributors():
    assert suppress_quantile(5.5, q=0.05, contributors=200, policy=TEN) == 5.5
    assert suppress_quantile(5.5, q=0.05, contributors=199, policy=TEN) is None
    assert suppress_quantile(5.5, q=0.95, contributors=100, policy=TEN) is None


@pytest.mark.parametrize("q", [0, 1, -0.1, 1.5])
def test_minimum_and_maximum_are_refused(q):
    with pytest.raises(Refusal, match="one person's value"):
        suppress_quantile(1.0, q=q, contributors=10_000, policy=TEN)


def test_percentage_uses_shown_counts_only():
    whole = suppress_count(1234, policy=TEN)
    assert percentage(suppress_count(123, policy=TEN), whole) == pytest.approx(100 * 125 / 1235)
    assert percentage(suppress_count(3, policy=TEN), whole) is None
    assert percentage(suppress_count(3, policy=TEN), suppress_count(0, policy=TEN)) is None


# -- tables -------------------------------------------------------------------------------------------------------------


def figures(table):
    """All figures of a safe table as a grid, totals last (a list has no column totals)."""
    rows = [[*cells, total] for cells, total in zip(table.cells, table.row_totals, strict=True)]
    return [*rows, [*table.column_totals, table.total]] if table.column_totals else rows


def reader_range(grid, place):
    """Range of one hidden figure for a reader who knows all shown ones; written without the module under test."""
    n_rows, n_columns = len(grid), len(grid[0])
    index = np.arange(n_rows * n_columns).reshape(n_rows, n_columns)
    sums = [(index[r, :-1], index[r, -1]) for r in range(n_rows)]
    sums += [(index[:-1, c], index[-1, c]) for c in range(n_columns)] if n_rows > 1 else []
    equations = np.zeros((len(sums), index.size))
    for row, (parts, total) in zip(equations, sums, strict=True):
        row[parts], row[total] = 1, -1
    flat = [figure for row in grid for figure in row]
    bounds = [(f.low, None) if f.hidden else (f.shown, f.shown) for f in flat]
    ends = []
    for sign in (1, -1):
        objective = np.zeros(index.size)
        objective[index[place]] = sign
        answer = linprog(objective, A_eq=equations, b_eq=np.zeros(len(sums)), bounds=bounds)
        assert answer.status in (0, 3)
        ends.append(np.inf if answer.status == 3 else round(sign * answer.fun))
    return ends


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("keep", [frozenset(), frozenset({"total"}), frozenset({"total", "columns"})], ids=["none", "total", "columns"])
def test_no_small_cell_can_be_narrowed_with_the_totals(seed, keep):
    rng = np.random.default_rng(seed)
    counts = rng.negative_binomial(1, 0.06, size=rng.integers((2, 2), (6, 5)))
    grid = figures(suppress_table(counts, policy=EXACT, keep=keep))
    true = np.zeros((len(grid), len(grid[0])), dtype=int)
    true[:-1, :-1], true[-1, :-1], true[:-1, -1], true[-1, -1] = counts, counts.sum(0), counts.sum(1), counts.sum()
    for place, count in np.ndenumerate(true):
        figure = grid[place[0]][place[1]]
        assert figure.hidden or count == 0 or count >= 10
        if figure.hidden and 0 < count < 10:
            low, high = reader_range(grid, place)
            assert low <= count <= high
            assert high - low + 1 >= 9


def by_display(shape, top, policy, keep):
    """All tables of at most `top` persons, grouped by what a reader of the source code sees."""
    displays = defaultdict(list)
    for flat in itertools.product(range(top + 1), repeat=int(np.prod(shape))):
        if sum(flat) <= top:
            table = suppress_table(np.reshape(flat, shape), policy=policy, keep=keep)
            displays[tuple(f.shown for row in figures(table) for f in row)].append((flat, figures(table)))
    return displays


@pytest.mark.parametrize(
    ("shape", "top", "threshold", "rounding", "keep"),
    [((3,), 13, 4, 1, {"total"}), ((3,), 11, 4, 1, set()), ((4,), 8, 3, 1, {"total"}), ((3,), 14, 4, 3, {"total"}),
     ((2, 2), 10, 3, 1, {"total"}),
     ((2, 2), 10, 3, 1, {"total", "columns"})],
    ids=["list", "list-free", "list-4", "list-rounded", "table", "table-columns"],
)  # fmt: skip
def test_not_even_the_source_code_gives_a_small_cell_away(shape, top, threshold, rounding, keep):
    policy = DisclosurePolicy(threshold=threshold, rounding=rounding)
    n_cells = int(np.prod(shape))
    n_columns = shape[-1]
    for display, tables in by_display(shape, top, policy, frozenset(keep)).items():
        if display[-1] is None or display[-1] > top - rounding:
            continue  # tables of more persons than were listed may look the same
        grid = tables[0][1]
        for cell in range(n_cells):
            possible = {flat[cell] for flat, _ in tables}
            if grid[cell // n_columns][cell % n_columns].hidden and min(possible) > 0 and max(possible) < threshold:
                assert len(possible) >= 2, (display, tables[0][0])


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ([0, 0, 50], ["0", "0", "50"]),
        ([120, 0, 3, 45], ["hidden", "0", "hidden", "45"]),
        ([3, 4], ["hidden", "hidden"]),
        ([9, 9, 60, 40], ["hidden", "hidden", "60", "40"]),
        ([1, 1, 60, 40], ["hidden", "hidden", "60", "hidden"]),
        ([4, 3, 3], ["hidden", "hidden", "hidden"]),
    ],
    ids=str,
)
def test_lists(counts, shown):
    set_language("en")
    try:
        assert [str(count) for count in suppress_table(counts, policy=TEN).cells[0]] == shown
    finally:
        set_language("zh")


def test_kept_margins_are_shown_alike_in_every_table():
    sizes = np.array([3, 97, 200])
    margins = set()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        counts = np.column_stack([rng.multinomial(n, [0.2, 0.3, 0.5]) for n in sizes])
        table = suppress_table(counts, policy=TEN, keep=frozenset({"total", "columns"}))
        margins.add(tuple(figure.shown for figure in table.column_totals))
        assert table.total.shown == 300
    assert len(margins) == 1
    assert margins == {tuple(c.shown for c in suppress_table(sizes, policy=TEN).cells[0])}


def test_total_as_shown_elsewhere():
    final = suppress_flow([200, 93], policy=TEN)[-1].remaining
    assert suppress_table([53, 40], policy=TEN, total=final).total == final
    with pytest.raises(Refusal, match="not the total"):
        suppress_table([530, 40], policy=TEN, total=final)


@pytest.mark.parametrize("counts", [[], [[1.0, 2.0]], [-1, 3], [[[1]]], ["a"]], ids=str)
def test_what_is_not_a_table_is_refused(counts):
    with pytest.raises(Refusal):
        suppress_table(counts, policy=TEN)


# -- flows --------------------------------------------------------------------------------------------------------------


def test_flow_shows_no_small_difference():
    steps = suppress_flow([1234, 1230, 1226, 512, 510, 7, 0], policy=TEN)
    assert [step.remaining.shown for step in steps] == [1230, 1230, 1230, 510, 510, None, 0]
    shown = [step.remaining.shown for step in steps if step.remaining.shown]
    assert all(a - b == 0 or a - b >= 10 for a, b in itertools.pairwise(shown))
    assert steps[0].excluded is None
    assert str(steps[1].excluded) == "<10"
    assert steps[5].excluded.hidden


def test_flow_must_not_grow():
    with pytest.raises(Refusal, match="larger than the one before"):
        suppress_flow([10, 20], policy=TEN)


def attrition(atoms, order):
    """Persons left after each rule of `order`; `atoms[pattern]` counts persons by the rules they pass (a bit each)."""
    kept, left = 0, []
    for rule in (None, *order):
        kept |= 0 if rule is None else 1 << rule
        left.append(int(sum(n for pattern, n in enumerate(atoms) if pattern & kept == kept)))
    return left


@pytest.mark.parametrize("seed", range(6))
def test_all_orders_together_narrow_no_difference(seed):
    rng = np.random.default_rng(seed)
    atoms = rng.choice([0, 1, 2, 4, 8, 15, 60], size=8)
    atoms[7] += 40
    seen: dict[int, SafeCount] = {}
    steps = []
    for order in itertools.permutations(range(3)):
        flow = suppress_flow(attrition(atoms, order), policy=TEN)
        subsets = list(itertools.accumulate((1 << rule for rule in order), initial=0))
        for subset, step in zip(subsets, flow, strict=True):
            assert seen.setdefault(subset, step.remaining) == step.remaining
        steps += list(itertools.pairwise(subsets))
    rows = {s: np.array([float(pattern & s == s) for pattern in range(8)]) for s in seen}
    upper = [(rows[s], seen[s].high) for s in seen] + [(-rows[s], -seen[s].low) for s in seen]
    matrix, bound = np.array([row for row, _ in upper]), np.array([b for _, b in upper])
    for before, after in set(steps):
        ends = [linprog(sign * (rows[before] - rows[after]), A_ub=matrix, b_ub=bound) for sign in (1, -1)]
        assert all(end.status == 0 for end in ends)
        assert -ends[1].fun - ends[0].fun + 1 >= 9
