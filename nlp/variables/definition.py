"""What a variable is: plain, frozen data with one canonical form and one hash.

A variable says where to look (kinds of document, sections), what to look for (:class:`Target`), in what company (:class:`Near`), what to
take from there (:class:`Value`), of what to take it (assertion, experiencer, :class:`Window`) and how the answers of many notes become
one (:class:`Aggregate`). Its tests are sentences with the answer that is expected.

The hash of a variable is the SHA-256 of its meaning: titles, description and tests are left out, so that a correction which becomes a
test does not make a run anew. Lists whose order means nothing (terms, sections, labels) are sorted, values that equal their default are
left out, and 6.0 is written as 6.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ALONE",
    "ASSERTIONS",
    "EXPERIENCERS",
    "RULES",
    "SCHEMA",
    "VALUE_KINDS",
    "Aggregate",
    "Bilingual",
    "Category",
    "Near",
    "Target",
    "Test",
    "Value",
    "Variable",
    "Window",
    "canonical_json",
    "plain",
]

#: Name and version of the form; a reader refuses any other.
SCHEMA = "clinical-variables/1"

ASSERTIONS = ("present", "possible", "historical", "hypothetical", "absent")
"""From the strongest to the weakest: the order in which the rule `any` prefers them."""

EXPERIENCERS = ("patient", "family", "other")
VALUE_KINDS = ("presence", "quantity", "category", "date", "text")
#: Kinds of targets that suffer no other beside them and need no search for words.
ALONE = frozenset(("section", "system", "function"))
SCOPES = ("clause", "sentence", "section", "note")
SIDES = ("left", "right", "bilateral")
ANCHORS = ("written", "admitted", "operated", "index")
RULES = ("any", "first", "last", "min", "max", "mean", "count", "all", "nearest")

#: Rule of aggregation where a variable names none.
DEFAULT_RULE = {"presence": "any", "category": "any", "quantity": "first", "date": "first", "text": "first"}

#: Order of these lists means nothing.
_UNORDERED = frozenset(
    {"documents", "sections", "terms", "regex", "labels", "codes", "not_in", "section", "with_any", "without", "laterality", "site"}
    | {"words", "assertion", "experiencer"}
)
_NO_MEANING = frozenset({"title", "description", "tests"})


class Bilingual(NamedTuple):
    """A text in Chinese and in English."""

    zh: str = ""
    en: str = ""


NO_TEXT = Bilingual()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to look for.

    Either any of `terms`, `regex`, `labels` and `codes` together (a hit of one of them is a hit), or one of `section`, `system` and
    `function`.

    Parameters
    ----------
    terms : tuple of str
        Words as written in notes, found whatever the width and the case; a Latin word or a number is found as a whole only.
    synonyms : bool
        Whether a mention counts whose preferred name in the pipeline's dictionary is one of `terms`: 心梗 for 心肌梗死.
    regex : tuple of str
        Patterns of the ``regex`` package, on the normalised text; a group named ``value`` marks what the value is taken from.
    labels : tuple of str
        Entity types: problem, symptom, ...
    codes : tuple of str
        Beginnings of codes: ``E11`` takes E11.900 too.
    not_in : tuple of str
        Longer words in which a hit does not count: 糖尿病 is not meant in 糖尿病足.
    section : tuple of str
        The text of these sections as a whole.
    system : str
        A staging or scoring system: BI-RADS, TNM, NYHA, ...
    function : str
        A function of the catalogue, called with `parameters`.
    parameters : tuple of (str, value)
        By name, sorted.
    """

    terms: tuple[str, ...] = ()
    synonyms: bool = True
    regex: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    not_in: tuple[str, ...] = ()
    section: tuple[str, ...] = ()
    system: str = ""
    function: str = ""
    parameters: tuple[tuple[str, Any], ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which of the fields are set, of those that name something to look for."""
        names = ("terms", "regex", "labels", "codes", "section", "system", "function")
        return tuple(name for name in names if getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """What must or must not stand around a hit.

    Parameters
    ----------
    with_any : tuple of str
        One of these has to stand in the same `within`; a word, or a pattern between slashes: ``/右(肺|侧)/``. ``with`` in YAML.
    without : tuple of str
        None of these may stand there.
    within : str
        clause, sentence, section or note.
    laterality : tuple of str
        The side has to be one of left, right, bilateral.
    site : tuple of str
        One of these has to stand there as the place of the hit; as `with_any`, but asked for in addition.
    """

    with_any: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    within: str = "sentence"
    laterality: tuple[str, ...] = ()
    site: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One of the values of a category variable.

    Parameters
    ----------
    name : str
        The value.
    words : tuple of str
        Words, or patterns between slashes, that mean it.
    assertion : tuple of str
        The words have to be asserted so: 吸烟 + absent means 从不吸烟. If empty: by the variable's own rule where it has no
        target; where it has one, anything but absent and hypothetical.
    """

    name: str
    words: tuple[str, ...] = ()
    assertion: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What to take from a hit.

    Parameters
    ----------
    kind : str
        presence (the assertion itself is the value: present, absent, possible, historical, hypothetical), quantity, category, date, text.
    unit : str
        Of a quantity: values are converted to it. Empty for a bare count or a score.
    analyte : str
        What is measured, where values have to be converted between mass and amount: 葡萄糖 from mg/dL to mmol/L.
    range : (float or None, float or None)
        Plausible values, in `unit`, both inclusive; others are refused.
    take : str
        Of a size, a range or a ratio (blood pressure): max, min, first, last or mean.
    where : str
        Where the quantity, the date or the category stands, seen from the hit: after, before, near (either side), inside. If empty: after
        for a quantity, near for the rest.
    within : str
        How far to look: clause, sentence or section.
    gap : int
        At most so many characters between the hit and the value.
    bare : bool
        Whether a number without a unit counts, as one in `unit`.
    scope : str
        Of a text: match, after (from the hit to the end of the clause), clause, sentence, section.
    categories : tuple of Category
        In order of precedence, which the rule `any` goes by. Of overlapping words the longer counts; of equal ones, the first
        category.
    """

    kind: str = "presence"
    unit: str = ""
    analyte: str = ""
    range: tuple[float | None, float | None] = (None, None)
    take: str = "max"
    where: str = ""
    within: str = "sentence"
    gap: int = 20
    bare: bool = False
    scope: str = "match"
    categories: tuple[Category, ...] = ()

    @property
    def side(self) -> str:
        """Where the value stands, the default of the kind filled in."""
        return self.where or ("after" if self.kind == "quantity" else "near")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When the answer has to be true: `days` (first, last; None for open) from `anchor` (written, admitted, operated, index)."""

    anchor: str
    days: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """How the answers of many notes become one: `rule` for each `per` (encounter or patient); an empty rule is the kind's own."""

    per: str = "encounter"
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """A sentence with the expected answer.

    Parameters
    ----------
    text : str
        A sentence, or a whole note.
    expect : str, number, list or None
        What the aggregation of the text's answers gives; None for nothing.
    document, section : str, optional
        Where the sentence stands; the variable's first ones if not said.
    written, admitted, operated, index : str
        Clock of the note, ISO.
    """

    __test__ = False  # pytest: this is data

    text: str
    expect: Any = None
    document: str | None = None
    section: str | None = None
    written: str = ""
    admitted: str = ""
    operated: str = ""
    index: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A question that is asked of every note; the fields are described where their types are.

    Parameters
    ----------
    name : str
        An identifier: small letters, digits, underscores, Chinese.
    title, description : Bilingual
        For people.
    documents, sections : tuple of str
        Standard names; empty for all.
    target, near, value, window, aggregate
        See there.
    assertion : tuple of str
        Assertions that count; the default is all five for presence, and present and possible for the rest.
    experiencer : tuple of str
        Of whom it has to be said: patient, family, other.
    tests : tuple of Test
        Sentences with the expected answer.

    Examples
    --------
    >>> cough = Variable(name="cough", target=Target(terms=("咳嗽", "干咳")))
    >>> cough.hash == Variable(name="cough", target=Target(terms=("干咳", "咳嗽")), title=Bilingual("咳嗽", "Cough")).hash
    True
    """

    name: str
    target: Target
    title: Bilingual = NO_TEXT
    description: Bilingual = NO_TEXT
    documents: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    near: Near = Near()
    value: Value = Value()
    assertion: tuple[str, ...] = ()
    experiencer: tuple[str, ...] = ("patient",)
    window: Window | None = None
    aggregate: Aggregate = Aggregate()
    tests: tuple[Test, ...] = ()
    _hash: str = field(default="", init=False, repr=False, compare=False)

    @property
    def hash(self) -> str:
        """SHA-256 of the variable's meaning, in hexadecimal."""
        if not self._hash:  # every answer carries it: worked out once
            object.__setattr__(self, "_hash", hashlib.sha256(canonical_json(self).encode("utf-8", "surrogatepass")).hexdigest())
        return self._hash

    @property
    def assertions(self) -> tuple[str, ...]:
        """The assertions that count."""
        return self.assertion or (ASSERTIONS if self.value.kind == "presence" else ("present", "possible"))

    @property
    def rule(self) -> str:
        """The rule of aggregation."""
        return self.aggregate.rule or DEFAULT_RULE[self.value.kind]


def canonical_json(variable: Variable) -> str:
    """Return the meaning of a variable as one line of JSON; equal meaning gives equal text.

    Parameters
    ----------
    variable : Variable
        What to write.

    Returns
    -------
    str
        Sorted keys, no blanks, defaults left out.

    Examples
    --------
    >>> canonical_json(Variable(name="cough", target=Target(terms=("干咳", "咳嗽"))))
    '{"aggregate":{"rule":"any"},"name":"cough","target":{"terms":["咳嗽","干咳"]}}'
    """
    meaning = plain(variable, meaning=True)
    # What is left to the default of the kind is written out, so that saying the default is saying the same.
    meaning["aggregate"] = meaning.get("aggregate", {}) | {"rule": variable.rule}
    if set(variable.assertions) == set(_default_assertions(variable)):
        meaning.pop("assertion", None)
    return json.dumps(meaning, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _default_assertions(variable: Variable) -> tuple[str, ...]:
    return ASSERTIONS if variable.value.kind == "presence" else ("present", "possible")


def plain(item: Any, *, meaning: bool = False) -> dict[str, Any]:
    """Return a record of this module as plain mappings and lists, defaults left out.

    Parameters
    ----------
    item : dataclass
        A variable or a part of one.
    meaning : bool
        Leave out what is for people only, and sort lists whose order means nothing.

    Returns
    -------
    dict
        Keys are those of the YAML form.

    Examples
    --------
    >>> plain(Near(with_any=("右肺",)))
    {'with': ['右肺']}
    """
    out: dict[str, Any] = {}
    for slot in fields(item):
        if slot.name[0] == "_":
            continue
        value = getattr(item, slot.name)
        if (value == slot.default and slot.name != "expect") or (meaning and slot.name in _NO_MEANING):
            continue
        key = "with" if slot.name == "with_any" else slot.name
        out[key] = _plain_value(slot.name, value, meaning)
    return out


def _plain_value(name: str, value: Any, meaning: bool) -> Any:
    if is_dataclass(value):
        return plain(value, meaning=meaning)
    if isinstance(value, Bilingual):
        return {key: text for key, text in value._asdict().items() if text}
    if name == "parameters":
        return {key: _plain_value(key, item, meaning=False) for key, item in value}
    if isinstance(value, tuple):
        items = [_plain_value("", item, meaning) for item in value]
        return sorted(set(items)) if meaning and name in _UNORDERED else items
    return int(value) if isinstance(value, float) and value.is_integer() else value


def options(target: Target) -> Mapping[str, Any]:
    """Return the parameters of a target's function by name."""
    return dict(target.parameters)
