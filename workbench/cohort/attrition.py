"""How many persons and index dates remain after each rule, in any order of the rules, without asking the data again.

An engine tries every rule on every entry and answers one bit a rule (:data:`workbench.cohort.engine.ENTRY_SCHEMA`), so any
order of the rules is an ``and`` of bits. The flow starts at the entry event itself and ends at the cohort.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.errors import DefinitionError
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from workbench.cohort.engine import Answer
    from workbench.cohort.query import Cohort, Rule

__all__ = ["Attrition", "Step", "compute_attrition"]

#: What a step does to the flow; ``entry`` opens it and ``cohort`` closes it.
KINDS = ("entry", "require", "exclude", "keep", "cohort")


@dataclass(frozen=True)
class Step:
    """What is left after one step.

    Parameters
    ----------
    name : str
        Name of the rule, or what the step does.
    kind : {"entry", "require", "exclude", "keep", "cohort"}
        What the step does.
    persons, index_dates : int
        Exact numbers of persons and of index dates left; for use inside the session only.
    """

    name: str
    kind: str
    persons: int
    index_dates: int


@dataclass(frozen=True)
class Attrition:
    """The flow of persons through the rules of a cohort.

    `steps` holds exact numbers. Whatever shows them to a reader (`table`, `figure`, `svg`, the notebook) asks the centre's
    disclosure policy first, and stops with a PolicyError where there is none.
    """

    name: str
    steps: tuple[Step, ...] = field(repr=False)  # a notebook keeps an object's text beside its picture

    @property
    def order(self) -> tuple[str, ...]:
        """Names of the rules in the order of the flow."""
        return tuple(step.name for step in self.steps if step.kind in ("require", "exclude"))

    def table(self, *, policy: disclosure.DisclosurePolicy | None = None) -> pd.DataFrame:
        """Return the flow as people may see it.

        Parameters
        ----------
        policy : DisclosurePolicy, optional
            The centre's policy where None.

        Returns
        -------
        DataFrame
            One row a step with the columns ``step``, ``kind``, ``persons``, ``excluded`` and ``index_dates``, all text. Every
            number is a function of one exact count, so re-ordering the rules shows nothing more; ``excluded`` is the
            difference of the numbers shown, never of exact ones.

        Raises
        ------
        PolicyError
            If the centre has set no policy.
        """
        shown = safe_flow(self, policy=policy)
        return pd.DataFrame(
            {
                "step": [step.name for step in shown],
                "kind": [step.kind for step in shown],
                "persons": [step.persons for step in shown],
                "excluded": [step.excluded for step in shown],
                "index_dates": [step.index_dates for step in shown],
            }
        )

    def figure(self, *, policy: disclosure.DisclosurePolicy | None = None) -> Figure:
        """Draw the flow chart; numbers as in `table`."""
        from workbench.cohort import flowchart  # matplotlib only where something is drawn

        return flowchart.draw(self.name, safe_flow(self, policy=policy))

    def svg(self, *, policy: disclosure.DisclosurePolicy | None = None) -> str:
        """Draw the flow chart as SVG text; numbers as in `table`."""
        from workbench.cohort import plotting

        return plotting.to_svg(self.figure(policy=policy))

    def _repr_html_(self) -> str:
        return self.svg()


@dataclass(frozen=True)
class ShownStep:
    """One step as it may be shown: numbers are text, and `excluded` is empty where nothing can be said."""

    name: str
    kind: str
    persons: str
    excluded: str
    index_dates: str


def compute_attrition(answer: Answer, cohort: Cohort, *, order: Sequence[str] | None = None) -> Attrition:
    """Count what is left of the entries after each rule.

    Parameters
    ----------
    answer : Answer
        What an engine found for `cohort`.
    cohort : Cohort
        The definition; its rules name the bits of the masks.
    order : sequence of str, optional
        Names of all rules, in the order wanted; the definition's own order where None.

    Returns
    -------
    Attrition
        Entry, one step a rule, the limit to first or last where there is one, and the cohort's persons and rows.

    Raises
    ------
    DefinitionError
        If `order` does not name every rule once.
    """
    entries = answer.entries
    persons = entries.column("person_id").to_numpy()
    mask = entries.column("mask").to_numpy()
    alive = np.ones(len(mask), dtype=bool)
    steps = [_step(tr("入组事件", "Entry event"), "entry", persons, alive)]
    for bit, rule in _ordered(cohort.rules, order):
        alive &= ((mask >> bit) & 1).astype(bool) == (rule.kind == "require")
        steps.append(_step(rule.name, rule.kind, persons, alive))
    if cohort.keep != "all":
        kept = entries.column("kept").to_numpy(zero_copy_only=False)
        steps.append(_step(_KEEP[cohort.keep](), "keep", persons, kept))
    rows = answer.rows.column("person_id").to_numpy()
    steps.append(_step(tr("纳入队列", "Cohort"), "cohort", rows, np.ones(len(rows), dtype=bool)))
    return Attrition(cohort.name, tuple(steps))


_KEEP = {
    "first": lambda: tr("每人取首次", "First of each person"),
    "last": lambda: tr("每人取末次", "Last of each person"),
}


def safe_flow(attrition: Attrition, *, policy: disclosure.DisclosurePolicy | None = None) -> tuple[ShownStep, ...]:
    """Return the steps as they may be shown.

    Raises
    ------
    PolicyError
        If `policy` is None and the centre has set none.
    """
    policy = policy or disclosure.load_policy()
    persons = disclosure.suppress_flow([step.persons for step in attrition.steps], policy=policy)
    dates = disclosure.suppress_flow([step.index_dates for step in attrition.steps], policy=policy)
    excluded = ["" if left.excluded is None else str(left.excluded) for left in persons]
    for at, step in enumerate(attrition.steps):
        if step.kind in ("keep", "cohort") and str(persons[at].remaining) == str(persons[at - 1].remaining):
            excluded[at] = ""  # such a step is not there to exclude; it is worth a word only where it visibly did
    return tuple(
        ShownStep(step.name, step.kind, str(left.remaining), gone, str(date.remaining))
        for step, left, gone, date in zip(attrition.steps, persons, excluded, dates, strict=True)
    )


def _ordered(rules: Sequence[Rule], order: Sequence[str] | None) -> list[tuple[int, Rule]]:
    """Pair each rule with its bit, in the order wanted."""
    bits = {rule.name: (bit, rule) for bit, rule in enumerate(rules)}
    names = list(bits) if order is None else list(order)
    if sorted(names) != sorted(bits):
        strange = [name for name in names if name not in bits]
        missing = [name for name in bits if name not in names]
        raise DefinitionError(
            f"order names {len(names)} rules, unknown: {strange}, left out: {missing}; wanted each of the {len(bits)} rules once",
            hint=f"the rules are {', '.join(bits) or '(none)'}",
        )
    return [bits[name] for name in names]


def _step(name: str, kind: str, persons: np.ndarray, alive: np.ndarray) -> Step:
    left = persons[alive]
    distinct = int(np.count_nonzero(left[1:] != left[:-1])) + bool(left.size)  # rows come ordered by person
    return Step(name, kind, distinct, left.size)
