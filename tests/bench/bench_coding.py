"""Coding of diagnoses (CHIP-CDN) and procedures (Yidu-N7K): strict F1, recall at 10 with intervals, and terms per CPU-second.

Only the training files are at hand, so a part of them is held out by the hash of the term: 2,000 of CHIP-CDN's 6,000, a quarter of
Yidu-N7K's 4,000. The peer is the plain method: cut at punctuation, then the most similar name or known part by TF-IDF of character
1-3-grams. Run: ``python -m tests.bench.bench_coding``; ``--parts`` measures what each part of the coder is worth, on half of the terms.
Exit code 1 where F1 on diagnoses is below 0.55 or recall at 10 below 0.75.
"""

import re
import sys
import time
from hashlib import sha256
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer

from nlp.coding import Coder
from nlp.coding.codebook import key, read_codebook
from nlp.coding.pairs import fold_of, read_pairs
from nlp.coding.rank import Settings
from nlp.coding.scores import guess_domain, score_coding

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "text"
BREAK = re.compile(r"[;；,，。、+＋/]|伴有|伴|合并|并(?!发)|及(?!其)|和")
PARTS = {
    "all": Settings(),
    "without the second judge": Settings(context=False),
    "without words left out or exchanged": Settings(forms=False),
    "without exchanges learnt from pairs": Settings(mine=False),
    "without the answers of the nearest known terms": Settings(neighbours=False),
}


def cut(folder: str, pairs_file: str, codes_file: str, held: int):
    """Return the codebook, the pairs to learn from and those held out."""
    pairs = read_pairs(DATA / folder / pairs_file)
    ordered = sorted(pairs, key=lambda pair: sha256(key(pair.text).encode()).hexdigest())
    test = ordered[:held]
    seen = {key(pair.text) for pair in test}
    return read_codebook(DATA / folder / codes_file), [pair for pair in ordered[held:] if key(pair.text) not in seen], test


def plain_f1(book, train, test, threshold: float = 0.3) -> float:
    """Return the F1 of the plain method."""
    names = [entry.name for entry in book.entries]
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    rows = [*names, *(pair.names for pair in train)]
    matrix = vectors.fit_transform([*map(key, names), *(key(pair.text) for pair in train)]).T.tocsr()
    right = given = wanted = 0
    for pair in test:
        parts = [part for part in BREAK.split(key(pair.text)) if len(part) >= 2] or [key(pair.text)]
        likeness = (vectors.transform(parts) @ matrix).toarray()
        best = [rows[place] for place, value in zip(likeness.argmax(1), likeness.max(1), strict=True) if value >= threshold]
        answers = {name for found in best for name in ([found] if isinstance(found, str) else found)}
        right, given, wanted = right + len(answers & set(pair.names)), given + len(answers), wanted + len(pair.names)
    return 2 * right / (given + wanted)


def measured(label, book, train, test, settings=None, coder=None):
    """Print one line and return the scores."""
    start = time.process_time()
    coder = coder or Coder.train(book, train, domain=guess_domain(book), settings=settings or Settings())
    middle = time.process_time()
    coded = coder.code([pair.text for pair in test])
    speed = len(test) / (time.process_time() - middle)
    scores = score_coding(test, coded)
    print(
        f"{label:48} F1 {scores.f1:.3f} [{scores.f1_interval[0]:.3f}, {scores.f1_interval[1]:.3f}]  recall@10 {scores.recall_single:.3f} "
        f"[{scores.single_interval[0]:.3f}, {scores.single_interval[1]:.3f}] (all names {scores.recall_all:.3f})  "
        f"learnt in {middle - start:.0f} CPU-s, {speed:.0f} terms per CPU-s",
        flush=True,
    )
    return scores


def parts() -> None:
    """Print what each part is worth."""
    book, train, test = cut("chip_cdn", "CHIP-CDN_train.json", "icd10_codes.tsv", 2000)
    train, test = train[:2000], test[:1000]
    print(f"CHIP-CDN, learnt from {len(train)}, tried on {len(test)} (2 folds, 100 trees)")
    measured("likeness and the lists of words, no pairs", book, [], test, coder=Coder(book))
    measured("the same + known terms", book, train, test, coder=Coder(book, pairs=train))
    for label, settings in PARTS.items():
        measured(label, book, train, test, settings._replace(folds=2, trees=100))


def main() -> int:
    if not DATA.exists():
        print("no real data beside this checkout: nothing measured")
        return 0
    if "--parts" in sys.argv:
        parts()
        return 0
    book, train, test = cut("chip_cdn", "CHIP-CDN_train.json", "icd10_codes.tsv", 2000)
    print(f"CHIP-CDN, learnt from {len(train)}, tried on {len(test)} held out")
    print(f"{'plain method (TF-IDF of 1-3-grams, known parts)':48} F1 {plain_f1(book, train, test):.3f}", flush=True)
    scores = measured("coder", book, train, test)
    pairs = read_pairs(DATA / "yidu_n7k" / "procedure_norm_train.csv")
    train = [pair for pair in pairs if fold_of(pair.text, 4)]
    test = [pair for pair in pairs if not fold_of(pair.text, 4)]
    print(f"Yidu-N7K, learnt from {len(train)}, tried on {len(test)} held out")
    book = read_codebook(DATA / "yidu_n7k" / "icd9cm3_procedure_codes.tsv")
    print(f"{'plain method':48} F1 {plain_f1(book, train, test):.3f}", flush=True)
    measured("coder", book, train, test)
    return int(scores.f1 < 0.55 or scores.recall_single < 0.75)


if __name__ == "__main__":
    sys.exit(main())
