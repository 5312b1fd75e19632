"""TRIPOD+AI and PROBAST+AI filled from what a report has told: where it stands, or that the author writes it; never a judgement."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import yaml

from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench.risk.reporting.facts import Fact

__all__ = ["Item", "probast_items", "probast_table", "tripod_items", "tripod_table"]

_AUTHOR = "author"


class Item(NamedTuple):
    """A line of a checklist.

    Parameters
    ----------
    number : str
        Of the item.
    group : tuple of (str, str)
        What it belongs to, in Chinese and English: a section of the paper, or part and domain.
    text : tuple of (str, str)
        What it asks.
    filled_by : tuple of str
        Facts of a run that answer it; empty where only the author can.
    author : tuple of (str, str)
        What the author adds; empty for nothing.
    """

    number: str
    group: tuple[str, str]
    text: tuple[str, str]
    filled_by: tuple[str, ...]
    author: tuple[str, str] = ("", "")

    def answers(self, told: Mapping[str, Sequence[Fact]]) -> list[str]:
        """Return where a report answers the item: sections, each with its evidence."""
        places: dict[str, list[str]] = {}
        for fact in (fact for name in self.filled_by for fact in told.get(name, ())):
            places.setdefault(fact.place, []).append(fact.evidence)
        return [_place(place, [each for each in dict.fromkeys(evidence) if each]) for place, evidence in places.items()]


@cache
def tripod_items() -> tuple[Item, ...]:
    """Return the 52 sub-items of TRIPOD+AI (Collins et al., BMJ 2024;385:e078378)."""
    read = _read("tripod_ai.yaml")
    return tuple(_item(given, _both(read["sections"][given["section"]])) for given in read["items"])


@cache
def probast_items() -> tuple[Item, ...]:
    """Return the 34 signalling questions of PROBAST+AI (Moons et al., BMJ 2025;388:e082505), development first."""
    read = _read("probast_ai.yaml")
    return tuple(
        _item(given, tuple(map("{}{}{}".format, _both(part), ("：", ": "), _both(read["domains"][given["domain"]]))))
        for key, part in read["parts"].items()
        for given in read["items"]
        if given["part"] in (key, "both")
    )


def tripod_table(told: Mapping[str, Sequence[Fact]]) -> pd.DataFrame:
    """Return TRIPOD+AI with where each item is answered, or that the author writes it."""
    write, add = tr("作者填写", "author to write"), tr("作者补充：", "author adds: ")
    rows = []
    for item in tripod_items():
        found = item.answers(told)
        more = add + tr(*item.author) if found and item.author[0] else ""
        rows.append((item.number, tr(*item.group), tr(*item.text), tr("；", "; ").join(found) or write, more))
    heads = tr("序号", "Item code"), tr("部分", "Section"), tr("要求", "Asked"), tr("回答位置", "Answered in"), tr("补充", "To be added")
    return pd.DataFrame(rows, columns=list(heads))


def probast_table(told: Mapping[str, Sequence[Fact]]) -> pd.DataFrame:
    """Return PROBAST+AI with the evidence of the run; every judgement is left to a person."""
    nothing, judge = tr("运行不能提供依据", "the run has no evidence"), tr("由评估者判断", "assessor to judge")
    rows = [
        (item.number, tr(*item.group), tr(*item.text), tr("；", "; ").join(item.answers(told)) or nothing, judge)
        for item in probast_items()
    ]
    heads = tr("序号", "Question code"), tr("领域", "Domain"), tr("信号问题", "Signalling question"), tr("报告中的位置", "Told in")
    return pd.DataFrame(rows, columns=[*heads, tr("判断", "Judgement")])


def _item(given: dict, group: tuple[str, str]) -> Item:
    filled = tuple(name for name in given["filled_by"] if name != _AUTHOR)
    return Item(given["number"], group, _both(given), filled, _both(given["author"]) if "author" in given else ("", ""))


def _both(given: dict) -> tuple[str, str]:
    return given["zh"], given["en"]


def _place(place: str, evidence: list[str]) -> str:
    return f"{place} ({tr('、', ', ').join(evidence)})" if evidence else place


def _read(name: str) -> dict:
    return yaml.safe_load(files("workbench.risk.reporting").joinpath("data", name).read_text(encoding="utf-8"))
