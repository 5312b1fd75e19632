"""Cohort search: a language, frozen queries, engines that answer them alike.

``wb.cohort("name")`` starts a definition: the package can be called, because importing any of its modules makes it an
attribute of ``workbench`` under the very name that the language gives to its first word.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.cohort.language import CohortBuilder


class _CallablePackage(ModuleType):
    """A package that starts a cohort when called; see :func:`workbench.cohort.language.cohort`."""

    def __call__(self, name: str) -> CohortBuilder:
        from workbench.cohort.language import cohort

        return cohort(name)


sys.modules[__name__].__class__ = _CallablePackage
