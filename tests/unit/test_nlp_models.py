"""Model folders: every byte is checked, a killed writer leaves the old model or none."""

import fcntl
import json
import os
import signal
import subprocess
import sys

import pytest

from nlp.entities import Entity, Example
from nlp.entities.chain import Plan
from nlp.entities.crf import CrfTagger, train_crf
from nlp.errors import ModelError, PlaceError, TextDataError
from nlp.models import CARD, ModelCard, check_free, describe_data, open_model, read_card, write_model

EXAMPLES = [
    Example(f"患者{word}{number}天", (Entity(2, 4, "sym"),), str(number))
    for number, word in enumerate(("腹痛", "发热", "咳嗽", "头晕") * 3)
]
CARD_OF = ModelCard(name="ward", kind="crf", labels=("sym",), data=describe_data(EXAMPLES, name="synthetic"))


@pytest.fixture(scope="module")
def tagger():
    return train_crf(EXAMPLES, Plan(epochs=4, folds=2))


@pytest.fixture
def folder(tmp_path, tagger):
    write_model(tmp_path / "m", CARD_OF, tagger.write_files)
    return tmp_path / "m"


def test_a_model_answers_as_before_it_was_written(folder, tagger):
    opened = open_model(folder)
    texts = ["今日腹痛2天", "", "咳嗽"]
    assert isinstance(opened, CrfTagger)
    assert opened.tag(texts) == tagger.tag(texts)
    assert opened.labels == ("sym",)
    assert opened.version == read_card(folder).source
    assert opened.version.startswith("ward@")


def test_the_card_says_what_it_learnt_from(folder):
    card = read_card(folder)
    assert card.data["n_texts"] == 12
    assert card.data["groups"] == 12
    assert len(card.data["sha256"]) == 64
    assert set(card.files) == {"crf.json", "crf.safetensors"}


def change(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


TAMPERED = {
    "changed": (lambda folder: change(folder / "crf.safetensors"), "crf.safetensors was changed"),
    "one byte more": (lambda folder: (folder / "crf.json").write_bytes((folder / "crf.json").read_bytes() + b" "), "crf.json was changed"),
    "missing": (lambda folder: (folder / "crf.json").unlink(), "crf.json is missing"),
    "one file more": (lambda folder: (folder / "x.py").write_text("1"), "x.py is not in the model's card"),
    "a link": (lambda folder: ((folder / "crf.json").unlink(), (folder / "crf.json").symlink_to("/dev/null")), "crf.json is a link"),
    "another card": (lambda folder: change(folder / CARD), "card.json"),
    "a card's number": (
        lambda folder: (folder / CARD).write_text(
            (folder / CARD).read_text(encoding="utf-8").replace('"groups": 12', '"groups": 13'), encoding="utf-8"
        ),
        "card.json was changed",
    ),
    "labels that are none": (
        lambda folder: (folder / CARD).write_text(
            json.dumps(json.loads((folder / CARD).read_text(encoding="utf-8")) | {"labels": 5}), encoding="utf-8"
        ),
        "card.json was changed",
    ),
    "a field of another version": (
        lambda folder: (folder / CARD).write_text(
            json.dumps(json.loads((folder / CARD).read_text(encoding="utf-8")) | {"era": 5}), encoding="utf-8"
        ),
        "other fields than a model's card of this version",
    ),
    "no card": (lambda folder: (folder / CARD).unlink(), "card.json cannot be read"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_tampering_is_named(folder, case):
    tamper, message = TAMPERED[case]
    tamper(folder)
    with pytest.raises(ModelError, match=message.replace(".", r"\.")):
        open_model(folder)


def test_an_unknown_kind_or_features_is_refused(tmp_path, tagger):
    write_model(tmp_path / "a", ModelCard(name="a", kind="oracle", labels=()), tagger.write_files)
    with pytest.raises(ModelError, match="oracle"):
        open_model(tmp_path / "a")

    def older(folder):
        tagger.write_files(folder)
        settings = json.loads((folder / "crf.json").read_text(encoding="utf-8"))
        (folder / "crf.json").write_text(json.dumps(settings | {"features": 0}), encoding="utf-8")

    write_model(tmp_path / "b", CARD_OF, older)
    with pytest.raises(ModelError, match="features of version 0"):
        open_model(tmp_path / "b")


def test_no_model_is_written_over_unless_asked(folder, tagger, tmp_path):
    with pytest.raises(TextDataError, match="a model already"):
        write_model(folder, CARD_OF, tagger.write_files)
    assert write_model(folder, ModelCard(name="new", kind="crf", labels=("sym",)), tagger.write_files, force=True).name == "new"
    assert read_card(folder).name == "new"
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("x")
    with pytest.raises(TextDataError, match="no model"):
        write_model(tmp_path / "work", CARD_OF, tagger.write_files, force=True)


def test_a_failed_writing_leaves_the_old_model_and_nothing_beside(folder, tagger):
    before = read_card(folder)

    def half(aside):
        tagger.write_files(aside)
        raise OSError("no space")

    with pytest.raises(PlaceError, match="no space"):
        write_model(folder, CARD_OF, half, force=True)
    assert read_card(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["m"]


def test_a_killed_writing_leaves_the_old_model(folder):
    before = read_card(folder)
    program = (
        "import os, signal, sys\n"
        "from nlp.models import ModelCard, write_model\n"
        "def half(aside):\n"
        "    (aside / 'crf.json').write_text('{}')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_model(sys.argv[1], ModelCard(name='x', kind='crf', labels=()), half, force=True)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(folder)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert read_card(folder) == before
    open_model(folder)


KILLED_BETWEEN = """
import os, pathlib, signal, sys
from nlp.models import ModelCard, write_model
rename, seen = pathlib.Path.rename, []
def renamed(self, target):
    rename(self, target)
    os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.rename = renamed
write_model(sys.argv[1], ModelCard(name="x", kind="crf", labels=()), lambda aside: (aside / "crf.json").write_text("{}"), force=True)
"""


def test_killed_between_the_two_renames_the_old_model_comes_back(folder, tagger):
    before = read_card(folder)
    assert subprocess.run([sys.executable, "-c", KILLED_BETWEEN, str(folder)], check=False).returncode == -signal.SIGKILL
    assert not folder.exists()
    open_model(folder)
    assert read_card(folder) == before
    write_model(folder, CARD_OF, tagger.write_files, force=True)
    assert [path.name for path in folder.parent.iterdir()] == ["m"]  # the killed writer's folder is gone too


def test_the_old_model_counts_where_a_new_one_would_be_written(folder, tagger):
    folder.rename(folder.parent / f".m.{'0' * 32}.old")
    with pytest.raises(TextDataError, match="a model already"):
        write_model(folder, CARD_OF, tagger.write_files)
    assert folder.is_dir()


def test_what_is_left_of_an_old_model_but_broken_is_not_put_back(folder):
    change(folder / "crf.safetensors")
    folder.rename(folder.parent / f".m.{'0' * 32}.old")
    with pytest.raises(ModelError, match="cannot be read"):
        read_card(folder)


def test_leftovers_are_swept_but_not_a_living_writer_s(folder, tagger):
    dead, alive = (folder.parent / f".m.{digit * 32}.part" for digit in "ab")
    for path in (dead, alive, folder.parent / ".m.notes.part", folder.parent / f".m.{'c' * 32}.old"):
        path.mkdir()
    lock = os.open(alive, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        write_model(folder, CARD_OF, tagger.write_files, force=True)
    finally:
        os.close(lock)
    assert sorted(path.name for path in folder.parent.iterdir()) == [".m." + "b" * 32 + ".part", ".m.notes.part", "m"]


@pytest.mark.parametrize("place", ["file/m", "n" * 300, "n" * 230])
def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path, place):
    (tmp_path / "file").write_text("x")
    with pytest.raises(PlaceError, match="cannot be written"):
        check_free(tmp_path / place)
