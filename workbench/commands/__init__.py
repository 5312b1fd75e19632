"""The sub-commands of `workbench`, one module each."""
