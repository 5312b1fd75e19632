"""The data contract: every table and column of a store, declared once.

OMOP CDM 5.4 [1]_, the imaging tables of MI-CDM [2]_, and ``finding`` for facts derived from notes. Type and reference of a
column follow from OMOP's own naming (``*_concept_id``, ``*_date``, ``*_source_value`` ...), so a declaration lists names and
marks only what departs from the pattern; ``!`` means that a value is required. Columns that are ours stand after a ``+``.

One departure from OMOP: the end of a visit or a drug may be empty. Who is still in hospital has no day of discharge, and a
made-up one would count as a fact.

References
----------
.. [1] https://ohdsi.github.io/CommonDataModel/cdm54.html
.. [2] Park et al., "Development of Medical Imaging Data Standardization for Imaging-Based Observational Research: OMOP CDM
   Extension", J Imaging Inform Med 2024; https://github.com/OHDSI/ImagingWG
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pyarrow as pa

from workbench.errors import DataError

__all__ = ["ASSERTIONS", "SCHEMA_VERSION", "TABLES", "Column", "Table", "arrow_schema", "table"]

#: Version of the contract that a snapshot's manifest names: OMOP version, then our own revision of the additions.
SCHEMA_VERSION = "omop-5.4+1"

#: What a note says of a finding.
ASSERTIONS = ("present", "absent", "possible", "hypothetical", "historical")

_ARROW = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "text": pa.string(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
}


@dataclass(frozen=True)
class Column:
    """One column.

    Parameters
    ----------
    name : str
        OMOP's name.
    type : {"integer", "number", "text", "date", "datetime"}
        Times are local to the hospital and carry no zone.
    required : bool
        Whether a row without a value is refused.
    description, description_zh : str
        What the column holds.
    unit : str
        Unit of a bare number; empty where the unit stands in another column or there is none.
    references : str
        Table whose key the value is; empty where it is none.
    minimum, maximum : float or None
        Bounds of a value that can mean anything.
    allowed : tuple of str
        The only values of a text column; empty for any.
    extension : bool
        True where the column is not OMOP's or MI-CDM's but ours.
    """

    name: str
    type: str
    required: bool = False
    description: str = ""
    description_zh: str = ""
    unit: str = ""
    references: str = ""
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    extension: bool = False

    @property
    def arrow_type(self) -> pa.DataType:
        """Type of the column in a Parquet file."""
        return _ARROW[self.type]


@dataclass(frozen=True)
class Table:
    """One table.

    Parameters
    ----------
    name : str
        OMOP's name.
    kind : {"person", "event", "era", "derived", "site", "vocabulary", "result"}
        ``event`` tables hold what was recorded of a person, ``era`` and ``derived`` what was computed from it.
    key : tuple of str
        Columns that together name a row; empty where rows have no name.
    columns : tuple of Column
        In OMOP's order.
    description, description_zh : str
        What a row is.
    start, end : str
        Columns of the first and last day of a row; empty where there is none.
    """

    name: str
    kind: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    description: str = ""
    description_zh: str = ""
    start: str = ""
    end: str = ""

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        msg = f"table {self.name} has no column {name!r}"
        raise KeyError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def person(self) -> str:
        """Column of the person; empty where rows belong to none."""
        return next((name for name in ("person_id", "subject_id") if name in self.names), "")

    @property
    def sort(self) -> tuple[str, ...]:
        """Order of the rows in a snapshot: person, then time, then key, so that one patient's rows lie together."""
        return tuple(dict.fromkeys(name for name in (self.person, self.start, *self.key) if name))


# What columns hold, by name: OMOP uses one name for one thing in every table. (English, Chinese)
_WORDS: dict[str, tuple[str, str]] = {
    "person_id": ("Person", "患者编号"),
    "gender_concept_id": ("Sex at birth: 8507 male, 8532 female, 0 unknown", "出生性别：8507 男，8532 女，0 未知"),
    "year_of_birth": ("Year of birth", "出生年"),
    "month_of_birth": ("Month of birth", "出生月"),
    "day_of_birth": ("Day of birth", "出生日"),
    "birth_datetime": ("Date and time of birth", "出生日期时间"),
    "person_source_value": ("Person identifier in the source; a pseudonym once de-identified", "来源系统中的患者标识；去标识后为假名"),
    "gender_source_value": ("Sex as the source writes it", "来源系统中的性别"),
    "race_source_value": ("Race or ethnic group as the source writes it", "来源系统中的民族或种族"),
    "visit_occurrence_id": ("Encounter that the row belongs to", "所属就诊"),
    "visit_detail_id": ("Part of an encounter (ward, transfer)", "就诊明细（病区、转科）"),
    "visit_concept_id": ("9201 inpatient, 9202 outpatient, 9203 emergency, 32037 ICU", "9201 住院，9202 门诊，9203 急诊，32037 重症"),
    "visit_start_date": ("Day of admission or visit", "入院或就诊日期"),
    "visit_start_datetime": ("Time of admission or visit", "入院或就诊时间"),
    "visit_end_date": ("Day of discharge", "出院日期"),
    "visit_end_datetime": ("Time of discharge", "出院时间"),
    "visit_source_value": ("Kind of encounter as the source writes it", "来源系统中的就诊类型"),
    "condition_concept_id": ("Diagnosis, standard concept", "诊断（标准概念）"),
    "condition_source_value": ("Diagnosis code of the source, ICD-10-CN as a rule", "诊断编码（来源，通常为 ICD-10-CN）"),
    "condition_start_date": ("Day of the diagnosis", "诊断日期"),
    "condition_status_source_value": ("Role of the diagnosis (main, other, admission) in the source", "诊断类别（主要、其他、入院）"),
    "drug_concept_id": ("Drug, standard concept", "药品（标准概念）"),
    "drug_source_value": ("Drug code or name of the source", "药品编码或名称（来源）"),
    "drug_exposure_start_date": ("First day of the drug", "用药开始日期"),
    "drug_exposure_end_date": ("Last day of the drug", "用药结束日期"),
    "days_supply": ("Days that the supply lasts", "供药天数"),
    "refills": ("Number of refills after the first dispensing", "续配次数"),
    "sig": ("Directions as written", "用法用量原文"),
    "quantity": ("Amount", "数量"),
    "dose_unit_source_value": ("Unit of the dose as the source writes it", "剂量单位（来源）"),
    "route_source_value": ("Route as the source writes it", "给药途径（来源）"),
    "procedure_concept_id": ("Procedure, standard concept", "手术操作（标准概念）"),
    "procedure_source_value": ("Procedure code of the source, ICD-9-CM3 as a rule", "手术操作编码（来源，通常为 ICD-9-CM3）"),
    "measurement_concept_id": ("Test or vital sign, standard concept", "检验或体征项目（标准概念）"),
    "measurement_source_value": ("Test code or name of the source", "检验或体征项目（来源编码或名称）"),
    "measurement_date": ("Day of the measurement", "检验或测量日期"),
    "measurement_datetime": ("Time of the measurement", "检验或测量时间"),
    "value_as_number": ("Result as a number, in the unit of unit_source_value", "数值结果，单位见 unit_source_value"),
    "value_as_string": ("Result as text", "文本结果"),
    "value_as_concept_id": ("Result as a concept (positive, negative ...)", "结果概念（阳性、阴性等）"),
    "value_source_value": ("Result as the source writes it", "来源系统中的结果原文"),
    "unit_source_value": ("Unit as the source writes it", "单位（来源）"),
    "unit_concept_id": ("Unit, standard concept", "单位（标准概念）"),
    "operator_concept_id": ("Operator before the number: 4171756 <, 4171754 <=, 4172703 =, 4171755 >=, 4172704 >", "数值前的比较符"),
    "range_low": ("Lower limit of the reference range", "参考范围下限"),
    "range_high": ("Upper limit of the reference range", "参考范围上限"),
    "observation_concept_id": ("Observation, standard concept", "观察项（标准概念）"),
    "observation_source_value": ("Observation code of the source", "观察项编码（来源）"),
    "observation_period_start_date": ("First day on which events would have been recorded", "可观察期开始日期"),
    "observation_period_end_date": ("Last day on which events would have been recorded", "可观察期结束日期"),
    "death_date": ("Day of death", "死亡日期"),
    "death_datetime": ("Time of death", "死亡时间"),
    "cause_source_value": ("Cause of death, code of the source", "死因编码（来源）"),
    "note_id": ("Note", "病历文书编号"),
    "note_title": ("Title of the note", "文书标题"),
    "note_text": ("Whole text of the note", "文书全文"),
    "note_source_value": ("Kind of note in the source (入院记录, 出院小结 ...)", "文书类型（入院记录、出院小结等）"),
    "note_date": ("Day of the note", "文书日期"),
    "care_site_source_value": ("Department or ward as the source writes it", "科室或病区（来源）"),
    "care_site_name": ("Name of the department or ward", "科室或病区名称"),
    "specialty_source_value": ("Specialty as the source writes it", "专业（来源）"),
    "cost_event_id": ("Key of the row that cost: an encounter here", "产生费用的记录（此处为就诊）"),
    "cost_source_value": ("Kind of cost in the source (drugs, tests, bed ...)", "费用类别（药费、检查费、床位费等）"),
    "cost_concept_id": ("Kind of cost, standard concept", "费用类别（标准概念）"),
    "total_charge": ("Amount charged", "费用总额"),
    "paid_by_patient": ("Amount paid by the patient", "个人支付金额"),
    "paid_by_payer": ("Amount paid by insurance", "医保支付金额"),
    "concept_id": ("Concept", "概念编号"),
    "concept_name": ("Name of the concept", "概念名称"),
    "concept_code": ("Code of the concept in its vocabulary", "概念在词表中的编码"),
    "standard_concept": ("S standard, C classification, empty for source concepts", "S 标准，C 分类，空为来源概念"),
    "ancestor_concept_id": ("The broader concept", "上位概念"),
    "descendant_concept_id": ("The narrower concept (a concept is its own descendant)", "下位概念（含自身）"),
    "image_occurrence_id": ("Imaging series", "影像序列编号"),
    "image_occurrence_date": ("Day of the examination", "影像检查日期"),
    "modality_concept_id": ("Modality, standard concept", "成像方式（标准概念）"),
    "modality_source_value": ("Modality as DICOM writes it: CT, MR, DX ...", "成像方式（DICOM 写法：CT、MR、DX 等）"),
    "anatomic_site_source_value": ("Body part as the source writes it", "部位（来源）"),
    "geometry_verdict": ("Geometry verdicts (regular, gap ...), parted by blanks", "几何判定（regular、gap 等），以空格分开"),
    "n_instances": ("Number of instances (files)", "实例（文件）数"),
    "n_slices": ("Number of slices; empty where frames make more than one volume", "层数；各帧构成多个体数据时为空"),
    "n_rows": ("Rows of a slice", "每层行数"),
    "n_columns": ("Columns of a slice", "每层列数"),
    "slice_mm": ("Distance between slices along their normal; empty where it is not one number", "层间距（沿法线）；不唯一时为空"),
    "row_mm": ("Distance between rows", "行间距"),
    "column_mm": ("Distance between columns", "列间距"),
    "size_bytes": ("Size of the files", "文件大小"),
    "manufacturer_source_value": ("Maker of the scanner", "设备厂商"),
    "model_source_value": ("Model of the scanner", "设备型号"),
    "image_study_uid": ("DICOM Study Instance UID", "DICOM 检查 UID"),
    "image_series_uid": ("DICOM Series Instance UID", "DICOM 序列 UID"),
    "local_path": ("Folder of the series' files, relative to the store", "序列文件夹（相对于数据仓库）"),
    "finding_id": ("Finding", "发现编号"),
    "run_id": ("Run that made the row: program, version and parameters", "产生本行的运行（程序、版本与参数）"),
    "finding_source_value": ("Term or code of the concept, which cohorts ask for", "概念的词或编码，队列按此查询"),
    "finding_concept_id": ("Concept found, standard; 0 where no vocabulary is loaded", "发现的标准概念；未装载词表时为 0"),
    "finding_date": ("Day that the finding speaks of, the note's unless it says otherwise", "发现所指日期，未注明时为文书日期"),
    "finding_datetime": ("Time that the finding speaks of", "发现所指时间"),
    "span_start": ("First character of the mention in note_text", "提及在文书全文中的起始位置"),
    "span_end": ("End of the mention in note_text, exclusive", "提及在文书全文中的结束位置（不含）"),
    "entity_type": ("Kind of thing found: problem, drug, test ...", "实体类型：疾病、药物、检查等"),
    "assertion": ("present, absent, possible, hypothetical or historical", "断言：肯定、否定、可能、假设、既往"),
    "experiencer": ("Whom it concerns: patient or family", "主体：患者或家属"),
}  # fmt: skip

# Descriptions by ending, for columns that no line above names. {0} is the beginning of the name.
_ENDINGS: tuple[tuple[str, str, str], ...] = (
    ("_source_concept_id", "Source code of {0} as a concept; 0 where unknown", "{0} 来源编码对应的概念；未知为 0"),
    ("_type_concept_id", "Where the record of {0} comes from, as a concept", "{0} 记录来源（概念）"),
    ("_concept_id", "Standard concept of {0}; 0 where not mapped", "{0} 的标准概念；未映射为 0"),
    ("_source_value", "Value of {0} as the source writes it", "{0} 的来源取值"),
    ("_start_datetime", "Start time of {0}", "{0} 开始时间"),
    ("_end_datetime", "End time of {0}", "{0} 结束时间"),
    ("_start_date", "Start day of {0}", "{0} 开始日期"),
    ("_end_date", "End day of {0}", "{0} 结束日期"),
    ("_datetime", "Time of {0}", "{0} 时间"),
    ("_date", "Day of {0}", "{0} 日期"),
    ("_id", "Key of {0}", "{0} 编号"),
)

_UNITS = {
    "days_supply": "d",
    "gap_days": "d",
    "span_start": "code points",
    "span_end": "code points",
    "latitude": "°",
    "longitude": "°",
    "slice_mm": "mm",
    "row_mm": "mm",
    "column_mm": "mm",
    "size_bytes": "bytes",
}

# Bounds outside which a value means nothing, by column name.
_BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "year_of_birth": (1850, 2100),
    "month_of_birth": (1, 12),
    "day_of_birth": (1, 31),
    "days_supply": (0, None),
    "refills": (0, None),
    "span_start": (0, None),
    "span_end": (0, None),
    "latitude": (-90, 90),
    "longitude": (-180, 180),
    "condition_occurrence_count": (0, None),
    "drug_exposure_count": (0, None),
}

_ALLOWED = {"assertion": ASSERTIONS, "experiencer": ("patient", "family", "other")}

# Ending of a name -> type; the first that fits. Anything else is text.
_TYPES = (("_datetime", "datetime"), ("_date", "date"), ("_id", "integer"), ("_id_1", "integer"), ("_id_2", "integer"))
_SHORT = {"i": "integer", "n": "number", "t": "text"}

# Columns that hold the key of another table, where the name is that table's key.
_REFERENCES = {
    f"{name}_id": name for name in ("person", "visit_occurrence", "visit_detail", "location", "provider", "care_site", "note", "episode")
} | {
    "preceding_visit_occurrence_id": "visit_occurrence",
    "preceding_visit_detail_id": "visit_detail",
    "parent_visit_detail_id": "visit_detail",
    "procedure_occurrence_id": "procedure_occurrence",
    "image_occurrence_id": "image_occurrence",
    "payer_plan_period_id": "payer_plan_period",
}

# Columns that stand together in many tables.
_MACROS = {
    "@links": "provider_id visit_occurrence_id visit_detail_id",
    "@validity": "valid_start_date! valid_end_date! invalid_reason",
}

# name -> (kind, key, Chinese, English, columns). `:i :n :t` give a type that the name does not; `+` opens our own columns.
_DECLARED: dict[str, tuple[str, str, str, str, str]] = {
    "person": ("person", "person_id", "患者，每人一行", "One row per person", """
        person_id! gender_concept_id! year_of_birth!:i month_of_birth:i day_of_birth:i birth_datetime race_concept_id!
        ethnicity_concept_id! location_id provider_id care_site_id person_source_value gender_source_value gender_source_concept_id
        race_source_value race_source_concept_id ethnicity_source_value ethnicity_source_concept_id
    """),
    "observation_period": ("person", "observation_period_id", "可观察期：期内事件会被记录", "Time in which events were recorded", """
        observation_period_id! person_id! observation_period_start_date! observation_period_end_date! period_type_concept_id!
    """),
    "visit_occurrence": ("event", "visit_occurrence_id", "就诊（住院、门诊、急诊）", "Encounter with the hospital", """
        visit_occurrence_id! person_id! visit_concept_id! visit_start_date! visit_start_datetime visit_end_date visit_end_datetime
        visit_type_concept_id! provider_id care_site_id visit_source_value visit_source_concept_id admitted_from_concept_id
        admitted_from_source_value discharged_to_concept_id discharged_to_source_value preceding_visit_occurrence_id
    """),
    "visit_detail": ("event", "visit_detail_id", "就诊明细（病区、转科）", "Part of an encounter: a ward, a transfer", """
        visit_detail_id! person_id! visit_detail_concept_id! visit_detail_start_date! visit_detail_start_datetime visit_detail_end_date
        visit_detail_end_datetime visit_detail_type_concept_id! provider_id care_site_id visit_detail_source_value
        visit_detail_source_concept_id admitted_from_concept_id admitted_from_source_value discharged_to_source_value
        discharged_to_concept_id preceding_visit_detail_id parent_visit_detail_id visit_occurrence_id!
    """),
    "condition_occurrence": ("event", "condition_occurrence_id", "诊断", "Diagnosis", """
        condition_occurrence_id! person_id! condition_concept_id! condition_start_date! condition_start_datetime condition_end_date
        condition_end_datetime condition_type_concept_id! condition_status_concept_id stop_reason @links condition_source_value
        condition_source_concept_id condition_status_source_value
    """),
    "drug_exposure": ("event", "drug_exposure_id", "用药", "Drug prescribed, dispensed or given", """
        drug_exposure_id! person_id! drug_concept_id! drug_exposure_start_date! drug_exposure_start_datetime drug_exposure_end_date
        drug_exposure_end_datetime verbatim_end_date drug_type_concept_id! stop_reason refills:i quantity:n days_supply:i sig
        route_concept_id lot_number @links drug_source_value drug_source_concept_id route_source_value dose_unit_source_value
    """),
    "procedure_occurrence": ("event", "procedure_occurrence_id", "手术与操作", "Procedure", """
        procedure_occurrence_id! person_id! procedure_concept_id! procedure_date! procedure_datetime procedure_end_date
        procedure_end_datetime procedure_type_concept_id! modifier_concept_id quantity:i @links procedure_source_value
        procedure_source_concept_id modifier_source_value
    """),
    "device_exposure": ("event", "device_exposure_id", "器械与耗材", "Device", """
        device_exposure_id! person_id! device_concept_id! device_exposure_start_date! device_exposure_start_datetime
        device_exposure_end_date device_exposure_end_datetime device_type_concept_id! unique_device_id:t production_id:t quantity:i
        @links device_source_value device_source_concept_id unit_concept_id unit_source_value unit_source_concept_id
    """),
    "measurement": ("event", "measurement_id", "检验与生命体征", "Laboratory result or vital sign", """
        measurement_id! person_id! measurement_concept_id! measurement_date! measurement_datetime measurement_time
        measurement_type_concept_id! operator_concept_id value_as_number:n value_as_concept_id unit_concept_id range_low:n range_high:n
        @links measurement_source_value measurement_source_concept_id unit_source_value unit_source_concept_id value_source_value
        measurement_event_id meas_event_field_concept_id
    """),
    "observation": ("event", "observation_id", "其他观察（个人史、家族史、问卷等）", "Any other fact: history, habits, answers", """
        observation_id! person_id! observation_concept_id! observation_date! observation_datetime observation_type_concept_id!
        value_as_number:n value_as_string value_as_concept_id qualifier_concept_id unit_concept_id @links observation_source_value
        observation_source_concept_id unit_source_value qualifier_source_value value_source_value observation_event_id
        obs_event_field_concept_id
    """),
    "death": ("event", "person_id", "死亡", "Death of a person", """
        person_id! death_date! death_datetime death_type_concept_id cause_concept_id cause_source_value cause_source_concept_id
    """),
    "note": ("event", "note_id", "病历文书与检查报告", "Clinical note or report", """
        note_id! person_id! note_date! note_datetime note_type_concept_id! note_class_concept_id! note_title note_text!
        encoding_concept_id! language_concept_id! @links note_source_value note_event_id note_event_field_concept_id
    """),
    "note_nlp": ("derived", "note_nlp_id", "OMOP 文本结果（扁平）", "OMOP's flat table of text results", """
        note_nlp_id! note_id! section_concept_id snippet offset lexical_variant! note_nlp_concept_id note_nlp_source_concept_id
        nlp_system nlp_date! nlp_datetime term_exists term_temporal term_modifiers
    """),
    "specimen": ("event", "specimen_id", "标本", "Specimen", """
        specimen_id! person_id! specimen_concept_id! specimen_type_concept_id! specimen_date! specimen_datetime quantity:n
        unit_concept_id anatomic_site_concept_id disease_status_concept_id specimen_source_id:t specimen_source_value unit_source_value
        anatomic_site_source_value disease_status_source_value
    """),
    "fact_relationship": ("event", "", "事实之间的关系", "Relation between two facts", """
        domain_concept_id_1! fact_id_1! domain_concept_id_2! fact_id_2! relationship_concept_id!
    """),
    "location": ("site", "location_id", "地点", "Place", """
        location_id! address_1 address_2 city state zip county location_source_value country_concept_id country_source_value latitude:n
        longitude:n
    """),
    "care_site": ("site", "care_site_id", "科室与病区", "Department, ward or hospital", """
        care_site_id! care_site_name place_of_service_concept_id location_id care_site_source_value place_of_service_source_value
    """),
    "provider": ("site", "provider_id", "医务人员", "Provider of care", """
        provider_id! provider_name npi dea specialty_concept_id care_site_id year_of_birth:i gender_concept_id provider_source_value
        specialty_source_value specialty_source_concept_id gender_source_value gender_source_concept_id
    """),
    "payer_plan_period": ("person", "payer_plan_period_id", "医保参保期", "Time under an insurance plan", """
        payer_plan_period_id! person_id! payer_plan_period_start_date! payer_plan_period_end_date! payer_concept_id payer_source_value
        payer_source_concept_id plan_concept_id plan_source_value plan_source_concept_id sponsor_concept_id sponsor_source_value
        sponsor_source_concept_id family_source_value stop_reason_concept_id stop_reason_source_value stop_reason_source_concept_id
    """),
    "cost": ("event", "cost_id", "费用", "Cost", """
        cost_id! cost_event_id! cost_domain_id!:t cost_type_concept_id! currency_concept_id total_charge:n total_cost:n total_paid:n
        paid_by_payer:n paid_by_patient:n paid_patient_copay:n paid_patient_coinsurance:n paid_patient_deductible:n paid_by_primary:n
        paid_ingredient_cost:n paid_dispensing_fee:n payer_plan_period_id amount_allowed:n revenue_code_concept_id
        revenue_code_source_value drg_concept_id drg_source_value + cost_concept_id cost_source_value
    """),
    "drug_era": ("era", "drug_era_id", "用药期", "Continuous time on an ingredient", """
        drug_era_id! person_id! drug_concept_id! drug_era_start_date! drug_era_end_date! drug_exposure_count:i gap_days:i
    """),
    "dose_era": ("era", "dose_era_id", "剂量期", "Continuous time on a dose", """
        dose_era_id! person_id! drug_concept_id! unit_concept_id! dose_value!:n dose_era_start_date! dose_era_end_date!
    """),
    "condition_era": ("era", "condition_era_id", "诊断期", "Continuous time with a condition", """
        condition_era_id! person_id! condition_concept_id! condition_era_start_date! condition_era_end_date!
        condition_occurrence_count:i
    """),
    "episode": ("derived", "episode_id", "病程（治疗周期、疾病阶段）", "Course of a disease or a treatment", """
        episode_id! person_id! episode_concept_id! episode_start_date! episode_start_datetime episode_end_date episode_end_datetime
        episode_parent_id episode_number:i episode_object_concept_id! episode_type_concept_id! episode_source_value
        episode_source_concept_id
    """),
    "episode_event": ("derived", "", "病程所含事件", "Event that is part of an episode", """
        episode_id! event_id! episode_event_field_concept_id!
    """),
    "image_occurrence": ("event", "image_occurrence_id", "影像序列（MI-CDM）", "Imaging series (MI-CDM)", """
        image_occurrence_id! person_id! procedure_occurrence_id visit_occurrence_id anatomic_site_concept_id wadors_uri local_path
        image_occurrence_date! image_study_uid image_series_uid modality_concept_id! + modality_source_value anatomic_site_source_value
        geometry_verdict n_instances:i n_slices:i n_rows:i n_columns:i slice_mm:n row_mm:n column_mm:n size_bytes:i
        manufacturer_source_value model_source_value
    """),
    "image_feature": ("derived", "image_feature_id", "影像特征（MI-CDM）", "Points to a measurement of a series (MI-CDM)", """
        image_feature_id! person_id! image_occurrence_id! image_feature_event_field_concept_id image_feature_event_id
        image_feature_concept_id! image_feature_type_concept_id! image_finding_concept_id image_finding_id:i anatomic_site_concept_id
        alg_system alg_datetime
    """),
    "finding": ("derived", "finding_id", "病历文书中的发现，与来源事实分开存放", "Fact derived from a note", """
        + finding_id! run_id!:t note_id! person_id! visit_occurrence_id finding_concept_id! finding_source_value! finding_date!
        finding_datetime span_start!:i span_end!:i entity_type! assertion! experiencer! value_as_number:n unit_source_value
    """),
    "metadata": ("site", "metadata_id", "数据集说明项", "Statement about the data set", """
        metadata_id! metadata_concept_id! metadata_type_concept_id! name! value_as_string value_as_concept_id value_as_number:n
        metadata_date metadata_datetime
    """),
    "cdm_source": ("site", "", "数据集来源", "Where the data set comes from", """
        cdm_source_name! cdm_source_abbreviation! cdm_holder! source_description source_documentation_reference cdm_etl_reference
        source_release_date! cdm_release_date! cdm_version cdm_version_concept_id! vocabulary_version!
    """),
    "concept": ("vocabulary", "concept_id", "概念", "Concept", """
        concept_id! concept_name! domain_id!:t vocabulary_id!:t concept_class_id!:t standard_concept concept_code! @validity
    """),
    "vocabulary": ("vocabulary", "vocabulary_id", "词表", "Vocabulary", """
        vocabulary_id!:t vocabulary_name! vocabulary_reference vocabulary_version vocabulary_concept_id!
    """),
    "domain": ("vocabulary", "domain_id", "概念领域", "Domain of concepts", """
        domain_id!:t domain_name! domain_concept_id!
    """),
    "concept_class": ("vocabulary", "concept_class_id", "概念类别", "Class of concepts", """
        concept_class_id!:t concept_class_name! concept_class_concept_id!
    """),
    "concept_relationship": ("vocabulary", "concept_id_1 concept_id_2 relationship_id", "概念间关系", "Relation between two concepts", """
        concept_id_1! concept_id_2! relationship_id!:t @validity
    """),
    "relationship": ("vocabulary", "relationship_id", "关系类型", "Kind of relation", """
        relationship_id!:t relationship_name! is_hierarchical! defines_ancestry! reverse_relationship_id!:t relationship_concept_id!
    """),
    "concept_synonym": ("vocabulary", "", "概念同义词", "Synonym", """
        concept_id! concept_synonym_name! language_concept_id!
    """),
    "concept_ancestor": ("vocabulary", "ancestor_concept_id descendant_concept_id", "概念上下位", "Ancestry of concepts", """
        ancestor_concept_id! descendant_concept_id! min_levels_of_separation!:i max_levels_of_separation!:i
    """),
    "source_to_concept_map": ("vocabulary", "", "来源编码到概念的映射", "Map from source codes to concepts", """
        source_code! source_concept_id! source_vocabulary_id!:t source_code_description target_concept_id! target_vocabulary_id!:t
        @validity
    """),
    "drug_strength": ("vocabulary", "", "药品规格", "Strength of a drug", """
        drug_concept_id! ingredient_concept_id! amount_value:n amount_unit_concept_id numerator_value:n numerator_unit_concept_id
        denominator_value:n denominator_unit_concept_id box_size:i @validity
    """),
    "cohort": ("result", "", "队列成员", "Member of a cohort", """
        cohort_definition_id! subject_id! cohort_start_date! cohort_end_date!
    """),
    "cohort_definition": ("result", "cohort_definition_id", "队列定义", "Definition of a cohort", """
        cohort_definition_id! cohort_definition_name! cohort_definition_description definition_type_concept_id! cohort_definition_syntax
        subject_concept_id! cohort_initiation_date
    """),
}  # fmt: skip


def _type_of(name: str) -> str:
    return next((kind for ending, kind in _TYPES if name.endswith(ending)), "text")


def _reference_of(name: str, kind: str, table_name: str) -> str:
    if kind != "integer" or name == f"{table_name}_id":
        return ""
    if "concept_id" in name:
        return "concept"
    return "person" if name == "subject_id" else _REFERENCES.get(name, "")


def _describe(name: str) -> tuple[str, str]:
    """Give (English, Chinese) for a column: its own words, or those of its ending."""
    if name in _WORDS:
        return _WORDS[name]
    for ending, english, chinese in _ENDINGS:
        if name.endswith(ending):
            stem = name.removesuffix(ending).replace("_", " ")
            return english.format(stem), chinese.format(stem)
    return name.replace("_", " ").capitalize(), name.replace("_", " ")


def _column(word: str, table_name: str, *, extension: bool) -> Column:
    marked, _, short = word.partition(":")
    name = marked.removesuffix("!")
    kind = _SHORT[short] if short else _type_of(name)
    english, chinese = _describe(name)
    low, high = _BOUNDS.get(name, (None, None))
    return Column(
        name,
        kind,
        required=marked.endswith("!"),
        description=english,
        description_zh=chinese,
        unit=_UNITS.get(name, ""),
        references=_reference_of(name, kind, table_name),
        minimum=low,
        maximum=high,
        allowed=_ALLOWED.get(name, ()),
        extension=extension,
    )


def _span(columns: tuple[Column, ...]) -> tuple[str, str]:
    """Find the columns of the first and the last day of a person's row by their names."""
    if not {"person_id", "subject_id"} & {column.name for column in columns}:
        return "", ""
    dates = [column.name for column in columns if column.type == "date" and column.required] or [""]
    start = dates[0]
    stem = start.removesuffix("_start_date").removesuffix("_date")
    ends = {column.name for column in columns} & {f"{stem}_end_date"}
    return start, next(iter(ends), "")


def _table(name: str, kind: str, keys: str, chinese: str, english: str, words: str) -> Table:
    for macro, columns in _MACROS.items():
        words = words.replace(macro, columns)
    standard, _, own = words.partition("+")
    declared = tuple(_column(word, name, extension=False) for word in standard.split())
    declared += tuple(_column(word, name, extension=True) for word in own.split())
    return Table(name, kind, tuple(keys.split()), declared, english, chinese, *_span(declared))


#: Every table of a store by its name.
TABLES: dict[str, Table] = {name: _table(name, *declared) for name, declared in _DECLARED.items()}


def table(name: str) -> Table:
    """Look a table up by its name.

    Raises
    ------
    DataError
        If the contract has no such table.

    Examples
    --------
    >>> table("death").key
    ('person_id',)
    """
    try:
        return TABLES[name]
    except KeyError:
        raise DataError(f"the data contract has no table {name!r}", hint=f"one of: {', '.join(sorted(TABLES))}") from None


@cache
def arrow_schema(name: str) -> pa.Schema:
    """Give the schema that the Parquet files of a table have.

    Keys and concept ids are int64, days date32, times timestamp[us] without a zone, numbers float64, the rest text. Required
    columns are marked not nullable.

    Raises
    ------
    DataError
        If the contract has no such table.

    Examples
    --------
    >>> arrow_schema("death").field("death_date").type
    DataType(date32[day])
    """
    fields = [pa.field(column.name, column.arrow_type, nullable=not column.required) for column in table(name).columns]
    return pa.schema(fields)
