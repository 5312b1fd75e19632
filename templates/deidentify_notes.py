# %% [markdown]
# # 病历去标识 De-identifying notes
# 取一个队列的病历文书，去掉姓名、证件号、电话、住址、编号、床号、机构和医师，日期按患者整体移动；看各类各有多少，抽样核对，
# 写成一页可申请出域的报告。数据仓库入库时已去过一次标识，这里查的是还剩什么；院内其他文件请用命令
# `workbench text deidentify 文件.csv --out 结果.csv`。
# Identifiers are taken out of the notes of a cohort, counted by kind, and a sample is read by a person.

# %% tags=["parameters"]
title: str = "住院患者病历去标识"  # 报告标题
kinds: list[str] = []  # 文书类型；空为全部
days: list[int] = [-7, 30]  # 索引日期前后多少天内书写的文书（两端含）
shift_days: int = 0  # 日期移动的最大天数；0 为不移动
each: int = 3  # 核对时每类抽几处
unread: int = 10  # 再抽几份全文，查有无遗漏
key: str = ""  # 密钥文件，没有就新建；空为只用于本次运行的随机密钥
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "病历去标识"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
import secrets
from pathlib import Path

import workbench as wb
from workbench.cohort.language import cohort
from workbench.ingest.scrub import scrub, tags
from workbench.locale import tr
from workbench.pseudonyms import PseudonymKey
from workbench.texts.chosen import some_notes
from workbench.texts.deidentified import deidentify_notes
from workbench.texts.shown import category_bars

wb.set_language(language)
snapshot = wb.open_store(store or None)

# %% [markdown]
# ## 1 研究对象
# 每位患者首次住院，入院时间为索引时间；只取索引日期前后规定天数内书写的文书。

# %%
definition = cohort(title).enter(wb.encounters(setting="inpatient"), limit="first")
result = definition.run(snapshot)
result.attrition()

# %% [markdown]
# ## 2 去标识
# 识别靠上下文和形式：“姓名：”“患者”“其子”“主刀：”“主任”等词前后的姓名；身份证号按校验码；电话、银行卡按号段和校验；
# 住址按行政区划和门牌的写法；机构按名称的后缀。帕金森、霍奇金、高血压、白细胞这类词不会被当作姓名。
# 同一患者的同一姓名得到同一个记号（如【姓名K3FQ】），换一把密钥记号就不同；日期在一名患者内整体移动，间隔不变。
#
# 先看一段编造的文字会变成什么：

# %%
secret = PseudonymKey.load(Path(key)) if key else PseudonymKey(secrets.token_bytes(32))
example = "患者王建国，男，56岁，帕金森病。身份证号11010519491231002X，电话13800138000。联系人：李秀英。"
print(scrub(example, tag=tags(secret, "编造")).text)

# %% [markdown]
# 再对队列的文书做，数出各类各有多少处；空表说明入库时已去干净，规则没有再找到。

# %%
chosen = some_notes(wb.notes(result, kind=kinds, days=tuple(days)))
done = deidentify_notes(chosen, key=secret, shift_days=shift_days)
done.counts()

# %% [markdown]
# 去标识后的文书，只在会话里看。

# %%
done.texts().head()

# %% [markdown]
# ## 3 人工核对
# 先看替换得对不对：每类抽几处，黄色是原文（上面没有找到，这里也是空的）。
# 不是标识的（疾病、药名、解剖部位）被替换了，记下原句，加进规则的测试。

# %%
done.sample(each)

# %% [markdown]
# 再看有没有漏：下面是去标识后的全文，逐份找还留着的姓名、电话、单位。没有任何上下文的姓名最容易漏；
# 罕见的经历（“全省首例”“某事故的幸存者”）程序不认识，只能由人判断。漏得多，就不要把文书交出去。

# %%
for note in done.unread(unread).itertuples():
    print(f"【文书 {note.note_id}】\n{note.note_text}\n{'─' * 60}")

# %% [markdown]
# ## 4 报告
# 报告只写人数，不含任何文字。
# 写成 report.html 和 report.csv，放在 `out` 文件夹里，下面就是这一页。看过没有问题，再申请出域（审查员核对后放行）：
# `wb.release.request([f"{out}/report.html", f"{out}/report.csv"], title=title, purpose="用途")`


# %%
persons = result.index["person_id"].to_numpy()
found = category_bars(done.by_patient(persons), label=tr("文书中最直接的标识", "Most telling identifier in the notes"))
report = wb.Report(title, result, subtitle=tr("按上下文和形式识别，人工抽样核对", "Found by context and form, a sample read by people"))
report.section(tr("研究对象", "Patients")).add(result.attrition())
report.section(
    tr("文书中的标识", "Identifiers in the notes"),
    tr(
        "每名患者按其文书中最直接的一类标识计一次；“未发现”指规则没有找到，不等于没有。",
        "Each patient counts once, by the most telling kind; none found does not mean that there is none.",
    ),
).add(found)
report.write(out)
report
