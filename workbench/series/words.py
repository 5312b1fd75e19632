"""What the imaging package says in codes, in the words of the screen: verdicts, reasons, refused files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imaging.geometry import Reason, Verdict
from imaging.geometry.reasons import REASONS
from workbench.locale import tr

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FILE_WORDS", "REASON_WORDS", "VERDICT_WORDS", "file_words", "reason_from_row", "reason_words", "verdict_words"]

#: Verdict -> Chinese, English.
VERDICT_WORDS: dict[Verdict, tuple[str, str]] = {
    Verdict.REGULAR: ("规则", "regular"),
    Verdict.GAP: ("缺层", "slices missing"),
    Verdict.IRREGULAR: ("层距不等", "unequal steps"),
    Verdict.SHEARED: ("倾斜（机架倾角）", "sheared (gantry tilt)"),
    Verdict.MULTI_STACK: ("含多个体数据", "several stacks"),
    Verdict.MULTI_FRAME: ("多帧", "multi-frame"),
    Verdict.LOCALISER: ("定位像", "localiser"),
    Verdict.COLOUR: ("彩色", "colour"),
    Verdict.SINGLE: ("单层", "single"),
    Verdict.UNPLACED: ("无位置", "no usable place"),
    Verdict.UNCALIBRATED: ("无像素间距", "no usable pixel spacing"),
    Verdict.MOSAIC: ("拼接（Mosaic）", "mosaic"),
}

#: Reason -> Chinese, with the parameters that the English sentence of :data:`imaging.geometry.reasons.REASONS` has.
REASON_WORDS: dict[str, str] = {
    "colour": "像素为颜色（{photometric}），不是测量值",
    "detector_spacing": "只知道探测器上的像素间距（{row} x {column} mm），不是患者体内的间距",
    "differs": "各帧的 {what} 不同：{values} 种取值",
    "duplicate_instance": "{frames} 帧以同一实例 UID 重复出现",
    "gap": "第 {after} 层之后缺 {missing} 层：间隔 {interval_mm} mm，而层距为 {step_mm} mm",
    "in_plane_shift": "层面在自身平面内错开，最多 {deviation_mm} mm",
    "irregular": "层距从 {smallest_mm} 到 {largest_mm} mm（最大处在第 {after} 层之后）；层面偏离均匀位置最多 {deviation_mm} mm",
    "localiser": "图像类型写明 LOCALIZER（定位像）",
    "mosaic": "图像类型写明 MOSAIC：各层拼在一帧里",
    "multi_frame": "{instances} 个实例共 {frames} 帧",
    "no_image": "不含可读的图像",
    "no_spacing": "没有可用的像素间距",
    "no_thickness": "只有一层且无层厚：第三维未知",
    "orientation_invalid": "{frames} 帧的方向余弦不是两个互相垂直的单位向量",
    "orientation_missing": "{frames} 帧没有方向",
    "orientation_unreadable": "{frames} 帧的方向不是六个数",
    "position_missing": "{frames} 帧没有位置",
    "position_unreadable": "{frames} 帧的位置不是三个一千米以内的数",
    "repeated": "{positions} 个位置各有最多 {times} 帧；可按 {by} 区分",
    "repeated_unexplained": "{positions} 个位置各有最多 {times} 帧，而文件头中没有任何可区分它们的信息",
    "sheared": "层面堆叠倾斜 {degrees} 度：首层到末层偏移 {drift_mm} mm",
    "spacing_invalid": "{frames} 帧的像素间距不是两个正数",
    "stated_spacing_differs": "Spacing Between Slices 写的是 {stated_mm} mm，按位置算是 {found_mm} mm",
    "thickness_as_spacing": "只有一层：以层厚 {thickness_mm} mm 作为间距",
    "thickness_varies": "层厚从 {smallest_mm} 到 {largest_mm} mm",
}

#: Reasons of ours beside those of the geometry.
_ENGLISH = {"no_image": "holds no image that can be read"}

#: Why a file is not read -> Chinese, English; its numbers stand in the sentence of :data:`imaging.dicom.refusals.REASONS`.
FILE_WORDS: dict[str, tuple[str, str]] = {
    "archive": ("是压缩包，未打开", "an archive, not opened"),
    "bad-value": ("取值不符合其数据类型", "a value that its value representation does not allow"),
    "burned-in": ("像素中有无法去除的文字", "text in its pixels that cannot be removed"),
    "broken": ("无法解析", "cannot be parsed"),
    "broken-link": ("链接指向的文件不存在", "a link to what is not there"),
    "charset": ("文字不属于任何已知字符集", "text in no known character set"),
    "colours": ("像素为颜色，不是灰度", "colours where grey values are wanted"),
    "conflict": ("与另一文件的 UID 相同而内容不同", "the UID of another file, other bytes"),
    "cut-short": ("文件被截断", "cut short"),
    "deflate": ("压缩的数据集无法解压", "does not inflate"),
    "document": ("含文档、网格或录音，不作检查", "a document, a mesh or speech, which is not looked into"),
    "empty": ("空文件", "no bytes"),
    "failed": ("无法清理", "cannot be cleaned"),
    "header-value": ("文件头中的取值不可能", "a header with a value that cannot be"),
    "hidden": ("隐藏文件，不读取", "a hidden file, not read"),
    "index": ("是索引（DICOMDIR），不是图像", "an index (DICOMDIR), no image"),
    "items": ("序列项位置上不是序列项", "a sequence holds what is no item"),
    "mismatch": ("与发送方所称不符", "not what its sender said"),
    "missing": ("缺少必需的属性", "a required attribute is missing"),
    "mixed": ("各部分字节序不一致", "parts in another order of bytes"),
    "no-pixels": ("没有像素数据", "no pixel data"),
    "no-person": ("患者不属于该课题", "a patient whom the project does not have"),
    "not-dicom": ("不是 DICOM 文件", "not DICOM"),
    "not-there": ("DICOMDIR 所列的文件不存在", "listed in the DICOMDIR and not there"),
    "outside": ("DICOMDIR 所列的文件在其文件夹之外", "listed in the DICOMDIR, outside its folder"),
    "pixel-count": ("像素数据的长度或帧数与文件头不符", "other pixels than the header says"),
    "pixel-values": ("像素值的位数或类型与文件头不符", "pixels of other bits or another type than the header says"),
    "pixels": ("像素无法读取", "pixels that cannot be read"),
    "rescale-mixed": ("各层的单位或换算不一致", "slices in several units, or some without a rescale"),
    "other-axes": ("模型需要的图像维数不同", "an image of other axes than the model wants"),
    "other-scale": ("图像的灰度范围与模型不同", "an image of another scale of grey than the model wants"),
    "residual": ("仍含有患者的已知信息", "still holds something known of the patient"),
    "same-uid": ("同一实例 UID 有不同的像素", "one instance UID with two images"),
    "seen": ("文件夹已从别处进入过", "a folder entered by another way"),
    "sequence": ("序列无法读取", "a sequence that cannot be read"),
    "several": ("应为一个值，实为多个", "several values where one is wanted"),
    "special": ("是管道、套接字或设备", "a pipe, a socket or a device"),
    "too-deep": ("序列嵌套过深", "sequences nested too deep"),
    "too-large": ("超过内存上限", "more memory than the limit"),
    "too-long": ("超过长度上限", "longer than the limit"),
    "too-many": ("元素或序列项过多", "more elements or items than the limit"),
    "undecodable": ("像素无法解码", "pixels that cannot be decoded"),
    "unfinished": ("在序列中途结束", "ends inside a sequence"),
    "unnamed": ("未写明类别或实例", "does not say which class or instance it is"),
    "unreadable": ("无法读取", "cannot be read"),
    "wide-inflation": ("解压后超过上限", "inflates beyond the limit"),
    "wrong-count": ("值的个数不对", "wrong number of values"),
}


def verdict_words(verdicts: Iterable[str]) -> str:
    """Return verdicts in the language in force.

    Parameters
    ----------
    verdicts : iterable of str
        Their codes; a code that is not known is shown as it is.

    Examples
    --------
    >>> verdict_words(["gap", "sheared"])
    '缺层、倾斜（机架倾角）'
    """
    words = (VERDICT_WORDS.get(verdict, (str(verdict), str(verdict))) for verdict in verdicts)
    return tr("、", ", ").join(tr(*pair) for pair in words)


def reason_words(reason: Reason) -> str:
    """Return what a verdict rests on, in the language in force.

    Parameters
    ----------
    reason : Reason
        Code and numbers.

    Examples
    --------
    >>> reason_words(Reason("sheared", {"degrees": 18.5, "drift_mm": 48.2}))
    '层面堆叠倾斜 18.5 度：首层到末层偏移 48.2 mm'
    """
    sentence = tr(REASON_WORDS.get(reason.code, reason.code), (REASONS | _ENGLISH).get(reason.code, reason.code))
    return sentence.format(**reason.values)


def reason_from_row(text: str) -> Reason:
    """Return the reason that a catalogue's row holds as JSON.

    Parameters
    ----------
    text : str
        An object with ``code`` and the reason's numbers.
    """
    values = json.loads(text)
    return Reason(values.pop("code"), values)


def file_words(reason: str) -> str:
    """Return why a file is not read, in the language in force, without numbers.

    Parameters
    ----------
    reason : str
        A key of :data:`imaging.dicom.refusals.REASONS`.

    Examples
    --------
    >>> file_words("cut-short")
    '文件被截断'
    """
    return tr(*FILE_WORDS.get(reason, (reason, reason)))
