"""Cleaning of laboratory items, vital signs and facts of a patient."""
