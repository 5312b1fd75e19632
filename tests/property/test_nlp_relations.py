"""Laws of relations: whatever the text and the mentions, targets exist, spans cover both, a value is bound once but in lists."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from nlp.annotations import ClinicalText, Mention, Note
from nlp.normal import normalise
from nlp.quantities import Quantities
from nlp.relations import Relations
from nlp.sentences import Clauses, Sentences
from nlp.times import Times

PIECES = [
    "结节",
    "左肾",
    "右肺",
    "囊肿",
    "8mm",
    "3×2cm",
    "100mg",
    "HbA1c",
    "7.2%",
    "腹痛",
    "3天",
    "2019年",
    "、",
    "，",
    "。",
    "：",
    "大小约",
    "均",
    "分别为",
    "见",
    "双",
]
LABELS = ["problem", "finding", "symptom", "test", "drug", "anatomy", "procedure", "疾病和诊断", "unheard of"]


@st.composite
def texts(draw):
    pieces = draw(st.lists(st.sampled_from(PIECES), max_size=30))
    text, mentions = "", []
    for piece in pieces:
        if "\u4e00" <= piece[0] <= "\u9fff" and len(piece) == 2 and draw(st.booleans()):
            mentions.append(Mention(len(text), len(text) + 2, draw(st.sampled_from(LABELS))))
        text += piece
    if text and draw(st.booleans()):
        mentions.append(Mention(0, draw(st.integers(1, len(text))), "finding"))
    return text, draw(st.permutations(mentions))


@given(texts())
def test_targets_exist_and_spans_cover_both(drawn):
    text, mentions = drawn
    clinical = ClinicalText(Note(text, written=datetime(2021, 6, 15)), normalise(text), mentions=list(mentions))
    clinical.sentences = Sentences().predict(clinical)
    clinical.clauses = Clauses().predict(clinical)
    clinical.quantities = Quantities().predict(clinical)
    clinical.times = Times().predict(clinical)
    found = Relations().predict(clinical)
    lists = {"value": clinical.quantities, "distance": clinical.quantities, "site": clinical.mentions, "time": clinical.times}
    for one in found:
        mention = clinical.mentions[one.mention]
        assert 0 <= one.start <= mention.start
        assert mention.end <= one.end <= len(text)
        if one.kind == "laterality":
            assert one.text in ("left", "right", "bilateral")
        else:
            target = lists[one.kind][one.target]
            assert one.start <= target.start
            assert target.end <= one.end
            assert one.kind != "site" or one.target != one.mention
    assert len(found) == len(set(found))
    assert Relations().predict(clinical) == found
