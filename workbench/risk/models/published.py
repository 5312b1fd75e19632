"""Equations that papers print, entered as data with their source: of Chinese populations, to be tried and updated on one's own patients."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from workbench.errors import DataError, DefinitionError
from workbench.locale import tr
from workbench.risk.models.equation import Equation, Factor, IncompleteRows, Term

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

__all__ = ["OutsideRange", "PublishedEquation", "published", "published_names"]


class OutsideRange(UserWarning):
    """Rows whose predictors lie outside of what an equation was derived from."""


@dataclass(frozen=True)
class PublishedEquation:
    """An equation of a paper.

    Parameters
    ----------
    name : str
        Of its data file.
    titles : mapping of str to str
        What it is called, by language.
    paper, table, population, outcome : str
        Where it was printed, of whom it was learnt, and what it predicts.
    verified : str
        How each of its numbers was checked.
    predictors : mapping of str to mapping
        The columns that it takes: their ``label``, ``unit`` and, where the paper limits it, ``range``.
    equations : tuple of Equation
        One, or one a stratum.
    stratum : str
        Column that tells the stratum; empty where there is one equation.
    values : tuple of float
        Its value for each equation.
    examples : mapping
        The paper's worked examples.
    """

    name: str
    titles: Mapping[str, str]
    paper: str
    table: str
    population: str
    outcome: str
    verified: str
    predictors: Mapping[str, Mapping[str, Any]]
    equations: tuple[Equation, ...]
    stratum: str
    values: tuple[float, ...]
    examples: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What it is called, in the language of the screen."""
        return tr(self.titles["zh"], self.titles["en"])

    def predict_risk(self, X: pd.DataFrame, times: ArrayLike | None = None) -> np.ndarray:
        """Return the risk of each row by the equation of its stratum.

        Parameters
        ----------
        X : DataFrame of shape (n, p)
            The predictors in their units, and the column of the stratum.
        times : array-like of float, shape (m,), optional
            Horizons in days, each one of the equation's; all of them where None.

        Returns
        -------
        ndarray of float, shape (n, m)
            Not a number where a predictor is missing, which :class:`~workbench.risk.models.equation.IncompleteRows` counts.
            :class:`OutsideRange` counts the rows that lie outside of the paper's.

        Raises
        ------
        DataError
            If a column is missing, or a stratum is none of the equations'.
        """
        self._tell_outside(X)
        if not self.stratum:
            return self.equations[0].predict_risk(X, times)
        which = self._strata(X)
        parts = [equation.predict_risk(X[which == value], times) for equation, value in zip(self.equations, self.values, strict=True)]
        risk = np.full((len(X), parts[0].shape[1]), np.nan)
        for value, part in zip(self.values, parts, strict=True):
            risk[which == value] = part
        return risk

    def _strata(self, X: pd.DataFrame) -> np.ndarray:
        if self.stratum not in X:
            raise DataError(f"the column {self.stratum!r} is missing", hint=f"it tells the equation: {self.values}")
        which = pd.to_numeric(X[self.stratum], errors="coerce").to_numpy(float)
        strange = X[self.stratum].notna().to_numpy() & ~np.isin(which, self.values)
        if strange.any():
            raise DataError(f"{int(strange.sum())} rows have a {self.stratum!r} that is none of {self.values}")
        if lacking := int(np.isnan(which).sum()):
            warnings.warn(
                tr(
                    f"{len(X)} 行中有 {lacking} 行缺少“{self.stratum}”，没有风险值",
                    f"{lacking} of {len(X)} rows lack {self.stratum!r} and have no risk",
                ),
                IncompleteRows,
                stacklevel=3,
            )
        return which

    def _tell_outside(self, X: pd.DataFrame) -> None:
        for name, about in self.predictors.items():
            if "range" in about and name in X:
                low, high = about["range"]
                if outside := int((~pd.to_numeric(X[name], errors="coerce").between(low, high) & X[name].notna()).sum()):
                    told = tr(
                        f"{len(X)} 行中有 {outside} 行的“{name}”超出 {self.name} 建模时的范围 {low} 至 {high}",
                        f"{outside} of {len(X)} rows have {name!r} outside of {low} to {high}, which {self.name} was derived from",
                    )
                    warnings.warn(told, OutsideRange, stacklevel=3)


def published_names() -> tuple[str, ...]:
    """Return the names of the equations that are entered."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml")))


@cache
def published(name: str) -> PublishedEquation:
    """Return an equation of a paper.

    Parameters
    ----------
    name : str
        One of :func:`published_names`.

    Returns
    -------
    PublishedEquation
        With its source.

    Raises
    ------
    DefinitionError
        If there is none of the name.

    Examples
    --------
    >>> patient = {"age": [60], "diameter": [20], "spiculation": [1], "family_history": [0], "calcification": [0], "clear_border": [0]}
    >>> published("pkuph_nodule").predict_risk(pd.DataFrame(patient)).round(3).tolist()
    [[0.857]]
    """
    if name not in published_names():
        raise DefinitionError(f"no published equation is called {name!r}", hint=f"there are {', '.join(published_names())}")
    data = yaml.safe_load(_folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8"))
    source = f"{data['paper']} {data['table']}"
    entries = data["equations"]
    return PublishedEquation(
        name=name,
        titles=data["title"],
        **{key: data[key] for key in ("paper", "table", "population", "outcome", "verified", "predictors")},
        equations=tuple(_equation(name, entry, data["kind"], source) for entry in entries),
        stratum=data.get("strata", {}).get("column", ""),
        values=tuple(float(entry.get("is", 0)) for entry in entries),
        examples=data.get("examples", {}),
    )


def _folder() -> Any:
    return files("workbench.risk.models").joinpath("data")


def _equation(name: str, entry: Mapping[str, Any], kind: str, source: str) -> Equation:
    terms = tuple(Term(tuple(map(_factor, term["of"])), term["coefficient"], label=" x ".join(term["of"])) for term in entry["terms"])
    baseline = tuple((float(days), share) for days, share in entry.get("baseline", {}).items())
    numbers = {key: entry[key] for key in ("intercept", "mean") if key in entry}
    return Equation(name, terms, kind, baseline=baseline, strata=entry.get("strata", ""), source=source, **numbers)


def _factor(words: str) -> Factor:
    """Read ``age``, ``log age`` or ``not treated``, which is 1 - treated."""
    *how, feature = words.split()
    if how == ["not"]:
        return Factor(feature, centre=1.0, scale=-1.0)
    return Factor(feature, "log") if how == ["log"] else Factor(feature)
