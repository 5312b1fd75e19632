"""What structured notes look like: patients described for a report, and a sample of the evidence to be read inside the session."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from workbench import disclosure
from workbench.cohort.baseline import baseline_table
from workbench.cohort.figures import Chart
from workbench.cohort.plotting import ACCENT, MUTED, new_figure, style, tidy
from workbench.errors import DataError
from workbench.locale import get_language, tr

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nlp.variables.definition import Variable
    from workbench.cohort.baseline import BaselineTable
    from workbench.cohort.result import CohortResult
    from workbench.disclosure import DisclosurePolicy, SafeCount
    from workbench.store.snapshots import Snapshot
    from workbench.texts.runs import StructuredNotes

__all__ = ["EvidenceSample", "category_bars", "describe_notes", "evidence_sample", "patient_columns"]

_NOT_SAID = ("未提及", "not mentioned")
_SAID = {
    "present": ("有", "present"),
    "possible": ("可疑", "possible"),
    "historical": ("既往有", "in the past"),
    "hypothetical": ("假设", "hypothetical"),
    "absent": ("否认", "absent"),
}
_COUNTED = {"quantity"}
_TOLD = {"presence", "category", "quantity"}


def label_of(variable: Variable) -> str:
    """Return what people call a variable."""
    title = variable.title
    return (title.zh if get_language() == "zh" else title.en) or title.zh or title.en or variable.name


def patient_columns(structured: StructuredNotes, result: CohortResult) -> pd.DataFrame:
    """Give one row a cohort row and one column a variable, ready to be described.

    Parameters
    ----------
    structured : StructuredNotes
        Answers on the notes of the cohort.
    result : CohortResult
        The cohort: patients whose notes say nothing have a row too.

    Returns
    -------
    pandas.DataFrame
        Presence and category as categories, one of them "not mentioned"; quantities as numbers, missing where no note gives one; dates and
        texts are left out. Person-level: for use inside the session.
    """
    persons = result.index["person_id"].to_numpy()
    wide = structured.wide("patient").reindex(persons)
    columns = {variable.name: _column(wide[variable.name], variable) for variable in structured.variables if variable.value.kind in _TOLD}
    return pd.DataFrame({name: column.to_numpy() if _is_number(column) else column.array for name, column in columns.items()})


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column)


def _column(answers: pd.Series, variable: Variable) -> pd.Series:
    if variable.value.kind in _COUNTED or variable.rule == "count":
        return pd.to_numeric(answers, errors="coerce").astype(float)
    if variable.value.kind == "presence":
        names = {key: tr(*words) for key, words in _SAID.items()}
        order, found = list(names.values()), answers.map(names)
    else:
        order, found = [category.name for category in variable.value.categories], answers.astype(object)
    others = sorted(set(found.dropna()) - set(order))
    used = [name for name in (*order, *others) if (found == name).any()]
    return found.fillna(tr(*_NOT_SAID)).astype(pd.CategoricalDtype([*used, tr(*_NOT_SAID)]))


def describe_notes(structured: StructuredNotes, result: CohortResult) -> BaselineTable:
    """Describe the patients of a cohort by what their notes say.

    Parameters
    ----------
    structured : StructuredNotes
        Answers on the notes of the cohort.
    result : CohortResult
        The cohort.

    Returns
    -------
    BaselineTable
        Shown through the centre's disclosure policy.

    Raises
    ------
    DataError
        If the cohort is empty.
    """
    frame = patient_columns(structured, result)
    known = {variable.name: variable for variable in structured.variables}
    labels = {name: label_of(known[name]) for name in frame}
    return baseline_table(frame, labels=labels, units={name: _unit(known[name]) for name in frame})


def _unit(variable: Variable) -> str:
    """Return the unit of a variable whose title does not say it already."""
    unit = variable.value.unit
    return "" if label_of(variable).endswith((f"（{unit}）", f"({unit})")) else unit


def category_bars(values: pd.Series, *, label: str, policy: DisclosurePolicy | None = None) -> Chart:
    """Draw how many persons have each category.

    Parameters
    ----------
    values : Series of categories, one a person
        In the order in which they are drawn; missing values are left out.
    label : str
        What is told.
    policy : DisclosurePolicy, optional
        The centre's where None.

    Returns
    -------
    Chart

    Raises
    ------
    DataError
        If notes say something of fewer persons than the policy's threshold.
    """
    policy = policy or disclosure.load_policy()
    counts = values.dropna().value_counts(sort=False)
    if counts.drop(tr(*_NOT_SAID), errors="ignore").sum() < policy.threshold:
        raise DataError(f"fewer than {policy.threshold} persons have a value of {label}", hint="leave the figure out")
    safe = disclosure.suppress_table(counts.to_numpy(), policy=policy).cells[0]
    names = [str(name) for name in counts.index]
    table = pd.DataFrame({label: names, tr("人数", "Persons"): [str(each) for each in safe]})
    note = tr("斜线为人数过少而隐去者。", "Hatched: too few persons to be shown.") if any(each.hidden for each in safe) else ""
    return Chart(label, _draw_bars(names, safe, policy), table, policy, note)


def _draw_bars(names: Sequence[str], safe: Sequence[SafeCount], policy: DisclosurePolicy) -> object:
    with style():
        figure = new_figure(5.4, 0.6 + 0.32 * max(2, len(names)))
        axes = figure.add_subplot()
        tidy(axes, grid="x")
        for place, count in enumerate(safe):
            length = policy.threshold / 2 if count.hidden else count.shown
            looks = {"color": "white", "edgecolor": ACCENT, "hatch": "////", "linewidth": 0.6} if count.hidden else {"color": ACCENT}
            axes.barh(place, length, height=0.62, **looks)
            axes.annotate(str(count), (length, place), (4, 0), textcoords="offset points", va="center", color=MUTED, fontsize=8.5)
        axes.set(yticks=np.arange(len(names)), yticklabels=names, ylim=(len(names) - 0.4, -0.6), xlabel=tr("人数", "Persons"))
        axes.margins(x=0.12)
    return figure


# ------------------------------------------------------------------------------------------------ inside the session only


@dataclass(frozen=True)
class EvidenceSample:
    """Answers with the words that led to them, for people to check; person-level, and no report takes it.

    Parameters
    ----------
    rows : tuple of (variable, value, note, department, before, words, after)
        One an answer.
    """

    rows: tuple[tuple[str, str, int, str, str, str, str], ...]

    def __len__(self) -> int:
        return len(self.rows)

    def _repr_html_(self) -> str:
        heads = (tr("变量", "Variable"), tr("取值", "Value"), tr("文书", "Note"), tr("科室", "Department"), tr("原文", "In the note"))
        body = "".join(
            f"<tr><td>{escape(name)}</td><td><b>{escape(value)}</b></td><td>{note}</td><td>{escape(department)}</td>"
            f'<td style="text-align:left">{escape(before)}<mark>{escape(words)}</mark>{escape(after)}</td></tr>'
            for name, value, note, department, before, words, after in self.rows
        )
        hint = tr("个体级内容，只在会话内查看，不可出域。", "Person-level: to be read inside the session, never released.")
        head = "".join(f"<th>{each}</th>" for each in heads)
        return f"<p><small>{hint}</small></p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def evidence_sample(structured: StructuredNotes, *, each: int = 3, around: int = 24, seed: int = 1) -> EvidenceSample:
    """Draw answers to be read, stratified by variable and what the note says, the least sure first.

    Parameters
    ----------
    structured : StructuredNotes
        Whose answers.
    each : int
        Answers a stratum.
    around : int
        Characters shown before and behind.
    seed : int
        Of the draw.

    Returns
    -------
    EvidenceSample
    """
    answers = structured.table()
    if answers.empty:
        return EvidenceSample(())
    answers["shuffled"] = np.random.default_rng(seed).random(len(answers))
    order = answers.sort_values(["variable", "assertion", "confidence", "shuffled"])
    drawn = order.groupby(["variable", "assertion"], sort=False).head(each)
    texts = _texts(structured.notes.snapshot, drawn["note_id"])
    titles = {variable.name: label_of(variable) for variable in structured.variables}
    return EvidenceSample(tuple(_shown(row, titles[row.variable], texts[row.note_id], around) for row in drawn.itertuples()))


def _shown(row: object, title: str, text: str, around: int) -> tuple[str, str, int, str, str, str, str]:
    start, end = int(row.span_start), int(row.span_end)
    value = f"{row.value_number:g} {row.unit}" if row.value_number == row.value_number else _value(row.value_text)
    before, after = text[max(0, start - around) : start], text[end : end + around]
    return title, value.strip(), int(row.note_id), row.department or "", before, text[start:end], after


def _value(text: str | None) -> str:
    return tr(*_SAID[text]) if text in _SAID else text or ""


def _texts(snapshot: Snapshot, note_ids: Iterable[int]) -> dict[int, str]:
    import pyarrow as pa

    wanted = pa.array(sorted(set(map(int, note_ids))), pa.int64())
    found = snapshot.read("note", ["note_id", "note_text"], pc.is_in(pc.field("note_id"), wanted))
    return dict(zip(*(column.to_pylist() for column in found.columns), strict=True))
