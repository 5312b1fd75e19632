"""Timed tables of a hospital, read by the source of plain tables, and sources with faults that read past the prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.risk.extraction.columns import Columns
from workbench.risk.extraction.tables import TableSource, read_tables
from workbench.risk.protocol.protocol import Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from workbench.risk.extraction.dataset import CohortRows, Features
    from workbench.risk.extraction.readers import PlainTable

__all__ = ["LATE", "LateSource", "PoisonableTables", "timed_study"]


def timed_study(folder: Path, n: int, seed: int, *, landmarks: bool = False) -> tuple[Protocol, PoisonableTables]:
    """Write tables of a hospital, in which severity shows in later results more than in early ones, and read them as a source."""
    draw = np.random.default_rng([seed, 77])
    severity = draw.normal(size=n)
    admitted = pd.Timestamp("2022-03-01") + pd.to_timedelta(draw.uniform(0, 500, n), "D").round("min")
    dead = draw.uniform(size=n) < 1 / (1 + np.exp(0.5 - 2 * severity))
    stay = 3 + draw.exponential(8, n)
    person = [f"P{k:05d}" for k in range(n)]
    patients = pd.DataFrame(
        {"编号": person, "入院时间": admitted, "年龄": np.round(60 + 12 * severity), "结局": np.where(dead, "死亡", "治愈")}
    )
    patients["离开时间"] = admitted + pd.to_timedelta(stay * 24, "h").round("min")
    count = 1 + draw.poisson(stay)
    who = np.repeat(np.arange(n), count)
    hours = np.round(draw.uniform(0, 1, len(who)) * stay[who] * 24, 2)
    course = severity[who] + np.where(dead[who], 1, -1) * np.minimum(hours / 100, 2)
    results = pd.DataFrame({"编号": np.array(person)[who], "采样时间": admitted[who] + pd.to_timedelta(hours, "h").round("min")})
    results["乳酸脱氢酶"] = np.round(250 * np.exp(0.3 * course + draw.normal(0, 0.2, len(who))))
    results["白蛋白"] = np.where(draw.uniform(size=len(who)) < 0.7, np.round(40 - 3 * course + draw.normal(0, 3, len(who)), 1), np.nan)
    patients.to_csv(folder / "patients.csv", index=False)
    results.to_csv(folder / "results.csv", index=False)
    index = {"at": "入院时间", "plus_hours": 24} | ({"landmarks": {"every_hours": 24, "until_hours": 96}} if landmarks else {})
    ending = {"at": "离开时间", "horizons_days": [3]} if landmarks else {}
    protocol = Protocol(
        title="battery",
        tables={"patient": "编号", "time": "采样时间"},
        index=index,
        outcome={"label": "死亡", "kind": "binary", "status": "结局", "event": "死亡", **ending},
        predictors=[{"column": "年龄"}, {"labs": ["乳酸脱氢酶", "白蛋白"]}, {"labs": "乳酸脱氢酶", "pick": "count", "name": "tests"}],
    )
    read = read_tables([folder / "patients.csv", folder / "results.csv"], protocol)
    return protocol, PoisonableTables(read.columns, read.id, read.study)


class PoisonableTables(TableSource):
    """Tables that take poison."""

    def poisoned(self, rows: pd.DataFrame, truth: np.ndarray) -> PoisonableTables:
        """Let numbers that became known at or after the first prediction be the greatest where the truth is, else the least."""
        told = pd.Series(truth, index=rows["person"].to_numpy())
        first = rows.groupby("person")["predicted_at"].min()
        tables = tuple(_poisoned(table, first, told) for table in self.columns.tables)
        return replace(self, columns=Columns(tables, self.columns.layout))


def _poisoned(table: PlainTable, first: pd.Series, told: pd.Series) -> PlainTable:
    if table.known is None:
        return table
    late = (table.known >= table.person.map(first)).to_numpy()
    truth = table.person.map(told).eq(True).to_numpy()
    cells = table.cells.copy()
    for name in {"乳酸脱氢酶", "白蛋白"} & set(cells):
        numbers = pd.to_numeric(cells[name])
        cells[name] = numbers.where(~late, np.where(truth, numbers.max(), numbers.min()))
    return replace(table, cells=cells)


@dataclass(frozen=True, eq=False)
class LateSource:
    """A source with a fault: it reads so many hours past each prediction, and believes that it does not."""

    inner: Any
    hours: float
    names: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.inner.id

    def cohort(self, protocol: Protocol) -> CohortRows:
        return self.inner.cohort(protocol)

    def features(self, protocol: Protocol, rows: pd.DataFrame) -> Features:
        right = self.inner.features(protocol, rows)
        wrong = self.inner.features(protocol, rows.assign(predicted_at=rows["predicted_at"] + pd.Timedelta(hours=self.hours)))
        X = right.X.assign(**{name: wrong.X[name] for name in self.names or right.X})
        return replace(right, X=X)

    def truncated(self, rows: pd.DataFrame, **how: Any) -> LateSource:
        return replace(self, inner=self.inner.truncated(rows, **how))

    def poisoned(self, rows: pd.DataFrame, truth: np.ndarray) -> LateSource:
        return replace(self, inner=self.inner.poisoned(rows, truth))


#: Faults of an extraction: hours past the prediction, and which predictors have the fault.
LATE: dict[str, tuple[float, tuple[str, ...]]] = {
    "clock_two_hours_early": (2.0, ()),
    "clock_eight_hours_early_of_one": (8.0, ("albumin",)),
    "clock_a_day_early": (24.0, ()),
    "last_of_the_stay": (24.0 * 400, ("ldh",)),
    "count_of_the_whole_stay": (24.0 * 400, ("tests",)),
}
