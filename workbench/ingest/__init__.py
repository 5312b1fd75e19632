"""From source systems to a published snapshot: map, link, check, de-identify."""
