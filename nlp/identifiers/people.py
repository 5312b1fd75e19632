"""Names of persons, by what stands around them: labels, relations, titles, signatures; and every further place of a name once found."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ahocorasick_rs import AhoCorasick, MatchKind

from nlp.annotations import Identifier
from nlp.identifiers.names import HAN, Shapes, shapes, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["People"]

_COLON = re.compile(r"[ \t_]{0,6}(?:\([^()\n:]{0,8}\))?[ \t_]{0,6}(?P<colon>[:=])?[ \t_(\[\"]{0,8}")
_RELATION = re.compile(
    r"(?:患者|病人|患儿|产妇|本人)?(?:及|和|与|、|/)?(?:其|的|之)?(?:大|二|三|四|长|次|小|幼|养|继)?(?:父亲|"
    r"母亲|父|母|爸爸|妈妈|丈夫|妻子|夫|妻|配偶|爱人|儿子|女儿|子|女|哥哥|弟弟|姐姐|妹妹|兄|弟|姐|妹|祖父|"
    r"祖母|爷爷|奶奶|外公|外婆|孙子|孙女|儿媳|女婿|侄子|侄女|外甥|亲属|家属|朋友|同事|邻居|老伴|护工|监护人)?[ :(\-,]{0,2}"
)
_STAFF_TITLE = re.compile(
    r"(?:副?主任医师|主治医师|住院医师|主任医生|主治医生|住院医生|副?主任护师|主管护师|护师|护士长|护士|"
    r"副?主任|医师|医生|大夫|副?教授|技师)[ :]{0,2}"
)
_NEXT = re.compile(
    r"(?:\([^()\n]{0,10}\))?(?:副?主任医师|主治医师|住院医师|主治医生|副?主任|医师|医生|副?教授|护士长?|进修医师)?"
    r"[ \t]{0,3}(?:[/、,;\\|]|和|及|与|[ \t])[ \t]{0,3}"
)
_AFTER_PERSON = re.compile(
    r"(?:的|之|其)?(?:(?:大|二|三|长|次|小|幼)?(?:父亲|母亲|父|母|丈夫|妻子|配偶|爱人|儿子|女儿|哥哥|弟弟|"
    r"姐姐|妹妹|亲属|家属|老伴))?(?:姓名|名叫|叫|系|是|为|代表)?[ ]?[:(,\"]?[ ]?(?:患者|女士|先生)?[ ]?"
)
_TITLE_STOP = re.compile(
    r"(?:查房|会诊|签名|签字|主刀|指导|指示|示|意见|分析|阅片|审核|记录|行|主持|,|。|:|;|\)|\s|$|/|、|"
    r"看|认为|建议|考虑|嘱|床旁|接诊|等|同意|补充|病例|汇报|协助|已|及|和|与|团队|完成)"
)
_SEX = re.compile(
    r"[男女FM](?=性?[ \t,、;/|]{0,4}(?:年龄[: ]*)?[0-9]{1,3} ?(?:岁|月|天|周岁|Y|y|个月)|[ \t]{0,3}[,、;/|][ \t]*(?:汉|"
    r"满|回|壮|苗|蒙|藏|维|朝鲜)|性?[ \t]{0,3}[,、;|][ \t]*[0-9]{1,3}[,;\s])"
)
# What a header gives behind a name: 王芳，40岁，女 / 王芳 超声号:.
_AGE = re.compile(
    r"[0-9]{1,3} ?(?:周?岁(?:[0-9]{1,2}个?月)?|个?月|天)(?=[ \t,、;/|]{0,4}(?:性别[: ]*)?[男女]|[ \t,;。\n]|"
    r"$)|(?:检查|超声|影像|病理|住院|门诊|病案|病历|登记|标本|床|内镜|胃镜|放射|CT|MR|就诊卡|ID)号?[ ]?[:号]"
)
_BEFORE_SEX = re.compile(
    rf"(?P<name>[{HAN}](?:[{HAN}·]| (?=[{HAN}])){{1,12}}?|[{HAN}][*×某○xX]{{1,2}})[ \t]{{0,4}}[,、;/|(]?[ \t]{{0,8}}(?:性别[: ]*)?$"
)
_LINE_END = re.compile(
    rf"(?m)(?:^[ \t]*|(?<=[0-9]:[0-9][0-9])[ \t]+|(?<=[0-9日])[ \t]+|(?<=。)[ \t]+)"
    rf"(?P<names>[{HAN}]{{2,4}}(?:[ \t]*[/、][ \t]*[{HAN}]{{2,4}}){{0,2}})[ \t]*$"
)
_HAN_WORD = re.compile(rf"[{HAN}]{{2,4}}")
_HIDDEN = re.compile(r"某|\*{1,3}|[×○〇]{2}|[Xx]{2}(?![A-Za-z0-9])")
_NOT_PERSON = re.compile(
    "综合|氏|病|征|症|法|细胞|小体|试验|定律|线|三联|反应|体|肉芽|瘤|术|分|评|神经|节|窦|孔|管|韧带|螺旋|手法|杂交|染色|指数|公式"
)
_AGENT = re.compile(
    rf"由(?P<names>[{HAN}]{{2,4}}(?:[、和及][{HAN}]{{2,4}}){{0,3}}?)(?:医[师生]|护[师士])?(?=实施|"
    rf"完成|主刀|操作|施行|签发|主持|负责|执行|施术|书写|配合|护送|护理)"
)
_PHONE_LEFT = re.compile(
    rf"(?P<name>[{HAN}]{{2,4}})[ \t]?[\s:(,]{{0,3}}(?:的?(?:联系)?(?:电话|手机|联系方式)(?:号码?)?[ \t:为是]{{0,3}})?$"
)
_SINGLE_STOP = frozenset("于应向时曾方全常易连管习席任计成单双门关查原代商从由经和与及并有无在为对令须需后能同别干")
_BEFORE_SINGLE = re.compile(
    r"(?:[^一-鿿]|请|经|由|向|与|和|及|同|给|科|院|示|告|知|问|找|嘱|遵|会|后|我|区|部|日|组|在|室|随|"
    r"让|是|刻|跟|即|往|院长|以|据|上级|联系|通知|汇报|病房|本院|介绍|到|有|被|为|班|线|责任|"
    r"主管|接诊|管床|首诊|急诊|经治|住院|年轻|高年资|实习|进修|原|副|正|老|小|心外|骨|病区|专家|"
    r"著名|"
    r"主刀|听取|按|根据|待|所|院内|今|晨|晚)$"
)


class _Cues(NamedTuple):
    words: tuple[str, ...]
    kinds: tuple[str, ...]
    automaton: Any


class People:
    """Finds names in one text.

    Parameters
    ----------
    text : str
        Text in normal form.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.shapes: Shapes = shapes()

    def find(self, phones: Iterable[Identifier] = ()) -> list[Identifier]:
        """Return the names, in no order; hits may overlap.

        Parameters
        ----------
        phones : iterable of Identifier
            Phones found in the text: what stands before one may be a name.
        """
        found = [
            *self._cued(),
            *self._by_sex(),
            *self._signatures(),
            *self._hidden(),
            *self._foreign(),
            *self._agents(),
            *self._at_phones(phones),
        ]
        return [*found, *self._again(found)]

    def _cued(self) -> Iterator[Identifier]:
        cues = _cues()
        by_kind: dict[str, Callable[[int, int, str], Iterator[Identifier]]] = {
            "patient": self._patient_label,
            "staff": lambda _, end, word: self._staff_label(end, word),
            "person": lambda _, end, __: self._person(end),
            "title": self._title,
            "verb": lambda start, _, word: self._verb(start, word),
        }
        for which, start, end in cues.automaton.find_matches_as_indexes(self.text):
            for kind in cues.kinds[which].split():
                yield from by_kind[kind](start, end, cues.words[which])

    def _patient_label(self, start: int, end: int, word: str) -> Iterator[Identifier]:
        if word.isascii() and (self.text[start - 1 : start].isalnum() or self.text[end : end + 1].isalpha()):
            return
        match = _COLON.match(self.text, end)
        at = match.end() if match else end
        told = bool(match and match["colon"]) or word in ("我叫", "名叫", "名字叫")
        if told:
            at = self._skip_relation(at)
        yield from self._names(at, "name", told=told, loose=word.endswith(("姓名", "名", "叫", "ame")))

    def _skip_relation(self, at: int) -> int:
        match = _RELATION.match(self.text, at)
        return match.end() if match and match.end() > at else at

    def _names(self, at: int, kind: str, *, told: bool, loose: bool = False) -> Iterator[Identifier]:
        """Read names one after another, as a form with a label gives them."""
        for place in range(8):
            end = self.shapes.labelled(self.text, at, loose=loose) if told else self.shapes.plain(self.text, at)
            if end < 0:
                return
            yield Identifier(at, end, kind, "label" if told else "cue", 0.95 if told else 0.8)
            following = _NEXT.match(self.text, end)
            if not following or place == 7:
                return
            at, told, loose = following.end(), False, False
            title = _STAFF_TITLE.match(self.text, at)
            at = title.end() if title else at

    def _staff_label(self, end: int, word: str) -> Iterator[Identifier]:
        match = _COLON.match(self.text, end)
        at = match.end() if match else end
        told = bool(match and match["colon"])
        if told and (title := _STAFF_TITLE.match(self.text, at)):
            at = title.end()
        if not told and at != end and "\n" in self.text[end:at]:
            return
        # A word such as 医师 or 报告 is followed by much else: there the name must look like one.
        firm = told and word not in ("医师", "医生", "护士", "报告", "审核", "复核", "书写")
        yield from self._names(at, "physician", told=firm)

    def _person(self, end: int) -> Iterator[Identifier]:
        match = _AFTER_PERSON.match(self.text, end)
        at = match.end() if match else end
        for place in dict.fromkeys((at, end)):
            stop = self._after_person(place)
            if stop > 0:
                yield Identifier(place, stop, "name", "person", 0.8)
                return

    def _after_person(self, at: int) -> int:
        if (match := _dotted().match(self.text, at)) and not _NOT_PERSON.match(self.text, match.end()):
            return match.end()
        return self.shapes.plain(self.text, at)

    def _title(self, start: int, end: int, word: str) -> Iterator[Identifier]:
        stop = start - 1 if self.text[start - 1 : start] == " " else start
        begin = self._name_before(stop, end, single=stop == start)
        if begin >= 0:
            kind = "name" if word in _LAY_TITLES else "physician"
            yield Identifier(begin, stop, kind, "title", 0.9)
        elif word not in _LAY_TITLES:
            after = _STAFF_TITLE.match(self.text, start)
            at = max(end, after.end() if after else end)
            name = self.shapes.plain(self.text, at)
            if name - at >= 2:
                yield Identifier(at, name, "physician", "title", 0.8)

    def _name_before(self, end: int, after: int, *, single: bool) -> int:
        shapes_, text = self.shapes, self.text
        for length in (3, 2):  # 李某某主任, 王**医生
            start = end - length
            if start >= 0 and shapes_.family(text, start) and shapes_.masked(text, start) == end:
                return start
        begin = shapes_.before(text, end)
        if begin < 0:
            begin = self._unusual_before(end)
        if begin >= 0 and (
            end - begin > 2 or text[begin] not in _SINGLE_STOP or _BEFORE_SINGLE.search(text[max(0, begin - 3) : begin] or " ")
        ):
            return begin
        start = end - 2 if end >= 2 and text[end - 2 : end] in shapes_.compound else end - 1
        if not single or start < 0 or not shapes_.family(text, start) or text[start:after] in _NO_SURNAME_HERE:
            return -1
        before = text[max(0, start - 3) : start]
        if end - start == 1 and text[start] in _SINGLE_STOP:
            alone = not before or not ("一" <= before[-1] <= "鿿")
            return start if alone and _TITLE_STOP.match(text, after) else -1
        if before and "一" <= before[-1] <= "鿿" and not _BEFORE_SINGLE.search(before):
            return -1
        return start

    def _unusual_before(self, end: int) -> int:
        """Return where a name with rarer characters begins that stands apart before a title, -1 where none does."""
        for length in (3, 2):
            start = end - length
            word = self.text[max(0, start) : end]
            if start < 0 or word[0] in self.shapes.risky or not self.shapes.is_full(word, usual=False, firm=True):
                continue
            if _BEFORE_SINGLE.search(self.text[max(0, start - 3) : start] or " "):
                return start
        return -1

    def _verb(self, start: int, word: str) -> Iterator[Identifier]:
        begin = self.shapes.before(self.text, start)
        if begin < 0:
            return
        apart = not begin or not ("一" <= self.text[begin - 1] <= "鿿") or self.text[begin - 1] in "由请"
        if start - begin > 2 or (apart and self.text[begin] not in self.shapes.risky):
            yield Identifier(begin, start, "physician" if word in ("查房", "会诊", "阅片", "主刀") else "name", "verb", 0.8)

    def _by_sex(self) -> Iterator[Identifier]:
        for match in (*_SEX.finditer(self.text), *_AGE.finditer(self.text)):
            left = max(0, match.start() - 24)
            name = _BEFORE_SEX.search(self.text, left, match.start())
            if not name or (name.end("name") == match.start() and match.group()[0] not in "男女"):
                continue
            begin, end = name.span("name")
            if " " in name["name"] and not self.shapes.is_full(name["name"].replace(" ", ""), firm=True):
                begin += name["name"].rindex(" ") + 1
            for cue in ("患者", "病人", "患儿", "产妇", "姓名"):
                if self.text.startswith(cue, begin):
                    begin += len(cue)
            if begin and begin == name.start("name") and ("一" <= self.text[begin - 1] <= "鿿" or self.text[begin - 1] in "、·"):
                continue
            word = self.text[begin:end].replace(" ", "")
            usual = match.group()[0] not in "男女"
            if (
                self.shapes.is_full(word, usual=usual, firm=True)
                or ("·" in word and not usual)
                or self.shapes.masked(self.text, begin) == end
            ):
                yield Identifier(begin, end, "name", "sex", 0.9)

    def _signatures(self) -> Iterator[Identifier]:
        for match in _LINE_END.finditer(self.text):
            words = list(_HAN_WORD.finditer(match["names"]))
            alone = (
                len(words) == 1
                and self.text[match.start() : match.start("names")].strip(" \t") == ""
                and not self._after_time(match.start("names"))
            )
            for word in words:
                name = word.group()
                if self.shapes.is_full(name) and (not alone or len(name) > 2 or name[0] not in self.shapes.risky):
                    if alone and (len(name) == 2 or len(self.text) - match.end() > 40):
                        continue
                    yield Identifier(match.start("names") + word.start(), match.start("names") + word.end(), "physician", "signature", 0.7)

    def _after_time(self, at: int) -> bool:
        return self.text[max(0, at - 4) : at].rstrip(" \t")[-1:].isdecimal()

    def _hidden(self) -> Iterator[Identifier]:
        """Names with hidden characters anywhere: 李某某, 王**."""
        for match in _HIDDEN.finditer(self.text):
            start = match.start() - 1
            if start < 0 or self.text[start] not in self.shapes.surnames:
                continue
            inside = start > 0 and "一" <= self.text[start - 1] <= "鿿"
            if self.text[start] in self.shapes.risky and (inside or "*" in match.group()):
                continue
            if "*" in match.group() and (inside or self.text[match.end() : match.end() + 1] == "*"):
                continue
            if start >= 1 and self.text[start - 1 : start + 1] in self.shapes.compound:
                start -= 1
            end = self.shapes.masked(self.text, start)
            if end > 0:
                yield Identifier(start, end, "name", "hidden", 0.9)

    def _foreign(self) -> Iterator[Identifier]:
        if "·" not in self.text:
            return
        for match in _dotted().finditer(self.text):
            if not _NOT_PERSON.match(self.text, match.end()):
                yield Identifier(*match.span(), "name", "sound", 0.8)

    def _agents(self) -> Iterator[Identifier]:
        """Who did what: 由王建国、李强实施."""
        for match in _AGENT.finditer(self.text):
            for word in re.finditer(rf"[{HAN}]{{2,4}}?(?=[、和及]|$)", match["names"]):
                if self.shapes.is_full(word.group(), firm=True):
                    yield Identifier(match.start("names") + word.start(), match.start("names") + word.end(), "physician", "agent", 0.8)

    def _at_phones(self, phones: Iterable[Identifier]) -> Iterator[Identifier]:
        for phone in phones:
            match = _PHONE_LEFT.search(self.text, max(0, phone.start - 20), phone.start)
            if match:
                begin = self.shapes.before(self.text, match.end("name"))
                if begin >= 0 and (begin == match.start("name") or match.end("name") - begin == 3):
                    yield Identifier(begin, match.end("name"), "name", "phone", 0.8)

    def _again(self, found: list[Identifier]) -> Iterator[Identifier]:
        """Every further place of a full name that was found once."""
        kinds = {self.text[hit.start : hit.end]: hit.kind for hit in found if hit.end - hit.start >= 2}
        names = [name for name in kinds if len(name) >= 3 or self.shapes.is_full(name)]
        names = [name for name in names if not any(mark in name for mark in "某*×○")]
        if not names:
            return
        for name in names:
            at = self.text.find(name)
            while at >= 0:
                yield Identifier(at, at + len(name), kinds[name], "again", 0.9)
                at = self.text.find(name, at + len(name))


_LAY_TITLES = frozenset(
    {
        *("女士", "先生", "小姐", "同志", "阿姨", "大爷", "大妈", "大娘", "师傅", "奶奶", "爷爷", "叔叔", "老人"),
        *("经理", "总监", "队长", "书记", "村长", "所长", "科长"),
    }
)
_NO_SURNAME_HERE = frozenset({"于医师", "应医生", "主任", "任医师", "管医师", "管医生", "任护师", "管护师", "高主管"})


@cache
def _dotted() -> re.Pattern[str]:
    sounds = "".join(sorted(shapes().sounds))
    return re.compile(rf"[{sounds}]{{2,8}}(?:·[{sounds}]{{2,8}}){{1,3}}")


@cache
def _cues() -> _Cues:
    table = tables()
    kinds: dict[str, list[str]] = {}
    for kind, words in (
        ("patient", table["labels"]["patient"]),
        ("staff", table["labels"]["staff"]),
        ("person", table["persons"]),
        ("title", table["titles"]),
        ("verb", table["verbs"]),
    ):
        for word in words.split():
            kinds.setdefault(word, []).append(kind)
    words = tuple(kinds)
    return _Cues(words, tuple(" ".join(kinds[word]) for word in words), AhoCorasick(list(words), matchkind=MatchKind.LeftmostLongest))
