"""Follow-up: which visits are due, which are late, and which have been made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from workbench.risk.registry.form import RegistryForm

__all__ = ["STATES", "Visit", "visits_of"]

#: State of a visit -> what is shown.
STATES = {
    "done": ("已完成", "Done"),
    "lost": ("失访", "Lost"),
    "died": ("死亡", "Died"),
    "late": ("已逾期", "Late"),
    "due": ("到期", "Due"),
    "ahead": ("未到期", "Ahead"),
    "ended": ("随访已结束", "Ended"),
}

#: States that end follow-up: nothing is due after them.
_ENDS = ("lost", "died")


class Visit(NamedTuple):
    """A visit of the schedule: its day after the index, the date, its state, and when it was made, if it was."""

    day: int
    date: date
    state: str
    made: date | None = None

    @property
    def label(self) -> str:
        """State in words."""
        return tr(*STATES[self.state])


def visits_of(form: RegistryForm, index: pd.Timestamp, entries: Iterable[Mapping], today: date, *, died: date | None = None) -> list[Visit]:
    """Return the schedule of a patient.

    Parameters
    ----------
    form : RegistryForm
        With the days and the window.
    index : Timestamp
        The patient's index date.
    entries : iterable of mapping
        What was entered of visits, oldest first: `day`, `state` (done, lost, died) and `date` (ISO); the last one of a day counts.
    today : date
        What is due is counted up to here. In a slice whose dates are shifted, a date of the slice.
    died : date, optional
        Death by the source data: :func:`workbench.risk.registry.ending.ending_of` says where it is known.

    Returns
    -------
    list of Visit
        In order. A visit is due within its window and late after it; after a death or a loss nothing is due.

    Examples
    --------
    >>> from datetime import date
    >>> from workbench.risk.registry.form import RegistryForm
    >>> form = RegistryForm((), (30, 90), window_days=10)
    >>> [visit.state for visit in visits_of(form, pd.Timestamp("2024-01-01"), [], date(2024, 2, 1))]
    ['due', 'ahead']
    """
    entered = {int(entry["day"]): entry for entry in entries}
    visits, ended = [], False
    for day in form.follow_up_days:
        when = (index + pd.Timedelta(days=day)).date()
        entry = entered.get(day)
        if entry is not None:
            made = pd.Timestamp(entry["date"]).date() if entry.get("date") else None
            visits.append(Visit(day, when, entry["state"], made))
            ended = ended or entry["state"] in _ENDS
        elif ended or (died is not None and died <= when):
            visits.append(Visit(day, when, "ended"))
        else:
            away = (today - when).days
            visits.append(Visit(day, when, "late" if away > form.window_days else "due" if away >= -form.window_days else "ahead"))
    return visits
