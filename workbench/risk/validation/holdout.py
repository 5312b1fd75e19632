"""The hold-out: looked at once, and every look is counted."""

from __future__ import annotations

import json
import uuid
import warnings
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.journal import append_entry, read_entries
from workbench.locale import tr
from workbench.risk.validation.fitting import Sample
from workbench.risk.validation.intervals import compare, with_intervals
from workbench.risk.validation.splits import happened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator

    from workbench.risk.protocol.parts import Validation
    from workbench.risk.validation.performance import Scoring
    from workbench.risk.validation.splits import Split

__all__ = ["HoldOut", "Looks", "LooksWarning", "default_looks", "look", "split_key", "try_hold_out"]


class LooksWarning(UserWarning):
    """The hold-out was looked at before: what is chosen by it is no longer tried by it."""


class Looks(NamedTuple):
    """How often a hold-out was looked at.

    Parameters
    ----------
    number : int
        Of this look at this hold-out, from 1; lines of the journal that cannot be read count as looks at it.
    of_data : int
        Looks up to this at any hold-out of these data.
    damaged : int
        Lines that cannot be read.
    """

    number: int
    of_data: int
    damaged: int

    def __str__(self) -> str:
        """Say it in the language of the session."""
        more = tr(f"（同一数据共 {self.of_data} 次）", f" ({self.of_data} at these data in all)") if self.of_data > self.number else ""
        spoilt = tr(f"；记录有 {self.damaged} 行损坏", f"; {self.damaged} lines of the record are damaged") if self.damaged else ""
        return tr(f"第 {self.number} 次查看该留出集", f"look {self.number} at this hold-out") + more + spoilt


@dataclass(frozen=True, eq=False)
class HoldOut:
    """What a hold-out showed.

    Parameters
    ----------
    table : DataFrame
        `model`, and a table of performance with intervals.
    differences : DataFrame or None
        Of each model from the first, as :func:`~workbench.risk.validation.intervals.compare` gives them; None of one model.
    models : dict of str to estimator
        Fitted to the development part.
    risk : dict of str to ndarray of float, shape (n_held, m)
        Their predictions for the rows held out, in the order of ``split.held``.
    looks : Looks
        How often it was looked at.
    """

    table: pd.DataFrame
    differences: pd.DataFrame | None
    models: dict[str, BaseEstimator]
    risk: dict[str, np.ndarray]
    looks: Looks


def default_looks() -> Path:
    """Return where looks are recorded, unless somebody says otherwise."""
    return Path.home() / ".workbench" / "looks.jsonl"


def split_key(split: Split, asked: Validation, origin: str, *, seed: int = 0) -> str:
    """Return what names a hold-out: the data and how they were parted, whatever the model, the predictors or the title.

    Parameters
    ----------
    split : Split
        What parts the study.
    asked : Validation
        Of the protocol.
    origin : str
        Id of the data.
    seed : int
        Of a split at random.

    Returns
    -------
    str
        SHA-256, in hexadecimal.
    """
    parts: dict[str, Any] = {"origin": origin, "how": split.how}
    if split.how == "site":
        parts |= {"site": asked.site, "sites": sorted(map(str, split.sites))}
    else:
        parts |= {"share": asked.holdout} | ({"seed": seed} if split.how == "random" else {})
    return sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def look(path: Path, *, key: str, origin: str, **told: Any) -> Looks:
    """Record a look and return how many there were: before anything is seen, so that a look that is cut short counts.

    Parameters
    ----------
    path : Path
        The journal. Several processes may write to it; one that is killed spoils at most its own line, which counts as a look.
    key : str
        What names the hold-out.
    origin : str
        Id of the data.
    **told : object
        More to be recorded: plain values, none of a patient.

    Returns
    -------
    Looks
        A :class:`LooksWarning` is given from the second look on.

    Raises
    ------
    EnvironmentFault
        If the journal cannot be written; then nothing is looked at.
    """
    own = uuid.uuid4().hex
    append_entry(path, {**told, "key": key, "origin": origin, "look": own})
    entries, damaged = read_entries(path)
    place = next(place for place, entry in enumerate(entries, 1) if entry.get("look") == own)
    before = entries[:place]
    same, data = (sum(entry.get(name) == value for entry in before) for name, value in (("key", key), ("origin", origin)))
    looks = Looks(same + len(damaged), data + len(damaged), len(damaged))
    if looks.number > 1:
        warnings.warn(str(looks), LooksWarning, stacklevel=2)
    return looks


def try_hold_out(
    estimators: Mapping[str, BaseEstimator],
    X: ArrayLike,
    y: ArrayLike,
    split: Split,
    *,
    scoring: Scoring,
    key: str,
    origin: str,
    persons: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    looks: Path | None = None,
    told: Mapping[str, Any] | None = None,
    resamples: int = 200,
    level: float = 0.95,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> HoldOut:
    """Fit models to the development part, and look at the hold-out once.

    Parameters
    ----------
    estimators : mapping of str to estimator
        Name of a model -> its pipeline; all that were settled beforehand, in one look. Others are compared with the first.
    X : DataFrame or array-like of shape (n, p)
        Predictors of both parts.
    y : structured ndarray or array-like of bool, shape (n,)
        Outcomes of both parts.
    split : Split
        The parts.
    scoring : Scoring
        What is measured.
    key, origin : str
        What names the hold-out (:func:`split_key`), and the data.
    persons : array-like of shape (n,), optional
        Whose the rows are.
    sample_weight : array-like of float, shape (n,), optional
        For the fit.
    looks : Path, optional
        Where looks are recorded; ``~/.workbench/looks.jsonl`` where None.
    told : mapping, optional
        More to be recorded of the look: the hash of the protocol.
    resamples : int
        Draws of persons for the intervals.
    level : float
        Of the intervals.
    seed : int
        Of the draws.
    workers : int, optional
        Processes; chosen by the work where None.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    HoldOut

    Raises
    ------
    DataError
        If there is no model, a person is in both parts, or a model cannot be fitted: then nothing was looked at.
    EnvironmentFault
        If the look cannot be recorded.
    """
    sample = Sample.of(X, y, persons, sample_weight)
    both = np.intersect1d(*(sample.persons.codes[part] for part in (split.development, split.held)))
    if not estimators or len(both):
        raise DataError(f"{len(estimators)} models, {len(both)} persons in both parts", hint="splits.hold_out parts persons")
    models = {name: sample.fit(estimator, split.development) for name, estimator in estimators.items()}
    held, who = sample.y[split.held], sample.persons.codes[split.held]
    counts = {"rows": len(held), "events": int(happened(held).sum()), "models": list(estimators)}
    counted = look(looks or default_looks(), key=key, origin=origin, **counts, **(told or {}))
    risk = {name: sample.risk(model, scoring, split.held) for name, model in models.items()}
    drawn = {"persons": who, "resamples": resamples, "level": level, "seed": seed, "workers": workers, "progress": progress}
    tables = [with_intervals(held, one, scoring=scoring, **drawn) for one in risk.values()]
    table = pd.concat([own.assign(model=name)[["model", *own.columns]] for name, own in zip(risk, tables, strict=True)], ignore_index=True)
    differences = compare(held, risk, scoring=scoring, **drawn) if len(risk) > 1 else None
    return HoldOut(table, differences, models, risk, counted)
