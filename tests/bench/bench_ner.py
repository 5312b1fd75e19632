"""The character CRF on the three public corpora: strict micro-F1 with interval, CPU-seconds to train, characters a CPU-second to tag.

Held out: CCKS-2017 the patients whose number leaves 1 when divided by five, CCKS-2019 every fifth note, CMeEE a fifth of the sentences by
their hash. Threshold and settings are the defaults; they were chosen while these hold-outs were looked at, which flatters a little.
A corpus that is not beside the checkout is passed over. Run: ``python -m tests.bench.bench_ner [ccks2017 ccks2019 cmeee]``. Exit code 1
where a floor is missed.
"""

import hashlib
import sys
import time
from typing import NamedTuple

from nlp.entities.crf import train_crf
from nlp.entities.evaluation import evaluate
from nlp.entities.formats import read_examples
from tests.lib.paths import REPOSITORY

DATA = REPOSITORY.parent / "shared" / "data" / "text"
#: Characters a CPU-second that tagging has to reach.
SLOWEST = 60_000


class Corpus(NamedTuple):
    """A file, its format, the floor of the F1 and which examples are held out, by (number, example)."""

    file: str
    format: str
    floor: float
    held_out: object


CORPORA = {
    "ccks2017": Corpus("ccks2017/notes_train.jsonl", "ccks", 0.927, lambda number, example: int(example.group) % 5 == 1),
    "ccks2019": Corpus("ccks2019/notes_800.jsonl", "ccks", 0.835, lambda number, example: number % 5 == 0),
    "cmeee": Corpus(
        "cmeee/CMeEE_train_v1_nested.jsonl", "cmeee", 0.605, lambda number, example: hashlib.sha256(example.text.encode()).digest()[0] < 51
    ),
}


def measure(corpus: Corpus) -> tuple[float, float]:
    """Train and score; print a line and return the F1 and the speed."""
    examples = read_examples(DATA / corpus.file, corpus.format)
    chosen = [corpus.held_out(number, example) for number, example in enumerate(examples)]
    learnt, held_out = ([each for each, out in zip(examples, chosen, strict=True) if out == side] for side in (False, True))
    start = time.process_time()
    tagger = train_crf(learnt)
    trained = time.process_time()
    answers = tagger.tag([example.text for example in held_out])
    tagged = time.process_time()
    micro = evaluate(held_out, answers).micro
    speed = sum(len(example.text) for example in held_out) / (tagged - trained)
    print(
        f"{len(learnt):>6} texts learnt, {len(held_out):>5} held out: P {micro.precision:.3f} R {micro.recall:.3f} "
        f"F1 {micro.f1:.3f} ({micro.low:.3f} to {micro.high:.3f}); train {trained - start:.0f} CPU-s, tag {speed / 1000:.0f} kchar/CPU-s",
        flush=True,
    )
    return micro.f1, speed


def main() -> int:
    missed = False
    for name in sys.argv[1:] or CORPORA:
        corpus = CORPORA[name]
        print(f"{name:<9}", end=" ", flush=True)
        if not (DATA / corpus.file).exists():
            print(f"is not there (shared/data/text/{corpus.file})")
            continue
        f1, speed = measure(corpus)
        missed |= f1 < corpus.floor or speed < SLOWEST
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
