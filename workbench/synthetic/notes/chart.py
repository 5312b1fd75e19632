"""One encounter's chart: chooses what to say and fills the slots of templates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from workbench.synthetic.catalogue import catalogue, read_table
from workbench.synthetic.columns import DAY_SECONDS
from workbench.synthetic.notes.markup import templates
from workbench.synthetic.notes.slots import FILLERS, WORDS
from workbench.synthetic.notes.terms import implied, split, term
from workbench.synthetic.people import MALE

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from typing import TypeVar

    from workbench.synthetic.identity import Identities
    from workbench.synthetic.notes.facts import Facts
    from workbench.synthetic.notes.markup import Template
    from workbench.synthetic.notes.writer import Writer
    from workbench.synthetic.omop import Block

    T = TypeVar("T")

__all__ = ["Chart", "Hospital"]

_DURATIONS = {
    "小时": ("{n}小时", 2, 20), "天": ("{n}天", 2, 12), "周": ("{n}周", 2, 8), "月": ("{n}个月", 2, 10), "年": ("{n}年", 2, 15),
}  # fmt: skip
_HALF_OPEN = {"小时": ("半天", "数小时", "6+小时"),
              "天": ("半月", "数日", "3天余"), "周": ("月余", "半月余"), "月": ("半年", "3+月", "数月"),
              "年": ("十余年", "数年", "20年余")}  # fmt: skip


class Hospital:
    """What all charts of a block share.

    Parameters
    ----------
    block : Block
        The drawn block.
    facts : Facts
        Facts by encounter.
    who : Identities
        Identifiers of the patients.
    doctors : list of str
        Names by provider id less 1.
    """

    def __init__(self, block: Block, facts: Facts, who: Identities, doctors: list[str]) -> None:
        self.block, self.facts, self.who, self.doctors = block, facts, who, doctors
        self.sentences = templates("notes")
        symptoms = {row["reason"]: row for row in read_table("symptoms").rows()}
        self.clinical = [
            {name: split(text) if name != "unit" else text for name, text in symptoms[key].items()} for key in catalogue().reasons
        ]
        self.icd_name = read_table("icd10cn").texts("name")
        self.lab = read_table("labs").rows()
        self.drug = read_table("drugs").rows()
        self.procedure = read_table("procedures").rows()
        self.department = read_table("departments").texts("name")
        self.disease_name = read_table("chronic").texts("name")
        self.ethnic = read_table("ethnic").texts("name")
        self.deniable = [
            (row["term"], [catalogue().disease(key) for key in row["diseases"].split(",")]) for row in read_table("deniable").rows()
        ]
        self.start, self.end = block.visits.start.tolist(), block.visits.end.tolist()
        self.age = block.people.age_at(block.visits.person, block.visits.start_day).tolist()
        self.person = block.visits.person.tolist()
        self.reason = block.visits.reason.tolist()
        self.onset = block.people.onset.tolist()


class Chart:
    """One encounter while its notes are written.

    Parameters
    ----------
    hospital : Hospital
        What the block's charts share.
    writer : Writer
        Where the words go.
    dice : random.Random
        The encounter's own source of chance.
    visit : int
        Row of the encounter.
    """

    def __init__(self, hospital: Hospital, writer: Writer, dice: random.Random, visit: int) -> None:
        self.hospital, self.writer, self.dice, self.visit = hospital, writer, dice, visit
        self.person = hospital.person[visit]
        self.age = hospital.age[visit]
        self.male = hospital.block.people.sex[self.person] == MALE
        self.time = hospital.start[visit]
        self.day = self.time // DAY_SECONDS
        clinical = hospital.clinical[hospital.reason[visit]]
        self.diseases = [place for place, onset in enumerate(hospital.onset[self.person]) if onset <= self.day]
        names = {term(hospital.icd_name[code]).name for code in hospital.facts.diagnoses[visit]}
        names |= {hospital.disease_name[place] for place in self.diseases}
        present = clinical["present"]
        self.symptoms = present[: 1 + int(dice.random() * min(len(present), 4))]
        self.signs = [sign for sign in clinical["signs"] if dice.random() < 0.75]
        names.update(self.symptoms, self.signs, present)
        names |= {implied()[name] for name in names if name in implied()}
        self.present = names
        self.negatives = [word for word in clinical["absent"] if word not in names]
        self.differential = [word for word in clinical["differential"] if term(word).name not in names]
        self.unit = clinical["unit"]
        self.ago = self._duration()
        self.round: tuple[float, ...] | None = hospital.facts.rounds[visit][0] if hospital.facts.rounds[visit] else None
        self.labs = hospital.facts.first_labs[visit]
        self.operation: tuple[int, int] | None = next(
            (row for row in hospital.facts.procedures[visit] if hospital.procedure[row[0]]["kind"] == "op"), None
        )
        self.provider = hospital.facts.provider[visit]

    # ---- choosing

    def one(self, options: Sequence[T]) -> T:
        """Choose one of several."""
        return options[int(self.dice.random() * len(options))]

    def some(self, options: Sequence[T], most: int) -> list[T]:
        """Choose a few, in their order."""
        if len(options) <= most:
            return list(options)
        return [options[place] for place in sorted(self.dice.sample(range(len(options)), most))]

    def sentence(self, options: Sequence[Template]) -> None:
        """Write one of several templates, none that denies what the patient has; nothing where all do."""
        fitting = [option for option in options if not option.denied & self.present]
        if fitting:
            self.writer.fill(self.one(fitting), self.slot)

    def say(self, *parts: str) -> None:
        """Write one sentence of each part of ``notes.yaml``."""
        for part in parts:
            self.sentence(self.hospital.sentences[part])

    def _duration(self) -> str:
        if self.dice.random() < 0.25:
            return self.one(_HALF_OPEN[self.unit])
        pattern, low, high = _DURATIONS[self.unit]
        return pattern.format(n=low + int(self.dice.random() * (high - low)))

    # ---- writing

    def slot(self, name: str) -> None:
        """Fill a slot: with a sentence part of the same name, an identifier, a list of mentions, or plain words."""
        words = WORDS.get(name)
        if words:
            self.writer.add(words(self))
            return
        FILLERS[name](self)

    def mentions(self, words: Sequence[str], assertion: str, joint: str = "、") -> None:
        """Write an enumeration of mentions with one assertion."""
        for place, word in enumerate(words):
            if place:
                self.writer.add(joint)
            self.writer.mention(word, term(word), assertion)

    def diagnosis_names(self) -> list[str]:
        """Give the names of the encounter's diagnoses, the principal one first."""
        return [self.hospital.icd_name[code] for code in self.hospital.facts.diagnoses[self.visit]]

    def date(self, seconds: int, *, clock: bool = False) -> str:
        """Write a date in one of the ways of the house."""
        moment = datetime.fromtimestamp(seconds, tz=UTC)
        pattern = self.one(("{0}-{1:02d}-{2:02d}", "{0}年{1}月{2}日", "{0}.{1:02d}.{2:02d}"))
        text = pattern.format(moment.year, moment.month, moment.day)
        return f"{text} {moment:%H:%M}" if clock else text
