"""``workbench imaging approve`` and ``import``: a model from elsewhere, by the hash that the data centre or its user knows."""

import pytest

from tests.lib.command import workbench_command
from tests.lib.zoo_bundles import packed, zoo_bundle
from workbench.series.approvals import LIST

SESSION = """schema = 1
user = "u"
project = "p"
session = "s"
language = "zh"
data.store = "{place}/slice"
home.path = "{place}"
shared.path = "{place}"
disclosure.threshold = 10
disclosure.rounding = 5
display.bytes_per_hour = 1000
release.outbox = "{place}"
release.status = "{place}"
broker.socket = "{place}/b"
"""


def run(*arguments) -> int:
    return workbench_command("imaging", *arguments)


@pytest.fixture
def archive(tmp_path):
    zoo_bundle(tmp_path / "spleen")
    return packed(tmp_path / "spleen", tmp_path / "s.zip")


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A session whose slice may have a list of approved models."""
    (tmp_path / "slice").mkdir()
    (tmp_path / "session.toml").write_text(SESSION.format(place=tmp_path))
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "session.toml"))
    return tmp_path / "slice" / LIST


def test_in_a_session_only_what_the_data_centre_approved_is_brought_in(archive, session, tmp_path, capsys):
    assert run("import", archive, "--out", tmp_path / "b") == 6, "there is no list"
    assert "没有批准此模型" in capsys.readouterr().err
    session.write_text(f"# by the imaging group\n{'0' * 64}  another model\n")
    assert run("import", archive, "--out", tmp_path / "b") == 6
    assert run("approve", archive, "--list", session) == 0
    shown = capsys.readouterr().out
    assert "未采用: configs/train.json, docs/README.md, scripts/__init__.py" in shown
    assert run("approve", archive, "--list", session) == 0
    assert "已在列表中" in capsys.readouterr().out
    assert session.read_text().count("Spleen CT segmentation") == 1
    assert session.stat().st_mode & 0o444 == 0o444, "sessions have to read it"
    assert run("import", archive, "--out", tmp_path / "b") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("bundle=Spleen CT segmentation@")


def test_a_users_own_hash_is_no_approval_in_a_session(archive, session, tmp_path, capsys):
    run("approve", archive)
    sha256 = capsys.readouterr().out.splitlines()[-1].removeprefix("sha256=")
    assert run("import", archive, "--out", tmp_path / "b", "--sha256", sha256) == 6


@pytest.mark.parametrize("line", ["no hash", "0" * 63 + "  short", "0" * 64, "../" * 22])
def test_a_list_that_is_not_understood_approves_nothing(archive, session, tmp_path, line):
    assert run("approve", archive, "--list", session) == 0
    session.write_text(session.read_text() + line + "\n")
    assert run("import", archive, "--out", tmp_path / "b") == 5
    assert run("approve", archive, "--list", session) == 5


def test_elsewhere_the_hash_is_given_by_its_user(archive, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORKBENCH_SESSION", str(tmp_path / "none.toml"))
    assert run("import", archive, "--out", tmp_path / "b") == 6
    assert "需要事先知道" in capsys.readouterr().err
    assert run("import", archive, "--out", tmp_path / "b", "--sha256", "0" * 64) == 4
    assert run("approve", archive) == 0
    sha256 = capsys.readouterr().out.splitlines()[-1].removeprefix("sha256=")
    assert run("import", archive, "--out", tmp_path / "b", "--sha256", sha256) == 0
    assert (tmp_path / "b" / "docs" / "README.zh-CN.md").is_file()
