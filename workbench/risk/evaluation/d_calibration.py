"""D-calibration: whether whole survival curves are right, over all times at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from workbench.errors import DataError
from workbench.risk.evaluation.horizon import checked_probabilities, watched

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["DCalibration", "d_calibration"]


class DCalibration(NamedTuple):
    """A test whether survival probabilities at persons' own times are spread evenly, as those of a right model are.

    Parameters
    ----------
    statistic : float
        Of the chi-squared distribution with one degree of freedom less than there are bins.
    p : float
        The probability of one as large, if the model is right.
    table : DataFrame
        By bin of the survival probability: its `lower` and `upper` end, `observed` persons (who were censored count in parts) and
        `expected`.
    """

    statistic: float
    p: float
    table: pd.DataFrame


def d_calibration(y: np.ndarray, survival: ArrayLike, times: ArrayLike | None = None, *, bins: int = 10) -> DCalibration:
    """Test whether predicted survival curves are right as a whole.

    Parameters
    ----------
    y : structured ndarray of shape (n,)
        Outcomes; of competing risks any cause is an event, so the curves have to be of all causes.
    survival : array-like of float, shape (n,) or (n, m)
        Each person's predicted probability to be without event after their own time; or at each of `times`, between which it is
        interpolated, and after the last of which persons count as censored there.
    times : array-like of float, shape (m,), optional
        Rising.
    bins : int
        Of equal width.

    Returns
    -------
    DCalibration
        With its table.

    Raises
    ------
    DataError
        If a probability is missing or not within 0 and 1, or there is no event.

    Notes
    -----
    Haider et al. (2020), JMLR 21(85), section 3.5 and appendix B: who is censored at the probability c is spread over the bins below c.

    Examples
    --------
    >>> from workbench.risk.survival.outcome import outcome
    >>> d_calibration(outcome([1, 2, 3, 4], [True, True, True, False]), [0.9, 0.6, 0.3, 0.25], bins=2).table["observed"].tolist()
    [2.0, 2.0]
    """
    given = watched(y)
    event = given.event.astype(bool)
    if times is None:
        own = checked_probabilities(survival, (len(event),))
    else:
        own, event = _at_own_time(given.time, event, survival, np.asarray(times, float))
    if not event.any():
        raise DataError("nobody had the event, so survival curves cannot be compared with it", zh="无人发生结局，无法核对生存曲线")
    lower = np.arange(bins) / bins
    observed = np.bincount(np.minimum((own[event] * bins).astype(int), bins - 1), minlength=bins).astype(float)
    left = own[~event]
    ratio = np.clip(left[:, None] - lower, 0, 1 / bins) / np.where(left > 0, left, 1)[:, None]
    ratio[left == 0, 0] = 1.0
    observed += ratio.sum(axis=0)
    expected = len(own) / bins
    statistic = float(((observed - expected) ** 2).sum() / expected)
    table = pd.DataFrame({"lower": lower, "upper": lower + 1 / bins, "observed": observed, "expected": expected})
    return DCalibration(statistic, float(chi2.sf(statistic, bins - 1)), table.rename_axis("bin"))


def _at_own_time(time: np.ndarray, event: np.ndarray, survival: ArrayLike, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return survival interpolated at each person's time, and who had the event up to the last time."""
    if times.ndim != 1 or not len(times) or not (times[0] > 0 and (np.diff(times) > 0).all()):
        raise DataError("times must be greater than 0 and rise")
    whole = np.column_stack([np.ones(len(time)), checked_probabilities(survival, (len(time), len(times)))])
    grid, until = np.r_[0.0, times], np.minimum(time, times[-1])
    right = np.searchsorted(grid, until).clip(1)
    rows, part = np.arange(len(time)), (until - grid[right - 1]) / (grid[right] - grid[right - 1])
    return whole[rows, right - 1] * (1 - part) + whole[rows, right] * part, event & (time <= times[-1])
