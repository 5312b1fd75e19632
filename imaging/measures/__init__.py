"""Masks measured: volume, diameters, shape and values, with codes, units and where they come from."""

from imaging.measures.definitions import MEASURES, Measure
from imaging.measures.diameters import Diameters
from imaging.measures.masks import labels_over
from imaging.measures.regions import FLAGS, Region, measure, separate
from imaging.measures.tables import Origin, Row, rows_of

__all__ = ["FLAGS", "MEASURES", "Diameters", "Measure", "Origin", "Region", "Row", "labels_over", "measure", "rows_of", "separate"]
