"""De-identification of DICOM files by PS3.15 Table E.1-1: attributes, text, dates, UIDs, pixels, and a last look at the bytes."""
