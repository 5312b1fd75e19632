"""Review of what variables found: samples with known weights, decisions that survive a kill, error bounds, what is learnt."""

from nlp.review.decisions import Decision, DecisionFile, DecisionLog, Final, agreement, disagreements, finals
from nlp.review.gold import gold_tests, training_examples
from nlp.review.items import Item, read_items, write_items
from nlp.review.metrics import Interval, VariableMetrics, measure, wilson
from nlp.review.sampling import Sample, draw_sample

__all__ = [
    "Decision",
    "DecisionFile",
    "DecisionLog",
    "Final",
    "Interval",
    "Item",
    "Sample",
    "VariableMetrics",
    "agreement",
    "disagreements",
    "draw_sample",
    "finals",
    "gold_tests",
    "measure",
    "read_items",
    "training_examples",
    "wilson",
    "write_items",
]
