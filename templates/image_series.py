# %% [markdown]
# # 影像序列 Image series
# 从一个文件夹的 DICOM 影像里取出队列患者的序列：按模态、部位、几何判定和设备计数，缩略图，逐层查看，
# 由掩膜得到体积与径线，写入测量表，再按测量值选出患者。
# Series of a cohort: what there is, pictures, measurements from masks, and a cohort by a measured value.

# %% tags=["parameters"]
title: str = "胸部CT"  # 报告标题
images: str = "synthetic_images/dicom"  # DICOM 文件夹；患者号须为数据仓库中的患者编号
modality: list[str] = ["CT"]  # 模态，如 CT、MR、CR；空为全部
body_part: list[str] = ["胸部"]  # 部位（中文或 DICOM 名）；空为全部
masks: str = ""  # 掩膜表（CSV：series_instance_uid, mask），mask 为 SEG 或 NIfTI 文件；空为不测量
measurements: str = ""  # workbench imaging predict 写出的 measurements.csv；空为没有
measure: str = "nodule volume_ml"  # 用哪个测量值选患者：标签名与测量名
at_least: float = 0.1  # 测量值至少为多少（0.1 mL 即 100 mm3）
store: str = ""  # 数据仓库路径；空为会话自带的仓库
out: str = "影像序列"  # 报告写到哪个文件夹
language: str = "zh"  # 报告语言：zh 中文，en English

# %%
from pathlib import Path

import pandas as pd
from IPython.display import Image

import workbench as wb
from imaging.errors import GeometryError
from workbench.locale import tr

wb.set_language(language)

# %% [markdown]
# ## 1 影像与患者
# 逐个读文件头，按检查和序列归组，再按患者号与数据仓库关联。第二次运行只读有变化的文件。
# 没有关联上的序列会说明原因；它们不会出现在后面任何一步。
# 还没有影像时，可先造一批练习：`workbench synthetic images --out synthetic_images`（CT、X线，几种几何，含已知大小的结节）。

# %%
indexed = wb.index_images(images, wb.open_store(store or None), progress=False)
snapshot = indexed.snapshot
print(indexed)

# %% [markdown]
# ## 2 队列与序列
# 每位患者第一次符合条件的检查为入组事件，检查日期为索引日期。影像条件和诊断、检验一样，可以写进任何队列的规则。

# %%
definition = wb.cohort(title).enter(wb.images(modality or None, body_part=body_part or None), limit="first")
result = definition.run(snapshot)
result.attrition()

# %% [markdown]
# `.table()` 一行一个序列，是个体级数据，只在会话里看。`geometry_verdict` 是几何判定：`regular` 才能直接做三维分析；
# `gap` 缺层、`irregular` 层距不等、`sheared` 机架倾斜的，默认拒绝成为体数据，要明确选择 `resample` 或 `keep`。

# %%
chosen = wb.images(result, modality=modality or None, body_part=body_part or None)
chosen.table().head()

# %% [markdown]
# 下表按模态、部位、几何判定和设备数患者，小计数已隐藏，可以放进报告。

# %%
kinds = chosen.counts()
scanners = chosen.counts("manufacturer_source_value", "model_source_value")
kinds

# %% [markdown]
# ## 3 看一看
# 缩略图：每个序列取中间一层。先看图，再信数：部位对不对，方向对不对，有没有不该有的序列。

# %%
Image(chosen.sheet(columns=6, size=128))

# %% [markdown]
# 逐层查看：滚轮翻层，1 到 9 选窗，三平面，测距离和圆内的 CT 值。图在内核里画好才送到浏览器，体素不出会话；图上有水印。

# %%
regular = wb.images(result, modality=modality or None, body_part=body_part or None, verdict="regular")
regular.show() if regular.count() else None

# %% [markdown]
# ## 4 测量
# 掩膜来自模型（`workbench imaging predict` 写出的 SEG）或人工勾画。每个值带着单位、序列、掩膜和几何判定；
# 几何不允许测量的（如缺层），不测，并说出来。

# %%
tables = [pd.read_csv(measurements)] if measurements else []
drawn = pd.read_csv(masks) if masks else pd.DataFrame(columns=["series_instance_uid", "mask"])
known = set(chosen.table()["image_series_uid"])
for row in drawn[drawn["series_instance_uid"].isin(known)].itertuples():
    try:
        tables.append(chosen.measure(row.series_instance_uid, Path(masks).parent / row.mask))
    except GeometryError as error:
        print(error.message)
values = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
values.head()

# %% [markdown]
# 掩膜叠在影像上看一例。

# %%
first = next((row for row in drawn.itertuples() if row.series_instance_uid in known), None)
chosen.show(first.series_instance_uid, mask=Path(masks).parent / first.mask, layout="three") if first else None

# %% [markdown]
# ## 5 写入测量表，按测量值选患者
# 写入后，测量值与检验一样可以查询：名称是“标签 测量名”，如 `nodule volume_ml`；单位 mL，100 mm3 就是 0.1 mL。
# 原始数据不变：测量放在快照旁边，`image_feature` 记下每个值来自哪个序列、哪个掩膜或模型。

# %%
measured = wb.publish_measurements(values, snapshot) if len(values) else None
with_value = None
if measured is not None:
    definition = definition.require(f"{measure} >= {at_least:g}", wb.labs(measure).where(value_ge=at_least))
    with_value = definition.run(measured)
with_value.attrition() if with_value is not None else None

# %% [markdown]
# ## 6 报告
# 写成 report.html 和 report.csv，放在 `out` 文件夹里。报告里只有计数，没有任何患者的影像；看过没有问题，再申请出域。

# %%
names = {
    "modality_source_value": tr("模态", "Modality"),
    "anatomic_site_source_value": tr("部位", "Body part"),
    "geometry_verdict": tr("几何判定", "Geometry"),
    "manufacturer_source_value": tr("厂商", "Manufacturer"),
    "model_source_value": tr("型号", "Model"),
    "patients": tr("患者数", "Patients"),
}
several = tr("一名患者可有多行，因此不列合计。", "A patient may stand in several rows, so there is no total.")


def as_rows(counted):
    """Join what tells the rows apart, so that each has a name of its own."""
    told = counted.columns.drop("patients")
    joined = counted[told].agg(" · ".join, axis=1)
    return pd.DataFrame({" · ".join(names[name] for name in told): joined, names["patients"]: counted["patients"]})


report = wb.Report(title, with_value or result, subtitle=tr("影像序列", "Image series"))
report.section(tr("研究对象", "Patients")).add((with_value or result).attrition())
report.section(tr("序列", "Series"))
report.table(as_rows(kinds), tr("模态、部位与几何判定", "Modality, body part and geometry"), note=several)
report.table(as_rows(scanners), tr("设备", "Scanners"), note=several)
report.write(out)
report
