# %% [markdown]
# # 住院结局与入院早期检验 Inpatient outcome and early laboratory values
# 成人住院患者，入院后若干小时内首次检验值，以院内死亡为结局：筛选流程、按结局分组的基线特征、检验值的箱图与分布，写成一页可申请出域的报告。
# Adult inpatients, the first laboratory values within some hours of admission, death in hospital as the outcome.

# %% tags=["parameters"]
title: str = "住院患者入院早期检验与院内死亡"  # 报告标题
labs_wanted: list[str] = ["乳酸脱氢酶", "淋巴细胞(%)"]  # 检验项目（来源编码或名称，逗号分隔）；缺任何一项者不纳入
units: list[str] = ["U/L", "%"]  # 各项目的单位，与上一行一一对应；其他单位的结果不计入
hours: int = 24  # 入院后多少小时内
min_age: int = 18  # 最小年龄（岁，含）
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "入院检验与结局"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
import workbench as wb
from workbench.cohort.figures import age_sex_pyramid, boxes, histogram, missingness
from workbench.cohort.language import cohort
from workbench.cohort.variables import Age, Death, LengthOfStay, Sex, Value
from workbench.errors import DefinitionError
from workbench.locale import tr

wb.set_language(language)
if len(units) != len(labs_wanted):
    raise DefinitionError(f"{len(labs_wanted)} labs and {len(units)} units", hint="give one unit for each item of labs_wanted, in order")
snapshot = wb.open_store(store or None)
wanted = dict(zip(labs_wanted, units, strict=True))

# %% [markdown]
# ## 队列定义 Definition
# 每人首次住院的入院时间为索引时间。

# %%
early = {name: wb.labs(name).where(unit=unit).within(hours=(0, hours)) for name, unit in wanted.items()}
definition = cohort(title).enter(wb.encounters(setting="inpatient"), limit="first")
definition = definition.require(tr(f"年龄 ≥{min_age} 岁", f"Age ≥{min_age} years"), wb.age >= min_age)
for name, events in early.items():
    definition = definition.require(tr(f"入院 {hours} 小时内测过 {name}", f"{name} within {hours} hours of admission"), events)

# %%
result = definition.run(snapshot)
result

# %% [markdown]
# ## 变量 Variables
# 年龄、性别、住院天数，各检验项目在窗口内的首次值；结局为院内死亡。

# %%
first_values = [
    Value(
        events,
        name=f"lab_{name}",
        label=tr(f"{name}（入院 {hours} 小时内首次）", f"{name} (first within {hours} hours)"),
        unit=wanted[name],
        pick="first",
    )
    for name, events in early.items()
]
variables = [Age(), Sex(), *first_values, LengthOfStay()]
outcome = Death()
frame = result.frame([*variables, outcome])
group = frame["death"].map({0: tr("存活", "Survived"), 1: tr("死亡", "Died")})
baseline = result.describe(variables, by=outcome)
baseline

# %% [markdown]
# ## 报告 Report
# 写成 report.html 和 report.csv，放在 `out` 文件夹里，下面就是这一页。看过没有问题，再申请出域（审查员核对后放行）：
# `wb.release.request([f"{out}/report.html", f"{out}/report.csv"], title=title, purpose="用途")`

# %%
report = wb.Report(title, result, subtitle=tr("成人住院患者，结局为院内死亡", "Adult inpatients; the outcome is death in hospital"))
report.section(
    tr("研究对象", "Patients"),
    tr(
        f"每人首次住院的入院时间为索引时间；纳入年龄不小于 {min_age} 岁、入院 {hours} 小时内测过全部所列检验项目者。",
        f"Index: each patient's first admission. Patients of at least {min_age} years with all items within {hours} hours.",
    ),
).add(result.attrition())
report.section(
    tr("按结局分组的基线特征", "Baseline characteristics by outcome"),
    tr(
        "结局为院内死亡。检验值取窗口内首次结果。住院天数在出院后才知道，仅作描述，不可用作预测因子。",
        "The outcome is death in hospital. Length of stay is known only afterwards: it describes, and must not predict.",
    ),
).add(baseline, caption=tr("按院内死亡分组的基线特征", "Baseline characteristics by death in hospital"))
report.section(tr("检验值与结局", "Laboratory values and outcome"))
for variable in first_values:
    report.add(boxes(frame[variable.name], group, label=variable.label, unit=variable.unit))
    report.add(histogram(frame[variable.name], by=group, label=variable.label, unit=variable.unit))
report.section(tr("分布与缺失", "Distribution and missing values")).add(age_sex_pyramid(frame["age"], frame["sex"]))
report.add(missingness(frame[[variable.name for variable in variables]], labels={variable.name: variable.label for variable in variables}))
report.write(out)
report
