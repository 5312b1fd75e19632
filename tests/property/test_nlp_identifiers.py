"""Laws of identifiers: spans lie in the text, in order, without overlap; nothing raises; a scrubbed note is left as it is."""

from hypothesis import given
from hypothesis import strategies as st

from nlp.annotations import ClinicalText, Note
from nlp.identifiers import Identifiers, find_identifiers
from nlp.normal import normalise
from nlp.pipeline import finish
from workbench.ingest.scrub import scrub

PIECES = st.sampled_from(
    (
        *("患者", "王芳", "，", "主任", "张", "13800138000", "11010519491231002X", "北京", "市", "医院", "朝阳路12号", "姓名："),
        *("李**", "某", "\n", " ", "3/5", "2021-03-01", "·", "住址：", "床号：", "一", "@", "a.b", "霍奇金", "高血压", "男"),
        *("56岁", "电话", "１３", "Ⅲ", "<br>", "\ud800", "😀"),
    )
)
NOTES = st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=60))


@given(NOTES)
def test_spans_lie_in_the_raw_text_in_order(raw):
    text = ClinicalText(Note(raw), normalise(raw))
    text.identifiers = Identifiers().predict(text)
    finish(text)
    at = 0
    for hit in text.identifiers:
        assert at <= hit.start < hit.end <= len(raw)
        at = hit.end


@given(NOTES)
def test_a_scrubbed_note_holds_no_phone_and_moves_where_its_edits_say(raw):
    done = scrub(raw, shift_days=7)
    kinds = {hit.kind for hit in find_identifiers(normalise(done.text).text)}
    assert "identity_number" not in kinds
    at = shift = 0
    for edit in done.edits:
        assert raw[at : edit.start] == done.text[at + shift : edit.start + shift]
        assert done.text[edit.start + shift :].startswith(edit.text)
        shift += len(edit.text) - (edit.end - edit.start)
        at = edit.end
    assert raw[at:] == done.text[at + shift :]


def test_a_long_note_is_no_trouble():
    raw = "患者王芳，女，56岁，电话13800138000，家住河北省承德市双滦区应营子村3组。0 1 2 3 4 5 6 7 8 9 " * 2_000
    hits = find_identifiers(normalise(raw).text)
    assert sum(hit.kind == "name" for hit in hits) == 2_000
