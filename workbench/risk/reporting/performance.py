"""Performance as a report tells it: estimates with their intervals, sample beside sample, model beside model, and the metrics' CSV."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.errors import DataError
from workbench.locale import tr
from workbench.risk.reporting.contents import PERFORMANCE_COLUMNS, SUBGROUP_COLUMNS, safe_words
from workbench.risk.validation.measures import MEASURES

if TYPE_CHECKING:
    from workbench.disclosure import DisclosurePolicy, SafeCount

__all__ = [
    "SAMPLES",
    "LeftOut",
    "best_sample",
    "card_rows",
    "checked",
    "compared",
    "estimate",
    "metrics",
    "shared",
    "subgroup_table",
    "table_of",
]

#: Samples on which a model is judged, in the order of the report; the last that is there is the one to believe.
SAMPLES: dict[str, tuple[str, str]] = {
    "apparent": ("表观（建模集）", "apparent (development data)"),
    "sites": ("逐中心验证（合并）", "site by site (joined)"),
    "cross_validation": ("交叉验证", "cross-validation"),
    "corrected": ("乐观校正（自助法）", "corrected for optimism (bootstrap)"),
    "holdout": ("留出集", "hold-out"),
    "external": ("外部数据", "external data"),
}

#: What compares models in one line each.
_COMPARED = ("harrell_c", "uno_c", "auc", "auroc", "auprc", "scaled_brier", "brier", "ibs", "slope", "observed_expected", "ici")

_DECIMALS = {"net_benefit": 4}
#: A table of results may have so many rows and still leave (:data:`workbench.release.checks.parts.MOST_ROWS`, less its head).
_MOST_ROWS = 999


class LeftOut(UserWarning):
    """Rows that the metrics leave out, for a longer table would not be released."""


def checked(performance: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return the performance, ordered by sample.

    Raises
    ------
    DataError
        If columns are missing, or there is nothing of the study's own model.
    """
    lacking = [name for name in PERFORMANCE_COLUMNS if name not in performance]
    if lacking or not (performance["model"] == model).any():
        raise DataError(
            f"the performance lacks {', '.join(lacking) or f'rows of the model {model!r}'}", hint=f"its columns are {PERFORMANCE_COLUMNS}"
        )
    order = {name: place for place, name in enumerate(SAMPLES)}
    return performance.sort_values("sample", key=lambda names: names.map(lambda name: order.get(name, len(order))), kind="stable")


def best_sample(performance: pd.DataFrame) -> str:
    """Return the sample to believe: the last of :data:`SAMPLES` that there is."""
    found = set(performance["sample"])
    return next((name for name in reversed(SAMPLES) if name in found), str(performance["sample"].iloc[-1]))


def shared(performance: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the sample to believe of those on which the most models were tried: there models are compared."""
    tried = performance.groupby("sample", sort=False)["model"].nunique()
    common = performance[performance["sample"].isin(tried.index[tried == tried.max()])]
    return common[common["sample"] == best_sample(common)]


def sample_label(name: str) -> str:
    """Return what a sample is called."""
    return tr(*SAMPLES[name]) if name in SAMPLES else name


def estimate(measure: str, value: float, low: float = np.nan, high: float = np.nan) -> str:
    """Return an estimate with its interval; a dash stands for what there is not.

    Examples
    --------
    >>> estimate("auroc", 0.7341, 0.7012, 0.7661), estimate("slope", 0.98)
    ('0.734 (0.701, 0.766)', '0.980 (—)')
    """
    if not np.isfinite(value):
        return "—"
    decimals = _DECIMALS.get(measure, 3)
    interval = f"{low:z.{decimals}f}, {high:z.{decimals}f}" if np.isfinite(low) and np.isfinite(high) else "—"
    return f"{value:z.{decimals}f} ({interval})"


def table_of(performance: pd.DataFrame, *, by_threshold: bool) -> pd.DataFrame:
    """Return one model's performance, a row a measure and horizon, a column a sample; at thresholds, or without."""
    rows = performance[performance["threshold"].notna() == by_threshold]
    keys = ["measure", "horizon_days", *(["threshold"] if by_threshold else [])]
    wide: dict[tuple, dict[str, str]] = {}
    for row in rows.itertuples(index=False):
        key = tuple(getattr(row, name) for name in keys)
        line = wide.setdefault(tuple(None if part != part else part for part in key), {})
        line[row.sample] = estimate(row.measure, row.value, row.low, row.high)
    samples = list(dict.fromkeys(rows["sample"]))
    heads = [
        tr("指标", "Measure"),
        tr("预测时点（天）", "Horizon (days)"),
        *([tr("阈值概率", "Probability threshold")] if by_threshold else []),
    ]
    cells = [[label_of(key[0]), *map(_plain, key[1:]), *(line.get(sample, "—") for sample in samples)] for key, line in wide.items()]
    return pd.DataFrame(cells, columns=[*heads, *map(sample_label, samples)]).astype(str)


def compared(performance: pd.DataFrame, main: str) -> pd.DataFrame | None:
    """Return the models beside each other on the sample that they share, a column a model; None where there is one model."""
    if performance["model"].nunique() < 2:
        return None
    rows = shared(performance)
    rows = rows[rows["threshold"].isna() & rows["measure"].isin(_COMPARED)]
    wide: dict[str, dict[str, str]] = {}
    for row in rows.itertuples(index=False):
        at = "" if pd.isna(row.horizon_days) else tr(f"（{_plain(row.horizon_days)} 天）", f" ({_plain(row.horizon_days)} days)")
        wide.setdefault(label_of(row.measure) + at, {})[row.model] = estimate(row.measure, row.value, row.low, row.high)
    table = pd.DataFrame.from_dict(wide, orient="index")
    table = table.reindex(columns=list(dict.fromkeys([main, *performance["model"]]))).fillna("—")
    return table.rename_axis(tr("指标", "Measure")).reset_index()


def label_of(measure: str) -> str:
    """Return what a measure is called."""
    return MEASURES[measure].label if measure in MEASURES else measure


def metrics(performance: pd.DataFrame, model: str, persons: SafeCount, policy: DisclosurePolicy) -> pd.DataFrame:
    """Return every number of the performance as text, with the size of the study beside it; counts in remarks as the policy shows them.

    Warns of :class:`LeftOut` where rows at thresholds of the compared models do not fit into a table that may leave.
    """
    kept = performance
    if len(kept) > _MOST_ROWS:
        kept = kept[(kept["model"] == model) | kept["threshold"].isna()].iloc[:_MOST_ROWS]
        warnings.warn(
            tr(
                f"metrics.csv 未列入 {len(performance)} 项指标中的 {len(performance) - len(kept)} 项",
                f"{len(performance) - len(kept)} of {len(performance)} metrics are left out of metrics.csv",
            ),
            LeftOut,
            stacklevel=2,
        )
    text = {name: kept[name].map(lambda value: "" if pd.isna(value) else f"{value:z.5f}") for name in ("value", "low", "high")}
    days = {name: kept[name].map(_plain) for name in ("horizon_days", "threshold")}
    shown = kept[list(PERFORMANCE_COLUMNS)].assign(**text, **days).fillna("").astype(str)
    shown["note"] = [safe_words(note, policy) for note in shown["note"]]
    shown.insert(2, "study_persons", str(persons).replace(",", ""))
    return shown


def card_rows(performance: pd.DataFrame, persons: SafeCount) -> list[dict[str, Any]]:
    """Return one model's performance without thresholds as plain values, with the size of the study beside it."""
    rows = []
    for row in performance[performance["threshold"].isna() & performance["value"].notna()].itertuples(index=False):
        interval = {"statistic_low": row.low, "statistic_high": row.high}
        rows.append(
            {
                "measure": row.measure,
                "sample": row.sample,
                **({} if pd.isna(row.horizon_days) else {"horizon_days": float(row.horizon_days)}),
                "statistic": round(float(row.value), 4),
                **{key: round(float(value), 4) for key, value in interval.items() if np.isfinite(value)},
                "study_persons": str(persons) if persons.shown is None else persons.shown,
            }
        )
    return rows


def subgroup_table(subgroups: pd.DataFrame, policy: DisclosurePolicy) -> pd.DataFrame:
    """Return performance by sub-group as people may see it, a row a group and measure.

    Counts are those of :func:`workbench.disclosure.suppress_table` for each variable; what was worked out of fewer persons, events or
    persons without than the threshold is hidden.

    Raises
    ------
    DataError
        If columns are missing.
    """
    lacking = [name for name in SUBGROUP_COLUMNS if name not in subgroups]
    if lacking:
        raise DataError(f"the sub-groups lack {', '.join(lacking)}", hint=f"their columns are {SUBGROUP_COLUMNS}")
    hidden, rows = tr("已抑制", "hidden"), []
    for variable, part in subgroups.groupby("variable", sort=False):
        groups = part.drop_duplicates("group").set_index("group")
        counts = np.stack([groups["events"], groups["persons"] - groups["events"]], axis=1).astype(int)
        safe = disclosure.suppress_table(counts, policy=policy)
        sizes = dict(zip(groups.index, zip(safe.row_totals, (cells[0] for cells in safe.cells), strict=True), strict=True))
        few = set(groups.index[(counts < policy.threshold).any(axis=1)])
        for row in part.itertuples(index=False):
            size, events = map(str, sizes[row.group])
            told = hidden if row.group in few else estimate(row.measure, row.value, row.low, row.high)
            measure = "—" if pd.isna(row.measure) else label_of(row.measure)  # of a group that was not evaluated
            rows.append((variable, str(row.group), size, events, measure, _plain(row.horizon_days), told))
    heads = [tr("变量", "Variable"), tr("组", "Group"), tr("人数", "Persons"), tr("事件数", "Events"), tr("指标", "Measure")]
    columns = [*heads, tr("预测时点（天）", "Horizon (days)"), tr("估计值 (95% CI)", "Estimate (95% CI)")]
    return pd.DataFrame(rows, columns=columns).astype(str)


def _plain(value: float | None) -> str:
    """Return a number without needless decimals; nothing for none."""
    return "" if value is None or pd.isna(value) else f"{value:g}"
