"""Laboratory items, vital signs and facts of a patient: how hospitals name them, in which units, and what a value can be.

The table is ``workbench/risk/cleaning/data/items.tsv``; what its columns mean stands at its head.
"""

from __future__ import annotations

import csv
import math
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

from nlp.quantities.units import find_unit
from workbench.errors import DefinitionError
from workbench.locale import tr

__all__ = ["KINDS", "Conversion", "FoundItem", "Item", "conversion", "find_item", "item", "items"]

#: What a value is: a number, the grade of a dipstick, yes or no, a category, a time, who the patient is, a code of the hospital's own.
KINDS = ("number", "grade", "yes_no", "sex", "blood_type", "date", "id", "code")

_PASSED_OVER = re.compile(r"[\s_\-–—·.,:'\"()\[\]【】]")
_BRACKETED = re.compile(r"(?P<name>.+?)\s*[(\[【](?P<inside>.+)[)\]】]")
_TWICE_BRACKETED = re.compile(r"(?P<name>.+[)\]】])\s*[(\[【](?P<inside>[^()\[\]【】]+)[)\]】]")
_GLUED = re.compile(r"(?P<name>.*[\u4e00-\u9fff])(?P<inside>[A-Za-z°%μ].*)")
_TRAILING = re.compile(r"(?P<name>.+?)[\s,_;:]+(?P<inside>\S+)")
_SPECIMEN = re.compile(r"^(?:血清|血浆|全血|静脉血|serum|plasma|blood)\s*|\s*(?:测定|检测|定量|水平|浓度|结果)$", re.IGNORECASE)
_BRACKETS = str.maketrans("", "", "()")
_OFFSET = re.compile(r"(?P<unit>.+)=(?P<factor>[^+]+)(?:\+(?P<offset>.+))?")


class Conversion(NamedTuple):
    """How a value becomes one in the item's own unit: ``factor * value + offset``."""

    factor: float
    offset: float


@dataclass(frozen=True)
class Item:
    """One item.

    Parameters
    ----------
    key : str
        Its name in a cleaned table.
    group : str
        The panel it belongs to.
    kind : str
        One of :data:`KINDS`.
    zh, en : str
        Names.
    loinc : str
        LOINC code; empty where no one code is certain.
    unit : str
        Unit in which Chinese hospitals report it, and cleaned values are; empty where it has none.
    units : tuple of str
        Other units in use; `conversion` also knows every other unit of the same dimension.
    stated : tuple of (str, Conversion)
        Units whose conversion cannot be derived from dimension and molar mass.
    molar_mass : float
        In g/mol; 0 where mass and amount of substance are not converted.
    low, high : float
        Values beyond them are errors of entry; not a number where there are no limits.
    why : str
        On what the limits rest: life, assay or share.
    usual_low, usual_high : float
        Reference interval of adults, both sexes together.
    aliases : tuple of str
        Other names.
    """

    key: str
    group: str
    kind: str
    zh: str
    en: str
    loinc: str
    unit: str
    units: tuple[str, ...]
    stated: tuple[tuple[str, Conversion], ...]
    molar_mass: float
    low: float
    high: float
    why: str
    usual_low: float
    usual_high: float
    aliases: tuple[str, ...]

    @property
    def label(self) -> str:
        """Name in the language in force, with the unit: what a table's row is called."""
        name = tr(self.zh, self.en)
        return f"{name} ({self.unit})" if self.unit else name


class FoundItem(NamedTuple):
    """What a header or a report's name may mean: no item, one, or several; and the unit that stood with it."""

    items: tuple[Item, ...]
    unit: str


@cache
def items() -> dict[str, Item]:
    """Return all items by key.

    Examples
    --------
    >>> items()["creatinine"].unit, len(items()) > 120
    ('umol/L', True)
    """
    text = resources.files("workbench.risk.cleaning").joinpath("data", "items.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader((line for line in text.splitlines() if not line.startswith("#")), delimiter="\t")
    return {row["key"]: _item(row) for row in rows}


def item(key: str) -> Item:
    """Return an item by its key.

    Raises
    ------
    DefinitionError
        If there is none.
    """
    if key not in items():
        raise DefinitionError(
            f"there is no item {key!r}", hint="keys stand in workbench/risk/cleaning/data/items.tsv; find_item(name) looks one up"
        )
    return items()[key]


def conversion(of: Item, unit: str) -> Conversion | None:
    """Return how values in a unit become values in the item's own.

    Parameters
    ----------
    of : Item
        What is measured: mass and amount of substance are joined by its molar mass.
    unit : str
        In any spelling; empty for the item's own.

    Returns
    -------
    Conversion or None
        None where the unit is unknown or measures something else.

    Examples
    --------
    >>> conversion(item("creatinine"), "mg/dL")
    Conversion(factor=88.4016973125884, offset=0.0)
    >>> conversion(item("creatinine"), "mmHg") is None
    True
    """
    return _conversion(of.key, _fold_unit(unit))


def find_item(name: str, unit: str = "") -> FoundItem:
    """Tell what a column's header or a report's name of an item means.

    A name is looked up whole; then without what follows in brackets, after a space or a Chinese character, if that is a unit or (but after
    a space) another name of the same item; then without the specimen (血清) or the method (测定). Where it is the name of several items the
    unit may decide.

    Parameters
    ----------
    name : str
        Such as ``血糖(mmol/L)``, ``谷丙转氨酶(ALT)``, ``GLU``.
    unit : str, optional
        Where it is known apart from the name.

    Returns
    -------
    FoundItem
        No item where the name is unknown, several where it is ambiguous.

    Examples
    --------
    >>> found = find_item("血糖（mg/dL）")
    >>> found.items[0].key, found.unit
    ('glucose', 'mg/dL')
    >>> [one.key for one in find_item("中性粒细胞").items], find_item("中性粒细胞", "%").items[0].key
    (['neutrophils', 'neutrophils_share'], 'neutrophils_share')
    """
    return _find(str(name), unit)


@cache
def _find(name: str, unit: str) -> FoundItem:
    text = unicodedata.normalize("NFKC", name).strip()
    found = _look_up(text, unit)
    bare = _SPECIMEN.sub("", text)
    return found if found.items or bare == text else _look_up(bare, unit)


def _look_up(text: str, unit: str) -> FoundItem:
    if whole := _index().get(_fold(text)):
        return FoundItem(_decide(whole, unit), unit)
    if (twice := _TWICE_BRACKETED.fullmatch(text)) and (found := _look_up(twice["name"], unit or twice["inside"])).items:
        return found
    for pattern in (_BRACKETED, _TRAILING, _GLUED):
        parts = pattern.fullmatch(text)
        candidates = parts and _index().get(_fold(parts["name"]), _index().get(_fold(_SPECIMEN.sub("", parts["name"])), ()))
        if candidates and (found := _with_inside(candidates, parts["inside"].strip(), unit, trailing=pattern is _TRAILING)):
            return found
    return FoundItem((), unit)


def _with_inside(candidates: tuple[Item, ...], inside: str, unit: str, *, trailing: bool) -> FoundItem | None:
    """Read what stands behind a name: a unit, another name, or something that makes the whole unknown."""
    written = inside if any(conversion(one, inside) for one in candidates) else inside.replace("_", "/")
    if any(conversion(one, written) for one in candidates):
        return FoundItem(_decide(candidates, written), unit or written)
    if trailing:
        return None
    if same := _index().get(_fold(inside)):
        both = tuple(one for one in candidates if one in same)
        return FoundItem(_decide(both or tuple(dict.fromkeys(candidates + same)), unit), unit)
    return FoundItem(candidates, inside) if "/" in inside or find_unit(inside) else None


def _decide(candidates: tuple[Item, ...], unit: str) -> tuple[Item, ...]:
    """Keep the one item that is reported in the unit, else the one that can be."""
    if not unit or len(candidates) == 1:
        return candidates
    reported = tuple(one for one in candidates if _folded(unit) in map(_folded, (one.unit, *one.units)))
    fitting = reported or tuple(one for one in candidates if one.kind == "number" and conversion(one, unit))
    return fitting if len(fitting) == 1 else candidates


@cache
def _index() -> dict[str, tuple[Item, ...]]:
    index: dict[str, dict[str, Item]] = {}
    for one in items().values():
        for name in (one.key, one.zh, one.en, *one.aliases):
            index.setdefault(_fold(name), {})[one.key] = one
    return {name: tuple(found.values()) for name, found in index.items()}


def _fold(name: str) -> str:
    return _PASSED_OVER.sub("", unicodedata.normalize("NFKC", name).casefold())


def _fold_unit(unit: str) -> str:
    return unicodedata.normalize("NFKC", unit).replace(" ", "").strip()


def _folded(unit: str) -> str:
    """Return how a unit is compared with those of the table: mg/L(FEU) is mg/L FEU."""
    return _fold_unit(unit).casefold().translate(_BRACKETS)


@cache
def _conversion(key: str, unit: str) -> Conversion | None:
    of = items()[key]
    if _folded(unit) in ("", _folded(of.unit)):
        return Conversion(1.0, 0.0)
    for name, stated in of.stated:
        if _folded(name) == _folded(unit):
            return stated
    source, target = find_unit(unit), find_unit(of.unit) if of.unit else None
    if source is None or target is None:
        return None
    bridge = _bridge(source.dimension, target.dimension, of.molar_mass)
    return Conversion(source.factor * bridge / target.factor, (source.offset - target.offset) / target.factor) if bridge else None


def _bridge(source: str, target: str, molar_mass: float) -> float:
    """Return the factor between the canonical units of two dimensions, mmol/L and g/L where they differ; 0 where none is known."""
    if source == target:
        return 1.0
    grams_per_mmol = molar_mass / 1000
    factors = {("molar_concentration", "mass_concentration"): grams_per_mmol}
    if grams_per_mmol:
        factors["mass_concentration", "molar_concentration"] = 1 / grams_per_mmol
    return factors.get((source, target), 0.0)


def _item(row: dict[str, str]) -> Item:
    units = [text.strip() for text in row["units"].split(";") if text.strip()]
    stated = tuple((parts["unit"], _stated(parts)) for text in units if (parts := _OFFSET.fullmatch(text)))
    words = {name: row[name] for name in ("key", "group", "kind", "zh", "en", "loinc", "unit", "why")}
    numbers = {name: float(row[name]) if row[name] else math.nan for name in ("low", "high", "usual_low", "usual_high")}
    names = tuple(text.partition("=")[0] for text in units)
    aliases = tuple(name for name in row["aliases"].split(";") if name)
    return Item(**words, **numbers, units=names, stated=stated, molar_mass=float(row["mass"] or 0), aliases=aliases)


def _stated(parts: re.Match[str]) -> Conversion:
    return Conversion(float(parts["factor"]), float(parts["offset"] or 0))
