"""Which values are missing together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["missing_patterns"]


def missing_patterns(table: pd.DataFrame, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Count the combinations of columns that are missing together.

    Parameters
    ----------
    table : DataFrame of shape (n, p)
        A row a patient.
    columns : sequence of str, optional
        Which; by default all.

    Returns
    -------
    DataFrame
        A row a pattern, the commonest first: for each column True where it is missing, with the most often missing column last; then
        `patients` and `columns_missing`. Counts are of patients: outside a session they need the centre's rules for small numbers.

    Notes
    -----
    The table of van Buuren (2018), Flexible Imputation of Missing Data, section 4.1.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"age": [60, 70, 65], "ldl": [None, None, 2.1], "crp": [None, 1.0, 2.0]})
    >>> missing_patterns(table)
         age    crp    ldl  patients  columns_missing
    0  False  False  False         1                0
    1  False  False   True         1                1
    2  False   True   True         1                2
    """
    missing = table[list(table.columns if columns is None else columns)].isna()
    missing = missing.loc[:, missing.sum().sort_values(kind="stable").index]
    packed = np.packbits(missing.to_numpy(), axis=1)
    keys = (
        np.ascontiguousarray(packed).view(np.dtype((np.void, max(packed.shape[1], 1)))).ravel()
        if packed.size
        else np.zeros(len(table), int)
    )
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    patterns = missing.iloc[first].assign(patients=counts, columns_missing=missing.iloc[first].sum(axis=1))
    return patterns.sort_values(["patients", "columns_missing"], ascending=[False, True], kind="stable", ignore_index=True)
