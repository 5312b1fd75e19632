"""Every spec runs on every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lib.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from workbench.cohort.engine import Engine


@pytest.fixture(params=sorted(ENGINES))
def make(request: pytest.FixtureRequest) -> Callable[[Mapping[str, pa.Table]], Engine]:
    """Make an engine over tables."""
    return ENGINES[request.param]
