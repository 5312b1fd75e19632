"""Whole reports, as several hospitals lay them out, through all ready variables of their kind."""

from __future__ import annotations

import pytest

import nlp
from nlp.annotations import Note
from nlp.pipeline import read
from nlp.variables import CompiledSet, ready_set
from nlp.variables.aggregate import Given, aggregate

CHEST = """XX医院CT检查报告单
姓名：张某  性别：男  年龄：63岁  检查号：CT0012345
临床诊断：肺栓塞？肺结节随访
检查名称：胸部CT平扫+增强
检查方法：层厚5mm，静脉注射对比剂80ml。
影像所见：
胸廓对称，双肺透亮度增高。右肺上叶尖段见混合磨玻璃结节，大小约１４ｍｍ×１１ｍｍ，较前（2023-04-02）略增大；左肺下叶见实性小结节，约4mm，同前相仿。
气管、支气管通畅。纵隔4R组见肿大淋巴结，短径约１．２ｃｍ。肺动脉主干及分支未见充盈缺损。
右侧胸腔见少量积液。心影不大，冠状动脉壁钙化。
扫及甲状腺右叶见结节，直径约18mm。
诊断意见：
1.右肺上叶混合磨玻璃结节，Lung-RADS 4B类，建议MDT。
2.左肺下叶小结节，Lung-RADS 2类。
3.慢支、肺气肿。右侧胸腔积液。
报告医师：李某   审核医师：王某"""

ULTRASOUND = """超声检查报告单
检查部位：甲状腺、乳腺、颈动脉
超声所见：
甲状腺右叶大小约50mm×18mm×16mm，左叶大小约48mm×17mm×15mm。右叶中部见低回声结节，大小约9mm×7mm，纵横比>1，内见点状强回声。
双侧颈部未见明显肿大淋巴结。
右乳外上象限见低回声团，大小约1.6cm×1.2cm，边缘毛刺。左乳未见明显占位。
双侧颈总动脉内-中膜厚约1.2mm，右侧分叉处见强回声斑块，大小约7mm×2mm，管腔狭窄约40%。
超声提示：
甲状腺右叶结节，C-TIRADS 4B类
右乳实性占位，BI-RADS 4C类，建议穿刺活检
双侧颈动脉硬化伴右侧斑块形成"""

ECHO = """超声心动图检查报告
测值：AO 32mm  LA 45mm  LVDd 58mm  LVDs 42mm  IVS 9mm  EF 42%  FS 21%
检查所见：
左房、左室增大。左室前壁、心尖部运动减弱。二尖瓣瓣叶增厚，CDFI示中度反流。主动脉瓣钙化，未见狭窄。
三尖瓣轻度反流，估测肺动脉收缩压约４８ｍｍＨｇ。心包腔未见液性暗区。
超声提示：节段性室壁运动异常；二尖瓣中度反流；肺动脉高压（轻度）；左室收缩功能减低。"""

GASTRIC = """病理诊断报告书
送检标本：胃癌根治标本    临床诊断：胃窦癌
肉眼所见：部分胃标本，大弯长18cm，小弯长10cm，距下切缘4cm处见一溃疡型肿物，大小4.5cm×3.5cm×1.2cm。
病理诊断：
（胃窦）溃疡型中－低分化腺癌，侵及浆膜下层；
脉管内癌栓（+），神经侵犯（－）；
上、下切缘均未见癌；
淋巴结：小弯侧 2/9，大弯侧 0/6，幽门下 1/4。
病理分期：pT3N2Mx。
免疫组化：HER2（2+），Ki-67（约60%+），MLH1（+）、PMS2（+）、MSH2（+）、MSH6（+），提示pMMR；PD-L1（22C3）CPS=5。
建议FISH检测HER2基因扩增。"""

BREAST = """病理报告
病理诊断：（左乳）浸润性导管癌，Ⅱ级，肿块大小2.1cm×1.8cm×1.5cm，未见明确脉管内癌栓及神经侵犯，各切缘（－）。
前哨淋巴结4枚，其中1枚见癌转移。
免疫组化结果：ER（约90%，强+），PR（-），HER-2（1+），Ki67（15-20%+）。"""

COLON = """电子结肠镜检查报告
肠道准备：BBPS 3+2+2=7分
内镜所见：循腔进镜至回肠末端10cm，回盲瓣呈唇样。升结肠见一枚0.5cm×0.4cm扁平息肉，予冷圈套切除；乙状结肠距肛门22cm见一亚蒂息肉，大小约1.5cm×1.2cm，行EMR。余结肠黏膜光滑，未见溃疡及肿物。
内镜诊断：结肠多发息肉（已治疗），内痔
建议：1年后复查肠镜"""

REPORTS = (
    (
        "CT报告",
        "chest_ct",
        CHEST,
        {
            "lung_nodule": "present",
            "lung_nodule_size": 14,
            "lung_nodule_density": "部分实性",
            "lung_nodule_lobe": ("右肺上叶", "左肺下叶"),
            "lung_nodule_change": "增大",
            "lung_rads": "4B",
            "pleural_effusion": "右侧",
            "mediastinal_node_short_axis": 12,
            "pulmonary_embolism": "absent",
            "coronary_calcification": "present",
            "emphysema": "present",
        },
    ),
    (
        "超声报告",
        "ultrasound",
        ULTRASOUND,
        {
            "thyroid_nodule_size": 9,
            "thyroid_ti_rads": "4B",
            "breast_bi_rads": "4C",
            "breast_lesion_size": 16,
            "carotid_plaque": "present",
            "carotid_stenosis_percent": 40,
            "intima_media_thickness": 1.2,
            "fatty_liver": None,
            "deep_vein_thrombosis": None,
        },
    ),
    (
        "超声报告",
        "echocardiography",
        ECHO,
        {
            "lvef": 42,
            "left_atrial_diameter": 45,
            "lv_end_diastolic_diameter": 58,
            "mitral_regurgitation": "中度",
            "aortic_stenosis": None,
            "pulmonary_artery_pressure": 48,
            "pericardial_effusion": "absent",
            "wall_motion_abnormality": "present",
        },
    ),
    (
        "病理报告",
        "pathology",
        GASTRIC,
        {
            "tumour_type": "腺癌",
            "differentiation": "中-低分化",
            "pathological_t": "T3",
            "pathological_n": "N2",
            "resection_margin": "阴性",
            "nodes_positive": 3,
            "nodes_examined": 19,
            "ki67": 60,
            "her2_ihc": "2+",
            "oestrogen_receptor": None,
            "pd_l1_cps": 5,
            "pd_l1_tps": None,
            "microsatellite_status": "MSS/pMMR",
            "perineural_invasion": "absent",
            "lymphovascular_invasion": "present",
            "tumour_size_gross": 45,
        },
    ),
    (
        "病理报告",
        "pathology",
        BREAST,
        {
            "tumour_type": "乳腺浸润性癌",
            "resection_margin": "阴性",
            "nodes_positive": 1,
            "nodes_examined": 4,
            "oestrogen_receptor": "阳性",
            "progesterone_receptor": "阴性",
            "her2_ihc": "1+",
            "ki67": 20,
            "lymphovascular_invasion": "absent",
            "perineural_invasion": "absent",
            "tumour_size_gross": 21,
        },
    ),
    (
        "内镜报告",
        "endoscopy",
        COLON,
        {"boston_bowel_score": 7, "colorectal_polyp": "present", "colorectal_polyp_size": 15, "gastric_ulcer": None, "h_pylori": None},
    ),
)


@pytest.fixture(scope="module")
def language():
    return nlp.load()


@pytest.mark.parametrize("told", [True, False], ids=["kind told", "kind found"])
@pytest.mark.parametrize(("kind", "name", "report", "expected"), REPORTS, ids=["chest", "ultrasound", "echo", "gastric", "breast", "colon"])
def test_report(kind, name, report, expected, told, language):
    asked = CompiledSet(ready_set(name))
    (text,) = read(language, [Note(report, document_type=kind if told else "")])
    answers = asked.evaluate(text).answers
    got = {}
    for variable in asked.variables:
        if variable.name in expected:
            got[variable.name] = aggregate(variable, [Given(1, answer) for answer in answers if answer.variable == variable.name]).value
    assert got == expected
