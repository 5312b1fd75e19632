"""The terms that notes speak of: one name and code for each, and the wordings that stand for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from workbench.synthetic.catalogue import read_table

__all__ = ["Term", "implied", "split", "term", "terms"]


@dataclass(frozen=True)
class Term:
    """A thing that a note can mention.

    Parameters
    ----------
    name : str
        Preferred name; what ``finding_source_value`` holds.
    code : str
        ICD-10-CN category or code, laboratory item, procedure code, or the name where no code exists.
    kind : str
        ``problem``, ``symptom``, ``sign``, ``finding``, ``test``, ``drug``, ``procedure`` or ``habit``.
    """

    name: str
    code: str
    kind: str


def split(words: str) -> list[str]:
    """Split an enumeration on the Chinese comma."""
    return [word for word in words.split("、") if word]


@cache
def terms() -> dict[str, Term]:
    """Give every term by each wording that stands for it; the first declaration of a wording decides."""
    found: dict[str, Term] = {}
    for wording, name, code, kind in [*_diseases(), *_symptoms(), *_tests(), *_drugs(), *_procedures(), *_others()]:
        found.setdefault(wording, found.get(name) or Term(name, code, kind))
    return found


def term(wording: str) -> Term:
    """Give the term of a wording.

    Raises
    ------
    KeyError
        If no table declares it.
    """
    return terms()[wording]


@cache
def implied() -> dict[str, str]:
    """Give, for a term that is present, the one that can then not be denied."""
    table = read_table("implied")
    return dict(zip(table.texts("term"), table.texts("implies"), strict=True))


_Row = tuple[str, str, str, str]


def _diseases() -> list[_Row]:
    names = dict(zip(read_table("chronic").texts("key"), read_table("chronic").texts("name"), strict=True))
    codes = read_table("icd10cn").rows()
    first: dict[str, str] = {}
    for row in codes:
        first.setdefault(row["group"], row["code"])
    own = {"t2dm_main": "t2dm", "stroke_acute": "stroke"}
    rows = [(name, name, first[key][:3], "problem") for key, name in names.items()]
    return rows + [(row["name"], names.get(own.get(row["group"], row["group"]), row["name"]), row["code"], "problem") for row in codes]


def _symptoms() -> list[_Row]:
    table = read_table("symptoms")
    kinds = (("present", "symptom"), ("absent", "symptom"), ("differential", "problem"), ("signs", "sign"))
    return [(word, word, word, kind) for column, kind in kinds for text in table.texts(column) for word in split(text)]


def _tests() -> list[_Row]:
    rows = [(row["name"], row["name"], row["code"], "test") for row in read_table("labs").rows()]
    return rows + [(row["code"], row["name"], row["code"], "test") for row in read_table("labs").rows()]


def _drugs() -> list[_Row]:
    rows = read_table("drugs").rows()
    named = [(row["ingredient"], row["ingredient"], row["ingredient"], "drug") for row in rows]
    return named + [(row["name"], row["ingredient"], row["ingredient"], "drug") for row in rows]


def _procedures() -> list[_Row]:
    return [(row["name"], row["name"], row["code"], "procedure") for row in read_table("procedures").rows()]


def _others() -> list[_Row]:
    table = read_table("term_types")
    return [(name, name, name, kind) for name, kind in zip(table.texts("term"), table.texts("type"), strict=True)]
