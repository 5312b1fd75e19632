"""Cohort search: a language, frozen queries, engines that answer them alike."""
