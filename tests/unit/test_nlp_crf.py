"""The character CRF: learns a small language with nested entities, is the same for the same seed, gives exact probabilities."""

import itertools
import random

import numpy as np
import pytest

from nlp.entities import Entity, Example
from nlp.entities.chain import Chain, Plan, batches_of, n_tags, span_marginals, train_chain
from nlp.entities.crf import CrfTagger, train_crf
from nlp.entities.features import RowTable, feature_hashes, flatten
from nlp.entities.lexicon import Lexicon, learn_terms, read_terms
from nlp.entities.spans import FLOOR
from nlp.errors import TextDataError
from nlp.models import ModelCard

BODIES, FEELS, DRUGS = ("左肺", "肝脏", "右膝关节", "胃"), ("疼痛", "肿胀", "不适"), ("阿司匹林", "青霉素", "甲硝唑")


def small_language(count=160, seed=1):
    """Sentences in which a symptom holds a body part: 左肺疼痛 is sym, 左肺 inside it bod."""
    draw = random.Random(seed)
    examples = []
    for number in range(count):
        text, entities = "患者", []
        for _ in range(3):
            text += draw.choice(("伴", "，有", "，予", "；见"))
            start = len(text)
            if draw.random() < 0.6:
                body, feel = draw.choice(BODIES), draw.choice(FEELS)
                text += body + feel
                entities += [Entity(start, len(text), "sym"), Entity(start, start + len(body), "bod")]
            else:
                text += draw.choice(DRUGS)
                entities.append(Entity(start, len(text), "dru"))
        examples.append(Example(text + "。", tuple(sorted(entities, key=lambda each: (each.start, -each.end))), str(number // 2)))
    return examples


@pytest.fixture(scope="module")
def tagger():
    return train_crf(small_language())


def spans(answer):
    return [entity[:3] for entity in answer]


def test_it_learns_a_small_nested_language(tagger):
    unseen = small_language(count=40, seed=2)
    answers = tagger.tag([example.text for example in unseen])
    gold = {(number, *entity[:3]) for number, example in enumerate(unseen) for entity in example.entities}
    found = {(number, *entity[:3]) for number, answer in enumerate(answers) for entity in answer}
    assert 2 * len(gold & found) / (len(gold) + len(found)) > 0.98
    assert ("sym", "bod") in tagger.nesting.pairs
    assert tagger.labels == ("bod", "dru", "sym")


def test_answers_are_in_order_with_probabilities(tagger):
    (answer,) = tagger.tag(["患者伴左肺疼痛，予青霉素。"])
    assert spans(answer) == [(3, 7, "sym"), (3, 5, "bod"), (9, 12, "dru")]
    assert all(tagger.threshold <= entity.score <= 1 for entity in answer)
    (candidates,) = tagger.candidates(["患者伴左肺疼痛，予青霉素。"])
    assert set(answer) <= set(candidates)
    assert all(entity.score >= FLOOR for entity in candidates)


def test_same_seed_same_bytes_another_seed_another(tmp_path):
    examples = small_language(60)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        train_crf(examples, Plan(epochs=3, seed=seed)).write_files(tmp_path / name)
    one, same, other = ((tmp_path / name / "crf.safetensors").read_bytes() for name in "abc")
    assert one == same
    assert one != other


def test_a_text_is_answered_alike_alone_and_among_others(tagger):
    texts = [example.text for example in small_language(30, seed=3)] + ["", "胃"]
    together = tagger.tag(texts)
    alone = [tagger.tag([text])[0] for text in texts]
    assert [spans(answer) for answer in together] == [spans(answer) for answer in alone]


def test_width_and_case_make_no_difference(tagger):
    assert spans(tagger.tag(["患者伴左肺疼痛，予青霉素。"])[0]) == spans(tagger.tag(["患者伴左肺疼痛,予青霉素。"])[0])


@pytest.mark.parametrize(
    "text", ["", " ", "\x00\x01", "\ud800疼痛\udfff", "😀左肺疼痛", "<b>左肺</b>", "A" * 5000, "疼" * 3000, "\n" * 500, "左肺疼痛，" * 3000]
)
def test_bad_input_never_raises(tagger, text):
    (answer,) = tagger.tag([text])
    assert all(0 <= entity.start < entity.end <= len(text) for entity in answer)


def test_a_megabyte_is_worked_on_in_parts(tagger):
    text = "患者伴左肺疼痛，予青霉素。" * 9_000
    (answer,) = tagger.tag([text])
    assert len(answer) == 3 * 9_000
    assert {text[entity.start : entity.end] for entity in answer} == {"左肺疼痛", "左肺", "青霉素"}


def test_a_sentence_without_end_loses_no_entity(tagger):
    text = "患者伴左肺疼痛" * 300
    assert sum(entity.label == "sym" for entity in tagger.tag([text])[0]) == 300


def test_training_never_cuts_an_entity():
    draw = random.Random(4)
    examples = []
    for _ in range(60):
        before = "好" * draw.randint(190, 210)
        examples.append(Example(f"{before}腹部。绞痛吧", (Entity(len(before), len(before) + 5, "sym"),)))
    tagger = train_crf(examples, Plan(epochs=6))
    assert "。" not in tagger.cuts
    assert spans(tagger.tag(["好" * 198 + "腹部。绞痛吧"])[0]) == [(198, 203, "sym")]


def test_texts_without_entities_cannot_be_learnt_from():
    with pytest.raises(TextDataError, match="no entity"):
        train_crf([Example("腹痛")])


def test_a_single_character_is_no_trouble():
    assert train_crf([Example("痛", (Entity(0, 1, "sym"),))]).labels == ("sym",)


def test_terms_from_outside_are_read_and_used(tmp_path):
    file = tmp_path / "terms.tsv"
    file.write_text("奥美拉唑\tdrug\nＣＴ\t1234\n肺\n", encoding="utf-8")
    assert read_terms(file) == {"奥美拉唑": 2, "ct": 1}
    listed = read_terms(file) | dict.fromkeys(DRUGS, 2)
    plain, helped = (train_crf(small_language(40), Plan(epochs=2), terms=terms).tag(["患者，予奥美拉唑。"])[0] for terms in (None, listed))
    assert spans(helped) == [(4, 8, "dru")]
    assert helped[0].score > 1.5 * plain[0].score
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(TextDataError, match="no term"):
        read_terms(file)
    with pytest.raises(TextDataError, match="cannot be read"):
        read_terms(tmp_path / "nowhere")


def test_terms_carry_label_share_and_frequency():
    examples = [Example("腹痛腹痛发热", (Entity(0, 2, "sym"), Entity(4, 6, "sym")))] * 2
    terms = learn_terms(examples)
    assert terms["腹痛"] != terms["发热"]  # half of its occurrences against all
    marks = np.zeros(4, np.int64)
    Lexicon(terms).mark("见发热。", marks)
    assert marks.tolist() == [0, terms["发热"] * 8 + 2, terms["发热"] * 8 + 4, 0]


def brute_force(chain, scores):
    """Every path of tags that the rules allow, with its probability."""
    size = n_tags(chain.labels)
    kind = ["O", *("BIES"[(tag - 1) % 4] for tag in range(1, size))]
    label = [0, *((tag - 1) // 4 for tag in range(1, size))]

    def allowed(path):
        edges = [(None, path[0]), *itertools.pairwise(path), (path[-1], None)]
        for one, other in edges:
            opened = one is not None and kind[one] in "BI"
            wanted = other is not None and kind[other] in "IE"
            if opened != wanted or (opened and label[one] != label[other]):
                return False
        return True

    paths = [path for path in itertools.product(range(size), repeat=len(scores)) if allowed(path)]
    weights = [
        np.exp(
            sum(scores[place][tag] for place, tag in enumerate(path)) + sum(chain.transitions[pair] for pair in itertools.pairwise(path))
        )
        for path in paths
    ]
    return paths, np.array(weights) / np.sum(weights)


def test_span_probabilities_are_exact():
    draw = np.random.default_rng(3)
    chain = Chain(("x", "y"), np.zeros((1, 9), np.float32), draw.normal(size=(9, 9)).astype(np.float32))
    scores = draw.normal(size=(9, 9)).astype(np.float32) * 2
    pieces = [(0, 4), (4, 5), (5, 8)]
    (batch,) = batches_of(pieces)
    found = span_marginals(chain, scores, batch, floor=1e-9)
    order = sorted(pieces, key=lambda piece: piece[1] - piece[0])
    got = {}
    for number, start, end, label, score in zip(*found, strict=True):
        key = (order[number][0] + start, order[number][0] + end, label)
        assert key not in got
        assert key[1] <= order[number][1]
        got[key] = score
    for first, last in pieces:
        paths, weights = brute_force(chain, scores[first:last])
        for label in range(2):
            for start, end in itertools.combinations(range(last - first + 1), 2):
                tags = [4 + 4 * label] if end - start == 1 else [1 + 4 * label, *[2 + 4 * label] * (end - start - 2), 3 + 4 * label]
                wanted = sum(weight for path, weight in zip(paths, weights, strict=True) if list(path[start:end]) == tags)
                assert got.get((first + start, first + end, label), 0.0) == pytest.approx(wanted, abs=1e-5)


def test_training_raises_the_probability_of_the_gold():
    rows = np.array([[1], [2], [3], [0]], np.int32)
    gold = np.array([0, 1, 3, 0])
    chain = train_chain(rows, 4, [(0, 4)], gold, ("x",), Plan(epochs=60, rate=0.3, drop=0.0))
    (batch,) = batches_of([(0, 4)])
    found = span_marginals(chain, chain.weights[rows[:, 0]], batch, floor=0.5)
    assert (found.start.tolist(), found.end.tolist()) == ([1], [3])


def test_rows_are_found_exactly():
    draw = np.random.default_rng(0)
    hashes = np.unique(draw.integers(0, 2**64, 5000, dtype=np.uint64))
    crowded = np.unique(np.concatenate([hashes, np.arange(50, dtype=np.uint64), np.uint64(2**64 - 1) - np.arange(50, dtype=np.uint64)]))
    table = RowTable(crowded)
    assert np.array_equal(table.rows(crowded), np.arange(1, len(crowded) + 1))
    others = np.setdiff1d(draw.integers(0, 2**64, 5000, dtype=np.uint64), crowded)
    assert not table.rows(others).any()


def test_features_of_a_text_do_not_see_its_neighbour():
    alone, beside = flatten(["左肺疼痛"]), flatten(["胃肠道", "左肺疼痛", "青霉素"])
    start = beside.starts[1]
    assert np.array_equal(feature_hashes(alone)[8:12], feature_hashes(beside)[start : start + 4])


def test_an_empty_batch_is_no_trouble(tagger):
    assert tagger.tag([]) == []


def test_what_is_opened_is_what_was_trained(tmp_path, tagger):
    tagger.write_files(tmp_path)
    opened = CrfTagger.open(tmp_path, ModelCard(name="x", kind="crf", labels=tagger.labels, version="1"))
    texts = [example.text for example in small_language(20, seed=5)]
    assert opened.tag(texts) == tagger.tag(texts)
    assert (tmp_path / "crf.safetensors").stat().st_size < 1_000_000


def test_pruning_makes_the_model_smaller_and_as_good(tmp_path):
    sizes = []
    for prune in (0.0, 0.25):
        folder = tmp_path / str(prune)
        folder.mkdir()
        smaller = train_crf(small_language(60), Plan(prune=prune))
        smaller.write_files(folder)
        sizes.append((folder / "crf.safetensors").stat().st_size)
        assert spans(smaller.tag(["患者伴左肺疼痛，予青霉素。"])[0]) == [(3, 7, "sym"), (3, 5, "bod"), (9, 12, "dru")]
    assert sizes[1] < 0.9 * sizes[0]


def test_a_term_with_a_lone_surrogate_is_written_and_read(tmp_path):
    examples = [Example(f"患者{number}瘤\ud800", (Entity(len(f"患者{number}"), len(f"患者{number}") + 2, "sym"),)) for number in range(12)]
    tagger = train_crf(examples, Plan(epochs=2, folds=2))
    tagger.write_files(tmp_path)
    opened = CrfTagger.open(tmp_path, ModelCard(name="m", kind="crf", labels=("sym",)))
    assert opened.tag(["患者3瘤\ud800"]) == tagger.tag(["患者3瘤\ud800"])


def test_training_ends_when_its_time_is_over_and_says_how_far_it_is():
    examples = [Example(f"患者腹痛{number}天", (Entity(2, 4, "sym"),)) for number in range(12)]
    shares = []
    tagger = train_crf(examples, Plan(epochs=40, folds=2), seconds=0.0, progress=shares.append)
    assert tagger.labels == ("sym",)
    assert len(shares) < 10
    assert shares[0] < 0.2  # before the first epoch something is told
    assert train_crf(examples, Plan(epochs=40, folds=2), seconds=600.0).tag(["患者腹痛1天"])[0][0][:3] == (2, 4, "sym")
