"""Variables in YAML: what is read, what is refused and how the refusal names its place."""

from __future__ import annotations

import pytest

from nlp.errors import VariableError
from nlp.variables.definition import Bilingual, Category, Target, Test, Value, Variable, canonical_json
from nlp.variables.reading import dump_yaml, load_set, parse_set, save_set
from nlp.variables.vocabulary import Vocabulary

ANY = Vocabulary()
NAMES = Vocabulary(documents=frozenset({"CT报告"}), sections=frozenset({"检查所见", "检查结论"}), systems=frozenset({"BI-RADS", "NYHA"}))


def form(body: str, head: str = "schema: clinical-variables/1\nname: x\nvariables:\n") -> str:
    return head + body


def refusal(body: str, vocabulary: Vocabulary = ANY) -> str:
    loaded = parse_set(form(body), vocabulary=vocabulary)
    assert len(loaded.refused) == 1
    return str(loaded.refused[0])


def test_a_whole_variable_is_read():
    loaded = parse_set(
        form(
            """
- name: nodule
  title: {zh: 结节, en: Nodule}
  documents: [CT报告]
  sections: 检查所见
  target: {terms: [结节, " 磨玻璃影 "], not_in: [结节性甲状腺肿]}
  near: {with: [肺], within: clause, laterality: [left]}
  value: {kind: quantity, unit: mm, range: [1, null], take: min, where: near, gap: 9, bare: true}
  assertion: [present]
  window: {anchor: admitted, days: [-1, 3.5]}
  aggregate: {per: patient, rule: max}
  tests:
  - {text: 左肺结节8mm, expect: 8, document: CT报告, admitted: 2024-01-02}
"""
        )
    )
    assert not loaded.refused
    variable = loaded.set["nodule"]
    assert variable.target.terms == ("结节", "磨玻璃影")
    assert variable.sections == ("检查所见",)
    assert variable.near.with_any == ("肺",)
    assert variable.value.range == (1, None)
    assert variable.window.days == (-1, 3.5)
    assert (variable.aggregate.per, variable.rule, variable.assertions) == ("patient", "max", ("present",))
    assert variable.tests[0] == Test(text="左肺结节8mm", expect=8, document="CT报告", admitted="2024-01-02")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("- {name: a, target: [x], valu: presence}", "variables:4: variable 'a', valu: no such field\n  -> did you mean value?"),
        ("- {name: A b, target: [x]}", "variable 'A b', name: found 'A b', wanted small letters"),
        ("- {name: a}", "target: is missing"),
        ("- {target: [x]}", "a variable without a name, name: is missing"),
        ("- {name: a, target: {}}", "target: is empty"),
        ("- {name: a, target: {terms: [x], system: NYHA}}", "found terms, system together, wanted system alone"),
        ("- {name: a, target: [x, [y]]}", "target.terms[1]: found a list, wanted a text"),
        ("- {name: a, target: [1.10]}", "put quotes round it"),
        ("- {name: a, target: [x], value: number}", "value.kind: found 'number', wanted one of presence, quantity"),
        ("- {name: a, target: [x], value: {kind: quantity, unit: mmm}}", "value.unit: found the unit 'mmm', wanted one that is known"),
        ("- {name: a, target: [x], value: {kind: presence, unit: mm}}", "value.unit: a presence has none"),
        ("- {name: a, target: [x], value: {kind: quantity, range: [9, 1]}}", "value.range: lowest 9 is above highest 1"),
        ("- {name: a, target: [x], value: {kind: category}}", "value.categories: is missing"),
        ("- {name: a, target: [x], aggregate: {rule: sum}}", "aggregate.rule: found 'sum', wanted one of any, first"),
        ("- {name: a, target: [x], aggregate: {rule: mean}}", "aggregate.rule: found 'mean', wanted for a presence one of"),
        ("- {name: a, target: [x], aggregate: {rule: nearest}}", "nearest needs a window"),
        ("- {name: a, target: [x], window: {anchor: birth}}", "window.anchor: found 'birth', wanted one of written"),
        ("- {name: a, target: [x], tests: [{text: y}]}", "tests[0].expect: is missing"),
        ("- {name: a, target: [x], tests: [{text: y, expect: maybe}]}", "tests[0].expect: wanted one of present"),
        ("- {name: a, target: [x], tests: [{text: y, expect: null, written: 2024-13-01}]}", "tests[0].written: found '2024-13-01'"),
        ("- {name: a, target: {regex: ['(']}}", "target.regex: pattern does not compile"),
        ("- {name: a, target: {regex: ['x*']}}", "target.regex: pattern matches the empty text"),
        ("- {name: a, target: {regex: ['(a+)+$']}}", "target.regex: pattern needs more than 0.1 s"),
        ("- {name: a, target: {regex: ['(结节|结|节)+[^结节x]mm']}, near: {with: ['/(无+)+见/']}}", "pattern needs more than 0.1 s"),
        ("- {name: a, target: {regex: ['([一-龥]+、?)+结节']}}", "target.regex: pattern needs more than 0.1 s"),
        ("- {name: a, target: [x], target: [y]}", "variables:4: a key stands twice"),
        ("- just words", "as a whole: found 'just words', wanted a mapping"),
    ],
)
def test_what_is_wrong_is_named(body, said):
    assert said in refusal(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("- {name: a, sections: [检查所现], target: [x]}", "sections: '检查所现' is not known\n  -> did you mean 检查所见?"),
        ("- {name: a, documents: [CT], target: [x]}", "documents: 'CT' is not known"),
        ("- {name: a, target: {system: BIRADS}, value: text}", "target.system: 'BIRADS' is not known\n  -> did you mean BI-RADS?"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(body, said):
    assert said in refusal(body, NAMES)


def test_functions_are_checked_with_the_standard_vocabulary():
    def said(body):
        return refusal(body, None)

    assert "did you mean largest_size?" in said("- {name: a, target: {function: largest_sizes}, value: text}")
    body = "- {name: a, target: {function: largest_size, parameters: {term: [x]}}, value: {kind: quantity, unit: mm}}"
    assert "function largest_size has no parameter 'term'\n  -> did you mean terms?" in said(body)
    body = "- {name: a, target: {function: largest_size, parameters: {terms: [x]}}, value: {kind: quantity, unit: mg}}"
    assert "value.unit: found 'mg', wanted one that 'mm' converts to" in said(body)


def test_one_broken_variable_costs_no_other():
    loaded = parse_set(form("- {name: a, target: [x]}\n- {name: b}\n- {name: a, target: [z]}\n- {name: c, target: [y]}"), vocabulary=ANY)
    assert [variable.name for variable in loaded.set] == ["a", "c"]
    assert [error.message.split(":")[1] for error in loaded.refused] == ["5", "6"]
    assert "another variable before it has the same name" in str(loaded.refused[1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "wanted a mapping"),
        ("name: x\nvariables: []", "schema: wanted clinical-variables/1"),
        ("schema: clinical-variables/1\nvariables: []", "name: is missing"),
        ("schema: clinical-variables/1\nname: x\nvariables: 3", "wanted a list of variables"),
        ("schema: clinical-variables/1\nname: x\nvariable: []", "did you mean variables?"),
        ("schema: clinical-variables/1\nname: x\nvariables: &a [*a]", "anchors and aliases are not read"),
        ("schema: clinical-variables/1\nname: x\nvariables: " + "[" * 50 + "]" * 50, "nested too deep"),
        ("schema: [\n", "v:2:"),
        ("? [a, b]\n: c", "line 1: found a list or a mapping as a field"),
        ("schema: clinical-variables/1\nname: x\ntitle: [1]\nvariables: []", "v: title: wanted a text"),
        ("a: \x01", "characters that YAML does not allow"),
        ("schema: clinical-variables/1\nname: x\nvariables: !!python/object:os.system []", "v"),
    ],
)
def test_a_file_that_is_no_set_is_refused_as_a_whole(text, said):
    if "python" in text:
        assert len(parse_set(text, source="v").set) == 0
        return
    with pytest.raises(VariableError, match=r".") as caught:
        parse_set(text, source="v")
    assert said in str(caught.value)


def test_text_of_a_test_is_never_shown():
    secret = "患者张三，身份证" * 9
    assert "张三" not in refusal(f"- {{name: a, target: [x], tests: [{{text: y, expect: present, section: {{{secret}: 1}}}}]}}")
    assert "张三" not in refusal(f"- {{name: a, target: [x], value: {{kind: {secret}}}}}")


def test_words_that_yaml_would_change_stay_words():
    loaded = parse_set(
        form(
            "- {name: a, target: [no, 否, 12:30, 2024-03-05, 1e5, 0x1f]}",
            "schema: clinical-variables/1\nversion: 1.10\nname: x\nvariables:\n",
        )
    )
    assert loaded.set["a"].target.terms == ("no", "否", "12:30", "2024-03-05", "1e5", "0x1f")
    assert loaded.set.version == "1.10"


def test_saving_is_one_step_and_reading_gives_the_same(tmp_path):
    categories = (Category(name="已戒", words=("戒烟",)), Category(name="从不", words=("吸烟",), assertion=("absent",)))
    variable = Variable(name="smoking", target=Target(), value=Value(kind="category", categories=categories), title=Bilingual("吸烟"))
    loaded = parse_set(form("- {name: a, target: [x]}"), vocabulary=ANY)
    whole = type(loaded.set)(name="两", variables=(*loaded.set.variables, variable), version="2", title=Bilingual(en="Two"))
    path = tmp_path / "变量.yaml"
    save_set(whole, path)
    assert load_set(path, vocabulary=ANY) == (whole, ())
    assert [item.name for item in tmp_path.iterdir()] == ["变量.yaml"]
    with pytest.raises(VariableError, match=r"none\.yaml: cannot be read"):
        load_set(tmp_path / "none.yaml")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(VariableError, match="cannot be read as UTF-8"):
        load_set(path)


def test_the_hash_is_of_the_meaning():
    one = Variable(name="a", target=Target(terms=("x", "y")), value=Value(kind="quantity", unit="mm", range=(1.0, None)))
    same = Variable(
        name="a",
        target=Target(terms=("y", "x", "y")),
        value=Value(kind="quantity", unit="mm", range=(1, None)),
        assertion=("possible", "present"),
        title=Bilingual("甲"),
        tests=(Test(text="x", expect=None),),
    )
    other = Variable(name="a", target=Target(terms=("x", "y")), value=Value(kind="quantity", unit="cm", range=(1, None)))
    assert one.hash == same.hash != other.hash
    assert canonical_json(one) == (
        '{"aggregate":{"rule":"first"},"name":"a","target":{"terms":["x","y"]},"value":{"kind":"quantity","range":[1,null],"unit":"mm"}}'
    )
    order = [Category(name="b", words=("b",)), Category(name="c", words=("c",))]
    two = [Variable(name="a", target=Target(), value=Value(kind="category", categories=tuple(way))) for way in (order, order[::-1])]
    assert two[0].hash != two[1].hash


def test_the_written_form_is_the_documented_one():
    written = dump_yaml(parse_set(form("- {name: a, target: [x], value: {kind: quantity, unit: mm}}"), vocabulary=ANY).set)
    assert written == (
        "schema: clinical-variables/1\nname: x\nvariables:\n- name: a\n  target:\n    terms:\n    - x\n"
        "  value:\n    kind: quantity\n    unit: mm\n"
    )


@pytest.mark.parametrize(
    "pattern", ["结节.*?([0-9]+)mm", "(?:未见|无).*?(?:结节|肿块)", "[0-9]+(?:\\.[0-9]+)?\\s*[×x*]\\s*[0-9]+", "(?:右肺|左肺)[^。]*?结节"]
)
def test_patterns_as_people_write_them_are_taken(pattern):
    assert parse_set(form(f"- {{name: a, target: {{regex: ['{pattern}']}}}}"), vocabulary=ANY).refused == ()
