"""The little algebra on sparse matrices that the coder needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["association", "both_ways", "flat", "incidence", "row_dots", "sums", "unit_rows"]

_CHUNK = 100_000
_SHRINK = 1.5  # times seen that an n-gram's evidence is discounted by


def flat(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Return a matrix with a one wherever the given one has a number."""
    ones = counts.copy()
    ones.data = np.ones_like(ones.data)
    return ones


def sums(matrix: sp.spmatrix) -> np.ndarray:
    """Return the sum of each row."""
    return np.asarray(matrix.sum(1), np.float32).ravel()


def unit_rows(matrix: sp.csr_matrix, besides: np.ndarray | float = 0.0) -> sp.csr_matrix:
    """Return rows of length one, where `besides` is the square of what a row has beside the matrix."""
    length = np.sqrt(sums(matrix.multiply(matrix)) + besides)
    length[length == 0] = 1
    return (sp.diags((1 / length).astype(np.float32)) @ matrix).tocsr()


def both_ways(matrix: sp.csr_matrix) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Return a matrix and its transpose, both by rows."""
    return matrix, matrix.T.tocsr()


def incidence(rows: Sequence[Sequence[int]], width: int) -> sp.csr_matrix:
    """Return a matrix with a one in each column that a row names."""
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]) if rows else np.zeros(1, np.int64)
    columns = np.array([column for row in rows for column in row], np.int32)
    return sp.csr_matrix((np.ones(len(columns), np.float32), columns, indptr), shape=(len(rows), width))


def association(grams: sp.csr_matrix, given: sp.csr_matrix) -> sp.csr_matrix:
    """Return for each n-gram and name the share of the n-gram's units that have the name, shrunk towards none."""
    times = sums(grams.T)
    together = (grams.T @ given).tocsr()
    return (sp.diags(1 / (times + _SHRINK)).astype(np.float32) @ together).tocsr().astype(np.float32)


def row_dots(left: sp.csr_matrix, rows: np.ndarray, right: sp.csr_matrix, others: np.ndarray, *, largest: bool = False) -> np.ndarray:
    """Return the dot products of rows of two matrices, pair by pair.

    Parameters
    ----------
    left : csr_matrix
        Any.
    rows : ndarray of int
        Rows of `left`.
    right : csr_matrix
        With the columns of `left`.
    others : ndarray of int
        Rows of `right`, as many as `rows`.
    largest : bool, default False
        The largest product instead of their sum.

    Returns
    -------
    ndarray of float32
        One number a pair.
    """
    out = np.zeros(len(rows), np.float32)
    for start in range(0, len(rows), _CHUNK):
        stop = start + _CHUNK
        product = left[rows[start:stop]].multiply(right[others[start:stop]]).tocsr()
        out[start:stop] = product.max(1).toarray().ravel() if largest else sums(product)
    return out
