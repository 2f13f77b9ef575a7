"""Nearest neighbours, exact or approximate, behind one function. Imports `_kernels` only."""

from skxssr.neighbors._knn import kneighbors

__all__ = ["kneighbors"]
