"""Nearest neighbours, exact or approximate, behind one function."""

from skxssr.neighbors._knn import kneighbors

__all__ = ["kneighbors"]
