# %% [markdown]
# # 风险预测模型 Risk model
# 从队列到 TRIPOD+AI 报告：提取、泄漏审查、基线、样条 Cox 或 logistic 模型、内部验证、校准、决策曲线、列线图。
# From a cohort to a TRIPOD+AI report: extraction, guards against leaks, models, validation, calibration, decision curve, nomogram.

# %% tags=["parameters"]
title: str = "首次住院成人一年内死亡的预测"  # 报告标题
days: int = 365  # 预测多少天内的死亡
bootstrap: int = 100  # 自助法次数：试跑用 20，写论文用 200 以上
study: str = ""  # 研究方案文件（YAML），如 templates/studies/gbsg2.yaml；空为下面对数据仓库定义的研究
table: list[str] = []  # 表格文件（CSV、Excel、Parquet，逗号分隔），与 study 一起给；空为数据仓库
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "风险模型"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
from IPython.display import HTML

import workbench as wb
from workbench.cohort.language import cohort
from workbench.errors import DefinitionError
from workbench.locale import tr

wb.set_language(language)
if table and not study:
    raise DefinitionError("tables are given, but no study that says how they are read", hint="-p study=STUDY.yaml")

# %% [markdown]
# ## 1 研究方案 Protocol
# 模型开始之前就写定：谁、何时预测、预测什么、用什么预测、怎样验证。方案有一个哈希值，改一个字就变，报告里会写上。
#
# 没有给方案文件时：每名成人首次住院后 24 小时预测，结局是其后一年内死亡。预测因子只取预测那一刻之前**已经出报告**的化验、
# 以前的诊断；本次出院时才写下的诊断不算，因为预测时还没有。
#
# 变量按临床知识选，不按单因素 P 值选。人不多时不留出测试集：切走四分之一的病人，建模和验证都更不准，自助法更好。

# %%
if study:
    protocol = wb.risk.Study.read(study)
else:
    admitted = cohort(title).enter(wb.encounters(setting="inpatient"), limit="first")
    protocol = wb.risk.Study(
        title=title,
        cohort=admitted.require(tr("年龄 ≥18 岁", "Age ≥18 years"), wb.age >= 18),
        index={"plus_hours": 24},
        outcome={"label": tr(f"{days} 天内死亡", f"Death within {days} days"), "events": {"deaths": "all"}, "horizons_days": [days]},
        predictors=[
            {"person": ["age", "sex"]},
            {"labs": ["血红蛋白", "肌酐", "白蛋白"]},
            {"diagnoses": ["C"], "name": "cancer", "label": tr("既往恶性肿瘤", "Cancer before")},
            {"diagnoses": ["E11"], "name": "diabetes", "label": tr("既往糖尿病", "Diabetes before")},
        ],
        models=["spline_cox", "cox"],
        validation={"split": "none"},
        thresholds=[0.1, 0.2],
        seed=1,
    )
protocol = protocol.changed(validation=protocol.validation.model_copy(update={"bootstrap": bootstrap}))
source = protocol.source(table or wb.open_store(store or None))
print(protocol.hash)

# %% [markdown]
# ## 2 审查泄漏 Guards
# **泄漏**是把预测时还不知道的事放进了模型：住院天数、出院诊断、全程最高值、结局后的用药。有泄漏的模型 AUC 高得漂亮，到病床边没有用。
# 下面的检查项会删掉或打乱预测时刻之后的全部记录再提取一次，结果必须一字不差；还会找与结局几乎一一对应的变量、重复的病人等。
# “拒绝”必须改方案，“警告”要写进论文，“提示”请看一遍。
#
# 留意**每个变量的事件数（EPV）**：一个参数大约要 10 个以上的事件，事件少就少用变量。

# %%
protocol.audit(source)

# %% [markdown]
# ## 3 建模与验证 Models and validation
# 一次运行做完：插补与建模（都在每次重抽样**里面**）、自助法校正乐观、交叉验证、亚组、样本量。
#
# - `apparent` 是在建模的病人身上看自己的表现，总是偏乐观；**不能**当作结果报告。
# - `corrected` 是自助法校正后的；`cross_validation` 是没有参与建模的病人上的；`holdout` 是留出集，看一次记一次。

# %%
result = protocol.run(source, progress=True)
shown = result.drawn()


def show(*places: str) -> None:
    """Show the figures and tables of some places."""
    for place in places:
        for chart in shown.charts.get(place, []):
            display(HTML(f"<b>{chart.title}</b>"), chart)
        for caption, frame in shown.tables.get(place, []):
            display(HTML(f"<b>{caption}</b>"), frame)


result

# %% [markdown]
# ## 4 样本够不够 Sample size
# Riley 准则：建模至少要多少人，才能使过拟合不超过一成、总体风险估得准。达不到时结论只能是“探索性”的，应当减少变量或增加病人。

# %%
display(result.sample_size)
show("description", "missing")

# %% [markdown]
# ## 5 先看校准，再看区分度 Calibration first
# **校准**：说 20% 的那些人里，是不是真有 20% 发生？点应落在对角线上。斜率小于 1 说明预测太极端（过拟合）；
# O/E 大于 1 说明低估了风险。一个 AUC 0.9 而校准很差的模型会误导医生，不能用来告诉病人“您的风险是多少”。
#
# **区分度**（C 指数、AUC）只说排序：高危者是否排在前面。0.5 是瞎猜。看置信区间，不只看点估计。

# %%
show("calibration", "discrimination")

# %% [markdown]
# ## 6 有没有用 Decision curve
# 决策曲线：在某个治疗阈值下，用模型比“全治”“全不治”多得的净获益。模型的线不高于这两条，就不必用它。
# 阈值要由临床定（愿意为救一个人多治几个人），不是从曲线上挑最好看的。

# %%
show("benefit")

# %% [markdown]
# ## 7 模型本身 The model
# 森林图是比值的估计与区间，效应曲线显示非线性，列线图可以手工打分。**这些不是因果效应**：预测模型里的系数不能解释为“改变它就能降低风险”。
# 比例风险检验不通过时，看效应是否随时间改变，而不是简单删掉变量。稳定性图：同一个病人在各次重抽样的模型里得到的风险相差多大。

# %%
show("model", "stability", "subgroups", "clusters", "alarms")

# %% [markdown]
# ## 8 报告 Report
# report.html 与 report.docx 是完整报告（流程、方程、全部图、TRIPOD+AI 和 PROBAST+AI 清单），metrics.csv 是指标，card.json 是模型卡。
# 标了【作者填写】的地方要自己写。看过没有问题，再申请出域：
# `wb.release.request([f"{out}/report.html", f"{out}/card.json"], title=title, purpose="用途")`

# %%
files = result.report(out)
print(*files, sep="\n")
