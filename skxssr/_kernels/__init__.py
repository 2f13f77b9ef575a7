"""Numba kernels: arrays in, arrays out. Imports numpy and numba, nothing of skxssr above it."""
