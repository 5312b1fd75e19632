"""The component that gives mentions the codes of the hospital's own codebook; the coder itself is in :mod:`nlp.coding.coder`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nlp.coding.coder import Candidate, Coded, Coder
from nlp.errors import VariableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nlp.annotations import ClinicalText, Mention

__all__ = ["Candidate", "Coded", "Coder", "Coding"]

_LONGEST_MENTION = 60
_REMEMBERED = 100_000

#: Domain -> labels of mentions that it codes.
LABELS = {
    "diagnosis": frozenset({"problem", "symptom", "sign", "finding"}),
    "procedure": frozenset({"procedure"}),
    "drug": frozenset({"drug"}),
    "lab": frozenset({"test"}),
}


class Coding:
    """The component that gives codes to mentions which have none.

    Parameters
    ----------
    coder : Coder, Path or str
        What codes, or the folder that it was saved to.
    labels : iterable of str, optional
        Labels of the mentions to code; without it those of the coder's domain.
    least : float, default 0.5
        Lowest score of an answer that is given.
    replace : bool, default False
        Whether a mention that has a code (from a dictionary) gets the codebook's instead, where it has one.

    Raises
    ------
    VariableError
        If there is no coder.

    Notes
    -----
    Where a mention names several things its codes and names are joined by ``;``.

    Examples
    --------
    >>> from nlp.coding.codebook import Codebook
    >>> from nlp.annotations import ClinicalText, Mention, Note
    >>> from nlp.normal import normalise
    >>> coding = Coding(Coder(Codebook.of([("I48.x01", "心房颤动"), ("I10", "高血压")])))
    >>> text = ClinicalText(Note("有房颤。"), normalise("有房颤。"), mentions=[Mention(1, 3, "problem")])
    >>> [(mention.code, mention.term) for mention in coding.predict(text)]
    [('I48.x01', '心房颤动')]
    """

    def __init__(
        self, coder: Coder | Path | str | None = None, *, labels: Iterable[str] | None = None, least: float = 0.5, replace: bool = False
    ) -> None:
        if coder is None:
            raise VariableError("the component coding has no coder", hint='name one: options={"coding": {"coder": FOLDER}}')
        self.coder = coder = coder if isinstance(coder, Coder) else Coder.open(coder)
        self.labels = frozenset(labels) if labels is not None else LABELS[coder.domain.name]
        self.least = least
        self.replace = replace
        self.version = f"coding-1+{coder.version}"
        self._remembered: dict[str, tuple[str, str]] = {}

    def predict(self, text: ClinicalText) -> list[Mention]:
        """Return the mentions, with the code and name of what they stand for."""
        told = [text.text_of(mention) if self._asks(mention) else "" for mention in text.mentions]
        answers = self._answers({term for term in told if term})
        return [_told(mention, *answers.get(term, ("", ""))) for mention, term in zip(text.mentions, told, strict=True)]

    def _asks(self, mention: Mention) -> bool:
        free = self.replace or not mention.code
        return free and mention.label in self.labels and mention.end - mention.start <= _LONGEST_MENTION

    def _answers(self, terms: set[str]) -> dict[str, tuple[str, str]]:
        new = sorted(terms - self._remembered.keys())
        if len(self._remembered) + len(new) > _REMEMBERED:
            self._remembered.clear()
            new = sorted(terms)
        for coded in self.coder.code(new):
            kept = [answer for answer in coded.answers if answer.score >= self.least]
            self._remembered[coded.term] = ";".join(each.code for each in kept), ";".join(each.name for each in kept)
        return {term: self._remembered[term] for term in terms}


def _told(mention: Mention, code: str, name: str) -> Mention:
    return mention._replace(code=code, term=name) if name else mention
