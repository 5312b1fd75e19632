"""Identifiers are found by context and form, and words that only look like names are left alone."""

import re
from pathlib import Path

import pytest

import nlp
from nlp.annotations import Note
from nlp.identifiers import KINDS, find_identifiers
from nlp.identifiers.numbers import identity_digits, is_bank_card, is_identity
from nlp.normal import normalise

WORDS = Path(__file__).parents[1] / "corpus" / "not_identifiers.txt"


def found(text):
    normal = normalise(text)
    return {(text[slice(*normal.raw(hit.start, hit.end))], hit.kind) for hit in find_identifiers(normal.text)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("姓名：王芳  性别：女", {"王芳"}),
        ("姓 名 栏 姓名： 王 芳 性别：女", {"王 芳"}),
        ("患者林黛玉，28岁。黛玉今日诉腹痛", {"林黛玉", "黛玉"}),
        ("患者李建国，男，56岁。建国路住", {"李建国"}),
        ("黄女士陪同，其夫张先生在外", {"黄", "张"}),
        ("姓名王小芳性别女年龄45岁", {"王小芳"}),
        ("患者李建国，男，56岁，因腹痛入院", {"李建国"}),
        ("欧阳修文，40岁，女。复诊。", {"欧阳修文"}),
        ("其子赵磊诉患者昨晚发热", {"赵磊"}),
        ("其女钱红梅代诉病史", {"钱红梅"}),
        ("联系人：女儿孙丽", {"孙丽"}),
        ("已向患者配偶周大勇交代病情", {"周大勇"}),
        ("李某某因头痛就诊", {"李某某"}),
        ("患者王**，女", {"王**"}),
        ("姓名：阿依古丽", {"阿依古丽"}),
        ("患者买买提·阿不都，男", {"买买提·阿不都"}),
        ("Name: Zhang Xiaoming", {"Zhang Xiaoming"}),
        ("吴秀英（13800138000）", {"吴秀英"}),
        ("郑海洋 男 61岁 汉族", {"郑海洋"}),
        ("患者李强诉头晕，后李强自行离院", {"李强"}),
        ("姓 名 周  佳  怡 性 别 女", {"周  佳  怡"}),
        ("母亲赵淑芬健在，父亲赵国庆已故", {"赵淑芬", "赵国庆"}),
        ("患者玛丽·史密斯，女", {"玛丽·史密斯"}),
        ("姓名：和　平\n性别：男", {"和　平"}),
        ("病员标识：平静·男·27", {"平静"}),
        ("联系人姓名李芳仙  入院日期", {"李芳仙"}),
        ("平静（夫）签到", {"平静"}),
        ("兹介绍病人高原，74岁", {"高原"}),
        ("（舒心之女）", {"舒心"}),
    ],
)
def test_names_of_patients_and_relatives(text, names):
    assert {word for word, kind in found(text) if kind == "name"} == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("张主任查房后指示", {"张"}),
        ("医师签名：须光明，阅片者融莲英，按高主治交代", {"须光明", "融莲英", "高"}),
        ("请心内科王建国主任会诊", {"王建国"}),
        ("李某某医师", {"李某某"}),
        ("主刀：张伟  助手：李强、王刚  麻醉医师：赵 敏", {"张伟", "李强", "王刚", "赵 敏"}),
        ("医师签名：陈思远/周明", {"陈思远", "周明"}),
        ("副主任医师刘洋查房", {"刘洋"}),
        ("今日何医生接诊", {"何"}),
        ("2021-03-05 09:20  李明华", {"李明华"}),
        ("记录者：方书轩", {"方书轩"}),
        ("接诊医师安静，上级医师龙林文", {"安静", "龙林文"}),
    ],
)
def test_names_of_staff(text, names):
    assert {word for word, kind in found(text) if kind in ("physician", "name")} == names


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("身份证号：110105 19491231 002X", "identity_number", "110105 19491231 002X"),
        ("身份证１１０１０５１９４９１２３１００２Ｘ。", "identity_number", "１１０１０５１９４９１２３１００２Ｘ"),
        ("证件11O105194912310O2X", "identity_number", "11O105194912310O2X"),
        ("旧证110105491231002", "identity_number", "110105491231002"),
        ("手机+86 138-0013-8000", "mobile_number", "+86 138-0013-8000"),
        ("1 3 8 0 0 1 3 8 0 0 0", "mobile_number", "1 3 8 0 0 1 3 8 0 0 0"),
        ("家中电话：(0314) 2345678", "phone", "(0314) 2345678"),
        ("电话：2345678", "phone", "2345678"),
        ("病案号：ZY0001234567", "record_number", "ZY0001234567"),
        ("（病理号201725281）", "record_number", "201725281"),
        ("医保卡号：YB123456789012", "insurance_number", "YB123456789012"),
        ("护照号 E12345678", "certificate", "E12345678"),
        ("银行卡6222021234567890128", "bank_card", "6222021234567890128"),
        ("车牌京A·12345", "licence_plate", "京A·12345"),
        ("邮箱 a.b@c.com。", "email", "a.b@c.com"),
        ("微信号：wxid_abc123", "account", "wxid_abc123"),
        ("床号：12", "bed", "12"),
        ("12床患者", "bed", "12床"),
        ("住十二病区", "ward", "十二病区"),
        ("家住河北省承德市双滦区应营子村3组，", "address", "河北省承德市双滦区应营子村3组"),
        ("现住朝阳路12号3栋2单元501室", "address", "朝阳路12号3栋2单元501室"),
        ("住址：内蒙古赤峰市某旗某苏木 电话", "address", "内蒙古赤峰市某旗某苏木"),
        ("曾就诊于北京协和医院，", "institution", "北京协和医院"),
        ("工作单位：青云机械有限公司", "institution", "青云机械有限公司"),
        ("腕带号：B2018-50536", "record_number", "B2018-50536"),
        ("会诊登记编号：HZ-20210045", "record_number", "HZ-20210045"),
        ("Sample ID 8521071", "record_number", "8521071"),
        ("Bed：+65", "bed", "+65"),
        ("床 位 18A", "bed", "18A"),
        ("由门诊收入肿瘤科一病区。", "ward", "肿瘤科一病区"),
        ("病区 外二病区 床号 加68", "ward", "外二病区"),
        ("转入外科楼7层东区。", "ward", "外科楼7层东区"),
        ("就诊于首都医科大学附属北京朝阳医院，", "institution", "首都医科大学附属北京朝阳医院"),
        ("在绵阳四〇四医院手术", "institution", "绵阳四〇四医院"),
        ("于自贡市精神卫生中心诊断", "institution", "自贡市精神卫生中心"),
        ("户籍阆中市翠屏苑15-2-2123，", "address", "阆中市翠屏苑15-2-2123"),
        ("报告寄凤台县世纪新城6-4-1922，", "address", "凤台县世纪新城6-4-1922"),
        ("患者，女，93岁", "age", "93岁"),
        ("年龄：101", "age", "101"),
        ("九十二岁高龄", "age", "九十二岁"),
        ("女77  17583372874", "mobile_number", "17583372874"),
        ("电联1558 8102 826", "mobile_number", "1558 8102 826"),
        ("电话0797/75060748，", "phone", "0797/75060748"),
        ("02265548998", "phone", "02265548998"),
        ("+86-773-32902154", "phone", "+86-773-32902154"),
        ("0755 8878 1234转8012", "phone", "0755 8878 1234转8012"),
        ("拨主任专线7859-1364", "phone", "7859-1364"),
        ("内线：66123", "phone", "66123"),
        ("女  45  110105194912310 02X", "identity_number", "110105194912310 02X"),
        ("住院15020121，主管", "record_number", "15020121"),
        ("病案｜US722181110｜", "record_number", "US722181110"),
        ("（某院，第69717号）", "record_number", "第69717号"),
        ("告知书编号NO.304295", "record_number", "NO.304295"),
        ("病 历 号 K420/13", "record_number", "K420/13"),
        ("住院流水号〔P9680064-1〕", "record_number", "P9680064-1"),
        ("军人保障卡 医12959111", "insurance_number", "医12959111"),
        ("医 疗 保 险 Y1295911X", "insurance_number", "Y1295911X"),
        ("社会保障卡（35483252139065276）", "insurance_number", "35483252139065276"),
        ("原床Ⅱ-30，", "bed", "Ⅱ-30"),
        ("床9号，", "bed", "9号"),
        ("床 +10", "bed", "+10"),
        ("病人：王芳（监52）", "bed", "监52"),
        ("特41床", "bed", "特41床"),
        ("转ICU-B区", "ward", "ICU-B区"),
        ("产六区", "ward", "产六区"),
        ("3号楼15层D区", "ward", "3号楼15层D区"),
        ("南院4病区", "ward", "南院4病区"),
        ("神经外科B区7床", "ward", "神经外科B区"),
        ("返回肾内科二病区。", "ward", "肾内科二病区"),
        ("转入17楼东区ICU", "ward", "17楼东区"),
        ("护送至心血管内科病区", "ward", "心血管内科病区"),
        ("由西安市殡仪馆接走", "institution", "西安市殡仪馆"),
        ("承德职业技术学院职工", "institution", "承德职业技术学院"),
        ("原单位于都县育才街社区卫生服务中心，", "institution", "于都县育才街社区卫生服务中心"),
        ("在中国移动赣州分公司工作", "institution", "中国移动赣州分公司"),
        ("住宽城满族自治县清水乡新民村145号", "address", "宽城满族自治县清水乡新民村145号"),
        ("家住历城区花园路387号", "address", "历城区花园路387号"),
        ("南京市鼓楼区花园路街道碧水湾7-3-1702", "address", "南京市鼓楼区花园路街道碧水湾7-3-1702"),
        ("锦绣城1区15号楼1单元601人", "address", "锦绣城1区15号楼1单元601"),
        ("雁峰区翠湖小区19号楼3单元1404室。", "address", "雁峰区翠湖小区19号楼3单元1404室"),
        ("现住处，1单元402室", "address", "1单元402室"),
        ("家住周至县滨河路38号", "address", "周至县滨河路38号"),
        ("住址 蓟州区张杨路11里19楼5门463", "address", "蓟州区张杨路11里19楼5门463"),
        ("搬至厦门市思明区延平路22号碧桂园C栋7楼甲室", "address", "厦门市思明区延平路22号碧桂园C栋7楼甲室"),
    ],
)
def test_numbers_places_and_institutions(text, kind, value):
    assert (value, kind) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "当地医院给予治疗，外院检查，上级医院会诊，县医院就诊",
        "血压120/80mmHg，白细胞12.5×10^9/L，血钠138.0 mmol/L，2021-03-01 08:30:00",
        "CEA 3.4 5.6 7.8 12.5 138 0013 ng/ml",
        "姓名：不详 住址：同上 电话：无 职业：农民",
        "主管医师、上级医师查房，值班医生，于医师指导下服药",
        "心前区、腰背部叩击痛，尿路刺激征，病区，通路建立",
        "镇静镇痛，冰镇，农村，超市",
        "低氧血症，术中出血约1500000000",
        "患者于某日出现头痛，某医院就诊",
        "患者89岁，血压95/60，体重92kg，90岁以上者慎用",
        "试剂批号：20210304，型号：ABC-1234",
        "石斛、麦冬、何首乌、郁金、柏子仁各10g",
        "耗材批次BN20221107，规格5ml×10支，国药准字Z44021940，生产批号20221107",
        "于2018-03-04住院，住院5000元，门诊2018年复查，诊断编码J18.900",
        "卧床3天，床位费45元，床头抬高30度，离床10分钟，3床单元消毒，牙床肿痛",
        "尿蛋白(+2)，潜血 +3 ，丝线(4号)，加10 g，加10片",
        "改良阿尔德雷特评分10分，布伦斯特伦分期III期，迪克斯-霍尔派克试验阴性，威利斯环变异",
        "蔡尔德-皮尤评分5分，予弗利导尿管，山田II型息肉，莫迪克II型改变，库瓦西耶征阴性",
        "辅检：血常规正常，疾病编码I10.x05，手术编码51.2300x008",
        "由奶奶陪同，谢邀！查多斯征阴性，雷默实验阳性，格拉斯哥评分15分，碎石取石术",
        "嘱护士常规消毒，护士同意，主管医师安排，值班医生查房",
        "核对姓名无误，姓名及床号已核对，姓名栏空白",
        "月经史，女，白带正常，诊断：黄疸，男，60岁",
        "建议至当地县医院复查，开户行中国工商银行",
        "颈部II区淋巴结，前列腺外周区，费用合计1382450.00分，医保热线12393",
    ],
)
def test_what_names_nobody_stays(text):
    assert found(text) == set()


FRAMES = (
    "患者{}病史10年。",
    "其母{}，其父体健。",
    "患者{}，",
    "否认{}，无家族史。",
    "诊断：{}",
    "请示主任后考虑{}",
    "家属{}诊治",
    "主任查房考虑{}。",
    "予{}治疗后患者好转",
    "医师：{}待查",
)


@pytest.mark.parametrize("frame", FRAMES)
def test_no_eponym_drug_or_disease_is_taken(frame):
    lines = WORDS.read_text(encoding="utf-8").splitlines()
    words = [word for line in lines if not line.startswith("#") for word in line.split()]
    assert len(words) >= 300
    taken = {word: found(frame.format(word)) for word in words}
    assert {word: hits for word, hits in taken.items() if hits} == {}


def test_identity_numbers_follow_the_standard():
    assert is_identity("11010519491231002X")
    assert not is_identity("110105194912310021")
    assert not is_identity("110105194913310021", checked=False)
    assert identity_digits("11O105 19491231-002×") == "11010519491231002X"
    assert is_bank_card("6222021234567890128")
    assert not is_bank_card("6222021234567890129")


def test_as_a_component_it_counts_in_the_raw_text():
    note = Note("<p>患者&nbsp;王小芳，电话１３８００１３８０００</p>")
    (text,) = nlp.read(nlp.load(add=["identifiers"]), [note])
    assert [(text.raw[hit.start : hit.end], hit.kind) for hit in text.identifiers] == [
        ("王小芳", "name"),
        ("１３８００１３８０００", "mobile_number"),
    ]


def test_every_kind_has_a_mark():
    assert all(re.fullmatch("[一-鿿]+", shown) for shown in KINDS.values())


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("【住院号】00495863 【科别】肿瘤科", "record_number", "00495863"),
        ("【床号】27 【电话】", "bed", "27"),
        ("医保慢病卡：YB922909831，开药4周量", "insurance_number", "YB922909831"),
        ("警车浙C0753警到场", "licence_plate", "浙C0753警"),
        ("收入神经内科西区。", "ward", "神经内科西区"),
        ("送出科室住院部8楼西病区，", "ward", "住院部8楼西病区"),
    ],
)
def test_brackets_around_labels_and_more_shapes(text, kind, value):
    found = find_identifiers(normalise(text).text)
    assert [(text[hit.start : hit.end], hit.kind) for hit in found if hit.kind == kind] == [(value, kind)]
