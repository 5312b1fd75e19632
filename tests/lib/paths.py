"""Where real data for tests lies, when it is there."""

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def shared(relative: str) -> Path:
    """Return a path under the data folder beside the repository, or skip the test when it is not there."""
    path = REPOSITORY.parent / "shared" / "data" / relative
    if not path.exists():
        pytest.skip(f"real data set {relative} is not beside this checkout (shared/data/{relative})")
    return path
