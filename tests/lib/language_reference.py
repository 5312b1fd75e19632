"""The reference of the cohort language: the titles of its specs, chapter by chapter, as Markdown.

Run ``python -m tests.lib.language_reference`` in the repository to print it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["reference"]

CHAPTERS = ("entry", "windows", "counts", "codes", "conditions", "person", "exit", "combinations")


def reference() -> str:
    """Return every sentence of the language, each of which is tried on every engine."""
    modules = [import_module(f"tests.spec.test_spec_{chapter}") for chapter in CHAPTERS]
    return "\n".join(["# The cohort language", *(line for module in modules for line in _chapter(module))]) + "\n"


def _chapter(module: ModuleType) -> Iterator[str]:
    yield from ("", f"## {(module.__doc__ or '').strip().splitlines()[0].rstrip('.')}", "")
    test = next(value for name, value in vars(module).items() if name.startswith("test_") and hasattr(value, "pytestmark"))
    yield from (f"- {title}" for mark in test.pytestmark for title in mark.kwargs["ids"])


if __name__ == "__main__":
    sys.stdout.write(reference())
