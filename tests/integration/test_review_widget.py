"""The review widget in a real JupyterLab and browser: keys, corrections, offsets beyond the basic plane, both languages."""

from __future__ import annotations

import os

import pytest

from nlp.review import DecisionLog
from nlp.variables import load_set
from tests.lib.lab import REPOSITORY, opened_page, running_lab

pytestmark = pytest.mark.integration

#: Where pictures are left for a look, if anywhere.
PICTURES = os.environ.get("WORKBENCH_PICTURES", "")
CELL = """
import sys; sys.path.insert(0, {repository!r})
from pathlib import Path
import workbench as wb
from tests.lib.noted import TEXTS, noted_store
from tests.lib import noted
from tests.unit.test_texts_review import COUGH, SIZE
from nlp.variables.sets import VariableSet
text = "😀𠮷检查：胸部CT平扫。\\n" + "扫描范围自肺尖至肺底，图像质量良好。\\n" * 40
text += "影像所见：右肺上叶见一结节，大小约8×6mm；左肺另见结节，大小约3mm。😀\\n印象：右肺上叶结节。\\n" + "建议随访。\\n" * 20
noted.TEXTS = (("CT报告", text), *TEXTS[1:])
home = Path({home!r})
asked = VariableSet(name="asked", variables=(SIZE, COUGH))
chosen = wb.notes(noted_store(home / "store", people=8))
structured = chosen.structure(asked, folder=home / "texts", workers=1, progress=False)
review = structured.review(n=24, reviewer={reviewer!r}, folder=home / "reviews")
review
"""

RULE = """
second = structured.review(n=24, reviewer='乙', folder=home / 'reviews')
third = structured.review(n=24, reviewer='丁', folder=home / 'reviews')
for verdict, one in (('unsure', second), ('accept', third), ('reject', second)):
    one.widget().handle({'do': 'decide', 'verdict': verdict})
second.adjudicate('丙')
"""

FORM = """
from workbench.texts.variable_form import VariableForm
VariableForm(path=home / 'lung.yaml')
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    home = tmp_path_factory.mktemp("lab")
    with running_lab(home, CELL.format(repository=str(REPOSITORY), home=str(home), reviewer="甲")) as address:
        yield home, address


@pytest.fixture(scope="module")
def page(lab):
    with opened_page(lab[1], ".wb-review .wb-note") as page:
        yield page


def picture(page, name):
    if PICTURES:
        page.locator(".wb-review").first.screenshot(path=f"{PICTURES}/{name}.png")


def lines(home):
    (folder,) = home.glob("reviews/*/decisions")
    return [each._asdict() for each in DecisionLog(folder).read()]


def run(page, code):
    """Put code in the first cell's place and run it."""
    page.locator(".jp-Notebook .jp-InputArea-editor .cm-content").first.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")


def settle(page, home, count):
    for _ in range(100):
        if list(home.glob("reviews/*/decisions")) and len(lines(home)) >= count:
            page.wait_for_timeout(300)
            return lines(home)
        page.wait_for_timeout(100)
    raise AssertionError("the decision was not written")


def go_to(page, *, found):
    """Press the arrow until an item with or without a finding is shown; those with surrogate pairs if found."""
    page.locator(".wb-review").focus()
    for _ in range(30):
        page.wait_for_timeout(250)
        text = page.locator(".wb-note").inner_text()
        if (page.locator(".wb-none").count() == 0) == found and (not found or text.startswith("😀𠮷")):
            return text
        page.keyboard.press("ArrowRight")
    raise AssertionError("there is no such item")


def test_keys_write_decisions_and_notebook_shortcuts_stay_away(lab, page):
    home, _ = lab
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    go_to(page, found=True)
    assert "8" in page.locator(".wb-lit").inner_text()
    picture(page, "found")
    page.keyboard.press("a")
    assert settle(page, home, 1)[-1]["verdict"] == "accept"
    page.keyboard.press("u")
    assert settle(page, home, 2)[-1]["verdict"] == "unsure"
    page.keyboard.press("z")
    assert settle(page, home, 3)[-1]["verdict"] == "withdrawn"
    go_to(page, found=False)
    picture(page, "not_found")
    page.keyboard.press("r")
    page.locator(".wb-fault").wait_for()
    page.keyboard.press("a")
    assert settle(page, home, 4)[-1]["verdict"] == "accept"
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells


def test_a_span_selected_with_the_mouse_counts_code_points(lab, page):
    home, _ = lab
    text = go_to(page, found=True)
    before = len(lines(home))
    page.keyboard.press("c")
    page.locator(".wb-edit input[name=value]").fill("6")
    page.evaluate(
        """() => {
          const note = document.querySelector('.wb-note');
          const walker = document.createTreeWalker(note, NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const place = walker.currentNode.data.indexOf('右肺上叶见');
            if (place < 0) continue;
            const range = document.createRange();
            range.setStart(walker.currentNode, place);
            range.setEnd(walker.currentNode, place + 4);
            const selection = document.getSelection();
            selection.removeAllRanges();
            selection.addRange(range);
            note.dispatchEvent(new MouseEvent('mouseup', { bubbles: true }));
            return;
          }
        }"""
    )
    assert page.locator(".wb-chosen").inner_text() == "右肺上叶"
    assert page.locator(".wb-edit input[name=value]").input_value() == "6"
    picture(page, "correct")
    page.locator(".wb-edit input[name=value]").press("Enter")
    made = settle(page, home, before + 1)[-1]
    assert (made["verdict"], made["value"]) == ("correct", 6.0)
    assert text[made["start"] : made["end"]] == "右肺上叶"


def test_a_missed_answer_is_given_by_keys_alone(lab, page):
    home, _ = lab
    before = len(lines(home))
    text = go_to(page, found=False)
    page.keyboard.press("m")
    page.locator(".wb-edit").wait_for()
    if page.locator(".wb-edit input[name=value]").count():
        page.keyboard.type("5")
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "search"
    page.keyboard.insert_text(text[2:5])
    page.keyboard.press("Enter")
    assert page.locator(".wb-chosen").inner_text() == text[2:5]
    picture(page, "missed")
    page.locator(".wb-edit select[name=assertion]").focus()
    page.keyboard.press("Enter")
    made = settle(page, home, before + 1)[-1]
    assert made["verdict"] == "missed"
    assert text[made["start"] : made["end"]] == text[2:5]


def test_escape_leaves_the_form_and_the_language_switches(page):
    page.locator(".wb-review").focus()
    page.keyboard.press("m")
    page.locator(".wb-edit").wait_for()
    page.keyboard.press("Escape")
    assert page.locator(".wb-edit").count() == 0
    page.locator(".wb-switch").click()
    page.get_by_text("Quality so far").wait_for()
    picture(page, "english")
    page.locator(".wb-switch").click()
    page.get_by_text("实时质量").wait_for()


def test_the_span_of_a_long_note_is_scrolled_into_view_and_the_focus_is_seen(page):
    text = go_to(page, found=True)
    assert len(text) > 700
    note, lit = page.locator(".wb-note").bounding_box(), page.locator(".wb-lit").bounding_box()
    assert note["y"] < lit["y"] < note["y"] + note["height"] / 2
    assert page.locator(".wb-other").count() == 1  # the second nodule
    assert page.evaluate("getComputedStyle(document.querySelector('.wb-review')).boxShadow") != "none"
    page.locator(".wb-review > details > summary").click()
    picture(page, "long")


def test_nested_and_overlapping_spans_are_each_drawn_whole(page):
    source = (REPOSITORY / "workbench" / "texts" / "review_widget.js").read_text(encoding="utf-8")
    drawn = page.evaluate(
        """async (source) => {
          const { segments } = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
          return segments(Array.from('😀一𠮷二三四'), [[0, 5, 'lit'], [1, 3, 'other'], [2, 6, 'other'], [4, 99, 'other'], [3, 3, 'lit']]);
        }""",
        source,
    )
    assert [(each["start"], each["text"], sorted(each["marks"])) for each in drawn] == [
        (0, "😀", ["lit"]),
        (1, "一", ["lit", "other"]),
        (2, "𠮷", ["lit", "other", "other"]),
        (3, "二三", ["lit", "other"]),
        (5, "四", ["other"]),
    ]


def test_the_adjudicator_sees_what_both_said_and_rules(lab, page):
    home, _ = lab
    before = len(lines(home))
    page.keyboard.press("Escape")
    run(page, RULE)
    page.get_by_text("分歧裁定").wait_for()
    page.wait_for_timeout(300)
    note, lit = page.locator(".wb-note").bounding_box(), page.locator(".wb-lit").bounding_box()
    assert note["y"] < lit["y"] < note["y"] + note["height"] / 2  # at first sight too
    picture(page, "adjudication")
    page.locator(".wb-review").focus()
    page.keyboard.press("a")
    made = settle(page, home, before + 4)[-1]
    assert (made["reviewer"], made["adjudicator"], made["verdict"]) == ("丙", True, "accept")


def test_a_variable_is_defined_in_the_form_and_tried_out_as_it_is_typed(lab, page):
    home, _ = lab
    run(page, FORM)
    form = page.locator(".wb-form")
    form.locator("[name='target.terms']").fill("结节，磨玻璃影")
    form.locator("[name='target.terms']").press("a")  # a letter is a letter here, no shortcut of the notebook
    form.locator("[name='target.terms']").press("Backspace")
    form.locator("[name='value.kind']").select_option("quantity")
    form.locator("[name='value.unit']").fill("mm")
    form.locator("[name=name]").fill("nodule_long_axis")
    for place, (text, expect) in enumerate(
        (("右肺上叶见结节，大小约8×6mm。", "8"), ("左肺磨玻璃影，长径1.2cm。", "12"), ("未见结节。", "5"))
    ):
        form.locator(".wb-add").click()
        form.locator(".wb-tests textarea").nth(place).fill(text)
        form.locator(".wb-tests .wb-row input").nth(place).fill(expect)
    form.locator(".wb-tests .wb-pass").nth(1).wait_for()  # answers come as one types: the last of them is meant
    form.locator(".wb-tests .wb-fail").wait_for()
    assert form.locator(".wb-tests .wb-pass").count() == 2
    form.locator(".wb-save").click()
    form.locator(".wb-saved", has_text="lung.yaml").wait_for()
    if PICTURES:
        form.screenshot(path=f"{PICTURES}/form.png")
    (variable,) = load_set(home / "lung.yaml").set
    assert (variable.name, variable.target.terms, variable.value.unit) == ("nodule_long_axis", ("结节", "磨玻璃影"), "mm")
    assert [test.expect for test in variable.tests] == [8, 12, 5]


def test_nothing_is_asked_of_the_network(page):
    assert [url for url in page.outside if not url.startswith(("data:", "blob:"))] == []
