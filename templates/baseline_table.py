# %% [markdown]
# # 基线特征表 Baseline table
# 论文的“表 1”：研究对象筛选流程、按结局或任一变量分组的基线特征、缺失情况与分布，写成可申请出域的报告和可编辑的 Word。
# Table one: flow of patients, characteristics by group, missing values and distributions, as a page and as Word.

# %% tags=["parameters"]
title: str = "首次住院成人的基线特征"  # 报告标题
by: str = "outcome"  # 分组：outcome 为随访结束时的状态；也可写一个变量名，如 sex；空为不分组
study: str = ""  # 研究方案文件（YAML），如 templates/studies/gbsg2.yaml；空为下面对数据仓库定义的研究
table: list[str] = []  # 表格文件（CSV、Excel、Parquet，逗号分隔），与 study 一起给；空为数据仓库
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "基线特征"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
from IPython.display import HTML

import workbench as wb
from workbench.cohort.language import cohort
from workbench.errors import DefinitionError
from workbench.locale import tr
from workbench.risk.description.distributions import distributions
from workbench.risk.description.flow import cleaning_log, flow_chart
from workbench.risk.description.missing import missing_by, missing_combinations, missing_shares

wb.set_language(language)
if table and not study:
    raise DefinitionError("tables are given, but no study that says how they are read", hint="-p study=STUDY.yaml")

# %% [markdown]
# ## 1 研究方案 Protocol
# 先写清三件事：**谁**（队列）、**什么时候**（索引时间）、**看什么**（变量）。
# 这里没有给方案文件时，用数据仓库里每名成人的首次住院：入院后 24 小时为索引时间，变量只取那一刻之前已经知道的。
#
# 常见错误：把整个住院期间的化验平均值当作“基线”。基线是索引时间之前，之后的都不是。

# %%
if study:
    protocol = wb.risk.Study.read(study)
else:
    admitted = cohort(title).enter(wb.encounters(setting="inpatient"), limit="first")
    protocol = wb.risk.Study(
        title=title,
        cohort=admitted.require(tr("年龄 ≥18 岁", "Age ≥18 years"), wb.age >= 18),
        index={"plus_hours": 24},
        outcome={"label": tr("死亡", "Death"), "events": {"deaths": "all"}, "horizons_days": [365]},
        predictors=[
            {"person": ["age", "sex"]},
            {"labs": ["血红蛋白", "肌酐", "白蛋白", "C反应蛋白"]},
            {"vitals": ["心率", "收缩压"]},
            {"diagnoses": ["I10"], "name": "hypertension", "label": tr("既往高血压", "Hypertension before")},
            {"diagnoses": ["E11"], "name": "diabetes", "label": tr("既往糖尿病", "Diabetes before")},
        ],
    )
data = protocol.extract(table or wb.open_store(store or None))

# %% [markdown]
# ## 2 筛选流程 Flow of patients
# 从全部记录到研究对象，每一步剩多少人。哪一步移出的人特别多，先弄清原因：定义写错了，还是数据没有记录？

# %%
flow = flow_chart(data.cohort.flow)
flow

# %% [markdown]
# ## 3 基线特征表 Table one
# 怎样读：连续变量近似对称时写均数（标准差），偏态时写中位数 [四分位数]，规则写在表注里；“缺失”一列是没有值的人数。
#
# - **P 值不是用来筛变量的。** 人多时微小差别也“显著”，人少时大的差别也“不显著”。看标准化差（SMD）：大于 0.1 才算有差别。
# - 按**结局**分组的表是描述，不是因果，也不能据此决定哪些变量进模型（单因素筛选会使模型过拟合）。
# - 人数少于披露阈值的格子被隐去，与它相加能推算的格子也一起隐去。

# %%
baseline = wb.risk.table_one(data, by=by)
baseline

# %% [markdown]
# ## 4 缺失 Missing values
# 先看缺多少，再看**谁**缺：若两组缺失比例不同，缺失就不是随机的（例如只给重病人查的项目），删掉缺失的人会带来偏倚。
# 常见错误：只分析“资料完整者”。宜在模型里用多重插补，而且插补要放在重抽样里面。

# %%
missing = [missing_shares(data), missing_combinations(data)]
if by:
    missing.insert(1, missing_by(data, by))
for chart in missing:
    display(HTML(f"<b>{chart.title}</b>"), chart)

# %% [markdown]
# ## 5 分布与清洗 Distributions and cleaning
# 直方图用来找错：单位不一致会出现两个峰，录入错误会出现孤立的极端值。清洗记录写明改了什么、改了多少个值。

# %%
shown = distributions(data)
for chart in shown.values():
    display(chart)
cleaned = cleaning_log(data.features.changes)
cleaned

# %% [markdown]
# ## 6 报告 Report
# 写成 report.html、report.csv 和 report.docx（三线表可以直接编辑）。看过没有问题，再申请出域：
# `wb.release.request([f"{out}/report.html", f"{out}/report.docx"], title=title, purpose="用途")`

# %%
source = [(tr("研究方案（SHA-256）", "Protocol (SHA-256)"), protocol.hash), (tr("数据版本", "Snapshot of the data"), data.origin)]
report = wb.Report(protocol.title, source, subtitle=tr("基线特征", "Baseline characteristics"))
report.section(tr("研究对象", "Patients")).add(flow)
report.section(
    tr("基线特征", "Baseline characteristics"),
    tr("变量取索引时间之前最后一次已知的值。", "Values are the last that were known before the index."),
).add(baseline)
report.section(tr("缺失情况", "Missing values"))
for chart in missing:
    report.add(chart)
report.section(tr("分布", "Distributions"))
for chart in shown.values():
    report.add(chart)
if len(cleaned):
    report.section(tr("数据清洗", "Cleaning")).table(cleaned, tr("清洗记录", "Log of cleaning"), words=True)
report.write(out, word=True)
report
