"""``make hub`` serves an earlier story again only if it is whole and the one asked for."""

from pathlib import Path

import pytest

from hub_config import demo


@pytest.fixture
def built(monkeypatch):
    """Count what is built anew; start no hub."""
    made = []

    def prepare(story):
        made.append(story.input)
        story.place.mkdir(exist_ok=True)
        (story.place / "built").write_text(story.input, encoding="utf-8")

    monkeypatch.setattr(demo, "prepare", prepare)
    monkeypatch.setattr(demo.os, "execv", lambda *_: None)
    return made


def test_other_input_is_built_and_the_same_is_not(built, tmp_path):
    for data, english in ((None, False), (None, False), (Path("/x"), False), (None, True)):
        demo.stay(demo.Story(tmp_path / "demo", data, 400, english))
    assert built == ["400 zh", "/x zh", "400 en"]


def test_a_story_killed_while_it_was_built_is_built_again(built, tmp_path):
    (tmp_path / "slices" / demo.PROJECT).mkdir(parents=True)
    demo.stay(demo.Story(tmp_path, None, 400, False))
    assert built == ["400 zh"]
