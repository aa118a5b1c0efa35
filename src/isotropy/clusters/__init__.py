"""Clusters of embeddings: how many, which rows, and what distinguishes them."""

from isotropy.clusters.cluster import AUTO, METHODS, Clusters, cluster
from isotropy.clusters.describe import Trait, describe
from isotropy.clusters.of_run import RunClusters, cluster_run

__all__ = ["AUTO", "METHODS", "Clusters", "RunClusters", "Trait", "cluster", "cluster_run", "describe"]
