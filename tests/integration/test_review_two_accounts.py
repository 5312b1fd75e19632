"""Two reviewers with accounts of their own, in a folder of their group: both decide, differ, and a third rules."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

import workbench as wb
from nlp.errors import PlaceError
from nlp.variables.definition import Target, Variable
from nlp.variables.sets import VariableSet
from tests.lib.noted import noted_store

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="takes on the accounts of two users, so it needs root"),
]
GROUP, FIRST, SECOND, STRANGER = 60_100, 60_101, 60_102, 60_103
ASKED = VariableSet(name="asked", variables=(Variable(name="cough", target=Target(terms=("咳嗽",))),))


@pytest.fixture
def place():
    """A folder that every account can reach, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="two-accounts-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def structured(place):
    return wb.notes(noted_store(place / "store")).structure(ASKED, folder=place / "texts", workers=1, progress=False)


@pytest.fixture
def shared(place):
    folder = place / "shared"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(0o2770)
    return folder


def acting_as(user, work, *, groups=(GROUP,)):
    """Do something as another account, with the umask of a session; tell whether it went well."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    try:
        os.setgroups(list(groups))
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        os.umask(0o077)
        work()
    except BaseException:  # a child of pytest ends here, whatever happens
        os._exit(1)
    os._exit(0)


def judge(structured, shared, reviewer, verdict):
    review = structured.review(n=8, reviewer=reviewer, folder=shared)
    for place, item in enumerate(review.items):
        assert review.widget().state["done"] == place
        review.widget().handle({"do": "decide", "verdict": verdict if item.note_id % 2 else "accept"})
        assert review.widget().state["fault"] == ""
    review.gold()


def test_two_accounts_review_the_same_items(structured, shared):
    assert acting_as(FIRST, lambda: judge(structured, shared, "甲", "unsure"))
    assert acting_as(SECOND, lambda: judge(structured, shared, "乙", "accept"))
    review = structured.review(n=8, reviewer="丙", folder=shared)
    differ = {item.key for item in review.items if item.note_id % 2}
    assert 0 < len(differ) < 8
    table = review.agreement()
    assert table[["reviewer", "other", "items", "agreed"]].values.tolist() == [["乙", "甲", 8, 1 - len(differ) / 8]]
    assert set(review.disagreements()["item"]) == differ
    assert {path.stat().st_uid for path in review.log.folder.iterdir()} == {FIRST, SECOND}
    third = review.adjudicate("丙")
    for _ in differ:
        third.widget().handle({"do": "decide", "verdict": "accept"})
    assert review.metrics()["open"].sum() == 0


def test_no_account_decides_for_another_and_strangers_see_nothing(structured, shared):
    assert acting_as(FIRST, lambda: judge(structured, shared, "甲", "accept"))

    def in_anothers_name():
        with pytest.raises(PlaceError, match="another account"):
            structured.review(n=8, reviewer="甲", folder=shared)

    assert acting_as(SECOND, in_anothers_name)
    assert not acting_as(STRANGER, lambda: list(shared.iterdir()), groups=())
