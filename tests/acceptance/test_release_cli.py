"""A researcher asks for a release, the airlock takes it, reviewers decide, the ledger tells: through the commands that people use."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import workbench.release
from tests.lib.manifest import in_a_session
from workbench.commands.ledger import app as ledger_app
from workbench.commands.release import app as release_app
from workbench.errors import IntegrityError, PolicyError, Refusal

POLICY = "[disclosure]\nthreshold = 10\nrounding = 5\n[release]\napprovals = 2\n"
ROLES = {"wang": "reviewer", "chen": "reviewer", "li": "reviewer", "zhao": "reviewer", "sun": "staff"}
PEOPLE = "".join(f'[[users]]\nname = "{name}"\nrole = "{role}"\n' for name, role in ROLES.items())
PEOPLE += '[[projects]]\nname = "diabetes"\nmembers = ["wang", "chen"]\n'


class House:
    """A data centre in a folder: outbox, airlock, answers, policy, people, and wang's session."""

    def __init__(self, root: Path, monkeypatch) -> None:
        self.root = root
        self.outbox, self.airlock, self.status = root / "outbox", root / "airlock", root / "status"
        self.mine = self.outbox / "diabetes" / "wang"
        self.mine.mkdir(parents=True)
        (root / "policy.toml").write_text(POLICY, encoding="utf-8")
        (root / "people.toml").write_text(PEOPLE, encoding="utf-8")
        (root / "home").mkdir()
        mine = self.status / "diabetes" / "wang"
        in_a_session(monkeypatch, root / "session.toml", project="diabetes", outbox=self.mine, status=mine)

    def file(self, name: str, text: str) -> Path:
        path = self.root / "home" / name
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, command: str, *arguments: str) -> str:
        options = ["--airlock", str(self.airlock), "--policy", str(self.root / "policy.toml")]
        if command == "watch":
            options += ["--outbox", str(self.outbox), "--status", str(self.status), "--once"]
        elif command not in ("list", "show", "withdraw"):
            options += ["--reviewers", str(self.root / "people.toml"), "--status", str(self.status)]
        return ran(release_app, command, *arguments, *options)


def ran(app, *arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.fixture
def house(tmp_path, monkeypatch) -> House:
    return House(tmp_path, monkeypatch)


SAFE = "组,人数\n男,120\n女,85\n其他,<10\n"


def test_from_the_session_to_the_released_report(house):
    asked = workbench.release.request(
        [house.file("表1.csv", SAFE)], title="基线特征表", purpose="论文表1", supporting=[house.file("底数.csv", "组,人数\n其他,7\n")]
    )
    assert asked.status().state == "waiting"
    assert asked.id in house.run("watch")
    assert asked.status().state == "in review"
    shown = house.run("show", asked.id)
    manifest = next(line.split()[1] for line in shown.splitlines() if line.startswith("manifest"))
    for person in ("wang", "chen", "sun"):  # the author, a member of the project, someone who is no reviewer
        with pytest.raises(Refusal):
            house.run("approve", asked.id, "--as", person)
    with pytest.raises(Refusal, match="not those of manifest"):
        house.run("approve", asked.id, "--as", "li", "--manifest", "0" * 64)
    house.run("approve", asked.id, "--as", "li", "--manifest", manifest[:12])
    with pytest.raises(Refusal, match="voted"):
        house.run("approve", asked.id, "--as", "li")
    with pytest.raises(Refusal):
        house.run("release", asked.id, "--as", "li")
    house.run("approve", asked.id, "--as", "zhao")
    assert asked.status().state == "approved"
    house.run("release", asked.id, "--as", "sun")
    assert asked.status().state == "released"

    package = house.airlock / "released" / asked.id
    assert (package / "files" / "表1.csv").read_text(encoding="utf-8") == SAFE
    assert [path.name for path in (package / "files").iterdir()] == ["表1.csv"]
    decision = json.loads((package / "decision.json").read_text(encoding="utf-8"))
    assert (decision["approvals"], decision["manifest"]) == (2, manifest)
    assert not any(f'"{name}"' in (package / "decision.json").read_text(encoding="utf-8") for name in ("li", "zhao"))
    assert "intact: 4 entries" in ran(ledger_app, "verify", str(house.airlock))
    assert "release release" in ran(ledger_app, "show", str(house.airlock))


def test_what_a_reviewer_would_reject_is_told_at_once(house):
    with pytest.raises(Refusal, match=r"表1.csv: table, row 3, column 2: a count from 1 to 9"):
        workbench.release.request([house.file("表1.csv", "组,人数\n男,120\n女,7\n")], title="t", purpose="p")
    assert list(house.mine.iterdir()) == []


def test_sent_anyway_it_comes_back(house):
    asked = workbench.release.request([house.file("a.csv", "组,人数\n男,120\n女,7\n")], title="t", purpose="p", anyway=True)
    house.run("watch")
    assert asked.status().state == "returned"
    assert asked.status().findings[0]["check"] == "small cells"
    with pytest.raises(Refusal):
        house.run("approve", asked.id, "--as", "li")


def test_what_changes_in_the_outbox_afterwards_changes_nothing(house):
    asked = workbench.release.request([house.file("a.csv", SAFE)], title="t", purpose="p")
    house.run("watch")
    (house.mine / asked.id / "files" / "a.csv").write_text("other", encoding="utf-8")
    house.run("watch")
    house.run("approve", asked.id, "--as", "li")
    house.run("approve", asked.id, "--as", "zhao")
    house.run("release", asked.id, "--as", "zhao")
    assert (house.airlock / "released" / asked.id / "files" / "a.csv").read_text(encoding="utf-8") == SAFE


def test_bytes_changed_in_the_airlock_void_the_request(house):
    asked = workbench.release.request([house.file("a.csv", SAFE)], title="t", purpose="p")
    house.run("watch")
    house.run("approve", asked.id, "--as", "li")
    house.run("approve", asked.id, "--as", "zhao")
    stored = next(path for path in (house.airlock / "objects").rglob("*") if path.is_file())
    stored.chmod(0o644)
    stored.write_text(SAFE.replace("85", "95"), encoding="utf-8")
    with pytest.raises(IntegrityError):
        house.run("release", asked.id, "--as", "zhao")
    assert "void" in house.run("list")
    assert not (house.airlock / "released" / asked.id).exists()


def test_reject_and_withdraw(house):
    first = workbench.release.request([house.file("a.csv", SAFE)], title="t", purpose="p")
    second = workbench.release.request([house.file("b.csv", SAFE)], title="t", purpose="p")
    house.run("watch")
    house.run("reject", first.id, "--as", "li", "--reason", "说明分组")
    assert (first.status().state, first.status().reasons) == ("rejected", ("说明分组",))
    with pytest.raises(Refusal):
        house.run("withdraw", second.id, "--as", "li")
    house.run("withdraw", second.id, "--as", "wang")
    assert "withdrawn" in house.run("list")


def test_without_a_policy_nothing_is_done(house, monkeypatch):
    monkeypatch.delenv("WORKBENCH_POLICY", raising=False)
    with pytest.raises(PolicyError):
        ran(release_app, "list", "--airlock", str(house.airlock))


def test_project_and_author_come_from_the_path(house):
    asked = workbench.release.request([house.file("a.csv", SAFE)], title="t", purpose="p")
    form = house.mine / asked.id / "request.json"
    document = json.loads(form.read_text(encoding="utf-8"))
    form.write_text(json.dumps({**document, "author": "someone", "project": "other"}), encoding="utf-8")
    house.run("watch")
    listed = house.run("list")
    assert "diabetes/wang" in listed
    assert "returned" in listed  # a form with keys of its own is not a form


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "fifo", "folder", "linked folder", "unnamed", "missing"])
def test_an_outbox_that_lies_is_returned(house, kind):
    secret = house.file("secret.csv", "秘密,1\n")
    asked = workbench.release.request([house.file("a.csv", SAFE)], title="t", purpose="p")
    files = house.mine / asked.id / "files"
    planted = files / "a.csv"
    if kind != "unnamed":
        planted.unlink()
    {
        "symlink": lambda: planted.symlink_to(secret),
        "hardlink": lambda: planted.hardlink_to(secret),
        "fifo": lambda: os.mkfifo(planted),
        "folder": planted.mkdir if kind == "folder" else None,
        "linked folder": lambda: (
            files.rmdir(),
            (house.root / "home" / "a.csv").write_text("秘密,1\n"),
            files.symlink_to(house.root / "home"),
        ),
        "unnamed": lambda: (files / ".hidden").write_text("x"),
        "missing": lambda: None,
    }[kind]()
    house.run("watch")
    assert asked.status().state == "returned"
    assert asked.status().findings[0]["check"] == "intake"
    assert not any("秘密" in path.read_text(encoding="utf-8") for path in (house.airlock / "objects").rglob("*") if path.is_file())


def test_states_are_drawn():
    assert ran(release_app, "states").startswith("stateDiagram-v2\n    [*] --> submitted")


def test_every_command_has_an_example_and_exit_codes():
    for app, commands in (
        (release_app, ("watch", "list", "show", "approve", "reject", "withdraw", "release", "states")),
        (ledger_app, ("verify", "show")),
    ):
        for command in commands:
            text = ran(app, command, "--help")
            assert "Example:" in text
            assert "Exit codes:" in text
