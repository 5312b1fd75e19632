"""Every command's help has an example and its exit codes."""

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from workbench.cli import AREAS, app

COMMANDS = [(area, name) for area in AREAS for name in get_command(app).get_command(None, area).commands]


@pytest.mark.parametrize(("area", "name"), COMMANDS, ids=[" ".join(each) for each in COMMANDS])
def test_help_has_an_example_and_exit_codes(area, name):
    shown = CliRunner().invoke(app, [area, name, "--help"])
    assert shown.exit_code == 0
    assert f"workbench {area} {name}" in shown.output
    assert "Exit codes" in shown.output
    assert "Example" in shown.output


def test_the_whole_names_every_area_and_code():
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(area in shown for area in AREAS)
    assert "7  bytes differ" in shown
