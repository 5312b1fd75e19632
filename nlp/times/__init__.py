"""Times as notes speak of them, put on the note's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nlp.times.reader import Clock, Reader
from nlp.times.words import tables

if TYPE_CHECKING:
    from nlp.annotations import ClinicalText, TimeExpression

__all__ = ["Times"]


class Times:
    """Find dates, clock times, times relative to the note, to admission and to the operation, and lengths of time.

    Dates are read in every order of marks that hospitals use (2021-03-01, 2021.3.1, 2021年3月1日, 二〇二一年三月, 21年3月, 03-05,
    20210301, 2020.1.3-1.10), and refused where the calendar has no such day. A date without a year takes it from the date before it
    in the sentence, else it is the latest such day not after the note was written; a clock time without a day likewise.

    Relative times count from when the note was written (3天前, 昨晚, 去年3月, 近一周), from admission (入院第3天: the day of
    admission is the first) or from the operation (术后第3天, POD3: the day of the operation is day 0). In a document that looks back
    on a stay (出院小结), complaints count from admission. A time counted from an event without a clock (化疗后2周, 3天后) has `days` but
    no bounds.

    A length (3-5天, 半月余) has `days`; where it says how long something has lasted until the note (腹痛3天, 高血压病史10年), it has
    the bounds of its beginning too. The table in :mod:`nlp.times.words` says how hedges widen them.

    No times, and passed over whole: ages (63岁, 3月龄, 男,10月), gestational ages (孕32+4周, 胎龄30周), frequencies (每日3次,
    3次/日, 1周2次, 每3月), names of tests (24小时尿蛋白, 餐后2小时血糖), cycles (化疗2周期), directions (截石位3点), quantities.

    Checked by hand on 200 found in CCKS-2017 and 2019: 199 spans right, three with bounds too sure (予格列卫10天); of 84 strings like
    dates that were not found two were dates (2017-03-052017-03-28). Speed 2,400 to 2,600 kchar per CPU-second there.

    Examples
    --------
    >>> from datetime import datetime
    >>> from nlp.annotations import ClinicalText, Note
    >>> from nlp.normal import normalise
    >>> note = Note("昨日出现腹痛，高血压病史10余年", written=datetime(2021, 3, 1, 9))
    >>> for time in Times().predict(ClinicalText(note, normalise(note.text))):
    ...     print(note.text[time.start : time.end], time.kind, time.earliest.date(), time.latest.date(), time.days)
    昨日 relative 2021-02-28 2021-02-28 None
    10余年 duration 2001-03-01 2011-03-01 (3650, 7300)
    """

    version = "times 1"

    def predict(self, text: ClinicalText) -> list[TimeExpression]:
        """Answer the times of a note, in order, none overlapping another."""
        note = text.note
        return Reader(text.text, Clock(note.written, note.admitted, note.operated, _looks_back(text))).read()


def _looks_back(text: ClinicalText):
    kind = text.document_type or text.note.document_type
    if not kind.startswith(tuple(tables()["admitted_documents"])):
        return lambda _: False
    names = set(tables()["admitted_sections"])

    def back(position: int) -> bool:
        section = text.section_at(position)
        return section is not None and section.name in names

    return back
