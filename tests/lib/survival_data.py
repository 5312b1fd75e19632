"""Follow-up drawn from known hazards."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Drawn(NamedTuple):
    X: np.ndarray
    time: np.ndarray
    event: np.ndarray
    entry: np.ndarray
    stratum: np.ndarray
    weight: np.ndarray


def draw(n: int = 400, *, seed: int = 0, whole_days: bool = False, coefficients: tuple[float, ...] = (0.5, -0.3, 0.2)) -> Drawn:
    """Draw n persons; entries never meet a time exactly, where packages differ."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, len(coefficients)))
    died, lost = rng.exponential(20 * np.exp(-X @ coefficients)), rng.exponential(25, n)
    time, event = np.minimum(died, lost) + 0.01, died <= lost
    entry = np.where(rng.random(n) < 0.6, rng.uniform(0, 0.9, n) * time, 0)
    if whole_days:
        time, entry = np.ceil(time), np.where(entry > 0, np.floor(entry) + 0.5, 0)
    return Drawn(X, time, event, np.minimum(entry, time - 0.005), rng.integers(0, 4, n), rng.uniform(0.2, 3, n))
