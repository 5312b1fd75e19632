"""Parts of a narrative without titles, told by their words and order.

Older discharge summaries and notes glued together by an export have paragraphs such as general particulars, history, course and state at
discharge with no title above them. Where a text shows that it is one (parts of two kinds at least are told surely), every
paragraph gets the section whose weighted patterns and place in the order fit best (Viterbi); `nlp.unbroken` reads a text of one paragraph.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import yaml

from nlp.unbroken import read_piece, unbroken_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlp.titles import Titled

__all__ = ["narrative_parts"]

# Titles that may stand at the beginning of a line of such a text. One that has others there tells its sections by itself.
_INLINE = frozenset({"", "体格检查", "专科检查", "辅助检查", "修正诊断", "病例特点"})
_KINDS = frozenset({"", "出院记录", "死亡记录"})
_LINE = re.compile(r"[^\n]+")
# So far a text without line ends is told from one with them.
_FIRST = 1_500
_MOST_PARTS = 60
_COURSE = "诊疗经过"


class _Stage(NamedTuple):
    name: str
    strong: re.Pattern[str]
    weights: tuple[tuple[re.Pattern[str], float], ...]


class _Costs(NamedTuple):
    """What a path pays for a part of the same section as the one before it, for another, and for one against the usual order."""

    again: float
    change: float
    against: float


class _Rules(NamedTuple):
    stages: tuple[_Stage, ...]
    costs: _Costs
    longest_profile: int
    sure: float


@cache
def _rules() -> _Rules:
    data = yaml.safe_load(files("nlp").joinpath("data", "narrative.yaml").read_text(encoding="utf-8"))
    stages = tuple(
        _Stage(name, re.compile(row["strong"]), tuple((re.compile(pattern), weight) for pattern, weight in row["weights"]))
        for name, row in data["sections"].items()
    )
    return _Rules(stages, _Costs(**data["costs"]), data["longest_profile"], data["sure"])


def narrative_parts(text: str, kind: str, titled: Sequence[Titled]) -> list[tuple[int, str]]:
    """Return where each part of an untitled narrative begins and its section, nothing where the text is no such narrative.

    Parameters
    ----------
    text : str
        The normalised text.
    kind : str
        Kind of document by its title or its source, "" if unknown.
    titled : sequence of Titled
        The titles found.

    Returns
    -------
    list of (int, str)
        In the order of the text.
    """
    if kind not in _KINDS or not text or any(_tells(text, title) for title in titled):
        return []
    return unbroken_parts(text) if text.count("\n", 0, _FIRST) <= 1 else _lines_told(text, _rules())


def _lines_told(text: str, rules: _Rules) -> list[tuple[int, str]]:
    """Return where each part begins and its section, nothing where the lines show too little of a narrative."""
    parts = [match.span() for match in _LINE.finditer(text) if match.group().strip()]
    if not 2 < len(parts) <= _MOST_PARTS:
        return []
    pieces = [read_piece(text, start, end) for start, end in parts]
    if not any(stage.strong.match(piece) for piece in pieces for stage in rules.stages):
        return []
    scores = [[_score(piece, stage, rules) for stage in rules.stages] for piece in pieces]
    path = _best(scores, rules.costs)
    sure = {rules.stages[place].name for place, row in zip(path, scores, strict=True) if row[place] >= rules.sure}
    if len(sure) < 2 or not (_COURSE in sure or len(sure) > 2):
        return []
    return [
        (start, rules.stages[place].name) for (start, _), place, last in zip(parts, path, [-1, *path[:-1]], strict=True) if place != last
    ]


def _tells(text: str, title: Titled) -> bool:
    return title.name not in _INLINE and (title.start == 0 or text[title.start - 1] == "\n")


def _score(piece: str, stage: _Stage, rules: _Rules) -> float:
    score = sum(weight for pattern, weight in stage.weights if pattern.search(piece))
    return score - 4 if stage.name == "一般项目" and len(piece) > rules.longest_profile else score


def _best(scores: list[list[float]], costs: _Costs) -> list[int]:
    """Return the place of each piece's section, by the best path through all."""
    places = range(len(scores[0]))
    paths = [(scores[0][place] - costs.against * place / 2, [place]) for place in places]
    for row in scores[1:]:
        paths = [
            max(((total + row[place] - _cost(path, place, costs), [*path, place]) for total, path in paths), key=lambda pair: pair[0])
            for place in places
        ]
    return max(paths, key=lambda pair: pair[0])[1]


def _cost(path: list[int], place: int, costs: _Costs) -> float:
    if path[-1] == place:
        return costs.again
    return costs.change + costs.against * ((place < path[-1]) + (place in path))
