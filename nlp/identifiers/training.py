"""Learns the model of :mod:`nlp.identifiers.tagger` from sentences in which names were planted.

``python -m nlp.identifiers.training TEXTS nlp/data/name_model.safetensors``; `TEXTS` holds the folders ccks2017, ccks2019, cmeee, mdcfnpc,
chip_cdn, yidu_n7k and lexicons. Three minutes of CPU time; it needs torch, the model only NumPy.

Names: those of jieba's dictionary (MIT) and their parts put together anew. Sentences: the frames of ``nlp/data/name_frames.yaml``, and real
texts in which names were put for persons, before titles and between clauses. What else looks like a name there is the counter-example, with
terms of codebooks and lexicons. No text is kept, only weights.

Scores (every character of a planted name): by the first writer, whose misses had been looked at, 97.4 % of 11,144 names in 1,500 notes
(99.4 % of the ordinary ones, 83.5 % of those that are or hold a word or a herb); by the second, of whom the model before this
one knew nothing and found 79 %, 92.8 % of 11,541 (97.9 % of the ordinary ones, 50.7 % of the words)
after the classes of his contexts were looked at. Of what was taken for an identifier 99 % was one.
In 229,000 characters of real notes, which it had learnt from, it finds one name.
"""

from __future__ import annotations

import json
import random
import re
import sys
from bisect import bisect_left
from collections import Counter
from importlib.resources import files
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from nlp.identifiers.candidates import LEFT, RIGHT, Describer
from nlp.identifiers.names import dictionary, jieba_words, shapes, tables
from nlp.identifiers.reading import Reading, squeezed
from nlp.normal import normalise
from nlp.tensors import write_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["main"]

_SLOT = re.compile(r"\{(\w+)\}")
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_CLAUSE = re.compile(r"[^,。;:\n]{2,24}")
_PERSON = re.compile("患者|病人|患儿|家属|产妇|其子|其女|父亲|母亲|儿子|女儿|丈夫|妻子")
_STAFF = re.compile("主任医师|副主任|主任|主治医师|医师|医生|护士|教授|大夫")
_TOLD = re.compile(r"\{(?:sep|title|role|sexage|staffdid|call|field|family)\}|姓名|叫|名|/")
# Where the real texts do name somebody: with sex, after 患者, before a title, as an author.
_SHOWN = re.compile(
    r"(?<![一-鿿])[一-鿿]{2,3}(?= ?,? ?[男女](?:性|[,、 0-9]))|(?<=患[者儿])[一-鿿]{2,3}(?=, ?(?:[男女中青老]|[0-9]))"
    r"|[一-鿿]{3}(?=副?主任|医[生师]|大夫|,等\.)"
)
# How often a name is put for or beside what stands in a real text.
_PLANTED = {"border": 0.12, "anywhere": 0.5, "person": 0.6, "staff": 0.6}
# With what words for who does or is something end: 助产士, 护林员.
_AGENTS = "者员师士医长人生工官手家民友匠护"
_BORDER = re.compile(r"(?<=[,。;:\n])")
_EMBEDDED, _HIDDEN, _EPOCHS, _BATCH = 24, 128, 7, 1024

# (text, where names stand)
Sentence = tuple[str, list[tuple[int, int]]]


def real_texts(folder: Path) -> list[str]:
    """Read the real notes, textbook sentences and dialogues, in normal form."""
    texts: list[str] = []
    for name, keys in (
        ("ccks2017/notes_train", ("text",)),
        ("ccks2019/notes_800", ("originalText",)),
        ("cmeee/CMeEE_train_v1_nested", ("text",)),
    ):
        for line in (folder / f"{name}.jsonl").read_text("utf-8").splitlines():
            texts += [json.loads(line)[key] for key in keys]
    for line in (folder / "mdcfnpc/dialogues_300.jsonl").read_text("utf-8").splitlines():
        texts.append("\n".join(turn["text"] for turn in json.loads(line)["dialog_info"]))
    return [_SHOWN.sub(_unnamed, normalise(text).text) for text in texts]


def _unnamed(match: re.Match[str]) -> str:
    """Take out the few real names, lest the network learn that they are none."""
    return "" if shapes().is_full(match.group()) else match.group()


def real_terms(folder: Path) -> list[str]:
    """Read terms of medicine, operations, diagnoses, and places: what begins like a name and is none."""
    terms = list(shapes().terms)
    for name in (
        "chip_cdn/icd10_codes.tsv",
        "yidu_n7k/icd9cm3_procedure_codes.tsv",
        "lexicons/THUOCL_medical.txt",
        "lexicons/THUOCL_diming.txt",
    ):
        for line in (folder / name).read_text("utf-8-sig").splitlines():
            cells = line.split("\t")
            terms.append(normalise(cells[0 if name.startswith("lexicons") else 1]).text.strip())
    table = shapes()
    return sorted({term for term in terms if 2 <= len(term) <= 12 and table.family(term, 0)})


class Names:
    """Draws names: those of jieba's dictionary, their parts put together anew, rarer characters, words that are names too."""

    def __init__(self, dice: random.Random, others: list[str]) -> None:
        self._dice = dice
        self._others = [row.split() for row in others]
        table = shapes()
        self._surnames = table.surnames
        self._shapes = table
        count: Counter[str] = Counter()
        whole: list[str] = []
        words: list[str] = []
        for word, _, kind in jieba_words():
            family = table.family(word, 0)
            if not family or not 1 <= len(word) - family <= 2:
                continue
            good = all(character in table.given for character in word[family:])
            if kind.startswith("nr") and good and len(word) == 3:
                whole.append(word)
                count[word[:family]] += 1
            elif not kind.startswith("nr") and len(word) <= 3 and (good or table.forbidden.isdisjoint(word)):
                words.append(word)
        words += [term for term in table.terms if len(term) <= 3 and table.family(term, 0)]
        self.whole, self.words, self.family_counts = whole, words, count
        self._first = [word[-2] for word in whole]
        self._last = [word[-1] for word in whole]
        self._given = sorted(table.given)
        self._odd = sorted(table.forbidden)
        self._compound = sorted(table.compound)
        self._common = list(count)
        self._weights = [(count[name] + 3) ** 0.8 for name in self._common]
        self._all = sorted(table.surnames)

    def surname(self) -> str:
        """Draw a surname: by how common it is, or any."""
        form = self._dice.random()
        if form < 0.05:
            return self._dice.choice(self._compound)
        if form < 0.15:
            return self._dice.choice(self._all)
        return self._dice.choices(self._common, self._weights)[0]

    def draw(self, *, words: bool = True) -> str:
        """Draw a name; with `words` it may be a word as well (高兴)."""
        form = self._dice.random()
        if form < 0.3:
            return self._dice.choice(self.whole)
        if words and form < 0.36:
            return self._dice.choice(self.words)
        if words and form < 0.40:
            return self.other()
        surname = self.surname()
        if form > 0.985 and len(surname) == 1:
            surname += self._dice.choices(self._common, self._weights)[0][:1]
            return surname + self._part(first=True) + self._part(first=False)
        if self._dice.random() < 0.45:
            return surname + self._part(first=False)
        return surname + self._part(first=True) + (self._part(first=False))

    def other(self) -> str:
        """Draw a name without a Chinese surname."""
        row = self._dice.choice(self._others)
        return "".join(self._dice.sample(row, self._dice.choice((1, 2, 2, 2))))[:7]

    def _part(self, *, first: bool) -> str:
        form = self._dice.random()
        if form < 0.012:
            return self._dice.choice(self._odd)
        if form < 0.2:
            return self._dice.choice(self._given)
        return self._dice.choice(self._first if first else self._last)


class Maker:
    """Makes sentences from frames, lists of words and clauses of real notes."""

    def __init__(self, texts: list[str], terms: list[str], dice: random.Random) -> None:
        data = yaml.safe_load(files("nlp").joinpath("data/name_frames.yaml").read_text("utf-8"))
        table = tables()
        self.dice, self.names = dice, Names(dice, data["other_names"])
        self.frames, self.not_names = data["frames"], data["not_names"]
        self._lists: dict[str, list[str]] = {
            **{key: [str(word) for word in words] for key, words in data["lists"].items()},
            "patient": table["labels"]["patient"].split(),
            "staff": table["labels"]["staff"].split(),
            "person": table["persons"].split(),
            "title": table["titles"].split(),
            "verb": table["verbs"].split(),
            "after": table["after"].split(),
            "eponym": table["eponyms"].split(),
            "text": [match.group() for text in texts[::3] for match in _CLAUSE.finditer(text)],
            "Z": _like_names(texts),
            **_kinds(),
            "T": terms,
            "W": sorted(word for word in dictionary() if len(word) < 4 and shapes().family(word, 0)),
        }

    def sentence(self, frame: str) -> Sentence:
        """Fill a frame."""
        while match := _CHOICE.search(frame):
            frame = frame[: match.start()] + self.dice.choice(match[1].split("|")) + frame[match.end() :]
        text, spans, at = "", [], 0
        told = _TOLD.search(frame) is not None  # only a label or the like tells a name that is a word from the word
        frame = frame.replace("[(]", "(").replace("[)]", ")")
        for slot in _SLOT.finditer(frame):
            text += frame[at : slot.start()]
            if slot[1] == "O":
                text += self.names.other() if self.dice.random() < 0.5 else self.names.draw()
            elif slot[1] == "S":
                text = self.plant(text, spans, self.names.surname())
            elif slot[1] == "N":
                text = self.plant(text, spans, self.names.draw(words=told))
            else:
                text += self.dice.choice(self._lists[slot[1]])
            at = slot.end()
        return text + frame[at:], spans

    def plant(self, text: str, spans: list[tuple[int, int]], name: str) -> str:
        """Write a name behind a text, now and then with a blank between two of its characters."""
        if len(name) > 2 and self.dice.random() < 0.05:
            cut = self.dice.randrange(1, len(name))
            name = f"{name[:cut]} {name[cut:]}"
        spans.append((len(text), len(text) + len(name)))
        return text + name

    def within(self, text: str) -> Sentence:
        """Put names into a real text: for or behind a word for a person, before a title, between clauses."""
        pieces, spans, at = "", [], 0
        places = [(match.span(), "person") for match in _PERSON.finditer(text)] + [
            (match.span(), "staff") for match in _STAFF.finditer(text)
        ]
        places += [((match.start(), match.start()), "border") for match in _BORDER.finditer(text)]
        places += [((place, place), "anywhere") for place in self._gaps(text)]
        for (start, end), kind in sorted(places):
            if start < at or self.dice.random() > _PLANTED[kind]:
                continue
            pieces += text[at:start]
            name = (
                self.names.surname() if kind == "staff" and self.dice.random() < 0.5 else self.names.draw(words=kind in ("person", "staff"))
            )
            if kind == "person" and self.dice.random() < 0.5:
                pieces += text[start:end]
            pieces = self.plant(pieces, spans, name)
            if kind == "staff":
                pieces += text[start:end]
            elif kind == "border" and self.dice.random() < 0.4:
                pieces += self.dice.choice((",", "。", " ", ":", "、", "("))
            at = end
        return pieces + text[at:], spans

    def _gaps(self, text: str) -> list[int]:
        """Draw places between words, wherever they lie."""
        words = dictionary()
        drawn = sorted(self.dice.sample(range(1, len(text)), len(text) // 25)) if len(text) > 25 else []
        return [at for at in drawn if all(text[at - left : at - left + size] not in words for size in (2, 3, 4) for left in range(1, size))]


def _like_names(texts: list[str]) -> list[str]:
    """Return clauses that begin with a surname."""
    table = shapes()
    clauses = (match.group() for text in texts for match in _CLAUSE.finditer(text))
    return [clause for clause in clauses if table.family(clause, 0)]


def _kinds() -> dict[str, list[str]]:
    """Return common verbs, nouns and words for who does or is something, of jieba's dictionary."""
    found: dict[str, list[str]] = {"v": [], "n": [], "agent": []}
    for word, count, kind in jieba_words():
        if kind == "n" and 2 <= len(word) <= 4 and word[-1] in _AGENTS and count >= 5:
            found["agent"].append(word)
        elif len(word) == 2 and kind in found and count >= 200:
            found[kind].append(word)
    return found


def _odds(names: Names, texts: Iterable[str], characters: str) -> np.ndarray:
    plain = Counter("".join(texts))
    total = sum(plain.values())
    drawn = [names.draw(words=False) for _ in range(60_000)]
    families = Counter(name[0] for name in drawn)
    firsts, lasts = Counter(name[-2] for name in drawn if len(name) > 2), Counter(name[-1] for name in drawn)
    foreign = Counter("".join(names.other() for _ in range(20_000)))
    rows = [
        [
            log((count[character] + 0.02) / (sum(count.values()))) - log((plain[character] + 3) / total)
            for count in (families, firsts, lasts, foreign)
        ]
        for character in characters
    ]
    return np.clip(np.array(rows, np.float32), -8, 8)


def _examples(describer: Describer, sentences: Iterable[Sentence], dice: random.Random, *, keep: float) -> list[np.ndarray]:
    """Describe all candidates of sentences: (slots, numbers, whether it is a name)."""
    slots, numbers, answers = [], [], []
    for written, planted in sentences:
        text, places = squeezed(written)
        spans = [(bisect_left(places, start), bisect_left(places, end)) for start, end in planted]
        reading = Reading(text)
        candidates = describer.candidates(reading)
        wanted, held = set(spans), np.zeros(len(text) + 1, bool)
        for start, end in spans:
            held[start:end] = True
        is_name = np.array([span in wanted for span in zip(candidates.starts.tolist(), candidates.ends.tolist(), strict=True)], bool)
        overlaps = np.array([held[start:end].any() for start, end in zip(candidates.starts, candidates.ends, strict=True)], bool)
        chosen = overlaps | np.array([dice.random() < keep for _ in is_name], bool)
        if not chosen.any():
            continue
        one, two = describer.numbers(reading, candidates.take(chosen))
        slots.append(one)
        numbers.append(two)
        answers.append(is_name[chosen].astype(np.float32))
    return [np.concatenate(slots), np.concatenate(numbers), np.concatenate(answers)]


def _learn(examples: list[np.ndarray], n_characters: int, *, seed: int, say: Callable[[str], Any]) -> dict[str, np.ndarray]:
    import torch
    from torch import nn

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    slots, numbers, answers = (torch.from_numpy(array) for array in examples)
    embedding = nn.Embedding(n_characters, _EMBEDDED)
    nn.init.normal_(embedding.weight, std=0.3)
    hidden = nn.Linear(slots.shape[1] * _EMBEDDED + numbers.shape[1], _HIDDEN)
    out = nn.Linear(_HIDDEN, 1)
    parameters = [*embedding.parameters(), *hidden.parameters(), *out.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=3e-3, weight_decay=1e-4)
    steps = _EPOCHS * (len(answers) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps + 1)
    loss_of = nn.BCEWithLogitsLoss()
    generator = torch.Generator().manual_seed(seed)
    context = torch.tensor([place for place in range(slots.shape[1]) if place < LEFT or place >= slots.shape[1] - RIGHT])
    for epoch in range(_EPOCHS):
        order = torch.randperm(len(answers), generator=generator)
        total = 0.0
        for start in range(0, len(order) - _BATCH + 1, _BATCH):
            rows = order[start : start + _BATCH]
            seen = slots[rows].clone()
            # Context is dropped now and then, so that no single wording is relied upon.
            dropped = torch.rand(len(rows), len(context), generator=generator) < 0.1
            seen[:, context] = torch.where(dropped, torch.ones_like(seen[:, context]), seen[:, context])
            hidden_name = (torch.rand(seen.shape, generator=generator) < 0.03) & (seen > 0)
            seen = torch.where(hidden_name, torch.ones_like(seen), seen)
            answer = out(torch.relu(hidden(torch.cat([embedding(seen).flatten(1), numbers[rows]], 1)))).squeeze(1)
            loss = loss_of(answer, answers[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        say(f"epoch {epoch + 1}: loss {total / (len(order) // _BATCH):.5f}")
    weights = hidden.weight.detach().numpy().T
    return {
        "embedding": embedding.weight.detach().numpy().astype(np.float16),
        "slots": weights[: -numbers.shape[1]].reshape(slots.shape[1], _EMBEDDED, _HIDDEN).astype(np.float16),
        "numbers": weights[-numbers.shape[1] :].astype(np.float32),
        "bias": hidden.bias.detach().numpy(),
        "out": out.weight.detach().numpy()[0],
        "out_bias": out.bias.detach().numpy(),
    }


def train(
    texts: list[str], terms: list[str], *, seed: int = 0, frames: int = 150_000, say: Callable[[str], Any] = print
) -> dict[str, np.ndarray]:
    """Learn from real texts, in which whatever looks like a name is none, and from names planted in them and in frames.

    Parameters
    ----------
    texts : list of str
        Real texts in normal form, without names of persons.
    terms : list of str
        Words that begin with a surname and name nobody.
    seed : int
        Of all drawings.
    frames : int
        Sentences to make from frames.
    say : callable
        Is told how it goes.

    Returns
    -------
    dict of str to ndarray
        The arrays of the model.
    """
    dice = random.Random(seed)  # noqa: S311  (drawings for training, no secret)
    maker = Maker(texts, terms, dice)
    seen = Counter("".join(texts))
    table = shapes()
    kept = (
        {character for character, count in seen.items() if count >= 3}
        | table.surnames
        | table.given
        | set("".join(maker.names.other() for _ in range(5_000)))
    )
    characters = "\x00\x01" + "".join(sorted(kept | set("0A")))
    odds = _odds(maker.names, texts, characters)
    describer = Describer(characters, odds)
    sentences = [maker.sentence(dice.choice(maker.frames)) for _ in range(frames)]
    sentences += [maker.sentence(dice.choice(maker.not_names)) for _ in range(frames // 2)]
    sentences += [maker.within(text) for text in dice.sample(texts, min(len(texts), frames // 10))]
    planted = _examples(describer, sentences, dice, keep=0.5)
    plain = _examples(describer, ((text, []) for text in texts), dice, keep=1.0)
    examples = [np.concatenate((made, real, real)) for made, real in zip(planted, plain, strict=True)]
    say(f"{int(examples[2].sum())} names among {len(examples[2])} candidates")
    return {
        "characters": np.array([ord(character) for character in characters], np.int32),
        "odds": odds.astype(np.float16),
        **_learn(examples, len(characters), seed=seed, say=say),
    }


def main(arguments: list[str]) -> None:
    """Train and write the model."""
    folder, out = map(Path, arguments)
    write_tensors(out, train(real_texts(folder), real_terms(folder)))


if __name__ == "__main__":
    main(sys.argv[1:])
