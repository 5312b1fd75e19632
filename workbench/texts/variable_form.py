"""A variable as a form in the notebook: edited field by field, tried out on its test sentences at each change, saved to a set's file.

The form covers the common fields. What it does not show (window, staging system, function, ...) is kept as it is.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import traitlets
import yaml

from nlp.errors import NlpError, VariableError
from nlp.variables.checks import check_variable
from nlp.variables.definition import ASSERTIONS, EXPERIENCERS, RULES, SCOPES, VALUE_KINDS, Variable
from nlp.variables.reading import dump_yaml, load_set, save_set
from nlp.variables.sets import VariableSet
from nlp.variables.shapes import Problem, read_variable
from nlp.variables.try_out import Outcome, run_tests
from nlp.variables.vocabulary import standard_vocabulary
from workbench.errors import DefinitionError
from workbench.locale import get_language, tr
from workbench.texts.review_words import ASSERTION_WORDS

__all__ = ["FIELDS", "Field", "VariableForm"]

_HERE = Path(__file__).parent
#: A variable is tried out before it has a name.
_NAMELESS = "nameless"


class Field(NamedTuple):
    """A field of the form: its path in the YAML, what it is called, how it is typed, its choices, and for which kinds of value.

    `rare` fields are folded away.
    """

    path: str
    zh: str
    en: str
    how: str = "text"
    choices: tuple[str, ...] = ()
    kinds: tuple[str, ...] = VALUE_KINDS
    hint: str = ""
    rare: bool = False


_FAR = ("quantity", "category", "date")
#: The form, in order; `how` is text, list, lines, choice, many, number, range or categories.
FIELDS = (
    Field("name", "名称", "Name", hint="nodule_size"),
    Field("title.zh", "中文标题", "Title (Chinese)"),
    Field("title.en", "英文标题", "Title (English)"),
    Field("documents", "文书类型", "Documents", "list", hint="CT报告, 入院记录"),
    Field("sections", "章节", "Sections", "list", hint="检查所见, 现病史"),
    Field("target.terms", "词语", "Terms", "list", hint="结节, 磨玻璃影"),
    Field("target.not_in", "排除的长词", "Not in", "list", hint="结节性甲状腺肿"),
    Field("target.regex", "正则", "Patterns", "lines", rare=True),
    Field("target.labels", "实体类型", "Entity types", "list", rare=True),
    Field("target.codes", "编码", "Codes", "list", rare=True),
    Field("near.with", "同现词", "With", "list", hint="右肺", rare=True),
    Field("near.without", "排斥词", "Without", "list", rare=True),
    Field("near.within", "同现范围", "Within", "choice", SCOPES, rare=True),
    Field("value.kind", "值的种类", "Kind of value", "choice", VALUE_KINDS),
    Field("value.unit", "单位", "Unit", kinds=("quantity",), hint="mm"),
    Field("value.range", "合理范围", "Plausible range", "range", kinds=("quantity",)),
    Field("value.take", "取值", "Take", "choice", ("max", "min", "first", "last", "mean"), ("quantity",), rare=True),
    Field("value.categories", "类别", "Categories", "categories", kinds=("category",), hint="已戒: 戒烟, 已戒"),
    Field("value.where", "值的位置", "Where", "choice", ("after", "before", "near", "inside"), _FAR, rare=True),
    Field("value.gap", "最大间隔", "Gap", "number", kinds=_FAR, rare=True),
    Field("assertion", "断言", "Assertion", "many", ASSERTIONS),
    Field("experiencer", "所指的人", "Experiencer", "many", EXPERIENCERS, rare=True),
    Field("aggregate.per", "汇总到", "Per", "choice", ("encounter", "patient"), rare=True),
    Field("aggregate.rule", "汇总规则", "Rule", "choice", RULES),
)

_WORDS = {
    "definition": ("变量定义", "Variable"),
    "tests": ("测试句", "Test sentences"),
    "text": ("句子", "Sentence"),
    "expect": ("期望", "Expected"),
    "got": ("结果", "Got"),
    "add": ("添加测试句", "Add a sentence"),
    "remove": ("删除", "Remove"),
    "save": ("保存", "Save"),
    "trying": ("正在试算……首次要加载规则，约需十秒", "Trying it out; the first time the rules are loaded, some ten seconds"),
    "mend": ("请修改", "Mend"),
    "saved": ("已保存到", "Saved to"),
    "nothing": ("（无）", "(nothing)"),
    "unset": ("（默认）", "(default)"),
    "passed": ("通过", "passed"),
    "low": ("下限", "Lowest"),
    "high": ("上限", "Highest"),
    "more": ("更多条件", "More conditions"),
    "switch": ("English", "中文"),
}
_CHOICES = {
    **ASSERTION_WORDS,
    "presence": ("有无", "presence"), "quantity": ("数值", "quantity"), "category": ("类别", "category"), "date": ("日期", "date"),
    "text": ("文本", "text"), "clause": ("分句", "clause"), "sentence": ("句", "sentence"), "section": ("章节", "section"),
    "note": ("全文", "note"), "patient": ("患者", "patient"), "family": ("家属", "family"), "other": ("他人", "other"),
    "encounter": ("每次就诊", "encounter"), "any": ("任一", "any"), "first": ("最早", "first"), "last": ("最近", "last"),
    "min": ("最小", "min"), "max": ("最大", "max"), "mean": ("平均", "mean"), "count": ("计数", "count"), "all": ("全部", "all"),
    "nearest": ("距索引日最近", "nearest"), "after": ("词后", "after"), "before": ("词前", "before"), "near": ("前后皆可", "near"),
    "inside": ("词内", "inside"),
}  # fmt: skip


class VariableForm(anywidget.AnyWidget):
    """Form of one variable.

    Parameters
    ----------
    variable : Variable or str, optional
        What to edit, or its name in the set; a new one if not said.
    path : path
        File of the set that the variable is saved to, made where it does not exist.

    Raises
    ------
    DefinitionError
        If the set has a variable that cannot be read: saving would lose it.

    Examples
    --------
    ``VariableForm("lung_nodule", path="variables.yaml")`` alone in a cell shows the form.
    """

    _esm = _HERE / "variable_form.js"
    _css = _HERE / "variable_form.css"
    state = traitlets.Dict().tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    language = traitlets.Unicode("zh").tag(sync=True)
    fields = traitlets.List().tag(sync=True)

    def __init__(self, variable: Variable | str | None = None, *, path: Path | str = "variables.yaml") -> None:
        self.path = Path(path)
        if isinstance(variable, str):
            variable = self._set()[variable]
        super().__init__(words=_words(), language=get_language(), fields=[field._asdict() for field in FIELDS])
        self._raw: dict[str, Any] = _plain(variable) if variable else {"name": "", "target": {}}
        self._was = variable.name if variable else None
        self.on_msg(lambda _, content, __: self.handle(content))
        self._try()

    @property
    def variable(self) -> Variable:
        """The variable as the form has it now; an error says what is wrong with it."""
        try:
            return _checked(self._raw)
        except Problem as problem:
            raise VariableError(f"{problem.path or 'the variable'}: {problem.message}", hint=problem.hint) from None

    def handle(self, message: dict[str, Any]) -> None:
        """Take over what was typed, try it out, and save it where asked to.

        Parameters
        ----------
        message : dict
            ``do`` is try or save; ``form`` maps paths to what was typed, ``tests`` are rows of text and expect; ``turn`` comes back with
            the answer.
        """
        if message.get("do") not in ("try", "save") or not isinstance(message.get("form"), dict):
            return
        self._raw = _merged(self._raw, message["form"], message.get("tests") or [])
        self._try(save=message["do"] == "save", turn=message.get("turn", 0))

    def _try(self, *, save: bool = False, turn: int = 0) -> None:
        shown: dict[str, Any] = {
            "form": _flat(self._raw),
            "tests": _rows(self._raw),
            "turn": turn,
            "problem": "",
            "field": "",
            "outcomes": [],
            "yaml": "",
            "saved": "",
        }
        if self._raw.get("target") or save:
            try:
                variable = _checked(self._raw if save else {**self._raw, "name": self._raw.get("name") or _NAMELESS})
                shown["outcomes"] = [_shown(outcome) for outcome in run_tests(variable)]
                shown["yaml"] = dump_yaml(VariableSet(name=self.path.stem, variables=(variable,)))
                if save:
                    self._save(variable)
                    shown["saved"] = self.path.name
            except Problem as problem:
                shown["field"], shown["problem"] = problem.path, _told(problem)
            except (NlpError, DefinitionError, OSError) as error:
                shown["problem"] = str(error)
        self.state = shown

    def _save(self, variable: Variable) -> None:
        """Put the variable in its place in the set, under its old name if it was renamed."""
        before = self._set()
        place = self._was if self._was in {each.name for each in before} else variable.name
        kept = [variable if each.name == place else each for each in before]
        if all(each is not variable for each in kept):
            kept.append(variable)
        version = before.version or "1"  # a set without one cannot be shared
        save_set(VariableSet(name=before.name, variables=tuple(kept), version=version, title=before.title), self.path)
        self._was = variable.name

    def _set(self) -> VariableSet:
        if not self.path.is_file():
            return VariableSet(name=self.path.stem)
        loaded = load_set(self.path)
        if loaded.refused:
            raise DefinitionError(
                tr(f"{self.path.name} 中有无法读取的变量", f"{self.path.name} has a variable that cannot be read"),
                hint=str(loaded.refused[0]),
            )
        return loaded.set


def _words() -> dict[str, dict[str, str]]:
    table = _WORDS | {f"choice_{key}": pair for key, pair in _CHOICES.items()}
    return {language: {key: pair[place] for key, pair in table.items()} for place, language in enumerate(("zh", "en"))}


def _plain(variable: Variable) -> dict[str, Any]:
    return yaml.safe_load(dump_yaml(VariableSet(name="form", variables=(variable,))))["variables"][0]


def _checked(raw: dict[str, Any]) -> Variable:
    variable = read_variable(raw)
    check_variable(variable, vocabulary=standard_vocabulary())
    return variable


def _told(problem: Problem) -> str:
    return f"{problem.message}\n→ {problem.hint}" if problem.hint else problem.message


def _flat(raw: dict[str, Any]) -> dict[str, Any]:
    """Return path -> value for the fields that the form shows."""
    flat = {}
    for field in FIELDS:
        found: Any = raw
        for key in field.path.split("."):
            if field.path.startswith("target.") and isinstance(found, list):
                found = {"terms": found}  # a list alone means terms
            found = {"kind": found} if key == "kind" and isinstance(found, str) else found  # "value: presence"
            found = found.get(key) if isinstance(found, dict) else None
        flat[field.path] = found
    return flat


def _merged(raw: dict[str, Any], form: dict[str, Any], tests: list[dict]) -> dict[str, Any]:
    """Return the mapping with what was typed; an empty field is left to its default, one that the form does not show stays."""
    merged: dict[str, Any] = {key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()}
    if isinstance(merged.get("target"), list):
        merged["target"] = {"terms": merged["target"]}
    if isinstance(merged.get("value"), str):
        merged["value"] = {"kind": merged["value"]}
    kind = form.get("value.kind") or "presence"
    for field in FIELDS:
        value = form.get(field.path) if kind in field.kinds else None
        parent, _, key = field.path.rpartition(".")
        holder = merged.setdefault(parent, {}) if parent else merged
        if value in (None, "", [], {}, [None, None]):
            holder.pop(key, None)
        else:
            holder[key] = value
    for parent in ("title", "near", "value", "aggregate"):
        if not merged.get(parent):
            merged.pop(parent, None)
    merged["tests"] = [_test(row, kind) for row in tests if str(row.get("text") or "").strip()]
    return merged


def _test(row: dict[str, Any], kind: str) -> dict[str, Any]:
    expect = row.get("expect")
    if isinstance(expect, str):
        expect = expect.strip() or None
    if kind == "quantity" and isinstance(expect, str):
        with suppress(ValueError):  # the reader says what is wrong with it
            expect = float(expect)
    return {key: value for key, value in row.items() if value not in (None, "")} | {"text": str(row["text"]), "expect": expect}


def _rows(raw: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(test) for test in raw.get("tests", [])]


def _shown(outcome: Outcome) -> dict[str, Any]:
    got = list(outcome.got) if isinstance(outcome.got, tuple) else outcome.got
    why = sorted({answer.why_not for answer in outcome.answers if answer.why_not})
    return {"passed": outcome.passed, "got": got, "why": [outcome.refused] if outcome.refused else why}
