"""The hub: who may open which sealed session, and how it is built. Imports none of our other packages."""
