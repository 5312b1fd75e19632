"""So much a second, and so much at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Allowance"]


class Allowance:
    """So much a second, and so much at once: what is beyond it is not given.

    Parameters
    ----------
    per_second : float
        How fast it fills.
    most : float
        How much it holds.
    clock : callable
        Gives seconds.

    Examples
    --------
    >>> allowance = Allowance(1, 2, clock=lambda: 0.0)
    >>> [allowance.take(1) for _ in range(3)]
    [True, True, False]
    """

    def __init__(self, per_second: float, most: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self.most, self.clock = per_second, most, clock
        self.left, self.at = most, clock()

    def take(self, amount: float) -> bool:
        """Take an amount if there is as much left.

        Parameters
        ----------
        amount : float
            What is asked for.
        """
        now = self.clock()
        self.left, self.at = min(self.most, self.left + (now - self.at) * self.per_second), now
        if amount > self.left:
            return False
        self.left -= amount
        return True
