"""On-screen language: Chinese by default, English a switch away."""

from __future__ import annotations

import os

__all__ = ["get_language", "set_language", "tr"]

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
