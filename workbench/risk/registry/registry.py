"""A registry: the study's patients, their forms filled from the source, what people corrected and entered, and what is due.

Nothing is ever written to source data. A correction is an entry of the registry's journal, beside the source's value and its sources;
taking it back is another entry.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from workbench.errors import DataError, DefinitionError
from workbench.journal import append_entry, read_entries
from workbench.locale import tr
from workbench.risk.registry.ending import Ending, ending_of
from workbench.risk.registry.follow_up import Visit, visits_of
from workbench.risk.registry.form import FormItem

if TYPE_CHECKING:
    from datetime import date

    from workbench.risk.extraction.dataset import StudyData
    from workbench.risk.extraction.evidence import Evidence
    from workbench.risk.registry.form import RegistryForm
    from workbench.risk.registry.widget import RegistryWidget

__all__ = ["EvidenceSource", "Filled", "Registry"]

_VISIT_DATE = FormItem("date", "date", kind="date", group="visit")


class EvidenceSource(Protocol):
    """Who can say where a value comes from: the source of the study's data."""

    def evidence(self, data: StudyData, row: int, feature: str) -> list[Evidence]:
        """Return the records behind one value, the one that was taken first."""


class Filled(NamedTuple):
    """A field of a patient's form: the source's value, what it was corrected to, and the entry that says so."""

    item: FormItem
    source: float | str | None
    corrected: float | str | None
    entry: dict[str, Any] | None

    @property
    def value(self) -> float | str | None:
        """What counts."""
        return self.source if self.entry is None else self.corrected


@dataclass
class Registry:
    """A registry of a study. Person-level: for use inside the session.

    Parameters
    ----------
    data : StudyData
        The study's patients; of several rows a patient the first counts.
    form : RegistryForm
        What is asked; :func:`workbench.risk.registry.form.form_of` makes it.
    folder : path
        Where the journal lies; the project's shared folder, where several people work on it.
    editor : str
        Who corrects and enters.
    source : EvidenceSource, optional
        Who can say where values come from.
    today : date, optional
        Up to which follow-up is due; the latest index of the patients where None, since dates of a slice may be shifted.

    Raises
    ------
    DataError
        If the study has no patient.
    DefinitionError
        If the editor has no name, or the form asks for follow-up and the data have no dates.
    """

    data: StudyData
    form: RegistryForm
    folder: Path | str
    editor: str
    source: EvidenceSource | None = None
    today: date | None = None
    _rows: pd.DataFrame = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check, and find the patients."""
        if not self.editor.strip():
            raise DefinitionError("the editor has no name", hint="say editor=...: a correction is signed")
        self._rows = self.data.rows.drop_duplicates("person").assign(row=lambda rows: rows.index).set_index("person")
        if self._rows.empty:
            raise DataError("the study has no patient")
        if self.form.follow_up_days and self._rows["index_at"].isna().any():
            raise DefinitionError("the data have no index dates to count follow-up from", hint="leave follow_up_days out")
        if self.today is None and self.form.follow_up_days:
            self.today = self._rows["index_at"].max().date()

    @property
    def persons(self) -> list:
        """The patients, in the order of the data."""
        return self._rows.index.tolist()

    @property
    def journal(self) -> Path:
        """The file of corrections and entries, one a study protocol."""
        return Path(self.folder) / f"registry-{self.data.protocol.hash[:12]}.jsonl"

    # --------------------------------------------------------------------------------------------------------- reading

    def filled(self, person: object) -> list[Filled]:
        """Return the form of a patient, with what was corrected beside what the source says.

        Raises
        ------
        DataError
            If the patient is not in the registry.
        """
        row = self._row(person)
        standing = self.entered(person)
        filled = []
        for item in self.form.items:
            entry = standing.get((item.name, None))
            source = _plain(self.data.X.at[row, item.name]) if item.name in self.data.X.columns else None
            filled.append(Filled(item, source, entry["value"] if entry else None, entry))
        return filled

    def index_of(self, person: object) -> date | None:
        """Return the index date of a patient; None where the data have no dates."""
        index = self.data.rows.at[self._row(person), "index_at"]
        return None if pd.isna(index) else index.date()

    def entered(self, person: object) -> dict[tuple[str, int | None], dict[str, Any]]:
        """Return the standing entries of a patient by item and day of the visit, None for what is asked once."""
        return self._standing()[_key(person)]

    def evidence(self, person: object, item: str) -> list[Evidence]:
        """Return the source records behind a value; none of what was typed by hand, or where the source cannot say."""
        row = self._row(person)
        return [] if self.source is None or item not in self.data.X.columns else self.source.evidence(self.data, row, item)

    def ending(self, person: object) -> Ending:
        """Return how it ended by the source; see :func:`workbench.risk.registry.ending.ending_of`."""
        return ending_of(self.data, self._row(person))

    def visits(self, person: object) -> list[Visit]:
        """Return the follow-up of a patient; after a death that the source knows of nothing is due."""
        return self._visits(person, self._made())

    def due(self) -> pd.DataFrame:
        """Return the visits that are due or late, the oldest first: `person`, `day`, `date` and `state` in words."""
        made = self._made()
        rows = [
            (person, visit.day, visit.date, visit.label)
            for person in self.persons
            for visit in self._visits(person, made)
            if visit.state in ("due", "late")
        ]
        table = pd.DataFrame(rows, columns=["person", "day", "date", "state"])
        return table.sort_values("date", kind="stable").reset_index(drop=True)

    def table(self) -> pd.DataFrame:
        """Return a row a patient: what counts of each item, and the `corrected` items; the follow-up's items by day (``item@90``)."""
        standing = self._standing()
        table = self.data.X.loc[self._rows["row"]].set_axis(self._rows.index)
        table = table.astype({name: object for name in table.columns if isinstance(table[name].dtype, pd.CategoricalDtype)})
        corrected = pd.Series("", index=table.index)
        for person in table.index:
            changed = standing[_key(person)]
            for (name, day), entry in changed.items():
                column = name if day is None else f"{name}@{day}"
                if column not in table.columns:
                    table[column] = pd.Series(np.nan, index=table.index, dtype=object)
                table.at[person, column] = entry["value"]
            corrected[person] = tr("、", ", ").join(name for (name, day) in changed if day is None and name in self.data.X.columns)
        return table.assign(corrected=corrected)

    def corrections(self) -> pd.DataFrame:
        """Return the journal: who changed what of whom, from what to what, why and when; taken back or not."""
        columns = ["at", "by", "kind", "person", "item", "day", "was", "value", "state", "reason"]
        return pd.DataFrame([{name: entry.get(name) for name in columns} for entry in self._entries()], columns=columns)

    # --------------------------------------------------------------------------------------------------------- writing

    def correct(self, person: object, item: str, value: object, *, reason: str = "", day: int | None = None) -> dict[str, Any]:
        """Set the value of an item beside the source's; the source stays as it is.

        Parameters
        ----------
        person : object
            The patient.
        item : str
            Name of the item.
        value : object
            As typed; empty says that the value is unknown.
        reason : str
            Why; wanted where a value of the source is corrected.
        day : int, optional
            Of an item of follow-up, the visit's.

        Returns
        -------
        dict
            The journal's entry.

        Raises
        ------
        DefinitionError
            If there is no such item or visit, the value cannot be one, nothing changes, or a reason is missing.
        """
        row, asked = self._row(person), self._item(item, day)
        wanted = asked.checked(value)
        standing = self.entered(person).get((item, day))
        source = _plain(self.data.X.at[row, item]) if item in self.data.X.columns else None
        now = standing["value"] if standing else source
        if wanted == now:
            raise DefinitionError(tr("与现有值相同", "this is the value already"))
        if item in self.data.X.columns and not reason.strip():
            raise DefinitionError(tr("更正来源数据须写明理由", "say why the source's value is wrong"))
        return self._append(kind="value", person=_key(person), item=item, day=day, was=now, value=wanted, reason=reason.strip())

    def withdraw(self, person: object, item: str, *, day: int | None = None, reason: str = "") -> dict[str, Any]:
        """Take the standing correction of an item back: the source's value counts again.

        Raises
        ------
        DefinitionError
            If there is none.
        """
        self._row(person)
        standing = self.entered(person).get((item, day))
        if standing is None:
            raise DefinitionError(tr("没有可撤回的更正", "there is no correction to take back"))
        return self._append(kind="withdrawn", person=_key(person), item=item, day=day, was=standing["value"], reason=reason.strip())

    def visit(self, person: object, day: int, *, state: str = "done", made: str = "") -> dict[str, Any]:
        """Enter a visit of follow-up.

        Parameters
        ----------
        person : object
            The patient.
        day : int
            Of the schedule.
        state : {"done", "lost", "died"}
            How it went.
        made : str
            When, as an ISO date; wanted where it was done, or for the day of death.

        Raises
        ------
        DefinitionError
            If there is no such visit, state or date, or it lies before the index.
        """
        self._row(person)
        if day not in self.form.follow_up_days or state not in ("done", "lost", "died"):
            raise DefinitionError(f"visit {day} with state {state!r}; wanted one of {self.form.follow_up_days} and done, lost or died")
        when = _VISIT_DATE.checked(made)
        if when is None and state != "lost":
            raise DefinitionError(tr("请填写日期", "give the date"))
        if when is not None and when < self.index_of(person).isoformat():
            raise DefinitionError(tr("日期早于索引日期", "the date lies before the index"))
        return self._append(kind="visit", person=_key(person), day=day, state=state, date=when)

    def show(self) -> RegistryWidget:
        """Return the registry as a widget for a notebook."""
        from workbench.risk.registry.widget import RegistryWidget

        return RegistryWidget(self)

    # --------------------------------------------------------------------------------------------------------- inside

    def _row(self, person: object) -> int:
        if person not in self._rows.index:
            raise DataError("the patient is not in the registry", hint="see .persons")
        return int(self._rows.at[person, "row"])

    def _item(self, name: str, day: int | None) -> FormItem:
        item = self.form.by_name.get(name)
        if item is None:
            raise DefinitionError(f"the form has no item {name!r}", hint=f"it has {', '.join(self.form.by_name)}")
        if (item.group == "visit") != (day is not None) or (day is not None and day not in self.form.follow_up_days):
            raise DefinitionError(
                f"the item {name!r} and the visit {day} do not belong together", hint="items of follow-up want the day of a visit"
            )
        return item

    def _entries(self) -> tuple[dict[str, Any], ...]:
        return read_entries(self.journal).entries

    def _made(self) -> dict[str, list[dict[str, Any]]]:
        """Return, by patient, what was entered of visits."""
        made: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for entry in self._entries():
            if entry.get("kind") == "visit":
                made[entry["person"]].append(entry)
        return made

    def _visits(self, person: object, made: dict[str, list[dict[str, Any]]]) -> list[Visit]:
        if not self.form.follow_up_days:
            return []
        row = self._row(person)
        ending = ending_of(self.data, row)
        died = ending.date if ending.died else None
        return visits_of(self.form, self.data.rows.at[row, "index_at"], made.get(_key(person), ()), self.today, died=died)

    def _standing(self) -> dict[str, dict[tuple[str, int | None], dict[str, Any]]]:
        """Return, by patient, the last value entered of each item, without those taken back."""
        standing: dict[str, dict[tuple[str, int | None], dict[str, Any]]] = defaultdict(dict)
        for entry in self._entries():
            place = (entry.get("item"), entry.get("day"))
            if entry.get("kind") == "value":
                standing[entry["person"]][place] = entry
            elif entry.get("kind") == "withdrawn":
                standing[entry["person"]].pop(place, None)
        return standing

    def _append(self, **entry: Any) -> dict[str, Any]:
        return append_entry(self.journal, {**entry, "by": self.editor})


def _key(person: object) -> str:
    return str(person)


def _plain(value: object) -> float | str | None:
    """Return a cell as a plain value; None where it is missing."""
    if pd.isna(value):
        return None
    return float(value) if isinstance(value, int | float | np.number) else str(value)
