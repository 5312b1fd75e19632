# %% [markdown]
# # 出院诊断编码 ICD-10 coding of discharge diagnoses
# 从出院小结里取出诊断文本，逐条给出医院自己码表中的候选编码和依据，列出需要编码员看的条目，并与首页已有编码对照，写成一页可申请出域的报告。
# Diagnosis texts of discharge summaries get candidates of the hospital's own codebook with their evidence, a review list and a comparison.

# %% tags=["parameters"]
title: str = "出院诊断自动编码"  # 报告标题
kinds: list[str] = ["出院小结", "死亡记录"]  # 文书类型
sections: list[str] = ["出院诊断", "死亡诊断"]  # 取哪些章节的文本
codebook: str = ""  # 码表文件（编码、名称、别名；TSV、CSV、xlsx）；空为快照自带的编码
coded_before: str = ""  # 已编码的对照（原始词、标准词），有则先学习；空为只按字面相似
sure: float = 0.8  # 把握度不低于此值者不必人工看
shown: int = 30  # 审核清单显示多少条
each: int = 5  # 其余条目里每种依据抽几条核对
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "出院诊断编码"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd

import workbench as wb
from nlp.coding.coder import Coder
from nlp.coding.pairs import read_pairs
from workbench.cohort.baseline import baseline_table
from workbench.cohort.language import cohort
from workbench.errors import DataError
from workbench.locale import tr
from workbench.session import in_session
from workbench.texts.chosen import some_notes
from workbench.texts.diagnoses import code_diagnoses, diagnosis_sections, recorded_codes, snapshot_codebook

wb.set_language(language)
snapshot = wb.open_store(store or None)

# %% [markdown]
# ## 1 有出院小结的患者

# %%
definition = cohort(title).enter(wb.notes(kind=kinds), limit="first")
result = definition.run(snapshot)
result.attrition()

# %% [markdown]
# ## 2 诊断文本
# 先认出文书的章节，再取“出院诊断”下面的整段文字；原文位置一并记下，后面每个编码都能指回去。

# %%
kept = None if in_session() else Path(mkdtemp(prefix="icd-coding-"))
structured = some_notes(wb.notes(result, kind=kinds)).structure(diagnosis_sections(sections), folder=kept)
if structured.table().empty:
    raise DataError(
        tr(f"这些文书里没有章节{'、'.join(sections)}", f"no note has such a section: {', '.join(sections)}"),
        hint=tr("先看一份文书有哪些章节，再改 sections 和 kinds", "look at the sections of a note, then change sections and kinds"),
    )
structured.table()[["note_id", "span_start", "span_end", "value_text"]].head()

# %% [markdown]
# ## 3 候选编码
# 每条诊断与码表的名称、别名比对：去掉“伴”“术后”“？”这类不改变诊断的字，补全并列写法（胃、十二指肠溃疡），
# 换同义词（房颤=心房颤动），一条里写了几个病就给几个编码。
# `rule` 说明凭什么：name 与码表名称相同，like 相似，`甲=乙` 为换了词，known term 为以前编过。有已编码的对照时先学习，
# 把握度才是概率；没有时只是相似度。

# %%
book = snapshot_codebook(snapshot, Path(codebook) if codebook else None)
coder = Coder.train(book, read_pairs(Path(coded_before)), domain="diagnosis") if coded_before else Coder(book, domain="diagnosis")
coded = code_diagnoses(structured, coder)
coded.head(10)

# %% [markdown]
# ## 4 结果审核
# 编码员看两张表。第一张是拿不准的：没有编码，或把握度低于设定值；候选按好坏排列，空表说明没有这样的条目。

# %%
unsure = coded[(coded["code"] == "") | (coded["score"] < sure)]
heads = {"term": "原文", "code": "编码", "name": "名称", "score": "把握度", "rule": "依据", "candidates": "候选"}
often = unsure.groupby("term")["note_id"].transform("nunique").rename("次数")
review = unsure[list(heads)].rename(columns=heads).assign(次数=often).drop_duplicates("原文")
review.sort_values(["次数", "把握度"], ascending=[False, True]).head(shown)

# %% [markdown]
# 第二张从其余条目里按依据各抽几条：把握度高也会错，高编、漏编都影响病组付费，抽到的要回到那份文书核对。

# %%
settled = coded.drop(unsure.index).drop_duplicates("term").sample(frac=1, random_state=1)
settled.groupby("rule").head(each)[[*heads, "note_id"]].rename(columns={**heads, "note_id": "文书"}).sort_values("依据")

# %% [markdown]
# 选定的写成一张两列的表，下次写在 `coded_before` 里学习，同样的写法就不用再看：
# `pd.DataFrame([("糖网伴高血压", "糖尿病视网膜病变##高血压")], columns=["原始词", "标准词"]).to_csv("已编码.csv", index=False)`
#
# 机器给出的编码在人确认之前不得写回病案首页。

# %% [markdown]
# ## 5 与首页编码对照
# 同一次住院，病案首页已有的编码是编码员给的，可作参照：按类目（前三位）看，机器给出的有多少在首页里，首页的有多少被找到。
# 首页可能漏编，文书可能没写，差别不都是机器的错。

# %%
category = coded[coded["code"] != ""].assign(category=lambda rows: rows["code"].str[:3])
by_visit = category.groupby(["person_id", "visit_occurrence_id"])["category"].agg(set)
on_page = recorded_codes(snapshot, result.index["person_id"].tolist())
rows = []
for (person, visit), found in by_visit.items():
    known = {code[:3] for code in on_page.get(visit, ()) if code}
    rows.append((person, len(found), len(found & known), len(known), bool(known)))
visits = pd.DataFrame(rows, columns=["person_id", "found", "both", "known", "on_page"])
counted = {"found": "机器给出的类目", "both": "其中首页也有的", "known": "首页的类目"}
visits[list(counted)].sum().rename(counted).to_frame("个数")

# %%
persons = pd.Index(result.index["person_id"], name="person_id")
totals = visits[visits["on_page"]].groupby("person_id")[["found", "both", "known"]].sum().reindex(persons)
per_person = pd.DataFrame(
    {
        "terms": coded.groupby("person_id")["term"].nunique().reindex(persons).fillna(0).astype(float).to_numpy(),
        "precision": (100 * totals["both"] / totals["found"].replace(0, np.nan)).to_numpy(),
        "recall": (100 * totals["both"] / totals["known"].replace(0, np.nan)).to_numpy(),
        "unsure": pd.Series(persons.isin(unsure["person_id"]).astype(float)),
    }
)
labels = {
    "terms": tr("出院诊断条数（不同写法）", "Diagnoses as written, different ones"),
    "precision": tr("机器给出的类目在首页中的比例", "Categories given that are on the front page"),
    "recall": tr("首页类目被机器找到的比例", "Categories of the front page that were found"),
    "unsure": tr("有需人工审核的诊断", "With a diagnosis to be reviewed"),
}
described = baseline_table(per_person, labels=labels, units={"precision": "%", "recall": "%"})
described

# %% [markdown]
# ## 6 报告
# 写成 report.html 和 report.csv，放在 `out` 文件夹里，下面就是这一页。看过没有问题，再申请出域（审查员核对后放行）：
# `wb.release.request([f"{out}/report.html", f"{out}/report.csv"], title=title, purpose="用途")`

# %%
report = wb.Report(title, result, subtitle=tr("候选编码由规则给出，须经编码员确认", "Candidates by rules, to be confirmed by a coder"))
report.section(
    tr("研究对象", "Patients"),
    tr(f"至少有一份{'、'.join(kinds)}的患者。", f"Patients with at least one of: {', '.join(kinds)}."),
).add(result.attrition())
report.section(
    tr("编码结果", "Coding"),
    tr(
        f"诊断文本取自{'、'.join(sections)}，逐条与码表比对；把握度低于 {sure:g} 或没有编码者列入人工审核。"
        "比例按患者计，以 ICD-10 类目（前三位）比较。",
        f"Texts of: {', '.join(sections)}. Reviewed where the score is below {sure:g} or there is no code. "
        "Shares are of each patient's ICD-10 categories.",
    ),
).add(described, caption=tr("诊断编码", "Coding of diagnoses"))
report.section(
    tr("方法", "Methods"),
    tr(
        f"码表版本 {book.version}，编码器 {coder.version}，规则管线版本 {structured.pipeline}。",
        f"Codebook {book.version}, coder {coder.version}, pipeline {structured.pipeline}.",
    ),
)
report.write(out)
report
