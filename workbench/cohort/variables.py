"""The variables of a cohort: what each looks at, and how it becomes one value a cohort row.

>>> from workbench.cohort.language import labs
>>> Value(labs("乳酸脱氢酶").within(hours=(0, 24)), name="ldh", label="乳酸脱氢酶", unit="U/L", pick="first").asked.windows[0].unit
'hours'
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from workbench.cohort.extract import around
from workbench.cohort.query import Events, Occurs
from workbench.domains import SETTINGS
from workbench.errors import DefinitionError
from workbench.locale import tr

if TYPE_CHECKING:
    from workbench.cohort.events import EventSet
    from workbench.cohort.extract import Source

__all__ = ["Age", "Death", "Department", "LengthOfStay", "Occurrence", "Setting", "Sex", "Value"]

Pick = Literal["nearest", "first", "last", "max", "min", "mean"]

_PERSON = ("year_of_birth", "month_of_birth", "day_of_birth", "gender_concept_id")


# Variables of the person and of the index encounter -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Age:
    """Age at the index date in whole years; a missing month of birth reads as July, a missing day as the 1st."""

    name: str = "age"

    @property
    def label(self) -> str:
        """What is shown."""
        return tr("年龄", "Age")

    @property
    def unit(self) -> str:
        """Years."""
        return tr("岁", "years")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return one age for each row."""
        born = source.rows("person", _PERSON, "person_id", index["person_id"])
        born = born.reindex(index["person_id"])
        day = index["index_date"].dt
        birthday = born["month_of_birth"].fillna(7).to_numpy() * 100 + born["day_of_birth"].fillna(1).to_numpy()
        before = (day.month * 100 + day.day).to_numpy() < birthday
        return pd.Series(day.year.to_numpy() - born["year_of_birth"].to_numpy(dtype=float) - before, index=index.index)


@dataclass(frozen=True, kw_only=True)
class Sex:
    """Sex of the person row."""

    name: str = "sex"
    unit: str = ""

    @property
    def label(self) -> str:
        """What is shown."""
        return tr("性别", "Sex")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return a word for each row; missing where the store has neither."""
        person = source.rows("person", _PERSON, "person_id", index["person_id"])
        words = {8532: tr("女", "Female"), 8507: tr("男", "Male")}
        found = index["person_id"].map(person["gender_concept_id"]).map(words)
        return pd.Series(pd.Categorical(found, categories=list(words.values())), index=index.index)


def _visit(index: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Return the row of the index encounter of each row, all missing where there is none."""
    columns = ("visit_concept_id", "visit_start_date", "visit_end_date", "care_site_id")
    visits = source.rows("visit_occurrence", columns, "visit_occurrence_id", index["visit_occurrence_id"])
    return visits.reindex(index["visit_occurrence_id"]).set_axis(index.index)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Kind of the index encounter."""

    name: str = "setting"
    unit: str = ""

    @property
    def label(self) -> str:
        """What is shown."""
        return tr("就诊类型", "Setting")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return a word for each row; missing where there is no encounter, or none of a known kind."""
        shown = {
            "inpatient": tr("住院", "Inpatient"),
            "outpatient": tr("门诊", "Outpatient"),
            "emergency": tr("急诊", "Emergency"),
            "icu": tr("重症监护", "Intensive care"),
        }
        words = {concept: shown[word] for word, concepts in reversed(SETTINGS.items()) for concept in concepts}
        return _visit(index, source)["visit_concept_id"].map(words)


@dataclass(frozen=True, kw_only=True)
class Department:
    """Department of the index encounter, by name where the store has one."""

    name: str = "department"
    unit: str = ""

    @property
    def label(self) -> str:
        """What is shown."""
        return tr("科室", "Department")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return a name for each row; missing where the encounter has no department."""
        site = _visit(index, source)["care_site_id"]
        sites = source.rows("care_site", ("care_site_name", "care_site_source_value"), "care_site_id", site)
        return site.map(sites["care_site_name"].fillna(sites["care_site_source_value"]))


@dataclass(frozen=True, kw_only=True)
class LengthOfStay:
    """Days from admission to discharge of the index encounter, where it is an inpatient one."""

    name: str = "length_of_stay"

    @property
    def label(self) -> str:
        """What is shown."""
        return tr("住院天数", "Length of stay")

    @property
    def unit(self) -> str:
        """Days."""
        return tr("天", "days")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return whole days for each row."""
        visit = _visit(index, source)
        days = (pd.to_datetime(visit["visit_end_date"]) - pd.to_datetime(visit["visit_start_date"])).dt.days
        return days.where(visit["visit_concept_id"].isin(SETTINGS["inpatient"])).astype(float)


# Variables of events around the index --------------------------------------------------------------------------------


def _asked(found: Occurs | EventSet) -> Occurs:
    """Return the node of what was asked, refusing what a variable cannot heed."""
    node = found if isinstance(found, Occurs) else found.node
    if (node.operator, node.count, node.distinct, node.within_observation) != ("ge", 1, "", False):
        raise DefinitionError("a variable heeds no count and no observation", hint="leave out at_least, exactly and within_observation")
    return node


@dataclass(frozen=True)
class Value:
    """A number recorded around the index: nearest to it, first, last, highest, lowest or mean.

    Parameters
    ----------
    asked : Occurs or EventSet
        Events and their windows, as ``wb.labs("LDH").within(hours=(0, 24))``.
    name, label : str
        Column, and what is shown.
    unit : str
        Unit of the values. Nothing is converted: values recorded in another unit are left out. Empty takes any.
    pick : {"nearest", "first", "last", "max", "min", "mean"}
        Which of several values counts; of two equally near, the earlier.
    code : str
        Only events with this very code; empty for all that are asked.

    Raises
    ------
    DefinitionError
        If `pick` is unknown, or `asked` counts events.
    """

    asked: Occurs | EventSet
    name: str = field(kw_only=True)
    label: str = field(kw_only=True)
    unit: str = field(default="", kw_only=True)
    pick: Pick = field(default="nearest", kw_only=True)
    code: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check what was asked."""
        object.__setattr__(self, "asked", _asked(self.asked))
        if self.pick not in _ORDERS and self.pick != "mean":
            raise DefinitionError(f"pick is {self.pick!r}; wanted one of {', '.join([*_ORDERS, 'mean'])}")

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return one number for each row; missing where nothing fits."""
        near = around(self.asked, index, source)
        near = near[near["value"].notna()]
        for column, wanted in (("code", self.code), ("unit", self.unit)):
            near = near[near[column] == wanted] if wanted else near
        if self.pick == "mean":
            return near.groupby("row")["value"].mean().reindex(index.index)
        orders = {"away": near["offset"].abs(), "back": -near["offset"], "below": -near["value"]}
        ordered = near.assign(**orders).sort_values(["row", *_ORDERS[self.pick], "key"], kind="stable")
        return ordered.drop_duplicates("row").set_index("row")["value"].reindex(index.index)


_ORDERS: dict[str, tuple[str, ...]] = {
    "nearest": ("away", "offset"),
    "first": ("offset",),
    "last": ("back",),
    "max": ("below",),
    "min": ("value",),
}


@dataclass(frozen=True)
class Occurrence:
    """Whether an event lies around the index: 1 or 0.

    Parameters
    ----------
    asked : Occurs or EventSet
        Events and their windows.
    name, label : str
        Column, and what is shown.
    prefixes, codes : tuple of str
        Only events whose code starts with one of `prefixes`, or is one of `codes`; both empty for all that are asked.

    Raises
    ------
    DefinitionError
        If `asked` counts events.
    """

    asked: Occurs | EventSet
    name: str = field(kw_only=True)
    label: str = field(kw_only=True)
    prefixes: tuple[str, ...] = field(default=(), kw_only=True)
    codes: tuple[str, ...] = field(default=(), kw_only=True)
    unit: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check what was asked."""
        object.__setattr__(self, "asked", _asked(self.asked))

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return 1 or 0 for each row."""
        near = around(self.asked, index, source)
        if self.prefixes or self.codes:
            near = near[near["code"].str.startswith(self.prefixes, na=False) | near["code"].isin(self.codes)]
        return pd.Series(np.isin(index.index, near["row"].unique()).astype(int), index=index.index)


@dataclass(frozen=True, kw_only=True)
class Death:
    """Whether the person dies: within some days of the index date, or before the index encounter ends.

    Parameters
    ----------
    within_days : int, optional
        Days after the index date, the last included; None asks for death during the index encounter.
    """

    within_days: int | None = None
    name: str = "death"
    unit: str = ""

    @property
    def label(self) -> str:
        """What is shown."""
        if self.within_days is None:
            return tr("院内死亡", "Death in hospital")
        return tr("{0} 天内死亡", "Death within {0} days").format(self.within_days)

    def values(self, index: pd.DataFrame, source: Source) -> pd.Series:
        """Return 1 or 0 for each row; in hospital, missing where there is no index encounter."""
        deaths = source.events(Events("deaths"), index).drop_duplicates("person_id").set_index("person_id")["start_date"]
        died = pd.to_datetime(index["person_id"].map(deaths))
        if self.within_days is not None:
            until = index["index_date"] + pd.Timedelta(days=self.within_days)
            return died.between(index["index_date"], until).astype(float)
        left = pd.to_datetime(_visit(index, source)["visit_end_date"])
        return died.between(index["index_date"], left).astype(float).where(left.notna())
