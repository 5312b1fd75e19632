"""Values that are missing: their patterns, how they are filled, and how analyses of several fillings become one."""
