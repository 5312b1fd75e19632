"""What a study's data look like, as people may see it: every table and figure has passed the centre's disclosure policy."""
