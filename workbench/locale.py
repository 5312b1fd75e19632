"""On-screen language: Chinese by default, English a switch away."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["get_language", "set_language", "speaking", "tr"]

_LANGUAGES = ("zh", "en")
_chosen: str | None = None


def set_language(language: str) -> None:
    """Choose the language of pages, plots and reports for this process.

    Parameters
    ----------
    language : {"zh", "en"}
        Chinese or English.

    Raises
    ------
    ValueError
        If `language` is neither.
    """
    if language not in _LANGUAGES:
        raise ValueError(f"language is {language!r}; wanted one of {_LANGUAGES}")
    global _chosen
    _chosen = language


def get_language() -> str:
    """Return the language in force: the chosen one, else ``WORKBENCH_LANGUAGE``, else Chinese."""
    if _chosen is not None:
        return _chosen
    wanted = os.environ.get("WORKBENCH_LANGUAGE", "zh")[:2]
    return wanted if wanted in _LANGUAGES else "zh"


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Show one thing in a language and leave the one in force as it was; empty changes nothing.

    Examples
    --------
    >>> with speaking("en"):
    ...     tr("患者", "patients")
    'patients'
    """
    global _chosen
    before = _chosen
    if language:
        set_language(language)
    try:
        yield
    finally:
        _chosen = before


def tr(zh: str, en: str) -> str:
    """Return the text in the language in force.

    Examples
    --------
    >>> set_language("en")
    >>> tr("患者", "patients")
    'patients'
    >>> set_language("zh")
    >>> tr("患者", "patients")
    '患者'
    """
    return zh if get_language() == "zh" else en
