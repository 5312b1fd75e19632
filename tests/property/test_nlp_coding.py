"""Laws of coding: places lie inside the term, whatever the term is, and answers are among what the codebook has."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.coding import Coder
from nlp.coding.codebook import Codebook
from nlp.coding.pairs import Pair
from nlp.coding.terms import DOMAINS, domain_rules, units_of

PIECES = [
    "高血压",
    "肺",
    "炎",
    "癌",
    "左",
    "、",
    "，",
    "；",
    "伴",
    "(",
    ")",
    "1.",
    "２、",
    " ",
    "　",
    "ca",
    "Ⅲ期",
    "①",
    "術後",
    "\n",
    "&nbsp;",
    "0.5g",
    "🎉",
    "\ud800",
    "\x00",
]
TERMS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=40)
CODER = Coder(
    Codebook.of([("I10", "高血压"), ("C34", "肺恶性肿瘤"), ("J18", "肺炎"), ("J18.1", "左肺炎")]),
    pairs=[Pair("肺癌术后", ("肺恶性肿瘤", "手术后"))],
)


@given(TERMS, st.sampled_from(DOMAINS))
def test_units_lie_inside_the_term(term, domain):
    for unit in units_of(term, domain_rules(domain), known={"左肺炎"}):
        assert 0 <= unit.start <= unit.end <= len(term)


@settings(deadline=None)
@given(TERMS)
def test_answers_are_names_that_are_known_with_places_inside_the_term(term):
    coded = CODER.code([term])[0]
    names = {entry.name for entry in CODER.codebook.entries} | {"手术后"}
    for answer in (*coded.answers, *coded.candidates):
        assert answer.name in names
        assert 0 <= answer.start <= answer.end <= len(term)
        assert 0 <= answer.score <= 1
    assert {answer.name for answer in coded.answers} <= {candidate.name for candidate in coded.candidates}
    assert coded == CODER.code([term])[0]
