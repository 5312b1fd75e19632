"""Charlson's comorbidities by ICD-10 prefixes; ICD-10-CN keeps the same first four characters.

References
----------
.. [1] Quan et al., "Coding algorithms for defining comorbidities in ICD-9-CM and ICD-10 administrative data", Med Care 2005;
   43: 1130-1139, table 1.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHARLSON", "Comorbidity"]


@dataclass(frozen=True)
class Comorbidity:
    """One group of diseases.

    Parameters
    ----------
    name : str
        Short name in code.
    label_zh, label : str
        What is shown.
    prefixes : tuple of str
        Beginnings of ICD-10 codes with the dot.
    """

    name: str
    label_zh: str
    label: str
    prefixes: tuple[str, ...]


def _declare(name: str, label_zh: str, label: str, prefixes: str) -> Comorbidity:
    return Comorbidity(name, label_zh, label, tuple(prefixes.split()))


CHARLSON: tuple[Comorbidity, ...] = (
    _declare("myocardial_infarction", "心肌梗死", "Myocardial infarction", "I21 I22 I25.2"),
    _declare(
        "heart_failure",
        "心力衰竭",
        "Congestive heart failure",
        "I09.9 I11.0 I13.0 I13.2 I25.5 I42.0 I42.5 I42.6 I42.7 I42.8 I42.9 I43 I50 P29.0",
    ),
    _declare(
        "peripheral_vascular",
        "周围血管病",
        "Peripheral vascular disease",
        "I70 I71 I73.1 I73.8 I73.9 I77.1 I79.0 I79.2 K55.1 K55.8 K55.9 Z95.8 Z95.9",
    ),
    _declare("cerebrovascular", "脑血管病", "Cerebrovascular disease", "G45 G46 H34.0 I60 I61 I62 I63 I64 I65 I66 I67 I68 I69"),
    _declare("dementia", "痴呆", "Dementia", "F00 F01 F02 F03 F05.1 G30 G31.1"),
    _declare(
        "chronic_pulmonary",
        "慢性肺病",
        "Chronic pulmonary disease",
        "I27.8 I27.9 J40 J41 J42 J43 J44 J45 J46 J47 J60 J61 J62 J63 J64 J65 J66 J67 J68.4 J70.1 J70.3",
    ),
    _declare("rheumatic", "风湿病", "Rheumatic disease", "M05 M06 M31.5 M32 M33 M34 M35.1 M35.3 M36.0"),
    _declare("peptic_ulcer", "消化性溃疡", "Peptic ulcer disease", "K25 K26 K27 K28"),
    _declare(
        "mild_liver",
        "轻度肝病",
        "Mild liver disease",
        "B18 K70.0 K70.1 K70.2 K70.3 K70.9 K71.3 K71.4 K71.5 K71.7 K73 K74 K76.0 K76.2 K76.3 K76.4 K76.8 K76.9 Z94.4",
    ),
    _declare(
        "diabetes",
        "糖尿病（无慢性并发症）",
        "Diabetes without chronic complication",
        " ".join(f"E{kind}.{end}" for kind in (10, 11, 12, 13, 14) for end in (0, 1, 6, 8, 9)),
    ),
    _declare(
        "diabetes_complicated",
        "糖尿病（有慢性并发症）",
        "Diabetes with chronic complication",
        " ".join(f"E{kind}.{end}" for kind in (10, 11, 12, 13, 14) for end in (2, 3, 4, 5, 7)),
    ),
    _declare("plegia", "偏瘫或截瘫", "Hemiplegia or paraplegia", "G04.1 G11.4 G80.1 G80.2 G81 G82 G83.0 G83.1 G83.2 G83.3 G83.4 G83.9"),
    _declare(
        "renal",
        "肾病",
        "Renal disease",
        "I12.0 I13.1 N03.2 N03.3 N03.4 N03.5 N03.6 N03.7 N05.2 N05.3 N05.4 N05.5 N05.6 N05.7 N18 N19 N25.0 Z49.0 Z49.1 Z49.2 Z94.0 Z99.2",
    ),
    _declare(
        "malignancy",
        "恶性肿瘤",
        "Malignancy",
        " ".join(f"C{n:02d}" for n in (*range(27), 30, 31, 32, 33, 34, 37, 38, 39, 40, 41, 43, *range(45, 59), *range(60, 77)))
        + " C81 C82 C83 C84 C85 C88 C90 C91 C92 C93 C94 C95 C96 C97",
    ),
    _declare(
        "severe_liver",
        "中重度肝病",
        "Moderate or severe liver disease",
        "I85.0 I85.9 I86.4 I98.2 K70.4 K71.1 K72.1 K72.9 K76.5 K76.6 K76.7",
    ),
    _declare("metastatic", "转移性实体瘤", "Metastatic solid tumour", "C77 C78 C79 C80"),
    _declare("hiv", "艾滋病", "AIDS/HIV", "B20 B21 B22 B24"),
)
