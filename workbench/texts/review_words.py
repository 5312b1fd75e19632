"""What the review widget says on screen: each text in Chinese and in English."""

from __future__ import annotations

__all__ = ["ASSERTION_WORDS", "FAULTS", "WORDS", "words"]

#: Key -> (Chinese, English).
WORDS = {
    "title": ("结果审核", "Review"),
    "adjudication": ("分歧裁定", "Adjudication"),
    "reviewer": ("审核人", "Reviewer"),
    "progress": ("已审", "judged"),
    "switch": ("English", "中文"),
    "found": ("提取结果", "Extracted"),
    "not_found": ("未提取到结果", "Nothing extracted"),
    "ask_not_found": ("请通读原文：确无此项按 A，漏提按 M。", "Read the note: press A if nothing is there, M if something was missed."),
    "value": ("值", "Value"),
    "assertion": ("断言", "Assertion"),
    "confidence": ("置信度", "Confidence"),
    "section": ("章节", "Section"),
    "span": ("原文", "Source"),
    "accept": ("正确", "Accept"),
    "none_there": ("确无此项", "Nothing there"),
    "reject": ("错误", "Reject"),
    "unsure": ("无法判断", "Unsure"),
    "correct": ("更正", "Correct"),
    "missed": ("漏提", "Missed"),
    "undo": ("撤销", "Undo"),
    "previous": ("上一条", "Previous"),
    "next": ("下一条", "Next"),
    "save": ("保存", "Save"),
    "cancel": ("取消", "Cancel"),
    "edit_correct": ("更正：修改值或断言，或用鼠标在原文中选取", "Correct: change value or assertion, or select the words in the note"),
    "edit_missed": ("漏提：用鼠标在原文中选取，再填写值", "Missed: select the words in the note, then give the value"),
    "search": ("查找原文并选取", "Find and select words"),
    "start": ("起点", "Start"),
    "end": ("终点", "End"),
    "no_span": ("未选取", "nothing selected"),
    "metrics": ("实时质量", "Quality so far"),
    "variable": ("变量", "Variable"),
    "judged": ("已审", "Judged"),
    "precision": ("精确率", "Precision"),
    "recall": ("召回率", "Recall"),
    "f1": ("F1", "F1"),
    "more": ("距 ±3% 还需", "More for ±3%"),
    "enough": ("已达标", "reached"),
    "items": ("条", "items"),
    "method": ("灰色小字为 95% 置信区间：精确率为 Wilson 区间，按抽样权重；召回率与 F1 由其合成。",
               "In grey: 95% intervals, for precision by Wilson with the sample's weights, for recall and F1 made from those."),
    "strata": ("抽样分层", "Strata"),
    "rest": ("尚未审核的变量", "Variables not judged yet"),
    "stratum": ("分层", "Stratum"),
    "stands_for": ("代表份数", "Stands for"),
    "has_found": ("有结果", "found"),
    "has_none": ("无结果", "none"),
    "your_verdict": ("当前结论", "Verdict"),
    "they_said": ("审核人意见", "What reviewers said"),
    "done": ("全部审核完成", "All judged"),
    "nothing": ("没有需要裁定的分歧。", "Nothing to adjudicate."),
    "empty": ("没有可审核的条目。", "Nothing to review."),
}  # fmt: skip

#: Assertion -> (Chinese, English).
ASSERTION_WORDS = {
    "present": ("存在", "present"),
    "absent": ("否认 / 不存在", "absent"),
    "possible": ("可能", "possible"),
    "hypothetical": ("假设", "hypothetical"),
    "historical": ("既往", "historical"),
}

#: Why a decision was not taken.
FAULTS = {
    "number": ("值应为数字", "the value has to be a number"),
    "category": ("值不在该变量的类别之中", "the value is none of the variable's categories"),
    "nothing": (
        "此处未提取到结果：没有可判错或更正的内容。确无此项按 A，漏提按 M",
        "nothing was extracted: press A if nothing is there, M if missed",
    ),
    "unchanged": ("更正没有改变任何内容：请修改值、断言或选取范围，或按 A", "the correction changes nothing: change it, or press A"),
    "span": ("选取范围超出原文", "the selection lies outside the note"),
    "undo": ("没有可撤销的结论", "there is nothing to undo"),
    "disk": ("结论未能写入磁盘，请检查空间后重试", "the decision could not be written: check the disk's space and try again"),
}


def words() -> dict[str, dict[str, str]]:
    """Return all texts of the screen, language by language.

    Returns
    -------
    dict
        "zh" and "en", each key -> text; assertions under ``assertion_NAME``, faults under ``fault_NAME``.
    """
    table = (
        WORDS | {f"assertion_{key}": pair for key, pair in ASSERTION_WORDS.items()} | {f"fault_{key}": pair for key, pair in FAULTS.items()}
    )
    return {language: {key: pair[place] for key, pair in table.items()} for place, language in enumerate(("zh", "en"))}
