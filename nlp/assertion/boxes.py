"""Reads forms: which of 有 and 无 is ticked behind an item (高血压：□有 ☑无), and which items are (☑高血压 □糖尿病, 咳嗽(×)).

What is found takes the place of the cues in it, so that the walk of :mod:`nlp.assertion` reads a form as it reads words. What is ticked is
said as it stands; what is not is absent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from nlp.annotations import Assertion

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Boxes", "Said"]

# Where ends what a box speaks of that stands before it.
_ITEM_END = re.compile(r"[\s,;。:|()]|$")
_WORD = re.compile(r"\s?\w")
# Of several options that are ticked the first of these counts.
_ORDER = (Assertion.PRESENT, Assertion.POSSIBLE, Assertion.ABSENT)


class Said(NamedTuple):
    """What stands in the place of the cues between two places: a role ("" for nothing) and an assertion of ``nlp/data/cues.yaml``."""

    start: int
    end: int
    role: str = ""
    assertion: str = ""


class Boxes(NamedTuple):
    """The signs of forms: `sign` is what a text must hold to be looked at, `field` a row of options, `item` a box alone."""

    sign: re.Pattern[str]
    field: re.Pattern[str]
    leading: re.Pattern[str]
    trailing: re.Pattern[str]
    item: re.Pattern[str]
    ticked: re.Pattern[str]
    answers: dict[str, str]

    @classmethod
    def of(cls, data: dict[str, str]) -> Boxes:
        """Compile the patterns of what ``nlp/data/cues.yaml`` declares under ``boxes``."""
        ticked, discs, empty, rings, crossed = (data[name].replace(" ", "") for name in ("ticked", "discs", "empty", "rings", "crossed"))
        answers = {word: str(answer) for answer in _ORDER for word in data[answer].split()}
        word = f"(?:{'|'.join(sorted(answers, key=len, reverse=True))})"
        held = rf"[(\[]\s{{0,3}}[{ticked}{discs}{empty}{rings}{crossed}Vv]?\s{{0,3}}[)\]]|\[[xX]\]"
        box = rf"(?:[{ticked}{discs}{empty}{rings}]|{held})"
        # 有 √无 is read as 有, √无, and □有 √无 as what it looks like.
        leading = rf"({box})?\s?({word})(?![\w√])"
        trailing = rf"({word})({box}|\s{box}(?=[\s,;。、/)]|$))?"
        gap = r"[\s,、/]{0,6}"
        first, last = leading.replace(")?", ")", 1), trailing.removesuffix("?")
        return cls(
            sign=re.compile(rf"[{ticked}{discs}{empty}{rings}]|[(\[]\s?[{crossed}VvXx]\s?[)\]]|:\s?(?:[YyNn]|是|否)(?!\w)"),
            field=re.compile(
                rf"(?P<lead>{first}(?:{gap}{leading})*)|{last}(?:{gap}{trailing}(?!\w))*|:\s?(?P<letter>{word})(?=[\s,;。、)]|$)"
            ),
            leading=re.compile(leading),
            trailing=re.compile(trailing),
            item=re.compile(rf"[{ticked}{empty}]|[(\[]\s{{0,3}}[{ticked}{empty}{crossed}]?\s{{0,3}}[)\]]|\[[xX]\]"),
            ticked=re.compile(rf"[{ticked}{discs}Vv]|\[[xX]"),
            answers=answers,
        )

    def find(self, text: str) -> list[Said]:
        """Return what the boxes of a text say, in order of position."""
        if not self.sign.search(text):
            return []
        fields = [Said(*match.span(), "after", self._chosen(match)) for match in self.field.finditer(text)]
        # Without a tick anywhere an empty box is but a bullet.
        items = self._items(text, fields) if self.ticked.search(text) else ()
        said = (row if row.assertion != Assertion.PRESENT else row._replace(role="") for row in (*fields, *items))
        return sorted(said, key=lambda row: (row.start, row.role != "soft"))

    def _chosen(self, field: re.Match[str]) -> str:
        """Tell which of a row of options is ticked."""
        if field["letter"]:
            return self.answers[field["letter"]]
        options = (self.leading if field["lead"] else self.trailing).findall(field[0])
        rows = options if field["lead"] else [(box, word) for word, box in options]
        chosen = {self.answers[word] for box, word in rows if self.ticked.search(box)}
        # □无 alone denies the denial.
        unchosen = Assertion.ABSENT if any(self.answers[word] == Assertion.PRESENT for _, word in rows) else Assertion.PRESENT
        return next((str(answer) for answer in _ORDER if answer in chosen), unchosen)

    def _items(self, text: str, fields: list[Said]) -> Iterator[Said]:
        """Tell of the boxes that stand alone, before or behind what they speak of."""
        covered = {place for field in fields for place in range(field.start, field.end)}
        for line in re.finditer(r"[^\n]+", text):
            boxes = [box for box in self.item.finditer(text, *line.span()) if box.start() not in covered]
            for box, following in zip(boxes, [*boxes, None][1:], strict=True):
                start, end = box.span()
                left, right = text[start - 1 : start].isalnum(), text[end : end + 1].isalnum()
                # Where blanks do not tell: they stand before the items if something follows the last one.
                leads = right if left != right else bool(_WORD.match(text, boxes[-1].end()))
                answer = Assertion.PRESENT if self.ticked.search(box[0]) else Assertion.ABSENT
                yield Said(start, end, "before" if leads else "after", answer)
                if leads:
                    end = _ITEM_END.search(text, end + 1).start()  # type: ignore[union-attr]
                    end = min(end, following.start()) if following else end
                yield Said(end, end + 1, "soft")
