"""Errors as people meet them."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell

from workbench.errors import DataError
from workbench.locale import speaking

CELL = """
from workbench.errors import DefinitionError
raise DefinitionError("days is 7; wanted two", hint="days=(-30, 0)")
"""


def test_a_notebook_shows_the_message_and_no_traceback(capsys):
    shell = InteractiveShell()
    shell.run_cell(CELL)
    assert capsys.readouterr().out.strip() == "DefinitionError: days is 7; wanted two\n  -> days=(-30, 0)"


def test_an_error_told_beside_results_is_in_the_language_in_force_and_one_that_stops_is_english():
    error = DataError("nobody had the event", zh="无人发生结局")
    assert (error.shown, str(error)) == ("无人发生结局", "nobody had the event")
    with speaking("en"):
        assert error.shown == "nobody had the event"
    assert DataError("of another kind").shown == "of another kind"
