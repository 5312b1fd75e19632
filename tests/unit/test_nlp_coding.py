"""Terms -> names and codes: rules of each domain, several answers, evidence, learning from pairs, the component."""

import itertools

import numpy as np
import pytest

import nlp
from nlp.annotations import ClinicalText, Mention, Note
from nlp.coding import Coder, Coding
from nlp.coding.codebook import Codebook
from nlp.coding.memory import mine_aliases
from nlp.coding.pairs import Pair
from nlp.coding.rank import Settings
from nlp.coding.scores import guess_domain, score_coding
from nlp.coding.terms import domain_rules, units_of
from nlp.entities import Entity
from nlp.errors import ModelError, TextDataError, VariableError
from nlp.models import ModelCard, write_model
from nlp.normal import normalise
from nlp.trees import Trees, fit_trees

DIAGNOSES = Codebook.of(
    [
        ("I10", "高血压"),
        ("I25.103", "冠状动脉粥样硬化性心脏病"),
        ("I48.x01", "心房颤动[心房纤颤]"),
        ("J18.903", "肺炎"),
        ("J44.900", "慢性阻塞性肺疾病"),
        ("K25.901", "胃溃疡"),
        ("K26.901", "十二指肠溃疡"),
        ("C34.901", "肺恶性肿瘤"),
        ("E11.301", "糖尿病视网膜病变"),
        ("I63.902", "脑梗死"),
        ("R51.x00", "头痛"),
        ("N40.x00", "前列腺增生"),
    ]
)
DRUGS = Codebook.of([("D1", "二甲双胍"), ("D2", "阿司匹林"), ("D3", "美托洛尔"), ("D4", "氯化钠"), ("D5", "头孢曲松")])
LABS = Codebook.of(
    [
        ("L1", "葡萄糖", ("GLU", "血糖")),
        ("L2", "丙氨酸氨基转移酶", ("ALT",)),
        ("L3", "钙"),
        ("L4", "钾", ("K",)),
        ("L5", "糖化血红蛋白", ("HbA1c",)),
    ]
)
PROCEDURES = Codebook.of([("51.2300", "腹腔镜下胆囊切除术"), ("85.2100", "乳房病损切除术"), ("36.0700", "经皮冠状动脉支架植入术")])

CASES = [
    ("diagnosis", DIAGNOSES, "高血压", {"I10"}),
    ("diagnosis", DIAGNOSES, "1.冠心病 2.房颤；3、高血压病", {"I25.103", "I48.x01", "I10"}),
    ("diagnosis", DIAGNOSES, "慢阻肺伴肺炎", {"J44.900", "J18.903"}),
    ("diagnosis", DIAGNOSES, "胃、十二指肠溃疡", {"K25.901", "K26.901"}),
    ("diagnosis", DIAGNOSES, "左侧肺炎待查？", {"J18.903"}),
    ("diagnosis", DIAGNOSES, "肺癌", {"C34.901"}),
    ("diagnosis", DIAGNOSES, "糖网（双眼）", {"E11.301"}),
    ("diagnosis", DIAGNOSES, "心房纤颤", {"I48.x01"}),
    ("diagnosis", DIAGNOSES, "頭痛", {"R51.x00"}),
    ("diagnosis", DIAGNOSES, "脑梗塞", {"I63.902"}),
    ("diagnosis", DIAGNOSES, "踝关节扭伤", set()),
    ("procedure", PROCEDURES, "左侧乳房肿物切除术", {"85.2100"}),
    ("procedure", PROCEDURES, "PCI", {"36.0700"}),
    ("procedure", PROCEDURES, "腹腔镜胆囊切除术", {"51.2300"}),
    ("drug", DRUGS, "盐酸二甲双胍缓释片 0.5g", {"D1"}),
    ("drug", DRUGS, "阿司匹林肠溶片100mg*30片", {"D2"}),
    ("drug", DRUGS, "倍他乐克 47.5mg", {"D3"}),
    ("drug", DRUGS, "注射用头孢曲松钠（进口）1.0g", {"D5"}),
    ("drug", DRUGS, "氯化钠", {"D4"}),
    ("lab", LABS, "空腹血糖", {"L1"}),
    ("lab", LABS, "ＧＬＵ", {"L1"}),
    ("lab", LABS, "血清ALT测定", {"L2"}),
    ("lab", LABS, "谷丙转氨酶", {"L2"}),
    ("lab", LABS, "糖化血红蛋白(HbA1c)", {"L5"}),
]


@pytest.mark.parametrize(("domain", "book", "term", "codes"), CASES, ids=[case[2] for case in CASES])
def test_terms_of_every_domain_without_any_pair(domain, book, term, codes):
    assert {answer.code for answer in Coder(book, domain=domain).code([term])[0].answers} == codes


def test_the_evidence_names_place_and_rule():
    term = "高血压；房颤（左侧肺炎）、胃、十二指肠溃疡"
    answers = Coder(DIAGNOSES).code([term])[0].answers
    shown = [(answer.code, term[answer.start : answer.end], answer.rule) for answer in answers]
    assert shown == [
        ("I10", "高血压", "name"),
        ("I48.x01", "房颤", "房颤=心房颤动"),
        ("J18.903", "左侧肺炎", "left out"),
        ("K25.901", "胃、十二指肠溃疡", "shared"),
        ("K26.901", "十二指肠溃疡", "name"),
    ]


def test_places_count_in_the_raw_term():
    term = "&nbsp;頭痛；　高血壓"
    answers = Coder(DIAGNOSES).code([term])[0].answers
    assert [term[answer.start : answer.end] for answer in answers] == ["頭痛", "高血壓"]


def test_known_terms_come_first_and_majority_decides():
    pairs = [
        Pair("老慢支", ("慢性阻塞性肺疾病",)),
        Pair("老慢支", ("肺炎",)),
        Pair("老慢支", ("慢性阻塞性肺疾病",)),
        Pair("高血压", ("头痛",)),
    ]
    known, corrected = Coder(DIAGNOSES, pairs=pairs).code(["老慢支", "高血压"])
    assert [(answer.code, answer.rule, answer.known) for answer in known.answers] == [("J44.900", "known term", "老慢支")]
    assert [answer.name for answer in corrected.answers] == ["头痛"]


def test_a_known_part_is_recognised_within_a_longer_term():
    coded = Coder(DIAGNOSES, pairs=[Pair("老慢支", ("慢性阻塞性肺疾病",))]).code(["老慢支，头痛"])[0]
    assert [(answer.code, answer.known) for answer in coded.answers] == [("J44.900", "老慢支"), ("R51.x00", "")]


def test_all_names_of_the_nearest_known_term_answer_together():
    coder = Coder(DIAGNOSES, pairs=[Pair("老慢支肺心", ("慢性阻塞性肺疾病", "肺炎"))])
    assert {answer.code for answer in coder.code(["老慢支肺心病"])[0].answers} == {"J44.900", "J18.903"}
    assert {answer.code for answer in coder.code(["脑梗死"])[0].answers} == {"I63.902"}


def test_a_name_outside_the_codebook_is_answered_without_a_code():
    coder = Coder(DIAGNOSES, pairs=[Pair("扁平脚", ("扁平足",))])
    assert [(answer.code, answer.name) for answer in coder.code(["扁平脚"])[0].answers] == [("", "扁平足")]


@pytest.mark.parametrize("term", ["", " ", "？？", "\ud800", "🎉🎉", "x" * 100_000, "。\n" * 5000, "\x00\x07", "1.2.3.", "<p>&nbsp;</p>"])
def test_terms_that_name_nothing_have_no_answer(term):
    assert Coder(DIAGNOSES).code([term])[0].answers == ()


def test_no_terms():
    assert Coder(DIAGNOSES).code([]) == []


def test_aliases_are_learnt_from_pairs():
    coder = Coder(DIAGNOSES)
    place = coder._index.place
    names = {"肺炎": place["肺炎"], "脑梗死": place["脑梗死"]}
    units = ["左脑梗塞", "脑梗塞", "肺炎", "肺发炎"]
    answers = [[names["脑梗死"]], [names["脑梗死"]], [names["肺炎"]], [names["肺炎"], names["脑梗死"]]]
    assert mine_aliases(coder._index, units, answers) == {"塞": ("死",)}


def test_an_empty_codebook_is_refused():
    with pytest.raises(TextDataError, match="no name"):
        Coder(Codebook.of([]))


def test_unknown_domain():
    with pytest.raises(VariableError, match="no domain of codes 'x'"):
        domain_rules("x")


def test_a_latin_exchange_needs_a_whole_word():
    texts = {unit.text for unit in units_of("ca125升高", domain_rules("diagnosis"))}
    assert texts == {"ca125升高"}


# ------------------------------------------------------------------------------------------------------------------------------- learning
SITES = ["肺", "胃", "肝", "肾", "脑", "骨", "皮肤", "膀胱", "乳腺", "直肠", "胰腺", "食管"]
KINDS = {"上火": "炎症", "长瘤": "良性肿瘤", "生癌": "恶性肿瘤", "破了": "损伤", "堵了": "梗阻"}
BEFORE = ["", "左", "右", "反复", "老", "轻度"]


def learnt_from():
    """A hospital that writes its own words: 右胃上火 for 胃炎症."""
    book = Codebook.of(
        [(f"{chr(65 + place)}{number}.0", site + kind) for place, site in enumerate(SITES) for number, kind in enumerate(KINDS.values())]
    )
    pairs = [
        Pair(f"{before}{site}{word}", (site + kind,)) for before, site, (word, kind) in itertools.product(BEFORE, SITES, KINDS.items())
    ] + [Pair(f"{a}上火{b}长瘤", (f"{a}炎症", f"{b}良性肿瘤")) for a, b in itertools.permutations(SITES[:8], 2)]
    return book, pairs


TOLD = []


@pytest.fixture(scope="module")
def learnt():
    book, pairs = learnt_from()
    held = [pair for number, pair in enumerate(pairs) if number % 7 == 3]
    TOLD.clear()
    taught = [pair for pair in pairs if pair not in held]
    return Coder.train(book, taught, settings=Settings(folds=2, trees=20), progress=lambda *told: TOLD.append(told)), held


def test_what_was_learnt_answers_terms_never_seen(learnt):
    coder, held = learnt
    scores = score_coding(held, coder.code([pair.text for pair in held]))
    assert scores.f1 > 0.9
    assert scores.recall_single > 0.95
    untaught = Coder(coder.codebook)
    assert score_coding(held, untaught.code([pair.text for pair in held])).f1 < scores.f1 - 0.2


def test_learning_and_answering_are_the_same_every_time(learnt):
    coder, held = learnt
    again = Coder.train(coder.codebook, coder.pairs, settings=coder.settings)
    terms = [pair.text for pair in held]
    assert again.version == coder.version
    assert again.code(terms) == coder.code(terms)


def test_an_answer_does_not_depend_on_its_neighbours(learnt):
    coder, held = learnt
    terms = [pair.text for pair in held[:30]]
    assert coder.code(terms) == [coder.code([term])[0] for term in terms]


def test_a_coder_is_saved_and_opened(learnt, tmp_path):
    coder, held = learnt
    card = coder.save(tmp_path / "coder")
    assert card.metrics["f1"] > 0.8
    opened = Coder.open(tmp_path / "coder")
    assert opened.version == coder.version
    assert opened.code([held[0].text]) == coder.code([held[0].text])
    with pytest.raises(TextDataError):
        coder.save(tmp_path / "coder")
    book = tmp_path / "coder" / "codebook.json"
    book.write_text(book.read_text(encoding="utf-8").replace("A0.0", "A0.1"), encoding="utf-8")
    with pytest.raises(ModelError, match="changed after training"):
        Coder.open(tmp_path / "coder")


def test_few_pairs_are_remembered_without_judges():
    coder = Coder.train(DIAGNOSES, [Pair("老慢支", ("慢性阻塞性肺疾病",))])
    assert coder.rankers is None
    assert coder.code(["老慢支"])[0].answers[0].code == "J44.900"


def test_trees_as_arrays_answer_as_they_were_learnt():
    numbers = np.random.default_rng(0).normal(size=(2000, 4))
    wanted = numbers[:, 0] * numbers[:, 1] > 0.2
    trees = fit_trees(numbers, wanted, trees=40)
    again = Trees.read(trees.arrays("a."), "a.")
    assert np.array_equal(trees.predict(numbers), again.predict(numbers))
    assert ((trees.predict(numbers) > 0.5) == wanted).mean() > 0.95


# ------------------------------------------------------------------------------------------------------------------------------ component
def test_the_component_codes_mentions_without_a_code_only():
    raw = "有房颤、肺炎，阿司匹林，脑梗塞伴头痛。"
    spans = [(1, 3, "problem", ""), (4, 6, "problem", "X1"), (7, 11, "drug", ""), (12, 18, "problem", ""), (0, 1, "problem", "")]
    mentions = [Mention(start, end, label, code=code) for start, end, label, code in spans]
    text = ClinicalText(Note(raw), normalise(raw), mentions=mentions)
    coding = Coding(Coder(DIAGNOSES))
    coded = coding.predict(text)
    assert [mention.code for mention in coded] == ["I48.x01", "X1", "", "I63.902;R51.x00", ""]
    assert coded[3].term == "脑梗死;头痛"
    assert [mention[:3] for mention in coded] == [mention[:3] for mention in mentions]
    assert text.mentions == mentions
    assert coding.predict(text) == coded
    assert coding.version.startswith("coding-1+coder-diagnosis@")


class OneTagger:
    """Finds the same span in every text."""

    version = "one"

    def tag(self, texts):
        return [(Entity(3, 6, "problem"),) for _ in texts]


def test_the_component_runs_in_the_pipeline_from_a_folder(tmp_path):
    Coder(DIAGNOSES).save(tmp_path / "coder")
    options = {"tagger": {"tagger": OneTagger()}, "coding": {"coder": tmp_path / "coder"}}
    language = nlp.load(components=["normalise", "tagger", "coding"], options=options)
    found = language("患者有脑梗死。")._.clinical.mentions
    assert [(mention.code, mention.term) for mention in found] == [("I63.902", "脑梗死")]
    with pytest.raises(VariableError, match="no coder"):
        nlp.load(components=["coding"])


def test_a_model_of_another_kind_is_no_coder(tmp_path):
    write_model(tmp_path / "crf", ModelCard(name="crf", kind="crf", labels=("sym",)), lambda folder: (folder / "crf.json").write_text("{}"))
    with pytest.raises(ModelError, match="kind 'crf', no coder"):
        Coder.open(tmp_path / "crf")


def test_codes_of_a_dictionary_are_replaced_when_asked():
    text = ClinicalText(
        Note("脑梗死，扭伤"), normalise("脑梗死，扭伤"), mentions=[Mention(0, 3, "problem", code="X1"), Mention(4, 6, "problem", code="X2")]
    )
    assert [mention.code for mention in Coding(Coder(DIAGNOSES)).predict(text)] == ["X1", "X2"]
    assert [mention.code for mention in Coding(Coder(DIAGNOSES), replace=True).predict(text)] == ["I63.902", "X2"]


def test_scores_count_strictly():
    pairs = [Pair("高血压，房颤", ("高血压", "心房颤动[心房纤颤]")), Pair("头痛", ("头痛",)), Pair("踝关节扭伤", ("扭伤",))]
    scores = score_coding(pairs, Coder(DIAGNOSES).code([pair.text for pair in pairs]))
    assert (scores.n_terms, scores.n_single, scores.n_names, scores.n_answers) == (3, 2, 4, 3)
    assert (scores.precision, scores.recall, scores.recall_single) == (1.0, 0.75, 0.5)
    assert scores.f1 == pytest.approx(6 / 7)


def test_the_domain_is_told_from_the_codes():
    assert [guess_domain(book) for book in (DIAGNOSES, PROCEDURES)] == ["diagnosis", "procedure"]


def test_one_term_given_very_often_is_remembered_without_judges():
    coder = Coder.train(Codebook.of([("I10", "高血压")]), [Pair("血压高", ("高血压",))] * 320)
    assert coder.rankers is None
    assert coder.code(["血压高"])[0].answers[0].code == "I10"


def test_learning_tells_how_far_it_is(learnt):
    shares = [share for share, _ in TOLD]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len({stage for _, stage in TOLD}) >= 5
