"""The centre's policy and people, and the form of a request: every key named, nothing assumed."""

import json

import pytest

from workbench.disclosure import DisclosurePolicy
from workbench.errors import PolicyError, Refusal
from workbench.release.form import Form, read_form
from workbench.release.people import read_person
from workbench.release.policy import ReleasePolicy, load_release_policy

DISCLOSURE = "[disclosure]\nthreshold = 10\nrounding = 5\n"


def test_a_policy_is_read(tmp_path):
    (tmp_path / "p.toml").write_text(DISCLOSURE + "[release]\napprovals = 2\nmembers_may_review = true\nmost_files = 3\n", encoding="utf-8")
    policy = load_release_policy(tmp_path / "p.toml")
    assert policy == ReleasePolicy(
        disclosure=DisclosurePolicy(threshold=10, rounding=5), approvals=2, members_may_review=True, most_files=3
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "release"),
        (DISCLOSURE, "release"),
        ("[release]\napprovals = 1\n", "disclosure"),
        (DISCLOSURE + "[release]\n", "release.approvals"),
        (DISCLOSURE + "[release]\napprovals = 0\n", "release.approvals"),
        (DISCLOSURE + "[release]\napprovals = true\n", "release.approvals"),
        (DISCLOSURE + "[release]\napprovals = 1\nmembers_may_review = 1\n", "members_may_review"),
        (DISCLOSURE + "[release]\napprovals = 1\nreviewers = 1\n", "release.reviewers"),
        ("[disclosure]\nthreshold = 10\n[release]\napprovals = 1\n", "disclosure.rounding"),
        ("[release", "cannot be read"),
    ],
    ids=["empty", "no release", "no disclosure", "no approvals", "none", "bool", "int", "unknown", "half", "syntax"],
)
def test_an_unusable_policy_stops(tmp_path, text, named):
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=named):
        load_release_policy(tmp_path / "p.toml")


def test_people(tmp_path):
    centre = '[[users]]\nname = "li"\nrole = "reviewer"\n[[projects]]\nname = "p"\nmembers = ["li"]\n[public]\nport = 1\n'
    (tmp_path / "centre.toml").write_text(centre, encoding="utf-8")
    li = read_person("li", tmp_path / "centre.toml")
    assert (li.roles, li.projects) == ({"reviewer"}, {"p"})
    assert read_person("nobody", tmp_path / "centre.toml").roles == frozenset()


@pytest.mark.parametrize("text", ["[[users]]\nname = 'li'\n", "[users]\nli = 1\n", "[[projects]]\nname = 'p'\nmembers = 'li'\n", "[["])
def test_unusable_people_stop(tmp_path, text):
    (tmp_path / "centre.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError):
        read_person("li", tmp_path / "centre.toml")


def test_a_form_is_read_as_it_was_written():
    form = Form(title="t", purpose="p", outputs=("a.csv",), supporting=("b.csv",))
    assert read_form(form.to_json()) == form


GOOD = {"schema": 1, "title": "t", "purpose": "p", "files": [{"name": "a.csv", "kind": "output"}]}


@pytest.mark.parametrize(
    "document",
    [GOOD | {"author": "x"}, {k: v for k, v in GOOD.items() if k != "title"}, GOOD | {"schema": 2}, GOOD | {"files": []},
     GOOD | {"files": "a"},
     GOOD | {"files": [{"name": "../a", "kind": "output"}]}, GOOD | {"files": [{"name": "a", "kind": "released"}]},
     GOOD | {"files": [{"name": 1, "kind": "output"}]},
     GOOD | {"files": [{"name": "a", "kind": ["output"]}]}, GOOD | {"title": " "}, GOOD | {"title": 1}, GOOD | {"purpose": "x" * 5000},
     GOOD | {"files": [{"name": "a", "kind": "supporting"}]}, [], None],
)  # fmt: skip
def test_what_is_no_form_is_refused(document):
    with pytest.raises(Refusal):
        read_form(json.dumps(document).encode())


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(content):
    with pytest.raises(Refusal):
        read_form(content)
