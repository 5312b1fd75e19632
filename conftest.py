"""Every test, doctests too: the language it leaves behind, and what it may have let out."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from workbench import locale

# Generated tests draw the same examples at each `make test`, and others at each `make nightly`; a slow machine fails none of them.
PATIENT = {"database": None, "deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("fixed", derandomize=True, **PATIENT)
settings.register_profile("nightly", print_blob=True, **PATIENT)
settings.load_profile(os.environ.get("WORKBENCH_HYPOTHESIS", "fixed"))

#: Programs that tests run elsewhere, not modules to import.
collect_ignore = ["tests/lib/isolation_probe.py"]

#: Identifiers that the synthetic hospital plants: numbers with an unassigned division, phones with an unassigned prefix.
CANARY = re.compile(r"(?<!\d)(?:7199\d{13}[\dX]|154\d{8}|ZY[01]7\d{8})(?!\d)")
OUTSIDE = ("ledger*", "released/**/*", "audit/*")


@pytest.fixture(autouse=True)
def _language_of_its_own():
    """Let no test change the language of the next."""
    before = locale._chosen
    yield
    locale._chosen = before


@pytest.fixture
def english() -> None:
    """Let what is shown be English, for tests that ask what it says."""
    locale.set_language("en")


@pytest.fixture(autouse=True)
def _no_canary_gets_out(request, caplog):
    """Fail a test whose logs, ledger or released files name a planted identifier."""
    yield
    if any(CANARY.search(record.getMessage()) for record in caplog.get_records("call")):
        pytest.fail("a planted identifier stands in the log")
    folder = request.node.funcargs.get("tmp_path") if hasattr(request.node, "funcargs") else None
    for pattern in OUTSIDE if isinstance(folder, Path) else ():
        for path in folder.rglob(pattern):
            if path.is_file() and CANARY.search(path.read_text(encoding="utf-8", errors="replace")):
                pytest.fail(f"a planted identifier stands in {path.relative_to(folder)}")
