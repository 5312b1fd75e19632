"""Sets of variables and reviews that the members of a project share."""

from __future__ import annotations

from dataclasses import replace

import pytest

import workbench as wb
from nlp.errors import VariableError
from nlp.variables import load_set, ready_set
from nlp.variables.reading import save_set
from tests.lib.manifest import in_a_session
from workbench import cli
from workbench.errors import DefinitionError, EnvironmentFault
from workbench.texts.shared_sets import open_shared, share_variables, shared_sets

EXAMPLE = ready_set("example")


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o2770)
    in_a_session(monkeypatch, tmp_path / "session.toml", language="en", home=tmp_path / "home", shared=tmp_path / "shared")
    return tmp_path / "shared"


def test_a_colleague_opens_what_was_shared(project):
    path = share_variables(EXAMPLE)
    assert path == project / "variables" / "example@1.0.yaml"
    assert wb.variable_set("project:example").hash == EXAMPLE.hash
    assert [variable.name for variable in wb.variable_set("project:example@1.0/cough")] == ["cough"]
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o7777) == (0o640, 0o2770)


def test_the_newest_version_is_opened_as_people_count(project):
    for version in ("1.9", "1.10", "1.2"):
        share_variables(replace(EXAMPLE, version=version))
    assert [each.version for each in shared_sets()] == ["1.10", "1.9", "1.2"]
    assert open_shared("example").set.version == "1.10"
    assert open_shared("example@1.2").set.version == "1.2"


def test_a_shared_version_stays_what_it_is(project):
    path = share_variables(EXAMPLE)
    before = path.read_bytes()
    assert share_variables(EXAMPLE) == path
    with pytest.raises(DefinitionError, match=r"version 1\.0 of example is shared already") as error:
        share_variables(EXAMPLE.select(["cough"]))
    assert "raise the version" in error.value.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize(("name", "version"), [("../x", "1"), ("x", ""), ("a@b", "1"), (".x", "1"), ("x", "1/2")])
def test_names_that_cannot_be_files_are_refused(project, name, version):
    with pytest.raises(DefinitionError, match="cannot name a file"):
        share_variables(replace(EXAMPLE, name=name, version=version))
    assert not list(project.iterdir())


def test_what_is_not_there_is_answered_with_what_is(project):
    with pytest.raises(VariableError, match="no set 'mine'") as error:
        wb.variable_set("project:mine")
    assert "nobody has shared" in error.value.hint
    share_variables(EXAMPLE)
    with pytest.raises(VariableError, match="no set 'example@2'") as error:
        wb.variable_set("project:example@2")
    assert "project:example@1.0" in error.value.hint


def test_outside_a_session_there_is_no_project(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    with pytest.raises(EnvironmentFault, match="not a session"):
        share_variables(EXAMPLE)


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["workbench", "text", "variables", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    return end.value.code, out, err


def test_the_command_shares_and_lists(project, tmp_path, monkeypatch, capsys):
    save_set(replace(EXAMPLE, name="mine", version="2"), tmp_path / "mine.yaml")
    code, out, _ = run(monkeypatch, capsys, "share", str(tmp_path / "mine.yaml"))
    assert (code, out.split()[0]) == (0, "project:mine@2")
    (project / "variables" / "bad@1.yaml").write_text("no set", encoding="utf-8")
    code, out, err = run(monkeypatch, capsys, "list")
    assert "project:mine" in out
    assert "library:example" in out
    assert (code, "bad@1.yaml" in err) == (DefinitionError.exit_code, True)
    assert load_set(project / "variables" / "mine@2.yaml").set.hash == replace(EXAMPLE, name="mine").hash
