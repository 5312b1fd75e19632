"""Patients kept apart: who trains, who validates, who tests; and what is on both sides all the same."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imaging.errors import TaskError
from imaging.models.cases import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from imaging.models.cases import Case
    from imaging.models.task import Split

__all__ = ["Leak", "Parts", "find_leaks", "fingerprint", "kept_apart", "split_cases", "thumbnail", "write_leaks"]

#: Values along each axis of a thumbnail.
_SIDE = {2: 16, 3: 8}

#: Correlation of thumbnails from which on two images are near duplicates. Chests of different children stay below 0.98.
NEAR = 0.99

_AT_ONCE = 1024


class Leak(NamedTuple):
    """A case for training that is known on the other side.

    Parameters
    ----------
    kind : str
        same_patient, same_pixels, or near_duplicate.
    case, other : str
        Keys of the case for training and of the other one.
    part : str
        Where the other one is.
    """

    kind: str
    case: str
    other: str
    part: str


class Parts(NamedTuple):
    """Cases by what they are for."""

    train: list[Case]
    validation: list[Case]
    test: list[Case]


def split_cases(cases: Sequence[Case], split: Split) -> Parts:
    """Return cases by part: as the data say, or by a draw of patients.

    Parameters
    ----------
    cases : sequence of Case
        All of which have a part, or none.
    split : Split
        Shares and seed. A patient's part depends on the seed and on which patients there are, not on their order.

    Returns
    -------
    Parts

    Raises
    ------
    TaskError
        If some cases have a part and others not, or there is nothing to train or validate on.
    """
    given = [bool(case.part) for case in cases]
    if any(given) and not all(given):
        raise TaskError(f"{given.count(False)} of {len(cases)} cases have no split", hint="give it for all of them or for none")
    if all(given):
        part_of = {case.key: case.part for case in cases}
    else:
        drawn = _drawn({case.patient for case in cases}, split)
        part_of = {case.key: drawn[case.patient] for case in cases}
    parts = Parts(*([case for case in cases if part_of[case.key] == part] for part in PARTS))
    if not parts.train or not parts.validation:
        raise TaskError(
            f"found {len(parts.train)} cases to train and {len(parts.validation)} to validate, wanted some of both",
            hint="more patients, or other shares under split:",
        )
    return parts


def _drawn(patients: set[str], split: Split) -> dict[str, str]:
    order = sorted(patients, key=lambda patient: hashlib.sha256(f"{split.seed}\0{patient}".encode()).digest())
    test, validation = round(len(order) * split.test), round(len(order) * split.validation)
    names = ["test"] * test + ["validation"] * validation
    return dict(zip(order, names + ["train"] * (len(order) - len(names)), strict=True))


def fingerprint(image: np.ndarray) -> str:
    """Return the SHA-256 of an image's shape, type and values."""
    return hashlib.sha256(f"{image.shape}{image.dtype.str}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Return a coarse copy with mean 0 and length 1, whatever the image's size, brightness and contrast.

    Parameters
    ----------
    image : ndarray of shape (channels, [slices,] rows, columns)
        Any numbers.

    Returns
    -------
    ndarray of shape (256,) or (512,), float32
        All 0 for an image of one value.
    """
    coarse = image.mean(axis=0, dtype=np.float32)
    side = _SIDE[coarse.ndim]
    for axis, length in enumerate(coarse.shape):
        edges = np.linspace(0, length, side + 1)
        low = np.minimum(edges[:-1].astype(int), length - 1)
        high = np.maximum(np.ceil(edges[1:]).astype(int), low + 1)
        sums = np.concatenate([np.zeros_like(coarse.take([0], axis)), coarse.cumsum(axis, dtype=np.float64)], axis)
        counts = (high - low).reshape([-1 if each == axis else 1 for each in range(coarse.ndim)])
        coarse = (sums.take(high, axis) - sums.take(low, axis)) / counts
    flat = (coarse - coarse.mean()).ravel()
    length = np.linalg.norm(flat)
    return (flat / length if length > 1e-6 else np.zeros_like(flat)).astype(np.float32)


def find_leaks(parts: Parts, marks: dict[str, tuple[str, np.ndarray]], *, near: float = NEAR) -> list[Leak]:
    """Return cases for training that are also in validation or test; those in validation that are also in test count as well.

    Parameters
    ----------
    parts : Parts
        The split.
    marks : dict
        Case's key -> :func:`fingerprint` and :func:`thumbnail` of its image, as read.
    near : float
        Correlation of thumbnails from which on two images are named as near duplicates.

    Returns
    -------
    list of Leak
        One for each case and kind.
    """
    sides = ((parts.train, {"validation": parts.validation, "test": parts.test}), (parts.validation, {"test": parts.test}))
    return [leak for cases, others in sides for part, there in others.items() for leak in _between(cases, there, part, marks, near)]


def kept_apart(parts: Parts, marks: dict[str, tuple[str, np.ndarray]], split: Split) -> tuple[Parts, list[Leak]]:
    """Return the parts without the cases that leak, and all that was found; near duplicates are named and stay.

    Parameters
    ----------
    parts : Parts
        The split.
    marks : dict
        As for :func:`find_leaks`.
    split : Split
        Says whether cases that leak are dropped.

    Raises
    ------
    TaskError
        If there are such cases and they are not to be dropped, or nothing is left without them.
    """
    leaks = find_leaks(parts, marks)
    bad = {leak.case: leak for leak in leaks if leak.kind != "near_duplicate"}
    if bad and split.leaks == "refuse":
        first = next(iter(bad.values()))
        raise TaskError(
            f"{len(bad)} cases are on both sides of the split, {first.case} and {first.other} ({first.kind}) first",
            hint="split by patient, take them out, or set split.leaks to drop",
        )
    kept = Parts(*([case for case in part if case.key not in bad] for part in parts))
    if not kept.train or not kept.validation:
        raise TaskError("nothing to train or validate on is left without the cases that leak", hint="split by patient")
    return kept, leaks


def write_leaks(path: Path, leaks: Sequence[Leak]) -> None:
    """Write what was found as CSV, for the one who trains; nothing where nothing was found.

    Parameters
    ----------
    path : Path
        The file. It names cases: it stays where the images are.
    leaks : sequence of Leak
        As found.
    """
    if leaks:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([Leak._fields, *leaks])


def _between(cases: list[Case], others: list[Case], part: str, marks: dict, near: float) -> Iterator[Leak]:
    same: dict[str, dict[str, str]] = defaultdict(dict)
    for other in others:
        same["same_patient"].setdefault(other.patient, other.key)
        same["same_pixels"].setdefault(marks[other.key][0], other.key)
    for case in cases:
        for kind, value in (("same_patient", case.patient), ("same_pixels", marks[case.key][0])):
            if value in same[kind]:
                yield Leak(kind, case.key, same[kind][value], part)
    for case, other in _alike(cases, others, marks, near):
        if marks[case.key][0] != marks[other.key][0]:
            yield Leak("near_duplicate", case.key, other.key, part)


def _alike(cases: list[Case], others: list[Case], marks: dict, near: float) -> Iterator[tuple[Case, Case]]:
    """Yield each case with the other one that is most like it, where they are alike enough."""
    by_size = defaultdict(list)
    for other in others:
        by_size[marks[other.key][1].size].append(other)
    for size, there in by_size.items():
        here = [case for case in cases if marks[case.key][1].size == size]
        table = np.stack([marks[other.key][1] for other in there])
        for start in range(0, len(here), _AT_ONCE):
            block = here[start : start + _AT_ONCE]
            likeness = np.stack([marks[case.key][1] for case in block]) @ table.T
            for case, row in zip(block, likeness, strict=True):
                if row.max() >= near:
                    yield case, there[int(row.argmax())]
