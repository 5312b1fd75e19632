"""A character CRF that finds entities, nested ones included: fast to train, fast to tag, with exact probabilities of spans.

One chain a layer: the first learns the outermost entities, the next those inside them. All layers read the same features, and what they
propose is chosen among by probability (``nlp.entities.spans.choose``), which at the right threshold gives a better F1 than the most
probable tags.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from nlp.entities import Entity
from nlp.entities.chain import Chain, Plan, batches_of, n_tags, span_marginals, train_chain
from nlp.entities.evaluation import group_names
from nlp.entities.features import FEATURES_VERSION, Flat, RowTable, feature_hashes, flatten
from nlp.entities.lexicon import Lexicon, learn_terms
from nlp.entities.spans import FLOOR, Nesting, SpanTagger, learn_nesting
from nlp.errors import ModelError, TextDataError
from nlp.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nlp.entities import Example
    from nlp.models import ModelCard

__all__ = ["THRESHOLD", "CrfTagger", "train_crf"]

#: Where the candidates are cut unless training says otherwise; the best F1 lies near half of itself.
THRESHOLD = 0.35

_WEIGHTS, _SETTINGS = "crf.safetensors", "crf.json"
#: Characters of the texts that are worked on at once.
_BLOCK = 30_000
#: A text longer than this is worked on in parts.
_LONGEST_TEXT = 100_000
_LONGEST_CHAIN = 200
_CUTS = "。！？!?\n；;"
#: A character cuts chains if at most this share of its occurrences lie inside an entity.
_CUT_SHARE = 0.002
#: Layers beyond these, and layers with fewer entities, are left out.
_LAYERS, _LAYER_ENTITIES = 3, 20
#: Share of a training that goes by before its first epoch.
_FEATURES = 0.15


class CrfTagger(SpanTagger):
    """A trained character CRF.

    Parameters
    ----------
    chains : sequence of Chain
        One a layer, outermost first.
    table : RowTable
        The features that were kept.
    lexicons : sequence of Lexicon
        What was learnt from the training texts, then the list given from outside, if any.
    nesting : Nesting
        Which labels may lie inside which.
    cuts : str
        Characters after which chains are cut.
    threshold : float
        Least probability of an answer.
    version : str
        Name and hash.

    Examples
    --------
    >>> from nlp.entities import Example
    >>> texts = [Example(f"患者{word}3天", (Entity(2, 4, "sym"),)) for word in ("腹痛", "发热", "咳嗽", "头晕")]
    >>> tagger = train_crf(texts * 3, Plan(folds=2))
    >>> [entity[:3] for entity in tagger.tag(["今日腹痛"])[0]]
    [(2, 4, 'sym')]
    """

    def __init__(
        self,
        chains: Sequence[Chain],
        table: RowTable,
        lexicons: Sequence[Lexicon],
        *,
        nesting: Nesting,
        cuts: str,
        threshold: float = THRESHOLD,
        version: str = "",
    ) -> None:
        super().__init__((label for chain in chains for label in chain.labels), nesting=nesting, threshold=threshold, version=version)
        self._chains, self._table, self._lexicons, self.cuts = tuple(chains), table, tuple(lexicons), cuts
        # One product scores all layers.
        self._weights = np.concatenate([chain.weights for chain in chains], axis=1)

    def candidates(self, texts: Sequence[str]) -> Iterator[list[Entity]]:
        """Yield the likely spans of each text, in order of (start, end, label).

        A probability is exact under the chain that proposes the span; a span that several layers propose has their sum, at most 1.
        """
        for block in _blocks(texts):
            pieces = [_parts(text, self.cuts) for text in block]
            flat = flatten([part for parts in pieces for part in parts])
            found = iter(self._candidates(flat))
            for parts in pieces:
                offset, entities = 0, []
                for part in parts:
                    entities += [entity._replace(start=entity.start + offset, end=entity.end + offset) for entity in next(found)]
                    offset += len(part)
                yield sorted(entities)

    def _candidates(self, flat: Flat) -> list[list[Entity]]:
        scores = self._scores(flat)
        calm = scores[:, 0] - scores[:, 1 : n_tags(self._chains[0].labels)].max(axis=1)
        pieces = [piece for text, start in zip(flat.texts, flat.starts, strict=True) for piece in _cut(text, int(start), self.cuts, calm)]
        found: list[dict[tuple[int, int, str], float]] = [{} for _ in flat.texts]
        first = 0
        for chain in self._chains:
            own = scores[:, first : first + n_tags(chain.labels)]
            first += n_tags(chain.labels)
            for batch in batches_of(pieces):
                spans = span_marginals(chain, own, batch, floor=FLOOR)
                origin = batch.places[batch.steps == 0][spans.chain]
                text = np.searchsorted(flat.starts, origin, side="right") - 1
                origin = origin - flat.starts[text]
                columns = (text, origin + spans.start, origin + spans.end, spans.label, spans.score)
                for number, start, end, label, score in zip(*(column.tolist() for column in columns), strict=True):
                    key = (start, end, chain.labels[label])
                    found[number][key] = found[number].get(key, 0.0) + score
        return [[Entity(*key, min(score, 1.0)) for key, score in each.items()] for each in found]

    def _scores(self, flat: Flat) -> np.ndarray:
        """Return the summed weights of each place, all layers side by side."""
        rows = self._table.rows(feature_hashes(flat, [lexicon.mark_all(flat) for lexicon in self._lexicons]))
        ones = np.ones(rows.size, np.float32)
        return (
            sparse.csr_matrix((ones, rows.ravel(), np.arange(0, rows.size + 1, rows.shape[1])), shape=(len(rows), len(self._table)))
            @ self._weights
        )

    def write_files(self, folder: Path) -> None:
        """Write the files of the model.

        Parameters
        ----------
        folder : Path
            An empty folder.
        """
        arrays = {"hashes": self._table.hashes.view(np.int64)}
        for number, chain in enumerate(self._chains):
            arrays[f"weights{number}"], arrays[f"scales{number}"] = _packed(chain.weights)
            arrays[f"transitions{number}"] = chain.transitions
        write_tensors(folder / _WEIGHTS, arrays)
        settings = {
            "features": FEATURES_VERSION,
            "layers": [chain.labels for chain in self._chains],
            "nesting": sorted(self.nesting.pairs),
            "cuts": self.cuts,
            "threshold": self.threshold,
            "lexicons": [lexicon.terms for lexicon in self._lexicons],
        }
        (folder / _SETTINGS).write_text(json.dumps(settings, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def open(cls, folder: Path, card: ModelCard) -> CrfTagger:
        """Open a model whose bytes were checked.

        Parameters
        ----------
        folder : Path
            As :meth:`write_files` left it.
        card : ModelCard
            Its card.

        Returns
        -------
        CrfTagger
            Ready to tag.

        Raises
        ------
        ModelError
            If it was trained with other features than this version's.
        """
        settings = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        if settings["features"] != FEATURES_VERSION:
            raise ModelError(
                f"{folder} was trained with features of version {settings['features']}; this version has {FEATURES_VERSION}",
                hint="train it anew",
            )
        arrays = read_tensors(folder / _WEIGHTS)
        chains = [
            Chain(tuple(labels), _unpacked(arrays[f"weights{number}"], arrays[f"scales{number}"]), arrays[f"transitions{number}"])
            for number, labels in enumerate(settings["layers"])
        ]
        return cls(
            chains,
            RowTable(arrays["hashes"].view(np.uint64)),
            [Lexicon(terms) for terms in settings["lexicons"]],
            nesting=Nesting.of(settings["nesting"]),
            cuts=settings["cuts"],
            threshold=settings["threshold"],
            version=card.source,
        )


def train_crf(
    examples: Sequence[Example],
    plan: Plan = Plan(),  # noqa: B008  (a tuple of numbers)
    *,
    terms: Mapping[str, int] | None = None,
    threshold: float = THRESHOLD,
    progress: Callable[[float], None] | None = None,
    seconds: float | None = None,
) -> CrfTagger:
    """Train a character CRF.

    Parameters
    ----------
    examples : sequence of Example
        Texts with all their entities.
    plan : Plan
        How to train.
    terms : mapping of str to int, optional
        A list of terms from outside (see ``nlp.entities.lexicon.read_terms``).
    threshold : float, default 0.35
        Least probability of an answer.
    progress : callable, optional
        Takes the share that is done, 0 to 1.
    seconds : float, optional
        Longest time for the epochs together with what goes before them; a training that meets this end has had fewer epochs than planned,
        and cannot be repeated to the bit.

    Returns
    -------
    CrfTagger
        The same for the same examples, plan and versions of the packages.

    Raises
    ------
    TextDataError
        If the examples hold no entity.
    """
    if not any(example.entities for example in examples):
        raise TextDataError(f"the {len(examples)} training texts hold no entity", hint="wanted annotated texts")
    started, told = time.monotonic(), progress or (lambda share: None)  # noqa: ARG005
    flat = flatten([example.text for example in examples])
    lexicons = [Lexicon(learn_terms(examples)), *([Lexicon(terms)] if terms else [])]
    marks = [_marks_by_folds(examples, flat, plan.folds), *(lexicon.mark_all(flat) for lexicon in lexicons[1:])]
    cuts = _learn_cuts(examples)
    pieces = [piece for example, start in zip(examples, flat.starts, strict=True) for piece in _cut_gold(example, int(start), cuts)]
    told(_FEATURES / 3)
    hashes = feature_hashes(flat, marks)
    told(_FEATURES * 2 / 3)
    inside = np.concatenate([np.arange(start, end) for start, end in pieces])
    table = RowTable.fit(hashes[inside], at_least=plan.at_least)
    rows = table.rows(hashes)
    del hashes
    told(_FEATURES)
    layers = _layers(examples)
    total, done = len(layers) * plan.bag * plan.epochs, iter(range(1, 1_000_000))

    def step() -> None:
        told(_FEATURES + (1 - _FEATURES) * min(1.0, next(done) / total))

    chains = []
    for place, layer in enumerate(layers):
        now = time.monotonic()
        deadline = None if seconds is None else now + (started + seconds - now) / (len(layers) - place)
        labels = tuple(sorted({entity.label for entities in layer for entity in entities}))
        chains.append(train_chain(rows, len(table), pieces, _tags(layer, flat, labels), labels, plan, progress=step, deadline=deadline))
    chains, table = _pruned(chains, table, plan.prune)
    return CrfTagger(chains, table, lexicons, nesting=learn_nesting(examples), cuts=cuts, threshold=threshold)


def _pruned(chains: Sequence[Chain], table: RowTable, least: float) -> tuple[list[Chain], RowTable]:
    """Forget the features that hardly matter, and round the others' weights to what will lie on disk."""
    weight = np.max([np.abs(chain.weights).max(axis=1) for chain in chains], axis=0)
    kept = 1 + np.flatnonzero(weight[1:] >= least * np.percentile(weight[1:], 99)) if len(table) > 1 else np.zeros(0, np.int64)
    rows = np.concatenate([[0], kept])
    rounded = [chain._replace(weights=_unpacked(*_packed(chain.weights[rows]))) for chain in chains]
    return rounded, RowTable(table.hashes[kept - 1])


def _packed(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights as whole numbers of -127 to 127 and, for each row, what they are to be multiplied by."""
    scales = (np.abs(weights).max(axis=1) / 127).astype(np.float16).astype(np.float32)
    whole = np.rint(weights / np.where(scales > 0, scales, 1)[:, None]).clip(-127, 127)
    return whole.astype(np.int8), scales.astype(np.float16)


def _unpacked(whole: np.ndarray, scales: np.ndarray) -> np.ndarray:
    return whole.astype(np.float32) * scales.astype(np.float32)[:, None]


def _marks_by_folds(examples: Sequence[Example], flat: Flat, folds: int) -> np.ndarray:
    """Mark each text by a lexicon learnt from other groups' texts, as a new text will be marked."""
    groups = group_names(examples)
    places = {name: place for place, name in enumerate(dict.fromkeys(groups))}
    fold_of = [places[name] % folds for name in groups]
    marks = np.zeros(len(flat.codes), np.int64)
    for fold in range(folds):
        lexicon = Lexicon(learn_terms([example for example, own in zip(examples, fold_of, strict=True) if own != fold]))
        for text, start, own in zip(flat.texts, flat.starts, fold_of, strict=True):
            if own == fold:
                lexicon.mark(text, marks[start : start + len(text)])
    return marks


def _layers(examples: Sequence[Example]) -> list[list[list[Entity]]]:
    """Deal the entities of each text into layers without overlap, the longest first."""
    layers: list[list[list[Entity]]] = [[[] for _ in examples] for _ in range(_LAYERS)]
    for number, example in enumerate(examples):
        for entity in sorted(example.entities, key=lambda entity: (entity.start - entity.end, entity)):
            for layer in layers:
                if all(entity.end <= other.start or other.end <= entity.start for other in layer[number]):
                    layer[number].append(entity)
                    break
    return [layer for place, layer in enumerate(layers) if place == 0 or sum(map(len, layer)) >= _LAYER_ENTITIES]


def _tags(layer: list[list[Entity]], flat: Flat, labels: tuple[str, ...]) -> np.ndarray:
    tags = np.zeros(len(flat.codes), np.int64)
    number = {label: place for place, label in enumerate(labels)}
    for entities, offset in zip(layer, flat.starts, strict=True):
        for start, end, label, _ in entities:
            first = 1 + 4 * number[label]
            if end - start == 1:
                tags[offset + start] = first + 3
                continue
            tags[offset + start : offset + end] = first + 1
            tags[offset + start], tags[offset + end - 1] = first, first + 2
    return tags


def _learn_cuts(examples: Sequence[Example]) -> str:
    """Return the characters after which a chain may be cut: those that hardly ever stand inside an entity."""
    inside, everywhere = Counter(), Counter()
    for example in examples:
        everywhere.update(letter for letter in example.text if letter in _CUTS)
        inside.update(letter for entity in example.entities for letter in example.text[entity.start : entity.end - 1] if letter in _CUTS)
    return "".join(letter for letter in _CUTS if inside[letter] <= _CUT_SHARE * everywhere[letter])


def _cut_gold(example: Example, offset: int, cuts: str) -> Iterator[tuple[int, int]]:
    """Yield the chains of a training text; none ends inside an entity."""
    closed = np.ones(len(example.text) + 1, bool)
    for entity in example.entities:
        closed[entity.start + 1 : entity.end] = False
    start = 0
    for end in _ends(example.text, cuts):
        while end - start > _LONGEST_CHAIN and (places := np.flatnonzero(closed[start + 1 : start + _LONGEST_CHAIN + 1])).size:
            start, cut = start + 1 + int(places[-1]), start
            yield offset + cut, offset + start
        if closed[end] and end > start:
            yield offset + start, offset + end
            start = end


def _cut(text: str, offset: int, cuts: str, calm: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the chains of a text; a long sentence is cut where its characters look least like part of an entity (`calm` is largest)."""
    start = 0
    for end in _ends(text, cuts):
        while end - start > _LONGEST_CHAIN:
            window = calm[offset + start + _LONGEST_CHAIN // 2 : offset + start + _LONGEST_CHAIN]
            cut = start + _LONGEST_CHAIN // 2 + int(window.argmax()) + 1
            yield offset + start, offset + cut
            start = cut
        if end > start:
            yield offset + start, offset + end
            start = end


def _ends(text: str, cuts: str) -> Iterator[int]:
    """Yield the place behind each cutting character, and the end of the text."""
    for found in re.finditer(f"[{re.escape(cuts)}]|(?s:.)\\Z" if cuts else r"(?s:.)\Z", text):
        yield found.end()


def _blocks(texts: Sequence[str]) -> Iterator[list[str]]:
    block: list[str] = []
    size = 0
    for text in texts:
        if block and size + len(text) > _BLOCK:
            yield block
            block, size = [], 0
        block.append(text)
        size += len(text)
    if block:
        yield block


def _parts(text: str, cuts: str) -> list[str]:
    """Cut a very long text into parts, so that memory stays bounded; after a cutting character where there is one."""
    parts = []
    while len(text) > _LONGEST_TEXT:
        place = max((text.rfind(letter, _LONGEST_TEXT // 2, _LONGEST_TEXT) for letter in cuts), default=-1) + 1 or _LONGEST_TEXT
        parts.append(text[:place])
        text = text[place:]
    return [*parts, text]
