"""Clinical research workbench: cohorts, notes, images and risk models over data that stay in the house."""

__version__ = "0.1.0"
