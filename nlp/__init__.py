"""Chinese clinical text in, findings out. Knows nothing of stores, sessions or networks.

Importing this package loads neither spaCy nor torch nor jieba; :func:`load` does what its components need.
"""

from nlp.annotations import ClinicalText, Note
from nlp.pipeline import load, read

__all__ = ["ClinicalText", "Note", "load", "read"]
