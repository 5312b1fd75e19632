"""Errors as people meet them."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

CELL = """
from workbench.errors import DefinitionError
raise DefinitionError("days is 7; wanted two", hint="days=(-30, 0)")
"""


def test_a_notebook_shows_the_message_and_no_traceback(capsys):
    shell = InteractiveShell()
    shell.run_cell(CELL)
    assert capsys.readouterr().out.strip() == "DefinitionError: days is 7; wanted two\n  -> days=(-30, 0)"
