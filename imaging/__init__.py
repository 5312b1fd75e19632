"""DICOM and arrays in, arrays and measurements out. Knows nothing of stores, sessions or networks."""
