"""A seeded synthetic Chinese hospital with known truth."""

from workbench.synthetic.hospital import generate
from workbench.synthetic.reference import reference_tables

__all__ = ["generate", "reference_tables"]
