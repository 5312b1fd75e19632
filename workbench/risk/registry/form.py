"""What a registry asks of each patient: the study's variables, what is added by hand, and when follow-up is due."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from workbench.errors import DefinitionError
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from workbench.risk.extraction.dataset import Feature, StudyData

__all__ = ["FormItem", "RegistryForm", "form_of"]

Kind = Literal["number", "category", "yes_no", "text", "date"]

#: Groups of the form, in order: source of a predictor -> what is shown.
_GROUPS = {
    "person": ("基本信息", "Person"),
    "column": ("基本信息", "Person"),
    "diagnoses": ("诊断", "Diagnoses"),
    "medications": ("用药", "Medications"),
    "procedures": ("手术与操作", "Procedures"),
    "encounters": ("就诊", "Encounters"),
    "vitals": ("体征", "Vital signs"),
    "labs": ("检验", "Laboratory"),
    "images": ("影像测量", "Image measurements"),
    "findings": ("病历发现", "Findings of notes"),
    "observations": ("问诊与观察", "Observations"),
    "added": ("补充项目", "Added items"),
    "visit": ("随访", "Follow-up"),
}


@dataclass(frozen=True)
class FormItem:
    """A field of the form.

    Parameters
    ----------
    name, label, unit : str
        Of the variable.
    kind : {"number", "category", "yes_no", "text", "date"}
        How it is typed and checked.
    group : str
        Source of the predictor; ``added`` is typed by hand once a patient, ``visit`` at each follow-up.
    choices : tuple of str
        Of a category.
    low, high : float, optional
        What a number can be.
    """

    name: str
    label: str
    unit: str = ""
    kind: Kind = "text"
    group: str = "added"
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Check the group."""
        if self.group not in _GROUPS:
            raise DefinitionError(f"group is {self.group!r}; wanted one of {', '.join(_GROUPS)}")

    @property
    def group_label(self) -> str:
        """Heading of the group."""
        return tr(*_GROUPS[self.group])

    def checked(self, value: object) -> float | str | None:
        """Return what was typed as a value; None where it is empty.

        Raises
        ------
        DefinitionError
            If it is no number, out of range, no date, or none of the choices.
        """
        text = "" if value is None else str(value).strip()
        if not text:
            return None
        return _CHECKS[self.kind](self, text)


def _number(item: FormItem, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise DefinitionError(tr("应为数值", "a number is wanted")) from None
    low, high = (-float("inf") if item.low is None else item.low), (float("inf") if item.high is None else item.high)
    if not low <= number <= high or number in (float("inf"), -float("inf")):
        raise DefinitionError(tr("超出可能的范围 {0:g}–{1:g}", "outside of what is possible, {0:g}–{1:g}").format(low, high))
    return number


def _choice(item: FormItem, text: str) -> str:
    if item.choices and text not in item.choices:
        raise DefinitionError(tr("应为：{0}", "wanted one of: {0}").format(tr("、", ", ").join(item.choices)))
    return text


def _yes_no(_: FormItem, text: str) -> float:
    found = {"1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "是": 1.0, "否": 0.0, "yes": 1.0, "no": 0.0}.get(text.lower())
    if found is None:
        raise DefinitionError(tr("应为是或否", "yes or no is wanted"))
    return found


def _date(_: FormItem, text: str) -> str:
    from datetime import date

    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise DefinitionError(tr("应为日期，如 2024-03-01", "a date is wanted, as 2024-03-01")) from None


_CHECKS = {"number": _number, "category": _choice, "yes_no": _yes_no, "date": _date, "text": lambda _, text: text}


@dataclass(frozen=True)
class RegistryForm:
    """A form.

    Parameters
    ----------
    items : tuple of FormItem
        In the order of their groups.
    follow_up_days : tuple of int
        When follow-up is due, in days from the index.
    window_days : int
        A visit so long before or after its day is that visit.
    """

    items: tuple[FormItem, ...]
    follow_up_days: tuple[int, ...] = ()
    window_days: int = 30
    by_name: dict[str, FormItem] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check names and days."""
        names = [item.name for item in self.items]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DefinitionError(f"items have the same name: {', '.join(twice)}")
        if any(later - earlier <= 0 for earlier, later in zip((0, *self.follow_up_days), self.follow_up_days, strict=False)):
            raise DefinitionError(f"follow_up_days are {self.follow_up_days}; wanted days after the index that rise")
        object.__setattr__(self, "by_name", dict(zip(names, self.items, strict=True)))

    def groups(self) -> dict[str, list[FormItem]]:
        """Return the items by heading."""
        groups: dict[str, list[FormItem]] = {}
        for item in sorted(self.items, key=lambda item: list(_GROUPS).index(item.group)):
            groups.setdefault(item.group_label, []).append(item)
        return groups


def form_of(data: StudyData, *, added: Iterable[FormItem] = (), follow_up_days: Iterable[int] = (), window_days: int = 30) -> RegistryForm:
    """Return the form of a study: its predictors, and what is added.

    Parameters
    ----------
    data : StudyData
        The study's.
    added : iterable of FormItem
        Typed by hand: once (group ``added``) or at each visit (group ``visit``).
    follow_up_days : iterable of int
        When follow-up is due.
    window_days : int
        See :class:`RegistryForm`.
    """
    items = [_item_of(data, feature) for feature in data.features.columns]
    return RegistryForm((*items, *added), tuple(follow_up_days), window_days)


def _item_of(data: StudyData, feature: Feature) -> FormItem:
    from workbench.risk.cleaning.items import items
    from workbench.risk.cleaning.shown import shown_unit

    known = items().get(feature.item)
    choices = tuple(map(str, data.X[feature.name].cat.categories)) if feature.kind == "category" else ()
    low, high = (
        (known.low, known.high) if known is not None and known.kind == "number" and shown_unit(known.unit) == feature.unit else (None, None)
    )
    return FormItem(feature.name, feature.label, feature.unit, feature.kind, feature.source, choices, low, high)
