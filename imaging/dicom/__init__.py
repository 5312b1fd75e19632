"""What lies on disk and on the wire: files, headers, data sets within limits, the catalogue of a folder."""
