"""Codelists written in code: by system, by range, joined and taken away from one another."""

from __future__ import annotations

import re
import unicodedata
import warnings
from itertools import product
from string import ascii_uppercase
from typing import TYPE_CHECKING

from workbench.codelists.nodes import CodeItem, Codelist
from workbench.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CodelistNote",
    "clean_code",
    "codelist",
    "codelist_minus",
    "codelist_union",
    "concepts",
    "drug_codes",
    "icd9cm3",
    "icd10cn",
    "local_lab",
    "once",
    "source_codes",
    "source_concepts",
]

_ICD10 = re.compile(r"[A-Z]\d{2}(\.[0-9A-Z][0-9A-Za-z]*)?[+*†]?")
_ICD10_CATEGORY = re.compile(r"[A-Z]\d{2}")
_ICD9CM3 = re.compile(r"\d{2}(\.\d[0-9A-Za-z]*)?")


class CodelistNote(UserWarning):
    """Something in a codelist was mended; read whether that is what was meant."""


def icd10cn(*codes: str, descendants: bool = True, exclude: Iterable[str] = (), name: str = "") -> Codelist:
    """Build a codelist of ICD-10-CN codes.

    Parameters
    ----------
    *codes : str
        Categories (``"E11"``), codes (``"E11.900"``) or ranges of categories with both ends inside (``"E10-E14"``).
    descendants : bool
        Whether every code that starts with a given one counts as well.
    exclude : iterable of str
        Codes or ranges to take away, with all that start with them.
    name : str
        Shown on screen; the codes where empty.

    Returns
    -------
    Codelist
        Items of the system ``ICD10CN``.

    Raises
    ------
    DefinitionError
        If a code is blank or does not have the shape of ICD-10, or a range runs backwards.

    Examples
    --------
    >>> [item.code for item in icd10cn("E10-E12", exclude=["E11.2"]).include]
    ['E10', 'E11', 'E12']
    """
    return codelist(_icd10(codes), system="ICD10CN", descendants=descendants, exclude=_icd10(exclude), name=name)


def icd9cm3(*codes: str, descendants: bool = True, exclude: Iterable[str] = (), name: str = "") -> Codelist:
    """Build a codelist of ICD-9-CM3 (Chinese edition) procedure codes.

    Parameters
    ----------
    *codes : str
        Categories (``"36"``) or codes (``"36.1"``, ``"36.0701"``).
    descendants : bool
        Whether every code that starts with a given one counts as well.
    exclude : iterable of str
        Codes to take away, with all that start with them.
    name : str
        Shown on screen; the codes where empty.

    Returns
    -------
    Codelist
        Items of the system ``ICD9CM3CN``.

    Raises
    ------
    DefinitionError
        If a code is blank or does not have the shape of ICD-9-CM3.

    Examples
    --------
    >>> icd9cm3("36.1").include[0].descendants
    True
    """
    wanted, unwanted = (_shaped(each, _ICD9CM3, "ICD-9-CM3", "36.1") for each in (codes, exclude))
    return codelist(wanted, system="ICD9CM3CN", descendants=descendants, exclude=unwanted, name=name)


def drug_codes(*codes: str, system: str = "DRUG", descendants: bool = False, exclude: Iterable[str] = (), name: str = "") -> Codelist:
    """Build a codelist of drug codes as the source writes them.

    Parameters
    ----------
    *codes : str
        Codes of the insurance catalogue, ATC or the hospital.
    system : str
        Name of the code system, kept with the codes.
    descendants : bool
        Whether every code that starts with a given one counts as well (ATC).
    exclude : iterable of str
        Codes to take away, with all that start with them.
    name : str
        Shown on screen; the codes where empty.

    Returns
    -------
    Codelist
        Items of `system`.

    Raises
    ------
    DefinitionError
        If a code is blank.

    Examples
    --------
    >>> drug_codes("A10A", system="ATC", descendants=True).include[0].system
    'ATC'
    """
    return codelist(codes, system=system, descendants=descendants, exclude=exclude, name=name)


def local_lab(*codes: str, name: str = "") -> Codelist:
    """Build a codelist of the laboratory's own test codes or names, each compared exactly.

    Raises
    ------
    DefinitionError
        If a code is blank.

    Examples
    --------
    >>> local_lab("HbA1c", "糖化血红蛋白").include[1].code
    '糖化血红蛋白'
    """
    return codelist(codes, system="LOCAL_LAB", name=name)


def source_codes(*codes: str, system: str, descendants: bool = False, exclude: Iterable[str] = (), name: str = "") -> Codelist:
    """Build a codelist of any other source codes; see :func:`drug_codes` for the parameters.

    Raises
    ------
    DefinitionError
        If a code is blank or `system` is empty.

    Examples
    --------
    >>> source_codes("C0301", system="YB_CONSUMABLE", descendants=True).include[0].code
    'C0301'
    """
    return codelist(codes, system=system, descendants=descendants, exclude=exclude, name=name)


def concepts(*ids: int, descendants: bool = True, mapped: bool = False, exclude: Iterable[int] = (), name: str = "") -> Codelist:
    """Build a codelist of OMOP standard concepts.

    Parameters
    ----------
    *ids : int
        Concept ids.
    descendants : bool
        Whether the concepts below them count, by the store's ``concept_ancestor``.
    mapped : bool
        Whether concepts that map to them count.
    exclude : iterable of int
        Concept ids to take away, with `descendants` and `mapped` alike.
    name : str
        Shown on screen; the ids where empty.

    Returns
    -------
    Codelist
        Items compared with the standard concept column.

    Raises
    ------
    DefinitionError
        If an id is not a whole number of 0 or more.

    Examples
    --------
    >>> concepts(201826).include[0]
    CodeItem(code='201826', system='concept', descendants=True, mapped=False)
    """
    return _concepts(ids, "concept", descendants, mapped, exclude, name)


def source_concepts(*ids: int, descendants: bool = True, mapped: bool = False, exclude: Iterable[int] = (), name: str = "") -> Codelist:
    """Build a codelist of concepts compared with the source concept column; see :func:`concepts`.

    Raises
    ------
    DefinitionError
        If an id is not a whole number of 0 or more.

    Examples
    --------
    >>> source_concepts(45542738, descendants=False).include[0].system
    'source_concept'
    """
    return _concepts(ids, "source_concept", descendants, mapped, exclude, name)


def codelist(
    codes: Iterable[str],
    *,
    system: str,
    descendants: bool = False,
    exclude: Iterable[str] = (),
    name: str = "",
) -> Codelist:
    """Build a codelist of one system from codes that have been checked for shape or need no such check.

    Raises
    ------
    DefinitionError
        If a code is blank, or none is left.

    Examples
    --------
    >>> codelist(["K35", "K36"], system="ICD10CN", descendants=True, name="阑尾炎").name
    '阑尾炎'
    """
    include = once(CodeItem(clean_code(code, system), system, descendants) for code in _several(codes))
    taken = once(CodeItem(clean_code(code, system), system, descendants=True) for code in _several(exclude))
    return Codelist(include, taken, name)


def codelist_union(first: Codelist, *others: Codelist, name: str = "") -> Codelist:
    """Join codelists: a row matches where it matches one of them.

    Raises
    ------
    DefinitionError
        If one list excludes what another might include, so that no single list says both.

    Examples
    --------
    >>> [item.code for item in codelist_union(icd10cn("E11"), icd10cn("E14")).include]
    ['E11', 'E14']
    """
    lists = (first, *others)
    for one, other in product(lists, lists):
        clash = [item.code for item in one.exclude if item not in other.exclude and any(_touch(item, wanted) for wanted in other.include)]
        if one is not other and clash:
            raise DefinitionError(
                f"codelists cannot be joined: one excludes {', '.join(clash)}, which another may include",
                hint="ask for both with wb.any_event(...)",
            )
    include = tuple(dict.fromkeys(item for each in lists for item in each.include))
    exclude = tuple(dict.fromkeys(item for each in lists for item in each.exclude))
    return Codelist(include, exclude, name or " + ".join(filter(None, (each.name for each in lists))))


def codelist_minus(codes: Codelist, taken: Codelist, *, name: str = "") -> Codelist:
    """Take the codes of one codelist away from another.

    Raises
    ------
    DefinitionError
        If `taken` itself excludes codes, so that no single list says it.

    Examples
    --------
    >>> [item.code for item in codelist_minus(icd10cn("E11"), icd10cn("E11.2")).exclude]
    ['E11.2']
    """
    if taken.exclude:
        raise DefinitionError(f"codelist {taken.name or '(without name)'} excludes codes itself and cannot be taken away from another")
    return Codelist(codes.include, tuple(dict.fromkeys((*codes.exclude, *taken.include))), name or codes.name)


# ------------------------------------------------------------------------------------------------------------- checks


def _several(codes: Iterable[str]) -> tuple[str, ...]:
    return (codes,) if isinstance(codes, str) else tuple(codes)


def clean_code(code: object, system: str) -> str:
    """Return a code without blanks around it, an ICD code in half-width characters too."""
    if not isinstance(code, str):
        raise DefinitionError(f"code {code!r} is not a text", hint="source codes are texts; concept ids go into wb.concepts(...)")
    cleaned = (unicodedata.normalize("NFKC", code) if system.startswith("ICD") else code).strip()
    if not cleaned:
        raise DefinitionError("a code is blank", hint="remove the empty entry")
    if cleaned != code:
        warnings.warn(f"code {code!r} was read as {cleaned!r}", CodelistNote, stacklevel=2)
    return cleaned


def once(items: Iterable[CodeItem]) -> tuple[CodeItem, ...]:
    """Return the items without repetition, with a note where there was one."""
    listed = tuple(items)
    kept = tuple(dict.fromkeys(listed))
    if len(kept) < len(listed):
        twice = sorted({item.code for item in listed if listed.count(item) > 1})
        warnings.warn(f"codes given more than once: {', '.join(twice)}", CodelistNote, stacklevel=2)
    return kept


def _shaped(codes: Iterable[str], shape: re.Pattern[str], system: str, example: str) -> list[str]:
    cleaned = [clean_code(code, "ICD") for code in _several(codes)]
    for code in cleaned:
        if not shape.fullmatch(code):
            raise DefinitionError(f"{code!r} does not look like a code of {system}", hint=f"wanted for example {example!r}")
    return cleaned


def _icd10(codes: Iterable[str]) -> list[str]:
    spread = [code for given in _several(codes) for code in _range(clean_code(given, "ICD"))]
    return _shaped(spread, _ICD10, "ICD-10-CN", "E11.900")


def _range(code: str) -> list[str]:
    """Spread a range of categories; anything else is returned as it is."""
    first, dash, last = (part[:1].upper() + part[1:] for part in code.partition("-"))
    if not dash:
        return [first]
    if not (_ICD10_CATEGORY.fullmatch(first) and _ICD10_CATEGORY.fullmatch(last) and first <= last):
        raise DefinitionError(f"range {code!r} cannot be read", hint="wanted two categories in order, as in 'E10-E14'")
    categories = (f"{letter}{number:02d}" for letter, number in product(ascii_uppercase, range(100)))
    return [category for category in categories if first <= category <= last]


def _concepts(ids: Iterable[int], system: str, descendants: bool, mapped: bool, exclude: Iterable[int], name: str) -> Codelist:
    include, taken = (once(CodeItem(_concept_id(each), system, descendants, mapped) for each in group) for group in (ids, exclude))
    return Codelist(include, taken, name)


def _concept_id(value: object) -> str:
    if isinstance(value, bool) or not str(value).isascii() or not str(value).isdigit():
        raise DefinitionError(f"concept id {value!r} is not a whole number of 0 or more")
    return str(int(str(value)))


def _touch(one: CodeItem, other: CodeItem) -> bool:
    """Whether two items might match the same row; of concepts with descendants only a vocabulary could tell."""
    if one.is_concept != other.is_concept or (one.is_concept and one.system != other.system):
        return False
    wide = one.descendants or other.descendants or one.mapped or other.mapped
    if one.is_concept:
        return wide or one.code == other.code
    return (
        (one.descendants and other.code.startswith(one.code))
        or (other.descendants and one.code.startswith(other.code))
        or one.code == other.code
    )
