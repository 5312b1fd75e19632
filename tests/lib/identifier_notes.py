"""Sentences with planted identifiers, drawn from frames that the rules were not written from."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

FRAMES = Path(__file__).parents[1] / "corpus" / "identifier_frames.txt"
_SURNAMES = (
    *"王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎",
    *"余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文",
    "欧阳",
    "司马",
    "上官",
    "诸葛",
)
# Given names of several generations.
_GIVEN_TEXT = """
建国 建军 国强 志刚 志强 卫东 红卫 爱国 援朝 跃进 桂英 桂兰 秀兰 秀珍 玉兰 玉珍 淑珍 淑芬 凤英
凤琴 春梅 冬梅 秋菊 长贵 德福 德胜 有才 福生 来福 根生 水生 金生 铁柱 大海 二虎 三妹 四喜 小红
小军 小丽 晓东 晓明 晓燕 海涛 海燕 丽华 丽娟 美玲 雪梅 文博 文静 俊杰 浩然 子轩 梓涵 欣怡 诗涵
雨桐 宇航 一诺 思远 佳琪 嘉豪 家豪 天佑 泽宇 皓轩 沐宸 若曦 语嫣 可馨 依诺 艺涵 奕辰 伟 芳 娜 敏
静 强 磊 洋 勇 军 杰 娟 涛 明 超 霞 平 刚 辉 鹏 燕 玲 宁 峰 婷 莉 红 波 斌 兵 颖 倩 鑫
琳 旭 永年 守义 守信 怀玉 克勤 克俭 绍文 绍武 继光 继祖 承志 世昌 世杰 耀祖 光宗 振华 振兴 兴旺
富贵 满仓 丰收 喜凤 巧云 银花 翠花 彩霞 月娥 素芳 素云 惠珍 慧敏 雅琴 淑贤 瑞芳 瑞祥 宝根 宝玉
金凤 金莲 银屏 连生 全福 全胜 万里 千里 百川 向阳 向东 朝阳 东升
"""
_GIVEN = tuple(_GIVEN_TEXT.split())
_DIVISIONS = (
    "黑龙江省齐齐哈尔市龙沙区",
    "四川省绵阳市涪城区",
    "湖南省衡阳市衡南县",
    "广西柳州市鱼峰区",
    "江苏省南通市如东县",
    "武汉市江岸区",
    "甘肃省天水市秦安县",
)
_STREETS = (
    "解放路{}号",
    "人民东路{}号{}栋{}室",
    "长青街道幸福里{}号楼{}单元{}室",
    "{}镇",
    "柳林乡王家沟村{}组",
    "滨江花园{}幢{}单元{}",
    "建设大街{}号",
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_GROUP = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT = re.compile(r"\{([NDSIPLARZ])\}")


def frames() -> list[str]:
    """Return all frames, alternations expanded."""
    lines = [line for line in FRAMES.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [frame for line in lines for frame in _expanded(line)]


def _expanded(line: str) -> list[str]:
    match = _GROUP.search(line)
    if not match:
        return [line]
    return [rest for word in match[1].split("|") for rest in _expanded(line[: match.start()] + word + line[match.end() :])]


def planted(frame: str, dice: random.Random) -> tuple[str, list[tuple[int, int, str]]]:
    """Fill a frame; give the text and the start, end and kind of what was planted."""
    text, spans, at = "", [], 0
    for slot in _SLOT.finditer(frame):
        text += frame[at : slot.start()]
        value = _MADE[slot[1]](dice)
        if slot[1] != "Z":
            spans.append((len(text), len(text) + len(value), slot[1]))
        text += value
        at = slot.end()
    return text + frame[at:], spans


def _name(dice: random.Random) -> str:
    return dice.choice(_SURNAMES) + dice.choice(_GIVEN)


def _identity(dice: random.Random) -> str:
    born = date(1930, 1, 1) + timedelta(days=dice.randrange(33_000))
    body = f"{dice.choice(('110101', '320102', '440305', '510107', '230102', '719901'))}{born:%Y%m%d}{dice.randrange(1000):03d}"
    check = "10X98765432"[sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, body, strict=True)) % 11]
    written = body + check
    form = dice.random()
    if form < 0.08:
        return f"{written[:6]} {written[6:14]} {written[14:]}"
    if form < 0.12:
        return f"{written[:6]}-{written[6:14]}-{written[14:]}"
    if form < 0.16:
        return written.translate(str.maketrans("0123456789X", "０１２３４５６７８９Ｘ"))
    if form < 0.19:
        return written.replace("X", "x")
    return written


def _mobile(dice: random.Random) -> str:
    number = f"1{dice.choice('3456789')}{dice.randrange(10**9):09d}"
    form = dice.random()
    if form < 0.1:
        return f"{number[:3]} {number[3:7]} {number[7:]}"
    if form < 0.2:
        return f"{number[:3]}-{number[3:7]}-{number[7:]}"
    if form < 0.25:
        return f"+86{number}"
    if form < 0.3:
        return f"+86 {number}"
    return number


def _line(dice: random.Random) -> str:
    number = f"{dice.randrange(2, 9)}{dice.randrange(10**6):06d}"
    return dice.choice(
        (f"0{dice.randrange(310, 999)}-{number}", f"010-{number}{dice.randrange(10)}", f"(0{dice.randrange(310, 999)}){number}")
    )


def _address(dice: random.Random) -> str:
    street = re.sub(r"\{\}", lambda _: str(dice.randrange(1, 40)), dice.choice(_STREETS).replace("{}镇", "青云镇"))
    return dice.choice(_DIVISIONS) + street


def _record(dice: random.Random) -> str:
    return dice.choice(("{:08d}", "ZY{:08d}", "MZ{:07d}", "2022{:06d}", "H{:06d}")).format(dice.randrange(10**6))


_MADE = {
    "N": _name,
    "D": _name,
    "S": lambda dice: dice.choice([name for name in _SURNAMES if name not in "于易常"]),
    "I": _identity,
    "P": _mobile,
    "L": _line,
    "A": _address,
    "R": _record,
    "Z": lambda dice: f"{dice.randrange(100_000, 999_999)}",
}
