"""The spaCy side of the pipeline: character tokens, parts as pipes, results as spans."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.language import Language
from spacy.tokens import Doc, Span

from nlp.annotations import ClinicalText, Note
from nlp.normal import NormalText, without_surrogates
from nlp.pipeline import Part, finish

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spacy.strings import StringStore
    from spacy.vocab import Vocab

    from nlp.annotations import Mention

__all__ = ["Characters", "ClinicalLanguage", "clinical_language"]

_NO_LIMIT = 1 << 60

# ENT_IOB of a token that begins an entity, lies in one, lies in none.
_BEGINS, _INSIDE, _OUTSIDE = 3, 1, 2


class _Orths(dict):
    """Characters -> their numbers in the vocabulary, each looked up once: half the time of a document goes into that otherwise."""

    def __init__(self, strings: StringStore) -> None:
        super().__init__()
        self.strings = strings

    def __missing__(self, character: str) -> int:
        self[character] = number = self.strings.add(character)
        return number


class Characters:
    """Makes documents whose tokens are the code points of the text, so that token index and offset are one number.

    Parameters
    ----------
    vocab : Vocab
        Vocabulary of the language.
    """

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab
        self._orths = _Orths(vocab.strings)

    def __call__(self, text: str) -> Doc:
        """Make the document of a text of which nothing more is known."""
        return self.document(Note(text))

    def document(self, note: Note) -> Doc:
        """Make the document of a note; a lone surrogate, which spaCy cannot hold, becomes U+FFFD in its token only."""
        text = without_surrogates(note.text)
        document = Doc(self.vocab, words=[self._orths[character] for character in text], spaces=[False] * len(text))
        document._.clinical = ClinicalText(note, NormalText(note.text), document_type=note.document_type)
        return document


class ClinicalLanguage(Language):
    """A Language whose pipes are the parts of a clinical pipeline."""

    lang = "zh"

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.parts: list[Part] = []
        self.tokenizer = Characters(self.vocab)

    def own_parts(self) -> list[Part] | None:
        """Return the parts where nobody added, took out or moved a pipe; otherwise None."""
        ours = [part.component.name for part in self.parts]
        return self.parts if self.pipe_names == [*ours, "finish"] and not self.disabled else None


def clinical_language(parts: Iterable[Part]) -> ClinicalLanguage:
    """Return a Language that runs the parts and then moves their records to the raw text."""
    _register()
    language = ClinicalLanguage(max_length=_NO_LIMIT)
    language.parts = list(parts)
    for part in language.parts:
        language.add_pipe("clinical_part", name=part.component.name)
    language.add_pipe("clinical_finish", name="finish")
    return language


@cache
def _register() -> None:
    """Make the parts known to spaCy, once, when the first pipeline is loaded."""
    Doc.set_extension("clinical", default=None, force=True)
    ClinicalLanguage.factory("clinical_part", func=_make_part)
    ClinicalLanguage.component("clinical_finish", func=finish_document)


def _make_part(nlp: ClinicalLanguage, name: str) -> Any:
    part = next(part for part in nlp.parts if part.component.name == name)

    def run(document: Doc) -> Doc:
        part.apply(document._.clinical)
        return document

    return run


def finish_document(document: Doc) -> Doc:
    """Move the records to the raw text and show mentions and sections as spaCy spans."""
    text = finish(document._.clinical)
    document.spans["sections"] = [Span(document, s.start, s.end, label=s.name) for s in text.sections if s.end > s.start]
    mentions = [mention for mention in text.mentions if mention.end > mention.start]
    document.spans["mentions"] = [Span(document, m.start, m.end, label=m.label) for m in mentions]
    if mentions:
        document.from_array([ENT_IOB, ENT_TYPE], _longest(mentions, len(document), document.vocab.strings))
    return document


def _longest(mentions: Iterable[Mention], length: int, strings: StringStore) -> np.ndarray:
    """Return what ``spacy.util.filter_spans`` leaves of mentions (the longest, then the first), a row a token; at a third of its cost."""
    rows = np.zeros((length, 2), np.uint64)
    rows[:, 0] = _OUTSIDE
    taken = bytearray(length)
    for mention in sorted(mentions, key=lambda mention: (mention.start - mention.end, mention.start)):
        start, end = mention.start, mention.end
        if not (taken[start] or taken[end - 1]):
            taken[start:end] = b"\1" * (end - start)
            rows[start:end] = (_INSIDE, strings.add(mention.label))
            rows[start, 0] = _BEGINS
    return rows
