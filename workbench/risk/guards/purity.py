"""Guard: no value, nor a narrow band of values, belongs to one outcome alone while the values around it do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from workbench.risk.guards.findings import Finding, Text, refuse, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench.risk.guards.case import Case

__all__ = ["pure_values"]

#: Least rows of a band of values, most bands, and the widths (in bands) that are tried.
_ROWS, _BANDS, _WIDTHS = 15, 150, (1, 2, 4, 8, 16, 32)

#: Error of the interval within the band and of the one around it. Many bands are tried.
_INSIDE, _AROUND = 1e-4, 0.01

#: Odds inside (lower end) against odds around (upper end) from which on it is told, by severity. Real tables in which nothing leaks reach
#: at most 3.
_WARN, _REFUSE = 5.0, 12.0

#: Share of one outcome inside from which on it stands there nearly alone, by severity: a sign of which four in ten die is honest, however
#: many patients show it. And its share among all up to which that tells: where hardly anybody dies, honest groups have no death.
_PURE_WARN, _PURE_REFUSE, _COMMON = 0.8, 0.95, 0.8

#: Rows on either side of a value that many have, and how much commoner than each value there it has to be to stand for itself.
_BESIDE, _OUTSTANDING = 0.1, 4

#: A step counts between so many of the rows at either end, against so great a rise of the odds as an honest trend may have.
_END, _RISE = 0.1, 1.5


class _Band(NamedTuple):
    ratio: float
    rows: int
    ones: int
    expected: float


_NO_BAND = _Band(0.0, 0, 0, 0.0)


def pure_values(case: Case) -> Iterator[Finding]:
    """Look for a value or a narrow band of values, or absence, with one outcome nearly alone, where the values on either side have both.

    That is how a column looks that was filled from the outcome in part of the rows: a code, a sentinel, a correction. A trend is continued
    to the end of the range, so that a strong predictor's extremes are not told. It was found in all of eight tables of 1,500 to 3,000
    rows with 30 % of them filled and spread by a fiftieth of the SD; of eight with a spread of a twentieth, two of 1,100 rows were missed.
    """
    for name in case.data.X:
        bands = [
            (_purest(case.data.X[name].iloc[target.rows].reset_index(drop=True), truth), Text(zh + target.name.zh, en + target.name.en))
            for target in case.ends
            for truth, zh, en in ((target.event, "有", "have "), (~target.event, "没有", "have not "))
            if truth.mean() <= _COMMON
        ]
        band, said = max(bands, key=lambda found: found[0].ratio, default=(_NO_BAND, Text("", "")))
        if band.ratio >= _WARN:
            share = f"{band.ones / band.rows:.0%}"
            say = refuse if band.ratio >= _REFUSE and band.ones >= _PURE_REFUSE * band.rows else warn
            yield say(
                name,
                (
                    f"取值相同或相近（或同为缺失）的 {band.rows} 行中 {share} {said.zh}，取值不同者至多 {band.expected:.0%}",
                    f"{share} of {band.rows} rows with nearly one value (or none) {said.en}; of those around at most {band.expected:.0%}",
                ),
                (
                    "可能由结局填写，或在结局之后才有：核对其来源",
                    "it may have been filled in from the outcome, or after it: find out where it comes from",
                ),
            )


def _purest(column: pd.Series, truth: np.ndarray) -> _Band:
    """Return the band whose odds are the farthest above those around it."""
    there = column.notna().to_numpy()
    found = [_against(there, ~there, truth), _against(~there, there, truth)]
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > 2:  # of two values there is no order
        found += [_along(*_tallied(column[there], truth[there])), _against(*_alone(column), truth)]
    else:
        codes = pd.factorize(column)[0]
        found += [_against(codes == level, (codes != level) & there, truth) for level in np.unique(codes[there])]
    return max(found, key=lambda band: band.ratio)


def _against(inside: np.ndarray, around: np.ndarray, truth: np.ndarray) -> _Band:
    """Compare some rows with some others."""
    if inside.sum() < _ROWS / 2 or around.sum() < _ROWS:
        return _NO_BAND
    rows, ones = int(inside.sum()), int(truth[inside].sum())
    allowed = _odds(_upper(truth[around].sum(), around.sum()))
    return _Band(float(_ratio(ones, rows, allowed)), rows, ones, float(_share(allowed)))


def _alone(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a number's commonest value and those of the others; none where it is as common as a point of their trend."""
    counts = column.value_counts().sort_index()
    rows, common = counts.to_numpy(), int(counts.to_numpy().argmax())
    middle = rows.cumsum() - rows / 2
    between = np.abs(middle - middle[common]) - (rows + rows[common]) / 2
    beside = rows[(between <= _BESIDE * rows.sum()) & (np.arange(len(rows)) != common)].max(initial=0)
    inside = (column == counts.index[common]).to_numpy() & (rows[common] >= _OUTSTANDING * beside + 5)
    return inside, ~inside & column.notna().to_numpy()


def _tallied(values: pd.Series, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Part numbers in bands by rank, equal values together, a frequent value alone; return rows, truths, and whether it is one value."""
    if values.empty:
        return np.zeros(0), np.zeros(0), np.zeros(0, bool)
    least = max(_ROWS, len(values) // _BANDS)
    often = (values.map(values.value_counts()) >= least).to_numpy()
    place = values.rank(method="min").to_numpy()
    _, band = np.unique(np.where(often, place, place // least * least + 0.5), return_inverse=True)
    return np.bincount(band), np.bincount(band, weights=truth), np.bincount(band, weights=often) > 0


def _along(rows: np.ndarray, ones: np.ndarray, single: np.ndarray) -> _Band:
    """Slide windows of several widths along the bands; return the one that is the farthest above what lies on either side."""
    sums = np.r_[0, np.cumsum(ones)], np.r_[0, np.cumsum(rows)]
    found = [_NO_BAND]
    for width in _WIDTHS:
        if width > max(1, len(rows) // 6) or len(rows) < 3:
            break
        at = np.arange(len(rows) - width + 1)
        inside = sums[0][at + width] - sums[0][at], sums[1][at + width] - sums[1][at]
        held = np.convolve(single, np.ones(width), mode="valid") > 0
        allowed = np.minimum(_of_trend(sums, at, width, held), _of_other_side(sums, at, width))
        ratio = np.where(inside[1] >= _ROWS / 2, _ratio(*inside, allowed), 0.0)
        best = int(ratio.argmax())
        found.append(_Band(float(ratio[best]), int(inside[1][best]), int(inside[0][best]), float(_share(allowed[best]))))
    return max(found, key=lambda band: band.ratio)


def _of_trend(sums: tuple[np.ndarray, np.ndarray], at: np.ndarray, width: int, held: np.ndarray) -> np.ndarray:
    """Return the greatest odds in windows that a trend allows: those of either side, or at an end the trend continued.

    Of two sides, at whatever distance, one has at least the odds of what lies between. A hump that no single value explains (`held`: a
    value that many have) is the less likely: its odds count double.
    """
    beside, allowed = max(4, width), np.full(len(at), np.inf)
    for gap in (0, width, 4 * width):
        left, right = _between(sums, at - gap - beside, at - gap), _between(sums, at + width + gap, at + width + gap + beside)
        allowed = np.fmin(allowed, np.maximum(left, right) * np.where(held, 1.0, 0.5))
    near_left, near_right = _between(sums, at - beside, at), _between(sums, at + width, at + width + beside)
    far_left = _between(sums, at - 2 * beside, at - beside)
    far_right = _between(sums, at + width + beside, at + width + 2 * beside)
    end = np.where(np.isnan(near_left), near_right * np.fmax(1, near_right / far_right), near_left * np.fmax(1, near_left / far_left))
    one_side = np.isnan(near_left) != np.isnan(near_right)
    return np.where(one_side, np.where(np.isnan(end), np.inf, end), allowed)


def _of_other_side(sums: tuple[np.ndarray, np.ndarray], at: np.ndarray, width: int) -> np.ndarray:
    """Return the odds on the other side of a step, times what an honest trend may rise from one window to the next; not near the ends."""
    total = sums[1][-1]
    inner = (sums[1][at] >= _END * total) & (sums[1][at + width] <= (1 - _END) * total)
    left, right = _between(sums, at - width, at), _between(sums, at + width, at + 2 * width)
    return np.where(inner & (width >= 2), _RISE * np.fmin(left, right), np.inf)


def _between(sums: tuple[np.ndarray, np.ndarray], start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Return the upper odds in bands from `start` on, before `stop`; NaN where they are not there."""
    last = len(sums[0]) - 1
    there = (start >= 0) & (stop <= last)
    start, stop = np.clip(start, 0, last), np.clip(stop, 0, last)
    ones, rows = (total[stop] - total[start] for total in sums)
    return np.where(there & (rows >= _ROWS), _odds(_upper(ones, np.maximum(rows, 1))), np.nan)


def _lower(ones: np.ndarray | float, rows: np.ndarray | float) -> np.ndarray:
    """Lower end of Clopper and Pearson's interval."""
    ones, rows = np.asarray(ones, float), np.asarray(rows, float)
    return np.where(ones > 0, betaincinv(np.maximum(ones, 0.5), rows - ones + 1, _INSIDE), 0.0)


def _upper(ones: np.ndarray | float, rows: np.ndarray | float) -> np.ndarray:
    """Upper end of Clopper and Pearson's interval."""
    ones, rows = np.asarray(ones, float), np.asarray(rows, float)
    return np.where(ones < rows, betaincinv(ones + 1, np.maximum(rows - ones, 0.5), 1 - _AROUND), 1.0)


def _ratio(ones: np.ndarray | float, rows: np.ndarray | float, allowed: np.ndarray | float) -> np.ndarray:
    """Return the odds of some rows (lower end) over those allowed; 0 where they hold both outcomes."""
    alone = np.asarray(ones) >= _PURE_WARN * np.asarray(rows)
    return np.where(alone, _odds(_lower(ones, rows)) / allowed, 0.0)


def _odds(share: np.ndarray | float) -> np.ndarray:
    share = np.clip(share, 1e-9, 1 - 1e-9)
    return share / (1 - share)


def _share(odds: np.ndarray | float) -> np.ndarray:
    return 1 / (1 + 1 / np.asarray(odds, float))
