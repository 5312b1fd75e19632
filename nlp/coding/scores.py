"""How good a coder is on terms whose names are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlp.coding.codebook import key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nlp.coding.codebook import Codebook
    from nlp.coding.coder import Coded
    from nlp.coding.pairs import Pair

__all__ = ["CodingScores", "guess_domain", "score_coding"]

_DRAWS = 1000


class CodingScores(NamedTuple):
    """Scores of a coder.

    Parameters
    ----------
    f1, precision, recall : float
        Strict, micro, over (term, name).
    f1_interval : tuple of float
        95 %, by drawing terms again.
    recall_single : float
        Of the terms with one name, the share whose name is among the first ten candidates.
    recall_all : float
        Of all names, the share that is among the first ten candidates of its term.
    single_interval : tuple of float
        95 % of `recall_single`, by drawing terms again.
    n_terms, n_single, n_names, n_answers : int
        What was counted.
    """

    f1: float
    precision: float
    recall: float
    f1_interval: tuple[float, float]
    recall_single: float
    single_interval: tuple[float, float]
    recall_all: float
    n_terms: int
    n_single: int
    n_names: int
    n_answers: int


def score_coding(pairs: Sequence[Pair], coded: Sequence[Coded]) -> CodingScores:
    """Compare answers with the names that are known.

    Parameters
    ----------
    pairs : sequence of Pair
        Terms with their names.
    coded : sequence of Coded
        The answers to the same terms, in the same order.

    Returns
    -------
    CodingScores
        With intervals from 1,000 draws of terms.

    Examples
    --------
    >>> from nlp.coding.codebook import Codebook
    >>> from nlp.coding.pairs import Pair
    >>> from nlp.coding import Coder
    >>> coder = Coder(Codebook.of([("I10", "高血压"), ("R51", "头痛")]))
    >>> pairs = [Pair("高血压、头痛", ("高血压", "头痛"))]
    >>> score_coding(pairs, coder.code(["高血压、头痛"])).f1
    1.0
    """
    counts = np.zeros((len(pairs), 6))  # right, answers, names, names in ten; terms with one name, found in ten
    for row, (pair, its) in enumerate(zip(pairs, coded, strict=True)):
        gold = {key(name) for name in pair.names}
        given = {key(answer.name) for answer in its.answers}
        ten = {key(candidate.name) for candidate in its.candidates[:10]}
        counts[row] = len(gold & given), len(given), len(gold), len(gold & ten), len(gold) == 1, len(gold) == 1 and gold <= ten
    total = counts.sum(0)
    draw = np.random.default_rng(0).integers(0, max(len(pairs), 1), size=(_DRAWS, len(pairs)))
    drawn = np.stack([counts[chosen].sum(0) for chosen in draw]) if len(pairs) else np.zeros((1, 6))
    return CodingScores(
        f1=float(_f1(total)),
        precision=float(total[0] / max(total[1], 1)),
        recall=float(total[0] / max(total[2], 1)),
        f1_interval=_interval(_f1(drawn.T)),
        recall_single=float(total[5] / max(total[4], 1)),
        single_interval=_interval(drawn[:, 5] / np.maximum(drawn[:, 4], 1)),
        recall_all=float(total[3] / max(total[2], 1)),
        n_terms=len(pairs),
        n_single=int(total[4]),
        n_names=int(total[2]),
        n_answers=int(total[1]),
    )


def guess_domain(codebook: Codebook) -> str:
    """Tell what a codebook is about by the form of its codes and names.

    Parameters
    ----------
    codebook : Codebook
        Any.

    Returns
    -------
    str
        "procedure" where most codes look like ICD-9-CM-3 (two digits, a point), else "diagnosis".

    Examples
    --------
    >>> from nlp.coding.codebook import Codebook
    >>> guess_domain(Codebook.of([("47.0100", "腹腔镜下阑尾切除术")]))
    'procedure'
    """
    codes = [entry.code for entry in codebook.entries]
    return "procedure" if 2 * sum(code[:2].isdigit() and code[2:3] in {"", "."} for code in codes) > len(codes) else "diagnosis"


def _f1(counts: np.ndarray) -> np.ndarray:
    return 2 * counts[0] / np.maximum(counts[1] + counts[2], 1)


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
