"""The command ``workbench`` as a person types it, within the test's own process."""

import sys
from unittest.mock import patch

import pytest

from workbench import cli


def workbench_command(*arguments: object) -> int:
    """Run ``workbench ARGUMENTS`` and return its exit code."""
    with patch.object(sys, "argv", ["workbench", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code or 0
