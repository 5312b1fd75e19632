# %% [markdown]
# # 病历后结构化 Structuring clinical notes
# 取一个队列的病历文书，用一套变量（变量库或自己的 YAML）逐份提问，得到每个取值都能追到原文的表；抽样核对证据，存为课题的发现，
# 再用这些发现筛出新的队列，写成一页可申请出域的报告。
# The notes of a cohort are asked a set of variables: a table whose every cell leads back to its words, a review, findings, a
# cohort that asks for them.

# %% tags=["parameters"]
title: str = "住院患者病历后结构化"  # 报告标题
variables: list[str] = ["library:symptoms", "library:history/history_diabetes"]  # 变量集：library:名称，library:名称/甲+乙，或 YAML 文件
kinds: list[str] = ["入院记录", "首次病程记录"]  # 文书类型；空为全部
days: list[int] = [-7, 30]  # 索引日期前后多少天内书写的文书（两端含）
wanted: str = "history_diabetes"  # 用哪个变量筛出新的队列（变量名）
min_age: int = 18  # 最小年龄（岁，含）
each: int = 2  # 核对时每个变量、每种断言抽几条
items: int = 60  # 正式审核共抽几条
reviewer: str = ""  # 审核人；空为会话用户
workers: int = 0  # 进程数；0 为自动
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "病历后结构化"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
from pathlib import Path
from tempfile import mkdtemp

import workbench as wb
from workbench.cohort.language import cohort
from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.session import in_session
from workbench.texts.chosen import some_notes
from workbench.texts.shown import describe_notes, evidence_sample, label_of
from workbench.texts.variable_files import open_variables

wb.set_language(language)
snapshot = wb.open_store(store or None)
opened = open_variables(variables)
asked = opened.set
for error in opened.refused:
    print(error)

# %% [markdown]
# ## 1 研究对象
# 每位患者首次住院，入院时间为索引时间。病历只取这些人的、在索引日期前后规定天数内书写的文书。

# %%
definition = cohort(title).enter(wb.encounters(setting="inpatient"), limit="first")
definition = definition.require(tr(f"年龄 ≥{min_age} 岁", f"Age ≥{min_age} years"), wb.age >= min_age)
result = definition.run(snapshot)
result.attrition()

# %% [markdown]
# ## 2 变量
# 一个变量就是向每份文书提的一个问题：在哪类文书、哪个章节里找，找什么词，取什么值（有无、数值及单位、类别、日期、文本），
# 怎样把同一患者的多个答案合成一个。
# 变量有指纹（hash）：改动定义，指纹就变，改动标题或测试句则不变。没改的变量不会重算。

# %%
import pandas as pd

pd.DataFrame(
    [(each_.name, label_of(each_), each_.value.kind, each_.value.unit, each_.rule, len(each_.tests), each_.hash[:12]) for each_ in asked],
    columns=["变量", "名称", "取值", "单位", "聚合", "测试句", "指纹"],
)

# %% [markdown]
# ## 3 提问
# 运行会显示进度；中断后再运行这一格，会从断点继续。结果放在会话的个人目录里，随快照、文书和规则版本分开存放。
# 没能提问的文书列在 `structured.refused`；要再试一次，加上 `retry_refused=True`。
#
# 下表一行一个变量：`patients`、`notes` 为有答案的患者数和文书数，`patients_present` 为其中“有”的患者数，
# `answers` 为计入的答案数，`not_counted` 为找到但按变量的规则不计入的（如断言或单位不合）。

# %%
kept = None if in_session() else Path(mkdtemp(prefix="note-structuring-"))
chosen = some_notes(wb.notes(result, kind=kinds, days=tuple(days)))
structured = chosen.structure(asked, folder=kept, workers=workers or None)
structured.summary()

# %% [markdown]
# 整齐表：一行一个答案，带文书号、断言（有、否认、可疑、既往、假设）、原文位置、原文、把握度和变量指纹。个体级，只在会话里看。

# %%
structured.table().head(20)

# %% [markdown]
# ## 4 结果审核
# 机器读病历会出错，发表之前必须由人核对。下面按变量和断言分层抽样，把握度低的排在前面，黄色为取值所在的原文。
# 看三件事：词是不是这个意思；断言对不对（“否认”“待排”“家族史”是否读反）；数值和单位是不是这个变量的。
# 发现错误时，把那句话加进变量的测试句，改定义，再运行第 3 步：只有改过的变量会重算。

# %%
evidence_sample(structured, each=each)

# %% [markdown]
# 正式审核：下面的部件逐条显示原文，按键接受、改正、拒绝或存疑；判定随时保存，精确率、召回率和区间随之更新，两人审核后可以仲裁。

# %%
review = structured.review(n=items, reviewer=reviewer or ("" if in_session() else "local"))
review

# %%
review.metrics()

# %% [markdown]
# ## 5 宽表
# 一行一名患者，一列一个变量，None、NaN 是没有提到，不等于没有；`sources()` 说明每格取自哪份文书的哪几个字。

# %%
structured.wide("patient").head(10)

# %%
structured.sources("patient").head(10)

# %% [markdown]
# ## 6 存为发现，用发现筛队列
# `publish()` 把计入的答案存成课题的发现，和检验、诊断一样可以写进队列规则；新快照的编号带上发现的版本。

# %%
names = [variable.name for variable in asked]
if wanted not in names:
    raise DefinitionError(f"there is no variable {wanted!r} in the set", hint=f"-p wanted=<one of: {', '.join(names)}>")
with_findings = structured.publish()
label = label_of(asked[wanted])
narrowed = definition.require(tr(f"病历记载：{label}", f"Notes say: {label}"), wb.findings(wanted).within(days=tuple(days)))
narrowed_result = narrowed.run(with_findings)
narrowed_result.attrition()

# %% [markdown]
# ## 7 报告
# 写成 report.html 和 report.csv，放在 `out` 文件夹里，下面就是这一页。看过没有问题，再申请出域（审查员核对后放行）：
# `wb.release.request([f"{out}/report.html", f"{out}/report.csv"], title=title, purpose="用途")`

# %%
report = wb.Report(title, result, subtitle=tr("变量取自病历文书，由规则提取", "Variables taken from notes by rules"))
report.section(
    tr("研究对象与文书", "Patients and notes"),
    tr(
        f"每人首次住院的入院时间为索引时间；文书为索引日期前 {-days[0]} 天至后 {days[1]} 天内书写的{'、'.join(kinds) or '全部文书'}。",
        f"Index: each patient's first admission. Notes written from day {days[0]} to day {days[1]}: {', '.join(kinds) or 'all'}.",
    ),
).add(result.attrition())
report.section(
    tr("病历记载", "What the notes say"),
    tr(
        "“否认”为文书明确写无，“未提及”为文书没有说到，二者不同；一名患者有多份文书时按变量的聚合规则取一个值。",
        "Absent: a note says so. Not mentioned: no note speaks of it. Several notes of a patient give one value by the variable's rule.",
    ),
).add(describe_notes(structured, result), caption=tr("病历变量", "Variables of the notes"))
report.section(
    tr("由发现筛选的队列", "Cohort by findings"),
    tr(f"在上述对象中，要求文书记载“{label}”。", f"Of these, the notes have to say: {label}."),
).add(narrowed_result.attrition())
report.section(
    tr("方法", "Methods"),
    tr(
        f"变量集 {asked.name}（SHA-256 {asked.hash[:16]}），规则管线版本 {structured.pipeline}。",
        f"Set of variables {asked.name} (SHA-256 {asked.hash[:16]}), pipeline {structured.pipeline}.",
    ),
)
report.write(out)
report
