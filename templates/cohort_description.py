# %% [markdown]
# # 队列描述 Cohort description
# 由编码、年龄、回溯期与检验条件选出队列，画出筛选流程，给出基线特征、分布与缺失情况，写成一页可申请出域的报告。
# Selects a cohort by codes, age, look-back and a laboratory condition; writes flow chart, baseline table, distributions and
# missing values as one page that can be requested for release.

# %% tags=["parameters"]
title: str = "2型糖尿病住院患者"  # 报告标题
codes: list[str] = ["E11"]  # 入组诊断编码（ICD-10-CN 前缀，逗号分隔）
setting: str = "inpatient"  # 就诊类型：inpatient 住院、outpatient 门诊、emergency 急诊；空为任何
min_age: int = 18  # 最小年龄（岁，含）
lookback_days: int = 90  # 索引日期前至少可观察的天数；0 为不要求
lab: str = "HbA1c"  # 要描述的检验项目（来源编码或名称）；空为不用
lab_unit: str = "%"  # 检验单位；其他单位的结果不计入
lab_min: float = 0.0  # 要求检验值不低于此数；0 为不要求
window_days: int = 90  # 检验取索引日期前后各多少天内最近一次
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "队列描述"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
import workbench as wb
from workbench.cohort.figures import age_sex_pyramid, histogram, missingness
from workbench.cohort.language import cohort
from workbench.locale import tr

wb.set_language(language)
snapshot = wb.open_store(store or None)

# %% [markdown]
# ## 队列定义 Definition
# 每人首次符合入组诊断的日期为索引日期；各规则按写下的顺序计入筛选流程。

# %%
around_index = (-window_days, window_days)
definition = cohort(title).enter(wb.diagnoses(wb.icd10cn(*codes), setting=setting or None), limit="first")
definition = definition.require(tr(f"年龄 ≥{min_age} 岁", f"Age ≥{min_age} years"), wb.age >= min_age)
if lookback_days:
    looked_back = tr(f"索引日期前可观察 ≥{lookback_days} 天", f"Observed for ≥{lookback_days} days before")
    definition = definition.require(looked_back, wb.observed(before_days=lookback_days))
if lab and lab_min:
    high = wb.labs(lab).where(value_ge=lab_min, unit=lab_unit).within(days=around_index)
    definition = definition.require(
        tr(f"前后 {window_days} 天内 {lab} ≥{lab_min:g} {lab_unit}", f"{lab} ≥{lab_min:g} {lab_unit} within {window_days} days"), high
    )

# %%
result = definition.run(snapshot)
result

# %% [markdown]
# ## 变量 Variables
# 年龄、性别、科室、住院天数、合并症、常见诊断、检验与用药为默认变量；另取一个检验值。

# %%
chosen = [wb.variables.Value(wb.labs(lab).within(days=around_index), name="chosen_lab", label=lab, unit=lab_unit)] if lab else []
usual = result.default_variables()
variables = [*usual[:5], *chosen, *(known for known in usual[5:] if known.name != f"lab_{lab}")]
frame = result.frame(variables)
labels = {variable.name: variable.label for variable in variables}
baseline = result.describe(variables)
baseline

# %% [markdown]
# ## 报告 Report
# 写成 report.html 和 report.csv，放在 `out` 文件夹里，下面就是这一页。看过没有问题，再申请出域（审查员核对后放行）：
# `wb.release.request([f"{out}/report.html", f"{out}/report.csv"], title=title, purpose="用途")`

# %%
report = wb.Report(title, result, subtitle=tr("队列描述", "Cohort description"))
report.section(
    tr("研究对象", "Patients"),
    tr(
        f"入组事件为诊断编码以 {'、'.join(codes)} 开头的首次就诊记录，其日期为索引日期。流程图逐条给出各规则之后剩余的人数。",
        f"Entry event: the first record of a diagnosis whose code begins with {', '.join(codes)}; its date is the index date.",
    ),
).add(result.attrition())
report.section(
    tr("基线特征", "Baseline characteristics"),
    tr(
        "除另有说明外，合并症与诊断取索引日期前 1 年内记录，用药取前 90 天内，检验取前后 30 天内最近一次。",
        "Comorbidities and diagnoses: the year before; drugs: 90 days before; laboratory: nearest value within 30 days, unless said.",
    ),
).add(baseline)
report.section(tr("分布", "Distributions")).add(age_sex_pyramid(frame["age"], frame["sex"]))
for variable in chosen:
    if frame[variable.name].notna().sum() >= report.policy.threshold:
        report.add(histogram(frame[variable.name], label=variable.label, unit=variable.unit))
numbers = [name for name in frame.columns if name.startswith(("lab_", "chosen_")) or name in ("age", "sex", "department", "length_of_stay")]
report.section(tr("缺失情况", "Missing values")).add(missingness(frame[numbers], labels=labels))
report.write(out)
report
