"""What must hold in the data for a translated definition to mean what circe-be's SQL means.

The two agree in data that keep the rules of OMOP; where data break a rule, circe-be's SQL still gives an answer, and these
checks say that ours might be another. They are asked once for a data set, so they are SQL that counts the offending rows.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.cohort.query import CodeItem, Cohort, Condition, Events, Exit, IndexDate, Window
from workbench.domains import DOMAINS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Assumption", "assumptions"]


@dataclass(frozen=True)
class Assumption:
    """One rule about the data.

    Parameters
    ----------
    reason, reason_zh : str
        What holds where the rule is broken.
    offending : str
        SQL over the OMOP tables that counts the rows which break it.
    """

    reason: str
    reason_zh: str
    offending: str


_OVERLAP = Assumption(
    "observation periods of a person overlap, and circe counts an event once for each",
    "同一患者的观察期重叠，circe 会按每个观察期重复计数",
    """
    SELECT count(*) FROM (
        SELECT observation_period_start_date AS begins, max(observation_period_end_date) OVER (
            PARTITION BY person_id ORDER BY observation_period_start_date, observation_period_end_date
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS latest
        FROM observation_period
    ) WHERE begins <= latest
    """,
)
_NO_PERSON = Assumption(
    "observed persons have no row in person, and circe drops them wherever it asks for demographics",
    "部分有观察期的患者在 person 表中没有记录，circe 在人口学条件处会丢弃他们",
    "SELECT count(*) FROM observation_period WHERE person_id NOT IN (SELECT person_id FROM person)",
)
_NO_VOCABULARY = Assumption(
    "there is no vocabulary, so that circe finds no concept at all",
    "没有词表，circe 找不到任何概念",
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM concept) THEN 0 ELSE 1 END",
)

# Domains whose end of an event is ours and not circe's in some rows.
_ENDS = {
    "encounters": Assumption(
        "encounters without an end: circe has none for them, ours is the next day",
        "部分就诊没有结束日期：circe 视为缺失，本平台取次日",
        "SELECT count(*) FROM visit_occurrence WHERE visit_end_date IS NULL",
    ),
    "encounter_details": Assumption(
        "encounter details without an end: circe has none for them, ours is the next day",
        "部分就诊明细没有结束日期：circe 视为缺失，本平台取次日",
        "SELECT count(*) FROM visit_detail WHERE visit_detail_end_date IS NULL",
    ),
    "procedures": Assumption(
        "procedures with a recorded end: circe ends every procedure on the next day",
        "部分手术操作有结束日期：circe 一律取次日",
        "SELECT count(*) FROM procedure_occurrence WHERE procedure_end_date <> procedure_date + 1",
    ),
}


def _visits_of_others(domain: str) -> Assumption:
    table = DOMAINS[domain].table
    return Assumption(
        f"rows of {table} belong to visits of other persons, and circe does not look at those visits",
        f"{table} 中有记录属于其他患者的就诊，circe 不看这些就诊",
        f"SELECT count(*) FROM {table} e JOIN visit_occurrence v USING (visit_occurrence_id) WHERE e.person_id <> v.person_id",
    )


def _reversed(domain: str) -> Assumption:
    place = DOMAINS[domain]
    return Assumption(
        f"rows of {place.table} end before they start, and circe then lets a censoring event end them",
        f"{place.table} 中有记录的结束早于开始，circe 此时以删失事件为结束",
        f"SELECT count(*) FROM {place.table} WHERE {place.end} < {place.start}",
    )


def assumptions(cohort: Cohort) -> tuple[Assumption, ...]:
    """Return what a translated cohort assumes of the data.

    Examples
    --------
    >>> from workbench.cohort.query import Cohort, Entry, Events
    >>> len(assumptions(Cohort("any visit", Entry((Events("encounters"),)))))
    2
    """
    nodes = list(_walk(cohort))
    found = [_OVERLAP, _NO_PERSON]
    if any(isinstance(node, CodeItem) and node.is_concept for node in nodes):
        found.append(_NO_VOCABULARY)
    if any(map(_looks_at_an_end, nodes)):
        domains = {node.domain for node in nodes if isinstance(node, Events)}
        found.extend(rule for domain, rule in _ENDS.items() if domain in domains)
    events = [node for node in nodes if isinstance(node, Events)]
    looked_up = {node.domain for node in events if any(condition.field == "setting" for condition in node.conditions)}
    if cohort.censor and _looks_at_an_end(cohort.exit):
        found.extend(_reversed(events.domain) for events in cohort.entry.events if events.place.end)
    return (*dict.fromkeys(found), *map(_visits_of_others, sorted(looked_up)))


def _looks_at_an_end(node: Any) -> bool:
    if isinstance(node, Window):
        return "end" in (node.event, node.index)
    if isinstance(node, Condition):
        return node.field in ("end", "duration_days")
    if isinstance(node, IndexDate):
        return node.edge == "end"
    return isinstance(node, Exit) and node.kind == "offset" and node.edge == "end"


def _walk(node: Any) -> Iterator[Any]:
    """Give a node and every node below it."""
    yield node
    if isinstance(node, tuple):
        for item in node:
            yield from _walk(item)
    elif dataclasses.is_dataclass(node):
        for declared in dataclasses.fields(node):
            yield from _walk(getattr(node, declared.name))
