"""Assertion on our marked sentences, on the synthetic hospital's notes and in public chat: macro-F1, F1 by class, errors, time a character.

Run: ``python -m tests.bench.bench_assertion [PATIENTS]``. The first run of the rules on the sentences that were held out gave macro-F1
0.959 on ``assertion_held_out.txt`` (written before the rules) and 0.961 on ``assertion_frozen.txt`` (written after they were frozen, by the
same authors); what these showed was then mended, so that only the first runs speak of sentences unseen. The dialogues are those that the
model of chat was learnt from: each is answered by the trees that have not seen it, and the intervals stand in the model's card.
"""

import sys
import time
from collections import Counter
from pathlib import Path

from nlp.assertion.dialogue import DialogueAssertions, read_dialogues, score_table
from tests.lib.assertion_scores import corpus_answers, macro_f1, synthetic_answers
from tests.lib.paths import REPOSITORY
from workbench.synthetic import generate

SEED, PATIENTS, SHOWN = 4, 300, 12


def report(name: str, answers: list) -> None:
    macro, scores = macro_f1(answers)
    wrong = Counter((answer.gold, answer.predicted, answer.context) for answer in answers if answer.wrong)
    print(f"{name}: {len(answers)} mentions, macro-F1 {macro:.4f}, " + ", ".join(f"{key} {value:.3f}" for key, value in scores.items()))
    for (gold, predicted, context), times in wrong.most_common(SHOWN):
        print(f"  {times:>4} gold {gold}, said {predicted}: {context}")


def chat(path: Path) -> None:
    model, pairs, characters, before = DialogueAssertions(), [], 0, time.process_time()
    for _, dialogue in read_dialogues(path):
        answers = model.predict(dialogue)
        pairs += [(mention.answer, answer) for mention, answer in zip(dialogue.mentions, answers, strict=True) if mention.answer]
        characters += sum(len(turn.text) for turn in dialogue.turns)
    spent = time.process_time() - before
    rows, macro = score_table(pairs)
    scores = ", ".join(f"{name} {f1:.3f} {model.card['interval'][name]}" for name, *_, f1 in rows)
    print(f"chat, cross-validated: {len(pairs)} mentions, macro-F1 {macro:.4f} {model.card['interval']['macro']}, {scores}")
    print(f"{spent / characters * 1e6:.2f} microseconds a character")


def main() -> None:
    for name in ("assertion.txt", "assertion_held_out.txt", "assertion_frozen.txt"):
        report(name, corpus_answers(name))
    (tables,) = generate(int(sys.argv[1]) if len(sys.argv) > 1 else PATIENTS, SEED, progress=False)
    before = time.process_time()
    answers = list(synthetic_answers(tables))
    spent = time.process_time() - before
    characters = sum(map(len, tables["note"]["note_text"].to_pylist()))
    report("synthetic hospital", answers)
    print(
        f"{spent / characters * 1e6:.2f} microseconds a character with normalisation and scoring, {len(answers) / characters:.3f} mentions"
    )
    dialogues = REPOSITORY.parent / "shared" / "data" / "text" / "mdcfnpc" / "dialogues_300.jsonl"
    if dialogues.exists():
        chat(dialogues)


if __name__ == "__main__":
    main()
