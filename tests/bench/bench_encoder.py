"""CRF, encoder and both together on the public Chinese corpora, trained within the time of ``workbench text train``.

Prints strict micro precision, recall and F1 with a 95 % interval over groups, what training took and kchar per CPU-second, for each corpus
and method. Run: ``python -m tests.bench.bench_encoder [--minutes 15] [--sets ccks2019 cmeee] [--clock cpu]``. With ``--clock cpu`` the time
given to the encoder is CPU time, which tells what an idle machine with one core would reach while this one is busy.

Splits: CCKS-2017 patients with number % 5 == 1 out of those that are there, CCKS-2019 every fifth text, CMeEE the last fifth of the file.
Its sentences stand in the order of the books they are from, so that a fifth drawn by hash has its neighbours among the training sentences
and scores several points higher; ``--drawn`` measures that too. Exit code 1 where the ensemble misses the floor of the issue.
"""

import argparse
import hashlib
import sys
import time

from nlp.entities import Example
from nlp.entities.ensemble import EnsemblePlan, train_ensemble
from nlp.entities.evaluation import evaluate
from nlp.entities.formats import read_examples
from tests.lib.paths import REPOSITORY

DATA = REPOSITORY.parent / "shared" / "data" / "text"
FILES = {
    "ccks2017": ("ccks2017/notes_train.jsonl", "ccks", 0.927),
    "ccks2019": ("ccks2019/notes_800.jsonl", "ccks", 0.835),
    "cmeee": ("cmeee/CMeEE_train_v1_nested.jsonl", "cmeee", 0.605),
}


def is_test(name: str, number: int, example: Example, total: int, *, drawn: bool) -> bool:
    """Tell the held-out texts."""
    if name == "ccks2017":
        return int(example.group) % 5 == 1
    if name == "ccks2019":
        return number % 5 == 0
    if not drawn:
        return number >= total * 4 // 5
    return int(hashlib.sha256(example.text.encode("utf-8")).hexdigest(), 16) % 5 == 0


def run(name: str, minutes: float, layers: int, seed: int, *, drawn: bool) -> bool:
    """Train and print the rows of one corpus; tell whether the floor is reached."""
    path, form, floor = FILES[name]
    examples = read_examples(DATA / path, form)
    held_out = [is_test(name, number, example, len(examples), drawn=drawn) for number, example in enumerate(examples)]
    test = [example for example, held in zip(examples, held_out, strict=True) if held]
    train = [example for example, held in zip(examples, held_out, strict=True) if not held]
    wall, cpu = time.monotonic(), time.process_time()
    training = train_ensemble(train, EnsemblePlan(minutes=minutes, layers=layers, seed=seed))
    took = (time.monotonic() - wall) / 60, (time.process_time() - cpu) / 60
    print(f"{name}: {len(train)} texts to learn from, {len(test)} to test; {took[0]:.1f} min wall, {took[1]:.1f} CPU; {training.notes}")
    tagger, texts = training.tagger, [example.text for example in test]
    reached = 0.0
    for method, model in (("crf", tagger.crf), ("encoder", tagger.encoder), ("ensemble", tagger)):
        cpu = time.process_time()
        answers = model.tag(texts)
        speed = sum(map(len, texts)) / 1000 / (time.process_time() - cpu)
        micro = evaluate(test, answers).micro
        print(
            f"{name:9} {method:9} P {micro.precision:.4f} R {micro.recall:.4f} F1 {micro.f1:.4f} ({micro.low:.4f} to {micro.high:.4f})"
            f" {speed:.1f} kchar per CPU-s",
            flush=True,
        )
        reached = micro.f1
    return reached >= floor


def main() -> int:
    """Run the corpora that are there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=14.25)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--sets", nargs="*", default=sorted(FILES), choices=sorted(FILES))
    parser.add_argument("--drawn", action="store_true")
    given = parser.parse_args()
    if not DATA.exists():
        print("the corpora are not beside this checkout: nothing measured")
        return 0
    if given.clock == "cpu":
        time.monotonic = time.process_time
    reached = [run(name, given.minutes, given.layers, given.seed, drawn=given.drawn) for name in given.sets]
    return int(not all(reached))


if __name__ == "__main__":
    sys.exit(main())
