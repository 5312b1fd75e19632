"""Assertion: whether a note says that something is present, absent, possible, hypothetical or past, and of whom.

One pass finds all cues (:mod:`nlp.assertion.cues`), a second walks over cues and mentions in order of position. Rules that the
synthetic hospital's gold and our corpus keep:

- A disease told as history is *present* as long as it lasts: a chronic disease, a habit, an allergy, or anything with a stretch of time
  that reaches up to now (脑梗死病史3年). *Historical* is what is over: what was healed, old lesions, operations done before (but not
  "术后第3天", which is this stay's), drugs given elsewhere before the stay.
- Of several cues the one of higher priority decides, then the one behind the mention, then the nearer.
- Commas end the reach of a denial, unless bare mentions follow: after 否认 one is enough (否认肝炎，结核病史), after 无 there
  must be a row of them (无发热，咳嗽，咳痰); after 未见 what follows is as a rule a finding (未见骨折，软组织肿胀).
- What excludes with nothing of its own speaks of the head of its item (肺结核：患者无低热，暂不考虑), in a differential diagnosis over full
  stops too. What is planned is done where its result follows (1周后复查CT示吸收).
- Where diseases are told apart, what books say of one (多有低热) is hypothetical up to where the patient is named or something denied.
- A cue inside a mention (无力, 不适, 非小细胞肺癌) is no cue for it or for what follows.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from nlp.annotations import Assertion, Mention
from nlp.assertion.cues import lexicon

if TYPE_CHECKING:
    from nlp.annotations import ClinicalText, Section
    from nlp.assertion.cues import Cue, Lexicon

__all__ = ["Assertions"]

_ENDS = frozenset(',。;!?)|\t\n、"”')
_QUOTES = " \"'“”‘’《〈「[(:"
_DURATION = re.compile(
    r"[\"”』)]?(?:等?(?:疾|疾病)?病?史)?[\"”]?[,:\s]?(?:已|约|近|达|逾|有|共|为|长达)*\s*(?!(?:19|20)\d\d年)[\d一二三四五六七八九十两数半余多+]+\s*[余多+]?个?[余多]?(?:年|月|周|天|日)(?!前)"
)
_TAIL = re.compile(r"(等(?:不适|症状|表现|情况|慢性病史|传染病史|病史|疾病史|疾病|史)?|病史|史)?[\"”]?\s*(?=[,。;\n!]|$)")
#: Priority of what the section alone says, and of a procedure told among a patient's history.
_SECTION_PRIORITY = 5


class Assertions:
    """Says of each mention what the note asserts, and of whom.

    Rules over cues as data (``nlp/data/cues.yaml``), after ConText [1]_. Macro-F1 over the five classes: 0.959 on 280 mentions in 109
    sentences written before the rules, 0.961 on 278 mentions in 97 sentences written after they were frozen (first runs; what they showed
    was then mended), 0.99 on the synthetic hospital's notes. ``python -m tests.bench.bench_assertion`` prints the figures of today.

    References
    ----------
    .. [1] Harkema H, Dowling JN, Thornblade T, Chapman WW. ConText: an algorithm for determining negation, experiencer, and temporal
       status from clinical reports. J Biomed Inform 2009;42:839-851.

    Examples
    --------
    >>> from nlp.annotations import ClinicalText, Mention, Note
    >>> from nlp.normal import normalise
    >>> note = "无明显诱因出现咳嗽，无发热、咯血"
    >>> text = ClinicalText(Note(note), normalise(note))
    >>> text.mentions = [Mention(7, 9, "symptom"), Mention(11, 13, "symptom"), Mention(14, 16, "symptom")]
    >>> [str(mention.assertion) for mention in Assertions().predict(text)]
    ['present', 'absent', 'absent']
    """

    def __init__(self) -> None:
        self.version = f"assertion-rules-1 cues-{lexicon().version}"

    def predict(self, text: ClinicalText) -> list[Mention]:
        """Return the mentions with `assertion`, `experiencer` and `cue`; pure."""
        if not text.mentions:
            return []
        return _Walk(text).run()


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Give what may stand between two mentions of a list: bare connectors, or a connector and a few words."""
    connectors = lexicon().connectors
    return (
        re.compile(rf"[{connectors}\"“”]*"),
        re.compile(rf"(?:[{connectors}\"“”]+[^,。;:!\n(\d]{{0,6}})?"),
    )


class _Walk:
    """The state of one pass: which cues are in force at the place reached."""

    __slots__ = (
        "active", "answers", "begin", "body", "border", "clause_before", "clause_first", "default_who", "has_sections", "head", "lexicon",
        "mentions", "named", "order", "paren", "place", "row_end", "section", "section_place", "sections", "sentence_first", "settled",
        "who",
    )  # fmt: skip

    def __init__(self, text: ClinicalText) -> None:
        self.lexicon: Lexicon = lexicon()
        self.body = text.text
        self.order = sorted(range(len(text.mentions)), key=lambda at: (text.mentions[at].start, -text.mentions[at].end))
        self.mentions = [text.mentions[at] for at in self.order]
        # Of each mention: (priority, assertion, experiencer, cue).
        self.answers: list[tuple[int, str, str, tuple[int, int]]] = []
        # Of mentions that a cue behind them spoke of: its priority.
        self.settled: dict[int, int] = {}
        self.active: list[tuple[Cue, int, int]] = []
        self.place = self.clause_before = self.clause_first = self.sentence_first = 0
        # Where the patient was last named.
        self.named = -1
        self.paren = self.row_end = -1
        # The mention that an item is about (肺结核：…), -1 without one; where the sentence begins.
        self.head, self.begin = -1, 0
        self.who = self.default_who = "patient"
        self.section = ""
        self.sections: list[Section] = text.sections
        self.has_sections = bool(text.sections)
        self.section_place = 0
        # Where the next section begins, whose title may need to be passed over.
        self.border = self.sections[1].start if len(self.sections) > 1 else len(self.body) + 1

    def run(self) -> list[Mention]:
        """Walk over the text and return the mentions in the order in which they came."""
        cues, mentions, last = self.lexicon.cues, self.mentions, len(self.mentions)
        next_start, covered = mentions[0].start, -1
        for at, start, end in self.lexicon.find(self.body):
            while next_start <= start:
                covered = max(covered, mentions[self.place].end)
                self._mention(mentions[self.place])
                next_start = mentions[self.place].start if self.place < last else len(self.body) + 1
            cue = cues[at]
            if start >= self.border and self._in_title(start):
                continue
            if end > covered:
                _STEPS[cue.role](self, cue, start, end)
            elif cue.inside:
                self._inside(cue, start, end)
            if self.place == last and start > covered + _FARTHEST and self.head < 0:
                break
        while self.place < last:
            self._mention(mentions[self.place])
        return self._results()

    def _results(self) -> list[Mention]:
        results: list[Mention] = [None] * len(self.order)  # type: ignore[list-item]
        for at, mention, answer in zip(self.order, self.mentions, self.answers, strict=True):
            # Positions instead of _replace, which takes as long as all the rest: assertion, experiencer and cue are the last three fields.
            results[at] = mention if mention[-3:] == answer[1:] else Mention(*mention[:-3], *answer[1:])
        return results

    # ---- mentions

    def _mention(self, mention: Mention) -> None:
        if self.has_sections and (mention.start >= self.border or not self.answers):
            self._enter(mention.start)
        best: tuple[int, str, tuple[int, int]] = (0, Assertion.PRESENT, (-1, -1))
        if self.section:
            best = self._by_section(mention)
        for cue, start, end in self.active:
            if cue.priority >= best[0] and self._fits(cue, mention, end) and (cue.reach != "next" or self._beside(end, mention.start)):
                best = (cue.priority, cue.assertion, (start, end))
        self.answers.append((best[0], best[1], self.who, best[2]))
        self.place += 1

    def _by_section(self, mention: Mention) -> tuple[int, str, tuple[int, int]]:
        if self.section == "history" and self._is("procedure", mention):
            return (_SECTION_PRIORITY, Assertion.HISTORICAL, (-1, -1))
        if self.section == "differential" and (not mention.label or self._is("problem", mention)):
            return (_SECTION_PRIORITY, Assertion.POSSIBLE, (-1, -1))
        if self.section == "plan" and (self._is("procedure", mention) or self._is("test", mention)) and not self._reported(mention):
            return (_SECTION_PRIORITY, Assertion.HYPOTHETICAL, (-1, -1))
        return (0, Assertion.PRESENT, (-1, -1))

    def _is(self, label: str, mention: Mention) -> bool:
        if mention.label in self.lexicon.labels[label]:
            return True
        if label == "problem":
            return not mention.label and not self.body.endswith(self.lexicon.symptom_endings, mention.start, mention.end)
        return label == "procedure" and not mention.label and self.body.endswith(self.lexicon.procedure_endings, mention.start, mention.end)

    def _fits(self, cue: Cue, mention: Mention, end: int) -> bool:
        """Say whether the cue's conditions hold for the mention."""
        if cue.labels and not any(self._is(label, mention) for label in cue.labels):
            return False
        if cue.unlike and any(self._is(label, mention) for label in cue.unlike):
            return False
        if cue.labels and cue.assertion == Assertion.HYPOTHETICAL and self._reported(mention):
            return False
        return not (cue.weak and (self.who != "patient" or self._lasts(mention, end)))

    def _lasts(self, mention: Mention, end: int) -> bool:
        """Say whether what is told as history reaches up to now."""
        body = self.body
        if self.lexicon.lasting.search(body, mention.start, mention.end) or _DURATION.match(body, mention.end):
            return True
        return end > mention.end and _DURATION.match(body, end) is not None

    def _reported(self, mention: Mention) -> bool:
        """Say whether the result of a test or procedure follows it, so that it has been done."""
        return self.lexicon.reported.match(self.body, mention.end) is not None

    def _beside(self, end: int, start: int) -> bool:
        return end == start or (end < start <= end + 2 and not self.body[end:start].strip(_QUOTES))

    # ---- sections

    def _enter(self, position: int) -> None:
        """Move on to the section that holds a position."""
        sections, place = self.sections, self.section_place
        while place + 1 < len(sections) and sections[place + 1].start <= position:
            place += 1
        if place != self.section_place or not self.answers:
            if place != self.section_place:
                self._hard(None, position, position)
                self.border = sections[place + 1].start if place + 1 < len(sections) else len(self.body) + 1
            self.section_place = place
            self._begin(sections[place].name if sections[place].start <= position else "")

    def _in_title(self, start: int) -> bool:
        """Go on to the section that begins before a cue; tell whether the cue is part of its title (病史 in 现病史 speaks of nothing)."""
        self._enter(start)
        section = self.sections[self.section_place]
        return start < section.body and section.name in _HISTORIES

    def _begin(self, name: str) -> None:
        self.section = self.lexicon.sections.get(name, "")
        default = "family" if self.section == "family" else "patient"
        if default != self.default_who:
            self.who = self.default_who = default

    def _heading(self, cue: Cue, start: int, end: int) -> None:
        if not self.has_sections:
            self._begin(cue.section)
        self._hard(cue, start, end)
        # A title may be what is denied: 手术史：无
        while self.clause_first and self.mentions[self.clause_first - 1].end >= start:
            self.clause_first -= 1

    # ---- breaks

    def _hard(self, cue: Cue | None, _start: int, end: int) -> None:
        self.active.clear()
        if self.section != "differential" or (cue and cue.role == "enumerator"):
            self.head = -1
        self.clause_before = self.clause_first = self.sentence_first = self.place
        self.begin = end
        self.who = self.default_who
        self.paren = -1

    def _soft(self, _cue: Cue, start: int, end: int) -> None:
        if self.section == "differential" and self.sentence_first < self.place:
            first = self.mentions[self.sentence_first].start
            if not self.body[self.begin : first].strip():
                self._item(start)
        self.clause_before, self.clause_first = self.clause_first, self.place
        if self.active or self.who != self.default_who:
            bare = 2 if end <= self.row_end else self._row(end)
            self.active = [row for row in self.active if self._goes_on(row, start, bare)]
            if not bare and not self.body.startswith(self.lexicon.kin_goes_on, end):
                self.who = self.default_who

    def _goes_on(self, row: tuple[Cue, int, int], comma: int, bare: int) -> bool:
        reach = row[0].reach
        if reach == "sentence" or not bare:
            return reach == "sentence"
        if reach not in ("list", "row") or (bare > 1 and comma < self.row_end):
            return reach in ("list", "row")
        # A list that a word or its signs have ended goes on only where another clear list follows.
        if reach == "list":
            return bare > 1 or self.body[comma - 1] != "史"
        return bare > 1 and "、" not in self.body[row[2] : comma]

    def _row(self, position: int) -> int:
        """Count the clauses from here on that hold nothing but mentions; one that ends in 等 or 史 counts for two."""
        place, count = self.place, 0
        while True:
            place, position = self._bare(place, position)
            if position < 0:
                return count
            self.row_end = position
            tail = _TAIL.match(self.body, position)
            count += 2 if tail[1] else 1  # type: ignore[index]
            position = tail.end()  # type: ignore[union-attr]
            if self.body[position : position + 1] != ",":
                return count
            position += 1

    def _bare(self, place: int, position: int) -> tuple[int, int]:
        """Pass over the mentions of a clause that holds nothing else; the position is -1 where it holds more."""
        mentions, first, joint = self.mentions, place, _patterns()[0]
        while place < len(mentions) and mentions[place].start == position:
            position = joint.match(self.body, mentions[place].end).end()  # type: ignore[union-attr]
            place += 1
            while place < len(mentions) and mentions[place].start < position:
                place += 1
        return (place, position) if place > first and _TAIL.match(self.body, position) else (place, -1)

    def _enumerator(self, cue: Cue, start: int, end: int) -> None:
        """End the sentence at a full stop or at the number of a list, but not inside a number."""
        if not self.body[end : end + 1].isdigit() and (len(cue.word) > 1 or not self.body[start - 1 : start].isascii()):
            self._hard(cue, start, end)

    def _item(self, end: int) -> None:
        """Take the mention that ends at a place for the head of its item, if it is the first of its sentence."""
        if not self.place or self.mentions[self.place - 1].end > end or self.sentence_first >= self.place:
            return
        for place in range(self.sentence_first, self.place):
            mention = self.mentions[place]
            if mention.start > self.mentions[self.sentence_first].start:
                break
            if mention.end == end and self._is("problem", mention):
                self.head = place

    def _colon(self, _cue: Cue, start: int, end: int) -> None:
        self._item(start)
        if self.active:
            self.active = [row for row in self.active if row[2] == start or row[0].reach == "sentence"]
            self.active = [(cue, first, end if last == start else last) for cue, first, last in self.active]

    def _open(self, _cue: Cue, start: int, _end: int) -> None:
        self.paren = start

    def _close(self, _cue: Cue, _start: int, _end: int) -> None:
        if self.paren >= 0:
            self.active = [row for row in self.active if row[1] < self.paren]
        self.paren = -1

    # ---- cues

    def _before(self, cue: Cue, start: int, end: int) -> None:
        if cue.textbook and not self._by_the_book(start):
            self._turn(cue, start, end)
        elif not cue.opens or start == 0 or self.body[start - 1] in _OPENERS:
            self._opened(cue, start, end)

    def _opened(self, cue: Cue, start: int, end: int) -> None:
        # A text without breaks must not pile up cues.
        del self.active[:-_MOST_ACTIVE]
        if cue.assertion == Assertion.ABSENT:
            self._close_book()
        self.active.append((cue, start, end))

    def _by_the_book(self, start: int) -> bool:
        """Say whether a disease is described that the patient's is told from, and the patient not named since."""
        back = max(0, start - _LOOKED_BACK)
        told = self.body.rfind("鉴别", max(back, self.body.rfind("\n", back, start)), start)
        return (self.section == "differential" or told >= 0) and self.named < max(told, self.begin)

    def _close_book(self) -> None:
        self.active = [row for row in self.active if not row[0].textbook]

    def _asked(self, start: int) -> bool:
        """Say whether the clause before a place, or the one before that where it begins a clause, asks or plans."""
        clause = _BREAK.split(self.body[max(0, start - _LOOKED_BACK) : start].removesuffix(","))[-1]
        return self.lexicon.requests.search(clause) is not None and not self.lexicon.answered.search(clause)

    def _either(self, cue: Cue, start: int, end: int) -> None:
        if cue.asks and self._asked(start):
            cue = cue._replace(assertion=Assertion.POSSIBLE, priority=_ASKED_PRIORITY)
        # A quotation mark behind the cue closes (胸水"无",) or opens: 否认"高血压、糖尿病"病史.
        following = self.body[end : end + 1]
        behind = _THE_ITEM.match(self.body, end).end() if following in _ITEM_FIRST else end  # type: ignore[union-attr]
        if behind < len(self.body) and self.body[behind] not in _ENDS:
            self._opened(cue, start, end)
        else:
            self._after(cue, start, end)

    def _turn(self, cue: Cue, _start: int, _end: int) -> None:
        if self.active:
            kept = ("sentence", "list") if cue.weak else ("sentence",)
            self.active = [row for row in self.active if row[0].reach in kept]

    def _nothing(self, cue: Cue, start: int, end: int) -> None:
        if not cue.firm and self.place < len(self.mentions) and start < (begins := self.mentions[self.place].start) < end:
            for inner in self.lexicon.within[cue.word]:
                if start + len(inner.word) == begins:
                    self._opened(inner, start, begins)

    def _kin(self, _cue: Cue, _start: int, _end: int) -> None:
        self.who = "family"

    def _other(self, _cue: Cue, _start: int, _end: int) -> None:
        self.who = "other"

    def _person(self, _cue: Cue, start: int, _end: int) -> None:
        self.who = self.default_who
        # 多见于老年患者 names nobody, 该患者 and 患者 at the beginning of a clause do.
        if start == 0 or self.body[start - 1] in _OPENERS or self.body[start - 1] in _NAMING:
            self.named = start
            self._close_book()

    def _inside(self, cue: Cue, start: int, end: int) -> None:
        """Let a cue speak of the mentions that it lies in."""
        place = self.place - 1
        while place >= 0 and self.mentions[place].start <= start < self.mentions[place].end:
            priority, assertion, who, span = self.answers[place]
            if cue.role == "kin":
                self.answers[place] = (priority, assertion, "family", span)
            elif priority <= cue.priority:
                self.answers[place] = (cue.priority, cue.assertion, who, (start, end))
            place -= 1

    # ---- cues behind mentions

    def _after(self, cue: Cue, start: int, end: int) -> None:
        if cue.textbook and not self._by_the_book(start):
            return
        if cue.ends and self.body.endswith("待查", 0, start):
            self._soft(cue, start, end)  # 发热待查? asks for the cause
            return
        places = self._chain(cue, start)
        if cue.item and not places and self.head >= 0:
            places = self._with_nested(self.head)
        for place in places:
            mention, (priority, _, who, _) = self.mentions[place], self.answers[place]
            if priority <= cue.priority and self._fits(cue, mention, end):
                self.answers[place] = (cue.priority, cue.assertion, who, (start, end))
        if cue.ends:
            self._soft(cue, start, end)

    def _with_nested(self, head: int) -> list[int]:
        """Return a mention and those that lie in it."""
        return [place for place in range(head, min(head + 6, self.place)) if self.mentions[place].end <= self.mentions[head].end]

    def _kin_after(self, cue: Cue, start: int, end: int) -> None:
        places = self._chain(cue, start)
        for place in places:
            priority, assertion, _, span = self.answers[place]
            self.answers[place] = (priority, assertion, "family", span if span[0] >= 0 else (start, end))

    def _chain(self, cue: Cue, start: int) -> list[int]:
        """Return the mentions that a cue behind them speaks of, the nearest first."""
        mentions, last, clause_first = self.mentions, self.place - 1, self.clause_first
        alone = cue.alone and last < clause_first and self.body.startswith(",", start - 1)
        if alone:
            clause_first = self.clause_before
        if last < clause_first or (alone and self.answers[last][1] == Assertion.HISTORICAL):
            return []
        # Of nested mentions the one that ends last may have begun earlier.
        nearest = max(range(max(clause_first, last - 3), last + 1), key=lambda place: mentions[place].end)
        if start - mentions[nearest].end > cue.gap:
            return []
        # A mention that holds the last one is judged with it, whatever else begins in between: 阑尾周围脓肿 with 脓肿 and 阑尾.
        holding = (mentions[place].start for place in range(max(clause_first, last - 3), last) if mentions[place].end >= mentions[last].end)
        found, left, near = [last], min(holding, default=mentions[last].start), start
        first = self.sentence_first if cue.chain == "all" else clause_first
        for place in range(last - 1, first - 1, -1):
            end = mentions[place].end
            if end <= left and (
                cue.chain == "one" or self.settled.get(place, -1) >= cue.priority or not self._joined(place, left, near, clause_first)
            ):
                break
            if place < clause_first:
                near = left
            found.append(place)
            left = min(left, mentions[place].start)
        self.settled.update(dict.fromkeys(found, cue.priority))
        return found

    def _joined(self, place: int, left: int, near: int, clause_first: int) -> bool:
        """Say whether a mention goes on to the list that begins at `left`; over a comma only to a list without other signs."""
        end = self.mentions[place].end
        if place < clause_first:
            return "、" not in self.body[left:near] and self.body[end:left].strip('"”“ ') == ","
        return _patterns()[1].fullmatch(self.body, end, left) is not None


#: What may stand behind a cue that closes: a quotation mark, and words for what the item is about (故不考虑该诊断).
_THE_ITEM = re.compile(r"(?:(?:该|此|本|上述)(?:病|诊断|疾病|可能)|诊断)?[\"”]?")
_ITEM_FIRST = frozenset('该此本上诊"”')
#: Behind the last mention no cue farther than this can speak of it.
_FARTHEST = 16
_MOST_ACTIVE = 12
#: How far back 鉴别 or a request is looked for.
_LOOKED_BACK = 200
_BREAK = re.compile(r"[,。;:!?\n|]")
_ASKED_PRIORITY = 30
_NAMING = frozenset("该本此但而与现")
_HISTORIES = frozenset({"主诉", "现病史", "既往史", "过敏史", "个人史", "月经史", "婚育史", "家族史", "手术外伤史", "输血史", "用药史"})
_OPENERS = frozenset(",。;:!\n\t、(\"'“‘ 者嘱.)|")
_STEPS = {
    "before": _Walk._before, "after": _Walk._after, "either": _Walk._either, "turn": _Walk._turn, "nothing": _Walk._nothing,
    "kin": _Walk._kin, "other": _Walk._other, "person": _Walk._person, "kin_after": _Walk._kin_after, "heading": _Walk._heading,
    "hard": _Walk._hard, "soft": _Walk._soft, "colon": _Walk._colon, "open": _Walk._open, "close": _Walk._close,
    "enumerator": _Walk._enumerator,
}  # fmt: skip
