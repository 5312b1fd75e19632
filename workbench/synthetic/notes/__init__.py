"""Chinese notes written from the patients' own facts, with the truth behind every mention."""
