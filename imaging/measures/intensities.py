"""Statistics of the values under a mask that need no bins (IBSI reference manual, section 3.3, intensity-based statistical features)."""

from __future__ import annotations

import numpy as np

__all__ = ["statistics_of"]


def statistics_of(values: np.ndarray) -> dict[str, float]:
    """Return first order statistics; the names are keys of :data:`imaging.measures.definitions.MEASURES`.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Finite values of the voxels, at least one.

    Returns
    -------
    dict of str to float
        Variances and deviations are those of the voxels as a population, as IBSI has them; percentiles are interpolated linearly. A
        coefficient that would be divided by 0 is absent.

    Examples
    --------
    >>> found = statistics_of(np.array([1, 1, 4]))
    >>> found["mean"], round(found["percentile_90"], 9)
    (2.0, 3.4)
    """
    x = np.asarray(values, np.float64)
    low, high = float(x.min()), float(x.max())
    # Of equal values that have no exact mean, a variance of rounding errors would give a skewness of its own.
    mean = float(x.mean())
    centred = x - mean
    squares = centred * centred  # powers by multiplication: pow takes ten times as long
    variance = float(squares.mean()) if low < high else 0.0
    p10, p25, median, p75, p90 = (float(p) for p in np.percentile(x, (10, 25, 50, 75, 90)))
    core = x[(x >= p10) & (x <= p90)]
    energy = float(x @ x)
    found = {
        "mean": mean,
        "standard_deviation": variance**0.5,
        "variance": variance,
        "skewness": float((squares * centred).mean() / variance**1.5) if variance else 0.0,
        "kurtosis": float((squares * squares).mean() / variance**2 - 3) if variance else 0.0,
        "median": median,
        "minimum": low,
        "percentile_10": p10,
        "percentile_25": p25,
        "percentile_75": p75,
        "percentile_90": p90,
        "maximum": high,
        "interquartile_range": p75 - p25,
        "range": high - low,
        "mean_absolute_deviation": float(np.abs(centred).mean()),
        "robust_mean_absolute_deviation": float(np.abs(core - core.mean()).mean()) if core.size else 0.0,
        "median_absolute_deviation": float(np.abs(x - median).mean()),
        "energy": energy,
        "root_mean_square": (energy / x.size) ** 0.5,
    }
    if mean:
        found["coefficient_of_variation"] = found["standard_deviation"] / mean
    if p25 + p75:
        found["quartile_dispersion"] = (p75 - p25) / (p75 + p25)
    return found
