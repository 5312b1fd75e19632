"""The reference of the cohort language is made of its specs."""

from tests.lib.language_reference import CHAPTERS, reference
from tests.lib.paths import REPOSITORY


def test_every_chapter_is_in_it() -> None:
    found = {path.stem.removeprefix("test_spec_") for path in (REPOSITORY / "tests" / "spec").glob("test_spec_*.py")}
    assert found - {"evidence"} == set(CHAPTERS)


def test_titles_stand_under_their_chapter() -> None:
    text = reference()
    chapter = text.split("## Windows around the index")[1].split("## ")[0]
    assert "- Both ends of a window of days belong to it" in chapter
    assert text.count("\n- ") >= 250
