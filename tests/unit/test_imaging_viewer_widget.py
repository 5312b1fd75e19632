"""The viewer's answers: what a browser may ask, what it gets, and that no message, whatever it holds, gets voxels or an exception."""

from __future__ import annotations

import io
import json
import random

import numpy as np
import pytest
from PIL import Image

from imaging.errors import TaskError
from imaging.viewer import Exhibit
from imaging.viewer.allowance import Allowance
from imaging.viewer.widget import READOUT_BYTES, Viewer
from tests.unit.test_imaging_viewer import made


class Heard(Viewer):
    """A viewer whose answers are kept."""

    def __init__(self, *shown, **settings):
        self.answers = []
        super().__init__(*shown, **settings)

    def send(self, content, buffers=None):
        self.answers.append((content, buffers))

    def ask(self, **message):
        self.handle({"id": "q", **message})
        return self.answers[-1]


def gradient():
    volume = made((10, 20, 30))
    volume.array[...] = np.arange(6000).reshape(10, 20, 30)
    return volume


LOOK = {"do": "show", "series": 0, "plane": "axial", "index": 3, "size": 300}


def test_a_slice_comes_as_a_picture_beside_its_place():
    viewer = Heard(gradient())
    told, (picture,) = viewer.ask(**LOOK, window=[3000, 6000])
    image = Image.open(io.BytesIO(picture))
    assert (image.format, image.size) == ("JPEG", (225, 300))
    assert (told["id"], told["index"], told["position"], told["outside"]) == ("q", 3, ["S", 12.0], False)
    assert told["mark"] == pytest.approx([0.5, 0.5])


def test_looking_begins_where_the_mask_is():
    volume = made((6, 8, 10), np.diag([2.0, 3.0, 5.0, 1.0]))
    mask = np.zeros(volume.shape, np.uint8)
    mask[1, 2, 2], mask[4, 4:7, 3:6] = 1, 2
    assert Viewer(Exhibit(volume=volume, mask=mask)).series[0]["start"] == [2 * 4, 3 * 5, 5 * 4]
    unplaced = made((6, 8, 10), placed=False)
    nowhere = (Exhibit(volume=volume), Exhibit(volume=volume, mask=mask * 0), Exhibit(volume=unplaced, mask=mask))
    assert [Viewer(each).series[0]["start"] for each in nowhere] == [None] * 3


def test_the_state_holds_names_and_numbers_only():
    volume = gradient()
    viewer = Heard(Exhibit(volume=volume, mask=(volume.array > 3000).astype(np.uint8), mask_names={1: "肺"}, label="胸部CT"))
    before = viewer.get_state()
    viewer.ask(**LOOK)
    after = viewer.get_state()
    state = {name: after[name] for name in ("series", "settings", "words", "language")}
    assert len(json.dumps(state["series"])) < 2000
    assert json.dumps(state, allow_nan=False)
    assert {name: value for name, value in after.items() if not name.startswith("_")} == {
        name: value for name, value in before.items() if not name.startswith("_")
    }
    assert [plane["aspect"] for plane in state["series"][0]["planes"]] == pytest.approx([40 / 30, 40 / 30, 1])
    assert state["series"][0]["mask"] == [["肺", (230, 159, 0)]]


def test_a_point_finds_its_slice_in_every_plane_and_series():
    one, other = gradient(), made((40, 20, 30), np.diag([1.0, 2.0, 1.0, 1.0]))
    viewer = Heard(one, other)
    first, _ = viewer.ask(**LOOK)
    second, _ = viewer.ask(**LOOK | {"series": 1, "index": None, "point": first["point"]})
    assert (second["index"], second["position"]) == (12, ["S", 12.0])
    sagittal, _ = viewer.ask(**LOOK | {"plane": "sagittal", "index": None, "point": [7.2, 10.0, 12.0]})
    assert sagittal["index"] == 7
    assert sagittal["mark"] == pytest.approx([(10.0 / 2 + 0.5) / 20, 1 - 3.5 / 10])
    beyond, _ = viewer.ask(**LOOK | {"index": None, "point": [0, 0, 500]})
    assert (beyond["index"], beyond["outside"]) == (9, True)


def test_values_and_measurements_are_given():
    viewer = Heard(gradient())
    place = {"series": 0, "plane": "axial", "index": 3}
    assert viewer.ask(do="read", **place, at=[0.5 / 30, 0.5 / 20])[0]["value"] == 1800
    assert viewer.ask(do="read", **place, at=[1.5, 0.5])[0]["value"] is None
    assert viewer.ask(do="distance", **place, **{"from": [0, 0], "to": [1, 0]})[0]["length"] == pytest.approx(30)
    found = viewer.ask(do="circle", **place, **{"from": [0.5, 0.5], "to": [0.5, 0.6]})[0]
    assert found["radius"] == pytest.approx(4)
    assert found["voxels"] > 20
    nothing = made(array=np.full((10, 20, 30), np.nan, np.float32))
    assert Heard(nothing).ask(do="read", **place, at=[0.5, 0.5])[0]["value"] is None


def test_a_colour_cine_is_shown_and_read():
    volume = made((5, 16, 16), placed=False, array=np.full((5, 16, 16, 3), 77, np.uint8), unit="")
    viewer = Heard(volume)
    told, _ = viewer.ask(**LOOK | {"plane": "stored", "window": None})
    assert (told["position"], told["point"], told["mark"]) == (None, None, None)
    assert viewer.ask(do="read", series=0, plane="stored", index=1, at=[0.5, 0.5])[0]["value"] == [77, 77, 77]
    assert viewer.ask(do="circle", series=0, plane="stored", index=1, **{"from": [0.5, 0.5], "to": [0.9, 0.5]})[0]["fault"] == "request"


def test_bytes_are_charged_and_nothing_is_sent_where_they_are_refused():
    charged = []
    viewer = Heard(gradient(), charge=lambda amount: charged.append(amount) or len(charged) < 3)
    _, (picture,) = viewer.ask(**LOOK)
    viewer.ask(do="read", series=0, plane="axial", index=0, at=[0.5, 0.5])
    assert charged == [len(picture), READOUT_BYTES]
    assert viewer.ask(**LOOK) == ({"id": "q", "fault": "budget"}, None)


def test_read_outs_have_a_rate():
    viewer = Heard(gradient())
    answers = [viewer.ask(do="read", series=0, plane="axial", index=0, at=[0.5, 0.5])[0] for _ in range(500)]
    assert sum("value" in answer for answer in answers) < 100
    now = [0.0]
    allowance = Allowance(2, 3, clock=lambda: now[0])
    assert [allowance.take(1) for _ in range(4)] == [True, True, True, False]
    now[0] = 1.0
    assert [allowance.take(1) for _ in range(3)] == [True, True, False]


def test_the_watermark_is_asked_for_with_each_picture_and_no_picture_is_too_small_for_it():
    times = iter(["10:00", "10:01"])
    asked = []
    viewer = Heard(made(), watermark=lambda: asked.append(next(times)) or asked[-1])
    (one,), (other,) = (viewer.ask(**LOOK | {"size": 1})[1] for _ in range(2))
    assert asked == ["10:00", "10:01"]
    assert one != other
    assert max(Image.open(io.BytesIO(one)).size) == 256
    assert np.asarray(Image.open(io.BytesIO(one))).max() > 20


WRONG = {
    "no plane": {"plane": None},
    "plane of another volume": {"plane": "stored"},
    "plane that is a list": {"plane": ["axial"]},
    "slice below": {"index": -1},
    "slice beyond": {"index": 10},
    "slice in fractions": {"index": 1.5},
    "slice that is true": {"index": True},
    "no slice and no point": {"index": None},
    "series beyond": {"series": 1},
    "huge number": {"index": 10**400},
    "huge window": {"window": [10**400, 1]},
    "window of no width": {"window": [0, 0]},
    "window that is no number": {"window": [float("nan"), 1]},
    "window of three": {"window": [1, 2, 3]},
    "window of words": {"window": ["a", "b"]},
    "box inside out": {"box": [0.9, 0, 0.1, 1]},
    "box beyond": {"box": [0, 0, 1, 2]},
    "box too narrow": {"box": [0, 0, 0.01, 1]},
    "box too low": {"box": [0, 0, 1, 0.01]},
    "mask that is a word": {"mask": "on"},
    "opacity beyond": {"mask": {"opacity": 2}},
    "size of nothing": {"size": 0},
    "size that is a word": {"size": "big"},
    "point of infinity": {"index": None, "point": [0, 0, float("inf")]},
    "another deed": {"do": "export"},
    "deed that is a list": {"do": ["show"]},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_is_not_valid_is_refused(change):
    assert Heard(gradient()).ask(**LOOK | change) == ({"id": "q", "fault": "request"}, None)


@pytest.mark.parametrize("message", [None, 5, [], "show", {}, {"id": 5}, {"id": ""}, {"id": "x" * 41}, {"do": "show"}])
def test_a_message_without_a_name_gets_nothing(message):
    viewer = Heard(gradient())
    viewer.handle(message)
    assert viewer.answers == []


def test_no_message_makes_an_exception():
    chance, viewer = random.Random(7), Heard(made((3, 8, 8), np.eye(4)))
    odd = [
        None,
        True,
        0,
        -1,
        2,
        1e308,
        -1e308,
        float("nan"),
        10**30,
        "axial",
        "",
        [],
        [0.5, 0.5],
        [1, 2, 3],
        [[1]],
        {},
        {"opacity": 0.5},
        [0, 0, 1, 1],
    ]
    names = ["series", "plane", "index", "window", "size", "mask", "box", "point", "at", "from", "to", "inverted"]
    for _ in range(3000):
        message = LOOK | {
            "index": 1,
            "at": [0.5, 0.5],
            "from": [0.1, 0.1],
            "to": [0.9, 0.9],
            "do": chance.choice(["show", "read", "distance", "circle"]),
        }
        for name in chance.sample(names, chance.randint(0, 4)):
            message[name] = chance.choice(odd)
        viewer._readouts.left = 60
        told, _ = viewer.ask(**message)
        json.dumps(told, allow_nan=False)
    assert {"fault" in told for told, _ in viewer.answers} == {True, False}


def test_settings_that_mean_nothing_are_refused():
    for wrong in ({"layout": "four"}, {"limit": 4096}, {"limit": 16}, {"language": "fr"}):
        with pytest.raises(TaskError):
            Viewer(made(), **wrong)
    with pytest.raises(TaskError):
        Viewer()
    for wrong in ({"plane": "stored"}, {"window": "lungs"}, {"frames_per_second": 0}):
        with pytest.raises(TaskError):
            Exhibit(volume=made(), **wrong)


def test_volumes_of_other_frames_of_reference_are_not_linked():
    one, same, other, unknown = (Exhibit(volume=made(), frame_of_reference=uid) for uid in ("1.2", "1.2", "1.3", ""))
    lost = Exhibit(volume=made(placed=False))
    linked = [each["linked"] for each in Viewer(one, same, other, unknown, lost).series]
    assert linked == [True, True, False, None, False]


def test_both_languages_have_the_same_words():
    words = Viewer(made()).words

    def keys(part):
        return {name: keys(value) if isinstance(value, dict) else value.count("{}") for name, value in part.items()}

    assert keys(words["zh"]) == keys(words["en"])
