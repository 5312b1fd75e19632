# %% [markdown]
# # 检查报告变量 Variables of examination reports
# 从 CT、超声或病理报告里取出结构化变量（有无、大小、分级、部位），核对证据，画出分布，得到一人一行的表和一页可申请出域的报告。
# Variables out of CT, ultrasound or pathology reports: evidence, distributions, one row a patient.

# %% tags=["parameters"]
title: str = "胸部CT报告变量"  # 报告标题
kinds: list[str] = ["CT报告"]  # 报告类型，如 CT报告、超声报告、病理报告
variables: list[str] = ["library:chest_ct"]  # 变量集：library:名称，library:名称/甲+乙，或自己的 YAML 文件
each: int = 2  # 核对时每个变量、每种断言抽几条
items: int = 60  # 正式审核共抽几条
reviewer: str = ""  # 审核人；空为会话用户
workers: int = 0  # 进程数；0 为自动
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "检查报告变量"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
from pathlib import Path
from tempfile import mkdtemp

from IPython.display import HTML

import workbench as wb
from workbench.cohort.figures import histogram
from workbench.cohort.language import cohort
from workbench.cohort.variables import Age, Sex
from workbench.errors import DataError
from workbench.locale import tr
from workbench.session import in_session
from workbench.texts.chosen import some_notes
from workbench.texts.shown import category_bars, evidence_sample, label_of, patient_columns
from workbench.texts.variable_files import open_variables

wb.set_language(language)
snapshot = wb.open_store(store or None)
opened = open_variables(variables)
asked = opened.set
for error in opened.refused:
    print(error)

# %% [markdown]
# ## 1 有这类报告的患者
# 每位患者第一份这类报告的日期为索引日期；后面取这位患者全部的这类报告，按变量的规则合成一个值。

# %%
definition = cohort(title).enter(wb.notes(kind=kinds), limit="first")
result = definition.run(snapshot)
result.attrition()

# %% [markdown]
# ## 2 从报告到变量
# 报告通常分“检查所见”和“诊断意见”。变量写明看哪一段、找什么、取什么值：大小统一换算成同一单位，“8×6mm”取最大径，
# “未见结节”记为否认，“考虑”“不除外”记为可疑。
#
# 下表一行一个变量：`patients`、`notes` 为有答案的患者数和文书数，`patients_present` 为其中“有”的患者数，
# `answers` 为计入的答案数，`not_counted` 为找到但按变量的规则不计入的（如断言或单位不合）。

# %%
kept = None if in_session() else Path(mkdtemp(prefix="report-variables-"))
structured = some_notes(wb.notes(result, kind=kinds)).structure(asked, folder=kept, workers=workers or None)
structured.summary()

# %% [markdown]
# ## 3 结果审核
# 先读原文再信数字。黄色为取值所在的原文，把握度低的在前。留意：大小是不是这个病灶的（不是层厚、不是对侧）；
# “较前”说的是本次还是上次；结论与所见是否矛盾。
# 有错就把原句加进变量的测试句，修改定义后重跑，只有改过的变量会重算。

# %%
evidence_sample(structured, each=each)

# %% [markdown]
# 正式审核：下面的部件逐条显示原文，按键接受、改正、拒绝或存疑；判定随时保存，精确率、召回率和区间随之更新。

# %%
review = structured.review(n=items, reviewer=reviewer or ("" if in_session() else "local"))
review

# %%
review.metrics()

# %% [markdown]
# ## 4 一人一行
# 个体级，只在会话里用。present、absent、possible 为有、否认、可疑；None、NaN 表示报告里没有说到，不等于没有。

# %%
wide = structured.wide("patient")
wide.head(10)

# %% [markdown]
# 每一格取自哪份报告的哪几个字：

# %%
structured.sources("patient").head(10)

# %% [markdown]
# ## 5 分布
# 数值画直方图，有无和类别画人数条。人数少于阈值的不画，条形中人数过少的隐去（斜线）。

# %%
columns = patient_columns(structured, result)
charts, left_out = [], []
for variable in asked:
    if variable.name not in columns:
        continue
    values, name = columns[variable.name], label_of(variable)
    try:
        is_number = columns[variable.name].dtype.kind == "f"
        charts.append(histogram(values, label=name, unit=variable.value.unit) if is_number else category_bars(values, label=name))
    except DataError:
        left_out.append(name)
for chart in charts:
    display(HTML(f"<b>{chart.title}</b>"), chart)
print("人数不够、不画图：" + "、".join(left_out) if left_out else "")

# %% [markdown]
# ## 6 报告
# 写成 report.html 和 report.csv，放在 `out` 文件夹里，下面就是这一页。看过没有问题，再申请出域（审查员核对后放行）：
# `wb.release.request([f"{out}/report.html", f"{out}/report.csv"], title=title, purpose="用途")`

# %%
report = wb.Report(title, result, subtitle=tr("变量取自检查报告文字，由规则提取", "Variables taken from the words of reports, by rules"))
report.section(
    tr("研究对象", "Patients"),
    tr(f"至少有一份{'、'.join(kinds)}的患者；第一份的日期为索引日期。", f"Patients with at least one of: {', '.join(kinds)}."),
).add(result.attrition())
report.add(result.describe([Age(), Sex()]), caption=tr("年龄与性别", "Age and sex"))
report.section(
    tr("变量分布", "Distributions"),
    tr(
        "一名患者有多份报告时按变量的聚合规则取一个值。“否认”为报告明确写无，“未提及”为报告没有说到。",
        "Several reports of a patient give one value by the variable's rule. Absent: a report says so; not mentioned: none speaks of it.",
    ),
)
for chart in charts:
    report.add(chart)
if left_out:
    report.text(tr("有取值的人数少于阈值、未作图：", "Too few persons with a value, not drawn: ") + tr("、", ", ").join(left_out))
report.section(
    tr("方法", "Methods"),
    tr(
        f"变量集 {asked.name}（SHA-256 {asked.hash[:16]}），规则管线版本 {structured.pipeline}。",
        f"Set of variables {asked.name} (SHA-256 {asked.hash[:16]}), pipeline {structured.pipeline}.",
    ),
)
report.write(out)
report
