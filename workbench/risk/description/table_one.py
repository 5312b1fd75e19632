"""The baseline table of a study ("table one"); its rules and tests are those of :mod:`workbench.cohort.baseline`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.cohort.baseline import BaselineTable, baseline_table
from workbench.locale import speaking, tr
from workbench.risk.description.people import OUTCOME, chosen, groups_of, people

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

    from workbench.risk.extraction.dataset import StudyData

__all__ = ["table_one"]


def table_one(
    data: StudyData | pd.DataFrame,
    *,
    by: str = "",
    columns: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    weights: ArrayLike | None = None,
    overall: bool = True,
    told_as: Mapping[str, str] | None = None,
    language: str = "",
) -> BaselineTable:
    """Describe the persons of a study, all together and by group.

    Parameters
    ----------
    data : StudyData or DataFrame
        A study (with landmarks each person's first row is described), or a table with one row a person.
    by : str, optional
        Column that groups the persons; ``outcome`` for the state of a study's persons at the end of follow-up.
    columns : sequence of str, optional
        Columns to describe, in order; a study's predictors, or all of a table, where None.
    labels, units : mapping of str to str, optional
        What is shown for a column, and its unit; else the study's, or the table of items' in the language asked for.
    weights : array-like of float, one a row, optional
        Of the persons, inverse probabilities for example: statistics are weighted and tests take the variance of weighted sampling.
    overall : bool
        Whether everyone is shown beside the groups.
    told_as : mapping of str to {"mean", "median", "category"}, optional
        Overrides the rule for a column: a median where the absolute skewness exceeds 1.
    language : {"zh", "en"} or empty
        Language of the table; the one in force where empty.

    Returns
    -------
    BaselineTable
        Exact numbers within; ``to_frame()`` and ``html()`` show what the policy lets through.

    Raises
    ------
    DefinitionError
        If there is no such column.
    DataError
        If there is nobody to describe, or a weight is negative, missing or infinite.

    Examples
    --------
    >>> import pandas as pd
    >>> from workbench.disclosure import DisclosurePolicy
    >>> patients = pd.DataFrame({"age": range(40, 80), "ward": ["A", "B"] * 20})
    >>> table = table_one(patients, by="ward", language="en").to_frame(policy=DisclosurePolicy(threshold=10, rounding=5))
    >>> table.iloc[0, 2:].tolist()
    ['59.5 (11.7)', '59.0 (11.8)', '60.0 (11.8)', '0', '0.791', '0.08']
    """
    with speaking(language):
        found = people(data, labels=labels, units=units)
        frame = found.frame.assign(**{by: groups_of(data, found, by).array}) if by else found.frame
        named = ({OUTCOME: tr("结局", "Outcome")} if by == OUTCOME else {}) | found.labels
        names = [name for name in chosen(found, columns) if name != by]
        weight = None if weights is None else np.asarray(weights)[found.places]
        return baseline_table(
            frame,
            by=by,
            columns=names,
            labels=named,
            units=found.units,
            told_as=told_as,
            weights=weight,
            overall=overall,
            language=language,
        )
