"""Imaging series on the workbench's side: read from folders, worded for the screen, converted, joined to cohorts and stores."""
