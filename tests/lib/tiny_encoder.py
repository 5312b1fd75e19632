"""An encoder small enough to train within a test, and a made-up language with nested entities for it to learn."""

import random

import numpy as np

from nlp.entities import Entity, Example
from nlp.entities.pretrained import Pretrained, Shape

SITES = "头腹胸背"
FEELINGS = "痛胀麻痒"
FILLER = "患者于昨日出现，无明显诱因。"


def tiny_pretrained(*, hidden: int = 32, seed: int = 0) -> Pretrained:
    """Return a trunk of one layer with random weights."""
    draw = np.random.default_rng(seed)
    shape = Shape(hidden=hidden, layers=1, heads=2, feedforward=2 * hidden, positions=160, epsilon=1e-12)
    characters = (" ", *sorted(set(SITES + FEELINGS + FILLER)))

    def noise(*size: int) -> np.ndarray:
        return draw.normal(0, 0.1, size).astype(np.float32)

    arrays = {
        "words.weight": noise(4 + len(characters), hidden),
        "positions.weight": noise(160, hidden),
        "norm.weight": np.ones(hidden, np.float32),
        "norm.bias": np.zeros(hidden, np.float32),
    }
    for name, (rows, columns) in {
        "attention": (3 * hidden, hidden),
        "mix": (hidden, hidden),
        "widen": (2 * hidden, hidden),
        "narrow": (hidden, 2 * hidden),
    }.items():
        arrays |= {f"layers.0.{name}.weight": noise(rows, columns), f"layers.0.{name}.bias": np.zeros(rows, np.float32)}
    for name in ("mix_norm", "narrow_norm"):
        arrays |= {f"layers.0.{name}.weight": np.ones(hidden, np.float32), f"layers.0.{name}.bias": np.zeros(hidden, np.float32)}
    return Pretrained("tiny", shape, characters, arrays)


def toy_examples(count: int, *, seed: int = 0) -> list[Example]:
    """Return texts in which a site and a feeling make a symptom, with the site nested in it, and a site alone is a site."""
    draw = random.Random(seed)
    return [_toy(draw, number) for number in range(count)]


def _toy(draw: random.Random, number: int) -> Example:
    text, entities = "", []
    for _ in range(draw.randint(1, 4)):
        text += "".join(draw.choices(FILLER, k=draw.randint(1, 6)))
        entities.append(Entity(len(text), len(text) + 1, "site"))
        text += draw.choice(SITES)
        if draw.random() < 0.6:
            entities.append(Entity(len(text) - 1, len(text) + 1, "symptom"))
            text += draw.choice(FEELINGS)
    return Example(text + "。", tuple(entities), str(number // 2))
