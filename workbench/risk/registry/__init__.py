"""The registry (专病库): a study's variables as a form for each patient, with sources, corrections and follow-up."""
