"""Reports that can leave: suppressed tables and figures with their counts, as one page, as Word and as CSV."""

from workbench.report.report import Report

__all__ = ["Report"]
