"""Guard: no counts over a whole stay."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from workbench.risk.guards.findings import Finding, note, warn
from workbench.risk.guards.strength import together

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from workbench.risk.guards.case import Case

__all__ = ["counts_without_clock"]

#: Names of counts; a count of cells in blood is none.
_COUNT = re.compile(r"(^|_)(n|num|count|counts|times)(_|$)|^(number|num)[_ ]of[_ ]|次数|例数|项数|条数|份数|人次", re.IGNORECASE)

#: From so many counts on, and so great a part by them of what the other predictors leave of an AUROC of 1, it is more than a note.
_SEVERAL, _GAIN = 3, 0.15


def counts_without_clock(case: Case) -> Iterator[Finding]:
    """Look for columns that count something, and do not say up to when.

    Tests and visits counted over a whole stay tell how it ended, though each alone may tell little: Tongji's 24-h results reach an AUROC of
    0.933, with the counts of its 74 tests 0.966, while the best count alone has 0.886. A length of stay under another name adds 0.012
    there, which is no more than an honest predictor does: that one is told by its name only.
    """
    table = case.data.features.provenance
    clocked = set(table.loc[table["nearest_hours"] > 0, "feature"])
    names = [name for name in case.numbers if name not in clocked and _COUNT.search(name) and _whole(case.data.X[name])]
    if names:
        yield _told(names, *_gain(case, names))


def _told(names: list[str], without: float, everything: float) -> Finding:
    zh, en = f"{len(names)} 列是次数，未说明计到何时为止", f"{len(names)} columns are counts, and do not say up to when"
    say = note
    if everything - without >= _GAIN * (1 - without):
        say = warn
        zh += f"；有了它们，全部预测因子合起来的 AUROC 由 {without:.3f} 升至 {everything:.3f}"
        en += f"; with them the AUROC of all predictors together rises from {without:.3f} to {everything:.3f}"
    return say(
        ", ".join(names[:3]) + (" …" if len(names) > 3 else ""),
        (zh, en),
        (
            "只计预测时刻之前的次数（pick: count）；整个住院期间的次数须去掉",
            "count up to the prediction (pick: count), not over the stay",
        ),
    )


def _gain(case: Case, names: list[str]) -> tuple[float, float]:
    """Return the AUROC of all predictors without some and with them; of too few nothing is gained."""
    if len(names) < _SEVERAL or not case.ends:
        return 0.0, 0.0
    target = case.ends[0]
    X = case.data.X.iloc[target.rows]
    return together(X.drop(columns=names), target.event), together(X, target.event)


def _whole(values: pd.Series) -> bool:
    values = values.dropna()
    return bool(len(values) and np.isfinite(values).all() and (values >= 0).all() and (values == np.floor(values)).all())
