"""Guards: what may be wrong with the data of a study before anybody believes a figure made of them."""
