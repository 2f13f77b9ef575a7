"""Greedy machinery that several selectors share; no estimator is here."""
