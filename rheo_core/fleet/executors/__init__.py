"""Executors: clusters that run shards, through `concurrent.futures.Executor`."""

from .cluster import SHARDS_AT_ONCE, Cluster, ClusterError
from .opening import LOCAL, check_name, open_cluster

__all__ = ["LOCAL", "SHARDS_AT_ONCE", "Cluster", "ClusterError", "check_name", "open_cluster"]
