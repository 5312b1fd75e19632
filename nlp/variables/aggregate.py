"""From the answers of many notes to one value per encounter or patient, with the note and the span that won."""

from __future__ import annotations

from datetime import datetime
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from nlp.variables.answers import naive
from nlp.variables.definition import ASSERTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nlp.variables.answers import Answer
    from nlp.variables.definition import Variable

__all__ = ["Given", "Result", "aggregate"]

_LATEST = datetime.max


class Given(NamedTuple):
    """An answer with the note that it comes from; `anchor` is what a rule `nearest` measures from."""

    note_id: int | str
    answer: Answer
    anchor: datetime | None = None


class Result(NamedTuple):
    """One value of many answers.

    `given` is the answer that won, None where the value comes of several (mean, count, all) or of none; `used` are all that counted.
    """

    value: Any
    unit: str = ""
    comparator: str = ""
    given: Given | None = None
    used: tuple[Given, ...] = ()


def aggregate(variable: Variable, answers: Iterable[Given]) -> Result:
    """Make one value of all answers of an encounter, or of a patient, by the variable's rule.

    Parameters
    ----------
    variable : Variable
        Says the rule.
    answers : iterable of Given
        In any order; those with a `why_not` do not count.

    Returns
    -------
    Result
        Its value is None where nothing counts, and 0 for the rule `count`.

    Notes
    -----
    ``any`` prefers present, then possible, historical, hypothetical, absent; of categories the one listed first. ``min`` and ``max`` of
    categories go by their order. ``first`` and ``last`` go by the time of the answer, then of its note, then by its place; answers
    without a time come last. ``count`` counts what is present. ``all`` gives the distinct values in order of time.

    Examples
    --------
    >>> from nlp.variables.answers import Answer
    >>> from nlp.variables.definition import Target, Variable
    >>> cough = Variable(name="cough", target=Target(terms=("咳嗽",)))
    >>> aggregate(cough, [Given(1, Answer("cough", "", "absent")), Given(2, Answer("cough", "", "present"))]).given.note_id
    2
    """
    used = sorted((given for given in answers if not given.answer.why_not), key=_moment)
    if variable.rule == "count":
        present = tuple(given for given in used if given.answer.assertion == "present")
        return Result(len(present), used=present)
    if not used:
        return Result(None)
    if variable.rule in _OF_SEVERAL:
        return Result(_OF_SEVERAL[variable.rule](used), used[0].answer.unit, used=tuple(used))
    won = _OF_ONE[variable.rule](used, _rank(variable))
    return Result(won.answer.value, won.answer.unit, won.answer.comparator, won, tuple(used))


def _moment(given: Given) -> tuple[datetime, int, str, int]:
    time = given.answer.earliest or given.answer.latest or _LATEST
    number, name = (given.note_id, "") if isinstance(given.note_id, int) else (0, str(given.note_id))
    return naive(time), number, name, given.answer.start


def _rank(variable: Variable) -> Callable[[Given], Any]:
    """Return what `any`, `min` and `max` compare by."""
    if variable.value.kind == "presence":
        return lambda given: ASSERTIONS.index(given.answer.value)
    if variable.value.kind == "category" and variable.value.categories:
        order = {category.name: place for place, category in enumerate(variable.value.categories)}
        return lambda given: order.get(given.answer.value, len(order))
    if variable.target.system and variable.value.kind != "quantity":
        from nlp.quantities.stages import rank

        return lambda given: rank(variable.target.system, str(given.answer.value)) or 0.0
    return lambda given: given.answer.value


def _nearest(used: list[Given], _: Callable[[Given], Any]) -> Given:
    def distance(given: Given) -> float:
        time = given.answer.earliest or given.answer.latest
        if time is None or given.anchor is None:
            return float("inf")
        return abs((naive(time) - naive(given.anchor)).total_seconds())

    return min(used, key=distance)


_OF_ONE: dict[str, Callable[[list[Given], Callable[[Given], Any]], Given]] = {
    "any": lambda used, rank: min(used, key=rank),
    "first": lambda used, _: used[0],
    "last": lambda used, _: used[-1],
    "min": lambda used, rank: min(used, key=rank),
    "max": lambda used, rank: max(used, key=rank),
    "nearest": _nearest,
}
_OF_SEVERAL: dict[str, Callable[[list[Given]], Any]] = {
    "mean": lambda used: fmean(given.answer.value for given in used),
    "all": lambda used: tuple(dict.fromkeys(given.answer.value for given in used)),
}
