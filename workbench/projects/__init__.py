"""Projects and the slices of the store they are granted."""
