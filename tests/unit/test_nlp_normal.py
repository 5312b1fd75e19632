"""One normal form: what becomes what, and what does not."""

import pytest

from nlp.normal import fold, normalise

FORMS = {
    "width": ("ＷＢＣ１２．３％，（－）；Ｔ：３７", "WBC12.3%,(-);T:37"),
    "stays": ("无发热、咳嗽。【查体】①“好”", '无发热、咳嗽。【查体】①"好"'),
    "dashes": ("2016—03–22−1～2∼3", "2016-03-22-1~2~3"),
    "comparators": ("≧3 ≦4 ﹥5 ＜6", "≥3 ≤4 >5 <6"),
    "units": ("5㎝×4㎜ 7㎏ 8㎎ 9㎡", "5cm×4mm 7kg 8mg 9m2"),
    "degrees": ("37.5°C 38℃ 5°Cx", "37.5℃ 38℃ 5°Cx"),
    "powers": ("12×10⁹/L 3m² Ca²⁺", "12×10^9/L 3m2 Ca2+"),
    "powers in tags": ("10<sup>9</sup>/L m<sub>2</sub>", "10^9/L m2"),
    "roman": ("心功能Ⅲ级 ⅳ度 Ⅰ型", "心功能III级 IV度 I型"),
    "traditional": ("雙肺囉音，腎臟、顱腦", "双肺啰音,肾脏、颅脑"),
    "radicals": ("⽔肿⼼", "水肿心"),
    "zero width": ("发\u200b热\ufeff", "发热"),
    "blanks": ("a\u3000b\xa0c\x00d\te", "a b c d\te"),
    "line ends": ("a\r\nb\rc\u2028d", "a \nb\nc\nd"),
    "html": ("<p>血压&lt;140&nbsp;mmHg<br/>心率<span class='x'>80</span></p>", "血压<140 mmHg\n心率80\n"),
    "scripts and style sheets": ("<STYLE a='1'>p>i{发热}</STYLE>咳嗽<script>if(头痛<b)</script>腹痛<script>胸痛", "咳嗽腹痛<script>胸痛"),
    "coded blanks in words": ("否认高&nbsp;血压，糖&#160;尿&nbsp;病&nbsp;冠心病", "否认高血压,糖尿病 冠心病"),
    "coded blanks between words": ("姓名：张三&nbsp;性别：男&nbsp;发热&nbsp;咳嗽", "姓名:张三 性别:男 发热 咳嗽"),
    "no html": ("WBC<3.5,PLT>100,a<b", "WBC<3.5,PLT>100,a<b"),
    "rtf": (r"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0 \'b7\'a2\'c8\'c8\par \u32958?}", "发热\n肾"),
    "escapes": ("一\\n二\\n三", "一\n二\n三"),
    "windows path": (r"\nose", r"\nose"),
    "excel": ("甲_x000D_乙", "甲乙"),
    "torn words": ("既 往 史 ： 高 血 压 1 0 年 ， 无 糖 尿 病 。", "既往史:高血压10年,无糖尿病。"),
    "torn words, marks attached": ("无 发 热、 咳 嗽， 诊断肝 硬 化 伴腹水", "无发热、咳嗽,诊断肝硬化伴腹水"),
    "torn words with numbers": ("体 温 3 8 . 5 ℃ ， 血 压 1 3 0 / 8 0 m m H g", "体温38.5℃,血压130/80mmHg"),
    "torn words beside Latin words": ("胸部 CT 示 右 肺 结 节 约 5 mm", "胸部 CT 示右肺结节约5 mm"),
    "one torn word in a line": ("患者既往 高 血 压 病史十年,否认 外伤史 手术史 过敏史", "患者既往高血压病史十年,否认 外伤史 手术史 过敏史"),
    "two blanks part": ("姓 名 ： 某 某  性 别 ： 男", "姓名:某某  性别:男"),
    "a torn list": ("1 . 高 血 压\n2 . 糖 尿 病\n3 . 冠 心 病", "1.高血压\n2.糖尿病\n3.冠心病"),
    "a torn title": ("出 院 小 结", "出院小结"),
    "no torn words": (
        "腹软 无 压痛 肝 脾 未及\n男 32岁 汉 已婚\n糖尿病 有 无 高血压",
        "腹软 无 压痛 肝 脾 未及\n男 32岁 汉 已婚\n糖尿病 有 无 高血压",
    ),
    "mojibake": ("锟斤拷ï¿烫烫", "锟斤拷ï¿烫烫"),
}


@pytest.mark.parametrize(("raw", "expected"), FORMS.values(), ids=FORMS)
def test_normal_form(raw, expected):
    assert normalise(raw).text == expected


def test_spans_of_edited_characters_cover_their_sources():
    normal = normalise("心功能Ⅲ级&lt;5㎝")
    assert normal.text == "心功能III级<5cm"
    assert [normal.raw(*span) for span in ((3, 6), (3, 4), (7, 8), (9, 11))] == [(3, 4), (3, 4), (5, 9), (10, 11)]


def test_a_deleted_stretch_belongs_to_no_character():
    normal = normalise("发\u200b\u200b热")
    assert normal.normal(1, 3) == (1, 1)
    assert normal.raw(0, 2) == (0, 4)


def test_a_torn_word_is_found_with_its_blanks():
    raw = "考 虑 肝 硬 化 伴 腹 水 。"
    normal = normalise(raw)
    assert [raw[slice(*normal.raw(*span))] for span in ((2, 5), (6, 8))] == ["肝 硬 化", "腹 水"]
    assert [normal.normal(*span) for span in ((4, 9), (12, 15))] == [(2, 5), (6, 8)]


def test_large_and_broken_text_is_taken():
    for raw in (
        "",
        "\ud800",
        "<" * 10_000,
        "&" * 10_000,
        "\\'" * 5_000,
        "{\\" * 5_000,
        "体" * 1_000_000,
        "体 " * 100_000,
        " - - 体" * 50_000,
        "- " * 100_000 + "体 体 体",
    ):
        normal = normalise(raw)
        assert normal.raw(0, len(normal.text))[1] <= len(raw)


def test_fold_keeps_lengths_where_lower_case_is_longer():
    assert fold("İHER-2") == "İher-2"
