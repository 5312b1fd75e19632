"""Templates as text: their form, their parameters, and the command that lists and shows them."""

import ast

import pytest
from typer.testing import CliRunner

from workbench.commands.template import app
from workbench.errors import DefinitionError
from workbench.templates import FOLDER, Parameter, check_values, list_templates, open_template, parse_value

FORM = """# %% [markdown]
# # A title
# What it does,
# in two lines.

# %% tags=["parameters"]
{parameters}

# %%
1 + 1
"""


def written(tmp_path, parameters="n: int = 3  # how many", form=FORM):
    path = tmp_path / "mine.py"
    path.write_text(form.format(parameters=parameters), encoding="utf-8")
    return str(path)


def test_own_template_is_read(tmp_path):
    template = open_template(written(tmp_path))
    assert (template.name, template.title, template.summary) == ("mine", "A title", "What it does, in two lines.")
    assert template.parameters == (Parameter("n", "int", 3, "how many"),)


def test_every_template_of_the_house_has_the_form_and_explains_its_parameters():
    templates = list_templates()
    assert {template.name for template in templates} >= {"cohort_description", "inpatient_outcome"}
    for template in templates:
        assert template.summary, template.name
        for parameter in template.parameters:
            assert parameter.help, f"{template.name}.{parameter.name} has no explanation"


def test_templates_are_text_without_a_header():
    for path in FOLDER.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# %% [markdown]\n# # "), path.name
        ast.parse(text)


@pytest.mark.parametrize(
    ("form", "parameters", "words"),
    [
        ("print(1)\n", "", "does not begin with a markdown cell"),
        (FORM.replace("# # A title", "# A title"), "n: int = 1", "does not begin with a markdown cell"),
        (FORM.replace(' tags=["parameters"]', ""), "n: int = 1", "tagged parameters"),
        (FORM, "n = 3", "is not 'name: type = default"),
        (FORM, "n: dict = 3", "is of type dict"),
    ],
    ids=["no markdown", "no title", "no tag", "no type", "strange type"],
)
def test_what_breaks_the_form_is_told(tmp_path, form, parameters, words):
    with pytest.raises(DefinitionError, match=words):
        open_template(written(tmp_path, parameters, form))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "30", 30),
        ("float", "6.5", 6.5),
        ("str", "a=b", "a=b"),
        ("bool", "True", True),
        ("bool", "no", False),
        ("list[str]", "E11, E14", ["E11", "E14"]),
        ("list[int]", "0,24", [0, 24]),
        ("list[str]", "", []),
    ],
)
def test_texts_become_values(kind, text, value):
    assert parse_value(Parameter("p", kind, None, ""), text) == value


@pytest.mark.parametrize(("kind", "text"), [("int", "3.5"), ("float", "many"), ("bool", "maybe"), ("list[int]", "1,x")])
def test_a_text_of_another_type_is_told_with_an_example(kind, text):
    with pytest.raises(DefinitionError, match=f"wanted {kind.replace('[', '.').replace(']', '.')}") as caught:
        parse_value(Parameter("p", kind, None, "what it is"), text)
    assert caught.value.hint.startswith("as in -p p=")


def test_an_unknown_parameter_names_the_nearest():
    with pytest.raises(DefinitionError, match="no parameter 'minage'") as caught:
        check_values(open_template("cohort_description"), {"minage": "18"})
    assert caught.value.hint == "did you mean min_age?"


def test_an_unknown_template_names_the_nearest():
    with pytest.raises(DefinitionError, match="no template 'cohort_descripton'") as caught:
        open_template("cohort_descripton")
    assert caught.value.hint == "did you mean cohort_description?"


def test_command_lists_and_shows():
    listed = CliRunner().invoke(app, ["list"])
    assert listed.exit_code == 0
    assert "队列描述" in listed.output
    shown = CliRunner().invoke(app, ["show", "inpatient_outcome"])
    assert shown.exit_code == 0
    assert "min_age: int = 18" in shown.output
    assert "Next:" in shown.output


@pytest.mark.parametrize(
    ("given", "words"), [(["-p", "min_age"], "is not KEY=VALUE"), (["-p", "min_age=1", "-p", "min_age=2"], "given twice")]
)
def test_command_refuses_what_is_no_parameter(given, words, tmp_path):
    result = CliRunner().invoke(app, ["run", "cohort_description", "--out", str(tmp_path / "out"), *given])
    assert isinstance(result.exception, DefinitionError)
    assert words in str(result.exception)
    assert not (tmp_path / "out").exists()
