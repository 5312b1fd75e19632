"""Snapshots of the store and the engines that read them."""
