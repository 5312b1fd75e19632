"""Every engine that keeps the protocol of `workbench.cohort.engine`, by name, made over tables in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.store.duckdb import DuckDBEngine
from workbench.store.memory import MemoryEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from workbench.cohort.engine import Engine

__all__ = ["ENGINES"]

ENGINES: dict[str, Callable[[Mapping[str, pa.Table]], Engine]] = {
    "memory": MemoryEngine,
    "duckdb": DuckDBEngine.from_tables,
}
