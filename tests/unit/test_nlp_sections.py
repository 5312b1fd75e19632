"""Sections and kinds of documents: line by line on drawn documents, on the synthetic hospital's notes, on real ones glued together."""

import json
import random
from collections import defaultdict

import pytest

import nlp
from nlp.documents import document_kinds, standard_kind
from nlp.labels import label_words
from nlp.normal import normalise
from nlp.pipeline import structure
from nlp.titles import section_names
from nlp.unbroken import unbroken_parts
from tests.lib.paths import shared
from tests.lib.sectioned import draw
from workbench.synthetic import generate


@pytest.fixture(scope="module")
def parts():
    return nlp.load(components=["normalise", "documents", "sections"]).parts


def name_at(found, position):
    while position < len(found.raw) - 1 and found.raw[position] in " \t\u3000":
        position += 1
    return found.section_at(position).name


def accuracy(parts, documents):
    """Share of lines whose first character lies in the section that the document says."""
    right = total = 0
    for document in documents:
        found, position = structure("\n".join(document.lines), parts), 0
        for line, section in zip(document.lines, document.sections, strict=True):
            right += name_at(found, position) == section
            total += 1
            position += len(line) + 1
    return right / total


def test_lines_of_drawn_documents(parts):
    documents = draw(260, seed=20)
    assert len({document.kind for document in documents}) >= 10
    assert accuracy(parts, documents) >= 0.97


def test_kinds_of_drawn_documents(parts):
    documents = draw(130, seed=21)
    told = sum(structure("\n".join(document.lines), parts).document_type == document.kind for document in documents)
    assert told / len(documents) >= 0.97


# Where no line ends, what was found is a part of the day's text and of the features of the case.
EXAMINED = {"体格检查", "专科检查", "辅助检查"}
PARTS = {"病程记录": "病情记录", "查房记录": "病情记录", "首次病程记录": "病例特点"}


def test_paragraphs_without_line_ends(parts):
    right = total = 0
    for document in draw(130, seed=22):
        lines = [line.strip() if line.strip()[-1:] in "。；，：," else line.strip() + "。" for line in document.lines[1:]]
        found, position = structure(document.lines[0] + "\n" + "".join(lines), parts), len(document.lines[0]) + 1
        for line, section in zip(lines, document.sections[1:], strict=True):
            right += name_at(found, position) in {section, PARTS.get(document.kind) if section in EXAMINED else section}
            total += 1
            position += len(line)
    assert right / total >= 0.93


# Headings as the synthetic hospital's templates write them, and the sections they mean.
HEADINGS = {
    "主诉": ["主诉：", "主 诉："],
    "现病史": ["现病史："],
    "既往史": ["既往史：", "既 往 史："],
    "个人史": ["个人史："],
    "婚育史": ["婚育史："],
    "家族史": ["家族史："],
    "体格检查": ["体格检查：", "查体："],
    "专科检查": ["专科查体：", "专科情况："],
    "辅助检查": ["辅助检查："],
    "初步诊断": ["初步诊断：", "初步诊断\n"],
    "入院诊断": ["入院诊断："],
    "入院情况": ["入院情况："],
    "诊疗经过": ["诊疗经过："],
    "出院诊断": ["出院诊断：", "出院诊断\n"],
    "出院情况": ["出院情况：", "出院时情况："],
    "出院医嘱": ["出院医嘱：", "医嘱："],
    "签名": ["医师签名：", "记录医师：", "主治医师："],
}


def test_lines_of_the_synthetic_hospital(parts):
    notes = next(generate(120, 4, progress=False))["note"].to_pylist()
    right = total = 0
    for note in notes:
        if note["note_title"] not in {"入院记录", "出院小结"}:
            continue
        text, position = note["note_text"], 0
        found = structure(nlp.Note(text, document_type=note["note_title"]), parts)
        for line in text.splitlines(keepends=True):
            if heading := next((name for name, titles in HEADINGS.items() if line.startswith(tuple(titles))), None):
                right += name_at(found, position) == heading
                total += 1
            position += len(line)
    assert total > 200
    assert right / total >= 0.97


def glued(order):
    """Give each patient's four texts of CCKS-2017 as one note, a line each, without titles, and the section of every line.

    The texts carry no titles of their own, so only their words and order tell them apart; headings inside them (查体：, 辅助检查：) stay.
    """
    patients = defaultdict(dict)
    for line in shared("text/ccks2017/notes_train.jsonl").read_text(encoding="utf-8").splitlines():
        note = json.loads(line)
        patients[note["id"].rpartition("-")[2]][note["section"]] = note["text"]
    for patient, texts in sorted(patients.items()):
        names = [name for name in order(patient) if name in texts]
        yield names, [texts[name] for name in names]


NAMES = ["一般项目", "病史特点", "诊疗经过", "出院情况"]
STANDARD = {"病史特点": "病例特点"}
ORDERS = {"usual": (lambda _: NAMES, 0.97), "shuffled": (lambda patient: random.Random(patient).sample(NAMES, 4), 0.96)}


@pytest.mark.parametrize(("order", "wanted"), ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("titled", [False, True], ids=["no titles", "titles"])
def test_real_sections_glued_together(parts, order, wanted, titled):
    right = total = 0
    for names, texts in glued(order):
        lines = [f"{name}：{text}" if titled else text for name, text in zip(names, texts, strict=True)]
        found, position = structure("\n".join(lines), parts), 0
        for name, line in zip(names, lines, strict=True):
            right += name_at(found, position) == STANDARD.get(name, name)
            total += 1
            position += len(line) + 1
    assert right / total >= wanted


def test_real_sections_glued_without_line_ends(parts):
    """The weights were learnt from these patients; by cross-validation 91 % of the parts begin at the right place."""
    right = total = 0
    for names, texts in glued(lambda _: NAMES):
        found, position = structure("".join(text.strip() for text in texts), parts), 0
        for name, text in zip(names, texts, strict=True):
            right += name_at(found, position + min(2, len(text.strip()) - 1)) == STANDARD.get(name, name)
            total += 1
            position += len(text.strip())
    assert right / total >= 0.88


def test_histories_are_no_narratives_of_a_stay():
    lines = shared("text/ccks2019/notes_800.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 800
    assert not any(unbroken_parts(normalise(json.loads(line)["originalText"]).text) for line in lines)


TITLES = {
    "run in": ("既往史无特殊。家族史阴性", [("既往史", "既往史"), ("家族史", "家族史")]),
    "no title": ("患者有高血压既往史,查体合作,辅助检查均正常,诊断明确。", [("", "")]),
    "in a list": ("否认手术史、外伤史、药物过敏史", [("", "")]),
    "inline": ("因腹痛入院。查体T36.5℃。辅助检查：CT示炎症", [("", ""), ("体格检查", "查体"), ("辅助检查", "辅助检查")]),
    "numbered": ("1患者男65岁 2查体：腹软 3.辅助检查：暂缺", [("", ""), ("体格检查", "查体"), ("辅助检查", "辅助检查")]),
    "joint": ("个人史、家族史：无特殊", [("个人史", "个人史")]),
    "brackets": ("【主诉】腹痛\n【现 病 史】3天前", [("主诉", "主诉"), ("现病史", "现 病 史")]),
    "spaces": ("主  诉  腹痛3天\n现病史  患者", [("主诉", "主  诉"), ("现病史", "现病史")]),
    "unevenly spaced": ("术 前诊断 肺癌\n手 术 名称:肺叶切除", [("术前诊断", "术 前诊断"), ("手术名称", "手 术 名称")]),
    "qualified": ("补充体征:腹软\n中医鉴别诊断\n头痛", [("体格检查", "补充体征"), ("鉴别诊断", "中医鉴别诊断")]),
    "two in one label": ("【住院期间病情及治疗经过】抗感染", [("诊疗经过", "住院期间病情及治疗经过")]),
    "no space to the name": ("诊断:肺炎\n医师签名陈某某", [("诊断", "诊断"), ("签名", "医师签名")]),
    "particulars without title": ("市医院\n李某 女 78岁 普外科\n主诉:腹痛", [("", ""), ("一般项目", ""), ("主诉", "主诉")]),
    "names at the end": ("诊断:肺炎\n                 陈某某\n        2023-01-28", [("诊断", "诊断"), ("签名", "")]),
    "a disease at the end": ("诊断:\n肺炎\n高血压", [("诊断", "诊断")]),
    "soap": (
        "病程记录\nS:咳嗽\nO:神清\nA:肺炎\nP:抗感染",
        [("", ""), ("病情记录", ""), ("病情记录", ""), ("病情分析", ""), ("诊疗计划", "")],
    ),
    "days": (
        "日常病程记录\n2023-02-14\n患者今日一般可,无发热。\n2023-02-15 09:20 查房记录\n咳嗽减轻。张某主治医师查房后指示:继续抗感染。",
        [("", ""), ("病情记录", ""), ("", ""), ("病情记录", ""), ("查房意见", "")],
    ),
    "signed days": (
        "病程记录\n2023-02-14 08:00\n咳嗽,咳痰。\n        陈某某\n2023-02-14\n2023-02-15 09:20 查房记录\n咳嗽减轻,无发热。\n        陈某某",
        [("", ""), ("病情记录", ""), ("签名", ""), ("", ""), ("病情记录", ""), ("签名", "")],
    ),
    "an exam in a day's text, and under its own heading": (
        "病程记录\n今日咳嗽减轻。查体:双肺清。\n2023-02-15 09:20 病程记录\n无不适,纳可。\n查体:双肺清。",
        [("", ""), ("病情记录", ""), ("", ""), ("病情记录", ""), ("体格检查", "查体")],
    ),
    "parts by number": (
        "首次病程记录\n一、病例特点\n1.老年男性\n2.查体:腹软\n3.辅助检查:无\n二、诊断依据\n1.体征:压痛",
        [("", ""), ("病例特点", "病例特点"), ("诊断依据", "诊断依据")],
    ),
    "parts by brackets and place": (
        "出院小结\n【入院情况】腹痛1天。辅助检查:无\n查体:腹软\n【辅助检查】无",
        [("", ""), ("入院情况", "入院情况"), ("辅助检查", "辅助检查")],
    ),
    "parts of equal weight that follow at once": (
        "入院记录\n初步诊断:\n中医诊断:腰痛\n西医诊断:椎间盘突出",
        [("", ""), ("初步诊断", "初步诊断")],
    ),
    "a report's name is no section": (
        "市医院\n彩色多普勒超声诊断报告\n姓名:某某\n超声所见:肝大",
        [("", ""), ("一般项目", "姓名"), ("检查所见", "超声所见")],
    ),
    "a table's head has no titles": (
        "检验报告\n[检测结果]项目 | 结果 | 提示 | 参考区间\n钾 | 3.9 | | 3.5-5.3\n检验提示:正常",
        [("", ""), ("检验结果", "检测结果"), ("检查结论", "检验提示")],
    ),
    "titles left out": (
        "超声报告\n检查名称:阴囊\n双侧睾丸形态正常,回声均匀。\n超声诊断:未见异常",
        [("", ""), ("检查项目", "检查名称"), ("检查所见", ""), ("检查结论", "超声诊断")],
    ),
    "titles left out of a history": (
        "门诊病历\n主诉:咳嗽\n患者3天前受凉。\n查体:双肺清\n胸片:正常",
        [("", ""), ("主诉", "主诉"), ("现病史", ""), ("体格检查", "查体"), ("辅助检查", "")],
    ),
    "parts of an untitled section": (
        "出院小结\n入院日期:2023-01-01\n患者因腹痛1天入院。查体:腹软\n诊疗经过:手术",
        [("", ""), ("一般项目", "入院日期"), ("入院情况", ""), ("诊疗经过", "诊疗经过")],
    ),
    "a result behind an exam in a day's text": (
        "病程记录\n今日无不适。查体:腹软。\n头颅MRI示梗死灶。",
        [("", ""), ("病情记录", "")],
    ),
    "results without bars": (
        "检验报告\n姓名:某某\n样本类型:全血\nWBC 12.5*10^9/L (4-10)\n检验者:某某",
        [("", ""), ("一般项目", "姓名"), ("标本", "样本类型"), ("检验结果", ""), ("签名", "检验者")],
    ),
    "a name behind a sentence": (
        "门诊病历\n主诉:咳嗽。处理:抗炎。医师:王某",
        [("", ""), ("主诉", "主诉"), ("处置", "处理"), ("签名", "医师")],
    ),
    "a title far in": ("入院记录\n                      体  格  检  查\n腹软", [("", ""), ("体格检查", "体  格  检  查")]),
    "a remark below the names": (
        "CT报告\n印象:肺炎\n报告:王某  审核:李某\n注:仅供临床参考",
        [("", ""), ("检查结论", "印象"), ("签名", "")],
    ),
    "a title's only text": (
        "内镜报告\n检查项目\n支气管镜检查\n检查所见\n通畅",
        [("", ""), ("检查项目", "检查项目"), ("检查所见", "检查所见")],
    ),
    "an operation's time": (
        "手术记录\n姓名:某某\n术前诊断:外伤\n手术日期:2023-01-01\n手术名称:清创\n麻醉方式:全麻  麻醉医师:某某",
        [
            ("", ""),
            ("一般项目", "姓名"),
            ("术前诊断", "术前诊断"),
            ("一般项目", "手术日期"),
            ("手术名称", "手术名称"),
            ("麻醉", "麻醉方式"),
        ],
    ),
    "results": ("检验报告\n姓名:李某\n项目\t结果\t参考值\t单位\n肌酐\t78\t57-97", [("", ""), ("一般项目", "姓名"), ("检验结果", "")]),
    "results without a head": ("检验报告\n姓名:李某\nWBC\t6.6\t10^9/L", [("", ""), ("一般项目", "姓名"), ("检验结果", "")]),
    "a remark": ("CT报告\n印象:肺炎\n备注:结果仅供临床参考", [("", ""), ("检查结论", "印象")]),
    "names with what they signed for": ("CT报告\n印象:肺炎\n报告 李某  审核 王某", [("", ""), ("检查结论", "印象"), ("签名", "")]),
    "columns": ("手术记录\n手术名称 清创术    麻醉方式 全麻", [("", ""), ("手术名称", "手术名称"), ("麻醉", "麻醉方式")]),
    "nothing": ("", []),
}
# Labels that are no titles of the catalogue: what they mean by their words, in brackets, columns, numbered, spaced, misread.
LABELS = {
    "time": (
        "出院小结\n来院时情况|腹痛\n住院处理|抗炎\n离院时情况|好转\n离院时诊断|肠炎\n嘱咐|休息",
        ["", "入院情况", "诊疗经过", "出院情况", "出院诊断", "出院医嘱"],
    ),
    "decorated": ("入院记录\n◆主诉◆ 腹痛\n◆化验与影像◆ 正常\n■今后安排■观察", ["", "主诉", "辅助检查", "诊疗计划"]),
    "brackets": ("手术记录\n【术前】肌瘤\n〖手术步骤及处理〗切开\n<指征>出血", ["", "术前诊断", "手术经过", "手术指征"]),
    "follow-up": (
        "出院小结\n住院检查:正常\n出院处方:氨氯地平\n饮食及随访要求:低盐\n离院方式:医嘱离院",
        ["", "辅助检查", "出院医嘱", "出院医嘱", "出院情况"],
    ),
    "report": (
        "CT报告\n成像部位:胸部\n扫描方案:平扫\nCT 征 象:双肺清\n诊断考虑\n未见异常",
        ["", "检查项目", "检查方法", "检查所见", "检查结论"],
    ),
    "numbered": ("首次病程记录\nI. 化验要点\n正常\nIV. 类证鉴别\n无\n4.1 后续治疗安排: 观察", ["", "辅助检查", "鉴别诊断", "诊疗计划"]),
    "spaced": ("入院记录\n全 身 病 史  无特殊\n特 检  正常", ["", "既往史", "辅助检查"]),
    "misread": ("入院记录\n辅 助 捡 查 ： 正常\n既往吏:无", ["", "辅助检查", "既往史"]),
    "inline": ("入院记录\n主诉:腹痛。往史:无。诊疗安排:观察", ["", "主诉", "既往史", "诊疗计划"]),
    "content": ("CT报告\n所见:\n左肾:正常\n胆囊结石:无\n大便情况:未诉", ["", "检查所见"]),
    "sentences": ("入院记录\n现病史:患者诊断为肺炎,治疗情况不详,\n当地处理 后好转", ["", "现病史"]),
    "no label of a form": ("门诊病历\n姓名:李某 体重:60kg\n体温:36.5", ["", "一般项目"]),
}


@pytest.mark.parametrize(("text", "expected"), LABELS.values(), ids=LABELS)
def test_labels_by_their_words(parts, text, expected):
    assert [section.name for section in structure(text, parts).sections] == expected


@pytest.mark.parametrize(("text", "expected"), TITLES.values(), ids=TITLES)
def test_titles(parts, text, expected):
    assert [(section.name, section.title) for section in structure(text, parts).sections] == expected


def test_sections_cover_the_text_without_gap_or_overlap(parts):
    for document in draw(26, seed=3):
        found = structure("\n".join(document.lines), parts)
        assert found.sections[0].start == 0
        assert found.sections[-1].end == len(found.raw)
        assert all(before.end == after.start for before, after in zip(found.sections, found.sections[1:], strict=False))
        assert all(section.start <= section.body <= section.end for section in found.sections)


TYPES = {
    "入院记录": "入院志 大病历 EMR.02.01入院记录 H&P",
    "首次病程记录": "首程 首次病程 C0034_首次病程记录(住院)",
    "病程记录": "病程 日常病程 交班",
    "出院记录": "出院小结 01.出院 出院记录(死亡) discharge_summary DischargeSummary",
    "24小时内入出院记录": "24h出入院记录",
    "手术记录": "手术 门诊手术记录 手术记录(二) Operative-Note",
    "会诊记录": "会诊 急诊会诊",
    "门诊病历": "门诊 门(急)诊病历",
    "急诊病历": "急诊",
    "体检报告": "健康体检记录",
    "CT报告": "CT ＣＴ 螺旋CT 放射科-CT 急诊CT 胸部CT平扫报告 PET-CT 冠脉CTA 报告单(CT) Chest_CT",
    "MR报告": "MR MRI 核磁 磁共振 颅脑MRA",
    "X线报告": "DR X光 胸片 床旁胸片",
    "超声报告": "超声 彩超 B超 US-Abdomen 心脏彩超单",
    "内镜报告": "胃镜 肠镜 内镜 超声胃镜",
    "病理报告": "病理 胃镜病理 病理(胃镜) pathology",
    "检验报告": "检验 LIS 血常规 检验报告单",
    "检查报告": "影像报告 放射科报告 医学影像 PACS报告 RIS 检查报告 报告单",
    "": "病历文书 护士长日记 手术知情同意书 住院病案首页 EMR",
}


@pytest.mark.parametrize(("kind", "types"), TYPES.items(), ids=lambda words: words.split(" ")[0])
def test_a_source_names_kinds_in_its_own_words(kind, types):
    assert {title: standard_kind(title) for title in types.split(" ")} == {title: kind or title for title in types.split(" ")}


TITLED_CT = "胸部CT平扫\n双肺纹理清晰，右肺上叶见一结节。\n印象：右肺上叶结节。"
DISCHARGE = "某医院\n出院小结\n入院诊断：肺炎\n诊疗经过：抗感染\n出院情况：好转\n出院医嘱：休息"
FIRST_DAY = "首次病程记录\n2020-01-01 10:00\n病例特点：咳嗽\n诊断依据：CT\n鉴别诊断：结核"
TOLD = {
    "title": (["CT", "影像报告", "病历文书", "报告单", ""], TITLED_CT, "CT报告"),
    "examination": (["医学影像"], "姓名：李某\n性别：男\n科室：内科\n床号：3\n检查部位：头颅MRI\n脑室无扩大。", "MR报告"),
    "words": (["检查报告", "PACS"], "胆囊壁光滑，腔内见强回声\n提示：胆囊结石", "超声报告"),
    "sections": (["病历文书", "报告单", ""], "肉眼所见：灰白组织\n镜下所见：异型细胞\n病理诊断：腺癌", "病理报告"),
    "a consent is none": (["手术知情同意书"], "术前诊断：肌瘤\n手术名称：切除\n麻醉：全麻", "手术知情同意书"),
    "nothing": (["病历文书"], "无特殊。", "病历文书"),
    "nothing, a report": (["影像报告"], "无特殊。", "检查报告"),
    "filed wrongly": (["病程记录", "出院记录", "文书"], DISCHARGE, "出院记录"),
    "only titled otherwise": (["病程记录"], "出院小结\n患者今日出院，已交代注意事项。", "病程记录"),
    "first day": (["病程记录"], FIRST_DAY, "首次病程记录"),
    "many days": (["病程记录"], FIRST_DAY + "\n2020-01-02 08:00\n患者今日好转，继续目前的治疗。", "病程记录"),
    "many titles": (["病程记录"], FIRST_DAY + "\n2020-01-02 主治医师查房记录\n患者好转。", "病程记录"),
    "report inside": (["入院记录"], "入院记录\n主诉：咳嗽\n现病史：1天\nCT检查报告\n检查所见：结节\n检查结论：结节", "入院记录"),
}


@pytest.mark.parametrize(("types", "text", "kind"), TOLD.values(), ids=TOLD)
def test_type_title_sections_and_words_tell_the_kind(parts, types, text, kind):
    assert [structure(nlp.Note(text, document_type=title), parts).document_type for title in types] == [kind] * len(types)


LEADING = {
    "below its title": ("CT", TITLED_CT, ["", "检查所见", "检查结论"]),
    "first line": ("CT", "右肺上叶见一结节，大小约8mm。\n印象：右肺上叶结节。", ["检查所见", "检查结论"]),
    "no full stop": ("超声", "胆囊内见强回声\n超声提示：胆囊结石", ["检查所见", "检查结论"]),
    "same line": ("彩超", "胆囊内见强回声。超声提示：胆囊结石", ["检查所见", "检查结论"]),
    "nothing titled": ("DR", "双肺野清晰，心影不大", [""]),
    "named examination": ("CT", "胸部CT：右肺中叶见肿块。\n印象：肺癌", ["检查所见", "检查结论"]),
    "beside a part": ("CT", "右肺见结节，边界清。\n增强：结节强化。\n印象：肺癌", ["检查所见", "检查所见", "检查结论"]),
    "particulars": ("彩超", "某医院\n姓名：李某 性别：女\n胆囊内见强回声\n超声提示：胆囊结石", ["", "一般项目", "检查所见", "检查结论"]),
    "heart": ("心电图", "窦性心律，电轴不偏\n结论：正常心电图", ["检查所见", "检查结论"]),
    "diagnosis": ("病理", "（胃）低分化腺癌，Ki-67 60%\n免疫组化：CEA(+)", ["病理诊断", "免疫组化"]),
    "gross": ("病理", "灰白组织2枚，直径0.3cm。\n黏膜慢性炎细胞浸润。\n病理诊断：慢性炎", ["肉眼所见", "镜下所见", "病理诊断"]),
    "behind a reason": ("CT", "临床诊断：咳嗽\n右肺上叶结节，8mm。\n影像诊断：结节", ["临床资料", "检查所见", "检查结论"]),
    "heading only": ("CT", "某医院影像中心\n胸部CT平扫+增强\n检查所见：结节\n印象：结节", ["", "检查所见", "检查结论"]),
    "history": ("CT", "患者因咳嗽3天就诊。\n检查所见：结节\n印象：结节", ["", "检查所见", "检查结论"]),
    "reason": ("CT", "因体检发现结节复查\n右肺上叶结节8mm\n印象：结节", ["", "检查所见", "检查结论"]),
    "method": ("CT", "行胸部平扫，层厚5mm。\n检查所见：结节\n印象：结节", ["", "检查所见", "检查结论"]),
}


@pytest.mark.parametrize(("kind", "text", "expected"), LEADING.values(), ids=LEADING)
def test_prose_before_the_titles_of_a_report(parts, kind, text, expected):
    assert [section.name for section in structure(nlp.Note(text, document_type=kind), parts).sections] == expected


def test_the_data_is_sound():
    names = set(section_names())
    rules = label_words()
    assert {name for row in rules.rows for name in row.sections} <= names
    assert {meaning for row in rules.rows for meaning in row.words} <= set(rules.meanings.values())
    assert all(rules.pattern.fullmatch(word) for word in rules.heads)
    for kind in document_kinds().values():
        assert {*kind.sections, *kind.signs} <= names
    for section in section_names().values():
        assert len(set(section.titles)) == len(section.titles)
        assert section.colon_only <= set(section.titles)
        assert all(normalise(title).text == title and (" " not in title or title.isascii()) for title in section.titles)
