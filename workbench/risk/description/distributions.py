"""How each numeric predictor is spread, by outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import disclosure
from workbench.cohort.figures import Chart, histogram
from workbench.errors import DataError
from workbench.risk.description.people import chosen, groups_of, people

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.disclosure import DisclosurePolicy
    from workbench.risk.extraction.dataset import StudyData

__all__ = ["distributions"]


def distributions(
    data: StudyData | pd.DataFrame, by: str = "", *, columns: Sequence[str] | None = None, policy: DisclosurePolicy | None = None
) -> dict[str, Chart]:
    """Draw a histogram of each numeric predictor.

    Parameters
    ----------
    data : StudyData or DataFrame
        A study, or a table with one row a person.
    by : str, optional
        Column of the groups; ``outcome`` for the state of a study's persons at the end of follow-up.
    columns : sequence of str, optional
        Which; all predictors where None.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    dict of str to Chart
        By column; one without numbers, with two values at most, or of too few persons has none.
    """
    policy = policy or disclosure.load_policy()
    found = people(data)
    groups = groups_of(data, found, by) if by else None
    drawn = {}
    for name in chosen(found, columns):
        column = found.frame[name]
        if name == by or not pd.api.types.is_numeric_dtype(column) or column.nunique() <= 2:
            continue
        try:
            values = pd.Series(column.to_numpy(dtype=float, na_value=np.nan)).replace([np.inf, -np.inf], np.nan)
            drawn[name] = histogram(values, label=found.labels.get(name, name), unit=found.units.get(name, ""), by=groups, policy=policy)
        except DataError:  # of too few persons
            continue
    return drawn
