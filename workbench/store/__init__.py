"""Snapshots of the store and the engines that read them."""

from workbench.store.snapshots import Manifest, Snapshot, SnapshotWriter, Store, open_store

__all__ = ["Manifest", "Snapshot", "SnapshotWriter", "Store", "open_store"]
