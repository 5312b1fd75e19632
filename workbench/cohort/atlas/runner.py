"""Answering ATLAS definitions: by our own query where it says the same, else as circepy compiles them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from workbench.cohort.atlas.assumptions import Assumption, assumptions
from workbench.cohort.atlas.circe import circe_rows
from workbench.cohort.atlas.parts import expression_of
from workbench.cohort.atlas.read import read_atlas
from workbench.errors import WorkbenchError
from workbench.locale import tr

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from workbench.cohort.engine import Engine
    from workbench.cohort.query import Cohort

__all__ = ["AtlasAnswer", "AtlasRunner"]


@dataclass(frozen=True)
class AtlasAnswer:
    """The answer to one definition and how it was found.

    Parameters
    ----------
    cohort_id : str
        Name of the definition.
    rows : pyarrow.Table or None
        Of :data:`workbench.cohort.engine.ROW_SCHEMA`; None where it could not be answered.
    by : {"own", "circepy", "error"}
        Who answered.
    reasons : tuple of str
        Why not by our own query; for an error also why not by circepy.
    """

    cohort_id: str
    rows: pa.Table | None
    by: str
    reasons: tuple[str, ...] = ()

    @property
    def persons(self) -> int | None:
        """Number of different persons."""
        return None if self.rows is None else pc.count_distinct(self.rows["person_id"]).as_py()

    def explain(self) -> str:
        """Say who answered and, where it was not our own query, which part is why."""
        head = {
            "own": tr("由本平台查询回答", "answered by our own query"),
            "circepy": tr("由 circepy 编译的 SQL 回答", "answered by circepy's SQL"),
            "error": tr("无法回答", "could not be answered"),
        }[self.by]
        return "\n".join([f"{self.cohort_id}: {head}", *(f"  - {reason}" for reason in self.reasons)])


@dataclass
class AtlasRunner:
    """Runs ATLAS definitions on one data set.

    Parameters
    ----------
    engine : Engine
        Answers our own query.
    connection : duckdb.DuckDBPyConnection
        Holds every OMOP table, or a view of it, in the schema ``main``.
    """

    engine: Engine
    connection: duckdb.DuckDBPyConnection
    _broken: dict[Assumption, int] = field(default_factory=dict, repr=False)

    def run(self, text: str, *, cohort_id: str) -> AtlasAnswer:
        """Answer a definition.

        Parameters
        ----------
        text : str
            Circe JSON.
        cohort_id : str
            What to call it.

        Returns
        -------
        AtlasAnswer
            Always; whatever goes wrong stands in it.
        """
        try:
            rows, reasons = self._own(text, cohort_id)
            if rows is not None:
                return AtlasAnswer(cohort_id, rows, "own")
        except Exception as error:
            # One definition must not end a run over many: what failed is reported with the row.
            reasons = (tr("本平台查询失败：", "our own query failed: ") + _message(error),)
        try:
            return AtlasAnswer(cohort_id, circe_rows(self.connection, json.dumps(expression_of(text))), "circepy", reasons)
        except Exception as error:
            return AtlasAnswer(cohort_id, None, "error", (*reasons, tr("circepy 失败：", "circepy failed: ") + _message(error)))

    def _own(self, text: str, cohort_id: str) -> tuple[pa.Table | None, tuple[str, ...]]:
        translation = read_atlas(text, name=cohort_id)
        if not translation.exact:
            return None, tuple(map(str, translation.losses))
        broken = self._broken_by(translation.cohort)
        if broken:
            return None, tuple(tr(rule.reason_zh, rule.reason) for rule in broken)
        return self.engine.run(translation.cohort).rows, ()

    def _broken_by(self, cohort: Cohort) -> tuple[Assumption, ...]:
        return tuple(rule for rule in assumptions(cohort) if self._offending(rule))

    def _offending(self, rule: Assumption) -> int:
        if rule not in self._broken:
            found = self.connection.execute(rule.offending).fetchone()
            self._broken[rule] = found[0] if found else 0
        return self._broken[rule]


def _message(error: Exception) -> str:
    text = error.message if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:500]
