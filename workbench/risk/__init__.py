"""Disease-risk studies: from a cohort or a table to models, figures that hold, and the report."""
