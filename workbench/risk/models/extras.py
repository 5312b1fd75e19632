"""Libraries that only some models need, loaded where they are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from workbench.errors import EnvironmentFault

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["needed"]


def needed(library: str) -> ModuleType:
    """Load a library of the extra ``risk``.

    Parameters
    ----------
    library : str
        Name of its module.

    Returns
    -------
    module
        The library.

    Raises
    ------
    EnvironmentFault
        If it is not installed, or cannot be loaded.

    Examples
    --------
    >>> needed("math").sqrt(4)
    2.0
    """
    try:
        return import_module(library)
    except (ImportError, OSError) as error:  # OSError: a system library that it needs is not there
        raise EnvironmentFault(f"this model needs {library} ({error})", hint='pip install "clinical-workbench[risk]"') from error
