"""How good a model is on cases that it has not seen: on the images' own grid, with intervals, and by scanner and verdict."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from imaging.models import metrics
from imaging.models.inference import mask_on, segment, shares_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imaging.models.cases import Case
    from imaging.models.inference import Model
    from imaging.models.preparing import CaseSet
    from imaging.models.task import Task

__all__ = ["dice_of", "evaluate", "grouped", "score_of", "shares_of_cases", "threshold_of", "truth_of"]


def truth_of(cases: Sequence[Case]) -> np.ndarray:
    """Return the classes of cases."""
    return np.array([case.label for case in cases])


def shares_of_cases(model: Model, cases: CaseSet, which: Iterable[int]) -> np.ndarray:
    """Return the shares of classes of some cases, of shape (n_cases, n_classes)."""
    return shares_of(model, (cases[index].image for index in which))


def dice_of(model: Model, cases: CaseSet, which: Iterable[int], *, own_grid: bool = False) -> np.ndarray:
    """Return the Dice coefficients of some cases.

    Parameters
    ----------
    model : Model
        Of a segmentation.
    cases : CaseSet
        With label maps.
    which : iterable of int
        Which of them.
    own_grid : bool
        Whether they are compared on the image's own grid, as a user meets them, or on the prepared one, which is quicker.

    Returns
    -------
    ndarray of shape (n_cases, n_classes - 1)
    """
    return np.array([_dice(model, cases, index, own_grid) for index in which]).reshape(-1, model.classes - 1)


def _dice(model: Model, cases: CaseSet, index: int, own_grid: bool) -> np.ndarray:
    prepared = cases[index]
    labels, truth = segment(model, prepared.image), prepared.mask
    if own_grid:
        sample = cases.cases[index].read()
        labels, truth = mask_on(sample, prepared, labels, model.classes), sample.mask
    return metrics.dice(truth, labels, model.classes)


def score_of(table: np.ndarray, cases: CaseSet) -> float:
    """Return one number to stop by: the mean over classes of Dice or of the area under the curve.

    Parameters
    ----------
    table : ndarray of shape (n_cases, n)
        Of :func:`dice_of`, or of :func:`shares_of_cases`.
    cases : CaseSet
        The cases.
    """
    once = np.ones((1, len(table)))
    if cases.cases[0].label is None:
        means = [metrics.mean(column, once)[0] for column in table.T]
    else:
        truth = truth_of(cases.cases)
        means = [metrics.auc(truth == each, table[:, each], once)[0] for each in range(table.shape[1])]
    known = [value for value in means if np.isfinite(value)]
    return float(np.mean(known)) if known else 0.0


def threshold_of(task: Task, model: Model, validation: CaseSet) -> float | None:
    """Return the share of the second of two classes from which on it is decided for, chosen on validation cases; None where it is not."""
    if task.kind != "classification" or len(task.classes) != 2:
        return None
    shares = shares_of_cases(model, validation, range(len(validation)))
    return metrics.best_threshold(truth_of(validation.cases) == 1, shares[:, 1])


def evaluate(task: Task, model: Model, cases: CaseSet, threshold: float | None) -> dict[str, Any]:
    """Return the results on cases.

    Parameters
    ----------
    task : Task
        What was asked.
    model : Model
        What answers.
    cases : CaseSet
        Test cases.
    threshold : float or None
        As :func:`threshold_of` chose it.

    Returns
    -------
    dict
        n_cases, n_patients, metrics with intervals, and the same by scanner and by verdict, for those with ``task.min_group`` patients.
    """
    whole = range(len(cases))
    if task.kind == "classification":
        truth, shares = truth_of(cases.cases), shares_of_cases(model, cases, whole)

        def statistics(chosen: np.ndarray) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
            return metrics.classification(truth[chosen], shares[chosen], threshold)
    else:
        values = dice_of(model, cases, whole, own_grid=True)

        def statistics(chosen: np.ndarray) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
            return metrics.segmentation(values[chosen], task.classes)

    return grouped(cases.cases, statistics, task.min_group)


def grouped(cases: Sequence[Case], statistics: Callable, min_group: int) -> dict[str, Any]:
    """Return the results of all cases, and of those of each scanner and verdict.

    Parameters
    ----------
    cases : sequence of Case
        That were answered.
    statistics : callable
        Takes indices of cases and returns what ``metrics.intervals`` takes.
    min_group : int
        Fewest patients of a group whose results stand apart.

    Returns
    -------
    dict
        As :func:`evaluate`.
    """
    result = _result(cases, np.arange(len(cases)), statistics)
    for name in ("scanner", "verdict"):
        groups = defaultdict(list)
        for index, case in enumerate(cases):
            groups[getattr(case, name)].append(index)
        known = {group: np.array(those) for group, those in sorted(groups.items()) if group}
        found = {group: _result(cases, those, statistics) for group, those in known.items()}
        if kept := {group: each for group, each in found.items() if each["n_patients"] >= min_group}:
            result[f"by_{name}"] = kept
    return result


def _result(cases: Sequence[Case], chosen: np.ndarray, statistics: Callable) -> dict[str, Any]:
    patients = [cases[index].patient for index in chosen]
    return {"n_cases": len(chosen), "n_patients": len(set(patients)), "metrics": metrics.intervals(statistics(chosen), patients)}
