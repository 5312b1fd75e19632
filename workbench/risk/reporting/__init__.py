"""The report of a study, as a page and in Word, its checklists, its metrics and its model card."""
