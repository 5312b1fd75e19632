"""Laws of variables: writing and reading keep meaning and hash, a set does not differ from itself, spans lie in the text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from nlp.variables.definition import (
    ANCHORS,
    ASSERTIONS,
    RULES,
    Aggregate,
    Bilingual,
    Category,
    Near,
    Target,
    Test,
    Value,
    Variable,
    Window,
    canonical_json,
    plain,
)
from nlp.variables.evaluate import CompiledSet
from nlp.variables.reading import dump_yaml, parse_set
from nlp.variables.sets import VariableSet
from nlp.variables.shapes import read_variable
from nlp.variables.vocabulary import Vocabulary
from tests.lib.variable_notes import by_hand

if TYPE_CHECKING:
    import random

WORD = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cn", "Co"), exclude_characters="/"), min_size=1, max_size=6)
WORDS = st.lists(WORD, min_size=1, max_size=4, unique=True).map(tuple)
SOME = st.one_of(st.just(()), WORDS)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")), max_size=12)
NUMBER = st.one_of(st.none(), st.integers(-1000, 1000), st.floats(-1e6, 1e6).map(lambda value: round(value, 3)))
BOUNDS = st.tuples(NUMBER, NUMBER).filter(lambda pair: None in pair or pair[0] <= pair[1])
ASSERTED = st.one_of(st.just(()), st.lists(st.sampled_from(ASSERTIONS), min_size=1, unique=True).map(tuple))


@st.composite
def variables(draw, name: str = "v") -> Variable:
    kind = draw(st.sampled_from(("presence", "quantity", "category", "text")))
    categories = ()
    if kind == "category":
        names = draw(st.lists(WORD, min_size=1, max_size=3, unique=True))
        categories = tuple(Category(name=item, words=draw(WORDS), assertion=draw(ASSERTED)) for item in names)
    value = Value(
        kind=kind,
        unit=draw(st.sampled_from(("", "mm", "g/L"))) if kind == "quantity" else "",
        range=draw(BOUNDS) if kind == "quantity" else (None, None),
        gap=draw(st.integers(0, 99)),
        bare=draw(st.booleans()),
        categories=categories,
    )
    near = Near(with_any=draw(SOME), without=draw(SOME), within=draw(st.sampled_from(("clause", "note"))))
    window = draw(st.one_of(st.none(), st.builds(Window, anchor=st.sampled_from(ANCHORS), days=BOUNDS)))
    rule = draw(st.sampled_from([rule for rule in RULES if rule in ("first", "last", "count", "all")]))
    expect = {"first": None, "last": None, "count": 3, "all": ("a", 2)}[rule]
    return Variable(
        name=name,
        target=Target(terms=draw(WORDS), not_in=draw(SOME)),
        title=Bilingual(draw(TEXT), draw(TEXT)),
        documents=draw(SOME),
        near=near,
        value=value,
        assertion=draw(ASSERTED),
        window=window,
        aggregate=Aggregate(per=draw(st.sampled_from(("encounter", "patient"))), rule=rule),
        tests=(Test(text=draw(TEXT), expect=expect),),
    )


@settings(max_examples=60, deadline=None)
@given(variables())
def test_writing_and_reading_keep_the_variable_and_its_hash(variable):
    whole = VariableSet(name="s", variables=(variable,), version="1.10")
    loaded = parse_set(dump_yaml(whole), vocabulary=Vocabulary())
    assert loaded.refused == ()
    assert loaded.set == whole
    assert loaded.set.hash == whole.hash
    assert not whole.diff(loaded.set)


@settings(max_examples=60, deadline=None)
@given(variables(), st.randoms(use_true_random=False))
def test_the_order_of_keys_and_of_unordered_lists_is_no_meaning(variable, chance):
    shuffled = read_variable(_shuffled(plain_form(variable), chance))
    assert canonical_json(shuffled) == canonical_json(variable)
    assert shuffled.hash == variable.hash


def plain_form(variable: Variable) -> dict:
    form = json.loads(json.dumps(plain(variable)))
    if "categories" in form.get("value", {}):
        form["value"]["categories"] = {item.pop("name"): item for item in form["value"]["categories"]}
    return form


def _shuffled(tree, chance: random.Random, key: str = ""):
    if isinstance(tree, dict):
        items = list(tree.items())
        if key != "categories":
            chance.shuffle(items)
        return {name: _shuffled(item, chance, name) for name, item in items}
    if isinstance(tree, list) and key in ("terms", "not_in", "with", "without", "documents", "words", "assertion"):
        return chance.sample(tree, len(tree))
    return tree


@settings(max_examples=60, deadline=None)
@given(variables(), variables("w"), st.text(st.sampled_from("结节ａA１mm×８。，\n咳 <&;é😀"), max_size=40))
def test_answers_lie_in_the_text_and_two_variables_together_answer_as_each_alone(one, two, raw):
    text = by_hand(raw)
    together = CompiledSet((one, two)).evaluate(text).answers
    for answer in together:
        assert 0 <= answer.start <= answer.end <= len(raw)
        assert 0 <= answer.confidence <= 1
        assert (answer.value is None) == bool(answer.why_not)
    assert [answer for answer in together if answer.variable == "v"] == CompiledSet((one,)).evaluate(text).answers
