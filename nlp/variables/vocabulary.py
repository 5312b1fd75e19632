"""The names that a variable may use: kinds of document, sections, units, systems, functions."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from nlp.variables.catalogue import Catalogue

__all__ = ["Vocabulary", "nearest", "standard_vocabulary"]

#: Most names that a hint lists.
_SHOWN = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Names to check variables against; None where any name will do.

    Parameters
    ----------
    documents, sections, systems : frozenset of str, optional
        Standard names.
    functions : Catalogue, optional
        The functions that may be called.
    """

    documents: frozenset[str] | None = None
    sections: frozenset[str] | None = None
    systems: frozenset[str] | None = None
    functions: Catalogue | None = None


# Systems whose grades are read by a grammar of their own (nlp/quantities/stage_forms.py), not listed in nlp/data/stages.yaml.
_GRAMMARS = ("TNM", "stage", "Gleason", "Apgar", "Ki-67", "HER2", "Levine", "wound healing", "hypertension risk", "plus")


@cache
def standard_vocabulary() -> Vocabulary:
    """Return the names that this package knows: its documents, sections, staging systems and built-in functions.

    Examples
    --------
    >>> "现病史" in standard_vocabulary().sections
    True
    """
    from nlp.documents import document_kinds
    from nlp.quantities.stages import systems
    from nlp.titles import section_names
    from nlp.variables.functions import builtin

    return Vocabulary(
        documents=frozenset(document_kinds()),
        sections=frozenset(section_names()),
        systems=frozenset({*systems(), *_GRAMMARS}),
        functions=builtin(),
    )


def nearest(name: str, known: Collection[str]) -> str:
    """Return a hint with the known name that is most like a name, or the first of the known names.

    Examples
    --------
    >>> nearest("检查所现", ["检查所见", "检查结论"])
    'did you mean 检查所见?'
    """
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    shown = sorted(known)
    return f"known: {', '.join(shown[:_SHOWN])}" + (f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else "")
