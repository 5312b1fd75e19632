"""How good a model is on cases that it has not seen: on the images' own grid, with intervals, and by scanner and verdict."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from imaging.models import froc, metrics
from imaging.models.detecting import MOST, detect
from imaging.models.inference import mask_on, segment, shares_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imaging.models.cases import Case
    from imaging.models.inference import Model
    from imaging.models.preparing import CaseSet
    from imaging.models.task import Task

__all__ = ["VALIDATED", "dice_of", "evaluate", "found_of", "grouped", "score_of", "shares_of_cases", "threshold_of", "truth_of"]

#: Overlap from which on a found box is right by the second criterion of a detection; that of nnDetection (Baumgartner et al. 2021).
_OVERLAP = 0.1


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


def found_of(model: Model, cases: CaseSet, which: Iterable[int]) -> np.ndarray:
    """Return the scores of each lesion and each false positive of some cases; see ``froc.found_table``."""
    which = list(which)
    found, truth = [detect(model, cases[index].image) for index in which], [cases[index].boxes for index in which]
    return froc.found_table(found, truth, (_most_lesions(cases), MOST))


def _most_lesions(cases: CaseSet) -> int:
    return max(int((~cases[index].boxes["ignored"]).sum()) for index in range(len(cases)))


#: What is asked at each validation, by kind of task.
VALIDATED = {"classification": shares_of_cases, "segmentation": dice_of, "detection": found_of}


def score_of(table: np.ndarray, cases: CaseSet) -> float:
    """Return one number to stop by: the mean over classes of Dice or of the area under the curve, or that of a free-response curve.

    Parameters
    ----------
    table : ndarray of shape (n_cases, n)
        As :data:`VALIDATED` gives it.
    cases : CaseSet
        The cases.
    """
    once = np.ones((1, len(table)))
    if cases[0].boxes is not None:
        means = [float(froc.froc(table, _most_lesions(cases), once).mean())]
    elif cases.cases[0].label is None:
        means = [metrics.mean(column, once)[0] for column in table.T]
    else:
        truth = truth_of(cases.cases)
        means = [metrics.auc(truth == each, table[:, each], once)[0] for each in range(table.shape[1])]
    known = [value for value in means if np.isfinite(value)]
    return float(np.mean(known)) if known else 0.0


def threshold_of(task: Task, model: Model, validation: CaseSet) -> float | None:
    """Return the score from which on it is decided for the second of two classes, or for a box; chosen on validation cases, or None."""
    if task.kind == "detection":
        return froc.one_false_a_scan(found_of(model, validation, range(len(validation))), _most_lesions(validation))
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
        n_cases, n_patients, of a detection n_boxes; metrics with intervals; and the same by scanner and by verdict, for those with
        ``task.min_group`` patients.
    """
    whole = range(len(cases))
    if task.kind == "classification":
        truth, shares = truth_of(cases.cases), shares_of_cases(model, cases, whole)

        def statistics(chosen: np.ndarray) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
            return metrics.classification(truth[chosen], shares[chosen], threshold)
    elif task.kind == "detection":
        statistics = _detection(model, cases)
    else:
        values = dice_of(model, cases, whole, own_grid=True)

        def statistics(chosen: np.ndarray) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
            return metrics.segmentation(values[chosen], task.classes)

    result = grouped(cases.cases, statistics, task.min_group)
    if task.kind == "detection":
        result["n_boxes"] = int(sum((~cases[index].boxes["ignored"]).sum() for index in whole))
    return result


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


def _detection(model: Model, cases: CaseSet) -> Callable[[np.ndarray], dict[str, Callable[[np.ndarray], np.ndarray]]]:
    """Return what gives the statistics of some cases: boxes are right by their middle, and by how much they overlap."""
    whole = [cases[index] for index in range(len(cases))]
    found, most = [detect(model, case.image) for case in whole], _most_lesions(cases)
    by_middle, by_overlap = (froc.found_table(found, [case.boxes for case in whole], (most, MOST), iou=iou) for iou in (None, _OVERLAP))

    def statistics(chosen: np.ndarray) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        overlapping = froc.statistics(by_overlap[chosen], most)["cpm"]
        return {**froc.statistics(by_middle[chosen], most), f"cpm IoU {_OVERLAP}": overlapping}

    return statistics


def _result(cases: Sequence[Case], chosen: np.ndarray, statistics: Callable) -> dict[str, Any]:
    patients = [cases[index].patient for index in chosen]
    return {"n_cases": len(chosen), "n_patients": len(set(patients)), "metrics": metrics.intervals(statistics(chosen), patients)}
