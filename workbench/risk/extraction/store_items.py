"""What the predictors of a study are called in a store: words of the protocol -> codes and units that the store's rows hold.

The codes that a table holds are read once; a word is looked up among them, so that a pass over the table is one join by code, however many
predictors there are, and a word that nothing answers to is named.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import ibis
import numpy as np
import pandas as pd

from workbench.cohort.plan import source
from workbench.domains import DOMAINS, SETTINGS
from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.cleaning.changes import Change
from workbench.risk.cleaning.items import conversion, find_item
from workbench.risk.extraction.clocks import DOMAIN_OF
from workbench.risk.extraction.dataset import Feature
from workbench.risk.extraction.facts import left_out
from workbench.risk.extraction.predictors import PICKED
from workbench.risk.extraction.roles import belongs
from workbench.risk.protocol.parts import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import ibis.expr.types as ir

    from workbench.domains import Domain
    from workbench.risk.cleaning.items import Item
    from workbench.risk.protocol.parts import Predictor
    from workbench.store.duckdb import DuckDBEngine

__all__ = ["KEYS", "Codes", "Wanted", "find_codes", "find_wanted", "key_columns", "keyed"]

#: Names of the columns that a map from codes to items is joined by.
KEYS = ("code", "concept", "source_concept", "mark")

#: Column that tells rows of one code apart: units of numbers, assertions of findings, answers of observations.
_MARKS = {"labs": "unit_source_value", "findings": "assertion", "observations": "value_as_string"}

#: Events whose codes make a tree, so that a code stands for all that start with it.
_PREFIXED = ("diagnoses", "medications", "procedures")

_CONCEPT = "concept:"


def key_columns(place: Domain) -> tuple[str, ...]:
    """Name the columns of a domain's table that :data:`KEYS` are made of; empty where it has none."""
    return (place.source_value, place.concept, place.source_concept, _MARKS.get(place.word, ""))


def keyed(table: ir.Table, place: Domain) -> dict[str, ir.Value]:
    """Return :data:`KEYS` of a domain's rows, without missing values, so that they can be joined by."""
    blank = ("", 0, 0, "")
    columns = zip(KEYS, key_columns(place), blank, strict=True)
    return {key: ibis.coalesce(table[name], missing) if name else ibis.literal(missing) for key, name, missing in columns}


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes that the tables of a store hold.

    Parameters
    ----------
    engine : DuckDBEngine
        The store.
    whole : Codes, optional
        Those of the whole store, where this is a part of it: what a part does not hold is not unknown.
    """

    engine: DuckDBEngine
    whole: Codes | None = None
    _found: dict[str, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    def of(self, word: str) -> pd.DataFrame:
        """Return the distinct :data:`KEYS` of a domain; read once."""
        if self.whole is not None:
            return self.whole.of(word)
        if word not in self._found:
            place = DOMAINS[word]
            table = source(place.table, tuple(dict.fromkeys(name for name in key_columns(place) if name)))
            rows = table.select(**keyed(table, place)).distinct().order_by(KEYS)
            self._found[word] = self.engine.select(rows).to_pandas()
        return self._found[word]

    def below(self, concepts: Iterable[int]) -> set[int]:
        """Return concepts and all narrower ones."""
        if self.whole is not None:
            return self.whole.below(concepts)
        own = sorted(set(concepts))
        if not own:
            return set()
        ancestry = source("concept_ancestor", ("ancestor_concept_id", "descendant_concept_id"))
        found = self.engine.select(ancestry.filter(ancestry.ancestor_concept_id.isin(own)).select("descendant_concept_id"))
        return {*own, *found["descendant_concept_id"].to_pylist()}


class Wanted(NamedTuple):
    """A column of the predictors that is to be picked from records.

    Parameters
    ----------
    feature : Feature
        The column.
    predictor : Predictor
        What was asked.
    domain : str
        Where its records are.
    asked : str
        Item or codes, as the provenance tells them.
    codes : DataFrame
        Rows of :data:`KEYS` that are its records, with ``factor`` and ``offset`` to the column's unit (missing: there is no way, the record
        is left out) and ``low`` and ``high``, beyond which a value is an error.
    """

    feature: Feature
    predictor: Predictor
    domain: str
    asked: str
    codes: pd.DataFrame

    @property
    def counted(self) -> bool:
        """Whether records are counted, so that none is 0 and not missing."""
        return self.predictor.picked in ("count", "any")


def find_wanted(codes: Codes, predictors: Iterable[Predictor]) -> tuple[list[Wanted], list[Change]]:
    """Look up what the predictors of a study are called in a store.

    Parameters
    ----------
    codes : Codes
        Of the store.
    predictors : iterable of Predictor
        Of records; no facts of the person.

    Returns
    -------
    wanted : list of Wanted
        A column each, in order.
    changes : list of Change
        Codes that no record has.

    Raises
    ------
    DefinitionError
        If the store has nothing of the kind, does not hold a word, or a unit cannot be converted.
    """
    wanted, changes = [], []
    for predictor in predictors:
        if predictor.source not in DOMAIN_OF or predictor.source == "deaths":
            raise DefinitionError(f"a store has no {predictor.source}", hint="predictors of a store: person, labs, vitals, diagnoses ...")
        if codes.of(DOMAIN_OF[predictor.source]).empty:
            raise DefinitionError(f"the store has no {predictor.source} at all", hint="leave the predictor out, or import its table")
        found = _numbers(codes, predictor, changes) if predictor.source in NUMBERS else [_events(codes, predictor, changes)]
        wanted.extend(found)
    return wanted, changes


# -------------------------------------------------------------------------------------------------------------- events


def find_codes(codes: Codes, kind: str, words: Iterable[str], *, assertion: str = "present") -> tuple[pd.DataFrame, list[str]]:
    """Return the codes that words of an event source stand for, and the words that no record has.

    A word is a code of the source (of diagnoses, procedures and drugs also every code that starts with it), a concept
    (``concept:201826``, or its bare number) with all narrower ones, a setting of encounters (``inpatient``), or ``all``. Of observations a
    word is a question or, as ``SMOKING=当前吸烟``, a question and its answer.
    """
    word = DOMAIN_OF[kind]
    every = codes.of(word)
    own = every[every["mark"] == assertion] if word == "findings" else every
    if "all" in words:
        return own, []
    hits = {asked: _holds(codes, word, own, asked) for asked in words}
    return own[np.logical_or.reduce(list(hits.values()))], [asked for asked, rows in hits.items() if not rows.any()]


def _holds(codes: Codes, word: str, rows: pd.DataFrame, asked: str) -> np.ndarray:
    """Say which codes a word stands for."""
    bare = asked.removeprefix(_CONCEPT)
    concepts = set(SETTINGS.get(asked, ())) if word == "encounters" else set()
    if bare.isascii() and bare.isdigit() and int(bare) < 2**63:
        concepts |= codes.below([int(bare)])
    held = (rows["concept"].isin(concepts) | rows["source_concept"].isin(concepts)).to_numpy()
    if asked.startswith(_CONCEPT):
        return held
    if word == "observations":
        held |= (rows["code"] + "=" + rows["mark"] == asked).to_numpy()
    return held | (rows["code"].str.startswith(asked) if word in _PREFIXED else rows["code"] == asked).to_numpy()


def _events(codes: Codes, predictor: Predictor, changes: list[Change]) -> Wanted:
    if predictor.picked not in ("any", "count") or predictor.unit:
        raise DefinitionError(f"{predictor.source} have no values: pick {predictor.picked!r} of them cannot be made", hint="any or count")
    rows, lost = find_codes(codes, predictor.source, predictor.of, assertion=predictor.assertion)
    words = predictor.source if "all" in predictor.of else "+".join(predictor.of)
    name = predictor.name or (words if predictor.picked == "any" else f"{words}_{predictor.picked}")
    if rows.empty:
        raise _unknown(predictor.source, predictor.of[0], _words_of(codes.of(DOMAIN_OF[predictor.source]), predictor.source))
    changes += [Change(word, name, "empty", 0, 0, tr("库中没有此编码", "no record has this code")) for word in lost]
    kind = "yes_no" if predictor.picked == "any" else "number"
    feature = Feature(name, predictor.label or name, "", kind, predictor.source)
    asked = rows[list(KEYS)].assign(factor=1.0, offset=0.0, low=np.nan, high=np.nan)
    return Wanted(feature, predictor, DOMAIN_OF[predictor.source], ", ".join(predictor.of), asked)


def _words_of(every: pd.DataFrame, kind: str) -> pd.Series:
    """Return the words that a store's codes are asked for by."""
    return pd.concat([every["code"], every["code"] + "=" + every["mark"]]) if kind == "observations" else every["code"]


def _unknown(kind: str, word: str, known: Iterable[str]) -> DefinitionError:
    close = difflib.get_close_matches(word, sorted({code for code in known if code}), n=3)
    return DefinitionError(f"the store has no {kind} {word!r}", hint=f"did you mean {' or '.join(close)}?" if close else "")


# ------------------------------------------------------------------------------------------------------------- numbers


def _numbers(codes: Codes, predictor: Predictor, changes: list[Change]) -> list[Wanted]:
    if predictor.kind not in (None, "number"):
        raise DefinitionError(f"{predictor.source} are numbers, not {predictor.kind}", hint="leave kind out")
    every = codes.of(DOMAIN_OF[predictor.source])
    if predictor.of != ("all",):
        return [_number(predictor, word, _named(codes, every, predictor.source, word)) for word in predictor.of]
    keys = {code: _single(code) for code in every["code"].unique()}
    changes += [left_out(code, "unknown_item") for code, item in keys.items() if item is None and code]
    known = dict.fromkeys(item for item in keys.values() if item and item.kind == "number" and belongs(item, predictor.source))
    return [_number(predictor, item.key, every[[keys[code] == item for code in every["code"]]], stated=False) for item in known]


def _single(word: str) -> Item | None:
    """Return the item that a name means, where it means one."""
    found = find_item(word).items
    return found[0] if len(found) == 1 else None


def _named(codes: Codes, every: pd.DataFrame, kind: str, word: str) -> pd.DataFrame:
    """Return the rows of an item: by code or concept, as the cohort language finds them, else by what the catalogue of items knows."""
    rows = every[_holds(codes, "labs", every, word)]
    item = _single(word)
    if rows.empty and item:
        rows = every[[_single(code) == item for code in every["code"]]]
    if rows.empty:
        raise _unknown(kind, word, every["code"])
    return rows


def _number(predictor: Predictor, word: str, rows: pd.DataFrame, *, stated: bool = True) -> Wanted:
    item = _single(word) or next((found for code in rows["code"].unique() if (found := _single(code))), None)
    item = item if item is not None and item.kind == "number" else None
    key = item.key if item else word
    unit = predictor.unit or (item.unit if item else _only_unit(word, rows))
    held = rows[list(KEYS)].join(pd.DataFrame([_converted(item, mark, unit) for mark in rows["mark"]], index=rows.index))
    if held["factor"].isna().all():
        units = ", ".join(sorted(set(rows["mark"]) - {""}))
        raise DefinitionError(f"{word}: its units ({units}) cannot be converted to {unit!r}", hint="name a unit that the store has: unit:")
    name, pick = tr(item.zh, item.en) if item else word, tr(*PICKED[predictor.picked])
    label = predictor.label if predictor.label and len(predictor.of) == 1 and stated else f"{name} ({pick})" if pick else name
    counted = predictor.picked in ("count", "any")
    kind = "yes_no" if predictor.picked == "any" else "number"
    feature = Feature(
        _name(predictor, key, stated=stated), label, "" if counted else unit, kind, predictor.source, item.key if item else ""
    )
    return Wanted(feature, predictor, "labs", word, held)


def _name(predictor: Predictor, key: str, *, stated: bool) -> str:
    """Name a column as plain tables name it."""
    if predictor.name:
        return predictor.name if len(predictor.of) == 1 and stated else f"{predictor.name}_{key}"
    return key if predictor.picked == "last" else f"{key}_{predictor.picked}"


def _only_unit(word: str, rows: pd.DataFrame) -> str:
    units = sorted(set(rows["mark"]) - {""})
    if len(units) > 1:
        raise DefinitionError(f"{word} has the units {', '.join(units)}, and no item of the catalogue", hint="say which: unit:")
    return units[0] if units else ""


def _converted(item: Item | None, mark: str, unit: str) -> dict[str, float]:
    """Return factor and offset from a record's unit to the column's, and the item's limits in that unit; no factor where there is none."""
    nan, same = float("nan"), {"factor": 1.0, "offset": 0.0}
    if item is None:
        return (same if mark in ("", unit) else {"factor": nan, "offset": nan}) | {"low": nan, "high": nan}
    given, wanted = conversion(item, mark), conversion(item, unit)
    if wanted is None:  # a unit of the store's own: taken as it is, and nothing is known of its limits
        return (same if mark == unit else {"factor": nan, "offset": nan}) | {"low": nan, "high": nan}
    low, high = ((limit - wanted.offset) / wanted.factor for limit in (item.low, item.high))
    if given is None:
        return {"factor": nan, "offset": nan, "low": low, "high": high}
    if given == wanted:
        return same | {"low": low, "high": high}
    return {"factor": given.factor / wanted.factor, "offset": (given.offset - wanted.offset) / wanted.factor, "low": low, "high": high}
