"""Survival: outcomes, curves, concordance, regression."""
