"""Performance: every measure of a model's predictions in one table."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.evaluation.horizon import checked_probabilities
from workbench.risk.survival.outcome import follow
from workbench.risk.validation.known import Known
from workbench.risk.validation.measures import FAMILIES, MEASURES, TIE_RULE, Family, Judged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike

    from workbench.risk.protocol.protocol import Protocol

__all__ = ["KEYS", "Score", "Scoring", "performance"]

#: Columns that say which number a row of a table of performance holds.
KEYS = ["measure", "horizon_days", "threshold"]


class Score(NamedTuple):
    """One number: a row of the table of performance."""

    measure: str
    horizon_days: float
    threshold: float
    value: float
    note: str


@dataclass(frozen=True)
class Scoring:
    """What is measured of predictions.

    Parameters
    ----------
    times : tuple of float
        Days at which risks are predicted, rising; none for a binary outcome. Five or more make a curve, for the integrated Brier score,
        Antolini's C and D-calibration.
    horizons : tuple of float
        Those of `times` at which AUC, Brier score, calibration and net benefit are told; all where empty.
    thresholds : tuple of float
        Risks from which on somebody would act, within 0 and 1, rising.
    measures : tuple of str, optional
        Keys of :data:`~workbench.risk.validation.measures.MEASURES`; all that the outcome has where None.
    spare : bool
        Whether, where no measures are named, those are left out that a resample cannot afford (whole curves, ICI).

    Raises
    ------
    DefinitionError
        If times or thresholds do not rise within their bounds, a horizon is none of the times, or a measure is unknown.

    Examples
    --------
    >>> Scoring(times=(90, 180, 365), horizons=(365,)).columns
    (2,)
    """

    times: tuple[float, ...] = ()
    horizons: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()
    measures: tuple[str, ...] | None = None
    spare: bool = False

    def __post_init__(self) -> None:
        """Check what is asked."""
        for name, most in (("times", np.inf), ("horizons", np.inf), ("thresholds", 1)):
            values = tuple(float(value) for value in np.atleast_1d(np.asarray(getattr(self, name), float)))
            object.__setattr__(self, name, values)
            if not all(0 < value < most for value in values) or (np.diff(values) <= 0).any():
                raise DefinitionError(f"{name}={values} must be finite, greater than 0{', less than 1' * (most == 1)} and rise")
        absent = set(self.horizons) - set(self.times)
        if absent:
            raise DefinitionError(f"horizons {sorted(absent)} are none of the times", hint="predict risks at the horizons, too")
        unknown = set(self.measures or ()) - set(MEASURES)
        if unknown:
            raise DefinitionError(f"unknown measures: {', '.join(sorted(unknown))}", hint=f"known: {', '.join(MEASURES)}")

    @classmethod
    def of(cls, protocol: Protocol, *, curve: int = 0) -> Self:
        """Return what a protocol asks.

        Parameters
        ----------
        protocol : Protocol
            Its horizons and thresholds.
        curve : int
            Times of a curve up to the last horizon, beside the horizons.

        Returns
        -------
        Scoring
            Of all measures.
        """
        horizons = np.unique(protocol.outcome.horizons_days).astype(float)
        grid = np.linspace(0, horizons[-1], curve + 1)[1:] if curve and len(horizons) else horizons
        times = () if protocol.outcome.kind == "binary" else tuple(np.union1d(horizons, grid))
        return cls(times, tuple(horizons) if times else (), tuple(np.unique(protocol.thresholds)))

    @property
    def columns(self) -> tuple[int, ...]:
        """Where the horizons stand among the times."""
        return tuple(self.times.index(horizon) for horizon in self.horizons or self.times)

    def quick(self) -> Self:
        """Return what a resample can afford: what is asked for by name; else no measure of whole curves, and no times for them."""
        if self.measures is not None:
            return self
        horizons = self.horizons or self.times
        return type(self)(tuple(sorted({*horizons, *self.times[-1:]})), horizons, self.thresholds, spare=True)

    def families(self, *, binary: bool) -> list[Family]:
        """Return what is worked out for a kind of outcome."""
        kind = "binary" if binary else "times"
        fitting = [family for family in FAMILIES if family.outcome in ("any", kind) and (family.per != "threshold" or self.thresholds)]
        if self.measures is None:
            return [family for family in fitting if family.quick or not self.spare]
        return [family for family in fitting if set(family.names) & set(self.measures)]

    def scores(self, y: np.ndarray, risk: ArrayLike, *, train: np.ndarray | None = None, known: Known | None = None) -> list[Score]:
        """Return all numbers, always the same ones in the same order.

        Parameters
        ----------
        y : structured ndarray or array-like of bool, shape (n,)
            Outcomes.
        risk : array-like of float, shape (n, m)
            Predicted risks at `times`; (n,) or (n, 1) for a binary outcome.
        train : structured ndarray, optional
            Outcomes from which the censoring is estimated.
        known : Known, optional
            Of `y` and `train`, where they are judged more than once.

        Returns
        -------
        list of Score
        """
        given = self._judged(y, risk, train, known)
        binary = given.y.dtype.names is None
        horizons = [None] if binary else (self.horizons or self.times)
        return [
            score
            for family in self.families(binary=binary)
            for horizon in ([None] if family.per == "study" else horizons)
            for score in self._worked(family, given, horizon)
        ]

    def _judged(self, y: np.ndarray, risk: ArrayLike, train: np.ndarray | None, known: Known | None) -> Judged:
        y, risk = np.asarray(y), np.asarray(risk, float)
        binary = y.dtype.names is None
        if binary:
            y = _truths(y)
        else:
            follow(y)
        if binary == bool(self.times):
            hint = "leave times out" if binary else "give times: the days at which the risks are predicted"
            raise DataError(f"a {'binary outcome' if binary else 'time to an event'} with {len(self.times)} times", hint=hint)
        risk = checked_probabilities(risk, (len(y), 1 if binary else len(self.times)))
        known = None if binary else known or Known(y, train)
        return Judged(y, risk, np.array(self.times), np.array(self.thresholds), known)

    def _worked(self, family: Family, given: Judged, horizon: float | None) -> Iterator[Score]:
        values, note = _tried(family, given, horizon)
        thresholds = self.thresholds if family.per == "threshold" else (np.nan,)
        for name, value in zip(family.names, values, strict=True):
            if self.measures is None or name in self.measures:
                for threshold, one in zip(thresholds, np.broadcast_to(value, len(thresholds)), strict=True):
                    why = note or ("" if np.isfinite(one) else tr("在此没有定义", "is not defined here"))
                    yield Score(name, np.nan if horizon is None else horizon, threshold, float(one), why)


def _truths(y: np.ndarray) -> np.ndarray:
    if y.ndim != 1 or pd.isna(y).any() or not np.isin(y, [0, 1]).all():
        raise DataError("a binary outcome is not one value of 0 and 1 a person", hint="drop or impute missing ones")
    return y.astype(bool)


def _tried(family: Family, given: Judged, horizon: float | None) -> tuple[tuple, str]:
    """Return a family's values, not numbers where they cannot be had, and why, or what was to be said of them."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            values, reasons = family.work(given, horizon), []
        except (DataError, ArithmeticError, np.linalg.LinAlgError) as error:
            values, reasons = (np.nan,) * len(family.names), [getattr(error, "shown", str(error))]
    return values, tr("；", "; ").join(dict.fromkeys([*reasons, *(str(one.message) for one in told)]))


def performance(
    y: np.ndarray,
    risk: ArrayLike,
    *,
    times: ArrayLike | None = None,
    horizons: ArrayLike = (),
    thresholds: ArrayLike = (),
    train: np.ndarray | None = None,
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return every measure of predictions.

    Parameters
    ----------
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes. With several causes cause 1 is the outcome, and the risks are its cumulative incidences.
    risk : array-like of float, shape (n, m)
        Predicted probabilities of the event by each of `times`; (n,) or (n, 1) for a binary outcome or a single time.
    times : float or array-like of float, shape (m,), optional
        In days, rising; needed unless the outcome is binary.
    horizons : array-like of float
        Those of `times` at which measures of a horizon are told; all where empty. The others serve the measures of whole curves.
    thresholds : array-like of float
        Within 0 and 1, rising: risks from which on somebody would act.
    train : structured ndarray, optional
        Outcomes from which the censoring is estimated; by default `y`.
    measures : sequence of str, optional
        Keys of :data:`~workbench.risk.validation.measures.MEASURES`; all that the outcome has where None.

    Returns
    -------
    DataFrame
        `measure`, `horizon_days`, `threshold` (not numbers where the measure has none), `value`, and `note`: why there is no value, or what
        was changed to get it. ``attrs["ties"]`` tells how ties count. Harrell's and Uno's C and the AUC rank by the risk at the last time,
        or at the horizon; Uno's C counts events before the last time.

    Raises
    ------
    DataError
        If the outcome is no outcome, or a prediction is missing or not within 0 and 1. What cannot be worked out of good data (one class,
        no event by the horizon, nobody followed so far) is not a number, with a note.
    DefinitionError
        If times, horizons, thresholds or measures cannot be.

    Notes
    -----
    With competing risks Harrell's and Antolini's C keep who had another cause at risk for ever (Wolbers et al. 2009, Epidemiology 20:555).

    Examples
    --------
    >>> table = performance([True, False, True, False], [0.9, 0.4, 0.6, 0.2], measures=["auroc", "brier"])
    >>> table["value"].round(4).tolist()
    [1.0, 0.0925]
    """
    parts = [tuple(np.atleast_1d(np.asarray(() if part is None else part, float))) for part in (times, horizons, thresholds)]
    scoring = Scoring(*parts, None if measures is None else tuple(measures))
    table = pd.DataFrame(scoring.scores(y, risk, train=train), columns=list(Score._fields))
    table.attrs["ties"] = TIE_RULE
    return table
