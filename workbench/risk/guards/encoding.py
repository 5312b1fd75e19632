"""Guard: no column holds shares of the outcome that were counted over all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from workbench.risk.guards.findings import Finding, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["encoded_by_outcome"]

#: Least values that recur, rows that each has, and the chance below which agreement is too good.
_LEAST_VALUES, _LEAST_ROWS, _CHANCE = 8, 2, 1e-6


def encoded_by_outcome(case: Case) -> Iterator[Finding]:
    """Look for a column whose values agree with the outcome's share among the rows that have them better than chance lets them.

    That is a target encoding made over all rows, smoothed or scaled or not: an honest number that goes with the outcome misses its share by
    the binomial's scatter. An encoding made out of fold has that scatter too and is no leak. Of the outcome ever, and needs eight values.
    """
    for name in case.numbers:
        values = case.data.X[name]
        if not values.notna().sum() >= 2 * _LEAST_VALUES or values.nunique() > len(values) / _LEAST_ROWS:
            continue
        found = _too_good(values, case.event)
        if found is not None:
            yield refuse(
                name,
                (
                    f"{found} 个取值各自就是相应行中有结局者的比例，吻合得超出偶然：应是用全部数据的结局编码的",
                    f"its {found} values are the outcome's shares in their rows, closer than by chance: it was encoded by the outcome",
                ),
                (
                    "把编码放进模型流水线，只在训练折内拟合",
                    "make the encoding a step of the model, so that it is learnt inside the resample",
                ),
            )


def _too_good(values: pd.Series, event: np.ndarray) -> int | None:
    """Return how many values recur, where their agreement with the shares is below chance."""
    group = pd.DataFrame({"value": values.to_numpy(float), "event": event}).dropna().groupby("value")["event"].agg(["mean", "size"])
    group = group[group["size"] >= _LEAST_ROWS]
    value, share, rows = group.index.to_numpy(float), group["mean"].to_numpy(), group["size"].to_numpy(float)
    if len(group) < _LEAST_VALUES or np.ptp(share) == 0:
        return None
    scaled = (value - value.mean()) / (value.std() or 1.0)
    # Plain shares lie on a line. Those shrunk to the mean by a fixed number of rows lie on one once multiplied by the rows.
    shapes = np.column_stack([np.ones_like(value), scaled, 1 / rows, scaled / rows])
    columns = shapes if len(value) >= 12 else shapes[:, :2]
    smooth = (share * rows + event.mean()) / (rows + 1)
    error = np.sqrt(smooth * (1 - smooth) / rows)
    weighted = columns / error[:, None]
    fitted = weighted @ np.linalg.lstsq(weighted, share / error, rcond=None)[0]
    excess = float(np.sum((share / error - fitted) ** 2))
    free = len(value) - columns.shape[1]
    return len(value) if np.corrcoef(value, share)[0, 1] ** 2 > 0.25 and stats.chi2.cdf(excess, free) < _CHANCE else None
