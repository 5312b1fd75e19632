"""Guards on how rows are parted: by person always, by time and by hospital where that was promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.risk.guards.findings import Finding, note, refuse, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["parted_persons", "parted_sites", "parted_times", "promised_split"]


def parted_persons(case: Case) -> Iterator[Finding]:
    """Look for rows, and for persons, on both sides of a split."""
    if case.split is None:
        return
    train, test = case.split
    both_rows = np.intersect1d(train, test)
    both = np.intersect1d(case.persons[train], case.persons[test])
    if len(both_rows) or len(both):
        yield refuse(
            "split",
            (
                f"{len(both)} 人同时在划分的两侧（其中同一行在两侧的有 {len(both_rows)} 行）",
                f"{len(both)} persons stand on both sides of the split ({len(both_rows)} rows on both)",
            ),
            ("按患者划分", "part by person"),
        )
    for side, zh, en in ((train, "建模集", "the development set"), (test, "留出集", "the hold-out")):
        if not case.event[side].any() or case.event[side].all():
            yield refuse(
                "split",
                (f"{zh}只有一种结局", f"{en} has one outcome only"),
                ("换一种划分或扩大样本", "part in another way, or take more patients"),
            )


def parted_times(case: Case) -> Iterator[Finding]:
    """Compare the index dates of both sides, where the study promised to hold out the latest patients."""
    if case.split is None or case.data.protocol.validation.split != "time":
        return
    at = pd.to_datetime(case.data.rows["index_at"])
    if at.isna().any():
        yield refuse(
            "split", ("按时间划分，但有的行没有日期", "the split is by time, and rows have no date"), ("给出 index.at", "give index.at")
        )
        return
    train, test = (at.iloc[side] for side in case.split)
    late = int((train > test.min()).sum())
    if late:
        yield refuse(
            "split",
            (f"建模集有 {late} 行晚于留出集最早的一行", f"{late} rows of the development set are later than the first that is held out"),
            ("以同一日期为界划分", "part at one date"),
        )


def parted_sites(case: Case) -> Iterator[Finding]:
    """Compare the hospitals of both sides, where the study promised to hold out whole ones."""
    asked = case.data.protocol.validation
    if asked.split != "site":
        return
    name = asked.site or "care_site"
    if name not in case.data.rows:
        yield refuse(
            "split", (f"没有院区列 {name}", f"there is no column {name} of hospitals"), ("给出 validation.site", "give validation.site")
        )
        return
    sites = case.data.rows[name]
    if sites.nunique() < 2:
        yield refuse("split", ("只有一个院区", "there is one hospital only"), ("改用按时间划分", "part by time"))
    if case.split is not None:
        both = set(sites.iloc[case.split[0]].dropna()) & set(sites.iloc[case.split[1]].dropna())
        if both:
            yield refuse(
                "split", (f"{len(both)} 个院区在两侧", f"{len(both)} hospitals stand on both sides"), ("按院区划分", "part by hospital")
            )


def promised_split(case: Case) -> Iterator[Finding]:
    """Say where the split that the study asks for is weaker than the data would allow."""
    dated = pd.to_datetime(case.data.rows["index_at"]).notna().all()
    if case.data.protocol.validation.split == "random" and dated:
        yield note(
            "validation.split",
            ("数据有日期，划分却是随机的", "the split is at random though there are dates"),
            ("按时间划分更接近将来的使用", "a split by time is closer to later use"),
        )
    if case.data.protocol.validation.split == "time" and not dated:
        yield warn(
            "validation.split",
            ("按时间划分，但有的行没有日期", "the split is by time, and rows have no date"),
            ("给出 index.at", "give index.at"),
        )
