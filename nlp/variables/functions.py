"""The functions that come with the package."""

from __future__ import annotations

from nlp.variables import functions_drugs, functions_history, functions_nodes, functions_numbers, functions_words
from nlp.variables.catalogue import Catalogue

__all__ = ["builtin"]


def builtin() -> Catalogue:
    """Return a catalogue with the built-in functions, its holder's own: what is added to it changes no other.

    Examples
    --------
    >>> sorted(builtin())[:3]
    ['blood_pressure', 'change_against_earlier', 'count_mentions']
    """
    modules = (functions_numbers, functions_drugs, functions_words, functions_history, functions_nodes)
    return Catalogue(tuple(function for module in modules for function in module.FUNCTIONS))
